"""Questions and answers: true, judged by their keys, and held out in phrasing and combination."""

import re
from itertools import chain

import pytest

from model.data.store import Turn
from model.data.tasks import (
    Task,
    beyond,
    fact_split,
    heard,
    lessons,
    one_sided,
    right,
    tasks,
    turns,
)
from model.data.texts import ONES, Sentence, normal, number

POOL = [
    Sentence(f"{word} {other} again.", "words", ("train", "valid", "test")[i % 3])
    for i, (word, other) in enumerate((w, o) for w in ONES for o in ONES[:9])
]
NUMBERS = {number(n): n for n in range(100)}


@pytest.fixture(scope="module")
def asked():
    return turns(0, POOL)


def test_right():
    assert right("is twelve", "Seven plus 5 is 12.")
    assert right("is twelve", "7 + 5 = 12")
    assert right("is seven", "12 - 5 is 7")
    assert not right("is seven", "Seven plus five is twelve.")
    assert right("is two", "Six minus four is to.")  # as a recogniser may write it
    assert right("no", "Know, snow is white.")
    assert not right("yes", "")
    assert heard("One hundred and five") == heard("105")
    with pytest.raises(ValueError, match="empty"):
        right("", "anything")


def test_every_answer_holds_its_key(asked):
    for split in asked.values():
        assert all(right(turn.key, turn.answer) for turn in split)
    for task in tasks():
        assert all(right(fact.key, fact.thought) for fact in task.facts)


def test_steps_say_what_was_asked_before_the_verdict():
    facts = {fact.thought for task in tasks() for fact in task.facts if fact.steps}
    assert "A bus is a vehicle. Fruit? No." in facts and "Coffee is brown. Brown? Yes." in facts
    assert "Three is less than five. More? No." in facts
    assert "Six plus five is eleven." in facts and "Five plus six is eleven." not in facts
    assert not any(right("no", thought) and right("yes", thought) for thought in facts)


def test_lessons_leave_out_what_training_would_only_hear_denied(asked):
    taught = lessons(asked["train"], "train")
    away = set().union(*(one_sided(task) for task in tasks()))
    gone = {turn.id for turn in asked["train"]} - {turn.id for turn in taught}
    left_out = [turn for turn in asked["train"] if turn.id in gone]
    assert left_out and all(turn.task in ("is kind", "is color") for turn in left_out)
    assert {turn.key for turn in left_out} == {"no"}
    assert all(any(thing in f"{turn.question} " for thing in away) for turn in left_out)
    assert all(right(turn.key, turn.answer) for turn in taught)
    assert len(lessons(asked["valid"], "valid")) == len(asked["valid"])
    own = Turn("mine", "greeting", "Ahoy?", "Ahoy.", "ahoy")
    assert lessons([own], "train") == [own]


def test_a_wrong_answer_of_the_same_kind_is_not_right():
    """No answer to another fact of a task passes for this one's, unless the key is the same."""
    for task in tasks():
        for group in task.phrasings:
            facts = [fact for fact in task.facts if fact.ask == group][:200:12]
            for one in facts:
                for other in facts:
                    if one.key != other.key and not right(one.key, other.key):
                        assert not right(one.key, other.answer), (task.name, one, other)
                        assert not right(one.key, other.thought), (task.name, one, other)


def test_sums_are_true():
    every = {task.name: task for task in tasks()}
    for fact in every["plus"].facts:
        a, b, c = (NUMBERS[x] for x in (fact.slots["a"], fact.slots["b"], fact.key[3:]))
        assert a + b == c <= 20
    for fact in every["minus"].facts:
        a, b, c = (NUMBERS[x] for x in (fact.slots["a"], fact.slots["b"], fact.key[3:]))
        assert a - b == c >= 0


def test_steps_of_sums_are_true_and_end_with_what_was_asked():
    every = {task.name: task for task in tasks()}
    told = re.compile(
        r"(\w+(?: \w+)?) (plus|minus) (\w+(?: \w+)?) (?:is|leaves|makes) (\w+(?: \w+)?)(?=[.,])"
    )
    stepped = 0
    for fact in [*every["plus"].facts, *every["minus"].facts, *chain(*beyond().values())]:
        parts = told.findall(fact.thought.lower())
        stepped += len(parts) > 1
        for a, sign, b, c in parts:
            assert NUMBERS[a] + (NUMBERS[b] if sign == "plus" else -NUMBERS[b]) == NUMBERS[c], fact
        if parts:
            assert {parts[-1][0], parts[-1][2]} == {fact.slots["a"], fact.slots["b"]}, fact
            assert parts[-1][3] == fact.key.removeprefix("is ")
    assert stepped > 400


def test_test_asks_in_words_never_trained(asked):
    for task in tasks():
        assert task.phrasings.keys() == task.unseen.keys()
        for group in task.phrasings:
            assert not set(task.phrasings[group]) & set(task.unseen[group])
    train, valid, test = ({normal(t.question) for t in asked[s]} for s in asked)
    assert not train & valid and not train & test and not valid & test


def test_test_asks_about_combinations_never_trained(asked):
    by_name: dict[str, Task] = {task.name: task for task in tasks()}
    for name in ("plus", "minus", "count", "story"):
        held = {f.answer for f in by_name[name].facts if fact_split(by_name[name], f) == "test"}
        told = {f.answer for f in by_name[name].facts if fact_split(by_name[name], f) == "train"}
        assert 0.03 < len(held) / len(by_name[name].facts) < 0.2
        answers = {normal(t.answer) for t in asked["train"] if t.task == name}
        only_held = {normal(a) for a in held - told}
        assert not answers & only_held


def test_yes_and_no_are_balanced(asked):
    for task in ("is color", "is kind"):
        keys = [turn.key for turn in asked["train"] if turn.task == task]
        assert keys.count("yes") == keys.count("no")


def test_the_same_seed_gives_the_same_turns(asked):
    assert turns(0, POOL) == asked
    assert 12_000 < len(asked["train"]) < 20_000
    assert len(asked["test"]) > 300
