"""Voices made of formulas and a plain scene, for tests of scenes and of questions. Not a test."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from model.data.draw import picture
from model.data.scenes import Ground, Scene, Thing
from model.data.shelf import shelf
from model.data.store import CLIPS, encode, write


def said(i: int, voice: str, source: str) -> dict:
    """A clip: a tone that rises, with 100 ms of silence in front, 150 ms and a fade at the end."""
    seconds = 1.0 + 0.1 * (i % 4)
    n = round(seconds * 24_000)
    time = np.arange(n) / 24_000
    tone = 0.4 * np.sin(2 * np.pi * (200 + 40 * i) * time) * (time > 0.1) * (time < seconds - 0.25)
    units = round(seconds / 0.025)
    return {
        "id": f"{source}-{i}", "text": f"This is line {chr(97 + i)}.", "source": source,
        "voice": voice, "speed": 1.0, "rate": 24_000, "flac": encode(tone.astype("f4"), 24_000),
        "seconds": seconds, "phones": ["_", "a", ".", "_"], "units": [4, units - 10, 5, 1],
        "sha256": "",
    }  # fmt: skip


def build(root: Path) -> Path:
    """A small `datasets/spoken`: three voices to train with, two others for the test."""
    voices = ("heart", "male", "child")
    for split in ("train", "valid"):
        rows = [said(i, voices[i % 3], "wordnet") for i in range(15)]
        write(root / "spoken" / f"{split}-00000.parquet", rows, CLIPS)
    voices = ("af_bella", "am_fenrir")
    rows = [said(i, voices[i % 2], "kokoro-unseen") for i in range(10)]
    rows += [said(i, "heart", "wordnet") for i in range(5)]
    write(root / "spoken" / "test-00000.parquet", rows, CLIPS)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build(tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="module")
def train(root):
    return shelf("train", root)


def film(**changes) -> Scene:
    thing = Thing("bus", "red", "noto", 0.3, ((0.2, 0.5), (0.8, 0.5)), 1.0, 5.0)
    scene = Scene(0, "train", 6.0, 1.0, 256, 256, Ground("sky", "sky"), (thing,))
    return dataclasses.replace(scene, **changes)


def differs(scene: Scene, time: float, scale: float = 1.0) -> np.ndarray:
    """Which pixels are not the background."""
    empty = dataclasses.replace(scene, things=(), prints=())
    a, b = (picture(s, time, scale).astype(int) for s in (scene, empty))
    return np.abs(a - b).max(axis=2) > 6
