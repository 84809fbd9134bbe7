"""A row of the world: what is seen and heard, questions about it, their answers, where to look.

    scene, parts, tasks -> <user> parts, question <assistant> answer <user> question <assistant> ...

Several questions share one picture: its tokens cost more than all their words. While an answer is
written, the scene says which cells or which ticks of sound it is about, and one attention head is
told to look there (stages.Guided), as the ear's is in `hear`: at the first moment of what is named,
at its last while its end is told, along a line while its words are written, and at a printed word
letter by letter.

Times are answered as the clock tells them. Sound: the moment at which something begins or ends is
that of the next timestamp, the first that can know of it, and the timestamp's digits are what is
looked at. Film: that of the pair of frames in which it does; its timestamp stands before it and
cannot know of it, so the cells are looked at, which know both. Where no timestamp is so near that
the answer stays right, it is exact.

Left out: where to look for things that are asked for in vain; when each word of a line sounds (its
characters are taken to be equally long).
Letters: T tokens.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.data.ask import Task
from model.data.captions import in_rows
from model.data.catalog import SOUNDS
from model.data.check import CLOSE
from model.data.draw import box, letters
from model.data.scenes import Line, Scene, Sound, Thing
from model.senses.message import Audio, Message, Part, Text
from model.senses.prompt import Clock, Modality, Plan, plan
from model.senses.tokenizer import Tokenizer
from model.train.losses import IGNORE


class Exchange(NamedTuple):
    ids: np.ndarray  # i64[T]
    places: np.ndarray  # i64[T, 3]
    targets: np.ndarray  # i64[T], the next token of an answer, or IGNORE
    heard: np.ndarray  # i64[T, 2], first and last position to look at for the next token, or -1


At = tuple[int, int]  # first and last position in the row

MOMENT = re.compile(r"(?<![Ff]or )\b\d+\.\d\b")  # not how long
ENDS = r'to |last seen at |goes away at |"end": '  # what stands before the moment of an end
LENGTH = re.compile(r"(?<=rom )(\d+\.\d) to (\d+\.\d): for (\d+\.\d)")
TIME = re.compile(rf"({ENDS})?(\d+\.\d)")


class Mention(NamedTuple):
    """A thing, a sound or somebody who speaks, and where that begins and ends."""

    words: tuple[str, ...]  # any of them names it
    color: str
    begins: At
    ends: At
    heard: bool


class Spoken(NamedTuple):
    """A line and where it is heard, or a printed word and where its letters are seen."""

    text: str
    slots: np.ndarray  # i64[n], positions in the row


class Clocks(NamedTuple):
    """The number on every timestamp -> the position in the row of each of its characters."""

    heard: dict[str, list[int]]  # those before sound
    seen: dict[str, list[int]]  # those before pairs of frames


def exchange(
    tokenizer: Tokenizer, scene: Scene, parts: Sequence[Part], tasks: Sequence[Task],
    clock: Clock, look: Callable[[int, int], tuple[int, int]],
) -> Exchange:  # fmt: skip
    """The row of a scene and of `tasks` about it; `parts` is what is seen and heard of it."""
    shown = plan([Message("user", tuple(parts))], tokenizer, clock, look=look, answer=False)
    mentions, lines = _mentions(scene, shown, look), _lines(scene, shown)
    words, clocks = list(_printed(scene, shown, look)), _clocks(shown, tokenizer)
    messages = []
    for i, task in enumerate(tasks):
        before = tuple(parts) if i == 0 else ()
        messages.append(Message("user", (*before, Text(task.question))))
        messages.append(Message.of("assistant", _told(task, mentions, clocks)))
    laid = plan(messages, tokenizer, clock, answer=False, look=look)
    ids = laid.ids.numpy()
    targets, heard = np.full(len(ids), IGNORE), np.full((len(ids), 2), -1)
    for task, (start, stop) in zip(tasks, _answers(ids, tokenizer), strict=True):
        targets[start - 1 : stop] = ids[start : stop + 1]  # the end as well
        pieces = [tokenizer.piece(int(token)) for token in ids[start:stop]]
        looks = _looks(pieces, task.question, mentions, lines, words, clocks)
        heard[start - 1 : stop - 1] = looks
    return Exchange(ids, laid.places.numpy().T, targets, heard)


def _told(task: Task, mentions: Sequence[Mention], clocks: Clocks) -> str:
    """The answer, with its moments as timestamps tell them."""
    named = _about(task.answer, task.question, mentions)
    heard, seen = (sorted(map(float, numbers)) for numbers in clocks)

    def moment(match: re.Match) -> str:
        exact = float(match[0])
        if not named:
            return match[0]
        if _subject(named, match.end()).heard:
            near = [time for time in heard if exact < time <= exact + CLOSE]
        else:
            near = [time for time in seen if abs(time - exact) <= CLOSE + 1e-6]
        return f"{min(near, key=lambda time: abs(time - exact), default=exact):.1f}"

    def length(match: re.Match) -> str:
        start, end, exact = map(float, match.groups())
        between = round(end - start, 1)
        told = between if abs(between - exact) <= CLOSE else exact
        return f"{start:.1f} to {end:.1f}: for {told:.1f}"

    return LENGTH.sub(length, MOMENT.sub(moment, task.answer))


def _clocks(laid: Plan, tokenizer: Tokenizer) -> Clocks:
    kinds = laid.spans.modality.numpy()
    stamps, clocks = np.flatnonzero(kinds == Modality.TIMESTAMP), Clocks({}, {})
    for run in np.split(stamps, np.flatnonzero(np.diff(stamps) > 1) + 1) if len(stamps) else ():
        pieces = [tokenizer.piece(int(id)) for id in laid.ids[run]]
        positions = [int(at) for at, piece in zip(run, pieces, strict=True) for _ in piece]
        if number := TIME.search(b"".join(pieces).decode()):
            before = clocks.seen if Modality.VIDEO in kinds[run[-1] + 1 :][:2] else clocks.heard
            before[number[2]] = positions[number.start(2) : number.end(2)]
    return clocks


def _answers(ids: np.ndarray, tokenizer: Tokenizer) -> Iterator[tuple[int, int]]:
    """First position of each answer's text, and that of its end."""
    opening = [tokenizer.im_start, *tokenizer.encode("assistant\n")]
    for at in np.flatnonzero(ids == tokenizer.im_start):
        start = at + len(opening)
        if ids[at:start].tolist() == opening:
            yield start, start + int((ids[start:] == tokenizer.im_end).argmax())


