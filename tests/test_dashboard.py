"""The dashboard without a browser: edits as forms, a job, a tab, its page."""

import ast
import runpy
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from model.senses.message import Audio
from workbench.cli import main
from workbench.dashboard.form import makers, ranges
from workbench.dashboard.job import Job, Order
from workbench.dashboard.tab import Tab
from workbench.desk import Ask

DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, desk, over, sound, HOSTILE = (
    DATA[name] for name in ("lab", "desk", "over", "sound", "HOSTILE")
)
SHORT = {"text": "Hi", "most": 3}


# --- edits as forms -------------------------------------------------------------------------------


def test_every_edit_of_plain_values_has_a_form():
    made = [name for name in dir(wb) if name in vars(wb.edits) and name != "from_json"]
    assert set(makers()) == set(made) - {"mean_head", "mean_layer", "patch"}


def test_a_form_makes_the_edit_that_its_line_makes():
    for maker in makers().values():
        if maker.name == "dual_track":  # asks for weights that nano hasn't
            continue
        choice = maker.filled({})
        assert repr(eval(choice.line, {"wb": wb})) == repr(choice.edit), choice.line
        assert maker.about and maker.label
    ban = makers()["ban_expert"]
    choice = ban.filled({"layer": "", "experts": "0, 2", "stage": "talker"})
    assert choice.line == "wb.ban_expert(None, [0, 2], stage='talker')"
    assert not any(field.name == "weights" for field in makers()["dual_track"].fields), "no files"


@pytest.mark.parametrize(
    ("name", "texts", "told"),
    [
        ("top_k", {"count": "many"}, "top k: count is 'many', expected a number"),
        ("top_k", {"count": "1.5"}, "expected a number"),
        ("top_k", {"count": "9" * 30}, "expected a number"),
        ("router_temperature", {"temperature": "nan"}, "expected a number"),
        ("router_temperature", {"temperature": "-1"}, "must be positive"),
        ("ban_expert", {"experts": "a, b"}, "numbers such as 2, 5"),
        ("ban_expert", {"experts": ""}, "numbers such as 2, 5"),
        ("ban_expert", {"stage": "<b>"}, "no stage '<b>'"),
        ("pace", {"spec": "slow"}, "unknown pace 'slow'"),
    ],
)
def test_a_form_says_what_is_wrong(name, texts, told):
    with pytest.raises(ValueError, match=told):
        makers()[name].filled(texts)


def test_ranges_are_those_of_the_model(lab):
    told = ranges(lab.omni)
    assert "thinker 0" in told["layer"] and set(told) >= {"experts", "head", "count"}


# --- a job ----------------------------------------------------------------------------------------


def test_a_job_is_the_turn_of_a_lab_then_drawn(desk, lab):
    job = over(Job(desk, Order(SHORT, record=("routing",)), "a"))
    assert job.state == "done" and not job.error
    assert job.text == job.run.text and job.words == len(job.run.words) == 3
    assert job.speech == pytest.approx(job.run.seconds) and job.seconds > 0
    assert np.array_equal(job.run.audio, lab.run(**SHORT).audio)
    assert [view.module for view in job.views] == ["align", "routing"]


def test_the_model_is_free_while_a_run_is_drawn(desk, monkeypatch):
    let, drawing = threading.Event(), threading.Event()

    def slow(job, run, beside):
        drawing.set()
        assert let.wait(60)

    monkeypatch.setattr(Job, "_draw", slow)
    job = Job(desk, Order(SHORT), "a")
    assert drawing.wait(60)
    assert job.state == "drawing" and over(desk.put(Ask(SHORT), "b")).state == "done"
    let.set()
    assert over(job).state == "done"


