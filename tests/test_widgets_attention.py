"""Attention over time: mass and shares add up, heads are ranked, sinks found, sizes kept."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from widgets.attention import GROUPS, AttentionView, _spread
from widgets.view import palette

made = runpy.run_path(str(Path(__file__).with_name("view_data.py")))
attention, film = made["attention"], made["film"]


@pytest.fixture(scope="module")
def view() -> AttentionView:
    return AttentionView(**attention())


def test_shares_add_up_and_the_map_holds_what_was_heard(view):
    np.testing.assert_allclose(view.shares.sum(-1), 1, atol=1e-4)
    heard = view.shares[..., GROUPS.index("heard or seen")]
    np.testing.assert_allclose(view.mass.sum(-1), heard, atol=1e-4)


def test_what_was_seen_lies_at_its_second():
    view = AttentionView(**attention(), **film())
    assert view.arrays["film"].shape == (12, 48, 80, 3) and view.arrays["film"].dtype == np.uint8
    assert view.arrays["film_at"][:3].tolist() == [0, 2, 4] and np.isnan(view.arrays["film_at"][-1])
    assert "A picture on the left has no second" in " ".join(view.meta["notes"])
    assert view.png("dark") != AttentionView(**attention()).png("dark")
    many = film(frames=200)
    view = AttentionView(**attention(), **many)
    assert len(view.arrays["film"]) == 32 and "32 of 201 frames" in " ".join(view.meta["notes"])
    assert len(view.data["frames"]) == 201 and view.meta["seconds"] == pytest.approx(398)
    wide = [np.zeros((20, 90, 3), np.uint8), np.zeros((90, 20, 3), np.uint8)]
    assert AttentionView(**attention(), frames=wide).arrays["film"].shape == (2, 48, 144, 3)
    with pytest.raises(ValueError, match=r"frames\[0\] has shape"):
        AttentionView(**attention(), frames=[np.zeros((9, 9), np.uint8)])
    with pytest.raises(ValueError, match="frame_time has shape"):
        AttentionView(**attention(), frames=wide, frame_time=np.zeros(3))


def test_the_mass_of_a_bin_is_the_mass_of_its_tokens():
    p = np.zeros((1, 1, 1, 4), np.float32)
    p[0, 0, 0] = [0.1, 0.6, 0.2, 0.1]
    view = AttentionView(
        attn=p, layer_kind=[0], tok_kind=[0, 1, 1, 0],
        tok_time=[[np.nan, np.nan], [0, 1], [1, 2], [np.nan, np.nan]], sinks=(),
    )  # fmt: skip
    np.testing.assert_allclose(view.mass[0, 0, 0], [0.6, 0.2], atol=1e-6)
    np.testing.assert_allclose(view.shares[0, 0, 0], [0, 0.8, 0, 0.2, 0, 0], atol=1e-6)


def test_a_long_token_is_spread_over_its_bins_and_a_moment_is_not():
    time = np.array([[0, 2], [0.5, 0.5], [1.9, 2.0]], np.float32)
    out = _spread(time, np.array([True, True, True]), np.linspace(0, 2, 5))
    np.testing.assert_allclose(out[0], [0.25] * 4)
    np.testing.assert_allclose(out[1], [0, 1, 0, 0])
    np.testing.assert_allclose(out[2], [0, 0, 0, 1])


def test_bytes_and_floats_show_the_same(view):
    data = attention()
    p = (data["attn"].astype(np.float32) / 255) ** 2
    again = AttentionView(**(data | {"attn": p / p.sum(-1, keepdims=True)}))
    np.testing.assert_allclose(again.mass, view.mass, atol=1e-5)


def test_what_was_spoken_has_a_clock_of_its_own():
    data = attention()
    data["tok_kind"] = np.where(data["tok_kind"] == 1, 6, data["tok_kind"]).astype(np.uint8)
    spoken = AttentionView(**data)
    assert spoken.meta["axis"] == "spoken"
    np.testing.assert_allclose(
        spoken.mass.sum(-1), spoken.shares[..., GROUPS.index("speech")], atol=1e-4
    )
    data["tok_kind"][3] = 1
    assert AttentionView(**data).meta["axis"] == "heard"


def test_clock_heads_come_first(view):
    assert view.ranking()[0][:2] == (7, 2)
    assert view.ranking("reference")[0][:2] in ((7, 2), (3, 1))
    assert view.ranking("reference")[0][2] < 0.5
    with pytest.raises(ValueError, match='rank by "timestamp"'):
        view.ranking("name")
    with pytest.raises(ValueError, match="no reference times"):
        AttentionView(**(attention() | {"ref_time": None})).ranking("reference")


def test_sinks_are_found_and_leave_the_map(view):
    assert view.sinks == [0] and "1 sink with" in view.subtitle
    none = AttentionView(**attention(), sinks=())
    assert none.shares[..., GROUPS.index("sink")].max() == 0
    heard = AttentionView(**attention(), sinks=(2,))
    np.testing.assert_allclose(
        none.mass.sum() - heard.mass.sum(), heard.shares[..., -1].sum(), rtol=1e-3
    )


def test_linear_layers_have_no_map_but_decay_and_write(view):
    assert view.linear == [0, 1, 2, 4, 5, 6]
    keep = view.arrays["keep"]
    assert keep.shape == (24, 195) and view.arrays["write"].shape == (24, 195)
    data = attention()
    told = np.exp(data["log_decay"][:, 2, 1])
    np.testing.assert_allclose(keep[2 * 4 + 1] / 255, told, atol=1 / 255)
    with pytest.raises(ValueError, match="layer 2 has no softmax"):
        AttentionView(**(data | {"layers": [2, 7]}))


def test_long_inputs_are_binned_and_say_so():
    T, Q, A, H = 20_000, 600, 1, 2
    attn = np.zeros((A, H, Q, T), np.uint8)
    attn[..., np.arange(Q), np.arange(Q) * 30] = 255
    time = np.stack([np.arange(T) * 0.03, np.arange(T) * 0.03 + 0.03], 1)
    view = AttentionView(attn=attn, layer_kind=[0, 0], tok_kind=np.ones(T, np.uint8), tok_time=time)
    assert view.mass.shape == (A, H, 300, 256)
    assert "A row is the mean of 2 queries" in " ".join(view.meta["notes"])
    assert len(view.html()) < 1_000_000


def test_nothing_heard_is_shown():
    T = 5
    view = AttentionView(
        attn=np.full((1, 1, 2, T), 0.2), layer_kind=[0, 1], tok_kind=np.zeros(T, np.uint8),
        tok_time=np.full((T, 2), np.nan),
    )  # fmt: skip
    assert view.mass.sum() == 0
    view.html()
    view.figure(palette("light"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attn": np.zeros((2, 4, 48, 3))}, r"expected \(A, H, Q, T=195\)"),
        ({"attn": np.zeros((2, 4, 48, 195), int)}, "attn holds int64"),
        ({"tok_time": np.zeros((3, 2))}, r"tok_time has shape \(3, 2\)"),
        ({"layers": [7]}, "layers names 1, attn has 2"),
        ({"ts_pos": [999], "ts_value": [1.0]}, "ts_pos holds 999, there are 195 tokens"),
        ({"ts_value": [1.0]}, r"ts_value has shape \(1,\)"),
        ({"ref_time": [1.0]}, r"ref_time has shape \(1,\)"),
        ({"log_decay": np.zeros((195, 2, 4))}, r"log_decay has shape \(195, 2, 4\)"),
        ({"sinks": [400]}, "sinks holds 400"),
        ({"axis": "seen"}, 'axis is "heard" or "spoken"'),
        ({"audio": np.zeros(10)}, "audio needs its sample rate"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as error:
        AttentionView(**(attention() | change))
    assert "\n" not in str(error.value)
