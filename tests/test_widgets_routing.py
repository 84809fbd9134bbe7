"""Expert routing: loads, margins, pairs, facets, scale, and what is refused."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from widgets.routing import RoutingView, facet_table

made = runpy.run_path(str(Path(__file__).with_name("view_data.py")))
routing, sounds = made["routing"], made["sounds"]


@pytest.fixture(scope="module")
def view() -> RoutingView:
    return RoutingView(**routing(T=300))


def test_load_is_the_share_over_the_fair_share(view):
    data = routing(T=300)
    own = (data["stage"] == 0) & (data["phase"] == 0) & (data["modality"] == 1)
    facet = view.facets.index("thinker, prompt, audio")
    ids, weights = data["topk_ids"][own], data["topk_w"][own].astype(float)
    for layer in (0, 7):
        for expert in (2, 11):
            share = weights[:, layer][ids[:, layer] == expert].sum() / weights[:, layer].sum()
            assert view.load[facet, layer, expert] == pytest.approx(share * 16, rel=1e-3)
    np.testing.assert_allclose(np.nanmean(view.load, -1), 1, rtol=1e-3)


def test_every_stage_stands_alone_and_nothing_is_added_over_them(view):
    assert view.facets[:2] == ["thinker", "talker"]
    assert "talker, answer, speech" in view.facets
    assert sum(f["tokens"] for f in view.meta["facets"][:2]) == 300


def test_stages_may_have_different_layers():
    data = routing(T=300)
    data["topk_ids"][data["stage"] == 1, 6:] = -1
    view = RoutingView(**data)
    talker = view.facets.index("talker")
    assert np.isnan(view.load[talker, 6:]).all() and np.isfinite(view.load[talker, :6]).all()
    view.html()


def test_margins_are_to_the_best_expert_left_out(view):
    data = routing(T=300)
    logits = data["logits"].astype(np.float32)
    ranked = -np.sort(-logits, -1)
    np.testing.assert_allclose(view.data["margin"], ranked[..., 1] - ranked[..., 2], atol=2e-3)
    following = np.argsort(-logits, -1)[..., 2]
    ties = (ranked[..., 1:3] - ranked[..., 2:4] < 2e-3).any(-1)  # float16 has some
    assert (view.arrays["next"] == following)[~ties].all()


def test_without_logits_the_margin_is_between_weights():
    view = RoutingView(**routing(T=100, logits=False))
    w = view.data["topk_w"]
    np.testing.assert_allclose(view.data["margin"], w.max(-1) - w.min(-1), atol=1e-6)
    assert any("No logits" in note for note in view.meta["notes"])


def test_tokens_of_sound_lie_in_the_sound():
    data = routing(T=100)
    view = RoutingView(**data, sounds=sounds(data))
    assert [lane["name"] for lane in view.meta["sounds"]] == ["audio", "speech"]
    heard = view.meta["sounds"][0]
    assert heard["known"] == pytest.approx(30 * 0.16) and heard["sound"]["code"] == "pcm16"
    assert view.arrays["sound_audio"].dtype == np.int16 and len(view.arrays["peaks_audio"]) > 400
    assert view.png("dark") != RoutingView(**data).png("dark")
    thinker = {k: v for k, v in sounds(data).items() if k == "audio"}
    assert len(RoutingView(**data, sounds=thinker).meta["sounds"]) == 1
    long = {"audio": (np.zeros(600 * 16_000, np.float32), 16_000)}
    view = RoutingView(**data, sounds=long)
    assert view.meta["sounds"][0]["sound"] is None and "left out" in " ".join(view.meta["notes"])
    with pytest.raises(ValueError, match="sounds has 'noise', expected text or"):
        RoutingView(**data, sounds={"noise": (np.zeros(9, np.float32), 9)})


def test_pairs_equal_a_plain_count(view):
    data = routing(T=300)
    own = data["topk_ids"][data["stage"] == 0][:, 3]
    n = len(own)
    for i, j, lift, count in view.pairs[0][3]:
        together = sum(i in row and j in row for row in own)
        chance = (own == i).any(1).mean() * (own == j).any(1).mean()
        assert together == count and lift == pytest.approx(together / n / chance, abs=2e-3)
    assert len(view.pairs[0][3]) <= 10


def test_the_tokens_of_a_cell_are_its_heaviest(view):
    data = routing(T=300)
    own = np.flatnonzero(data["stage"] == 1)
    layer, expert = 2, int(data["topk_ids"][own[0], 2, 0])
    weight = np.where(data["topk_ids"][own, layer] == expert, data["topk_w"][own, layer], 0).sum(1)
    named = view.arrays["top"][1, layer, expert]
    named = named[named >= 0]
    assert weight[np.searchsorted(own, named)].min() >= np.sort(weight)[-len(named)] - 1e-3


def test_statistics_of_even_and_lopsided_layers():
    ids = np.stack([np.arange(64) % 4, np.zeros(64, int)], 1)[..., None].astype(np.int16)
    view = RoutingView(topk_ids=ids, topk_w=np.ones((64, 2, 1)), E=4, K=1)
    even, lopsided = view.stats[0]
    np.testing.assert_allclose(even[:4], [1, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(lopsided[:4], [0, 4, 0.75, 3], atol=1e-6)


def test_weight_times_output_is_another_load():
    data = routing(T=200)
    norms = np.ones(data["topk_ids"].shape, np.float16)
    plain = RoutingView(**data, out_norm=norms)
    np.testing.assert_allclose(
        plain.arrays["load_out"].astype(int), plain.arrays["load"].astype(int), atol=1
    )
    norms[data["topk_ids"] == 3] = 0
    assert (RoutingView(**data, out_norm=norms).arrays["load_out"][:, :, 3] == 0).all()


def test_a_large_record_is_thinned_and_says_so():
    rng = np.random.default_rng(0)
    T, L, E, K = 4000, 64, 256, 8
    ids = np.argpartition(rng.random((T, 1, E), np.float32), K, -1)[..., :K].astype(np.int16)
    ids = (ids + np.arange(L)[None, :, None]) % E
    view = RoutingView(topk_ids=ids.astype(np.int16), topk_w=np.full(ids.shape, 1 / K), E=E, K=K)
    assert view.meta["stride"] == 7 and "One token in 7" in view.meta["notes"][0]
    assert view.arrays["ids"].size <= 300_000
    assert len(view.html()) < 2_000_000


def test_the_table_is_long(view):
    table = facet_table(view)
    assert len(table["load"]) == len(view.facets) * 10 * 16 == len(table["facet"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"topk_ids": np.zeros((3, 2), np.int16)}, r"topk_ids has shape \(3, 2\), expected"),
        ({"topk_w": np.zeros((3, 2, 2))}, r"topk_w has shape \(3, 2, 2\), expected \(T=60"),
        ({"E": 4}, r"topk_ids holds 15"),
        ({"K": 3}, r"expected \(T, L, K=3\)"),
        ({"modality": np.full(60, 9, np.uint8)}, "modality holds 9, there are 7 names"),
        ({"tokens": ["a"]}, "tokens has 1 strings, expected 60"),
        ({"layers": [1]}, "layers names 1 layers"),
        ({"t0": np.zeros(3)}, r"t0 has shape \(3,\)"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as error:
        RoutingView(**(routing(T=60) | change))
    assert "\n" not in str(error.value)