def test_a_job_that_fails_says_so(desk, caplog, monkeypatch):
    choice = makers()["zero_head"].filled({"layer": "99"})
    job = over(Job(desk, Order(SHORT, (choice,)), "a"))
    assert job.state == "failed" and job.error.startswith("no layer 99") and job.run is None
    monkeypatch.setattr(Job, "_draw", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in over(Job(desk, Order(SHORT), "a")).error
    assert "could not be drawn" in caplog.text


# --- a tab ----------------------------------------------------------------------------------------


def test_pin_a_and_compare_b(desk):
    tab = Tab(desk)
    with pytest.raises(ValueError, match="no run to pin"):
        tab.pin()
    order = Order(SHORT, record=("routing", "logits"))
    tab.run(order)
    with pytest.raises(ValueError, match="still going"):
        tab.run(order)
    over(tab.job)
    assert tab.look() and not tab.look() and tab.compared is None
    tab.pin()
    assert tab.compared is None
    choice = makers()["top_k"].filled({"count": "1"})
    tab.run(Order(order.turn, (choice,), order.record))
    over(tab.job)
    assert tab.look()
    both = tab.compared
    assert both.change.run is tab.pinned.run and both.change.alt is both.run
    assert both.change.changed == (repr(choice.edit),)
    assert [view.module for view in both.both] == ["align", "routing"]
    tab.unpin()
    assert tab.compared is None


def test_tabs_share_nothing_but_the_desk(desk):
    one, other = Tab(desk), Tab(desk)
    one.run(Order(SHORT))
    over(one.job)
    one.look()
    one.pin()
    assert other.job is other.shown is other.pinned is None and not other.look()


# --- its page -------------------------------------------------------------------------------------


@pytest.fixture
def page(desk, lab):
    pytest.importorskip("panel")
    from workbench.dashboard.page import Page

    page = Page(Tab(desk), ranges(lab.omni))
    page.goes_in.most.value = 3
    return page


def run(page) -> None:
    page.run()
    over(page.tab.job)
    page.look()


def test_the_page_shows_a_run_and_compares_it(page):
    from workbench.dashboard.goes_in import EXAMPLE

    assert page.goes_in.way.value == EXAMPLE and "MB" in page.status.object
    run(page)
    assert "Done in" in page.status.object and not page.go.disabled and page.halt.disabled
    assert (
        "<audio" in page.comes_out.sound.object and "first sound" in page.comes_out.figures.object
    )
    assert list(page.inside.panels) == ["align", "routing", "attention", "latency"]
    panels = list(page.inside.panels.values())
    panels[0].selection = {**panels[0].selection, "tokens": [1]}
    assert all(panel.selection["tokens"] == [1] for panel in panels)
    assert "view.selection" in page.inside.note.object
    page.pin()
    page.changes.put("ban_expert", layer="", experts="0")
    page.again.value = True
    assert "wb.ban_expert(None, 0)" in page.code.object
    run(page)
    assert "wb.ban_expert(None, 0)" in page.comes_out.said.object
    assert page.comes_out.said.object.count("<audio") == 2
    change = page.tab.compared.change
    assert len(change.kl) == len(change.run.words), "B said the words of A"
    for kind in (page.comes_out.keep, page.comes_out.page):
        assert len(kind.callback().getvalue()) > 10_000
    page.inside.names.value = ["latency"]
    assert [panel.spec["view"] for column in page.inside.views for panel in column] == ["latency"]
    page.inside.which.value = "A"
    assert page.inside.drawn is page.tab.pinned.views
    page.unpin()
    assert not page.again.visible and not page.inside.which.visible


def test_the_place_in_the_queue_is_shown(page, desk, lab):
    first = desk.put(Ask({"text": "Hi", "most": 256}), "another")
    page.run()
    page.look()
    assert "Waiting: 1 turn before yours." in page.status.object and page.go.disabled
    first.stop()
    over(page.tab.job)
    page.look()
    assert "Done in" in page.status.object


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("way", ["Example", "Type", "Read aloud"])
def test_all_ways_in_can_be_recorded_and_read_as_python(page, desk, way, silent):
    page.goes_in.way.value, page.goes_in.speak.value = way, not silent
    order = page.order()
    assert desk.estimate(order.ask).total > 0 and "MB" in page.status.object
    ast.parse(order.code("micro"))
    assert page.script.value == order.code(desk.lab.name)


def test_mistakes_are_told_in_a_sentence(page):
    page.goes_in.way.value = "Upload"
    assert "Nothing is uploaded yet" in page.status.object
    page.goes_in.dropper.value = {"../../<img src=x>.wav": b"no sound"}
    assert "neither a recording" in page.goes_in.preview.object
    page.goes_in.dropper.value = {"../../<img src=x>.wav": sound()}
    assert "<audio" in page.goes_in.preview.object
    assert isinstance(page.order().turn["audio"], Audio)
    page.goes_in.way.value, page.goes_in.text.value = "Type", ""
    page.run()
    assert "write a question first" in page.status.object and page.tab.job is None
    page.goes_in.text.value = "Hi"
    page.changes.put("zero_head", layer="99")
    assert "No layer 99" in page.status.object
    run(page)
    assert "No layer 99" in page.comes_out.said.object and "Traceback" not in str(
        page.comes_out.said
    )


def test_hostile_text_stays_text(page, lab, monkeypatch):
    monkeypatch.setattr(lab.omni.tokenizer, "piece", lambda id: HOSTILE.encode())
    page.goes_in.way.value, page.goes_in.text.value = "Type", HOSTILE
    run(page)
    page.pin()
    run(page)
    panes = (page.status, page.code, page.goes_in.preview, page.comes_out.said,
             page.comes_out.figures, page.inside.note)  # fmt: skip
    assert "&lt;img src=x" in page.comes_out.said.object
    for pane in panes:
        assert "<img src=x" not in pane.object and "<script" not in pane.object
        assert "\u202e" not in pane.object


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(capsys):
    pytest.importorskip("panel")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", "--port", str(port), "--model", "none", "--no-browser"]) == 2
    told = capsys.readouterr().err
    assert f"port {port} cannot be had" in told and told.count("\n") == 1
    assert main(["dashboard", "--port", "99999", "--no-browser"]) == 2
