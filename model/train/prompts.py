"""The Talker's own system prompt in training: who is to speak, and how.

    name                 "heart", "male, fast, loud"
    description          "a woman with a low voice, speaking softly"
    the voice itself     some seconds of other clips of this speaker, as codes; with words of manner

Of named voices mostly the name is said. The manner of a clip is nearly always told, since a name
alone must mean the voice as it is. The sample of a voice comes from clips in no manner, where the
speaker has some; short ones are laid one after the other, and cut anywhere.

Left out: samples in noise and rooms; the sample of one sentence in two halves.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.data.describe import describe, manner
from model.data.voices import FIRST, NAMED, known
from model.train.batch import Reading
from model.train.codes import Codes

USUAL = 37  # frames of a sample: 3 s
FEWEST, MOST = 19, 75  # 1.5 s, 6 s
NAME = 0.65  # of the named clips are asked for by name, the others by a description
TOLD = 0.9  # of the manners are told
# shares of plain first voices, other named ones, bent speakers, foreign networks' voices:
SHARES = {False: (0.45, 0.25, 0.30, 0.0), True: (0.10, 0.15, 0.40, 0.35)}


class Prompts:
    def __init__(self, rows: Sequence[Reading], codes: Codes):
        self.rows, self.codes = rows, codes
        self.speakers: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            self.speakers.setdefault(_who(row.voice), []).append(i)
        self.plain = {
            who: [i for i in these if "," not in rows[i].voice]
            for who, these in self.speakers.items()
        }
        groups = np.array([_group(row.voice) for row in rows])
        alone = np.array([len(self.speakers[_who(row.voice)]) < 2 for row in rows])
        self.chances = {
            False: _chances(groups, SHARES[False], groups == 3),
            True: _chances(groups, SHARES[True], alone),
        }

    def words(self, i: int, rng: np.random.Generator, cloned: bool = False) -> str:
        """What is asked for in words: of a voice that can be heard mostly the manner alone."""
        row = self.rows[i]
        if _group(row.voice) == 3:
            return ""
        voice = replace(known(row.voice), speed=row.speed)
        told = voice.manner if rng.random() < TOLD else ()
        if cloned:
            return manner(told, rng) if rng.random() < 0.8 else describe(voice, rng, left_out=0.5)
        if voice.who in NAMED and rng.random() < NAME:
            return manner(voice.manner, rng, voice.who)
        return describe(voice, rng)

    def sample(self, i: int, rng: np.random.Generator) -> np.ndarray | None:
        """Some seconds of the speaker i64[S, K], out of other clips; None if there are none."""
        who = _who(self.rows[i].voice)
        others = [k for k in self.plain[who] if k != i] or [k for k in self.speakers[who] if k != i]
        if not others:
            return None
        wanted = USUAL if rng.random() < 0.6 else int(rng.integers(FEWEST, MOST + 1))
        parts, count = [], 0
        for k in rng.permutation(others)[:8]:
            parts.append(self.codes.draw(self.rows[int(k)].id, rng).codes)
            count += len(parts[-1])
            if count >= wanted:
                break
        start = int(rng.integers(0, max(0, count - wanted) + 1))
        return np.concatenate(parts)[start : start + wanted]


def _who(voice: str) -> str:
    return voice.partition(",")[0]


def _group(voice: str) -> int:
    if voice in FIRST:
        return 0
    if _who(voice) in NAMED:
        return 1
    return 2 if voice.startswith("warp-") else 3


def _chances(groups: np.ndarray, shares: Sequence[float], never: np.ndarray) -> np.ndarray | None:
    """How likely each row is; None: all the same."""
    chances = np.zeros(len(groups))
    for group, share in enumerate(shares):
        these = (groups == group) & ~never
        chances[these] = share / max(1, these.sum())
    return np.cumsum(chances / chances.sum()) if chances.sum() else None
