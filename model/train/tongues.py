"""The stage `tongues`: ear and speller learn other languages; English is heard as before.

    clips of other languages --ear--> states --speller--> the whole text, laid on the sound (CTC)
    English clips, sounds    --ear--> states, as near as can be to those of the ear that it was

Thinker and Talker have learnt to listen to the ear that is, so that one says what is to stay (Li
and Hoiem, "Learning without Forgetting", 2016). Its states move nevertheless: the Thinker follows
half of the way (`omni train blend`), where unknown voices are understood as well as at the end, and
known ones as well as before; `spell`, after that, names what the ear has of other languages there.

    omni train tongues --start model/checkpoints/micro --minutes 40

Left out: the Thinker, which writes none of these languages.
Letters: B clips, N states, D width.
"""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.data.shelf import Shelf
from model.data.store import Store
from model.omni import Omni
from model.train.features import Features
from model.train.foreign import Tongue, TongueData
from model.train.loop import Recipe, Result, Run, train
from model.train.ring import RingBatch, RingData
from model.train.spell import SpellBatch, SpellData, whole_text
from model.train.stages import held

SIZES = (48, 16, 6)  # clips of other languages, English ones, single sounds a batch
STAYS = 5.0  # what a state that moves by its own length counts beside a nat a token


class TongueBatch(NamedTuple):
    tongue: Tongue
    english: SpellBatch
    rings: RingBatch


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
