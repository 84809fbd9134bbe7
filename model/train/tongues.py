"""The stage `tongues`: ear and speller learn other languages; English is heard as before.

    clips of other languages --ear--> states --speller--> the whole text, laid on the sound (CTC)
    English clips, sounds    --ear--> states, as near as can be to those of the ear that it was

There are two hours of other languages, said by a few people each (model/data/shelf.py): each clip
is heard faster or slower, with more or less silence around it, by another throat and microphone.
Thinker and Talker have learnt to listen to the ear that is, so that one says what is to stay (Li
and Hoiem, "Learning without Forgetting", 2016); `answer`, after this, teaches the Thinker to write.

    omni train tongues --start model/checkpoints/micro --minutes 40

Left out: timings of words; the Thinker.
Letters: B clips, F mel frames, T tokens.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.data.shelf import Shelf
from model.data.store import Store
from model.layers.mel import log_mel_16k
from model.omni import Omni
from model.senses.spell import sounding
from model.senses.tokenizer import Tokenizer
from model.train.batch import SILENCE, alike, distort, pad
from model.train.features import Features
from model.train.loop import Recipe, Result, Run, train
from model.train.ring import RingBatch, RingData
from model.train.spell import SpellBatch, SpellData, whole_text
from model.train.stages import held

SIZES = (48, 16, 6)  # clips of other languages, English ones, single sounds a batch
FASTER, SLOWER = 1.2, 0.85  # than it was said
AROUND = 80  # frames of silence before and after, at most
RARE = 400  # clips of a language, below which each is drawn more often
STAYS = 5.0  # what a state that moves by its own length counts beside a nat a token


class Tongue(NamedTuple):
    """Clips of other languages and their texts."""

    mel: Tensor  # f32[B, 128, F]
    frames: Tensor  # i64[B]
    window: Tensor  # f32[], seconds of the attention window
    texts: Tensor  # i64[B, T], the tokens that sound
    lengths: Tensor  # i64[B]


class TongueBatch(NamedTuple):
    tongue: Tongue
    english: SpellBatch
    rings: RingBatch


@dataclass
class TongueData:
    """Clips of a shelf; batch n of a seed is always the same."""

    tokenizer: Tokenizer
    shelf: Shelf
    size: int = SIZES[0]
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
        spoken = [clip.language for clip in clips]
        chances = np.array([1 / max(RARE, spoken.count(language)) for language in spoken])
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


class Tongues(nn.Module):
    def __init__(self, omni: Omni):
        super().__init__()
        self.aut, self.speller = omni.ear, omni.speller
        self.apart = [omni, deepcopy(omni.ear)]  # in a list: not trained, not saved

    def forward(self, batch: TongueBatch) -> tuple[Tensor, dict[str, Tensor]]:
        tongue, english, rings = batch
        states, _ = self.aut(tongue.mel, window=float(tongue.window), lengths=tongue.frames)
        foreign, _ = whole_text(self.apart[0], states, tongue.frames, tongue.texts, tongue.lengths)
        ear = english.ear
        states, words = self.stays(ear.mel, ear.frames, float(ear.window))
        whole, _ = whole_text(self.apart[0], states, ear.frames, english.texts, english.lengths)
        _, sounds = self.stays(rings.mel, rings.frames, 8.0)
        loss = foreign + whole + STAYS * (words + sounds)
        return loss, {"foreign": foreign, "whole": whole, "words": words, "sounds": sounds}

    def stays(self, mel: Tensor, frames: Tensor, window: float) -> tuple[Tensor, Tensor]:
        """States f[B, N, D], and how far they are from what they were, as a share of their length
        squared."""
        states, _ = self.aut(mel, window=window, lengths=frames)
        with torch.no_grad():
            was, _ = self.apart[1].to(mel.device)(mel, window=window, lengths=frames)
        here = held(frames, mel.shape[2])
        now, was = states[here].float(), was[here].float()
        return states, (now - was).square().mean() / was.square().mean()


def tongues(
    omni: Omni, store: Store, cache: Path, shelves: tuple[Shelf, Shelf], run: Run,
    recipe: Recipe | None = None, sizes: tuple[int, int, int] = SIZES,
) -> Result:  # fmt: skip
    """Train ear and speller of a model that hears; `cache` is the folder of the features."""
    module = Tongues(omni)

    def all_of(split: str, shelf: Shelf, clean: bool):
        features = Features.build(store, split, cache)
        foreign = TongueData(omni.tokenizer, shelf, sizes[0], run.seed, clean)
        english = SpellData(omni, features, sizes[1], run.seed, clean)
        rings = RingData(omni.tokenizer, shelf, sizes[2], run.seed, clean)
        return lambda step: TongueBatch(foreign(step), english(step), rings(step))

    data, valid = all_of("train", shelves[0], False), all_of("valid", shelves[1], True)
    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, module, data, run, recipe or Recipe(lr=1.5e-3, decay=0.6), held_out)
