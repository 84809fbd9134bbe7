"""Dataclasses whose fields must be what their annotations say, shapes of arrays included.

A wrong field is one `ValueError` that names it. Left out: checking what is inside an array.
"""

import types
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import jaxtyped


class Checked:
    """A dataclass whose fields must be what their annotations say, shapes included."""

    def __post_init__(self) -> None:
        hints = hints_of(type(self))
        with jaxtyped("context"):  # a letter means the same size in all fields
            for f in fields(self):
                value = getattr(self, f.name)
                if not fits(value, hints[f.name]):
                    shown = getattr(hints[f.name], "__name__", hints[f.name])
                    raise ValueError(
                        f"{type(self).__name__}.{f.name} must be {shown}, not {form(value)}"
                    )


@cache
def hints_of(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Is a value what an annotation says?"""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if args[-1] is Ellipsis:
            return all(fits(item, args[0]) for item in value)
        return len(value) == len(args) and all(map(fits, value, args))
    if origin in (dict, Mapping):
        pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
        return all(fits(k, args[0]) and fits(v, args[1]) for k, v in pairs)
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)[:60]
