"""Words that were read in training, and words that nobody ever read."""

import shutil

import pytest

from model.data.words import read
from model.omni import CHECKPOINTS, Omni, OmniConfig
from model.senses.lexicon import Lexicon


@pytest.fixture
def few(tmp_path) -> Lexicon:
    (tmp_path / "words.txt").write_text("don't\nhouse\nhouses\nold\nthe\n", encoding="utf-8")
    return Lexicon(tmp_path)


def test_words_are_strange_that_were_never_read(few):
    assert few.strange("The old houses.", ended=True) == 0
    assert few.strange("The auld houzes.", ended=True) == 2
    assert few.strange("DON\u2019T, the house's 4:30", ended=True) == 0, "no letters, no words"
    assert few.strange("", ended=True) == few.strange("?!", ended=True) == 0


def test_a_word_that_may_go_on_is_not_strange_yet(few):
    assert few.strange("The old hou") == 0 and few.strange("The old hou", ended=True) == 1
    assert few.strange("The old hou.") == 1, "a mark ends it as well"
    assert few.strange("The old houx") == 1, "no word begins so"
    assert few.strange("Do") == few.strange("Don'") == 0
    assert few.strange("The old houses on") == 1


def test_other_letters_are_never_strange(few):
    assert few.strange("Das Mädchen größer", ended=True) == 1, "das has plain letters"
    assert few.strange("Привет 你好", ended=True) == 0


def test_no_file_no_strange_words(tmp_path):
    assert Lexicon(tmp_path).strange("Xyzzy plugh.", ended=True) == 0


def test_a_file_out_of_order_is_refused(tmp_path):
    (tmp_path / "words.txt").write_text("old\nhouse\n", encoding="utf-8")
    with pytest.raises(ValueError, match="in the order of the alphabet"):
        Lexicon(tmp_path)


def test_what_is_shipped_are_the_words_of_training():
    assert Lexicon(CHECKPOINTS / "micro").words == read()


def test_it_is_saved_with_the_model(tmp_path):
    omni = Omni(OmniConfig.nano())
    omni.save(tmp_path / "saved")
    assert Omni.load(tmp_path / "saved").lexicon.words == omni.lexicon.words != []
    older = shutil.copytree(tmp_path / "saved", tmp_path / "older")
    (older / "words.txt").unlink()
    assert Omni.load(older).lexicon.words == []
