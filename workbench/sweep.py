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
`with joblib.parallel_config("loky", n_jobs=4): lab.sweep(...)` (or "dask", "ray"). Other processes
load the checkpoint by its name. Every turn that is done is kept on disk: Ctrl-C returns what is
there, and the same call goes on from it. What is kept counts for the same weights, inputs, edits,
seed, versions and metric; functions of other files that a metric calls count by name only, so say
`fresh=True` after changing those. A metric of time measures other turns too while they run beside.

Left out: searches (every point of the grid is run), tests of significance between points.
"""

import inspect
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import product
from numbers import Real
from pathlib import Path
from threading import RLock
from time import perf_counter
from typing import Any, NamedTuple
from uuid import uuid4

import joblib
import numpy as np
from tqdm import tqdm

from model.aria import pace
from workbench import metrics
from workbench.edits import Edit, edited
from workbench.kept import content, digest, folder, keep, kept, made_of, write
from workbench.lab import Lab, fingerprint
from workbench.probe import near
from workbench.record import BUDGET, Recording
from workbench.run import Inputs, Run, tables

VERSION = 1  # of what is kept on disk
COLUMNS = ("repeat", "seed", "metric", "value", "seconds", "error")  # after those of the axes
LABEL = 60  # characters of a value that has no name

Label = str | int | float


class Metric(NamedTuple):
    """What is measured of a turn."""

    name: str
    measure: Callable[..., Any]  # of (run), or of (baseline, run)
    pair: bool = False
    record: tuple[str, ...] = ()
    unit: str = ""


def _first_audio(run: Run) -> float:
    if "first audio" not in run.marks:
        raise ValueError("nothing was spoken")
    return run.marks["first audio"] / 1e6


METRICS = (
    Metric("seconds", lambda run: run.seconds, unit="s of speech"),
    Metric("words", lambda run: len(run.words), unit="text tokens"),
    Metric("first_audio", _first_audio, unit="ms"),
    Metric("kl", metrics.kl, True, ("logits",), "nats a word"),
    Metric("words_changed", metrics.words_changed, True, (), "share"),
    Metric("mel_distance", metrics.mel_distance, True, (), "dB"),
    Metric("flips", metrics.flips, True, ("routing",), "share of tokens"),
)


@dataclass(frozen=True)
class Axis:
    name: str
    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    edits: bool  # are the values edits, each a tuple of them?

    @property
    def numeric(self) -> bool:
        return all(isinstance(label, int | float) for label in self.labels)


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
    inputs = _start(start, keep_words)
    axes, measures = axes_of(grid), metrics_of(metric)
    kinds = [kind for m in measures for kind in m.record]
    record = tuple(dict.fromkeys((*record, *kinds)))
    points = _points(inputs, axes, repeats)
    drawn = any(p.inputs.temperature or p.inputs.speech_temperature for p in points)
    if repeats > 1 and not drawn:
        warnings.warn(
            "nothing is drawn at random here, so repeats are the same turn again: say"
            " temperature=... or speech_temperature=... in the grid or in the first run",
            stacklevel=3,
        )
    ground = _Ground(lab, record, budget)
    home = None if cache is None else folder(cache, "sweeps")
    keys = _keys(ground, inputs, points, measures) if home else None
    paths = [home / f"{key}.json" for key in keys] if keys else []
    done: dict[int, _Outcome] = {}
    if keys and not fresh:
        found = enumerate(map(_read, paths, keys))
        done = {i: outcome for i, outcome in found if outcome}
    todo = [i for i in range(len(points)) if i not in done]
    with tqdm(
        desc="sweep", unit="turn", total=len(points), initial=len(done), disable=not progress
    ) as bar:
        try:
            for i, outcome in _run(ground, points, todo, measures):
                done[i] = outcome
                bar.update()
                if keys and not outcome.errors and not _keep(paths[i], keys[i], outcome):
                    keys = None
        except KeyboardInterrupt:
            warnings.warn(
                f"stopped: {len(done)} of {len(points)} turns are done"
                + ("; the same call goes on from there" if keys else ""),
                stacklevel=3,
            )
    return _table(lab, axes, points, done, measures, repeats)


# --- the grid -------------------------------------------------------------------------------------


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


def _start(start: Run | Inputs, keep_words: bool) -> Inputs:
    if isinstance(start, Inputs) and not keep_words:
        return start
    if not isinstance(start, Run):
        raise ValueError(f"a sweep starts from a run, not from a {type(start).__name__}")
    if not keep_words or start.inputs.aloud:
        return start.inputs
    words = tuple(start.words.tolist())
    return replace(start.inputs, words=words, most=max(1, len(words)))


def _points(start: Inputs, axes: tuple[Axis, ...], repeats: int) -> list[Point]:
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


# --- metrics --------------------------------------------------------------------------------------


class MetricError(ValueError):
    """What a metric returned is wrong at every point: the sweep ends."""


def metrics_of(given: Any) -> tuple[Metric, ...]:
    """Metrics by name or as functions, alone, in a list, or as {name: function}."""
    if isinstance(given, Mapping):
        found = [_metric(one)._replace(name=str(name)) for name, one in given.items()]
    else:
        found = [_metric(m) for m in (given if isinstance(given, list | tuple) else [given])]
    if not found:
        raise ValueError("no metric, expected a name or a function of the run")
    names = [m.name for m in found]
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise ValueError(f"two metrics are named {twice[0]!r}: name them, {{name: function}}")
    return tuple(found)


def _metric(given: Any) -> Metric:
    for known in METRICS:
        if given == known.name or given is known.measure:
            return known
    names = [m.name for m in METRICS]
    if isinstance(given, str):
        raise ValueError(f"no metric {given!r}{near(given, names)}; there is {', '.join(names)}")
    if not callable(given):
        raise ValueError(f"a metric is a function of the run or a name, not {given!r}")
    try:
        takes = inspect.signature(given).parameters.values()
    except ValueError:  # built in, and does not say
        takes = [inspect.Parameter("run", inspect.Parameter.POSITIONAL_ONLY)]
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needs = [p for p in takes if p.default is p.empty and p.kind not in free]
    if len(needs) > 2 or any(p.kind is p.KEYWORD_ONLY for p in needs):
        raise ValueError(
            f"a metric takes (run) or (baseline, run), not {', '.join(map(str, needs))}"
        )
    name = getattr(given, "__name__", type(given).__name__)
    return Metric("metric" if name == "<lambda>" else name, given, len(needs) == 2)


def _numbers(metric: Metric, result: Any) -> dict[str, float]:
    """What a metric returned, by name."""
    named = result if isinstance(result, Mapping) else {metric.name: result}
    numbers = {}
    for name, value in named.items():
        value = value.item() if getattr(value, "ndim", None) == 0 else value
        if not isinstance(value, Real):
            raise MetricError(
                f"the metric {metric.name!r} returned {str(result)[:60]!r}, expected a number, or"
                " numbers by name"
            )
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, expected a finite number")
        numbers[str(name)] = float(value)
    return numbers


# --- running --------------------------------------------------------------------------------------


class _Outcome(NamedTuple):
    values: dict[str, float]
    errors: dict[str, str]  # by metric
    seconds: float
    of: dict[str, list[str]]  # which values are whose


class _Ground:
    """The model that the turns run on: the lab's own here, its checkpoint in another process."""

    def __init__(self, lab: Lab, record: tuple[str, ...], budget: float):
        self.lab, self.record, self.budget = lab, record, budget
        self.edits, self.source, self.seed = lab.edits, lab.source, lab.seed
        self.fingerprint = fingerprint(lab.omni)
        self.id = uuid4().hex
        self.one = RLock()  # a turn at a time: edits are of the model
        self.baseline: tuple[int, Run] | None = None  # of the last seed

    def __reduce__(self):
        if not self.source:
            raise pickle.PicklingError(
                "other processes can't have a model that is only in memory: omni.save(folder), then"
                " wb.load(folder)"
            )
        told = {n: getattr(self, n) for n in ("record", "budget", "edits", "source", "seed",
                                              "fingerprint", "id")}  # fmt: skip
        return _elsewhere, (told,)

    def turn(self, inputs: Inputs, edits: tuple[Edit, ...]) -> Run:
        with self.one:
            lab = self.lab or self._load()
            more = edits if lab.edits == self.edits else (*self.edits, *edits)
            with lab.edit(*more):
                recording = recording_of(lab, inputs, self.record, self.budget)
                for _chunk in recording:
                    pass
                return recording.run()

    def baseline_of(self, inputs: Inputs) -> Run:
        with self.one:
            if self.baseline is None or self.baseline[0] != inputs.seed:
                self.baseline = inputs.seed, self.turn(inputs, ())
            return self.baseline[1]

    def _load(self) -> Lab:
        from workbench.lab import load

        self.lab = load(self.source, self.seed)
        if self.lab.about.fingerprint != self.fingerprint:
            self.lab = None
            raise MetricError(f"the weights in {self.source} are no longer those of this lab:"
                              " omni.save(folder), then wb.load(folder)")  # fmt: skip
        return self.lab


