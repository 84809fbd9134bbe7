"""The turns of a sweep that are done, kept on disk: one small file each, named by its key.

A key is a hash of all that the turn and its measures depend on: weights, versions, inputs, edits,
seed, what is recorded, and what the metrics are made of. Files that are whole or don't count:
workbench/kept.py.
"""

import pickle
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

from workbench.kept import content, digest, keep, kept, made_of
from workbench.run import Inputs
from workbench.sweep.grid import Point
from workbench.sweep.measures import Metric
from workbench.sweep.turns import Ground, Outcome

VERSION = 1  # of what is kept


def keys_of(
    ground: Ground, start: Inputs, points: list[Point], measures: tuple[Metric, ...]
) -> list[str] | None:
    """What each turn and its measures depend on, as a hash; None if a metric can't be told."""
    about = ground.lab.about
    try:
        made = [(m.name, m.pair, made_of(m.measure)) for m in measures]
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, ValueError) as error:
        warnings.warn(
            f"nothing is kept on disk: a metric uses what has no fixed content ({error})",
            stacklevel=4,
        )
        return None
    head = digest([
        VERSION, ground.fingerprint, about.versions, about.device, about.dtype, about.threads,
        content(start), list(map(content, ground.edits)), ground.record, made,
    ])  # fmt: skip
    known: dict[int, str] = {}  # a value stands in many points, and may be long

    def told(value: Any) -> str:
        if id(value) not in known:
            known[id(value)] = content(value)
        return known[id(value)]

    names = [f.name for f in fields(Inputs)]
    return [
        digest([head, [told(getattr(p.inputs, n)) for n in names], list(map(told, p.edits))])
        for p in points
    ]


def read(path: Path, key: str) -> Outcome | None:
    match kept(path, key):
        case {"values": dict(values), "seconds": float(seconds), "of": dict(of)}:
            return Outcome(values, {}, seconds, of)
    return None


def keep_outcome(path: Path, key: str, outcome: Outcome) -> bool:
    """Keep an outcome; False where that fails: the sweep goes on without."""
    try:
        keep(path, key, {"values": outcome.values, "seconds": outcome.seconds, "of": outcome.of})
    except OSError as error:
        warnings.warn(f"turns are no longer kept on disk: {error}", stacklevel=4)
        return False
    return True
