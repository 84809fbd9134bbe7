"""Clips and turns on disk: written whole, read back as they were, errors in one line."""

import numpy as np
import pyarrow.parquet
import pytest

from model.data.store import CLIPS, TURNS, Spoken, Store, Turn, encode, write


def row(i: int) -> dict:
    samples = np.sin(np.arange(2400 + 600 * i) * 0.05).astype(np.float32) * 0.5
    return {
        "id": f"c{i}",
        "text": f"clip {i}",
        "source": "words",
        "voice": "heart",
        "speed": 1.0,
        "rate": 24_000,
        "flac": encode(samples, 24_000),
        "seconds": len(samples) / 24_000,
        "phones": ["_", "ɑ", "_"],
        "units": [1, 2 + i, 1],
        "sha256": "",
    }


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "spoken" / "train-00000.parquet", [row(i) for i in range(20)], CLIPS)
    write(tmp_path / "spoken" / "train-00001.parquet", [row(i) for i in range(20, 23)], CLIPS)
    return tmp_path


def test_what_was_written_is_read(root):
    clips = Store(root).spoken("train")
    assert len(clips) == 23
    for i in (0, 15, 16, 19, 20, 22, 3):  # across row groups and shards, and back
        clip = clips[i]
        assert isinstance(clip, Spoken)
        assert clip.id == f"c{i}" == clips.ids[i] and clips.index[clip.id] == i
        assert clip.units == (1, 2 + i, 1) and sum(clip.units) * 600 == len(clip.samples)
        expected = np.sin(np.arange(2400 + 600 * i) * 0.05) * 0.5
        assert np.abs(clip.samples - expected).max() < 1e-4
    assert clips.column("text") == [f"clip {i}" for i in range(23)]
    assert [clip.id for clip in clips] == clips.ids


def test_new_shards_are_seen_by_the_next_look(root):
    before = Store(root).spoken("train")
    write(root / "spoken" / "train-00002.parquet", [row(30)], CLIPS)
    assert len(before) == 23 and len(Store(root).spoken("train")) == 24


def test_hugging_face_opens_a_shard(root, tmp_path):
    from datasets import Dataset

    path = str(root / "spoken" / "train-00001.parquet")
    opened = Dataset.from_parquet(path, cache_dir=str(tmp_path / "cache"))
    assert opened[0]["text"] == "clip 20" and set(opened.column_names) == set(CLIPS.names)


def test_nothing_half_written_is_left(root, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write(root / "spoken" / "train-00009.parquet", [row(1)], CLIPS)
    assert sorted(p.name for p in (root / "spoken").iterdir()) == [
        "train-00000.parquet",
        "train-00001.parquet",
    ]


def test_a_damaged_shard_is_named(root):
    path = root / "spoken" / "train-00001.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="train-00001.parquet is damaged"):
        Store(root).spoken("train")


def test_turns(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="omni data build"):
        store.turns("test")
    turn = Turn("t1", "plus", "What is one plus one?", "One plus one is two.", "is two", "c1")
    write(tmp_path / "turns" / "test.parquet", [vars(turn)], TURNS)
    assert store.turns("test") == [turn]


def test_a_callers_mistakes(root):
    assert len(Store(root / "empty").spoken("valid")) == 0
    with pytest.raises(ValueError, match="no split 'dev'"):
        Store(root).spoken("dev")
    with pytest.raises(ValueError, match="no column 'words'"):
        Store(root).spoken("train").column("words")
    with pytest.raises(IndexError):
        Store(root).spoken("train")[23]
