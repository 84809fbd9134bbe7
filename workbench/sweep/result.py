"""What came out of a sweep: one tidy table, its means with intervals, its picture.

How it is drawn: workbench/chart.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from workbench.kept import write
from workbench.lab import Lab
from workbench.probe import near
from workbench.run import tables
from workbench.sweep.grid import COLUMNS, Axis, Point
from workbench.sweep.measures import Metric
from workbench.sweep.turns import Outcome


@dataclass(frozen=True, eq=False)
class Sweep:
    """What came out. `data` has a row for each point, repeat and metric."""

    axes: tuple[Axis, ...]
    data: Any = field(repr=False)  # DataFrame: the axes, then COLUMNS
    units: dict[str, str]  # of each metric
    repeats: int
    planned: int  # turns; fewer are done where the sweep was stopped
    done: int
    model: str

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.units)

    def summary(self):
        """Mean and 95 % bootstrap interval over the repeats of each point, as a DataFrame."""
        return self._summary.copy()

    @cached_property
    def _summary(self):
        from workbench.evidence.figure import mean

        names, rows = [axis.name for axis in self.axes], []
        for metric in self.metrics:
            here = self.data[self.data["metric"] == metric]
            for labels in product(*(axis.labels for axis in self.axes)):
                inside = here
                for name, label in zip(names, labels, strict=True):
                    inside = inside[inside[name] == label]
                values = inside["value"].dropna().tolist()
                between = mean(values) if values else (np.nan,) * 3
                low, high = between[1:] if len(values) > 1 else (np.nan, np.nan)
                failed = int((inside["error"] != "").sum())
                rows.append((metric, *labels, between[0], low, high, len(values), failed))
        columns = ["metric", *names, "mean", "low", "high", "runs", "failed"]
        return tables().DataFrame(rows, columns=columns)

    def plot(self, metric: str = "", x: str = "", theme: str = "light"):
        """A live Bokeh figure: single turns, means and intervals; the axis `x` lies across, the
        others are colours. `bokeh.plotting.show` shows it."""
        return self._chart(x).plot(self._metric(metric), theme)

    def png(self, theme: str = "light", x: str = "") -> bytes:
        """The picture of all metrics."""
        return self._chart(x).png(theme)

    def html(self, x: str = "", theme: str = "light") -> str:
        """The live figures of all metrics as one offline page."""
        return self._chart(x).page(theme)

    def save(self, path: str | Path) -> Path:
        """Write the table (.csv), the picture (.png) or the live figures (.html)."""
        path = Path(path)
        makers: dict[str, Callable[[], bytes]] = {
            ".csv": lambda: self.data.to_csv(index=False).encode(),
            ".png": self.png,
            ".html": lambda: self.html().encode(),
        }
        if path.suffix not in makers:
            raise ValueError(f"{path}: a sweep is saved as {', '.join(makers)}")
        write(path, makers[path.suffix]())
        return path

    def _metric(self, name: str) -> str:
        if name and name not in self.units:
            raise ValueError(f"no metric {name!r}{near(name, self.units)}; there is "
                             f"{', '.join(self.units)}")  # fmt: skip
        return name or self.metrics[0]

    def _chart(self, x: str = ""):
        from workbench.chart import Chart

        return Chart(self, x)

    def __repr__(self) -> str:
        table = self._summary.to_string(float_format="{:.4g}".format)
        return f"{self._chart().subtitle}\n{table}"

    def _repr_html_(self) -> str:
        return self._chart().snapshot()


def table_of(
    lab: Lab,
    axes: tuple[Axis, ...],
    points: list[Point],
    done: dict[int, Outcome],
    measures: tuple[Metric, ...],
    repeats: int,
) -> Sweep:
    names = {m.name: [] for m in measures}  # the values of each metric, in their order
    for outcome in done.values():
        for metric, of in outcome.of.items():
            names[metric] += [name for name in of if name not in names[metric]]
    names = {metric: of or [metric] for metric, of in names.items()}
    rows = []
    for i in sorted(done):
        point, outcome = points[i], done[i]
        for metric, of in names.items():
            error = outcome.errors.get(metric, "")
            for name in of:
                if name not in outcome.values and not error:
                    continue  # here the metric did not return it
                value = outcome.values.get(name, np.nan)
                told = (point.repeat, point.base.seed, name, value, outcome.seconds, error)
                rows.append((*point.labels, *told))
    data = tables().DataFrame(rows, columns=[*(axis.name for axis in axes), *COLUMNS])
    units = {name: metric.unit for metric in measures for name in names[metric.name]}
    return Sweep(axes, data, units, repeats, len(points), len(done), lab.name)