def _mentions(scene: Scene, laid: Plan, look: Callable) -> list[Mention]:
    found = []
    for thing in in_rows(scene.things):
        shown = list(_seen(scene, thing, laid, look))
        if shown:
            found.append(Mention((thing.name,), thing.color, shown[0], shown[-1], False))
    for part in sorted((*scene.sounds, *scene.lines), key=lambda part: part.start):
        words = (part.speaker,) if isinstance(part, Line) else _names(part)
        slots = _sounding(laid, part)
        if len(slots):
            found.append(Mention(words, "", _run(slots), (int(slots[-1]),) * 2, True))
    return found


def _names(sound: Sound) -> tuple[str, ...]:
    kind = SOUNDS[sound.name]
    return tuple(text.split(" ", 1)[-1] for text in (kind.heard, kind.does))


def _lines(scene: Scene, laid: Plan) -> list[Spoken]:
    heard = [Spoken(line.text, _sounding(laid, line)) for line in scene.lines]
    return [line for line in heard if len(line.slots)]


def _sounding(laid: Plan, part: Sound | Line) -> np.ndarray:
    """Positions i64[n] of the ticks of sound in which it is heard."""
    times = laid.spans.time
    during = (times[:, 0] < part.end) & (times[:, 1] > part.start)
    return np.flatnonzero((laid.spans.modality == Modality.AUDIO) & during)


def _run(positions: np.ndarray) -> At:
    """The first of them, and the last that follows it without a gap."""
    gap = np.flatnonzero(np.diff(positions) > 1)
    return int(positions[0]), int(positions[gap[0] if len(gap) else -1])


class Cells(NamedTuple):
    """The cells of a pair of frames, or of a picture."""

    times: tuple[float, ...]  # of its frames
    rows: int
    columns: int
    slots: np.ndarray  # i64[rows * columns], positions in the row of the batch


def _cells(scene: Scene, laid: Plan, look: Callable) -> Iterator[Cells]:
    for index, part in enumerate(laid.parts):
        if isinstance(part, Text | Audio):
            continue
        still = not scene.seconds
        shape = part.pixels.shape if still else part.frames.shape[1:]
        rows, columns = look(*shape[:2])
        slots = laid.slots(index, Modality.IMAGE if still else Modality.VIDEO).numpy()
        times = [0.0] if still else part.times.tolist()
        pairs = [tuple(times[i : i + 2]) for i in range(0, len(times), 2)]
        for pair, own in zip(pairs, slots.reshape(-1, rows * columns), strict=True):
            yield Cells(pair, rows, columns, own)


