"""The stage `tongues` on nano: other languages and sounds are learnt, English stays as it is."""

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.shelf import Clip, Shelf, shelf
from model.data.store import TURNS, Store, write
from model.omni import Omni, OmniConfig
from model.train.features import Features
from model.train.foreign import AROUND, FASTER, SLOWER, TongueData, spoken
from model.train.loop import Recipe, Run
from model.train.losses import IGNORE
from model.train.spell import spell
from model.train.tongues import ASKS, EnglishData, Tongues, tongues
from model.train.world import WorldData

build = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))["build"]
SAID = ("Una casa.", "Рыба.", "Η γάτα.", "Un ou.")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = build(tmp_path_factory.mktemp("tongues"))
    turn = {"id": "t", "task": "greeting", "question": "Ahoy?", "answer": "Ahoy.",
            "key": "ahoy", "question_audio": "wordnet-0", "answer_audio": ""}  # fmt: skip
    for split in ("train", "valid"):
        write(root / f"turns/{split}.parquet", [turn] * 2, TURNS)
    return root


@pytest.fixture(scope="module")
def abroad(place) -> Shelf:
    """The formulas of the English voices, as if they were other languages."""
    here = shelf("train", place)
    clips = tuple(
        Clip(f"wordnet-{i}", text, f"tuxpaint-{name}", "person", 1.0, name, f"Thing {i}.")
        for i, (text, name) in enumerate(zip(SAID, ("es", "be", "el", "ro"), strict=True))
    )
    return dataclasses.replace(here, foreign=clips)


@pytest.fixture
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def test_languages_and_sounds_are_learnt_and_the_rest_stays(omni, place, abroad, tmp_path):
    before = {k: v.clone() for k, v in omni.state_dict().items()}
    run = Run(tmp_path / "tongues", steps=30, log_every=1, valid_every=10**6)
    tongues(omni, Store(place), place / "features", (abroad, abroad), run,
            Recipe(lr=1e-2, warmup=0.0), sizes=(8, 4, 4, 1))  # fmt: skip
    lines = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]
    foreign = [line["foreign"] for line in lines if "foreign" in line]
    assert sum(foreign[-5:]) < 0.9 * sum(foreign[:5])
    assert all("text" in line and "whole" in line for line in lines[:30])
    assert lines[0]["words"] < 1e-5, "nothing has moved yet"
    assert 0 < lines[9]["words"] < 1
    assert all("asked" in line and "told_sound" in line for line in lines[:30])
    moved = {k.split(".")[0] for k, v in omni.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"ear", "speller"}


def english(omni, place, size: int = 8, **changes) -> EnglishData:
    features = Features.build(Store(place), "train", place / "features")
    rows = [row | changes for row in features.rows]
    features = dataclasses.replace(features, rows=rows)
    return EnglishData(omni, features, Store(place).turns("train"), size)


def test_rows_are_sentences_and_questions(omni, place):
    batch, marks = english(omni, place)(3), omni.tokenizer
    questions = round(8 * ASKS)
    for n, (targets, spelled) in enumerate(zip(batch.row.targets, batch.texts, strict=True)):
        answer = marks.decode(targets[targets != IGNORE][:-1].tolist())
        heard = marks.decode(spelled[: batch.lengths[n]].tolist())
        if n < 8 - questions:
            assert answer.startswith("This is line ") and heard == answer.rstrip("."), "as heard"
        else:
            assert answer == "Ahoy." and heard == "This is line a", "the clip asks it"
    sounds = (batch.row.ids == marks.audio_pad).sum(1)
    assert sounds.tolist() == ((batch.ear.frames + 15) // 16).tolist()
    assert batch.keep[batch.row.ids == marks.audio_pad].all(), "what is heard is never hidden"


def test_strangers_need_not_be_heard_as_before(omni, place):
    known, strange = english(omni, place)(5), english(omni, place, source="kokoro")(5)
    assert known.known.all() and not strange.known.any()
    stage = Tongues(omni)
    with torch.no_grad():
        for parameter in stage.aut.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        far = [stage.stays(batch.ear.mel, batch.ear.frames, 8.0, batch.known)[1]
               for batch in (known, strange)]  # fmt: skip
    assert float(far[0]) > 1e-4 and float(far[1]) == 0


def test_the_thinker_says_what_it_would_understand(omni, place):
    """Its loss falls as the ear learns, and it is the loss that it has by itself."""
    stage, batch = Tongues(omni).train(), english(omni, place)(7)
    window = float(batch.ear.window)

    def loss() -> torch.Tensor:
        states, _ = stage.aut(batch.ear.mel, window=window, lengths=batch.ear.frames)
        return stage.understood(batch, states)[0]

    before = {name: p.clone() for name, p in omni.thinker.named_parameters()}
    first = float(loss().detach())
    optimizer = torch.optim.Adam(stage.parameters(), lr=3e-3)
    for _ in range(10):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss().detach()) < first - 0.01
    assert all(torch.equal(p, before[name]) for name, p in omni.thinker.named_parameters())


