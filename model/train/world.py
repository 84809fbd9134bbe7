"""The stage `world`: eye, ear and Thinker learn together, on scenes and on all that `hear` learns.

    after `hear` and `look` (the encoders alone, S1) the whole: report section 3.1, stage S2

What is asked comes from scenes with known truth (model/data/scenes.py, ask.py); item n of a seed is
always the same, made when it is needed. Timestamps stand before every pair of frames, and at random
intervals in sound. One attention head is told where to look when answers are written (exchange.py);
the ear names what sounds every 40 ms (`ringing`).

Muon's steps are as long for a small batch as for a large one, and memory allows only small batches
of scenes: at the full learning rate they would undo what `hear` taught. So ear and Thinker, which
know something already, go slower than the eye (`SLOWER`).

Left out: turn taking, voices.
Letters: B rows, T tokens, A sounds, F mel frames, N pairs of frames, P patches, V values, D width.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from model.data.ask import ASKED, Item, Task, item, others
from model.data.draw import Sticker, unchanged
from model.data.questions import heard, seen
from model.data.shelf import Shelf
from model.data.store import Store
from model.data.vary import Change
from model.layers.mel import log_mel_16k
from model.omni import Omni
from model.senses.message import Audio, Image, Message, Video
from model.senses.prompt import RATE, Clock
from model.senses.vision import Patches
from model.train.batch import (
    SILENCE,
    HearBatch,
    ReadBatch,
    clock,
    distort,
    pad,
    read_batch,
)
from model.train.exchange import Exchange, exchange
from model.train.features import STEP, Features
from model.train.look import PLAIN, Look, LookBatch, LookData
from model.train.loop import Recipe, Result, Run, train, weights
from model.train.losses import IGNORE, accuracy, cross_entropy
from model.train.ring import ROOMS, RingBatch, RingData, naming_loss, ringing
from model.train.stages import Hear, HearData, fill, held

KINDS = ("picture", "sound", "film")
SHORTER = 3  # scenes of which the shortest is taken
TOKENS = 1600  # of a batch, padding and all
STRUCTURED = tuple(name for name in ASKED if name.startswith("caption structured"))
WHEN = ("appears", "goes", "visible")  # asked of films more often than anything else
FILM = (0.5, 0.9)  # scales of films
SILENT = 0.8  # of the films are shown without their sound, which has more tokens than they
TIMED = re.compile(r"\d seconds|\"start\"")  # an answer that tells a time
POINTING = 1.0  # what looking at the right place counts beside the right words
SLOWER = {"hear.ear.*": 0.4, "hear.thinker.*": 0.6}  # of the learning rate


class Sight(NamedTuple):
    """Pairs of frames of one size."""

    values: Tensor  # f32[N, P, V]
    rows: int  # of patches
    columns: int
    slots: Tensor  # i64[N * P / 4], which of the eye's slots of the batch their tokens take


class WorldBatch(NamedTuple):
    """Questions of about one length about scenes, and the answers."""

    read: ReadBatch
    heard: Tensor  # i64[B, T, 2], of Exchange
    kinds: Tensor  # i64[B], index into KINDS
    sights: tuple[Sight, ...]
    mel: Tensor  # f32[A, 128, F], of all sounds in order
    frames: Tensor  # i64[A]
    ringing: Tensor  # i64[A, F / 4], of `ringing`


class _Item(NamedTuple):
    kind: int
    row: Exchange
    seen: list[Patches]
    mels: list[np.ndarray]
    ringing: list[np.ndarray]  # one a sound


class Drawn(NamedTuple):
    item: Item
    tasks: list[Task]  # what is asked about its scene
    clock: Clock  # how time is told
    silent: bool  # it is a film that is shown without its sound

    def message(self, shelf: Shelf, scale: float, change: Sticker = unchanged) -> Message:
        """The user's turn."""
        made = self.item.message(shelf, scale=scale, change=change)
        parts = (replace(part, audio=None) if self.silent and isinstance(part, Video) else part
                 for part in made.parts)  # fmt: skip
        return Message(made.role, tuple(parts))


