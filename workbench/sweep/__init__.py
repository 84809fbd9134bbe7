"""A sweep: the same turn at every point of a grid, several times, as one tidy table.

    experts = {k: wb.top_k(k) for k in (1, 2, 4)}     # names may be given: {name: value}
    sweep = lab.sweep(run, {"experts": experts, "pace": ["aria", "fixed:1:3"]},
                      metric=["seconds", "words_changed"], repeats=3)
    sweep                                             # a picture and a table, no kernel needed
    sweep.data; sweep.summary()                       # DataFrames: every turn; means, intervals
    sweep.plot()                                      # a Bokeh figure
    sweep.save("experts.csv")                         # or .html, .png

An axis is a field of `Inputs`, or has any other name and edits as values (None: unedited; a tuple:
several at once). Repeats are seeds. A metric is a name in METRICS, a function of the run, or one
of (baseline, run), where the baseline is the same seed off the grid; a function may return several
numbers, {name: number}. A point that fails is a row with its error.

Turns run one after the other in this process, or where the caller says with joblib's own switch:
`with joblib.parallel_config("loky", n_jobs=4): lab.sweep(...)`. With Dask, after `pip install
distributed`, it is `with Client("tcp://head:8786"), joblib.parallel_config("dask"): lab.sweep(...)`
with the `Client` of `dask.distributed`; `Client()` alone starts workers here, and then a script
needs its `if __name__ == "__main__":`. Other processes load the checkpoint by its name, so it has
to be where they run.

Every turn that is done is kept on disk: Ctrl-C returns what is there, and the same call goes on
from it. What is kept counts for the same weights, inputs, edits, seed, versions and metric;
functions of other files that a metric calls count by name only, so say `fresh=True` after changing
those. A metric of time measures other turns too while they run beside.

    grid.py       the axes, checked and labelled, and the turn at every point
    measures.py   metrics by name, or any function of the run
    turns.py      runs and measures them, here or in other processes
    cache.py      what is done, kept on disk
    result.py     the table, means with intervals, the picture

Left out: searches (every point of the grid is run), tests of significance between points.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workbench.kept import folder
from workbench.lab import Lab
from workbench.record import BUDGET
from workbench.run import Inputs, Run
from workbench.sweep.cache import keep_outcome, keys_of, read
from workbench.sweep.grid import Axis, Label, Point, axes_of, points_of, start_of
from workbench.sweep.measures import METRICS, Metric, MetricError, metrics_of
from workbench.sweep.result import Sweep, table_of
from workbench.sweep.turns import Ground, Outcome, outcomes, recording_of

__all__ = [
    "METRICS", "Axis", "Metric", "MetricError", "Point", "Sweep", "axes_of", "metrics_of",
    "recording_of", "sweep",
]  # fmt: skip


def sweep(
    lab: Lab,
    start: Run | Inputs,
    grid: Mapping[str, Sequence[Any] | Mapping[Label, Any]],
    metric: Any,
    repeats: int = 1,
    record: Sequence[str] = (),
    keep_words: bool = False,
    cache: str | Path | None = "",
    fresh: bool = False,
    budget: float = BUDGET,
    progress: bool = True,
) -> Sweep:
    """`Lab.sweep`, which says what the arguments are."""
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"repeats must be a whole number from 1 on, not {repeats!r}")
    inputs = start_of(start, keep_words)
    axes, measures = axes_of(grid), metrics_of(metric)
    kinds = [kind for m in measures for kind in m.record]
    record = tuple(dict.fromkeys((*record, *kinds)))
    points = points_of(inputs, axes, repeats)
    drawn = any(p.inputs.temperature or p.inputs.speech_temperature for p in points)
    if repeats > 1 and not drawn:
        warnings.warn(
            "nothing is drawn at random here, so repeats are the same turn again: say"
            " temperature=... or speech_temperature=... in the grid or in the first run",
            stacklevel=3,
        )
    ground = Ground(lab, record, budget)
    home = None if cache is None else folder(cache, "sweeps")
    keys = keys_of(ground, inputs, points, measures) if home else None
    paths = [home / f"{key}.json" for key in keys] if keys else []
    done: dict[int, Outcome] = {}
    if keys and not fresh:
        found = enumerate(map(read, paths, keys))
        done = {i: outcome for i, outcome in found if outcome}
    todo = [i for i in range(len(points)) if i not in done]
    with tqdm(
        desc="sweep", unit="turn", total=len(points), initial=len(done), disable=not progress
    ) as bar:
        try:
            for i, outcome in outcomes(ground, points, todo, measures):
                done[i] = outcome
                bar.update()
                if keys and not outcome.errors and not keep_outcome(paths[i], keys[i], outcome):
                    keys = None
        except KeyboardInterrupt:
            warnings.warn(
                f"stopped: {len(done)} of {len(points)} turns are done"
                + ("; the same call goes on from there" if keys else ""),
                stacklevel=3,
            )
    return table_of(lab, axes, points, done, measures, repeats)
