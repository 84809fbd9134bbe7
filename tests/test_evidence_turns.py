"""Figures of turn taking, from records and from a listener that runs."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.attend import Silero
from workbench.evidence import board
from workbench.evidence.items import Held
from workbench.evidence.turns import NEVER, TURNS, Attended, choose, measure

DATA = runpy.run_path(str(Path(__file__).with_name("dialogue_data.py")))
BACKCHANNEL, OTHERS, INTERRUPT, TURN = TURNS


def one(number: int, native=(), silero=()) -> Attended:
    return Attended(f"i{number}", ["c"], 1.0, 2.0, [(1.4, 1.8)], list(native), list(silero))


def values(experiment, items) -> dict[str, float]:
    return {figure.row.name: figure.value for figure in experiment.figures(items)}


def test_stopping_too_often_and_too_late():
    items = [one(0, [("interrupt", 1.3)]), one(1, [("backchannel", 1.5)]), one(2), one(3)]
    false = values(BACKCHANNEL, items)
    assert false == {"world-turns-backchannel": 25.0, "world-turns-backchannel-silero": 0.0}
    stopped = values(INTERRUPT, [*items, one(4, [("interrupt", 0.5)])])  # before it was said
    assert stopped["world-turns-missed"] == 80.0
    assert stopped["world-turns-stops"] == pytest.approx(300)
    assert stopped["world-turns-missed-silero"] == 100.0


def test_answers_too_early_and_too_late():
    items = [one(0, [("turn", 2.2)], [("turn", 1.7), ("turn", 2.5)]), one(1, [("turn", 2.4)])]
    found = values(TURN, items)
    assert found["world-turns-delay"] == pytest.approx(300)
    assert found["world-turns-early"] == 0.0 and found["world-turns-early-silero"] == 50.0
    assert found["world-turns-delay-silero"] == pytest.approx(1000 * (0.5 + NEVER) / 2)


def test_without_a_head_the_baseline_stands_alone():
    items = [replace(one(i), native=None) for i in range(2)]
    assert all(name.endswith("silero") for e in TURNS for name in values(e, items))


class Deaf:
    """Takes turns as the baseline does."""

    def __init__(self, listener):
        self.heard = listener

    def listener(self):
        return self.heard


def test_it_is_measured_on_dialogues_of_the_test(tmp_path):
    held = Held(str(DATA["build"](tmp_path)))
    for what in ("turn", "others"):
        subject, again = choose(what, held, 2)[1], choose(what, held, 3)[1]
        assert subject.dialogue == again.dialogue
        record = measure(Deaf(Silero()), subject)
        assert record.native == record.silero and measure(Deaf(None), subject).native is None
        assert len(record.pauses) == (
            0 if what == "others" else len(subject.dialogue.lines[0].pauses)
        )
        assert np.isfinite(record.begin) and record.end >= record.begin


def test_the_rows_stand_on_the_board():
    names = {row.name for experiment, _ in board.chosen(["world-turns"]) for row in experiment.rows}
    assert {"world-turns-missed", "world-turns-late-silero"} <= names and len(names) == 14
    assert "world-turns-turn" in {experiment.name for experiment, _ in board.chosen(["world"])}
