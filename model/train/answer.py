"""The stage `answer`: the Thinker alone learns to answer; eye and ear stay as they are.

Written questions, and pictures that need no learning of the eye, cost a small part of what `world`
does, and a model can learn to answer in minutes what it has not learnt in hours of everything at
once; what is asked about scenes is asked about descriptions of scenes too (described.py). But
whoever trains on questions alone forgets the rest. So eye, ear and table of words are frozen, and a
copy of the Thinker as it was says what is to stay (Li and Hoiem, "Learning without Forgetting",
2016): how it writes down sentences, and its states at sounds, to which the Talker and the head for
turns listen. The head that is told where to listen is told the same of what it reads: what is to be
said again is looked up where it stands.

    omni train answer --start model/checkpoints/micro --minutes 30

Left out: anything seen or heard anew.
Letters: B rows, T tokens, N scored places, D width, V vocabulary.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.data.shelf import Shelf
from model.data.store import Store
from model.omni import Omni
from model.thinker import Thought
from model.train.batch import HearBatch, ReadBatch, copied
from model.train.features import Features
from model.train.loop import Recipe, Result, Run, train
from model.train.losses import IGNORE, Balance, accuracy, cross_entropy
from model.train.stages import Guided, HearData, fill, held
from model.train.world import POINTING, WorldBatch, WorldData, embedded

SIZES = (20, 16, 2)  # pictures, sounds and films a batch
ROWS = 12  # with sound a batch, a third of them questions, the others sentences
SPLICED = 4  # more questions, put together from words that were said elsewhere
READS = 24  # written questions a batch: they cost little
DROP = 0.2  # of the states of the ear: there are few recordings, which it would know by heart


class AnswerBatch(NamedTuple):
    """Questions to learn, and sentences that are to be written down as before."""

    hear: HearBatch
    sentences: int  # so many of its first rows
    copied: Tensor  # i64[R, T, 2], where the next token stands in what is read; -1: nowhere
    scenes: tuple[WorldBatch, ...]


class Seen(NamedTuple):
    """Embeddings of what is read, heard and seen, for two Thinkers."""

    x: Tensor  # f[B, T, D]
    sounds: Tensor  # bool[B, T], states of the ear
    text: ReadBatch


@dataclass
class AnswerData:
    heard: HearData
    scenes: WorldData

    def __call__(self, step: int) -> AnswerBatch:
        batch = self.heard(step)
        rows = zip(batch.read.ids.numpy(), batch.read.targets.numpy(), strict=True)
        places = torch.from_numpy(np.stack([copied(*row) for row in rows]))
        return AnswerBatch(batch, self.heard.sentences, places, self.scenes(step))


class Answer(nn.Module):
    def __init__(self, omni: Omni):
        super().__init__()
        self.thinker = omni.thinker
        self.thinker.embed.requires_grad_(False)
        self.thinker.turns.requires_grad_(False)
        self.apart = [omni, deepcopy(omni.thinker)]  # in a list: not trained, not saved
        self.guided = Guided.into(omni.thinker.stack)
        self.balance = Balance(omni.thinker)

    def forward(self, batch: AnswerBatch) -> tuple[Tensor, dict[str, Tensor]]:
        hear = self.heard(batch.hear)
        thought, was = self.thinker(hear.x, hear.text.places)[0], self.was(hear)
        hidden, targets = thought.hidden, batch.hear.targets
        read = self.thinker(self.thinker.embed(batch.hear.read.ids), batch.hear.read.places)[0]
        written, right = self.learnt(read.hidden, batch.hear.read.targets)
        copying = self.guided.loss(batch.copied)
        n = batch.sentences
        spoken, spoken_right = self.learnt(hidden[n:], targets[n:])
        kept = self.kept(hidden[:n], was.hidden[:n], targets[:n])
        states = shift(thought, was, hear.sounds)
        answers, wanted, looking = [], [], []
        for scene in batch.scenes:
            seen = self.seen(scene)
            thought = self.thinker(seen.x, seen.text.places)[0]
            scored = seen.text.targets != IGNORE
            answers.append(thought.hidden[scored])
            wanted.append(seen.text.targets[scored])
            looking.append(self.guided.loss(scene.heard) * len(wanted[-1]))
            if seen.sounds.any():
                states = states + shift(thought, self.was(seen), seen.sounds)
        told, told_right = self.learnt(torch.cat(answers), torch.cat(wanted))
        pointing = torch.stack(looking).sum() / sum(map(len, wanted))
        balance = self.balance.take()
        pointing = pointing + copying
        loss = written + spoken + told + POINTING * pointing + kept + states + 0.01 * balance
        return loss, {"read": written, "read_right": right, "asked": spoken,
                      "asked_right": spoken_right, "told": told, "told_right": told_right,
                      "pointing": pointing, "copying": copying, "kept": kept, "states": states,
                      "balance": balance}  # fmt: skip

    @torch.no_grad()
    def was(self, seen: Seen) -> Thought:
        """What the Thinker made of it before."""
        return self.apart[1](seen.x, seen.text.places)[0]

    @torch.no_grad()
    def heard(self, batch: HearBatch) -> Seen:
        omni = self.apart[0]
        ear, sounds = batch.ear, batch.ids == omni.tokenizer.audio_pad
        states, _ = omni.ear(ear.mel, window=float(ear.window), lengths=ear.frames)
        x = self.thinker.embed(batch.ids) * batch.keep.unsqueeze(-1)
        x = fill(x, sounds, states[held(ear.frames, ear.mel.shape[2])])
        return Seen(x, sounds, ReadBatch(batch.ids, batch.places, batch.targets))

    @torch.no_grad()
    def seen(self, batch: WorldBatch) -> Seen:
        omni, ids = self.apart[0], batch.read.ids
        x, _ = embedded(omni, batch)
        marks = omni.tokenizer
        sounds = ids == marks.audio_pad
        x = torch.where(sounds[..., None], F.dropout(x, DROP, self.training), x)
        return Seen(x, sounds, batch.read)

    def learnt(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the tokens to be written, and the share that was right."""
        scored = targets != IGNORE
        logits, targets = self.thinker.logits(hidden[scored]), targets[scored]
        return cross_entropy(logits, targets), accuracy(logits, targets)

    def kept(self, hidden: Tensor, was: Tensor, targets: Tensor) -> Tensor:
        """KL in nats a token from what it would have written to what it would write now."""
        scored = targets != IGNORE
        now, before = (self.thinker.logits(h[scored]).float().log_softmax(-1)
                       for h in (hidden, was))  # fmt: skip
        return F.kl_div(now, before, log_target=True, reduction="batchmean")


