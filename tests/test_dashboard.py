"""The dashboard without a browser: what may go in, edits as forms, the desk, a tab, its page."""

import ast
import io
import socket
import struct
import time
import zlib

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Pillow

import workbench as wb
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Image
from workbench.cli import main
from workbench.dashboard.desk import Ask, Desk, Turn
from workbench.dashboard.form import makers, ranges
from workbench.dashboard.tab import Tab
from workbench.uploads import LARGEST, examples, upload, words

HOSTILE = "<img src=x onerror=hacked=1></pre><script>hacked=1</script>\u202e"
SHORT = {"text": "Hi", "most": 3}


@pytest.fixture(scope="module")
def lab():
    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))


@pytest.fixture
def desk(lab):
    desk = Desk(lab)
    yield desk
    desk.close()


def over(turn: Turn) -> Turn:
    """Wait for the end of a turn."""
    end = time.monotonic() + 60
    while turn.live:
        assert time.monotonic() < end, turn
        time.sleep(0.01)
    return turn


# --- what may go in -------------------------------------------------------------------------------


def sound(seconds: float = 0.5, rate: int = 8000, channels: int = 1, kind: str = "WAV", **how):
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) / 5)
    out = io.BytesIO()
    soundfile.write(out, np.stack([wave] * channels, 1), rate, format=kind, **how)
    return out.getvalue()


