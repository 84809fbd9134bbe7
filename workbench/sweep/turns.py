"""The turns of a sweep: each is run and measured, wherever joblib's configuration sends it.

In this process they take turns on the lab's own model, since edits are of the model; another
process loads the checkpoint by its name, once, and checks that its weights are the same.
"""

import pickle
from collections.abc import Iterator, Sequence
from threading import RLock
from time import perf_counter
from typing import Any, NamedTuple
from uuid import uuid4

import joblib

from workbench.edits import Edit, edited
from workbench.lab import Lab, fingerprint
from workbench.record import Recording
from workbench.run import Inputs, Run
from workbench.sweep.grid import Point
from workbench.sweep.measures import Metric, MetricError, numbers_of


class Outcome(NamedTuple):
    values: dict[str, float]
    errors: dict[str, str]  # by metric
    seconds: float
    of: dict[str, list[str]]  # which values are whose


class Ground:
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


_there: dict[str, Ground] = {}  # in another process: the last ground, with its model


def _elsewhere(told: dict[str, Any]) -> Ground:
    if told["id"] not in _there:
        _there.clear()
        ground = _there[told["id"]] = object.__new__(Ground)
        ground.lab, ground.baseline, ground.one = None, None, RLock()
        vars(ground).update(told)
    return _there[told["id"]]


def recording_of(lab: Lab, inputs: Inputs, record: Sequence[str], budget: float) -> Recording:
    """A recording under the edits that are on, without a word about megabytes."""
    effective, clock = edited(inputs, lab.edits, lab.omni)
    return Recording(lab.omni, inputs, record, budget, clock, lab.edits, lab.about, effective)


def _measured(
    ground: Ground, point: Point, measures: tuple[Metric, ...], index: int
) -> tuple[int, Outcome]:
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
            numbers = numbers_of(metric, metric.measure(*both))
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
    return index, Outcome(values, errors, perf_counter() - began, of)


def outcomes(
    ground: Ground, points: list[Point], todo: list[int], measures: tuple[Metric, ...]
) -> Iterator[tuple[int, Outcome]]:
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
