"""Cloning and control: who does as asked gets full marks, who always speaks alike does not."""

from dataclasses import replace

import numpy as np
import pytest

from model.data import store
from model.data.describe import heeded
from model.data.voices import NAMED, RATE, UNSEEN, Hibari, in_manner
from workbench import judges
from workbench.evidence import voices
from workbench.evidence.candidate import Said
from workbench.evidence.items import Held

TEXTS = ("The boat has seven sails.", "Henry paid two dollars.", "Please open the window.")
SEXES = {"man": "male", "woman": "heart", "child": "child"}


@pytest.fixture(scope="module")
def speech():
    return Hibari()


@pytest.fixture(scope="module")
def held(tmp_path_factory, speech) -> Held:
    root = tmp_path_factory.mktemp("data")

    def clip(text: str, voice: str, bent: str) -> dict:
        wave = speech(text, NAMED[bent]).samples
        return {"id": f"{voice}-{text[:5]}", "text": text, "source": "wordnet", "voice": voice,
                "speed": 1.0, "rate": RATE, "flac": store.encode(wave, RATE),
                "seconds": len(wave) / RATE, "phones": [], "units": [], "sha256": ""}  # fmt: skip

    bends = (("heart", "heart"), (UNSEEN[0], "heart"), (UNSEEN[1], "deep"))
    clips = [clip(text, voice, bent) for voice, bent in bends for text in TEXTS]
    store.write(root / "spoken/test-00000.parquet", clips, store.CLIPS)
    return Held(str(root))


class Actor:
    """Says what is asked as it is asked, and imitates by playing the recording."""

    def __init__(self, speech: Hibari):
        self.speech = speech

    def say(self, text: str, voice: str, pace: str, once: bool = False) -> Said:
        words = heeded(voice)
        who = voice.partition(",")[0]
        who = who if who in NAMED else SEXES[next(iter(words & set(SEXES)))]
        return Said(self.speech(text, in_manner(NAMED[who], *(words - set(SEXES)))).samples, text)

    def imitate(self, text: str, samples: np.ndarray, rate: int) -> Said:
        return Said(samples, text)


class Wooden(Actor):
    """Always the same voice."""

    def say(self, text: str, voice: str, pace: str, once: bool = False) -> Said:
        return Said(self.speech(text).samples, text)


def test_pairs_ask_for_every_kind_by_name_and_in_new_words(held):
    asked = voices.pairs(held, 24)
    assert len({pair.id for pair in asked}) == 24
    assert [pair.kind for pair in asked[:3]] == ["speed", "volume", "pitch"]
    assert (asked[0].less, asked[0].more) == ("heart, slow", "heart, fast")
    described = [pair for pair in asked if pair.less.startswith("Speak like a ")]
    assert len(described) == 12
    for pair in asked:
        less, more = voices.KINDS[pair.kind]
        assert less in heeded(pair.less) and more in heeded(pair.more)


def test_control_of_an_actor_and_of_one_who_cannot_act(held, speech):
    (right,) = voices.control([voices.move(Actor(speech), p) for p in voices.pairs(held, 6)])
    assert right.value == 100 and right.mark == "stretch" and "by name 3 of 3" in right.note
    (wrong,) = voices.control([voices.move(Wooden(speech), p) for p in voices.pairs(held, 3)])
    assert wrong.value == 0 and wrong.mark == "missed"


def test_silence_is_no_speech():
    for kind in voices.KINDS:
        assert voices.measure(kind, np.zeros(4800, np.float32)) == 0
        assert voices.measure(kind, np.zeros(0, np.float32)) == 0
    noise = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    assert voices.measure("volume", noise) == pytest.approx(-20, abs=0.2)
    assert voices.measure("speed", np.pad(noise, 12_000)) == pytest.approx(1, abs=0.1)
    tone = np.sin(2 * np.pi * 256 * np.arange(24_000) / 24_000).astype(np.float32)
    assert voices.measure("pitch", tone, 200.0) == pytest.approx(8, abs=0.05)


def test_the_pitch_of_all_but_the_lowest_voices_is_found(speech):
    for name, voice in NAMED.items():
        if voice.pitch < 0.5:
            continue
        low, high = (
            voices.measure(
                "pitch",
                speech("The boat has seven sails.", in_manner(voice, word)).samples,
                voices.USUAL * voice.pitch,
            )
            for word in ("low", "high")
        )
        assert 0.1 < high - low < 0.7, name


def test_cloning_compares_with_the_prompt_and_with_others(held, speech):
    pytest.importorskip("resemblyzer")
    strangers = voices.strangers(held, 4)
    assert len({one.id for one in strangers}) == 4
    assert all(one.same.voice == one.prompt[0].voice != one.other.voice for one in strangers)
    items = [voices.imitate(Actor(speech), one) for one in strangers[:2]]
    (same,) = voices.cloning(items)
    assert same.value == pytest.approx(1, abs=1e-4) and same.mark == "stretch"
    assert same.judge == judges.speaker().name and "another speaker 0." in same.note
    assert all(item.other < item.real for item in items)
    worse = [replace(item, cosine=item.other) for item in items]
    assert voices.cloning(worse)[0].value < 0.8


def test_without_strangers_it_is_said(tmp_path, held):
    table = held.store.spoken("test")
    kept = [clip for clip in table if clip.voice == "heart"]
    rows = [{**vars(clip), "speed": 1.0, "sha256": "", "flac": store.encode(clip.samples, RATE)}
            for clip in kept]  # fmt: skip
    rows = [{name: row[name] for name in store.CLIPS.names} for row in rows]
    store.write(tmp_path / "spoken/test-00000.parquet", rows, store.CLIPS)
    with pytest.raises(ValueError, match="Kokoro"):
        voices.strangers(Held(str(tmp_path)), 4)
