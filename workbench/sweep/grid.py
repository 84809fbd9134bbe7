"""The grid of a sweep: its axes, checked and labelled, and the turn at every point.

    axes = axes_of({"experts": [wb.top_k(1), wb.top_k(2)], "temperature": [0.5, 1.0]})
    points_of(run.inputs, axes, repeats=3)            # 12 points

Left out: grids that are not a product of their axes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from model.aria import pace
from workbench.edits import Edit
from workbench.probe import near
from workbench.run import Inputs, Run

COLUMNS = ("repeat", "seed", "metric", "value", "seconds", "error")  # after those of the axes
LABEL = 60  # characters of a value that has no name

Label = str | int | float


@dataclass(frozen=True)
class Axis:
    name: str
    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    edits: bool  # are the values edits, each a tuple of them?

    @property
    def numeric(self) -> bool:
        return all(isinstance(label, int | float) for label in self.labels)


def axes_of(grid: Mapping[str, Any]) -> tuple[Axis, ...]:
    """The axes of a grid, checked."""
    if not isinstance(grid, Mapping) or not grid:
        raise ValueError('the grid is empty, expected such as {"temperature": [0, 0.5]}')
    return tuple(_axis(name, values) for name, values in grid.items())


def _axis(name: str, given: Any) -> Axis:
    if not isinstance(given, Mapping | Sequence | np.ndarray) or isinstance(given, str):
        raise ValueError(f"the axis {name!r} needs a list of values, or {{name: value}}: {given!r}")
    if len(given) == 0:
        raise ValueError(f"the axis {name!r} has no values")
    named = isinstance(given, Mapping)
    values = [v.item() if isinstance(v, np.generic) else v
              for v in (given.values() if named else given)]  # fmt: skip
    several = [v if isinstance(v, tuple | list) else () if v is None else (v,) for v in values]
    edits = [isinstance(e, Edit) for each in several for e in each]
    known = [f.name for f in fields(Inputs)]
    if name in COLUMNS:
        why = "repeats are seeds, say repeats=..." if name == "seed" else "the table has it already"
        raise ValueError(f"an axis can't be named {name!r}: {why}")
    if edits and not all(edits) and any(edits):
        raise ValueError(f"the axis {name!r} mixes edits with other values")
    is_edits = all(edits) and (bool(edits) or name not in known)
    if not is_edits and name not in known:
        raise ValueError(f"no input is named {name!r}{near(name, known)}; an axis of another name"
                         " has edits as values")  # fmt: skip
    if is_edits:
        values = [tuple(each) for each in several]
        labels = list(given) if named else _told(values)
    else:
        labels = list(given) if named else [_plain(value) for value in values]
        values = [pace(v) if name == "pace" and isinstance(v, str) else v for v in values]
    labels = [v.item() if isinstance(v, np.generic) else v for v in labels]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
               for v in labels):  # fmt: skip
        labels = [str(label) for label in labels]
    twice = [label for i, label in enumerate(labels) if label in labels[:i]]
    if twice:
        raise ValueError(f"two values of the axis {name!r} read {twice[0]!r}: name them,"
                         " {name: value}")  # fmt: skip
    return Axis(name, tuple(labels), tuple(values), is_edits)


def _plain(value: Any) -> Label:
    if isinstance(value, str | int | float):
        return value
    text = "none" if value is None else repr(value)
    return text if len(text) <= LABEL else text[: LABEL - 1] + "…"


def _told(values: Sequence[tuple[Edit, ...]]) -> list[str]:
    """Edits in few words: of each kind, only the fields that differ along the axis."""
    every = [edit for edits in values for edit in edits]

    def told(edit: Edit) -> str:
        kind = type(edit)
        shown = [f.name for f in fields(kind) if f.repr]
        others = [e for e in every if type(e) is kind]
        differ = [n for n in shown if len({repr(getattr(e, n)) for e in others}) > 1]
        known = [n for n in shown if getattr(edit, n) is not None]
        return f"{kind.__name__}({', '.join(f'{n}={getattr(edit, n)!r}' for n in differ or known)})"

    return [" + ".join(map(told, edits)) or "unedited" for edits in values]


class Point(NamedTuple):
    """One turn of a sweep."""

    labels: tuple[Label, ...]
    repeat: int
    inputs: Inputs
    edits: tuple[Edit, ...]
    base: Inputs  # the same seed off the grid


def start_of(start: Run | Inputs, keep_words: bool) -> Inputs:
    if isinstance(start, Inputs) and not keep_words:
        return start
    if not isinstance(start, Run):
        raise ValueError(f"a sweep starts from a run, not from a {type(start).__name__}")
    if not keep_words or start.inputs.aloud:
        return start.inputs
    words = tuple(start.words.tolist())
    return replace(start.inputs, words=words, most=max(1, len(words)))


def points_of(start: Inputs, axes: tuple[Axis, ...], repeats: int) -> list[Point]:
    """Seed by seed, so that a baseline serves all points of its seed."""
    points = []
    for repeat in range(repeats):
        base = replace(start, seed=start.seed + repeat)
        for places in product(*(range(len(axis.values)) for axis in axes)):
            chosen = list(zip(axes, places, strict=True))
            given = {axis.name: axis.values[i] for axis, i in chosen if not axis.edits}
            edits = tuple(e for axis, i in chosen if axis.edits for e in axis.values[i])
            labels = tuple(axis.labels[i] for axis, i in chosen)
            points.append(Point(labels, repeat, replace(base, **given), edits, base))
    return points
