"""The desk: a fair line, Stop, what goes wrong, what a recording will need."""

import runpy
import time
from pathlib import Path

import pytest

import workbench as wb
from workbench.desk import LONGEST_LINE, Ask

DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, desk, over = DATA["lab"], DATA["desk"], DATA["over"]
SHORT = {"text": "Hi", "most": 3}


def test_the_line_is_fair_and_tells_its_places(desk):
    first = desk.put(Ask({"text": "Hi", "most": 40}), "a")
    while desk.running is None:
        time.sleep(0.01)
    greedy = [desk.put(Ask({"text": "Hi", "most": 1, "speak": False}), "b") for _ in range(3)]
    late = desk.put(Ask({"text": "Hi", "most": 1, "speak": False}), "c")
    assert [turn.place for turn in (*greedy, late)] == [1, 3, 4, 2]
    for _ in range(LONGEST_LINE - 4):
        desk.put(Ask({"text": "Hi"}), "d")
    with pytest.raises(ValueError, match="waiting already"):
        desk.put(Ask({"text": "Hi"}), "e")
    assert next(late.follow()) == 2  # and left: it is out of the line
    assert late.state == "stopped"
    first.stop()
    *_, chunk = greedy[0].follow()
    assert chunk.text and greedy[0].state == "done"


def test_stop_ends_a_turn_between_two_chunks_and_keeps_what_was_said(desk, lab):
    modules = {name: type(part) for name, part in lab.omni.named_modules()}
    ask = Ask({"text": "Hi", "most": 256}, (wb.ban_expert(None, 0),), ("routing",))
    turn = desk.put(ask, "a")
    behind, gone = desk.put(Ask(SHORT), "b"), desk.put(Ask(SHORT), "c")
    gone.stop()
    assert gone.state == "stopped" and gone.run is None
    while not turn.chunks and turn.live:
        time.sleep(0.01)
    turn.stop()
    assert over(turn).state == "stopped" and 0 < len(turn.run.words) < 256
    assert over(behind).state == "done"
    assert {name: type(part) for name, part in lab.omni.named_modules()} == modules
    assert lab.edits == ()


def test_megabytes_are_told_before_and_not_while_the_model_works(desk):
    ask = Ask(SHORT, record=("logits",))
    assert desk.estimate(ask).total > 0
    with desk._model:
        assert desk.estimate(ask) is None
    with pytest.raises(ValueError, match="no layer 99"):
        desk.estimate(Ask(SHORT, (wb.zero_head(99, 0),)))


def test_what_goes_wrong_is_one_sentence_and_the_next_turn_runs(desk, lab, caplog, monkeypatch):
    turn = over(desk.put(Ask(SHORT, (wb.zero_head(99, 0),)), "a"))
    assert turn.state == "failed" and turn.error.startswith("no layer 99") and turn.run is None
    shift = Ask(SHORT, (wb.shift_timestamps(2),))
    assert "no timestamps" in over(desk.put(shift, "a")).error
    with monkeypatch.context() as patched:
        patched.setattr(lab, "recording", lambda **_: 1 / 0)
        turn = over(desk.put(Ask(SHORT), "a"))
    assert "ZeroDivisionError" in turn.error and "\n" not in turn.error
    assert "a turn failed" in caplog.text
    assert over(desk.put(Ask(SHORT), "a")).state == "done"
    desk.close()
    with pytest.raises(ValueError, match="put away"):
        desk.put(Ask(SHORT), "a")