@dataclass
class WorldData:
    """Items of a shelf, `sizes` of each kind, each with up to `more` questions more, in batches by
    length: a film has ten times the tokens of a picture, and padding costs as much as they do."""

    omni: Omni
    shelf: Shelf
    sizes: tuple[int, int, int] = (7, 6, 4)  # of KINDS
    seed: int = 0
    clean: bool = False  # held-out sounds are not distorted
    more: int = 5

    def __call__(self, step: int) -> tuple[WorldBatch, ...]:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        kinds = np.repeat(np.arange(len(KINDS)), self.sizes)
        items = sorted((self._item(int(k), rng) for k in kinds), key=lambda i: len(i.row.ids))
        groups: list[list[_Item]] = [[]]
        for one in items:
            if groups[-1] and (len(groups[-1]) + 1) * len(one.row.ids) > TOKENS:
                groups.append([])
            groups[-1].append(one)
        return tuple(map(_batch, groups))

    def drawn(self, kind: int, rng: np.random.Generator) -> Drawn:
        """An item, all that is asked about its scene, and how time is told.

        Captions with times take the most words and are few among many tasks: films are often asked
        for one, and more often for a time. What few scenes allow to be asked is asked as often as
        the rest. Of a film without sound only what is seen is asked (`silent`). Mostly the
        shortest of some scenes is taken: one sound is easier to find than five, and costs less. Who
        is asked for times is mostly told them, often enough to answer.
        """
        silent = KINDS[kind] == "film" and rng.random() < SILENT
        name = ""
        if KINDS[kind] == "film" and rng.random() < 0.3:
            name = "caption structured seen" if silent else str(rng.choice(STRUCTURED))
        elif KINDS[kind] == "film" and (silent or rng.random() < 0.6):
            name = str(rng.choice(WHEN))
        elif KINDS[kind] != "film" and rng.random() < 0.7:
            name = str(rng.choice(list((seen if KINDS[kind] == "picture" else heard).ASKED)))
        draws = SHORTER if rng.random() < 0.6 else 1
        some = [item(int(rng.integers(2**31)), self.shelf, KINDS[kind], name) for _ in range(draws)]
        one = min(some, key=lambda one: one.scene.seconds)
        tasks = [one.task, *others(one, self.more, self.shelf)]
        if silent:
            tasks = [task for task in tasks if task.senses == "seen"]
        if rng.random() < 0.9 and any(TIMED.search(task.answer) for task in tasks):
            return Drawn(one, tasks, Clock(float(rng.uniform(0.3, 0.8))), silent)
        return Drawn(one, tasks, clock(rng), silent)

    def _item(self, kind: int, rng: np.random.Generator) -> _Item:
        drawn = self.drawn(kind, rng)
        scene, tasks = drawn.item.scene, drawn.tasks
        scale = float(rng.uniform(*((0.5, 1.0) if KINDS[kind] == "picture" else FILM)))
        plain = rng.random() < PLAIN or any(task.name == "bigger" for task in tasks)
        change = unchanged if self.clean or plain else Change(rng)  # which may make them smaller
        parts = drawn.message(self.shelf, scale, change).parts
        marks, grid = self.omni.tokenizer, self.omni.eye.grid
        row = exchange(marks, scene, parts[:-1], tasks, drawn.clock, grid)
        seen, mels = [], []
        for part in parts:
            match part:
                case Image():
                    seen.append(self.omni.eye.patches(part.pixels[None]))
                case Video():
                    seen.append(self.omni.eye.patches(part.frames))
            sound = part.audio if isinstance(part, Video) else part
            if isinstance(sound, Audio):
                mels.append(self._mel(sound, rng))
        rings = [ringing(scene, marks, len(mel) // STEP) for mel in mels]
        return _Item(kind, row, seen, mels, rings)

    def _mel(self, sound: Audio, rng: np.random.Generator) -> np.ndarray:
        """Log-mel f32[F, 128]."""
        mel = log_mel_16k(torch.from_numpy(sound.at(RATE).samples)[None])[0].T.numpy()
        return mel if self.clean or rng.random() > ROOMS else distort(mel, rng)


def _batch(items: Sequence[_Item]) -> WorldBatch:
    mels = [mel for one in items for mel in one.mels]
    mel = pad(mels, SILENCE, 16) if mels else torch.zeros(0, 16, 128)
    rings = [row for one in items for row in one.ringing] or [np.zeros((0, 4), np.int64)]
    return WorldBatch(
        read_batch([one.row[:3] for one in items]), pad([one.row.heard for one in items], -1),
        torch.tensor([one.kind for one in items]),
        _sights([patches for one in items for patches in one.seen]), mel.transpose(1, 2),
        torch.tensor([len(mel) for mel in mels], dtype=torch.long), pad(rings, IGNORE),
    )  # fmt: skip


def _sights(seen: Sequence[Patches]) -> tuple[Sight, ...]:
    """What was seen, in order, put together by size."""
    groups: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
    first = 0
    for values, rows, columns in seen:
        count = values.shape[0] * values.shape[1] // 4
        slots = torch.arange(first, first + count)
        groups.setdefault((rows, columns), []).append((values, slots))
        first += count
    return tuple(
        Sight(torch.cat([v for v, _ in group]), rows, columns, torch.cat([s for _, s in group]))
        for (rows, columns), group in groups.items()
    )


class Read(NamedTuple):
    """What the Thinker makes of a batch, at the places where answers are written."""

    hidden: Tensor  # f[N, D]
    wanted: Tensor  # i64[N], the tokens to be written
    kind: Tensor  # i64[N], index into KINDS
    pointing: Tensor  # f[], how far the guided head is from looking where it should
    heard: Tensor  # f[A, S, D], states of the ear


class World(nn.Module):
    """Eye, ear and Thinker together; `hear` is of the same model."""

    def __init__(self, omni: Omni, hear: Hear):
        super().__init__()
        self.omni = [omni]  # in a list: its parts are those here
        self.eye, self.ear, self.thinker = omni.eye, hear.ear, omni.thinker
        self.nothing, self.balance, self.guided = omni.tokenizer.tts_pad, hear.balance, hear.guided

    def forward(self, batches: tuple[WorldBatch, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        reads = [self.read(batch) for batch in batches]
        hidden, wanted, kind = (
            torch.cat(many) for many in zip(*(r[:3] for r in reads), strict=True)
        )
        shares = torch.tensor([len(read.wanted) / len(wanted) for read in reads])
        pointing = torch.stack([read.pointing for read in reads]) @ shares.to(hidden.device)
        logits, balance = self.thinker.logits(hidden), self.balance.take()
        loss = cross_entropy(logits, wanted)
        metrics = {"world": loss, "world_right": accuracy(logits, wanted), "balance": balance,
                   "pointing": pointing}  # fmt: skip
        metrics |= {name: accuracy(logits[kind == i], wanted[kind == i])
                    for i, name in enumerate(KINDS)}  # fmt: skip
        loss = loss + 0.01 * balance + POINTING * pointing
        for batch, read in zip(batches, reads, strict=True):
            if len(read.heard):
                naming, told = self.naming(read.heard, batch.ringing)
                loss, metrics = loss + naming, metrics | told
        return loss, metrics

    def naming(self, heard: Tensor, ringing: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return naming_loss(self.ear, self.thinker, heard, ringing, self.nothing)

    def rings(self, batch: RingBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of single sounds, apart from any question."""
        heard, _ = self.ear.aut(batch.mel, lengths=batch.frames)
        return self.naming(heard, batch.ringing)

    def read(self, batch: WorldBatch) -> Read:
        _, places, targets = batch.read
        x, heard = embedded(self.omni[0], batch)
        thought, _ = self.thinker(x, places)
        scored = targets != IGNORE
        kinds = batch.kinds[:, None].expand_as(targets)[scored]
        pointing = self.guided.loss(batch.heard)
        return Read(thought.hidden[scored], targets[scored], kinds, pointing, heard)


def embedded(omni: Omni, batch: WorldBatch) -> tuple[Tensor, Tensor]:
    """What the Thinker is given f[B, T, D]: words, and what eye and ear make of the scenes; and the
    states of the ear f[A, S, D], of padding too."""
    ids, marks = batch.read.ids, omni.tokenizer
    x, heard = omni.thinker.embed(ids), torch.zeros(0)
    if batch.sights:
        states = torch.cat([omni.eye(s.values, s.rows, s.columns).flatten(0, 1)
                            for s in batch.sights])  # fmt: skip
        order = torch.cat([s.slots for s in batch.sights]).argsort()
        x = fill(x, (ids == marks.image_pad) | (ids == marks.video_pad), states[order])
    if len(batch.mel):
        heard, _ = omni.ear(batch.mel, lengths=batch.frames)
        x = fill(x, ids == marks.audio_pad, heard[held(batch.frames, batch.mel.shape[2])])
    return x, heard


class Both(nn.Module):
    """What `hear` and `look` learn and what the world teaches, at once."""

    def __init__(self, omni: Omni):
        super().__init__()
        self.hear, self.look = Hear(omni), Look(omni)
        self.world = [World(omni, self.hear)]  # in a list: its parts are those above

    def forward(
        self, batch: tuple[HearBatch, LookBatch, RingBatch, tuple[WorldBatch, ...]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        heard, known = self.hear(batch[0])
        named, cells = self.look(batch[1])
        rings, sounds = self.world[0].rings(batch[2])
        asked, more = self.world[0](batch[3])
        sounds = {f"alone_{name}": value for name, value in sounds.items()}
        return heard + 0.3 * named + rings + asked, known | cells | sounds | more


def world(
    omni: Omni, store: Store, cache: Path, shelves: tuple[Shelf, Shelf], run: Run,
    recipe: Recipe | None = None, start: Path | None = None, eye: Path | None = None,
    copies: Path | None = None, size: int = 26, alone: int = 8,
    sizes: tuple[int, int, int] = WorldData.sizes,
) -> Result:  # fmt: skip
    """Train eye, ear and Thinker on scenes and on what `hear` and `look` train on; `start`
    is a checkpoint of `hear` (or of `world`), `eye` one of `look`; `copies`: features of clips
    after the codec, if there are any. A batch has `size` rows of `hear`, `alone` pictures and as
    many single sounds to be named, and scenes of `sizes`."""
    module = Both(omni)
    if start:
        state = weights(start)
        part = module if any(name.startswith("hear.") for name in state) else module.hear
        part.load_state_dict(state)
    if eye:
        module.look.load_state_dict(weights(eye))

    def both(split: str, shelf: Shelf, clean: bool):
        there = len([*copies.glob(f"{split}-*.json")]) if copies and not clean else 0
        again = Features.build(store, split, copies, most=there) if there else None
        heard = HearData(omni, Features.build(store, split, cache), store.turns(split), size=size,
                         seed=run.seed, asks=0.3, splices=size // 2, reads=10 * size,
                         clean=clean, copies=again)  # fmt: skip
        named = LookData(omni, shelf, alone, run.seed)
        single = RingData(omni.tokenizer, shelf, alone, run.seed, clean)
        asked = WorldData(omni, shelf, sizes, run.seed, clean)
        return lambda step: (heard(step), named(step), single(step), asked(step))

    data, valid = both("train", shelves[0], False), both("valid", shelves[1], True)
    held_out = [valid(-1 - i) for i in range(3)]
    recipe = replace(recipe or Recipe(lr=1.2e-3, decay=0.6), scales=SLOWER)
    return train(module, module, data, run, recipe, held_out)
