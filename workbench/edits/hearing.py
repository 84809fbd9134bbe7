"""Edits of what is heard and seen: window of the ear, what timestamps tell, places of a video."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from torch import nn

from model.omni import Omni
from model.senses.prompt import Clock, plan
from workbench.edits.base import Edit
from workbench.run import Inputs


def edited(inputs: Inputs, edits: Sequence[Edit], omni: Omni) -> tuple[Inputs, Clock]:
    """The inputs after all edits, and the clock that goes with them."""
    for edit in edits:
        inputs = edit.inputs(inputs)
    clock = Clock(inputs.interval, inputs.compact)
    retold = [edit for edit in edits if isinstance(edit, Timestamps)]
    if not retold:
        return inputs, clock
    listening = _Listening(inputs.interval, inputs.compact)
    sizes = {"hear": omni.ear.tokens, "look": omni.eye.grid}
    plan(inputs.messages, omni.tokenizer, listening, **sizes)
    moments = np.unique(np.array(listening.moments))
    if not len(moments):
        raise ValueError(
            f"{retold[0]} changes nothing: this turn has no timestamps; give it a video, or"
            " interval=... for timestamps inside audio"
        )
    told = moments
    for edit in retold:
        told = edit.retell(told)
    return inputs, _Retold(
        inputs.interval, inputs.compact, dict(zip(moments.tolist(), told.tolist(), strict=True))
    )


@dataclass(frozen=True)
class HearingWindow(Edit):
    seconds: float

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        if not self.seconds > 0:
            raise ValueError(f"a window must be longer than {self.seconds} s")

        def widen(_ear: nn.Module, inputs: tuple) -> tuple:
            return inputs[0], None, self.seconds  # sounds are heard whole, with no past

        hook = omni.ear.register_forward_pre_hook(widen)
        try:
            yield
        finally:
            hook.remove()


def hearing_window(seconds: float) -> HearingWindow:
    """Seconds of sound that the audio encoder attends to at once (8 as a rule)."""
    return HearingWindow(seconds)


@dataclass(frozen=True)
class Timestamps(Edit):
    """A change of what timestamps say; where they stand stays as it is."""

    def retell(self, moments: np.ndarray) -> np.ndarray:
        """What is told in place of these seconds; NaN tells nothing."""
        raise NotImplementedError


@dataclass(frozen=True)
class DropTimestamps(Timestamps):
    def retell(self, moments):
        return np.full_like(moments, np.nan)


@dataclass(frozen=True)
class ShiftTimestamps(Timestamps):
    seconds: float

    def retell(self, moments):
        return moments + self.seconds


@dataclass(frozen=True)
class StretchTimestamps(Timestamps):
    factor: float

    def retell(self, moments):
        return moments * self.factor


@dataclass(frozen=True)
class ScrambleTimestamps(Timestamps):
    seed: int

    def retell(self, moments):
        order = np.random.default_rng(self.seed).permutation(len(moments))
        told = np.empty_like(moments)
        told[order] = moments[np.roll(order, 1)]  # one round: none keeps its own
        return told


@dataclass(frozen=True)
class SpaceTimestamps(Edit):
    interval: float | None

    def inputs(self, inputs):
        return replace(inputs, interval=self.interval)


@dataclass(frozen=True)
class CompactPlaces(Edit):
    def inputs(self, inputs):
        return replace(inputs, compact=True)


def drop_timestamps() -> DropTimestamps:
    """No timestamp is written."""
    return DropTimestamps()


def shift_timestamps(seconds: float) -> ShiftTimestamps:
    """Every timestamp says so many seconds more."""
    return ShiftTimestamps(float(seconds))


def stretch_timestamps(factor: float) -> StretchTimestamps:
    """Every timestamp says its seconds times a factor."""
    return StretchTimestamps(float(factor))


def scramble_timestamps(seed: int = 0) -> ScrambleTimestamps:
    """The timestamps' values change places at random."""
    return ScrambleTimestamps(seed)


def space_timestamps(interval: float | None) -> SpaceTimestamps:
    """Inside audio a timestamp stands every so many seconds; None: nowhere."""
    return SpaceTimestamps(interval)


def compact_places() -> CompactPlaces:
    """The places of a video leave no gaps; the time is told by timestamps alone."""
    return CompactPlaces()


@dataclass(frozen=True)
class _Listening(Clock):
    """Notes the moments that are told."""

    moments: list[float] = field(default_factory=list)

    def tell(self, seconds: float) -> str:
        self.moments.append(seconds)
        return super().tell(seconds)


@dataclass(frozen=True)
class _Retold(Clock):
    """Tells something else in place of each moment; NaN tells nothing."""

    told: Mapping[float, float] = field(default_factory=dict)

    def tell(self, seconds: float) -> str:
        told = self.told[seconds]
        return "" if np.isnan(told) else super().tell(told)
