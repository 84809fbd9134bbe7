"""A row of the table, and the figure that was measured for it, with its interval.

A figure is a mean over items or a ratio of sums over items (errors / words). Its 95 % interval
comes from a bootstrap that draws items anew; paired columns stay together. The seed is fixed.

Left out: tests of significance between two models (`workbench.sweep`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import bootstrap

Mark = Literal["stretch", "bar", "missed", "reported"]


@dataclass(frozen=True)
class Row:
    """What is asked of the model: `bar` must be reached, `stretch` may be."""

    name: str  # e.g. "say-wer"
    what: str
    unit: str  # "%", "points", "ms", or nothing
    bar: float | None
    stretch: float | None
    more: bool = False  # is more better?

    def mark(self, value: float) -> Mark:
        for name, wanted in (("stretch", self.stretch), ("bar", self.bar)):
            if wanted is not None and (value >= wanted if self.more else value <= wanted):
                return name
        return "reported" if self.bar is None else "missed"


class Interval(NamedTuple):
    value: float
    low: float  # 2.5 %
    high: float  # 97.5 %


@dataclass(frozen=True)
class Figure:
    """One measured number. `floor` is what the judge gets wrong on the original voice."""

    row: Row
    value: float
    low: float
    high: float
    items: int
    judge: str = ""
    floor: float | None = None
    note: str = ""

    @property
    def mark(self) -> Mark:
        return self.row.mark(self.value)

    @property
    def short(self) -> float:
        """By how much the bar is missed; 0 where it is reached or where there is none."""
        if self.mark != "missed":
            return 0.0
        return abs(self.value - self.row.bar)


def figure(
    row: Row,
    interval: Interval,
    items: int,
    judge: str = "",
    floor: float | None = None,
    note: str = "",
) -> Figure:
    return Figure(row, *interval, items, judge, floor, note)


def ratio(over: Sequence[float], under: Sequence[float], scale: float = 1.0) -> Interval:
    """Sum of `over` / sum of `under`: a word error rate from errors and words of each item."""

    def stat(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return scale * a.sum(axis) / np.maximum(b.sum(axis), 1e-9)

    return _interval((over, under), stat)


def mean(values: Sequence[float], scale: float = 1.0) -> Interval:
    return _interval((values,), lambda a, axis: scale * a.mean(axis))


def median(values: Sequence[float], scale: float = 1.0) -> Interval:
    return _interval((values,), lambda a, axis: scale * np.median(a, axis))


def quantile(values: Sequence[float], q: float, scale: float = 1.0) -> Interval:
    return _interval((values,), lambda a, axis: scale * np.quantile(a, q, axis))


def _interval(columns: tuple[Sequence[float], ...], stat: Callable[..., np.ndarray]) -> Interval:
    data = tuple(np.asarray(column, np.float64) for column in columns)
    if len(data[0]) == 0:
        raise ValueError("nothing was measured: no items")
    value = float(stat(*data, axis=-1))
    if len(data[0]) == 1:
        return Interval(value, value, value)
    between = bootstrap(
        data,
        stat,
        n_resamples=2000,
        batch=500,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(value, float(between.low), float(between.high))
