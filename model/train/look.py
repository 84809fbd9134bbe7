"""The stage `look`: the eye alone names what is in every cell of a picture (stage S1 of the world).

    scene --draw--> picture --eye--> a state a cell --heads--> name, colour, letters

The Thinker stays as it is, and is hardly asked: what stands in each cell (32 x 32 pixels) is
known from the scene, so the eye is told so cell by cell, in the tokens of the Thinker's own table.
The first token of the name has no head: it is the state itself that must lie there, so what the
Thinker sees is nearly a word that it knows. Heads read the other tokens. What is printed is named
letter by letter, in capitals, which are tokens of their own: who knows words by heart cannot read
another. And the one head of the Thinker that will be told where to look must be able to tell name,
colour, place and size of a thing, if it looks at one of its cells. Answers alone would teach
slowly: a Thinker that never saw anything has no use for what it is shown.

Most pictures of training have stickers that are changed (model/data/vary.py): so a style that it
never saw is not all new.
An eye that `world` has trained may go on alone; a Thinker must then learn to read it (`answer`):

    omni train look --start model/checkpoints/micro -o runs/eye --minutes 30

Left out: films, whose frames are such pictures; photos.
Letters: B pictures, N cells, S slots, D width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.data.captions import big
from model.data.draw import box, letters, picture, unchanged
from model.data.scenes import Scene, Thing, crowd, sample, signs
from model.data.shelf import Shelf
from model.data.vary import Change
from model.omni import Omni
from model.senses.tokenizer import Tokenizer
from model.senses.vision import CELL
from model.thinker import Thinker
from model.train.loop import Recipe, Result, Run, train, weights
from model.train.losses import IGNORE, accuracy, cross_entropy

NAME, COLOR, WORD = slice(0, 4), slice(4, 6), slice(6, 10)  # slots: tokens of each, at most; of
# a word, the letters whose middle is in the cell
DOWN, ACROSS = 10, 11  # where the thing is: top, middle, bottom; left, middle, right
SIZE = 12  # how big it is, in a word
SPELLED, SLOTS = WORD.stop, 13  # places and sizes are told, not spelled
PLAIN = 0.3  # of the pictures of training are shown as they are
COVERED = 0.3  # of a cell: from so much on it is the thing's


class LookBatch(NamedTuple):
    """Pictures of one size each, in groups, and what stands in their cells."""

    values: tuple[Tensor, ...]  # f32[B, P, V]
    sizes: tuple[tuple[int, int], ...]  # rows and columns of patches
    labels: tuple[Tensor, ...]  # i64[B, N, S]: tokens, `tts_pad` for nothing, or IGNORE


class Look(nn.Module):
    """The eye with a head that is dropped afterwards. It chooses among the tokens of a batch."""

    def __init__(self, omni: Omni):
        super().__init__()
        self.eye = omni.eye
        self.spell = nn.Linear(omni.eye.config.out, (SPELLED - 1) * omni.eye.config.out)
        self.thinker = [omni.thinker]  # in a list: no part of this
        self.nothing = omni.tokenizer.tts_pad

    def forward(self, batch: LookBatch) -> tuple[Tensor, dict[str, Tensor]]:
        states = torch.cat([
            self.eye(values, *size).flatten(0, 1)
            for values, size in zip(batch.values, batch.sizes, strict=True)
        ])  # fmt: skip
        others = self.spell(states).unflatten(-1, (SPELLED - 1, -1))
        spelled = torch.cat([states[:, None], others], dim=1)
        labels = torch.cat([one.flatten(0, 1) for one in batch.labels])
        tokens = labels[:, :SPELLED][labels[:, :SPELLED] != IGNORE].unique()
        table, metrics, loss = self.thinker[0].embed.weight.detach()[tokens], {}, 0.0
        for name, slots in (("name", NAME), ("color", COLOR), ("word", WORD)):
            wanted = labels[:, slots]
            for kind, empty in (("", False), ("_none", True)):
                some = (wanted != IGNORE) & ((wanted == self.nothing) == empty)
                if some.any():
                    logits = F.linear(spelled[:, slots][some], table)
                    answers = torch.searchsorted(tokens, wanted[some])
                    share = 0.3 if empty else 1.0
                    loss = loss + share * cross_entropy(logits, answers)
                    metrics[name + kind] = accuracy(logits, answers)
        for name, slot in TOLD.items():
            some = (labels[:, slot] != IGNORE) & (labels[:, slot] != self.nothing)
            if some.any():
                telling, metrics[name] = told(self.thinker[0], states[some], labels[some, slot])
                loss = loss + 0.5 * telling
        return loss, metrics


TOLD = {"told_name": NAME.start, "told_color": COLOR.start, "told_down": DOWN,
        "told_across": ACROSS, "told_size": SIZE}  # fmt: skip


def told(thinker: Thinker, states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and share of right ones when the Thinker's guided head (stages.Guided) tells one of the
    `tokens` i64[N] from each of the states f[N, D] of eye or ear, if it looks at that one alone."""
    choices, answers = tokens.unique(return_inverse=True)
    logits = F.linear(told_by(thinker, states), thinker.embed.weight.detach()[choices])
    return cross_entropy(logits, answers), accuracy(logits, answers)


def told_by(thinker: Thinker, states: Tensor) -> Tensor:
    """What that head would add to an answer f[N, D], normed as before the choice of words."""
    block = next(block for block in thinker.stack.blocks if block.full)
    size = block.mixer.config.head_dim
    values = block.mixer.v_proj(block.mixer_norm(states))[:, :size]
    return thinker.stack.norm(F.linear(values, block.mixer.o_proj.weight[:, :size]))


