"""Building: a plan by the seed alone, whole shards, work that goes on where it stopped."""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import pytest

from model.data import texts
from model.data.build import (
    KOKORO_VOICES,
    REPLIES,
    Plan,
    Shard,
    build,
    clip,
    first_hours,
    make,
    plan,
)
from model.data.store import Store, Turn
from model.data.tasks import lessons
from model.data.texts import normal, parted
from model.data.voices import FIRST, NAMED, UNSEEN, known

TURN = Turn("t", "plus", "What is one plus one?", "One plus one is two.", "is two")


def small(*names: str) -> Plan:
    said = ("Good morning.", "Good night.", "See you soon.", "Well done.")
    shards = [
        Shard(name, (clip(text, "words", NAMED["male"]),))
        for name, text in zip(names, said, strict=False)
    ]
    return Plan(shards, {"train": [TURN]})


def test_build_goes_on_where_it_stopped(tmp_path):
    make(small("train-00000"), tmp_path, jobs=1)
    first = tmp_path / "spoken" / "train-00000.parquet"
    before = first.stat().st_mtime_ns, first.read_bytes()
    built = make(small("train-00000", "valid-00000"), tmp_path, jobs=1)
    assert (first.stat().st_mtime_ns, first.read_bytes()) == before
    assert built.clips == 2 and len(Store(tmp_path).spoken("valid")) == 1
    assert Store(tmp_path).turns("train") == [TURN]

    first.write_bytes(before[1][:100])  # damaged: made again, the same
    make(small("train-00000", "valid-00000"), tmp_path, jobs=1)
    assert first.read_bytes() == before[1]
    assert not list(tmp_path.rglob("*.part"))

    manifest = json.loads((tmp_path / "spoken" / "manifest.json").read_text())
    listed = manifest["shards"]["train-00000.parquet"]["sha256"]
    assert listed == hashlib.sha256(before[1]).hexdigest()
    one = Store(tmp_path).spoken("train")
    (row,) = one.column("sha256")
    assert row == hashlib.sha256(one.column("flac")[0]).hexdigest()


def test_another_recipe_is_refused(tmp_path):
    make(small("train-00000"), tmp_path, jobs=1)
    other = Plan([Shard("train-00000", (clip("Bye.", "words", NAMED["deep"]),))], {})
    with pytest.raises(ValueError, match="another recipe"):
        make(other, tmp_path, jobs=1)


def test_more_hours_continue_fewer():
    said = clip("word " * 15, "words", NAMED["heart"])
    shards = [Shard(f"train-{i:05d}", (said,)) for i in range(9)]
    assert [len(first_hours(shards, hours)) for hours in (1e-6, 1e-3, 1.0)] == [1, 1, 9]
    assert first_hours(shards, 0.004) == shards[: len(first_hours(shards, 0.004))]


def test_a_callers_mistakes(tmp_path):
    with pytest.raises(ValueError, match="no data preset"):
        build("macro", root=tmp_path)
    with pytest.raises(ValueError, match="more than 0"):
        build("micro", hours=0.0, root=tmp_path)


@pytest.mark.skipif(
    not (texts.WORDNET / "data.noun").exists(), reason="needs the Debian package wordnet-base"
)
def test_the_plan_keeps_the_test_apart(tmp_path, monkeypatch):
    for part in ("noun", "verb", "adj", "adv"):  # an eighth of WordNet
        lines = (texts.WORDNET / f"data.{part}").read_text("latin-1").splitlines(keepends=True)
        (tmp_path / f"data.{part}").write_text("".join(lines[::8]), "latin-1")
    monkeypatch.setattr(texts, "WORDNET", tmp_path)
    whole = plan(0)
    by: dict[str, list] = {"train": [], "valid": [], "test": []}
    for shard in whole.shards:
        by[shard.name.split("-")[0]] += shard.clips
    train, valid, test = ({normal(c.text) for c in clips} for clips in by.values())
    assert len(train) > 10_000
    assert not train & test and not valid & test
    assert not train & valid
    assert {c.voice.name for c in by["test"]} >= set(UNSEEN)
    trained = [c.voice.name for c in by["train"] + by["valid"]]
    assert not {part for name in trained for part in name.split("+")} & set(UNSEEN)
    various = [c.voice.name for c in by["train"] if c.source == "kokoro"]
    mixed = [name for name in various if "+" in name]
    assert len(mixed) == len(various) / 2 and len(set(mixed)) > 150
    assert len({name for name in various if "+" not in name}) == len(KOKORO_VOICES)
    ids = [c.id for clips in by.values() for c in clips]
    assert len(set(ids)) == len(ids)
    for name, turns in whole.turns.items():
        made = {c.id for c in by[name]}
        assert all(t.question_audio in made for t in turns if t.question_audio)
        assert all(t.answer_audio in made for t in turns if t.answer_audio)
    assert sum(bool(t.question_audio) for t in whole.turns["test"]) >= 200
    replies = Counter(c.text for c in by["train"] if c.source == "reply")
    told = {t.answer for t in lessons(whole.turns["train"], "train") if t.task != "repeat"}
    assert set(replies) == {part for answer in told for part in parted(answer)}
    assert all("?" not in text[:-1] and "." not in text[:-1] for text in replies)
    assert replies["Yes."] > 30 and replies["More?"] > 30
    assert max(count for text, count in replies.items() if " " in text) == REPLIES
    glosses = [c for c in by["train"] if c.source == "gloss"]
    assert {c.voice.who for c in glosses} >= set(NAMED)
    assert all(c.voice == replace(known(c.voice.name), speed=c.voice.speed) for c in glosses)
    assert not any(c.voice.manner for clips in by.values() for c in clips if c.source != "gloss")
    assert all(c.voice.manner for c in glosses if c.voice.who in FIRST)
    many = Counter(c.voice.who for c in glosses)
    assert sum(count < 2 for count in many.values()) < 5, "nearly all of them speak more than once"