def _seen(scene: Scene, thing: Thing, laid: Plan, look: Callable) -> Iterator[At]:
    """Whenever it is seen: the cells in the row of cells through the thing's middle."""
    for times, rows, columns, slots in _cells(scene, laid, look):
        shown = [time for time in times if scene.shows(thing, time)]
        if shown:
            left, top, right, bottom = box(scene, thing, shown[0])
            row = int((top + bottom) / 2 / scene.height * rows)
            first, last = (int(x / scene.width * columns) for x in (left, right - 1))
            yield int(slots[row * columns + first]), int(slots[row * columns + last])


def _printed(scene: Scene, laid: Plan, look: Callable) -> Iterator[Spoken]:
    """What can be read, in capitals, and the cell of each letter's middle when it is first seen."""
    for word in scene.prints:
        shown = (cells for cells in _cells(scene, laid, look)
                 if any(scene.shows(word, time) for time in cells.times))  # fmt: skip
        if cells := next(shown, None):
            edges = np.array(letters(scene, word))
            middles = (edges[:, :2] + edges[:, 2:]) / 2 / (scene.width, scene.height)
            places = np.clip(middles, 0, 1 - 1e-6) * (cells.columns, cells.rows)
            column, row = places.astype(int).T
            yield Spoken(word.text.upper(), cells.slots[row * cells.columns + column])


def _looks(
    pieces: Sequence[bytes], question: str, mentions: Sequence[Mention], lines: Sequence[Spoken],
    words: Sequence[Spoken], clocks: Clocks,
) -> np.ndarray:  # fmt: skip
    """For every token of an answer i64[T, 2]: the place of what it is about, or -1."""
    places = np.full((len(pieces), 2), -1)
    raw = b"".join(pieces)
    answer = raw.decode("utf-8", "replace")
    named = _about(answer, question, mentions)
    ends = np.cumsum([len(piece) for piece in pieces])  # bytes; names and times have no others
    times = list(TIME.finditer(answer))
    for i, end in enumerate(ends if named else ()):
        about = _subject(named, int(end))
        places[i] = about.begins
        for time in times:
            within = end - len(pieces[i]) - time.start(2)  # which character of it comes next
            if -1 <= within < len(time[2]):
                places[i] = about.ends if time[1] else about.begins
            if about.heard and 0 <= within < len(time[2]) and time[2] in clocks.heard:
                places[i] = clocks.heard[time[2]][within]
    for word in words:  # of which a letter is a token
        for match in re.finditer(f'"{re.escape(word.text)}"', answer):
            for i, end in enumerate(ends):
                if 0 <= end - 2 - match.start() < len(word.slots):
                    places[i] = word.slots[end - 2 - match.start()]
    for line in lines:
        text, last = line.text.encode(), len(line.slots) - 1
        begin = raw.find(text)
        for i, end in enumerate(ends if begin >= 0 else ()):
            middle = (end - len(pieces[i]) / 2 - begin) / len(text)
            if 0 <= middle < 1:
                at = int(middle * len(line.slots))
                places[i] = line.slots[[max(0, at - 1), min(last, at + 1)]]
    return places


def _about(answer: str, question: str, mentions: Sequence[Mention]) -> dict[int, Mention]:
    """What an answer names, by where; where nothing is named, what the question names first."""
    named, asked = _named(answer, mentions), _named(question, mentions)
    return named or ({0: asked[min(asked)]} if asked else {})


def _subject(named: dict[int, Mention], end: int) -> Mention:
    """What was named last in front of a character, or what is named first."""
    return named[max((start for start in named if start < end), default=min(named))]


def _named(text: str, mentions: Sequence[Mention]) -> dict[int, Mention]:
    """What a text names, by the characters where the names (or their colours) begin. Of several
    with one name, the first is named first."""
    named: dict[int, Mention] = {}
    alike: dict[tuple, list[Mention]] = {}
    for mention in mentions:
        alike.setdefault((mention.words, mention.color), []).append(mention)
    for (words, color), same in sorted(alike.items(), key=lambda item: -len(item[0][0][0])):
        colored = f"(?:{color} )?" if color else ""  # longest first: "ice cream" before "ice"
        name = "|".join(re.escape(word.lower()) for word in words)
        for n, match in enumerate(re.finditer(rf"\b{colored}(?:{name})(?:e?s)?\b", text.lower())):
            named.setdefault(match.start(), same[min(n, len(same) - 1)])
    return named
