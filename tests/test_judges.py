"""The judges: one spelling for both sides, honest counts, and ears that hear what was said.

pytest tests/test_judges.py -q
"""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import judges
from workbench.judges import Errors, align, cer, contains, slips, units, wer, words

SAME = [
    ("We meet at 5:30.", "we meet at five thirty"),
    ("It is 5:00 PM", "it is five p.m."),
    ("It's five o'clock.", "It's 5:00."),
    ("six, seven, eight, nine, ten", "678910"),
    ("six seven eight nine one zero", "678-910."),
    ("four hundred seventy nine", "479"),
    ("four hundred and seventy-nine", "four seven nine"),
    ("one thousand two hundred and five", "1,205"),
    ("nineteen ninety eight", "1998"),
    ("twenty twenty-six", "2026"),
    ("two thousand and five", "2005"),
    ("a hundred ships", "100 ships"),
    ("the nineties, the nineteen nineties", "the 90s, the 1990s"),
    ("the twenty-first of June", "the 21st of June"),
    ("May third", "May 3"),
    ("ten plus four equals fourteen", "10 + 4 = 14"),
    ("nine minus four", "9 - 4"),
    ("three point one four", "3.14"),
    ("five dollars", "$5"),
    ("sixty six dollars and eighty cents", "$66.80"),
    ("fifty per cent", "50%"),
    ("zero five oh two", "0502"),
    ("to-morrow", "tomorrow"),
    ("good bye", "goodbye"),
    ("the colour of the grey neighbour", "the color of the gray neighbor"),
    ("I'm sure it's fine, we can't", "I am sure it is fine, we cannot"),
    ("its tail", "it's tail"),
    ("don't, I'd, we'll, he's", "do not I would we will he is"),
    ("O.K., Dr. Who", "okay, doctor who"),
    ("a TV set", "a T.V. set"),
    ("my sister\u2019s caf\u00e9", "my sisters cafe"),
    ("an hour of organised rest", "an hour of organized rest"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_spelling(one, other):
    assert wer(one, other).count == 0, (words(one), words(other))
    assert wer(other, one).count == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fifteen", "fifty"),
        ("four pours", "for pours"),
        ("rise", "rice"),
        ("the hundred people", "the people"),
        ("twenty one", "twenty"),
        ("it is cold", "it cold"),
        ("I don't know", "I do know"),
    ],
)
def test_what_is_not_the_same(one, other):
    assert wer(one, other).count >= 1


def test_words_that_only_look_like_variants_stay():
    text = "our four hours advise a wise rise, promise surprise"
    assert words(text) == text.replace(",", "").split()


def test_a_number_is_one_unit():
    assert units("It has twenty-seven legs.") == ["it", "has", "27", "legs"]
    assert units("one thousand two hundred and five")[0] == "1205"


def test_counts_of_what_went_wrong():
    assert wer("the cat sat on the mat", "the cat sat on mat") == Errors(6, deleted=1)
    assert wer("the cat sat", "the cat cat sat") == Errors(3, inserted=1)
    assert wer("the cat sat", "the bat sat") == Errors(3, substituted=1)
    assert wer("the cat sat", "") == Errors(3, deleted=3)
    assert wer("", "you").count == 1
    assert (Errors(3, 1) + Errors(7, 0, 1)).rate == pytest.approx(0.2)
    assert cer("cat", "cats") == Errors(3, inserted=1)


word = st.sampled_from(["a", "b", "c", "ab", "bc", "abc"])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(word, max_size=8), st.lists(word, max_size=8))
def test_an_alignment_uses_every_word_once(meant, heard):
    steps = align(meant, heard)
    assert [w for step in steps for w in step.meant] == meant
    assert [w for step in steps for w in step.heard] == heard
    wrong = sum(not step.right for step in steps)
    assert wrong <= max(len(meant), len(heard))
    assert wrong == sum(not step.right for step in align(heard, meant))


def test_skipped_and_repeated_words():
    meant = "she had a red bicycle and a blue car"
    assert not slips(meant, meant)
    assert slips(meant, "she had a bicycle and a blue car").skipped == ("red",)
    assert slips(meant, "she had a red red bicycle and a blue car").repeated == ("red",)
    again = slips(meant, "she had a red bicycle had a red bicycle and a blue car")
    assert len(again.repeated) == 4
    assert not slips(meant, "she had a red icicle and a blue cart").repeated
    assert not slips(meant, "well she had a red bicycle and a blue car")  # added, not repeated
    assert not slips("it was very very cold", "it was very very cold")


def test_the_key_of_an_answer():
    assert contains("7", "Three plus four is seven.")
    assert not contains("7", "Three plus four is twenty-seven.")
    assert not contains("2", "Four minus two is three.")
    assert contains("yes", "Yes, it is.") and not contains("no", "Yes. No doubt.")
    assert contains("blue|azure", "The sky is azure!") and not contains("blue", "blueberry")
    assert contains("1 2 3 4 5", "One, two, three, four, five.")
    assert not contains("", "anything")
    assert contains("2", "A bird has to legs.", by_ear=True)
    assert not contains("2", "A bird has to legs.")
    assert not contains("2", "A bird has too many legs, three.", by_ear=True)


def test_a_wave_must_be_sound():
    with pytest.raises(ValueError, match="finite mono"):
        judges.at_rate(np.array([0.0, np.nan]), 16000)
    with pytest.raises(ValueError, match="finite mono"):
        judges.at_rate(np.zeros((2, 2, 2)), 16000)
    assert judges.at_rate(np.zeros((2400, 2)), 24000).shape == (1600,)


def test_a_missing_judge_says_what_to_install():
    with pytest.raises(ImportError, match=r"omni-workbench\[dev\]"):
        judges._need("no_such_judge", "no-such-judge==1.0")


@pytest.fixture(scope="module")
def voice():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hibari = pytest.importorskip("hibari")
        return hibari.Hibari(threads=1)


def test_both_judges_hear_a_voice(voice, tmp_path):
    text = "The little red boat has seven sails."
    wave = voice(text, seed=0)
    assert wer(text, judges.listen(wave, 24000)).count <= 1
    assert wer(text, judges.second().hear(wave, 24000)).count <= 1
    assert judges.listen(np.zeros(100, np.float32), 24000) == ""  # less than a word
    half = wave[: len(wave) // 2]
    assert slips(text, judges.listen(half, 24000)).skipped


def test_a_speaker_is_like_itself(voice):
    ear = judges.speaker()
    one, other = voice("A first sentence.", seed=0), voice("And then another one.", seed=1)
    same = ear.cosine(one, other, 24000)
    assert same > 0.75
    up = ear.cosine(one, other[::2].repeat(1), 24000)  # an octave up: somebody else
    assert up < same
    assert ear.cosine(one, np.zeros(2400, np.float32), 24000) == 0.0


def test_the_command(voice, tmp_path):
    import soundfile

    file = tmp_path / "boat.wav"
    soundfile.write(file, voice("Good morning.", seed=0), 24000)
    run = subprocess.run(
        [sys.executable, "-m", "workbench.judges", str(file), "--said", "Good morning."],
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip().lower().startswith("good morning")
    assert "words wrong" in run.stderr
    run = subprocess.run(
        [sys.executable, "-m", "workbench.judges", str(tmp_path / "none.wav")],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and not run.stdout
