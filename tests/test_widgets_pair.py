"""Two runs: the layout of both, and B beside A in the four views; contracts, without a browser."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from widgets.align import AlignView
from widgets.attention import AttentionView
from widgets.latency import LatencyView
from widgets.pair import PairView
from widgets.routing import RoutingView

DATA = runpy.run_path(str(Path(__file__).with_name("view_data.py")))
RATE = 24_000
WORDS = {"kind": np.array([0, 1, 2, 0], np.uint8), "str": ["It", " is", " was", " so"],
         "a": [0, 1, -1, 2], "b": [0, -1, 1, 2]}  # fmt: skip


def tone(seconds: float) -> np.ndarray:
    return np.sin(np.arange(round(seconds * RATE)) / 9).astype(np.float32) / 5


def test_a_pair_shows_text_sound_and_what_differs():
    spans = (np.array([[0, 0.5], [0.5, 1], [np.nan, np.nan]], np.float32),) * 2
    view = PairView(
        words=WORDS | {"kl": [0.1, 0.5, np.nan, np.nan]}, changed=["TopK(1)"],
        sounds=(tone(2), tone(1)), spans=spans, mel=np.arange(100.0), codes=np.eye(8, 12),
        flips={"thinker": np.array([[0, 1, 255], [1, 1, 255]], np.uint8)},
        measures=[("mel distance", None, None, 3.25, "dB")],
    )  # fmt: skip
    assert view.subtitle == "Changed: TopK(1). sounds 3.2 dB apart."
    assert view.meta["seconds"] == [2.0, 1.0] and view.meta["kl"] == 0.5
    assert view.data["words"]["times"][1].tolist()[:2] == [0.5, 1]
    assert view.meta["stages"][0]["share"] == [0.5, 1.0]
    static = view.snapshot()
    assert "It<del> is</del><ins> was</ins> so" in static and static.count("<audio") == 2
    assert "<script" not in static and "<table" in static
    assert view.png()[:4] == view.png("dark")[:4] == b"\x89PNG"


def test_a_pair_without_sound_or_words():
    bare = PairView(words={"kind": np.zeros(0, np.uint8), "str": []})
    assert bare.subtitle == "Nothing was changed." and "<audio" not in bare.snapshot()
    assert "mel" not in bare.arrays and bare.png()


def test_long_pairs_stay_small():
    flips = np.zeros((64, 20_000), np.uint8)
    view = PairView(
        words=WORDS, sounds=(tone(300), tone(300)), mel=np.ones(30_000), flips={"thinker": flips},
        flip_tokens={"thinker": ["x" * 10_000] * 20_000},
    )  # fmt: skip
    assert view.arrays["flips.thinker"].size <= 400_000 and len(view.arrays["mel"]) <= 4000
    assert any("one token in 4" in note for note in view.meta["notes"])
    assert len(view.html(force=True)) < 10_000_000


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"words": WORDS | {"kind": np.array([0, 3, 0, 0], np.uint8)}}, "holds 3"),
        ({"words": WORDS | {"str": ["a"]}}, "1 strings, expected 4"),
        ({"words": WORDS, "codes": np.zeros(3)}, "codes has shape"),
        ({"words": WORDS, "flips": {"talker": np.zeros(3, np.uint8)}}, "flips"),
    ],
)
def test_what_does_not_fit_is_told(how, told):
    with pytest.raises(ValueError, match=told):
        PairView(**how)


def test_beside_takes_the_same_view_of_another_run():
    turn, routing = DATA["turn"](), DATA["routing"](T=200)
    align = AlignView(**turn)
    with pytest.raises(ValueError, match="beside is a AlignView, not RoutingView"):
        RoutingView(**routing, beside=align)
    with pytest.raises(ValueError, match="other layers or another number of experts"):
        RoutingView(**routing, beside=RoutingView(**DATA["routing"](T=50, L=4)))
    other = DATA["attention"]()
    with pytest.raises(ValueError, match="beside has other layers or heads"):
        AttentionView(**other, beside=AttentionView(**other | {"heads": [9, 8, 7, 6]}))
    both = AlignView(**turn, beside=AlignView(**DATA["turn"](broken=True)))
    assert both.subtitle.startswith("A: ") and " B: " in both.subtitle
    assert np.array_equal(both.arrays["b.kind"], both.beside.arrays["kind"])
    assert [row[0] for row in both.table.rows[:4]] == ["A", "B", "A", "B"]
    assert both.data["beside"] is both.beside.data


def test_routing_beside_itself_differs_nowhere():
    given = DATA["routing"](T=120)
    view = RoutingView(**given, beside=RoutingView(**given))
    assert all(np.nanmax(np.abs(d)) == 0 for d in view.data["delta"].values())
    assert (view.arrays["flips"] == 0).all() and "0% differ" in view.subtitle
    same = np.full(120, -1)
    same[5] = 7
    moved = RoutingView(**given, beside=RoutingView(**given), same=same)
    assert (moved.arrays["flips"] == 255).sum() == 119
    one = RoutingView(**given, beside=RoutingView(**DATA["routing"](T=120, K=1)))
    assert (one.arrays["flips"] == 10).all(), "another top-k: all sets differ"


def test_entropy_and_played_times():
    turn = DATA["turn"]()
    frames = int((np.array(turn["units"]["kind"]) == 1).sum())
    view = AlignView(**turn, entropy=np.linspace(0, 4, frames * 8).reshape(frames, 8))
    assert view.meta["entropy"] == {"books": 8, "most": 4.0}
    assert view.arrays["entropy"].shape == (8, frames) and view.arrays["entropy"].max() == 255
    with pytest.raises(ValueError, match="entropy has shape"):
        AlignView(**turn, entropy=np.zeros((3, 8)))
    given = DATA["latency"](repeats=1, frames=6)
    played = np.array(given["frames"]["t_played"])
    played[2:] = np.nan  # the player told of two frames only
    given["frames"]["t_played"] = played
    frame = LatencyView(**given).frames[0]
    assert frame["assumed"] and frame["measured"]
    assert np.allclose(frame["played"][:2], played[:2])
    assert (np.diff(frame["played"]) >= frame["dur"][:-1] - 1e-6).all()