_there: dict[str, _Ground] = {}  # in another process: the last ground, with its model


def _elsewhere(told: dict[str, Any]) -> _Ground:
    if told["id"] not in _there:
        _there.clear()
        ground = _there[told["id"]] = object.__new__(_Ground)
        ground.lab, ground.baseline, ground.one = None, None, RLock()
        vars(ground).update(told)
    return _there[told["id"]]


def recording_of(lab: Lab, inputs: Inputs, record: Sequence[str], budget: float) -> Recording:
    """A recording under the edits that are on, without a word about megabytes."""
    effective, clock = edited(inputs, lab.edits, lab.omni)
    return Recording(lab.omni, inputs, record, budget, clock, lab.edits, lab.about, effective)


def _measured(
    ground: _Ground, point: Point, measures: tuple[Metric, ...], index: int
) -> tuple[int, _Outcome]:
    began = perf_counter()
    values: dict[str, float] = {}
    errors: dict[str, str] = {}
    of: dict[str, list[str]] = {}
    run: Run | Exception
    try:
        run = ground.turn(point.inputs, point.edits)
    except MetricError:
        raise
    except Exception as error:
        run = error
    for metric in measures:
        try:
            if isinstance(run, Exception):
                raise run
            both = (ground.baseline_of(point.base), run) if metric.pair else (run,)
            numbers = _numbers(metric, metric.measure(*both))
        except MetricError:
            raise
        except Exception as error:
            errors[metric.name] = f"{type(error).__name__}: {error}"
            continue
        twice = values.keys() & numbers.keys()
        if twice:
            raise MetricError(f"two metrics return {twice.pop()!r}")
        values |= numbers
        of[metric.name] = list(numbers)
    return index, _Outcome(values, errors, perf_counter() - began, of)


