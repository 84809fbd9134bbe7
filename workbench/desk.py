"""One model, one turn at a time: a fair line, chunks as they come, and Stop.

    desk = Desk(lab)
    turn = desk.put(Ask({"text": "Hi"}), owner="a browser")
    for item in turn.follow(): ...     # places in the line, then chunks; leaving it stops the turn
    turn.state, turn.run

The chat and the dashboard stand on it. A single thread takes turns from the line. Everybody's first
turn comes before anybody's second one, otherwise who came first goes first. Stop takes effect
before the next chunk (a word, or 80 ms of sound); what was said until then is a Run like any other.
Whoever follows a turn does the rest (drawing, files) in a thread of their own.
Left out: several models, or several turns in one batch.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import Any

from model.turn import Chunk
from workbench.edits import Edit
from workbench.lab import Lab
from workbench.record import Estimate, Recording
from workbench.run import Run

LONGEST_LINE = 32  # turns that may wait
BUSY = f"{LONGEST_LINE} questions are waiting already; try again in a minute"


@dataclass(frozen=True)
class Ask:
    """A turn that somebody wants."""

    turn: Mapping[str, Any]  # what `Lab.recording` takes
    edits: tuple[Edit, ...] = ()
    record: tuple[str, ...] = ()
    chunks: int | None = None  # stop after so many


@dataclass(eq=False)
class Turn:
    """How far a turn is; the desk's thread writes it."""

    ask: Ask
    owner: str
    desk: "Desk" = field(repr=False)
    state: str = "waiting"  # then running; at last done, stopped or failed
    place: int | None = None  # how many turns come before this one
    chunks: int = 0
    began: float | None = None
    ended: float | None = None
    error: str = ""  # one sentence
    run: Run | None = None
    stopping: Event = field(default_factory=Event, repr=False)
    news: SimpleQueue = field(default_factory=SimpleQueue, repr=False)

    @property
    def live(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def more(self) -> bool:
        """Is something there that was not followed yet?"""
        return not self.news.empty()

    @property
    def seconds(self) -> float:
        """Since the model took it up."""
        return 0.0 if self.began is None else (self.ended or monotonic()) - self.began

    def follow(self) -> Iterator[int | Chunk]:
        """The places in the line as they change, then the chunks. Leaving it stops the turn."""
        try:
            while (item := self.news.get()) is not None:
                yield item
        finally:
            self.stop()

    def stop(self) -> None:
        """End it before its next chunk, or take it out of the line."""
        if self.live:
            self.stopping.set()
            self.desk.drop(self)


class Desk:
    def __init__(self, lab: Lab):
        self.lab = lab
        self.rate = lab.about.rate  # the weights' fingerprint is taken here, not in the first turn
        self.running: Turn | None = None
        self._model = Lock()  # whoever holds it may change the model, or look at its parts
        self._waiting: list[Turn] = []
        self._change = Condition()
        self._open = True
        self._worker = Thread(target=self._work, name="turns", daemon=True)
        self._worker.start()

    def put(self, ask: Ask, owner: str) -> Turn:
        """Ask for a turn; it is run when those before it are over."""
        turn = Turn(ask, owner, self)
        with self._change:
            if not self._open:
                raise ValueError("the model was put away: nothing more can be asked")
            if len(self._waiting) >= LONGEST_LINE:
                raise ValueError(BUSY)
            self._waiting.append(turn)
            self._tell()
            self._change.notify()
        return turn

    def drop(self, turn: Turn) -> None:
        """Take a turn out of the line, if it is there."""
        with self._change:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._end(turn, "stopped")
                self._tell()

    def close(self) -> None:
        """Stop everything."""
        with self._change:
            self._open = False
            for turn in (*self._waiting, *filter(None, [self.running])):
                turn.stopping.set()
            for turn in self._waiting:
                self._end(turn, "stopped")
            self._waiting.clear()
            self._change.notify()
        self._worker.join()

    def line(self) -> list[Turn]:
        """Those that wait, in the order in which they will be taken."""
        before: Counter[str] = Counter()
        rank = {}
        for turn in self._waiting:
            rank[turn] = before[turn.owner]
            before[turn.owner] += 1
        return sorted(self._waiting, key=rank.__getitem__)

    def estimate(self, ask: Ask) -> Estimate | None:
        """Megabytes that recording this may need; None while the model is at work."""
        if not self._model.acquire(blocking=False):
            return None
        try:
            with self.lab.edit(*ask.edits):
                bare = self.lab.recording(**ask.turn)
                given = {"clock": bare.clock, "effective": bare.effective}
                return Recording(bare.omni, bare.inputs, ask.record, **given).estimate
        finally:
            self._model.release()

    def _tell(self) -> None:
        """Everybody who waits hears of a new place."""
        for place, turn in enumerate(self.line(), start=self.running is not None):
            if place != turn.place:
                turn.place = place
                turn.news.put(place)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or not self._open)
                if not self._open:
                    return
                turn = self.running = self.line()[0]
                self._waiting.remove(turn)
                self._tell()
            self._take(turn)
            with self._change:
                self.running = turn = None  # nothing is kept of a turn that nobody holds
                self._tell()

    def _take(self, turn: Turn) -> None:
        turn.began, turn.state = monotonic(), "running"
        try:
            with self._model:
                whole = self._stream(turn)
        except ValueError as error:
            turn.error = str(error)
            self._end(turn, "failed")
        except Exception as error:
            logging.getLogger(__name__).exception("a turn failed")
            turn.error = (
                f"something went wrong inside the model ({type(error).__name__}); the terminal in"
                " which it runs tells where"
            )
            self._end(turn, "failed")
        else:
            self._end(turn, "done" if whole else "stopped")

    def _stream(self, turn: Turn) -> bool:
        """Say what was asked for; was it all said?"""
        ask, whole = turn.ask, True
        with self.lab.edit(*ask.edits):
            recording = self.lab.recording(**ask.turn, record=ask.record)
            turn.began = monotonic()  # the recording tells its times from here on
            with closing(iter(recording)) as chunks:
                for chunk in chunks:
                    turn.chunks += 1
                    turn.news.put(chunk)
                    if turn.stopping.is_set() or turn.chunks == ask.chunks:
                        whole = False
                        break
            turn.ended = monotonic()
            if turn.chunks:
                turn.run = recording.run()
        return whole

    def _end(self, turn: Turn, state: str) -> None:
        turn.ended = turn.ended or monotonic()
        turn.state = state
        turn.news.put(None)
