"""Speech put together from other clips: the right words, one voice, times that fit."""

import numpy as np
import pytest

from model.data.store import CLIPS, Store, encode, write
from model.train.features import Features
from model.train.splice import EDGE, STEP, Grafter, Splicer, keys

PHONES = ["_", "h", "ə", "l", "O", " ", "ð", "ɛ", "ɹ", "_"]
UNITS = [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]  # 100 ms each: hello 100 to 500, there 600 to 900


def clip(name: str, voice: str, text: str) -> dict:
    rng = np.random.default_rng(len(name))
    wave = (0.1 * rng.normal(size=24_000)).astype(np.float32)
    return {"id": name, "text": text, "source": "template", "voice": voice, "speed": 1.0,
            "rate": 24_000, "flac": encode(wave, 24_000), "seconds": 1.0, "phones": PHONES,
            "units": UNITS, "sha256": ""}  # fmt: skip


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Features:
    root = tmp_path_factory.mktemp("splice")
    rows = [clip("a", "heart", "Hello there."), clip("b", "male", "Good bye!"),
            clip("c", "stranger", "Never mind."),
            clip("d", "male", "Three words here."),
            clip("grafted", "male", "Stay, friend.")]  # fmt: skip
    write(root / "spoken/train-00000.parquet", rows, CLIPS)
    return Features.build(Store(root), "train", root / "features")


def test_words_are_cut_where_they_sound(features):
    spliced = Splicer(features)("There, hello?", np.random.default_rng(0))
    mel, phones = features[0].mel, features[0].phones
    assert spliced.voice == "heart" and len(spliced.mel) == STEP * len(spliced.phones)
    for word, (begin, end) in zip(((600, 900), (100, 500)), spliced.spans, strict=True):
        first, last = word[0] // 40, -(-word[1] // 40)
        cut = slice(round(begin / 40), round(end / 40))
        assert np.array_equal(spliced.phones[cut], phones[first:last])
        cut = slice(round(begin / 10), round(end / 10))
        assert np.array_equal(spliced.mel[cut], mel[first * STEP : last * STEP])
    assert not spliced.phones[:EDGE].any() and not spliced.phones[-EDGE:].any()


def test_no_voice_has_said_it(features):
    splicer, rng = Splicer(features), np.random.default_rng(0)
    assert splicer("Hello goodbye", rng) is None  # two voices
    assert splicer("Never mind", rng) is None  # of a voice without a name
    assert splicer("Three", rng) is None  # words and times do not agree
    assert splicer("?!", rng) is None


def test_words_are_compared_without_case_and_signs():
    assert keys('So, it\'s "Six"?') == ["so", "it's", "six"]


def test_a_sentence_goes_on_as_another_one_of_its_voice(features):
    clip = Grafter(features)(1, np.random.default_rng(0))
    assert clip.voice == "male" and len(clip.mel) == STEP * len(clip.phones)
    ends = {"Good bye!": features[1], "Good friend.": features[4]}  # it may keep its own
    two = ends[clip.text]
    first, start = -(-500 // 40), 600 // 40  # the steps after "good", and of the other's last word
    assert np.array_equal(clip.mel[: first * STEP], features[1].mel[: first * STEP])
    assert np.array_equal(clip.mel[first * STEP :], two.mel[start * STEP :])
    assert np.array_equal(clip.phones[first:], two.phones[start:])
    later = 40.0 * (first - start)
    assert clip.spans == [(100.0, 500.0), (600.0 + later, 900.0 + later)]


def test_what_cannot_be_grafted(features):
    grafter, rng = Grafter(features), np.random.default_rng(0)
    assert grafter(0, rng) is None  # no other clip of this voice
    assert grafter(3, rng) is None  # words and times do not agree
