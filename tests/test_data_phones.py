"""Sounds in time: one class a step, marks with their sound, silence beyond the end."""

import numpy as np
import pytest

from model.data.phones import PHONES, classes, frames


def test_the_list_is_closed_and_begins_with_silence():
    assert PHONES[0] == "_"
    assert len(set(PHONES)) == len(PHONES)
    assert all(len(phone) == 1 for phone in PHONES)


def test_every_symbol_of_the_voices_has_a_place():
    from hibari import Hibari

    strings = Hibari(threads=1).phonemize("The quick brown fox jumps over a lazy dog's ear.")
    said = set("".join(strings))
    unknown = {s for s in said if s.isalpha() and s not in PHONES and s not in "ˈˌː"}
    assert not unknown


def test_a_stress_mark_is_heard_as_the_sound_after_it():
    found = classes(["_", "f", "ˈ", "ɑ", "ː", " ", "_"])
    assert found[2] == found[3] == found[4] == PHONES.index("ɑ")
    assert found[0] == found[5] == 0


def test_the_class_at_the_centre_of_each_step():
    phones, units = ["_", "h", "I", "_"], [2, 1, 3, 1]  # 50, 25, 75, 25 ms
    h, i = PHONES.index("h"), PHONES.index("I")
    at_25 = frames(phones, units, 25.0, 9)
    assert at_25.dtype == np.int64
    assert at_25.tolist() == [0, 0, h, i, i, i, 0, 0, 0]
    assert frames(phones, units, 80.0, 3).tolist() == [0, i, 0]  # centres 40, 120, 200 ms


def test_without_timings_nothing_is_claimed():
    assert frames([], [], 80.0, 3).tolist() == [-1, -1, -1]
    with pytest.raises(ValueError, match="one for each"):
        frames(["_"], [], 80.0, 3)
