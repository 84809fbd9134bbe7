"""What a click on Run sets going: a turn at the desk, followed as it streams, then drawn.

    job = Job(desk, Order({"text": "Hi"}, record=("latency",)), owner="a tab")
    job.state, job.text, job.speech, job.place; job.stop(); job.run, job.views, job.change

A thread of its own follows the turn and draws; the pages read the job as often as they like, and
the model is free for others meanwhile. Left out: pages.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from model.turn import Chunk
from widgets.view import View
from workbench.compare import Diff, diff
from workbench.dashboard.form import Choice, with_edits
from workbench.desk import Ask, Desk
from workbench.run import Run
from workbench.views import Views

LIVE = ("waiting", "running", "drawing")


@dataclass(frozen=True)
class Order:
    """A turn, and what the page knows of it besides."""

    turn: Mapping[str, Any]  # what `Lab.recording` takes
    choices: Sequence[Choice] = ()
    record: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)  # Python for values that are no literals
    beside: Run | None = None  # what it will be compared with

    @property
    def ask(self) -> Ask:
        return Ask(self.turn, tuple(choice.edit for choice in self.choices), self.record)

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


class Job:
    """How far an order is; its thread writes it."""

    def __init__(self, desk: Desk, order: Order, owner: str):
        self.order, self.rate = order, desk.rate
        self.text, self.words, self.speech = "", 0, 0.0  # seconds
        self.error = ""  # one sentence
        self.views: tuple[View, ...] = ()
        self.change: Diff | None = None  # from the run it is compared with
        self.both: tuple[View, ...] = ()  # the two in one layout
        self.finished = False
        self.turn = desk.put(order.ask, owner)
        Thread(target=self._follow, name="follows a turn", daemon=True).start()

    @property
    def state(self) -> str:
        """waiting, running, drawing; at last done, stopped or failed."""
        return self.turn.state if self.turn.live or self.finished else "drawing"

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def place(self) -> int:
        """How many turns come before this one."""
        return self.turn.place or 0

    @property
    def seconds(self) -> float:
        return self.turn.seconds

    @property
    def run(self) -> Run | None:
        return self.turn.run

    def stop(self) -> None:
        self.turn.stop()

    def _follow(self) -> None:
        try:
            for item in self.turn.follow():
                if isinstance(item, Chunk):
                    self.text += item.text
                    self.words += not len(item.audio)
                    self.speech += len(item.audio) / self.rate
            self.error = self.turn.error
            if self.run is not None:
                self._draw(self.run, self.order.beside)
            elif self.turn.state == "done":
                self.error = "the model had nothing to say"
        except Exception as error:
            logging.getLogger(__name__).exception("a run could not be drawn")
            self.error = f"this run could not be drawn ({type(error).__name__})"
        finally:
            self.finished = True

    def _draw(self, run: Run, beside: Run | None) -> None:
        """The views, and the comparison."""
        self.views = tuple(run.view)
        if beside is None:
            return
        try:
            self.change = diff(beside, run)
            self.both = tuple(Views(beside, run))
        except ValueError as error:
            self.error = f"A and B cannot be shown together: {error}"
