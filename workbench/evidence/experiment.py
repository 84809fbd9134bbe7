"""What an experiment is: which items, what to do with one of them, and the figures of them all.

An item's record is a frozen dataclass of plain values (id, text, voice, what the judge heard ...):
it is written to disk as it is, and every figure can be computed from the records again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.evidence.candidate import Candidate
from workbench.evidence.figure import Figure, Row
from workbench.evidence.items import Held


@dataclass(frozen=True)
class Experiment:
    name: str
    rows: tuple[Row, ...]
    record: type  # of one item; has a field `id`
    choose: Callable[[Held, int], Sequence[Any]]  # at most n items
    measure: Callable[[Candidate, Any], Any]  # item -> record
    figures: Callable[[Sequence[Any]], tuple[Figure, ...]]
    keep: bool = True  # may a record of an earlier run be used again? (times may not)
