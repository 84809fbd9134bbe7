"""A row of the world: what is seen and heard, questions about it, their answers, where to look.

    scene, parts, tasks -> <user> parts, question <assistant> answer <user> question <assistant> ...

Several questions share one picture: its tokens cost more than all their words. While an answer is
written, the scene says which cells or which ticks of sound it is about, and one attention head is
told to look there (stages.Guided), as the ear's is in `hear`.

Left out: where to look for voices, and for things that are asked for in vain.
Letters: T tokens.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.data.ask import Task
from model.data.catalog import SOUNDS
from model.data.draw import box
from model.data.scenes import Scene, Thing
from model.senses.message import Audio, Message, Part, Text
from model.senses.prompt import Clock, Modality, Plan, plan
from model.senses.tokenizer import Tokenizer
from model.train.losses import IGNORE


class Exchange(NamedTuple):
    ids: np.ndarray  # i64[T]
    places: np.ndarray  # i64[T, 3]
    targets: np.ndarray  # i64[T], the next token of an answer, or IGNORE
    heard: np.ndarray  # i64[T, 2], first and last position to look at for the next token, or -1


class Mention(NamedTuple):
    """A thing or a sound, and where it is."""

    words: tuple[str, ...]  # any of them names it
    color: str
    first: int  # positions in the row
    last: int


def exchange(
    tokenizer: Tokenizer, scene: Scene, parts: Sequence[Part], tasks: Sequence[Task],
    clock: Clock, look: Callable[[int, int], tuple[int, int]],
) -> Exchange:  # fmt: skip
    """The row of a scene and of `tasks` about it; `parts` is what is seen and heard of it."""
    messages = []
    for i, task in enumerate(tasks):
        before = tuple(parts) if i == 0 else ()
        messages.append(Message("user", (*before, Text(task.question))))
        messages.append(Message.of("assistant", task.answer))
    laid = plan(messages, tokenizer, clock, answer=False, look=look)
    ids = laid.ids.numpy()
    targets, heard = np.full(len(ids), IGNORE), np.full((len(ids), 2), -1)
    mentions = _mentions(scene, laid, look)
    for task, (start, stop) in zip(tasks, _answers(ids, tokenizer), strict=True):
        targets[start - 1 : stop] = ids[start : stop + 1]  # the end as well
        pieces = [tokenizer.piece(int(token)) for token in ids[start:stop]]
        heard[start - 1 : stop - 1] = _looks(pieces, task.question, mentions)
    return Exchange(ids, laid.places.numpy().T, targets, heard)


def _answers(ids: np.ndarray, tokenizer: Tokenizer) -> Iterator[tuple[int, int]]:
    """First position of each answer's text, and that of its end."""
    opening = [tokenizer.im_start, *tokenizer.encode("assistant\n")]
    for at in np.flatnonzero(ids == tokenizer.im_start):
        start = at + len(opening)
        if ids[at:start].tolist() == opening:
            yield start, start + int((ids[start:] == tokenizer.im_end).argmax())


def _mentions(scene: Scene, laid: Plan, look: Callable) -> list[Mention]:
    found = []
    for thing in scene.things:
        place = _seen(scene, thing, laid, look)
        if place:
            found.append(Mention((thing.name,), thing.color, *place))
    for sound in scene.sounds:
        kind = SOUNDS[sound.name]
        words = tuple(text.split(" ", 1)[-1] for text in (kind.heard, kind.does))
        times = laid.spans.time
        during = (times[:, 0] < sound.end) & (times[:, 1] > sound.start)
        place = _run(np.flatnonzero((laid.spans.modality == Modality.AUDIO) & during))
        if place:
            found.append(Mention(words, "", *place))
    return found


def _run(positions: np.ndarray) -> tuple[int, int] | None:
    """The first of them, and the last that follows it without a gap."""
    if not len(positions):
        return None
    gap = np.flatnonzero(np.diff(positions) > 1)
    return int(positions[0]), int(positions[gap[0] if len(gap) else -1])


def _seen(scene: Scene, thing: Thing, laid: Plan, look: Callable) -> tuple[int, int] | None:
    """The cells in the row of cells through the thing's middle, when it is first seen."""
    for index, part in enumerate(laid.parts):
        if isinstance(part, Text | Audio):
            continue
        still = not scene.seconds
        shape = part.pixels.shape if still else part.frames.shape[1:]
        rows, columns = look(*shape[:2])
        slots = laid.slots(index, Modality.IMAGE if still else Modality.VIDEO).numpy()
        shown = [0.0] if still else part.times[::2].tolist()  # a pair of frames has one set
        for pair, time in enumerate(shown):
            if not scene.shows(thing, time):
                continue
            left, top, right, bottom = box(scene, thing, time)
            row = int((top + bottom) / 2 / scene.height * rows)
            first, last = (int(x / scene.width * columns) for x in (left, right - 1))
            begin = (pair * rows + row) * columns
            return int(slots[begin + first]), int(slots[begin + last])
    return None


def _looks(pieces: Sequence[bytes], question: str, mentions: Sequence[Mention]) -> np.ndarray:
    """For every token of an answer i64[T, 2]: the place of what it is about, which is what was
    named last, or in front of the first name what comes first; where nothing is named, what the
    question names first, or -1."""
    places = np.full((len(pieces), 2), -1)
    named = _named(b"".join(pieces).decode("utf-8", "replace"), mentions)
    ends = np.cumsum([len(piece) for piece in pieces])
    if not named and (about := _named(question, mentions)):
        named = {0: about[min(about)]}
    for i, end in enumerate(ends if named else ()):
        start = max((start for start in named if start < end), default=min(named))
        places[i] = named[start].first, named[start].last
    return places


def _named(text: str, mentions: Sequence[Mention]) -> dict[int, Mention]:
    """What a text names, by the characters where the names (or their colours) begin."""
    named: dict[int, Mention] = {}
    for mention in sorted(mentions, key=lambda m: -len(m.words[0])):  # "ice cream" before "ice"
        colored = f"(?:{mention.color} )?" if mention.color else ""
        words = "|".join(re.escape(word.lower()) for word in mention.words)
        for match in re.finditer(rf"\b{colored}(?:{words})", text.lower()):
            named.setdefault(match.start(), mention)
    return named
