"""Who is examined: anybody who can copy a voice, hear, say and answer.

`Ours` is our model behind that protocol, and the only place of the evidence that knows the model's
own calls. Anything else with these methods can be put on the board beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from model.aria import Audit, pace
from model.attend import Listener, Native
from model.omni import Omni
from model.rehearse import rehearse
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.speech.search import STEPS, search
from model.transcribe import hear, spelled_out
from model.turn import Chunk, State, Voice, answer, imitated, say

RATE = 24_000  # of everything a candidate says
TOLD = 0.4  # seconds between timestamps in sound, where times are asked for


@dataclass(frozen=True)
class Said:
    """Something said aloud. An audit tells how text and frames of one sentence went together."""

    samples: np.ndarray  # float32 [S] at 24 kHz
    text: str
    audits: tuple[Audit, ...] = field(default=())


class Candidate(Protocol):
    def copy(self, samples: np.ndarray, rate: int, once: bool = False) -> np.ndarray:
        """The same sound, through the codec, as well as it can; `once`: codes chosen at once; 24
        kHz."""
        ...

    def hear(self, samples: np.ndarray, rate: int, foreign: bool = False) -> str: ...

    def say(self, text: str, voice: str, pace: str, once: bool = False) -> Said:
        """A text, as well as it can; `once`: streamed, at the first attempt."""
        ...

    def imitate(self, text: str, samples: np.ndarray, rate: int) -> Said:
        """A text in the voice of a recording."""
        ...

    def answer(self, samples: np.ndarray, rate: int) -> Iterator[Chunk]:
        """A spoken question; text and sound as they come."""
        ...

    def reply(self, message: Message, timestamps: bool = True) -> str:
        """Anything asked, answered in writing; without timestamps nothing tells the time."""
        ...

    def listener(self) -> Listener | None:
        """Takes turns; None: it cannot."""
        ...


class Ours:
    """Our model, with the settings of the command line: transcripts by beam search of several
    views, texts read aloud as the best of four attempts, copies by search, answers greedy, pace
    aria."""

    def __init__(self, omni: Omni):
        self.omni = omni

    def copy(self, samples: np.ndarray, rate: int, once: bool = False) -> np.ndarray:
        wave = torch.from_numpy(Audio(samples, rate).at(RATE).samples)
        codes = search(self.omni.codec, wave[None], 0 if once else STEPS)
        with torch.inference_mode():
            copy = self.omni.codec.decode(codes)
        return copy[0, : len(wave)].float().numpy()

    def hear(self, samples: np.ndarray, rate: int, foreign: bool = False) -> str:
        return (spelled_out if foreign else hear)(self.omni, Audio(samples, rate))

    def say(self, text: str, voice: str, pace_: str, once: bool = False) -> Said:
        state, aloud = State(), say if once else rehearse
        chunks = list(aloud(self.omni, text, Voice(voice), pace(pace_), state=state))
        return together(chunks, tuple(state.audits))

    def imitate(self, text: str, samples: np.ndarray, rate: int) -> Said:
        return together(list(say(self.omni, text, imitated(self.omni, Audio(samples, rate)))))

    def answer(self, samples: np.ndarray, rate: int) -> Iterator[Chunk]:
        return answer(self.omni, [Message.of("user", Audio(samples, rate))])

    def reply(self, message: Message, timestamps: bool = True) -> str:
        clock = Clock(TOLD) if timestamps else Mute()
        chunks = answer(self.omni, [message], clock=clock, aloud=False)
        return "".join(chunk.text for chunk in chunks)

    def listener(self) -> Listener | None:
        return Native(self.omni) if self.omni.thinker.turns.trained else None


@dataclass(frozen=True)
class Mute(Clock):
    """Tells no time."""

    def tell(self, seconds: float) -> str:
        return ""


def together(chunks: list[Chunk], audits: tuple[Audit, ...] = ()) -> Said:
    """All that was said in one piece."""
    samples = [np.zeros(0, np.float32)] + [chunk.audio for chunk in chunks]
    return Said(np.concatenate(samples), "".join(chunk.text for chunk in chunks), audits)