def _run(
    ground: _Ground, points: list[Point], todo: list[int], measures: tuple[Metric, ...]
) -> Iterator[tuple[int, _Outcome]]:
    """The outcomes as they come, from wherever joblib's configuration sends the turns."""
    jobs = [joblib.delayed(_measured)(ground, points[i], measures, i) for i in todo]
    try:
        try:
            parallel = joblib.Parallel(return_as="generator_unordered")
        except ValueError:  # a backend that can't: some at a time, so that none is lost
            parallel = joblib.Parallel()
            width = 2 * abs(parallel.n_jobs)
            for at in range(0, len(jobs), width):
                yield from parallel(jobs[at : at + width])
        else:
            yield from parallel(jobs)
    except pickle.PicklingError as error:
        raise ValueError(
            f"this can't be sent to other processes: {error.__cause__ or error}"
        ) from None


def _table(
    lab: Lab,
    axes: tuple[Axis, ...],
    points: list[Point],
    done: dict[int, _Outcome],
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


# --- what is kept on disk -------------------------------------------------------------------------


def _keys(
    ground: _Ground, start: Inputs, points: list[Point], measures: tuple[Metric, ...]
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


def _read(path: Path, key: str) -> _Outcome | None:
    match kept(path, key):
        case {"values": dict(values), "seconds": float(seconds), "of": dict(of)}:
            return _Outcome(values, {}, seconds, of)
    return None


def _keep(path: Path, key: str, outcome: _Outcome) -> bool:
    """Keep an outcome; False where that fails: the sweep goes on without."""
    try:
        keep(path, key, {"values": outcome.values, "seconds": outcome.seconds, "of": outcome.of})
    except OSError as error:
        warnings.warn(f"turns are no longer kept on disk: {error}", stacklevel=4)
        return False
    return True
