"""Clips of other languages, to be written down: batches for `tongues` and `spell`.

There are two hours of them, said by a few people each (model/data/shelf.py): each clip is heard
faster or slower, with more or less silence around it, by another throat and microphone.

Left out: timings of words.
Letters: B clips, F mel frames, T tokens.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.data.shelf import Shelf
from model.layers.mel import log_mel_16k
from model.senses.spell import sounding
from model.senses.tokenizer import Tokenizer
from model.train.batch import SILENCE, alike, distort, pad

FASTER, SLOWER = 1.2, 0.85  # than it was said
AROUND = 80  # frames of silence before and after, at most
RARE = 400  # clips of a language, below which each is drawn more often


class Tongue(NamedTuple):
    """Clips of other languages and their texts."""

    mel: Tensor  # f32[B, 128, F]
    frames: Tensor  # i64[B]
    window: Tensor  # f32[], seconds of the attention window
    texts: Tensor  # i64[B, T], the tokens that sound
    lengths: Tensor  # i64[B]


@dataclass
class TongueData:
    """Clips of a shelf; batch n of a seed is always the same."""

    tokenizer: Tokenizer
    shelf: Shelf
    size: int = 48
    seed: int = 0
    clean: bool = False  # held-out clips are heard as they are
    mels: list[np.ndarray] = field(init=False, repr=False)  # f16[F, 128] each
    often: np.ndarray = field(init=False, repr=False)  # f64[clips], cumulated chances

    def __post_init__(self):
        clips = self.shelf.foreign
        if not clips:
            raise ValueError(
                "no recordings of other languages: install Debian's tuxpaint-stamps-default"
            )
        bar = tqdm(clips, desc=f"tongues {self.shelf.split}", unit="clip", mininterval=10)
        self.mels = [_mel(self.shelf.speech(clip.id)) for clip in bar]
        languages = [clip.language for clip in clips]
        chances = np.array([1 / max(RARE, languages.count(one)) for one in languages])
        self.often = np.cumsum(chances) / chances.sum()

    def __call__(self, step: int) -> Tongue:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        lengths = np.array(list(map(len, self.mels)))
        drawn = alike(lengths, self.size, rng, self.often)
        mels = [self.heard(self.mels[i], rng) for i in drawn]
        texts = [spoken(self.tokenizer, self.shelf.foreign[i].text) for i in drawn]
        return Tongue(
            pad(mels, SILENCE, 16).transpose(1, 2).contiguous(),
            torch.tensor(list(map(len, mels))),
            torch.tensor(8.0 if self.clean else float(rng.choice([1.6, 3.2, 8.0]))),
            pad(texts, 0), torch.tensor(list(map(len, texts))),
        )  # fmt: skip

    def heard(self, mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A clip as it is heard this time, f32[F, 128]."""
        if self.clean:
            return _surrounded(mel.astype(np.float32), AROUND // 2, AROUND // 2)
        before, after = rng.integers(0, AROUND, 2).tolist()
        quick = _hurried(mel.astype(np.float32), rng.uniform(SLOWER, FASTER))
        return distort(_surrounded(quick, before, after), rng)


def spoken(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """The tokens of a text that are heard, i64[T]."""
    return np.array([t for t in tokenizer.encode(text) if sounding(tokenizer.piece(t))], int)


def _mel(samples: np.ndarray) -> np.ndarray:
    return log_mel_16k(torch.from_numpy(samples)[None])[0].T.numpy().astype(np.float16)


def _hurried(mel: np.ndarray, speed: float) -> np.ndarray:
    """The same at another speed, the pitch as it was."""
    at = np.linspace(0, len(mel) - 1, max(2, round(len(mel) / speed)))
    low = at.astype(int)
    part = (at - low)[:, None].astype(np.float32)
    return mel[low] * (1 - part) + mel[np.minimum(low + 1, len(mel) - 1)] * part


def _surrounded(mel: np.ndarray, before: int, after: int) -> np.ndarray:
    """With frames of its own silence at both ends."""
    quiet = mel[mel.mean(1).argmin()][None]
    return np.concatenate([quiet.repeat(before, 0), mel, quiet.repeat(after, 0)])
