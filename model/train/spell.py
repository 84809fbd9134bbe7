"""The stage `spell`: the speller alone, for an ear and a table of words that stay as they are.

    omni train spell --start model/checkpoints/micro --minutes 10

In `ear`, `hear` and `world` the speller learns which token is spoken at each moment, as far as the
voices tell when they say what. Here it also learns that the text as a whole is what is heard, laid
on the sound in all ways (CTC, Graves et al., 2006), as it is asked in use (senses/spell.py): so it
learns from voices without timings as well.

Left out: timings found by itself.
Letters: B clips, F steps of 40 ms, T tokens, V vocabulary.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.data.shelf import Shelf
from model.data.store import Store
from model.omni import Omni
from model.senses.spell import STEPS
from model.train.batch import EarBatch, alike, pad
from model.train.features import Features
from model.train.foreign import Tongue, TongueData, spoken
from model.train.loop import Recipe, Result, Run, train
from model.train.losses import IGNORE, accuracy, cross_entropy
from model.train.stages import chances, ear_rows

FOREIGN = 0.5  # what other languages count beside English
TIMED = 0.5  # what naming each moment rightly counts beside the text as a whole


class SpellBatch(NamedTuple):
    ear: EarBatch
    texts: Tensor  # i64[B, T], the tokens that sound
    lengths: Tensor  # i64[B]


@dataclass
class SpellData:
    """Clips and their texts; those of Kokoro's voices more often than others."""

    omni: Omni
    features: Features
    size: int = 64
    seed: int = 0
    clean: bool = False
    often: np.ndarray = field(init=False)

    def __post_init__(self):
        self.often = chances(self.features)

    def __call__(self, step: int) -> SpellBatch:
        rng, marks = np.random.default_rng([self.seed, abs(step), step < 0]), self.omni.tokenizer
        drawn = alike(self.features.frames, self.size, rng, self.often)
        clips = [self.features[i] for i in drawn]
        texts = [spoken(marks, clip.text) for clip in clips]
        lengths = torch.tensor(list(map(len, texts)))
        return SpellBatch(ear_rows(clips, rng, self.clean, marks), pad(texts, 0), lengths)


class Both(NamedTuple):
    english: SpellBatch
    foreign: Tongue | None  # None: there are no recordings


class Spell(nn.Module):
    def __init__(self, omni: Omni):
        super().__init__()
        self.speller = omni.speller
        self.apart = [omni]  # in a list: not trained, not saved

    def forward(self, both: Both) -> tuple[Tensor, dict[str, Tensor]]:
        batch, tongue = both
        omni, ear = self.apart[0], batch.ear
        with torch.no_grad():
            states, _ = omni.ear(ear.mel, window=float(ear.window), lengths=ear.frames)
        whole, named = whole_text(omni, states, ear.frames, batch.texts, batch.lengths)
        tokens = ear.tokens[:, : named.shape[1]]
        timed = tokens != IGNORE
        each = cross_entropy(named[:, : tokens.shape[1]][timed], tokens[timed])
        right = accuracy(named[:, : tokens.shape[1]][timed], tokens[timed])
        loss, metrics = whole + TIMED * each, {"whole": whole, "each": each, "spelled": right}
        if tongue:
            mel, frames, window, texts, lengths = tongue
            with torch.no_grad():
                states, _ = omni.ear(mel, window=float(window), lengths=frames)
            metrics["foreign"], _ = whole_text(omni, states, frames, texts, lengths)
            loss = loss + FOREIGN * metrics["foreign"]
        return loss, metrics


def whole_text(
    omni: Omni, states: Tensor, frames: Tensor, texts: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Nats a token (CTC) by which the speller misses the texts i64[B, T] in states f[B, N, D] of
    sounds with so many mel frames, and the log-probability f[B, F, V] of every token in each of its
    steps."""
    named = F.linear(omni.speller(states), omni.thinker.embed.weight.detach()).float()
    named = named.log_softmax(-1)
    steps = (STEPS * ((frames + 15) // 16)).clamp(max=named.shape[1])
    nothing = omni.tokenizer.tts_pad
    loss = F.ctc_loss(named.transpose(0, 1), texts, steps, lengths, nothing, zero_infinity=True)
    return loss, named


def spell(
    omni: Omni, store: Store, cache: Path, shelves: tuple[Shelf, Shelf], run: Run,
    recipe: Recipe | None = None, sizes: tuple[int, int] = (48, 48),
) -> Result:  # fmt: skip
    """Train the speller of a model that hears; `cache` is the folder of the features. A batch has
    `sizes` clips, English ones and foreign ones."""
    module = Spell(omni)

    def both(split: str, shelf: Shelf, clean: bool):
        features = Features.build(store, split, cache)
        english = SpellData(omni, features, sizes[0], run.seed, clean)
        if not shelf.foreign:
            return lambda step: Both(english(step), None)
        foreign = TongueData(omni.tokenizer, shelf, sizes[1], run.seed, clean)
        return lambda step: Both(english(step), foreign(step))

    data, valid = both("train", shelves[0], False), both("valid", shelves[1], True)
    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, module, data, run, recipe or Recipe(lr=1e-3), held_out)
