"""Voices in words: what is said is true, and what the test says is never said in training."""

import numpy as np
import pytest

from model.data.describe import PUT, describe, facts, heeded, manner, tempo
from model.data.voices import NAMED, bent, in_manner, known


@pytest.mark.parametrize(
    ("name", "told"),
    [("heart", {"who": "woman"}), ("deep", {"who": "man", "pitch": "low"}),
     ("child", {"who": "child", "pitch": "high"}), ("boy", {"who": "child", "pitch": "low"}),
     ("male, slow", {"who": "man", "speed": "slow"}),
     ("alto, soft, sad", {"who": "woman", "pitch": "low", "speed": "slow", "volume": "soft",
                          "mood": "sad"})],
)  # fmt: skip
def test_facts(name, told):
    assert facts(known(name)) == told


def test_a_description_says_nothing_that_is_not_so():
    rng = np.random.default_rng(0)
    for i in range(200):
        voice = in_manner(bent(rng), *(("slow", "loud"), ("excited",), ())[i % 3])
        for held in (False, True):
            said = heeded(describe(voice, rng, held))
            assert said and said <= set(facts(voice).values())


def test_phrasings_of_the_test_are_never_trained():
    rng = np.random.default_rng(0)
    voices = [in_manner(voice, "fast", "soft", "calm") for voice in NAMED.values()]
    trained = {describe(voice, rng) for voice in voices for _ in range(200)}
    held = {describe(voice, rng, held=True) for voice in voices for _ in range(50)}
    assert len(trained) > 300 and not trained & held
    assert not any(text.startswith("Speak") for text in trained)


def test_a_manner_with_and_without_a_name():
    rng = np.random.default_rng(0)
    assert manner((), rng) == "" and manner((), rng, "heart") == "heart"
    said = {manner(("fast", "loud"), rng, "heart") for _ in range(100)}
    assert {"heart, fast, loud", "heart, loud, fast"} < said
    assert all(text.startswith("heart, ") and heeded(text) == {"fast", "loud"} for text in said)


def test_tempo():
    assert tempo("heart") == tempo("") == tempo("a man with a low voice") == 1
    assert tempo("heart, fast") == tempo("Speak QUICKLY") == pytest.approx(1 / 1.36)
    assert tempo("slow") > 1.2 and tempo("sadly, slowly") > tempo("slowly")
    assert tempo("breakfast") == 1 and not heeded("bob")
    assert all(heeded(word) == {word} for word in PUT)
