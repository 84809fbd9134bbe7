"""The pool of sentences: the same each time, curated, and split for good."""

import pytest

from model.data import texts
from model.data.texts import (
    definitions,
    glosses,
    normal,
    number,
    plain,
    sentences,
    split,
    tidy,
    wordnet,
    words,
)

needs_wordnet = pytest.mark.skipif(
    not (texts.WORDNET / "data.noun").exists(), reason="needs the Debian package wordnet-base"
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """The pool of an eighth of WordNet, which is quicker."""
    folder = tmp_path_factory.mktemp("wordnet")
    for part in ("noun", "verb", "adj", "adv"):
        lines = (texts.WORDNET / f"data.{part}").read_text("latin-1").splitlines(keepends=True)
        (folder / f"data.{part}").write_text("".join(lines[::8]), "latin-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "WORDNET", folder)
        found = sentences(seed=0, templates=600, strings=800)
        assert sentences(seed=0, templates=600, strings=800) == found
    return found


def test_numbers_in_words():
    assert [number(n) for n in (0, 13, 40, 99)] == ["zero", "thirteen", "forty", "ninety nine"]
    assert number(105) == "one hundred and five"
    assert number(2040) == "two thousand and forty"
    assert number(1999) == "one thousand nine hundred and ninety nine"


def test_two_spellings_of_one_text_share_their_words():
    assert words("It's 12, O'Clock!") == ["it's", "twelve", "o'clock"]
    assert words("Meet me at 5:30.") == ["meet", "me", "at", "five", "thirty"]
    assert normal("A well-known man") == normal("a well known man.")
    assert split("A well-known man") == split("a well known MAN.")
    assert words("dial 004719") == ["dial", "zero", "zero", "four", "seven", "one", "nine"]


def test_tidy():
    assert tidy("stir  the soil") == "Stir the soil."
    assert tidy("what do i know?") == "What do I know?"


@pytest.mark.parametrize(
    "text",
    ["Hi.", "The U.S. army.", "He said: go.", "NASA sent it up.", "A 5 year plan.", "damn the man"],
)
def test_what_is_not_plain_is_left_out(text):
    assert not plain(text)


@needs_wordnet
def test_the_pool_is_clean(pool):
    assert {s.source for s in pool} == {"wordnet", "chatterbot", "template", "words"}
    for s in pool:
        assert s.text == tidy(s.text)
        assert s.source == "template" or plain(s.text)
    assert sum(s.split == "train" for s in pool) > 2_000


@needs_wordnet
def test_held_out_sentences_are_new_but_of_known_words(pool):
    by = {name: [s for s in pool if s.split == name] for name in ("train", "valid", "test")}
    train, valid, test = ({normal(s.text) for s in by[name]} for name in by)
    assert not train & valid and not train & test and not valid & test
    known = {word for text in train for word in text.split()}
    assert all(set(text.split()) <= known for text in valid | test)


@needs_wordnet
def test_frames_of_the_test_are_not_trained(pool):
    assert not set(texts.FRAMES) & set(texts.HELD_OUT_FRAMES)
    assert not any(s.text.startswith("The boat sails on") for s in pool if s.split == "train")


def test_without_wordnet_the_package_is_named(tmp_path):
    with pytest.raises(ValueError, match="wordnet-base"):
        wordnet(tmp_path)


@needs_wordnet
def test_definitions_have_no_examples_and_nothing_in_brackets(tmp_path):
    lines = ['1 | a small dog; "the dog barked"', '2 | (of time) short; (usually followed by "of")',
             "3 | one; two, or so;", '4 | an odd " mark']  # fmt: skip
    (tmp_path / "data.noun").write_text("\n".join(lines), "latin-1")
    for part in ("verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("", "latin-1")
    found = [text for text in definitions(tmp_path) if text]
    assert found[0] == "a small dog" and found[1] == "short" and found[-2:] == ["one", "two, or so"]


@needs_wordnet
def test_glosses_are_new_plain_and_of_known_words(pool):
    told = glosses(pool)
    known = {word for s in pool if s.split == "train" for word in words(s.text)}
    there = {normal(s.text) for s in pool}
    assert len(told) > 3_000 and {s.source for s in told} == {"gloss"}
    assert all(plain(s.text) and set(words(s.text)) <= known for s in told)
    assert not there & {normal(s.text) for s in told}
    assert all(s.split == split(s.text) for s in told)
