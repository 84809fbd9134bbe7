"""One model, one turn at a time: a queue, progress while a turn streams, and Stop.

    desk = Desk(lab)
    turn = desk.put(Ask({"text": "Hi", "speak": True}, record=("latency",)))
    desk.place(turn); turn.state, turn.text, turn.speech; desk.stop(turn); turn.run

A single thread runs the turns in the order in which they were asked for. It writes to a `Turn`, the
pages read it as often as they like; nothing here knows of pages. Stop takes effect between two
chunks (a word, or 80 ms of sound), and what was said until then is a Run like any other.
Left out: several models, or several turns in one batch.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from typing import Any

from widgets.view import View
from workbench.compare import Diff, diff
from workbench.dashboard.form import Choice, with_edits
from workbench.lab import Lab
from workbench.record import Estimate, Recording
from workbench.run import Run
from workbench.views import Views

LIVE = ("waiting", "running", "drawing")
OVER = ("done", "stopped", "failed")


@dataclass(frozen=True)
class Ask:
    """What a click on Run asks for."""

    turn: Mapping[str, Any]  # what `Lab.recording` takes
    choices: Sequence[Choice] = ()
    record: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)  # Python for values that are no literals
    beside: Run | None = None  # what it will be compared with

    def code(self, model: str) -> str:
        """The same as Python, to go on in a notebook."""
        turn, call = dict(self.turn), "lab.run"
        if "aloud" in turn:
            call, turn = "lab.say", {"text": turn.pop("aloud")} | turn
        given = [f"{name}={self.told.get(name, repr(value))}" for name, value in turn.items()]
        given += [f"record={list(self.record)!r}"] if self.record else []
        lines = [f"run = {call}(", *(f"    {one}," for one in given), ")"]
        if self.choices:
            lines = [with_edits(self.choices), *(f"    {line}" for line in lines)]
        return "\n".join(["import workbench as wb", "", f"lab = wb.load({model!r})", *lines])


@dataclass(eq=False)
class Turn:
    """How far a turn is; the desk's thread writes it."""

    ask: Ask
    state: str = "waiting"  # then running, drawing; at last done, stopped or failed
    estimate: str = ""  # of the recording, in words, before it begins
    text: str = ""
    words: int = 0
    speech: float = 0.0  # seconds
    began: float | None = None
    ended: float | None = None
    error: str = ""  # one sentence
    run: Run | None = None
    views: tuple[View, ...] = ()
    change: Diff | None = None  # from the run it is compared with
    both: tuple[View, ...] = ()  # the two in one layout
    stopping: Event = field(default_factory=Event)
    future: Future | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def seconds(self) -> float:
        """Since the model took it up."""
        return 0.0 if self.began is None else (self.ended or monotonic()) - self.began


class Desk:
    def __init__(self, lab: Lab):
        self.lab = lab
        self.rate = lab.about.rate  # the weights' fingerprint is taken here, not in the first turn
        self._model = Lock()  # whoever holds it may change the model, or look at its parts
        self._queue: list[Turn] = []  # the first one is being run
        self._worker = ThreadPoolExecutor(1, "turn")

    def put(self, ask: Ask) -> Turn:
        """Ask for a turn; it is run when those before it are over."""
        turn = Turn(ask)
        self._queue.append(turn)
        turn.future = self._worker.submit(self._take, turn)
        return turn

    def place(self, turn: Turn) -> int:
        """How many turns come before this one."""
        queue = list(self._queue)
        return queue.index(turn) if turn in queue else 0

    def stop(self, turn: Turn) -> None:
        """End a turn at its next chunk, or take it out of the queue."""
        turn.stopping.set()
        if turn.future and turn.future.cancel():
            self._end(turn, "stopped")

    def estimate(self, ask: Ask) -> Estimate | None:
        """Megabytes that recording this may need; None while the model is at work."""
        if not self._model.acquire(blocking=False):
            return None
        try:
            with self.lab.edit(*(choice.edit for choice in ask.choices)):
                bare = self.lab.recording(**ask.turn)
                given = {"clock": bare.clock, "effective": bare.effective}
                return Recording(bare.omni, bare.inputs, ask.record, **given).estimate
        finally:
            self._model.release()

    def close(self) -> None:
        """Stop everything."""
        for turn in list(self._queue):
            self.stop(turn)
        self._worker.shutdown()

    def _take(self, turn: Turn) -> None:
        turn.began, turn.state = monotonic(), "running"
        try:
            with self._model:
                self._stream(turn)
            turn.ended = monotonic()
            if turn.run is not None:
                turn.state = "drawing"
                self._draw(turn)
            self._end(turn, "stopped" if turn.stopping.is_set() else "done")
        except ValueError as error:
            turn.error = str(error)
            self._end(turn, "failed")
        except Exception as error:
            logging.getLogger(__name__).exception("a turn failed")
            turn.error = (
                f"something went wrong inside the model ({type(error).__name__}); the terminal"
                " in which the dashboard runs tells where"
            )
            self._end(turn, "failed")

    def _stream(self, turn: Turn) -> None:
        ask = turn.ask
        with self.lab.edit(*(choice.edit for choice in ask.choices)):
            recording = self.lab.recording(**ask.turn, record=ask.record)
            turn.estimate = str(recording.estimate)
            with closing(iter(recording)) as chunks:
                for chunk in chunks:
                    turn.text += chunk.text
                    turn.words += not len(chunk.audio)
                    turn.speech += len(chunk.audio) / self.rate
                    if turn.stopping.is_set():
                        break
            if turn.words or turn.speech or not turn.stopping.is_set():
                turn.run = recording.run()

    def _draw(self, turn: Turn) -> None:
        """The views, and the comparison."""
        turn.views, beside = tuple(turn.run.view), turn.ask.beside
        if beside is None:
            return
        try:
            turn.change = diff(beside, turn.run)
            turn.both = tuple(Views(beside, turn.run))
        except ValueError as error:
            turn.error = f"A and B cannot be shown together: {error}"

    def _end(self, turn: Turn, state: str) -> None:
        turn.ended = turn.ended or monotonic()
        self._queue.remove(turn)
        turn.state = state
