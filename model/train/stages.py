"""The stages in which micro is trained: what each one trains, on what, with which loss.

    ear     AuT alone: name the phone of every 40 ms      (so that it hears before it reads)
    hear    AuT and Thinker: transcribe; answer spoken and written questions
    speak   Talker and MTP: say sentences from codes
    talk    Talker and MTP: say the Thinker's answers, hearing its states of the question

`codec` has its own file. Each stage is a module, a loss and a pure function step -> batch for the
one loop (loop.py). Left out: vision and turn-taking data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.data.phones import PHONES
from model.data.store import Store, Turn
from model.omni import Omni
from model.senses.audio import AuT
from model.senses.message import Audio, Text
from model.senses.prompt import RATE
from model.train.batch import (
    EarBatch,
    HearBatch,
    SpeakBatch,
    alike,
    conversation,
    distort,
    ear_batch,
    hear_batch,
    speak_batch,
    speak_item,
)
from model.train.features import Features, Heard
from model.train.loop import Recipe, Result, Run, train, weights
from model.train.losses import IGNORE, Balance, accuracy, cross_entropy

ASK = (
    "Transcribe the audio.",
    "Transcribe this.",
    "What was said?",
    "Write down what you hear.",
    "Please write what is said.",
)
SLOTS = 4  # phone steps (40 ms) an ear state


class Ear(nn.Module):
    """AuT with a head that names the four phones of each state; the head is dropped afterwards."""

    def __init__(self, aut: AuT):
        super().__init__()
        self.aut = aut
        self.phones = nn.Linear(aut.config.out, SLOTS * len(PHONES))

    def forward(self, batch: EarBatch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """States [B, N, D], the loss of naming phones, and its accuracy."""
        states, _ = self.aut(batch.mel, window=float(batch.window), lengths=batch.frames)
        logits = self.phones(states).unflatten(-1, (SLOTS, -1)).flatten(1, 2)
        named = batch.phones[:, : logits.shape[1]]
        logits = logits[:, : named.shape[1]]
        return states, cross_entropy(logits, named), {"phones": accuracy(logits, named)}


class Hear(nn.Module):
    """Ear and Thinker together."""

    def __init__(self, omni: Omni):
        super().__init__()
        self.ear = Ear(omni.ear)
        self.thinker = omni.thinker
        self.pad = omni.tokenizer.audio_pad
        self.balance = Balance(omni.thinker)

    def forward(self, batch: HearBatch) -> tuple[Tensor, dict[str, Tensor]]:
        states, phone_loss, metrics = self.ear(batch.ear)
        count = (batch.ear.frames + 15) // 16
        true = torch.arange(states.shape[1], device=states.device) < count[:, None]
        x = self.thinker.embed(batch.ids) * batch.keep.unsqueeze(-1)
        slots = batch.ids == self.pad
        x = x.masked_scatter(slots.unsqueeze(-1), states[true].to(x.dtype))
        thought, _ = self.thinker(x, batch.places)
        scored = batch.targets != IGNORE
        logits, targets = self.thinker.logits(thought.hidden[scored]), batch.targets[scored]
        loss = cross_entropy(logits, targets)
        balance = self.balance.take()
        metrics |= {"text": loss, "tokens": accuracy(logits, targets), "balance": balance}
        return loss + 0.3 * phone_loss + 0.01 * balance, metrics


class Speak(nn.Module):
    """Talker and MTP, teacher forced."""

    def __init__(self, omni: Omni, frames: int = 640):
        super().__init__()
        self.talker = omni.talker
        self.frames = frames  # per batch, that MTP learns from
        self.balance = Balance(omni.talker)

    def forward(
        self, batch: SpeakBatch, states: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        talker = self.talker
        frame = batch.frame.unsqueeze(-1)
        x = torch.where(frame, talker.embed_frames(batch.heard), talker.words(batch.words))
        x = x * batch.keep.unsqueeze(-1)
        if states is not None:
            heard = talker.listen(states).to(x.dtype)
            x = x.masked_scatter(batch.before.unsqueeze(-1), heard)
        hidden, _ = talker(x)
        scored = batch.targets != IGNORE
        logits, targets = talker.head(hidden[scored]), batch.targets[scored]
        first = cross_entropy(logits, targets)
        codes = targets < talker.config.end

        says = torch.zeros_like(batch.frame)
        says[:, :-1] = batch.frame[:, 1:]  # positions that predict a frame
        row, at = says.nonzero(as_tuple=True)
        some = torch.randperm(len(row), device=row.device)[: self.frames]
        row, at = row[some], at[some]
        true = batch.codes[row, at + 1]
        rest = talker.mtp(hidden[row, at], talker.codes(true[:, 0]), true)
        residual = cross_entropy(rest, true[:, 1:])

        spoken = batch.frame.sum(1).float()
        expected = (talker.frames_of(batch.words) * batch.text).sum(1)
        rate = ((expected - spoken) / spoken).square().mean()
        balance = self.balance.take()
        metrics = {"code0": cross_entropy(logits[codes], targets[codes]),
                   "code0_right": accuracy(logits[codes], targets[codes]),
                   "want_end": cross_entropy(logits[~codes], targets[~codes]),
                   "residual": residual, "code1_right": accuracy(rest[:, 0], true[:, 1]),
                   "rate": rate.sqrt(), "balance": balance}  # fmt: skip
        return first + residual + 0.1 * rate + 0.01 * balance, metrics


@dataclass
class EarData:
    """Clips for the ear stage."""

    features: Features
    size: int = 64
    seed: int = 0
    clean: bool = False  # held-out batches are not distorted

    def __call__(self, step: int) -> EarBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        clips = [self.features[i] for i in alike(self.features.frames, self.size, rng)]
        return _ear(clips, rng, self.clean)


def _ear(clips: Sequence[Heard], rng: np.random.Generator, clean: bool) -> EarBatch:
    mels = [clip.mel.astype(np.float32) if clean else distort(clip.mel, rng) for clip in clips]
    window = 8.0 if clean else float(rng.choice([1.6, 3.2, 4.8, 8.0]))
    return ear_batch(mels, [clip.phones for clip in clips], window)


@dataclass
class HearData:
    """Conversations for the hear stage: `listen` of the rows have sound, of these `asks` are
    spoken questions; the rest are written questions."""

    omni: Omni
    features: Features
    turns: Sequence[Turn]
    size: int = 64
    seed: int = 0
    listen: float = 0.9
    asks: float = 0.2
    clean: bool = False
    questions: list[tuple[int, Turn]] = field(init=False)

    def __post_init__(self):
        index = {row["id"]: i for i, row in enumerate(self.features.rows)}
        self.questions = [(index[t.question_audio], t) for t in self.turns
                          if t.question_audio in index]  # fmt: skip

    def __call__(self, step: int) -> HearBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        heard = round(self.size * self.listen)
        asked = round(heard * self.asks) if self.questions else 0
        rows, clips = [], []
        for i in alike(self.features.frames, heard - asked, rng):
            clip = self.features[int(i)]
            ask = Text(str(rng.choice(ASK)))
            clips.append(clip)
            rows.append(self._row([_sound(clip), ask], clip.text, rng))
        for number in rng.integers(0, max(1, len(self.questions)), asked):
            i, turn = self.questions[int(number)]
            clips.append(self.features[i])
            rows.append(self._row([_sound(clips[-1])], turn.answer, rng))
        for number in rng.integers(0, len(self.turns), self.size - heard):
            turn = self.turns[int(number)]
            rows.append(self._row([Text(turn.question)], turn.answer, rng))
        deaf = np.zeros(len(rows))
        deaf[: 0 if self.clean else heard - asked] = 1.0
        return hear_batch(rows, _ear(clips, rng, self.clean), deaf, rng)

    def _row(self, parts, answer: str, rng):
        return conversation(self.omni.tokenizer, parts, answer, rng)


def _sound(clip: Heard) -> Audio:
    """Stands for the clip where only its length matters."""
    return Audio(np.zeros(len(clip.mel) * RATE // 100, np.float32), RATE)


def ear(aut: AuT, store: Store, cache: Path, run: Run, recipe: Recipe | None = None) -> Result:
    """Train AuT alone."""
    module = Ear(aut)
    data = EarData(Features.build(store, "train", cache), seed=run.seed)
    valid = EarData(Features.build(store, "valid", cache), seed=run.seed, clean=True)

    def loss(batch: EarBatch):
        _, total, metrics = module(batch)
        return total, metrics

    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, loss, data, run, recipe or Recipe(lr=1e-3), held_out)


def hear(
    omni: Omni, store: Store, cache: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None,
) -> Result:  # fmt: skip
    """Train AuT and Thinker together; `start` is a checkpoint of `ear` (or of `hear`)."""
    module = Hear(omni)
    if start:
        state = weights(start)
        whole = any(name.startswith("thinker.") for name in state)
        (module if whole else module.ear).load_state_dict(state)
    data = HearData(omni, Features.build(store, "train", cache), store.turns("train"),
                    seed=run.seed)  # fmt: skip
    valid = HearData(omni, Features.build(store, "valid", cache), store.turns("valid"),
                     seed=run.seed, clean=True)  # fmt: skip
    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, module, data, run, recipe or Recipe(lr=1e-3), held_out)
