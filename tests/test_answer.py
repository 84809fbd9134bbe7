"""The stage `answer` on nano: the Thinker learns to answer and is held to what it was elsewhere."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from model.data.shelf import shelf
from model.data.store import TURNS, Store, write
from model.omni import Omni, OmniConfig
from model.thinker import Thought
from model.train.answer import Answer, AnswerData, answer, shift
from model.train.features import Features
from model.train.loop import Recipe, Run
from model.train.stages import HearData
from model.train.world import WorldData

build = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))["build"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("answer")
    build(root)
    turn = {"id": "t", "task": "greeting", "question": "Ahoy?", "answer": "Ahoy.",
            "key": "ahoy", "question_audio": "wordnet-0", "answer_audio": ""}  # fmt: skip
    for split in ("train", "valid"):
        write(root / f"turns/{split}.parquet", [turn] * 2, TURNS)
    return root


@pytest.fixture
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def test_only_the_thinker_learns_and_not_its_words(omni, place, tmp_path):
    before = {k: v.clone() for k, v in omni.state_dict().items()}
    run = Run(tmp_path / "answer", steps=18, log_every=1, valid_every=10**6)
    things = (shelf("train"), shelf("train"))
    answer(omni, Store(place), place / "features", things, run, Recipe(lr=1e-2, warmup=0.0),
           rows=4, spliced=2, reads=16, sizes=(1, 1, 1))  # fmt: skip
    lines = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]
    read = [line["read"] for line in lines if "read" in line]
    assert sum(read[-3:]) < 0.97 * sum(read[:3])
    assert all({"told", "pointing", "asked"} <= line.keys() for line in lines[:12])
    assert lines[0]["kept"] < 1e-5 and lines[0]["states"] < 1e-5, "nothing has moved yet"
    assert 0 < lines[5]["kept"] < 5 and lines[5]["states"] > 0
    moved = {k for k, v in omni.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and all(name.startswith("thinker.stack.") for name in moved)


def test_what_is_to_stay_pulls_it_back(omni, place):
    """A Thinker that was moved lies nearer to the one before after steps on that loss alone."""
    module = Answer(omni)
    with torch.no_grad():
        for p in omni.thinker.stack.parameters():
            p.add_(0.05 * torch.randn_like(p))
    features = Features.build(Store(place), "train", place / "features")
    heard = HearData(omni, features, Store(place).turns("train"), size=4, listen=1.0, asks=0.5,
                     splices=2, reads=8)  # fmt: skip
    scenes = WorldData(omni, shelf("train"), (1, 1, 1))
    assert heard.sentences == 2
    batch = AnswerData(heard, scenes)(0)
    adam, apart = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=3e-3), []
    for _ in range(8):
        _, told = module(batch)
        away = told["kept"] + told["states"]
        adam.zero_grad()
        away.backward()
        adam.step()
        apart.append(float(away.detach()))
    assert apart[-1] < 0.8 * apart[0]


def test_shift_is_a_share_of_the_length():
    torch.manual_seed(0)
    was = Thought(torch.randn(2, 5, 8), torch.randn(2, 5, 8))
    at = torch.zeros(2, 5, dtype=torch.bool)
    at[:, 1:3] = True
    assert float(shift(was, was, at)) == 0
    twice = Thought(2 * was.hidden, was.middle)
    assert float(shift(twice, was, at)) == pytest.approx(1)
    elsewhere = Thought(torch.where(at[..., None], was.hidden, 9.0), was.middle)
    assert float(shift(elsewhere, was, at)) == 0
