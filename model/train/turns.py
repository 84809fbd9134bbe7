"""The stage `turns`: the head that says whose turn it is, on an ear and a Thinker that stay.

    dialogues --render--> mel, truth  (once; RUNS/turns/heard)  --ear, Thinker--> states  --> head

The states are those of use (model/attend.py): the chunk of sound that is still open is heard again
with every token, the Thinker reads the newest token, both begin anew every eight seconds. They are
made once, and kept in memory: then a step of training is a matter of milliseconds.

Left out: training ear or Thinker for this; the assistant's own words.

Letters: I dialogues, F mel frames, N tokens (160 ms), D width, W windows of 8 s, C tokens a chunk.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from model.attend import FRAMES, WINDOW, opening_ids
from model.data.dialogues import (
    SECONDS,
    STATES,
    Cast,
    Dialogue,
    assistant,
    render,
    sample,
    truth,
)
from model.layers.bidirectional import Remembered
from model.layers.mel import log_mel_16k
from model.omni import Omni
from model.senses.audio import AuTPast
from model.senses.prompt import TICK
from model.thinker import Thought
from model.train.batch import SILENCE, distort
from model.train.loop import Recipe, Result, Run, train
from model.train.losses import accuracy, cross_entropy
from model.train.precision import has_bf16

TOKENS = round(SECONDS / TICK)  # of a dialogue
TOGETHER = 8  # dialogues that ear and Thinker hear at once


class Heard(NamedTuple):
    """Dialogues as they are heard, and the truth."""

    mels: np.ndarray  # f16[I, F, 128], mapped
    dialogues: list[Dialogue]


def heard(split: str, count: int, root: str | Path, folder: Path, seed: int = 0) -> Heard:
    """The first `count` dialogues of a split: made now, or long ago."""
    base = folder / f"{split}-{count}-{seed}"
    if not base.with_suffix(".json").exists():
        cast = Cast(split, root)
        folder.mkdir(parents=True, exist_ok=True)
        part = base.with_suffix(".part")
        shape = (count, FRAMES * TOKENS, 128)
        mels = np.lib.format.open_memmap(part, "w+", np.float16, shape)
        made = []
        for i in tqdm(range(count), desc=f"dialogues {split}", mininterval=10):
            made.append(sample(seed * 1_000_000 + i, cast))
            wave = torch.from_numpy(render(made[-1], cast))
            mels[i] = log_mel_16k(wave[None])[0].T.numpy()
        mels.flush()
        os.replace(part, base.with_suffix(".mel.npy"))
        part.write_text("".join(one.json() + "\n" for one in made))
        os.replace(part, base.with_suffix(".json"))
    mels = np.load(base.with_suffix(".mel.npy"), mmap_mode="r")
    return Heard(mels, [*map(Dialogue.of, base.with_suffix(".json").read_text().splitlines())])


@torch.inference_mode()
def thoughts(omni: Omni, mels: Float[Tensor, "items bands frames"]) -> Thought:
    """What the Thinker makes of sounds [I, N, D] while they come in, token by token."""
    ear, thinker, items = omni.ear, omni.thinker, len(mels)
    chunk, size = ear.config.chunk, ear.config.chunk_tokens
    tokens, span = mels.shape[2] // FRAMES, WINDOW * FRAMES
    mels = F.pad(mels, (0, -mels.shape[2] % span), value=SILENCE)
    mels = mels.unflatten(2, (-1, span)).transpose(1, 2).flatten(0, 1)  # [W, 128, F]
    lengths = FRAMES * torch.arange(1, size + 1).repeat(len(mels))  # every chunk, as it fills
    last = torch.arange(size).repeat(len(mels))
    past, newest = None, []
    for start in range(0, span, chunk):
        some = mels[:, :, start : start + chunk].repeat_interleave(size, 0)  # [WC, 128, F]
        states, now = ear(some, _rows(past, lambda x: x.repeat_interleave(size, 0)), 
                          lengths=lengths)  # fmt: skip
        newest.append(states[torch.arange(len(some)), last].unflatten(0, (-1, size)))
        past = _rows(now, lambda x: x[size - 1 :: size])
    ids = torch.tensor(opening_ids(omni))
    x = torch.cat([thinker.embed(ids).expand(len(mels), -1, -1), *newest], dim=1)
    thought, _ = thinker(x)
    return Thought(*(y[:, len(ids) :].unflatten(0, (items, -1)).flatten(1, 2)[:, :tokens]
                     for y in thought))  # fmt: skip


def _rows(past: AuTPast | None, of) -> AuTPast | None:
    """The same past for other rows of a batch."""
    if past is None:
        return None
    layers = tuple(Remembered(of(layer.keys), of(layer.values)) for layer in past.layers)
    return AuTPast(past.chunks, of(past.valid), layers, past.ended)


class TurnBatch(NamedTuple):
    hidden: Tensor  # f32[B, N, D]
    middle: Tensor  # f32[B, N, D]
    talking: Tensor  # bool[B, N]
    states: Tensor  # i64[B, N]


@dataclass(frozen=True)
class TurnData:
    """Dialogues as the Thinker hears them; the assistant's talks are drawn anew each time, unless
    `clean`."""

    hidden: Tensor  # f16[I, N, D]
    middle: Tensor  # f16[I, N, D]
    dialogues: list[Dialogue]
    size: int = 32
    seed: int = 0
    clean: bool = False

    @classmethod
    def hear(cls, omni: Omni, heard: Heard, seed: int = 0, clean: bool = False) -> "TurnData":
        """Let ear and Thinker hear it all; half of it by another microphone, unless `clean`. What
        is trained on is heard in bf16 where that is quicker."""
        rng, kept = np.random.default_rng(seed), []
        rough = not clean and has_bf16(torch.device("cpu"))
        bar = tqdm(total=len(heard.mels), desc="states", mininterval=10)
        for start in range(0, len(heard.mels), TOGETHER):
            mels = [mel.astype(np.float32) for mel in heard.mels[start : start + TOGETHER]]
            if not clean:
                mels = [distort(mel, rng) if rng.random() < 0.5 else mel for mel in mels]
            with torch.autocast("cpu", torch.bfloat16, enabled=rough):
                thought = thoughts(omni, torch.from_numpy(np.stack(mels)).mT)
            kept.append([x.half() for x in thought])
            bar.update(len(mels))
        bar.close()
        hidden, middle = (torch.cat(x).clone() for x in zip(*kept, strict=True))
        return cls(hidden, middle, heard.dialogues, seed=seed, clean=clean)

    def __call__(self, step: int) -> TurnBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        return self.batch(rng.integers(0, len(self.hidden), self.size), rng)

    def batch(self, some: np.ndarray, rng: np.random.Generator) -> TurnBatch:
        known = []
        for i in some:
            one = self.dialogues[i]
            if not self.clean:
                lines, talks = assistant(one.lines, one.seconds, rng)
                one = one._replace(lines=tuple(lines), talks=tuple(talks))
            known.append(truth(one))
        return TurnBatch(
            self.hidden[some].float(),
            self.middle[some].float(),
            torch.from_numpy(np.stack([one.talking for one in known])),
            torch.from_numpy(np.stack([one.states for one in known])),
        )


class Turns(nn.Module):
    """The head alone."""

    def __init__(self, omni: Omni, drop: float = 0.3):
        super().__init__()
        self.turns = omni.thinker.turns
        self.drop = drop

    def forward(self, batch: TurnBatch) -> tuple[Tensor, dict[str, Tensor]]:
        thought = Thought(*(F.dropout(x, self.drop, self.training)
                            for x in (batch.hidden, batch.middle)))  # fmt: skip
        logits, _ = self.turns(thought, batch.talking)
        metrics = {name: accuracy(logits[batch.states == i], batch.states[batch.states == i])
                   for i, name in enumerate(STATES) if (batch.states == i).any()}  # fmt: skip
        return cross_entropy(logits, batch.states), metrics


def turns(
    omni: Omni, root: str | Path, cache: Path, run: Run, recipe: Recipe | None = None,
    dialogues: int = 700,
) -> Result:  # fmt: skip
    """Train the head; ear and Thinker are `omni`'s and stay as they are."""
    omni.eval()
    data = TurnData.hear(omni, heard("train", dialogues, root, cache), run.seed)
    valid = TurnData.hear(omni, heard("valid", max(2, dialogues // 20), root, cache), clean=True)
    if not omni.thinker.turns.trained:
        nn.init.normal_(omni.thinker.turns.names.weight, 0, 0.05)
        nn.init.zeros_(omni.thinker.turns.names.bias)
    rng, parts = np.random.default_rng(0), range(0, len(valid.hidden), 16)
    held_out = [valid.batch(np.arange(i, min(i + 16, len(valid.hidden))), rng) for i in parts]
    module = Turns(omni)
    run = replace(run, bf16=False)  # small products: half the digits would cost time
    return train(module, module, data, run, recipe or Recipe(lr=3e-3), held_out)
