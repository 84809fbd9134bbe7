"""Questions without end, for training to read and to splice (model/train/splice.py).

Synthesised questions cost seconds each, written ones nothing: `Quiz` draws from every question of
training (tasks.py), in the phrasings that are synthesised and in more.

    question, answer = Quiz()(np.random.default_rng(0))

Left out: `repeat` (any sentence will do) and the questions of scenes (ask.py).
"""

from dataclasses import replace

import numpy as np

from model.data.tasks import groups, pairs, tasks
from model.data.texts import tidy

LEADS = ("Please tell me,", "Okay,", "Now,", "Well,", "Omni,", "A question:", "One more:")


class Quiz:
    """Draws evenly: as many of one task as of another, of one group of phrasings as of another, and
    of yes as of no. Combinations are those of `split` (train or valid). One question in five opens
    with a word or two before it."""

    def __init__(self, split: str = "train"):
        self.drawn = []  # task -> group -> questions with their facts
        for task in tasks():
            all_ways = {name: task.phrasings[name] + task.written[name] for name in task.phrasings}
            task = replace(task, phrasings=all_ways)
            found = pairs(task, split)
            if found:
                self.drawn.append(groups(task, found, np.random.default_rng(0)))

    def __call__(self, rng: np.random.Generator) -> tuple[str, str]:
        """A question and its answer."""
        ways = self.drawn[int(rng.integers(len(self.drawn)))]
        way = ways[int(rng.integers(len(ways)))]
        question, fact = way[int(rng.integers(len(way)))]
        if question.endswith("?") and rng.random() < 0.2:
            lead = LEADS[int(rng.integers(len(LEADS)))]
            question = f"{lead} {question[0].lower()}{question[1:]}"
        return question, tidy(fact.answer)
