"""Edit distance: of characters and of words, from both sides."""

import pytest

from model.senses.levenshtein import levenshtein


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("", "", 0),
        ("cat", "", 3),
        ("", "cat", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        (["the", "old", "cat"], ["an", "old", "cat", "sat"], 2),
    ],
)
def test_as_few_changes_as_it_takes(one, other, count):
    assert levenshtein(one, other) == levenshtein(other, one) == count
