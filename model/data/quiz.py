"""Questions without end, for training to read and to splice (model/train/splice.py).

Synthesised questions cost seconds each, written ones nothing: `Quiz` draws from every question of
training (tasks.py), in the phrasings that are synthesised and in more. In training many of those
about numbers go beyond twenty: of two hundred sums a small model learns each by itself, of
thousands it has to learn how to add.

    question, answer = Quiz()(np.random.default_rng(0))

Left out: `repeat` (any sentence will do) and the questions of scenes (ask.py).
"""

from dataclasses import replace

import numpy as np

from model.data.tasks import Fact, beyond, groups, one_sided, pairs, tasks
from model.data.texts import tidy

# times as often as another task: they must be computed, not remembered
OFTEN = {"plus": 2.0, "minus": 3.0, "compare": 3.5, "is kind": 3.0, "is color": 3.0}
BEYOND = 0.3  # of the questions about numbers in training
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
            away = one_sided(task) if split == "train" else ()
            found = [pair for pair in pairs(task, split) if pair[1].slots.get("a") not in away]
            if found:
                often.append(OFTEN.get(task.name, 1.0))
                self.drawn.append(groups(task, found, np.random.default_rng(0)))
                self.wider.append((all_ways, wider.get(task.name, [])))
        self.chances = np.array(often) / sum(often)

    def __call__(self, rng: np.random.Generator) -> tuple[str, str]:
        """A question and its answer."""
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
        return question, fact.thought
