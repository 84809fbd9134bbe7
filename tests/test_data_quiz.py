"""Written questions of training: drawn evenly, never one of the test's."""

import re
from collections import Counter

import numpy as np
import pytest

from model.data.quiz import OFTEN, Quiz
from model.data.tasks import beyond, one_sided, pairs, tasks
from workbench.evidence.items import key


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, str]]:
    quiz, rng = Quiz(), np.random.default_rng(0)
    return [quiz(rng) for _ in range(20_000)]


def test_no_question_of_the_test_is_read_in_training(drawn):
    test = {key(question) for task in tasks() for question, _ in pairs(task, "test")}
    assert not test & {key(question) for question, _ in drawn}


def test_held_out_combinations_are_in_no_other_wording_either():
    quiz = Quiz()
    asked = {fact.answer for ways in quiz.drawn for way in ways for _, fact in way}
    asked |= {fact.answer for _, facts in quiz.wider for fact in facts}
    for task in tasks():
        if task.name in ("plus", "minus", "count"):  # whose answers name what was asked
            held = {fact.answer for _, fact in pairs(task, "test")}
            assert held and not held & asked, task.name


def test_questions_are_many_and_yes_is_as_often_as_no(drawn):
    assert len({question for question, _ in drawn}) > 9_000
    verdicts = Counter(answer.split()[-1] for _, answer in drawn if "? " in answer)
    assert 0.8 < verdicts["Yes."] / verdicts["No."] < 1.25


def test_nothing_is_always_denied(drawn):
    """A thing whose yes is held out is asked about neither way."""
    for task in tasks():
        away = one_sided(task)
        assert bool(away) == (task.name in ("is kind", "is color"))
        asked = {question for question, fact in pairs(task, "train") if fact.slots.get("a") in away}
        assert not asked & {question for question, _ in drawn}


def test_sums_are_asked_for_more_often(drawn):
    count = Counter(re.search(r" (plus|minus|opposite) ", f" {a} ")[1] for _, a in drawn
                    if re.search(r" (plus|minus|opposite) ", a))  # fmt: skip
    for task in ("plus", "minus"):
        assert count[task] / count["opposite"] == pytest.approx(OFTEN[task], rel=0.15)
        assert OFTEN[task] > 1


def test_training_also_asks_beyond_twenty_and_nobody_else_does(drawn):
    def far(answer: str) -> bool:
        return bool(re.search(r" is (twenty \w|thirty|forty|fifty)", answer))

    sums = [far(answer) for _, answer in drawn if " plus " in answer]
    assert 0.2 < np.mean(sums) < 0.4
    known = {fact.answer for task in tasks() if task.name in beyond() for fact in task.facts}
    assert not known & {fact.answer for name in ("plus", "minus") for fact in beyond()[name]}
    quiz, rng = Quiz("valid"), np.random.default_rng(0)
    assert not any(far(answer) for _, answer in (quiz(rng) for _ in range(500)) if "plus" in answer)


def test_valid_asks_about_combinations_that_training_never_reads(drawn):
    quiz, rng = Quiz("valid"), np.random.default_rng(0)
    assert not {quiz(rng)[0] for _ in range(500)} & {question for question, _ in drawn}


def test_a_quiz_follows_from_its_generator():
    one, two = (Quiz()(np.random.default_rng(3)) for _ in range(2))
    assert one == two