def shift(thought: Thought, was: Thought, at: Tensor) -> Tensor:
    """How far the states lie from where they were, as a share of their length squared."""
    pairs = ((one[at].float(), other[at].float()) for one, other in zip(thought, was, strict=True))
    return sum((one - other).square().mean() / other.square().mean() for one, other in pairs)


def answer(
    omni: Omni, store: Store, cache: Path, shelves: tuple[Shelf, Shelf], run: Run,
    recipe: Recipe | None = None, rows: int = ROWS, spliced: int = SPLICED, reads: int = READS,
    sizes: tuple[int, int, int] = SIZES,
) -> Result:  # fmt: skip
    """Train the Thinker of a model that hears and sees; `cache` is the folder of the features."""
    module = Answer(omni)

    def both(split: str, shelf: Shelf, clean: bool) -> AnswerData:
        heard = HearData(omni, Features.build(store, split, cache), store.turns(split), size=rows,
                         seed=run.seed, listen=1.0, asks=1 / 3, splices=spliced, reads=reads,
                         clean=clean, shelf=shelf)  # fmt: skip
        return AnswerData(heard, WorldData(omni, shelf, sizes, run.seed, clean))

    data, valid = both("train", shelves[0], False), both("valid", shelves[1], True)
    held_out = [valid(-1 - i) for i in range(3)]
    return train(module, module, data, run, recipe or Recipe(lr=6e-4), held_out)
