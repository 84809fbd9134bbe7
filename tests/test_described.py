"""Scenes in words: what a question needs is told, and only what training may know is asked."""

import re

import numpy as np
import pytest

from model.data.ask import PHRASINGS
from model.data.catalog import OBJECTS, SOUNDS
from model.data.described import described, told
from model.data.scenes import sample
from model.data.shelf import Shelf, shelf


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Shelf:
    return shelf("train", tmp_path_factory.mktemp("nothing"))


def test_the_same_draw_is_the_same_question(train):
    once, again = (described(train, np.random.default_rng(7)) for _ in range(2))
    assert once == again != described(train, np.random.default_rng(8))


def test_what_is_answered_is_told(train):
    """Colours, times and names of an answer stand in its description or its question."""
    rng, asked = np.random.default_rng(0), set()
    for _ in range(300):
        question, answer = described(train, rng)
        assert question[0].isupper() and question.endswith((".", "?"))
        assert not re.search(r"[{}]", question + answer)
        asked.add("sound" if " from " in question else "picture")
        for time in re.findall(r"(?<!for )\b\d+\.\d\b", answer):
            assert time in question
        for name in OBJECTS:
            if re.search(rf"\b{name}\b", answer.lower()):
                heard = (kind.heard for kind in SOUNDS.values() if name in kind.heard)
                assert any(words in question.lower() for words in (name, *heard))
    assert asked == {"sound", "picture"}


def test_every_thing_is_told_in_any_order(train):
    scene = next(s for s in (sample(seed, train, "picture") for seed in range(99))
                 if len(s.things) == 3 and not s.prints)  # fmt: skip
    texts = {told(scene, np.random.default_rng(seed)) for seed in range(40)}
    assert 1 < len(texts) <= 6
    for text in texts:
        assert all(thing.name in text for thing in scene.things)


def test_phrasings_are_those_of_training(train):
    unseen = {way for of in PHRASINGS.values() for way in of.unseen}
    known = {way for of in PHRASINGS.values() for way in of.known}
    assert not unseen & known
    rng = np.random.default_rng(1)
    for _ in range(50):
        question, _ = described(train, rng)
        assert not any(way in question for way in unseen if "{" not in way and len(way) > 20)
