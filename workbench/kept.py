"""What was computed, kept on disk: under a hash of all that it depends on, in files that are whole
or don't count.

    key = digest([content(inputs), made_of(metric), seed])
    keep(folder / f"{key}.json", key, {"seconds": 1.2})
    kept(folder / f"{key}.json", key)                 # the same, or None

A file that is damaged, cut short or of another key is None, never an error: it is computed again.
Left out: throwing away what is old (a file has some hundred bytes).
"""

import dis
import hashlib
import json
import os
import types
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from workbench.omnirun import pack


def folder(given: str | Path = "", name: str = "") -> Path:
    """The folder `given`, or `name` in the user's cache, made where it is missing."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(given) if given else Path(home) / "omni-workbench" / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"nothing can be kept in {path} ({error}): cache=..., or None") from None
    return path


def write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def keep(path: Path, key: str, value: dict[str, Any]) -> None:
    body = json.dumps({"key": key, "value": value})
    write(path, f"{body}\n{hashlib.sha256(body.encode()).hexdigest()}".encode())


def kept(path: Path, key: str) -> dict[str, Any] | None:
    """What `keep` wrote, if it is whole."""
    try:
        body, _, told = path.read_text(encoding="utf-8").rpartition("\n")
        if hashlib.sha256(body.encode()).hexdigest() != told:
            return None
        found = json.loads(body)
        return found["value"] if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


# --- what a value depends on ----------------------------------------------------------------------


def digest(value: Any) -> str:
    """Plain values as a hash."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def content(value: Any) -> str:
    """A value that an `.omnirun` can hold, as a hash."""
    arrays: dict[str, np.ndarray] = {}
    tree = pack(value, arrays)
    return joblib.hash((json.dumps(tree, sort_keys=True), arrays))


def made_of(value: Any, home: str | None = None, seen: frozenset[int] = frozenset()) -> Any:
    """What a function is made of: its code, what it closes over and the globals that it reads.

    Functions of the same file (or of the notebook) are followed, others count by name. What has no
    fixed content (an open file, a generator) is an error.
    """
    if isinstance(value, partial):
        given = joblib.hash((value.args, value.keywords))
        return ["partial", made_of(value.func, home, seen), given]
    if isinstance(value, types.ModuleType):
        return ["module", value.__name__]
    if isinstance(value, type | types.BuiltinFunctionType):
        return ["name", value.__module__, value.__qualname__]
    if isinstance(value, types.MethodType):
        return ["method", made_of(value.__func__, home, seen), joblib.hash(value.__self__)]
    if not isinstance(value, types.FunctionType):
        if home is None and callable(value):  # an object that is called
            return ["call", made_of(type(value).__call__, home, seen), joblib.hash(value)]
        return ["value", joblib.hash(value)]
    home = home or value.__module__
    if id(value) in seen or value.__module__ not in (home, "__main__"):
        return ["name", value.__module__, value.__qualname__]
    seen |= {id(value)}
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    read = sorted(_globals(value.__code__) & value.__globals__.keys())
    return [
        _code(value.__code__),
        joblib.hash((value.__defaults__, value.__kwdefaults__)),
        [made_of(cell, home, seen) for cell in cells],
        {name: made_of(value.__globals__[name], home, seen) for name in read},
    ]


def _code(code: types.CodeType) -> list[Any]:
    """What is compiled, without where it stood."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            constants.append(_code(constant))
        elif isinstance(constant, frozenset):  # in an order that differs from process to process
            constants.append(sorted(map(repr, constant)))
        else:
            constants.append(repr(constant))
    return [code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars]


def _globals(code: types.CodeType) -> set[str]:
    loads = ("LOAD_GLOBAL", "LOAD_NAME")
    names = {i.argval for i in dis.get_instructions(code) if i.opname in loads}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= _globals(inner)
    return names
