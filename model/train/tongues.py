"""The stage `tongues`: ear and speller learn other languages, voices and sounds, for a Thinker that
stays.

    clips of other languages --ear--> states --speller--> the whole text, laid on the sound (CTC)
    English clips            --ear--> states --speller--> the same
                                             --Thinker--> what was said, or the answer
    single sounds            --ear--> states --Thinker's guided head, speller--> what sounds
    scenes with sounds       --ear--> states --Thinker--> answers about them

The Thinker has learnt to listen to the ear that is, and learns nothing here: its own loss goes
through it and says what it would understand of a stranger. Of voices that it knows the ear that was
says what is to stay (Li and Hoiem, "Learning without Forgetting", 2016).

    omni train tongues --start model/checkpoints/micro --minutes 40

Left out: other languages for the Thinker, which writes none of them.
Letters: B clips, N states, T tokens, D width.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from model.data.shelf import Shelf
from model.data.store import Store, Turn
from model.data.tasks import lessons
from model.omni import Omni
from model.senses.message import Text
from model.train.batch import EarBatch, ReadBatch, alike, conversation, hide, pad, read_batch
from model.train.features import Features
from model.train.foreign import Tongue, TongueData, spoken
from model.train.loop import Recipe, Result, Run, train
from model.train.losses import IGNORE, accuracy, cross_entropy
from model.train.ring import RingBatch, RingData, naming_loss
from model.train.spell import whole_text
from model.train.stages import ASK, Ear, Guided, chances, ear_rows, fill, held, sound
from model.train.world import POINTING, WorldBatch, WorldData, embedded

SIZES = (8, 24, 24, 4)  # clips of other languages, English ones, single sounds, scenes a batch
ASKS = 0.25  # of the English clips are questions
STAYS = 5.0  # what a state that moves by its own length counts beside a nat a token
FOREIGN = 0.5  # what other languages count beside English


class English(NamedTuple):
    """Sentences to be written down and questions to be answered."""

    ear: EarBatch
    texts: Tensor  # i64[B, T], the tokens that sound
    lengths: Tensor  # i64[B]
    known: Tensor  # bool[B], by voices that are to be heard as before
    row: ReadBatch
    keep: Tensor  # bool[B, T], False: this token's embedding is hidden (history dropout)


class TongueBatch(NamedTuple):
    tongue: Tongue
    english: English
    rings: RingBatch
    scenes: tuple[WorldBatch, ...]


@dataclass
class EnglishData:
    """Clips, of Kokoro's voices more often than others; batch n of a seed is always the same."""

    omni: Omni
    features: Features
    turns: Sequence[Turn]
    size: int = 32
    seed: int = 0
    clean: bool = False
    often: np.ndarray = field(init=False)
    questions: list[tuple[int, str]] = field(init=False)  # clip, answer

    def __post_init__(self):
        self.often = chances(self.features)
        index = {row["id"]: i for i, row in enumerate(self.features.rows)}
        self.questions = [
            (index[turn.question_audio], turn.answer)
            for turn in lessons(self.turns, "valid" if self.clean else "train")
            if turn.question_audio in index
        ]

    def __call__(self, step: int) -> English:
        rng, marks = np.random.default_rng([self.seed, abs(step), step < 0]), self.omni.tokenizer
        asks = round(self.size * ASKS) if self.questions else 0
        drawn = alike(self.features.frames, self.size - asks, rng, self.often)
        said = [(i, self.features.rows[i]["text"]) for i in drawn]
        said += [self.questions[i] for i in rng.integers(0, max(1, len(self.questions)), asks)]
        clips = [self.features[i] for i, _ in said]
        rows = []
        for n, (clip, (_, answer)) in enumerate(zip(clips, said, strict=True)):
            ask = [Text(str(rng.choice(ASK)))] if n < len(drawn) else []
            rows.append(conversation(marks, [sound(clip), *ask], answer, rng))
        row, texts = read_batch(rows), [spoken(marks, clip.text) for clip in clips]
        deaf = np.zeros(len(rows))
        deaf[: 0 if self.clean else len(drawn)] = 1.0
        return English(
            ear_rows(clips, rng, self.clean), pad(texts, 0), torch.tensor(list(map(len, texts))),
            torch.tensor([not clip.source.startswith("kokoro") for clip in clips]),
            row, hide(row.targets, deaf, rng),
        )  # fmt: skip


