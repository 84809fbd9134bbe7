"""Streaming latency: unions, percentiles, buffers, exports, and what is refused."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from widgets.latency import REPORTED, LatencyView, _union

latency = runpy.run_path(str(Path(__file__).with_name("view_data.py")))["latency"]


@pytest.fixture(scope="module")
def view() -> LatencyView:
    return LatencyView(**latency(repeats=12), cold=1)


def spans(*rows) -> dict:
    names = ("stage", "name", "t0_ns", "t1_ns")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def test_overlapping_spans_are_never_added():
    assert _union(np.array([0.0, 1, 5]), np.array([2.0, 3, 6])) == 4
    two = spans(("talker", "a", 0, 4_000_000), ("talker", "b", 2_000_000, 6_000_000))
    assert LatencyView(spans=two).busy[0, 0] == pytest.approx(6)


def test_stages_are_busy_until_the_first_sound_only():
    late = spans(("talker", "a", 0, 4_000_000), ("talker", "later", 9_000_000, 20_000_000))
    marked = LatencyView(spans=late, marks={"name": ["TTFS"], "t": [0.010]})
    assert marked.busy[0, 0] == pytest.approx(5)


def test_percentiles_are_of_warm_requests(view):
    t = view.marks["TTFS"][1:] * 1e3
    assert view.percentiles()["TTFS"][:3] == pytest.approx(np.quantile(t, (0.5, 0.95, 0.99)))
    assert view.percentiles()["TTFS"][3] == 11 and view.percentiles(cold=True)["TTFS"][3] == 12
    assert "of them cold" in view.subtitle


def test_the_buffer_is_what_was_made_minus_what_was_heard():
    frames = {"t_ready": [0.1, 0.12, 0.5], "t_played": [0.1, 0.18, 0.5], "dur_s": [0.08] * 3}
    view = LatencyView(spans=spans(("talker", "a", 0, 10**8)), frames=frames)
    own = view.frames[0]
    np.testing.assert_allclose(own["buffer"], [0.08, 0.16 - 0.02, 0.08], atol=1e-9)
    np.testing.assert_allclose(own["gap"], [0, 0, 0.5 - 0.26], atol=1e-9)


def test_unmeasured_playback_is_assumed_and_said():
    frames = {"t_ready": [0.1, 0.12, 0.5], "dur_s": [0.08] * 3}
    view = LatencyView(spans=spans(("talker", "a", 0, 10**8)), frames=frames)
    np.testing.assert_allclose(view.frames[0]["played"], [0.1, 0.18, 0.5])
    assert any("not measured" in note for note in view.meta["notes"])


def test_the_real_time_factor_is_stage_time_over_sound():
    frames = {"t_ready": [0.1], "dur_s": [0.08], "stage_ms": [[20.0, 10.0, 10.0]]}
    view = LatencyView(spans=spans(("talker", "a", 0, 10**8)), frames=frames)
    assert view.frames[0]["rtf"] == pytest.approx(0.5)


def test_reported_figures_are_ghosts_with_a_source(view):
    assert sum(ms for _, ms in REPORTED["spans"]) == 234 and REPORTED["rtf"] == 0.47
    assert "other hardware" in REPORTED["label"] and REPORTED["source"]
    assert REPORTED["label"] in view.html()
    assert LatencyView(**latency(repeats=2), reported=None).meta["reported"] is None


def test_exports_hold_every_span(view):
    trace = json.loads(view.trace_json())["traceEvents"]
    count = len(view.data["spans"]["stage"])
    whole = [e for e in trace if e["ph"] == "X"]
    assert len(whole) == count and min(e["ts"] for e in whole) == 0
    assert {e["name"] for e in trace if e["ph"] == "i"} == {"TTFT", "TTFC", "TTFP", "TTFS"}
    rows = list(csv.DictReader(view.csv().splitlines()))
    assert len(rows) == count and rows[0]["stage"] == "preprocess"
    first = whole[0]
    assert first["dur"] * 1e3 == pytest.approx(int(rows[0]["t1_ns"]) - int(rows[0]["t0_ns"]))


def test_exports_of_two_runs_say_whose_a_span_is():
    a, b = LatencyView(**latency(repeats=2, frames=3)), LatencyView(**latency(repeats=3, frames=3))
    both = LatencyView(**latency(repeats=2, frames=3), beside=b)
    rows = list(csv.DictReader(both.csv().splitlines()))
    for name, one in (("A", a), ("B", b)):
        own = [{k: v for k, v in row.items() if k != "run"} for row in rows if row["run"] == name]
        assert own == list(csv.DictReader(one.csv().splitlines()))
    named = [e for e in both.chrome_trace()["traceEvents"] if e["name"] == "process_name"]
    assert [e["args"]["name"][0] for e in named] == ["A"] * 2 + ["B"] * 3
    assert len({e["pid"] for e in named}) == 5


def test_one_request_without_frames_or_marks_is_enough():
    view = LatencyView(spans=spans(("thinker", "a", 5, 5 + 10**7)))
    assert view.subtitle.endswith("1 request.")
    view.html()
    view.figure(__import__("widgets.view").view.palette("dark"))


def test_ten_minutes_of_frames_stay_small():
    view = LatencyView(**latency(repeats=4, frames=7500))
    assert len(view.html()) < 2_000_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spans": spans(("a", "b", 0, 1)) | {"t1_ns": [-1]}}, "ends before it begins"),
        ({"spans": {"t0_ns": []}}, "nothing was timed"),
        ({"cold": 99}, "only 2 requests"),
        ({"marks": {"name": ["TTFS"], "t": [1.0], "req": [77]}}, "request 77, which has no spans"),
        ({"frame_stages": ("a",)}, "stage_ms has 3 columns"),
        ({"frames": {"t_ready": [0.1]}}, "frames lacks the column 'dur_s'"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as error:
        LatencyView(**(latency(repeats=2, frames=3) | change))
    assert "\n" not in str(error.value)
