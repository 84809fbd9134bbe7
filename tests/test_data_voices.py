"""The bendable voice: timings that fit, the same samples for the same seed; the human prompts."""

import numpy as np
import pytest

from model.data import voices
from model.data.voices import (
    FIRST,
    MANNERS,
    NAMED,
    RATE,
    UNIT,
    Hibari,
    Kokoro,
    Voice,
    asterisk,
    bent,
    in_manner,
    known,
)


@pytest.fixture(scope="module")
def say():
    return Hibari()


def test_timings_fit_the_samples_in_every_voice(say):
    for voice in (*NAMED.values(), Voice("fast", 0.7, 0.9, 1.25)):
        said = say("One two. Three!", voice)
        assert sum(said.units) * UNIT == len(said.samples)
        assert len(said.units) == len(said.phones)
        assert said.samples.dtype == np.float32 and said.rate == RATE
        assert 0.02 < np.abs(said.samples).max() <= 1
        assert said.units[0] <= voices.LEAD


def test_bending_keeps_the_timings_and_changes_the_sound(say):
    heart, male = say("Good morning.", NAMED["heart"]), say("Good morning.", NAMED["male"])
    assert heart.units == male.units and heart.phones == male.phones
    assert np.abs(heart.samples - male.samples).max() > 0.1


def test_the_same_seed_gives_the_same_samples(say):
    one, again, other = (say("Good morning.", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_nothing_to_say(say):
    with pytest.raises(ValueError, match="nothing to say"):
        say(" ... ")


def test_random_speakers_are_various_and_possible():
    rng = np.random.default_rng(0)
    drawn = [bent(rng) for _ in range(300)]
    pitch, envelope = np.array([(v.pitch, v.envelope) for v in drawn]).T
    assert pitch.min() < 0.55 and pitch.max() > 1.25
    assert envelope.min() >= 0.76 and envelope.max() <= 1.20
    assert np.corrcoef(pitch, envelope)[0, 1] > 0.7
    assert all(v.name == f"warp-{v.pitch:.2f}-{v.envelope:.2f}" for v in drawn)


def test_a_stretch_by_one_changes_nothing_and_the_top_is_filled():
    part = np.random.default_rng(0).normal(size=(601, 3)).astype(np.float32)
    assert np.allclose(voices._stretch(part, 1.0, -12.0), part)
    small = voices._stretch(part, 0.5, -12.0)
    assert np.allclose(small[:300], part[0:600:2]) and (small[301:] == -12).all()


def test_a_manner_moves_what_it_names(say):
    text = "Good morning to all of you."
    slow, fast = (say(text, known(f"heart, {word}")) for word in ("slow", "fast"))
    assert len(slow.samples) > 1.4 * len(fast.samples)
    soft, loud = (say(text, known(f"male, {word}"), 1).samples for word in ("soft", "loud"))
    assert 4 < np.abs(loud).max() / np.abs(soft).max() < 5 and np.abs(loud).max() <= 1
    for said in (slow, fast):
        assert sum(said.units) * UNIT == len(said.samples)


def test_the_pitch_swings_about_its_mean():
    pitch = np.array([0.5, 150, 200, 260, 0.2], np.float32)
    calm, lively = voices._swung(pitch, 0.5), voices._swung(pitch, 1.6)
    assert np.array_equal(voices._swung(pitch, 1.0), pitch)
    for swung in (calm, lively):
        assert np.allclose(np.log(swung[1:4]).mean(), np.log(pitch[1:4]).mean(), atol=1e-5)
        assert np.array_equal(swung[[0, 4]], pitch[[0, 4]]), "no voice, no pitch"
    assert np.ptp(calm[1:4]) < np.ptp(pitch[1:4]) < np.ptp(lively[1:4])


def test_the_name_of_a_voice_says_all_of_it():
    for voice in (*NAMED.values(), bent(np.random.default_rng(1))):
        for words in ([], ["slow"], ["excited", "loud"], ["sad", "low", "fast", "soft"]):
            meant = in_manner(voice, *words)
            assert meant.who == voice.name and set(meant.manner) == set(words)
            again = known(meant.name)
            assert again.name == meant.name and again.gain == meant.gain
            assert again.pitch == meant.pitch and again.swing == meant.swing
    assert (
        in_manner(NAMED["heart"], "fast", "sad").name
        == in_manner(NAMED["heart"], "sad", "fast").name
    )
    assert len(NAMED) >= 8 and set(FIRST) < set(NAMED)
    assert all(len(ways) == len(set(ways)) for ways in MANNERS.values())


@pytest.mark.parametrize(
    ("name", "why"),
    [("bob", "no voice 'bob'"), ("heart, purple", "no manner 'purple'"), ("warp-1-2", "no voice"),
     ("heart, slow, fast", "slow and fast are both a speed"), ("", "no voice ''")],
)  # fmt: skip
def test_names_that_are_none(name, why):
    with pytest.raises(ValueError, match=why):
        known(name)


def test_kokoro_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="kokoro-js"):
        Kokoro(tmp_path)


def test_kokoro_speaks_between_two_voices(tmp_path):
    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 0.1, (2, 510, 256)).astype(np.float32)
    for name, style in (("af_one", one), ("am_two", two), ("bf_mean", (one + two) / 2)):
        style.tofile(tmp_path / f"{name}.bin")
    say = Kokoro(tmp_path)
    mixed, mean = say("Hello.", "af_one+am_two"), say("Hello.", "bf_mean")
    np.testing.assert_array_equal(mixed.samples, mean.samples)
    assert not np.array_equal(mixed.samples, say("Hello.", "af_one").samples)
    with pytest.raises(ValueError, match="'am_three'"):
        say("Hello.", "af_one+am_three")


def test_asterisk_names_the_package_when_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(voices, "ASTERISK_AUDIO", tmp_path / "no")
    with pytest.raises(ValueError, match="asterisk-core-sounds-en-wav"):
        asterisk()


@pytest.mark.skipif(
    not (voices.ASTERISK_AUDIO.exists() and voices.ASTERISK_TEXTS.exists()),
    reason="needs the Debian packages asterisk-core-sounds-en and -en-wav",
)
def test_asterisk_prompts():
    prompts = asterisk(20)
    assert len({prompt.text for prompt in prompts}) == 20
    assert all(5 <= len(prompt.text.split()) <= 18 for prompt in prompts)
    assert all(prompt.rate == 8000 and prompt.samples.ndim == 1 for prompt in prompts)
    assert [p.id for p in asterisk(5)] == [p.id for p in prompts[:5]]
