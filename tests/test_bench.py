"""The bench compares like with like, and every row runs (on fewer tokens)."""

import pytest
import torch

from model.omni import Omni, OmniConfig
from workbench import bench, bench_long, bench_record


def test_both_decoders_say_the_same():
    ours, theirs = bench.hybrids()
    ids = bench._prompt(20)
    with torch.inference_mode():
        logits, _ = bench._read(ours, ids)
        expected = bench._read_theirs(theirs, ids).logits[0, -1]
    assert (logits - expected).abs().max() < 1e-4
    assert 15e6 < sum(p.numel() for p in ours.parameters()) < 25e6


@pytest.mark.parametrize("row", ["prefill", "decode", "train", "frames", "first-audio", "turn"])
def test_rows_beside_transformers(row, monkeypatch):
    for name, few in dict(PROMPT=64, STEPS=2, BATCH=2, TIME=16, WORDS=5, FRAMES=24).items():
        monkeypatch.setattr(bench, name, few)
    (speed,) = bench.run([row], repeats=1)
    assert speed.row == row and speed.ours > 0 and speed.theirs > 0 and speed.ratio > 0
    assert "ratio" in speed.line()


def test_the_curve(monkeypatch):
    monkeypatch.setattr(bench, "CURVE", (1, 2))
    assert [speed.ours > 0 for speed in bench.run(["curve"], repeats=1)] == [True, True]


def test_an_unknown_row_is_told():
    with pytest.raises(ValueError, match="prefill"):
        list(bench.run(["warp"]))


def test_what_recording_costs(monkeypatch):
    torch.manual_seed(0)
    nano = Omni(OmniConfig.nano())
    monkeypatch.setattr(bench_record, "omni", lambda: nano)
    monkeypatch.setattr(bench_record, "ANSWER", "Yes it is so.")
    monkeypatch.setattr(bench_record, "TOKENS", (30,))
    monkeypatch.setattr(bench_record, "KINDS", ("routing", "router-logits", "latency"))
    found = list(bench.run(["record", "room", "picture"], repeats=1))
    assert [s.row for s in found] == ["record"] * 4 + ["room"] * 3 + ["picture"] * 4
    assert all(s.ours > 0 for s in found) and "x the bare turn" in found[0].line()
    room = [s.ours for s in found if s.row == "room"]
    assert room == sorted(room)


def test_long_input_goes_through_alone(monkeypatch):
    monkeypatch.setattr(bench_long, "SOUND", (70.0,))
    monkeypatch.setattr(bench_long, "FILM", (3.0,))
    found = list(bench.run(["long"]))
    assert [s.unit for s in found] == ["s", "GiB"] * 2 and all(s.ours > 0 for s in found)
    assert found[0].what == "70 s of sound: until the answer"


def test_a_long_film_is_what_was_asked_for():
    film = bench_long.film(20.0)
    assert film.frames.shape == (20, 720, 1280, 3) and film.audio.seconds == 20
    assert (film.frames[0] != film.frames[1]).any()