@dataclass
class LookData:
    """Pictures of a shelf with their labels; batch n of a seed is always the same."""

    omni: Omni
    shelf: Shelf
    size: int = 64
    seed: int = 0
    clean: bool = False  # held-out pictures are shown as they are
    crowds: float = 0.5  # of the pictures have nine things
    signs: float = 0.35  # have letters only; the others have as much as is asked about

    def __call__(self, step: int) -> LookBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        eye, groups = self.omni.eye, {}
        for _ in range(self.size):
            draw, seed = rng.random(), int(rng.integers(2**31))
            if draw < self.crowds:
                scene = crowd(seed, self.shelf)
            elif draw < self.crowds + self.signs:
                scene = signs(seed, self.shelf)
            else:
                scene = sample(seed, self.shelf, "picture")
            scale = float(rng.choice((0.5, 0.75, 1.0, 1.0)))
            change = unchanged if self.clean or rng.random() < PLAIN else Change(rng)
            values, rows, columns = eye.patches(picture(scene, 0.0, scale, change)[None])
            labels = cells(scene, scale, self.omni.tokenizer, rows // 2, columns // 2)
            if change is not unchanged:
                labels[:, SIZE] = IGNORE  # a changed one may be smaller
            group = groups.setdefault((rows, columns), ([], []))
            group[0].append(values)
            group[1].append(torch.from_numpy(labels))
        return LookBatch(
            tuple(torch.cat(values) for values, _ in groups.values()), tuple(groups),
            tuple(torch.stack(labels) for _, labels in groups.values()),
        )  # fmt: skip


def cells(scene: Scene, scale: float, tokenizer: Tokenizer, rows: int, columns: int) -> np.ndarray:
    """Labels i64[N, S] of a picture's cells, row by row: the tokens of the name, the colour and the
    place of the thing that covers most of it, and of the letters that are printed there."""
    labels = np.full((rows, columns, SLOTS), IGNORE)
    labels[..., [NAME.start, COLOR.start, WORD.start]] = tokenizer.tts_pad
    height, width = rows * CELL, columns * CELL
    size = round(scene.width * scale), round(scene.height * scale)
    stretch = np.array([width / size[0], height / size[1]] * 2)  # the eye resizes to whole cells
    most = np.zeros((rows, columns))
    for thing in scene.things:
        covers = _covered(np.array(box(scene, thing, 0.0, scale)) * stretch, rows, columns)
        mine = (covers >= min(COVERED, covers.max())) & (covers > most)
        most[mine] = covers[mine]
        labels[mine] = _named(thing, tokenizer, labels[mine])
    for word in scene.prints:
        edges = np.array(letters(scene, word, scale)) * stretch
        for row, column, here in read(word.text, edges, rows, columns):
            labels[row, column, WORD] = _first(here.upper(), WORD, tokenizer)
    return labels.reshape(rows * columns, SLOTS)


def _named(thing: Thing, tokenizer: Tokenizer, labels: np.ndarray) -> np.ndarray:
    named = labels.copy()
    named[:, NAME] = _first(f" {thing.name}", NAME, tokenizer)
    named[:, COLOR] = _first(f" {thing.color}" if thing.color else "", COLOR, tokenizer)
    x, y = thing.path[0]
    for slot, at, words in ((DOWN, y, ("top", "middle", "bottom")),
                            (ACROSS, x, ("left", "middle", "right"))):  # fmt: skip
        named[:, slot] = tokenizer.encode(f" {words[int(at * 3)]}")[0]
    named[:, SIZE] = tokenizer.encode(f" {big(thing.size)}")[0]
    return named


def _first(text: str, slots: slice, tokenizer: Tokenizer) -> np.ndarray:
    """The first tokens of a text, then once `tts_pad`, then nothing that counts."""
    count = slots.stop - slots.start
    filled = [*tokenizer.encode(text), tokenizer.tts_pad][:count]
    return np.array(filled + [IGNORE] * (count - len(filled)))


def _covered(edges: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Share f[rows, columns] of each cell that lies inside left, top, right, bottom."""
    left, top, right, bottom = edges / CELL

    def along(start: float, stop: float, count: int) -> np.ndarray:
        at = np.arange(count)
        return np.clip(np.minimum(stop, at + 1) - np.maximum(start, at), 0, 1)

    return along(top, bottom, rows)[:, None] * along(left, right, columns)


def read(text: str, edges: np.ndarray, rows: int, columns: int) -> Iterator[tuple[int, int, str]]:
    """Row and column of cells, and which letters of a word have their middle there.

    `edges` are left, top, right, bottom of each letter in pixels. A word may run through two rows
    of cells: each that has a good part of it."""
    top, bottom = edges[:, 1].min() / CELL, edges[:, 3].max() / CELL
    middles = np.clip((edges[:, 0] + edges[:, 2]) / 2 / CELL, 0, columns - 1e-3).astype(int)
    for row in range(max(0, int(top)), min(rows, int(bottom) + 1)):
        if min(bottom, row + 1) - max(top, row) > 0.35 * (bottom - top):
            for column in range(columns):
                here = "".join(c for c, at in zip(text, middles, strict=True) if at == column)
                if here:
                    yield row, column, here


def look(
    omni: Omni, shelves: tuple[Shelf, Shelf], run: Run, recipe: Recipe | None = None,
    start: Path | None = None, size: int = LookData.size,
) -> Result:  # fmt: skip
    """Train the eye alone; `omni`'s Thinker has learnt its words. `shelves` are those of training
    and of validation."""
    module = Look(omni)
    if start:
        module.load_state_dict(weights(start))
    data = LookData(omni, shelves[0], size, run.seed)
    valid = LookData(omni, shelves[1], size, run.seed, clean=True, crowds=0.2)
    held_out = [valid(-1 - i) for i in range(3)]
    return train(module, module, data, run, recipe or Recipe(lr=1.5e-3), held_out)
