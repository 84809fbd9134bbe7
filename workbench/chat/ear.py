"""Hands-free: what visitors' microphones hear, and who has the floor.

    ears = Ears(omni)                  # ears.detectors: {name: what it is}
    ear = ears.open("silero")          # one a visitor
    heard = ears.hear(ear, samples, talking)       # Heard(events, open)
    ear.take()                         # the turn that is over, as an Audio

When to answer, to go on or to stop is decided by a detector of model/attend.py. The model's own one
runs in a twin: parts of its own around the same weights, so that the edits and recordings of the
turn that is being answered neither change what it hears nor see it. One thread listens to all, a
piece of one visitor after a piece of another, so that it never takes more than one core from the
answers. Left out: finding speech here; Gradio (page.py).
"""

from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from model.attend import Listener, Native, Silero, State
from model.omni import Omni
from model.senses.message import Audio
from model.senses.prompt import RATE

OVERLAP = 0.3  # seconds: who spoke before the answer did, and goes on so long, interrupts it


class Heard(NamedTuple):
    """What happened in a piece of sound."""

    events: list[str]  # of "turn", "interrupt", "backchannel"
    open: bool  # is the visitor's turn going on?


@dataclass(eq=False)
class Ear:
    """The microphone of one visitor."""

    listener: Listener
    state: State
    overlap: float = 0.0  # seconds of an answer beside a turn that was open before it
    turn: Audio | None = None  # the last one that is over

    def hear(self, samples: np.ndarray, talking: bool) -> Heard:
        before = self.state.open
        found, self.state = self.listener.hear(samples, self.state, talking)
        events = [event.kind for event in found]
        for event in found:
            self.turn = event.audio or self.turn
        if "interrupt" in events:
            self.overlap = OVERLAP
        elif not self.state.open:
            self.overlap = 0.0
        elif before and talking and self.overlap < OVERLAP:
            self.overlap += len(samples) / RATE
            if self.overlap >= OVERLAP:
                events.append("interrupt")
        return Heard(events, self.state.open)

    def take(self) -> Audio | None:
        """The last turn that is over, once."""
        turn, self.turn = self.turn, None
        return turn


class Ears:
    def __init__(self, omni: Omni):
        shared = chain(omni.parameters(), omni.buffers(), [omni.tokenizer])
        self.omni = deepcopy(omni, {id(part): part for part in shared})
        self.detectors = {"silero": "Silero VAD and silence"}
        if omni.thinker.turns.trained:  # the first one is what a visitor gets
            self.detectors = {"native": "the model itself"} | self.detectors
        self._made: dict[str, Listener] = {}
        self._thread = ThreadPoolExecutor(1, "ears")

    def open(self, name: str) -> Ear:
        """Begin to listen with a detector."""
        if name not in self.detectors:
            known = ", ".join(self.detectors)
            raise ValueError(f"no detector of turns is named {name!r}, expected {known}")
        if name not in self._made:
            self._made[name] = Native(self.omni) if name == "native" else Silero()
        listener = self._made[name]
        return Ear(listener, listener.begin())

    def hear(self, ear: Ear, samples: np.ndarray, talking: bool) -> Future[Heard]:
        """The next piece at 16 kHz; `talking`: is the visitor's player sounding, as it says?"""
        return self._thread.submit(ear.hear, samples, talking)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