class Tongues(nn.Module):
    def __init__(self, omni: Omni):
        super().__init__()
        self.aut, self.speller = omni.ear, omni.speller
        omni.thinker.requires_grad_(False)
        self.guided = Guided.into(omni.thinker.stack)
        self.apart = [omni, deepcopy(omni.ear), Ear(omni)]  # in a list: not trained, not saved

    def forward(self, batch: TongueBatch) -> tuple[Tensor, dict[str, Tensor]]:
        tongue, english, rings, scenes = batch
        omni, ear = self.apart[0], english.ear
        states, _ = self.aut(tongue.mel, window=float(tongue.window), lengths=tongue.frames)
        foreign, _ = whole_text(omni, states, tongue.frames, tongue.texts, tongue.lengths)
        states, words = self.stays(ear.mel, ear.frames, float(ear.window), english.known)
        whole, _ = whole_text(omni, states, ear.frames, english.texts, english.lengths)
        text, right = self.understood(english, states)
        states, _ = self.aut(rings.mel, lengths=rings.frames)
        nothing = omni.tokenizer.tts_pad
        naming, named = naming_loss(self.apart[2], omni.thinker, states, rings.ringing, nothing)
        asked, told, pointing = self.asked(scenes)
        loss = FOREIGN * foreign + whole + text + STAYS * words + naming + asked
        loss = loss + POINTING * pointing
        return loss, {"foreign": foreign, "whole": whole, "text": text, "tokens": right,
                      "words": words, "asked": asked, "asked_right": told, "pointing": pointing,
                      **named}  # fmt: skip

    def asked(self, scenes: tuple[WorldBatch, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """What the Thinker misses of answers about scenes, in nats a token, the share it has right,
        and how far its guided head is from looking where it should."""
        omni, hidden, wanted, looking = self.apart[0], [], [], []
        for scene in scenes:
            x, _ = embedded(omni, scene)
            thought, _ = omni.thinker(x, scene.read.places)
            scored = scene.read.targets != IGNORE
            hidden.append(thought.hidden[scored])
            wanted.append(scene.read.targets[scored])
            looking.append(self.guided.loss(scene.heard) * len(wanted[-1]))
        logits, targets = omni.thinker.logits(torch.cat(hidden)), torch.cat(wanted)
        pointing = torch.stack(looking).sum() / len(targets)
        return cross_entropy(logits, targets), accuracy(logits, targets), pointing

    def understood(self, batch: English, states: Tensor) -> tuple[Tensor, Tensor]:
        """What the Thinker misses of sentences and answers, in nats a token, when it hears states
        f[B, N, D] of the ear; and the share of tokens that it has right."""
        omni, ear, row = self.apart[0], batch.ear, batch.row
        x = omni.thinker.embed(row.ids) * batch.keep.unsqueeze(-1)
        here = held(ear.frames, ear.mel.shape[2])
        x = fill(x, row.ids == omni.tokenizer.audio_pad, states[here])
        hidden, scored = omni.thinker(x, row.places)[0].hidden, row.targets != IGNORE
        logits, targets = omni.thinker.logits(hidden[scored]), row.targets[scored]
        return cross_entropy(logits, targets), accuracy(logits, targets)

    def stays(
        self, mel: Tensor, frames: Tensor, window: float, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """States f[B, N, D], and how far they are from what they were, as a share of their length
        squared; of rows that are `known` bool[B]."""
        states, _ = self.aut(mel, window=window, lengths=frames)
        with torch.no_grad():
            was, _ = self.apart[1].to(mel.device)(mel, window=window, lengths=frames)
        here = held(frames, mel.shape[2])
        if known is not None:
            here = here & known[:, None]
        now, was = states[here].float(), was[here].float()
        return states, (now - was).square().sum() / was.square().sum().clamp(min=1e-6)


def tongues(
    omni: Omni, store: Store, cache: Path, shelves: tuple[Shelf, Shelf], run: Run,
    recipe: Recipe | None = None, sizes: tuple[int, int, int, int] = SIZES,
) -> Result:  # fmt: skip
    """Train ear and speller of a model that hears; `cache` is the folder of the features."""
    module = Tongues(omni)

    def all_of(split: str, shelf: Shelf, clean: bool):
        features = Features.build(store, split, cache)
        foreign = TongueData(omni.tokenizer, shelf, sizes[0], run.seed, clean)
        english = EnglishData(omni, features, store.turns(split), sizes[1], run.seed, clean)
        rings = RingData(omni.tokenizer, shelf, sizes[2], run.seed, clean)
        scenes = WorldData(omni, shelf, (0, sizes[3], 0), run.seed, clean)
        return lambda step: TongueBatch(foreign(step), english(step), rings(step), scenes(step))

    data, valid = all_of("train", shelves[0], False), all_of("valid", shelves[1], True)
    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, module, data, run, recipe or Recipe(lr=1.5e-3, decay=0.6), held_out)
