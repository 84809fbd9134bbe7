"""Text and speech: the law, the spans, coverage, and what is refused."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.aria import lawful
from widgets.align import AlignView, mulaw, peaks_of

turn = runpy.run_path(str(Path(__file__).with_name("view_data.py")))["turn"]


def small(kinds: str, **more) -> AlignView:
    """A view of "ttsstes": t text, s speech, e the end of the text."""
    kind = np.array(["tse".index(k) for k in kinds], np.uint8)
    n = int((kind == 0).sum())
    text = np.where(kind == 0, np.cumsum(kind == 0) - 1, -1).astype(np.int32)
    return AlignView(
        units={"kind": kind, "text_idx": text}, tokens={"str": ["x"] * n}, frame_s=0.08, **more
    )


def test_the_law_is_checked_at_every_prefix():
    view = AlignView(**turn())
    assert len(view.data["law"]["broken"]) == 0 and "holds throughout" in view.subtitle
    broken = AlignView(**turn(broken=True))
    assert len(broken.data["law"]["broken"]) and "breaks at" in broken.subtitle


@given(st.text("tse", min_size=1, max_size=40))
def test_the_law_is_that_of_the_model(kinds):
    broken = small(kinds).data["law"]["broken"].tolist()
    path = [kind != "s" for kind in kinds]  # the end of a text counts as text
    text, speech = sum(path), len(path) - sum(path)
    assert lawful(path) == (not broken)
    for i in range(len(path)):
        before = [u for u in broken if u <= i]
        assert lawful(path[: i + 1], text, speech) == (not before)


def test_each_sentence_is_an_item_of_its_own():
    kind = np.array([0, 1, 1, 1, 0, 1], np.uint8)
    units = {"kind": kind, "text_idx": [0, -1, -1, -1, 1, -1], "sentence": [0, 0, 0, 0, 1, 1]}
    tokens = {"str": ["a", "b"]}
    assert len(AlignView(units=units, tokens=tokens, frame_s=0.08).data["law"]["broken"]) == 0
    del units["sentence"]
    assert len(AlignView(units=units, tokens=tokens, frame_s=0.08).data["law"]["broken"]) == 1


def test_spans_come_from_the_frames_that_speak_a_token():
    view = AlignView(**turn())
    units, tokens = view.data["units"], view.data["tokens"]
    for i in (0, 5, 30):
        frames = units["frame_idx"][(units["kind"] == 1) & (units["text_idx"] == i)]
        assert tokens["t0"][i] == pytest.approx(frames[0] * 0.08)
        assert tokens["t1"][i] == pytest.approx((frames[-1] + 1) * 0.08)
        assert tokens["frames"][i] == len(frames)


def test_given_spans_win_and_text_ahead_is_measured_from_emission():
    units = {
        "kind": [0, 1, 0, 1],
        "text_idx": [0, 0, 1, -1],
        "t0": [0.02, 0, 0.5, 0],
        "t1": [0.07, 0, 0.6, 0],
    }
    view = AlignView(units=units, tokens={"str": ["a", "b"]}, frame_s=0.08, method="CTC")
    np.testing.assert_allclose(view.data["tokens"]["t0"], [0.02, 0.5])
    np.testing.assert_allclose(view.data["tokens"]["emitted_at"], [0, 0.08])
    np.testing.assert_allclose(view.lead, [0.02, 0.42])
    assert view.data["tokens"]["method"] == ["CTC", "CTC"]


def test_coverage_names_what_was_never_spoken():
    told = AlignView(**turn()).coverage()
    assert told["unspoken"] == [(25, " dark")] and told["tokens"] == 38
    assert told["frames_without_text"] == 12


def test_an_answer_without_speech_or_text_is_shown():
    for kinds in ("ttt", "sss", "e", "", "t"):
        view = small(kinds)
        view.html()
        view.figure(__import__("widgets.view").view.palette("light"))


def test_structured_arrays_and_data_frames_are_tables_too():
    import pandas as pd

    units = {k: v for k, v in turn()["units"].items() if k != "codes"}
    view = AlignView(
        units=pd.DataFrame(units),
        tokens=pd.DataFrame({"str": turn()["tokens"]["str"]}),
        frame_s=0.08,
    )
    assert view.subtitle.startswith("38 text tokens, 135 frames")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frame_s": 0}, "frame_s is 0"),
        ({"sr": None}, "audio needs its sample rate"),
        ({"mel": np.zeros((4, 5))}, "mel holds float64, expected uint8"),
        ({"hop_s": None}, "mel needs the seconds"),
        ({"tokens": {"str": ["a"]}}, r"text tokens other than 0\.\.0"),
        ({"units": {"kind": [3]}}, r"units\['kind'\] holds 3"),
        ({"units": {"kind": [0]}}, "units lacks the column 'text_idx'"),
        (
            {"units": {"kind": [0, 1], "text_idx": [0, 9]}, "tokens": {"str": ["a"]}},
            "a frame speaks token 9",
        ),
        (
            {
                "units": {"kind": [1, 1], "text_idx": [-1, -1], "frame_idx": [1, 0]},
                "tokens": {"str": []},
            },
            "does not count",
        ),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as error:
        AlignView(**(turn() | change))
    assert "\n" not in str(error.value)


def test_sound_fits_the_page():
    for minutes, code, rate in ((0.05, "pcm16", 24000), (0.5, "mulaw", 24000), (2, "mulaw", 12000)):
        audio = np.zeros(int(minutes * 60 * 24000), np.float32)
        assert small("ts", audio=audio, sr=24000).meta["sound"] == {"rate": rate, "code": code}
    view = small("ts", audio=np.zeros(10 * 60 * 24000, np.float32), sr=24000)
    assert view.meta["sound"] is None and "left out" in view.meta["notes"][0]


def test_mulaw_keeps_the_sound():
    x = np.sin(np.arange(4000) / 7) * np.linspace(0.001, 1, 4000)
    y = mulaw(x) / 127.5 - 1
    back = np.sign(y) * (256 ** np.abs(y) - 1) / 255
    assert 10 * np.log10((x**2).mean() / ((back - x) ** 2).mean()) > 33


def test_peaks_hold_every_sample():
    x = np.zeros(24000, np.float32)
    x[12345] = -1
    peaks = peaks_of(x, 24000)
    assert peaks.shape == (200, 2) and peaks.min() == -127 and peaks.max() == 0
    assert peaks_of(np.zeros(0, np.float32), 24000).shape == (1, 2)


def test_ten_minutes_stay_small():
    data = turn(repeat=56, sound=False)
    piece = turn()
    data |= {"audio": np.tile(piece["audio"], 56), "mel": np.tile(piece["mel"], 56)}
    view = AlignView(**data)
    assert view.meta["seconds"] > 600 and len(view.meta["tokens"]) > 2000
    assert view.arrays["mel"].shape[1] <= 2400 and len(view.html()) < 2_000_000
    assert any("mel: means of" in note for note in view.meta["notes"])
