"""Speed: how long a listener waits for the first sound, and whether the voice keeps up.

Spoken questions of about three seconds, the model warm, on two cores (`THREADS`). The real-time
factor is wall time / seconds of speech, over the whole turn: reading the question, Thinker, Talker,
MTP and renderer. First audio is the time from handing over the whole question to the first chunk
that sounds.

Times are never taken from an earlier run. Another load on the machine makes them worse: the note
gives its load average at the start.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from model.data.store import Spoken, Turn
from workbench.evidence.candidate import RATE, Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, median, ratio
from workbench.evidence.items import Held

FACTOR = Row("speed-factor", "speaking: real-time factor, whole turn", "", 0.3, 0.1)
FIRST = Row("speed-first", "first audio after a 3 s spoken question, warm", "ms", 350.0, 120.0)
THREADS = 2
SECONDS = 3.0


@dataclass(frozen=True)
class Timed:
    id: str
    question: float  # seconds of sound
    first: float | None  # seconds until the first sound; None where there was none
    whole: float  # seconds until the last
    spoken: float  # seconds of the answer's sound
    load: float  # load average of the machine over the last minute


def choose(held: Held, n: int) -> list[tuple[Turn, Spoken]]:
    """The questions whose length is nearest to three seconds."""
    near = sorted(held.questions(4 * n), key=lambda item: abs(item[1].seconds - SECONDS))
    return near[:n]


def measure(candidate: Candidate, item: tuple[Turn, Spoken]) -> Timed:
    turn, clip = item
    load, threads = os.getloadavg()[0], torch.get_num_threads()
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    try:
        _turn(candidate, clip)  # warm: the second time counts; no state goes from turn to turn
        first, whole, spoken = _turn(candidate, clip)
    finally:
        torch.set_num_threads(threads)
    return Timed(turn.id, clip.seconds, first, whole, spoken, load)


def _turn(candidate: Candidate, clip: Spoken) -> tuple[float | None, float, float]:
    start, first, samples = perf_counter(), None, 0
    for chunk in candidate.answer(clip.samples, clip.rate):
        if first is None and len(chunk.audio):
            first = perf_counter() - start
        samples += len(chunk.audio)
    return first, perf_counter() - start, samples / RATE


def figures(items: Sequence[Timed]) -> tuple[Figure, ...]:
    spoke = [item for item in items if item.spoken]
    ear = f"clock, {min(THREADS, os.cpu_count() or 1)} threads"
    load = np.median([item.load for item in items])
    silent = f"; {len(items) - len(spoke)} without any sound" if len(spoke) < len(items) else ""
    late = 1000 * np.percentile([item.first for item in spoke], 95) if spoke else 0
    question = np.median([item.question for item in items])
    return (
        figure(
            FACTOR,
            ratio([item.whole for item in spoke], [item.spoken for item in spoke]),
            len(spoke),
            ear,
            note=f"{sum(item.spoken for item in spoke):.0f} s of speech; load {load:.1f}{silent}",
        ),
        figure(
            FIRST,
            median([item.first for item in spoke], 1000),
            len(spoke),
            ear,
            note=f"median; slowest 5 % above {late:.0f} ms; questions of {question:.1f} s; "
            f"load {load:.1f}",
        ),
    )


SPEED = Experiment("speed", (FACTOR, FIRST), Timed, choose, measure, figures, keep=False)
