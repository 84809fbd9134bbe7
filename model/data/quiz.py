"""Questions without end, for training to read and to splice (model/train/splice.py).

Synthesised questions cost seconds each, written ones nothing: `Quiz` draws from every question of
training (tasks.py), in the phrasings that are synthesised and in more. In training many of those
about numbers go beyond twenty: of two hundred sums a small model learns each by itself, of
thousands it has to learn how to add. And some suppose what is not so ("If a bus is a fruit, is a
bus a tool?"): whoever is asked yes or no about a hundred things learns by heart which are meant,
and compares what is with what was asked only where nothing can be known before.

    question, answer = Quiz()(np.random.default_rng(0))

Left out: `repeat` (any sentence will do) and the questions of scenes (ask.py).
"""

from dataclasses import replace

import numpy as np

from model.data.tasks import (
    COLORS,
    KINDS,
    Fact,
    a,
    beyond,
    fact_split,
    groups,
    pairs,
    table,
    tasks,
)
from model.data.texts import tidy

# times as often as another task: they must be computed, not remembered
OFTEN = {"plus": 3.0, "minus": 3.0, "compare": 2.0, "is kind": 2.0, "is color": 1.5}
BEYOND = 0.3  # of the questions about numbers in training
SUPPOSED = 0.15  # of the questions of training
SUPPOSE = (
    "If {a} is {s}, is {a} {b}?",
    "Suppose {a} is {s}. Is {a} {b}?",
    "Say {a} is {s}. Is {a} {b}?",
    "{a} is {s}. Would you say {a} is {b}?",
    "We know that {a} is {s}. Is it true that {a} is {b}?",
)
LEADS = ("Please tell me,", "Okay,", "Now,", "Well,", "Omni,", "A question:", "One more:")


class Quiz:
    """Draws evenly: as many of one task as of another (but for OFTEN), of one group of phrasings as
    of another, and of yes as of no. Combinations are those of `split` (train or valid). One
    question in five opens with a word or two before it."""

    def __init__(self, split: str = "train"):
        self.drawn = []  # task -> group -> questions with their facts
        self.wider: list[tuple[dict[str, list[str]], list[Fact]]] = []  # task -> phrasings, facts
        often = []
        wider = beyond() if split == "train" else {}
        for task in tasks():
            all_ways = {name: task.phrasings[name] + task.written[name] for name in task.phrasings}
            task = replace(task, phrasings=all_ways)
            found = pairs(task, split)
            if found:
                often.append(OFTEN.get(task.name, 1.0))
                self.drawn.append(groups(task, found, np.random.default_rng(0)))
                self.wider.append((all_ways, wider.get(task.name, [])))
        self.chances = np.array(often) / sum(often)
        self.supposed = SUPPOSED if split == "train" else 0.0
        self.held = {
            tuple(fact.slots.values()) for task in tasks() if task.name in ("is kind", "is color")
            for fact in task.facts if fact_split(task, fact) != "train"
        }  # fmt: skip

    def __call__(self, rng: np.random.Generator) -> tuple[str, str]:
        """A question and its answer."""
        if rng.random() < self.supposed:
            return self._suppose(rng)
        number = int(rng.choice(len(self.drawn), p=self.chances))
        phrasings, facts = self.wider[number]
        if facts and rng.random() < BEYOND:
            fact = facts[int(rng.integers(len(facts)))]
            question = tidy(str(rng.choice(phrasings[fact.ask])).format(**fact.slots))
        else:
            ways = self.drawn[number]
            way = ways[int(rng.integers(len(ways)))]
            question, fact = way[int(rng.integers(len(way)))]
        if question.endswith("?") and rng.random() < 0.2:
            lead = LEADS[int(rng.integers(len(LEADS)))]
            question = f"{lead} {question[0].lower()}{question[1:]}"
        return question, tidy(fact.answer)

    def _suppose(self, rng: np.random.Generator) -> tuple[str, str]:
        """Any thing, said to be of any colour or kind; never with what is asked about it elsewhere
        in valid and test."""
        colored = rng.random() < 0.4
        rows = table(COLORS if colored else KINDS)
        things = [a(thing) for _, many in rows for thing in many]
        names = [name if colored else a(name) for name, _ in rows]
        while True:
            thing = str(rng.choice(things))
            stated, other = (str(name) for name in rng.choice(names, 2, replace=False))
            meant = stated if rng.random() < 0.5 else other
            if (thing, meant) not in self.held:
                break
        slots = {"a": thing, "s": stated, "b": meant}
        verdict = "yes" if meant == stated else "no"
        question = str(rng.choice(SUPPOSE)).format(**slots)
        return tidy(question), tidy(f"{thing} is {stated}, so {verdict}")