def png(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", (width, height)).save(out, "png")
    return out.getvalue()


def claimed(width: int, height: int) -> bytes:
    """A PNG that says it is this large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png()
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return data[:16] + head + crc + data[33:]


def test_an_upload_is_what_its_bytes_are():
    for kind in ("WAV", "FLAC", "OGG"):
        heard = upload(sound(kind=kind), "picture.png")
        assert isinstance(heard, Audio) and heard.rate == 16_000 and 0.4 < heard.seconds < 0.6
    assert isinstance(upload(sound(channels=2)), Audio)
    seen = upload(png(), "../../sound.wav")
    assert isinstance(seen, Image) and seen.pixels.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"just some text", "neither a recording"),
        (b"\0" * round(LARGEST * 1e6 + 1), "20 MB are the most"),
        (png(64, 64)[:-40], "a damaged one"),
        (claimed(30_000, 2_000), "30000 x 2000 pixels"),
        (claimed(2**31 - 1, 2**31 - 1), "too many pixels"),
        (sound(70), "70 s, 60 s are the most"),
        (sound(channels=9), "9 channels"),
        (sound(0.01), "too short"),
        (sound(rate=900_000, seconds=0.1), "claims 900000 Hz"),
        (sound()[:44] + b"\0" * 8000, "silent"),
    ],
)
def test_bad_uploads_are_refused_in_a_sentence(data, told):
    with pytest.raises(ValueError, match=told) as error:
        upload(data, "this")
    assert str(error.value).startswith("this") and "\n" not in str(error.value)


def test_sounds_that_are_no_numbers_are_refused():
    out = io.BytesIO()
    soundfile.write(out, np.full(4000, np.nan, np.float32), 8000, format="WAV", subtype="FLOAT")
    with pytest.raises(ValueError, match="no numbers"):
        upload(out.getvalue())


def test_examples_are_there_and_can_be_loaded():
    assert len(examples()) >= 6
    for example in examples():
        assert isinstance(example.load(), Audio | Image) and example.by


def test_typed_texts_are_checked():
    assert words("  What?\n", "it") == "What?"
    with pytest.raises(ValueError, match="2001 characters"):
        words("a" * 2001, "it")
    with pytest.raises(ValueError, match="not valid"):
        words("\ud800", "it")


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


# --- the desk -------------------------------------------------------------------------------------


def test_a_turn_runs_and_is_the_turn_of_a_lab(desk, lab):
    turn = over(desk.put(Ask(SHORT, record=("routing",))))
    assert turn.state == "done" and not turn.error and "MB" in turn.estimate
    assert turn.text == turn.run.text and turn.words == len(turn.run.words) == 3
    assert turn.speech == pytest.approx(turn.run.seconds) and turn.seconds > 0
    assert np.array_equal(turn.run.audio, lab.run(**SHORT).audio)
    assert [view.module for view in turn.views] == ["align", "routing"]


def test_megabytes_are_told_before_and_not_while_the_model_works(desk):
    ask = Ask(SHORT, record=("logits",))
    assert desk.estimate(ask).total > 0
    with desk._model:
        assert desk.estimate(ask) is None
    choice = makers()["zero_head"].filled({"layer": "99"})
    with pytest.raises(ValueError, match="no layer 99"):
        desk.estimate(Ask(SHORT, (choice,)))


def test_stop_ends_a_turn_between_two_chunks_and_keeps_what_was_said(desk, lab):
    modules = {name: type(part) for name, part in lab.omni.named_modules()}
    ban = makers()["ban_expert"].filled({})
    turn = desk.put(Ask({"text": "Hi", "most": 256}, (ban,), ("routing",)))
    behind = desk.put(Ask(SHORT))
    gone = desk.put(Ask(SHORT))
    assert [desk.place(t) for t in (turn, behind, gone)] == [0, 1, 2]
    desk.stop(gone)
    assert gone.state == "stopped" and gone.run is None and desk.place(behind) == 1
    while not turn.words and turn.live:
        time.sleep(0.01)
    desk.stop(turn)
    assert over(turn).state == "stopped" and 0 < len(turn.run.words) < 256
    assert over(behind).state == "done"
    assert {name: type(part) for name, part in lab.omni.named_modules()} == modules
    assert lab.edits == ()


def test_what_goes_wrong_is_one_sentence_and_the_next_turn_runs(desk, lab, caplog, monkeypatch):
    choice = makers()["zero_head"].filled({"layer": "99"})
    turn = over(desk.put(Ask(SHORT, (choice,))))
    assert turn.state == "failed" and turn.error.startswith("no layer 99") and turn.run is None
    shift = makers()["shift_timestamps"].filled({})
    assert "no timestamps" in over(desk.put(Ask(SHORT, (shift,)))).error
    with monkeypatch.context() as patched:
        patched.setattr(lab, "recording", lambda **_: 1 / 0)
        turn = over(desk.put(Ask(SHORT)))
    assert "ZeroDivisionError" in turn.error and "\n" not in turn.error
    assert "a turn failed" in caplog.text
    assert over(desk.put(Ask(SHORT))).state == "done"


# --- a tab ----------------------------------------------------------------------------------------


def test_pin_a_and_compare_b(desk):
    tab = Tab(desk)
    with pytest.raises(ValueError, match="no run to pin"):
        tab.pin()
    ask = Ask(SHORT, record=("routing", "logits"))
    tab.run(ask)
    with pytest.raises(ValueError, match="still going"):
        tab.run(ask)
    over(tab.turn)
    assert tab.look() and not tab.look() and tab.compared is None
    tab.pin()
    assert tab.compared is None
    choice = makers()["top_k"].filled({"count": "1"})
    tab.run(Ask(ask.turn, (choice,), ask.record))
    over(tab.turn)
    assert tab.look()
    both = tab.compared
    assert both.change.run is tab.pinned.run and both.change.alt is both.run
    assert both.change.changed == (repr(choice.edit),)
    assert [view.module for view in both.both] == ["align", "routing"]
    tab.unpin()
    assert tab.compared is None


def test_tabs_share_nothing_but_the_desk(desk):
    one, other = Tab(desk), Tab(desk)
    one.run(Ask(SHORT))
    over(one.turn)
    one.look()
    one.pin()
    assert other.turn is other.shown is other.pinned is None and not other.look()


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
    over(page.tab.turn)
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
    first = desk.put(Ask({"text": "Hi", "most": 256}))
    page.run()
    page.look()
    assert "Waiting: 1 turn before yours." in page.status.object and page.go.disabled
    desk.stop(first)
    over(page.tab.turn)
    page.look()
    assert "Done in" in page.status.object


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("way", ["Example", "Type", "Read aloud"])
def test_all_ways_in_can_be_recorded_and_read_as_python(page, desk, way, silent):
    page.goes_in.way.value, page.goes_in.speak.value = way, not silent
    ask = page.ask()
    assert desk.estimate(ask).total > 0 and "MB" in page.status.object
    ast.parse(ask.code("micro"))
    assert page.script.value == ask.code(desk.lab.name)


def test_mistakes_are_told_in_a_sentence(page):
    page.goes_in.way.value = "Upload"
    assert "Nothing is uploaded yet" in page.status.object
    page.goes_in.dropper.value = {"../../<img src=x>.wav": b"no sound"}
    assert "neither a recording" in page.goes_in.preview.object
    page.goes_in.dropper.value = {"../../<img src=x>.wav": sound()}
    assert "<audio" in page.goes_in.preview.object
    assert isinstance(page.ask().turn["audio"], Audio)
    page.goes_in.way.value, page.goes_in.text.value = "Type", ""
    page.run()
    assert "write a question first" in page.status.object and page.tab.turn is None
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
