"""Read aloud, with an ear on it: a sentence is said several times, and the clearest one is heard.

    a sentence --say--> attempt, attempt, ... --own ear: was this said?--> the best

A turn (turn.py) speaks while it thinks. Whoever reads a text aloud has it whole, and can listen to
each sentence before anybody else does. The first attempt keeps the pace that was asked for; the
others look further ahead or less far, each within ARIA's law, and so say other words wrongly. (A
pace that has no lead is kept, and codebook 0 is drawn.) The ear is the model's own (transcribe.py),
no other judge is asked. A state is a value: an attempt that is dropped leaves nothing behind.

    for chunk in rehearse(omni, "It is twenty past four.", tries=4): play(chunk.audio)

Left out: saying only a part of a sentence again; answers, which stream.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from model.aria import Aria, Pace
from model.omni import Omni
from model.sampling import Sampling
from model.senses.message import Audio
from model.speech.codec import RATE
from model.transcribe import clear
from model.turn import Chunk, State, Voice, Word, render, sentences, speak, spelled

TRIES = 4
LEADS = (0, -1, 1, 2, 3, -2, 4, 5)  # tokens that an attempt holds back more than the pace does
FREELY = Sampling(0.8)
VIEWS = 3  # of an attempt, for the ear


class Attempt(NamedTuple):
    """A sentence, said once."""

    clear: float  # by the own ear
    chunks: list[Chunk]
    state: State  # after it


def rehearse(
    omni: Omni, text: str, voice: Voice | None = None, pace: Pace | None = None,
    tries: int = TRIES, how: Sampling | None = None, seed: int = 0, state: State | None = None,
) -> Iterator[Chunk]:  # fmt: skip
    """Read a text aloud, each sentence as the best of so many attempts; with `how`, all of them
    keep the pace and draw their sounds."""
    if tries < 1:
        raise ValueError(f"{tries} tries, expected 1 or more")
    state, ways = State() if state is None else state, _ways(pace or Aria(), tries, how)
    for n, sentence in enumerate(sentences(spelled(omni, text))):
        words = list(sentence)
        if not words:
            continue
        attempts = []
        for i, way in enumerate(ways):
            generator = torch.Generator().manual_seed(1_000_003 * seed + 1000 * n + i)
            attempts.append(_attempt(omni, words, state.fork(), voice or Voice(), *way, generator))
        best = max(attempts, key=lambda attempt: attempt.clear)
        vars(state).update(vars(best.state))
        yield from best.chunks


def _ways(pace: Pace, tries: int, how: Sampling | None) -> list[tuple[Pace, Sampling]]:
    """The pace of each attempt, and how its sounds are picked."""
    if how:
        return [(pace, how)] * tries
    ways: list[tuple[Pace, Sampling]] = [(pace, Sampling())]
    if isinstance(pace, Aria):
        leads = [pace.lead + more for more in LEADS[1:] if pace.lead + more >= 0]
        ways += [(Aria(lead), Sampling()) for lead in leads]
    ways += [(pace, FREELY)] * (tries - len(ways))
    return ways[:tries]


def _attempt(
    omni: Omni, words: list[Word], state: State, voice: Voice, pace: Pace, how: Sampling,
    generator: torch.Generator,
) -> Attempt:  # fmt: skip
    stream = speak(omni, iter(words), state, voice, pace, how, generator)
    chunks = list(render(omni, stream, state, voice.colour))
    sound = np.concatenate([np.zeros(0, np.float32), *(chunk.audio for chunk in chunks)])
    said = "".join(word.text for word in words).strip()
    found = clear(omni, Audio(sound, RATE), said, VIEWS) if len(sound) else -np.inf
    return Attempt(found, chunks, state)