def test_the_thinker_says_what_it_would_tell_of_scenes(omni, place):
    stage, batch = Tongues(omni).train(), WorldData(omni, shelf("train", place), (0, 2, 0))(0)
    first = float(stage.asked(batch)[0].detach())
    optimizer = torch.optim.Adam(stage.parameters(), lr=3e-3)
    for _ in range(10):
        optimizer.zero_grad()
        stage.asked(batch)[0].backward()
        optimizer.step()
    assert float(stage.asked(batch)[0].detach()) < first - 0.01


def test_the_speller_learns_them_alone(omni, place, abroad, tmp_path):
    before = {k: v.clone() for k, v in omni.state_dict().items()}
    run = Run(tmp_path / "spell", steps=30, log_every=1, valid_every=10**6)
    spell(omni, Store(place), place / "features", (abroad, abroad), run,
          Recipe(lr=1e-2, warmup=0.0), sizes=(4, 8))  # fmt: skip
    lines = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]
    foreign = [line["foreign"] for line in lines if "foreign" in line]
    assert sum(foreign[-5:]) < 0.9 * sum(foreign[:5])
    moved = {k.split(".")[0] for k, v in omni.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"speller"}


def test_a_clip_is_heard_anew_each_time_unless_it_is_held_out(omni, abroad):
    data = TongueData(omni.tokenizer, abroad, 8, seed=3)
    once, again, other = data(5), data(5), data(6)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert once.mel.shape != other.mel.shape or not torch.equal(once.mel, other.mel)
    shortest, longest = min(map(len, data.mels)), max(map(len, data.mels))
    assert int(once.frames.min()) >= shortest / FASTER - 1
    assert int(once.frames.max()) <= longest / SLOWER + 2 * AROUND + 1
    kept = TongueData(omni.tokenizer, abroad, 8, seed=3, clean=True)
    rng = np.random.default_rng(0)
    for mel in kept.mels:
        heard = kept.heard(mel, rng)
        assert np.array_equal(heard[AROUND // 2 : -AROUND // 2], mel.astype(np.float32))
        assert (heard[0] == heard[AROUND // 2 - 1]).all(), "silence at its ends"


def test_every_letter_is_to_be_heard(omni):
    marks = omni.tokenizer
    for text in SAID:
        tokens = spoken(marks, text)
        assert marks.decode(tokens.tolist()).strip() == text.rstrip("."), text


def test_a_rare_language_is_drawn_more_often(omni, abroad):
    many = abroad.foreign[:1] * 600 + abroad.foreign[1:2] * 60
    here = dataclasses.replace(abroad, foreign=many)
    chances = np.diff(TongueData(omni.tokenizer, here).often, prepend=0)
    assert chances[-1] == pytest.approx(1.5 * chances[0]), "but not as often as it is rarer"


def test_nothing_to_learn_from_is_told(omni, abroad):
    nobody = dataclasses.replace(abroad, foreign=())
    with pytest.raises(ValueError, match="no recordings of other languages"):
        TongueData(omni.tokenizer, nobody)
