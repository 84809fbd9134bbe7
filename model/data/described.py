"""Questions about pictures and sounds that are told in words: how to answer, without looking.

    a scene --words--> "At the top is a red bus, on the left is a cat."  + its question --> answer

A picture costs a few hundred tokens, its description forty: what a question asks for, in all its
phrasings, and how an answer follows from what is where and when, can be learnt from words as well.

Left out: films, printed words, speech; which of two is bigger.

    question, answer = described(shelf("train"), np.random.default_rng(0))
"""

import numpy as np

from model.data.ask import Task, tasks
from model.data.captions import in_rows, looks, where
from model.data.catalog import SOUNDS
from model.data.scenes import Scene, sample
from model.data.shelf import Shelf
from model.data.tasks import a

OPEN = ("", "Picture this: ", "There is this to be seen and heard: ", "Imagine: ", "This is it: ")
MIXED = 0.3  # of the descriptions tell things in any order


def described(shelf: Shelf, rng: np.random.Generator) -> tuple[str, str]:
    """A question after a description, and its answer; every kind of question is as likely."""
    while True:
        kind = "picture" if rng.random() < 0.6 else "sound"
        scene = sample(int(rng.integers(2**31)), shelf, kind)
        if scene.prints or scene.lines or not (scene.things or scene.sounds):
            continue
        asked: dict[str, list[Task]] = {}
        for task in tasks(scene):
            if "caption" not in task.name and task.name != "bigger":
                asked.setdefault(task.name, []).append(task)
        if asked:
            of_one = asked[str(rng.choice(sorted(asked)))]
            task = of_one[int(rng.integers(len(of_one)))]
            return f"{rng.choice(OPEN)}{told(scene, rng)} {task.question}", task.answer


def told(scene: Scene, rng: np.random.Generator) -> str:
    """What is where, and when what is heard."""
    parts = [f"{where(*t.path[0])} is {a(looks(t))}" for t in in_rows(scene.things)]
    parts += [f"{SOUNDS[s.name].heard} from {s.start:.1f} to {s.end:.1f}"
              for s in sorted(scene.sounds, key=lambda s: s.start)]  # fmt: skip
    if rng.random() < MIXED:
        rng.shuffle(parts)
    text = f"{', '.join(parts)}."
    return text[0].upper() + text[1:]
