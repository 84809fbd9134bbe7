"""One conversation: what was asked, what was answered, and what was really heard of it.

    talk = Talk(desk, "a browser")
    for shown in talk.ask("What is two plus two?", [], Settings()): ...
    talk.stop()                        # from any thread; a new question does it, too

`shown` is all that the page draws, a plain JSON value: the conversation, and the latest sound as
numbered frames of 16-bit PCM (the last `WINDOW` of them, so that a page may miss a message). Text
comes as soon as it is there, before its sound. The page says how much of an answer was heard, and
when each frame was; where it was interrupted, the rest is shown as not heard, and is no part of
what the model remembers. Times are told on the clock of the conversation, which messages carry.
Left out: branches of a conversation; Gradio (page.py).
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any

import numpy as np

from model.senses.message import Audio, Image, Message, Text, Video
from model.turn import Chunk, Voice
from workbench.chat.ear import Ear
from workbench.chat.files import Sensed, pictures, received, told
from workbench.chat.settings import Change, Settings
from workbench.desk import Ask, Desk, Turn
from workbench.run import Latency, Run, Units
from workbench.uploads import words

LIVE = ("align", "latency")  # what is recorded while an answer is given
FULL = ("router-logits", "attn", "align", "delta", "codes", "logits", "latency")  # to look inside
SOUNDLESS = ("align", "codes")
WINDOW = 16  # frames of sound that a message holds at most
TOGETHER = 4  # frames that may wait for one message, when they are there already
KEPT = 20  # questions of a conversation
ORDER = (Video, Image, Audio)  # of the parts of a question, then its words: as in training


@dataclass(frozen=True)
class Times:
    """When an answer was made; what else was recorded of it is let go."""

    latency: Latency
    units: Units
    marks: dict[str, int]


@dataclass(eq=False)
class Answer:
    """One answer, as far as it is."""

    name: str  # "A" or "B" where there are two
    change: Change
    id: str = field(default_factory=lambda: token_hex(8))
    ask: Ask | None = None
    turn: Turn | None = None
    text: str = ""
    samples: int = 0
    frames: dict[int, str] = field(default_factory=dict)  # the last ones, as base64
    total: int = 0  # frames
    heard: float | None = None  # seconds, as the page says
    known: str | None = None  # the text that was heard, where that is not all of it
    unspoken: int | None = None  # words without speech
    chips: dict[str, float] = field(default_factory=dict)  # what the page measured, seconds
    made: dict[str, float] = field(default_factory=dict)  # seconds after it was asked for, here
    times: Times | None = None  # when it is over
    played: tuple[float | None, ...] = ()  # when the page played each frame, on the talk's clock
    state: str = "waiting"
    error: str = ""
    ends: list[int] = field(default_factory=list)  # of each token, in the text
    starts: tuple[float, ...] = ()  # seconds of the sound at which each token begins


@dataclass(eq=False)
class Exchange:
    """A question and its answers."""

    text: str
    asked: float  # on the clock of the talk
    parts: tuple[Sensed | Text, ...] = ()
    pictures: list[tuple[str, str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    error: str = ""
    id: str = field(default_factory=lambda: token_hex(8))


class Talk:
    def __init__(self, desk: Desk, owner: str):
        self.desk, self.owner = desk, owner
        self.exchanges: list[Exchange] = []
        self.version, self.epoch = 0, monotonic()
        self.key = token_hex(16)  # known to its own page alone
        self.ear: Ear | None = None  # while it talks hands-free
        self.sample: Voice | None = None  # heard in a recording, to answer in

    def clock(self) -> float:
        """Seconds of this conversation."""
        return monotonic() - self.epoch

    # --- asking -----------------------------------------------------------------------------------

    def ask(
        self, text: str, files: Sequence[str | Path | Sensed], settings: Settings
    ) -> Iterator[dict[str, Any]]:
        """Answer a question; what is to be shown, again and again. The turn before it ends."""
        self.stop()
        before = self.history() if settings.remember else ()
        exchange = Exchange(text, self.clock())
        self.exchanges = [*self.exchanges[1 - KEPT :], exchange]
        try:
            exchange.text = words(text, "the question")
            exchange.parts = _parts(exchange.text, files)
            exchange.pictures = [one for part in _sensed(exchange) for one in pictures(part)]
            system = words(settings.system, "the system prompt")
        except ValueError as error:
            exchange.error = str(error)
            yield self.shown()
            return
        told = (Message.of("system", system),) if system else ()
        messages = (*told, *before, Message("user", exchange.parts))
        changes = settings.changes()
        names = "AB" if len(changes) > 1 else [""]
        exchange.answers = [Answer(*pair) for pair in zip(names, changes, strict=True)]
        yield self.shown()
        for answer in exchange.answers:
            how = {**settings.how(), **answer.change.how}
            record = [kind for kind in LIVE if how["speak"] or kind not in SOUNDLESS]
            turn = {"messages": messages, **how}
            answer.ask = Ask(turn, answer.change.edits, tuple(record))
            yield from self._answer(answer)
            if answer.state == "stopped" or exchange is not self.exchanges[-1]:
                break
        for answer in exchange.answers:
            if answer.state == "waiting":
                answer.state = "stopped"
        yield self.shown()

    def _answer(self, answer: Answer) -> Iterator[dict[str, Any]]:
        try:
            turn = answer.turn = self.desk.put(answer.ask, self.owner)
        except ValueError as error:
            answer.state, answer.error = "failed", str(error)
            return
        fresh, begun = 0, monotonic()  # frames that no message told of
        for item in turn.follow():
            answer.state = turn.state if turn.live else answer.state
            first = isinstance(item, Chunk) and not (answer.text if item.text else answer.total)
            if isinstance(item, Chunk):
                fresh += _take(answer, item)
                kind = "sound" if len(item.audio) else "text"
                answer.made.setdefault(kind, round(monotonic() - begun, 3))
            if first or not turn.more or fresh >= TOGETHER:
                fresh = 0
                yield self.shown(answer)
        answer.state, answer.error = turn.state, turn.error
        if turn.run is not None:
            self._close(answer, turn.run)
        yield self.shown(answer)

    def _close(self, answer: Answer, run: Run) -> None:
        """The answer is over: keep what is needed of its run, and let go of the rest."""
        if len(run.audio):
            spoken = run.spans[:, 1] > run.spans[:, 0]
            answer.unspoken = _unspoken(answer, spoken.tolist())
            starts = np.where(spoken, run.spans[:, 0], np.inf)
            answer.starts = tuple(np.minimum.accumulate(starts[::-1])[::-1].tolist())
        if run.latency is not None:
            answer.times = Times(run.latency, run.units, run.marks)
        answer.turn.run = None
        self._mark(answer)

    # --- being interrupted ------------------------------------------------------------------------

    def stop(self) -> None:
        """End what is being said, before its next word or frame."""
        for exchange in self.exchanges[-1:]:
            for answer in exchange.answers:
                if answer.turn is not None:
                    answer.turn.stop()

    def heard(
        self,
        id: str,
        seconds: float,
        cut: bool,
        chips: dict[str, float],
        played: Sequence[float | None] = (),
    ) -> None:
        """The page says how much of an answer was heard, and what it measured."""
        answer = self.answer(id)
        answer.played = tuple(played[: answer.total])
        answer.chips = {name: float(value) for name, value in chips.items()}
        answer.heard = min(max(0.0, float(seconds)), answer.samples / self.desk.rate)
        if cut and answer.state == "done":
            answer.state = "stopped"
        self._mark(answer)

    def _mark(self, answer: Answer) -> None:
        """Which part of the text was heard, if the answer was interrupted."""
        if answer.state != "stopped" or answer.heard is None:
            return
        if not answer.samples:  # it was to be read, not heard; or no sound had come yet
            answer.known = "" if answer.ask and answer.ask.turn["speak"] else answer.text
            return
        heard = sum(start < answer.heard for start in answer.starts)
        known = answer.text[: answer.ends[heard - 1]] if heard else ""
        rest = answer.text[len(known) :]
        if known.strip() and rest and not rest[0].isspace() and not known[-1].isspace():
            known = known[: len(known) - len(known.split()[-1])]  # half a word was not heard
        answer.known = known

    def history(self) -> tuple[Message, ...]:
        """What was asked, and what was heard of the first answer to it."""
        turns = []
        for exchange in self.exchanges:
            answers = [a for a in exchange.answers if a.state in ("done", "stopped")]
            if not answers:
                continue
            said = answers[0].text if answers[0].known is None else answers[0].known
            turns.append(Message("user", exchange.parts))
            turns.append(Message("assistant", (Text(said),) if said.strip() else ()))
        return tuple(turns)

    # --- looking inside ---------------------------------------------------------------------------

    def answer(self, id: str) -> Answer:
        found = [a for exchange in self.exchanges for a in exchange.answers if a.id == id]
        if not found:
            raise ValueError(f"this conversation has no answer like that; it keeps the last {KEPT}")
        return found[0]

    def record(self, id: str) -> Turn:
        """The same answer once more, word for word, with everything recorded: follow the turn."""
        answer = self.answer(id)
        if answer.ask is None or not answer.ends:
            raise ValueError("there is nothing to look into: nothing was said")
        ask, chunks = answer.ask, answer.turn.chunks if answer.state == "stopped" else None
        kinds = tuple(k for k in FULL if ask.turn["speak"] or k not in SOUNDLESS)
        return self.desk.put(Ask(ask.turn, ask.edits, kinds, chunks), self.owner)

    def as_given(self, id: str, run: Run) -> Run:
        """The answer recorded again, with the times at which it was made and played at first."""
        answer = self.answer(id)
        then = answer.times
        if then is None or run.latency is None or not _alike(then.units, run.units):
            return run
        played = None
        if answer.played:
            told = [np.nan if at is None else at for at in answer.played]
            told += [np.nan] * (len(run.codes) - len(told))
            played = 1e9 * (np.array(told) - (answer.turn.began - self.epoch))
        return replace(
            run,
            latency=replace(then.latency, played=played),
            units=replace(run.units, emitted=then.units.emitted),
            marks=then.marks,
        )

    def transcript(self, id: str) -> str:
        """A question and this answer to it, as plain text."""
        answer = self.answer(id)
        exchange = next(e for e in self.exchanges if answer in e.answers)
        lines = ["Asked: " + "; ".join([*map(told, _sensed(exchange)), exchange.text])]
        lines += [f"Answered ({answer.change.name}): {answer.text}"]
        if answer.known is not None:
            lines += [f"Interrupted. Heard of it ({answer.heard:.2f} s): {answer.known}"]
        lines += [f"{name}: {value:.3f} s" for name, value in answer.chips.items()]
        return "\n".join(lines) + "\n"

    # --- what is drawn ----------------------------------------------------------------------------

    def shown(self, sounding: Answer | None = None) -> dict[str, Any]:
        """The conversation as JSON, with the latest sound of one answer."""
        self.version += 1
        sound = None
        if sounding is not None and sounding.frames:
            frames = {str(number): data for number, data in sounding.frames.items()}
            sound = {"answer": sounding.id, "frames": frames}
        exchanges = [
            {
                "id": exchange.id,
                "text": exchange.text,
                "asked": exchange.asked,
                "files": [told(part) for part in _sensed(exchange)],
                "pictures": exchange.pictures,
                "error": exchange.error,
                "answers": [self._shown(answer) for answer in exchange.answers],
            }
            for exchange in self.exchanges
        ]
        told_at = {"version": self.version, "clock": self.clock(), "key": self.key}
        return {**told_at, "exchanges": exchanges, "sound": sound}

    def _shown(self, answer: Answer) -> dict[str, Any]:
        turn, seconds = answer.turn, answer.samples / self.desk.rate
        over = answer.state in ("done", "stopped", "failed")
        return {
            "id": answer.id,
            "name": answer.name,
            "change": answer.change.name,
            "state": answer.state,
            "place": (turn.place or 0) if turn is not None else 0,
            "text": answer.text,
            "heard": answer.known,
            "words": len(answer.ends),
            "seconds": round(seconds, 2),
            "frames": answer.total,
            "made": dict(answer.made),
            "factor": round(turn.seconds / seconds, 2) if over and seconds else None,
            "unspoken": answer.unspoken,
            "aloud": bool(answer.ask is None or answer.ask.turn["speak"]),
            "error": answer.error,
        }


def pcm(audio: np.ndarray) -> str:
    """Samples as base64 of 16-bit little-endian PCM."""
    return b64encode((np.clip(audio, -1, 1) * 32767).round().astype("<i2").tobytes()).decode()


def _take(answer: Answer, chunk: Chunk) -> int:
    """Add a chunk to the answer; frames of sound that came."""
    if not len(chunk.audio):
        answer.text += chunk.text
        answer.ends.append(len(answer.text))
        return 0
    answer.frames[answer.total] = pcm(chunk.audio)
    answer.frames.pop(answer.total - WINDOW, None)
    answer.total += 1
    answer.samples += len(chunk.audio)
    return 1


def _unspoken(answer: Answer, spoken: Sequence[bool]) -> int:
    """Words of which no token has sound; tokens that begin with a space begin a word."""
    words: list[bool | None] = []  # None: no letters so far
    start = 0
    for end, sounds in zip(answer.ends, spoken, strict=False):
        piece, start = answer.text[start:end], end
        if piece[:1].isspace() or not words:
            words.append(None)
        if any(letter.isalnum() for letter in piece):
            words[-1] = bool(words[-1]) or sounds
    return words.count(False)


def _alike(one: Units, other: Units) -> bool:
    """Are these the same words and frames in the same order?"""
    return np.array_equal(one.kind, other.kind) and np.array_equal(one.token, other.token)


def _parts(text: str, files: Sequence[Any]) -> tuple[Sensed | Text, ...]:
    """A question in the order in which the model was trained: clips, pictures, sounds, words."""
    ready = [file for file in files if isinstance(file, Sensed)]
    sensed = [*ready, *received([f for f in files if not isinstance(f, Sensed)])]
    sensed.sort(key=lambda part: ORDER.index(type(part)))
    asked = (*sensed, *([Text(text)] if text else []))
    if not asked:
        raise ValueError("there is no question yet: type one, record one, or add a file")
    return asked


def _sensed(exchange: Exchange) -> list[Sensed]:
    return [part for part in exchange.parts if not isinstance(part, Text)]
