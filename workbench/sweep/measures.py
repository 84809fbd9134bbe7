"""What a sweep measures of every turn: metrics by name, or any function of the run.

    metrics_of(["kl", lambda run: len(run.text)])

What the named ones of pairs compute: workbench/metrics.py.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

from workbench import metrics
from workbench.probe import near
from workbench.run import Run


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


def numbers_of(metric: Metric, result: Any) -> dict[str, float]:
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
