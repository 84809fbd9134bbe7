"""Scene -> questions with answers, and how to tell whether an answer is right.

    scene --tasks--> Task(name, senses, question, answer, check), every one that the scene allows
    seed + shelf --item--> one scene with one task; `others`: more tasks about it

What can be asked stands in questions/, a file a kind. A task is a function of the scene that yields
facts: slots of the question, answer, check. What cannot be told from what is seen and heard is not
asked: things too near to a border between two places, two speakers of a kind, natural objects when
colours are asked for.

Of each task's phrasings some are the test's alone: those after || in questions/.

In speech: `aloud` writes a question or answer as it is said ("3.2" -> "three point two"), and
`Task.voice` names who asks, if not in writing: `one.message(shelf, say=Hibari())`.

Left out: why-questions; questions that lean on the answer before.

    task = item(7, shelf("train")).task
    task.check.right("At 3.1 seconds.")
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from model.data.catalog import split_of
from model.data.check import Check
from model.data.draw import Sticker, frames, picture, times, unchanged
from model.data.mix import mix
from model.data.questions import captions, film, heard, seen, spoken
from model.data.questions.fact import Asked, Phrasings
from model.data.scenes import Scene, sample
from model.data.shelf import Shelf
from model.data.sounds import RATE
from model.data.texts import ONES, number
from model.data.voices import FIRST, NAMED, Utterance, Voice, bent
from model.senses.message import Audio, Image, Message, Video

ASKED: dict[str, Asked] = seen.ASKED | heard.ASKED | spoken.ASKED | film.ASKED | captions.ASKED
PHRASINGS: dict[str, Phrasings] = (
    seen.PHRASINGS | heard.PHRASINGS | spoken.PHRASINGS | film.PHRASINGS | captions.PHRASINGS
)


@dataclass(frozen=True)
class Task:
    name: str
    senses: str  # what it takes: seen, heard, both
    question: str
    answer: str
    check: Check
    voice: str = ""  # who asks; "" it is written


@dataclass(frozen=True)
class Item:
    """A scene and a question about it."""

    scene: Scene
    task: Task

    def message(
        self,
        shelf: Shelf,
        rate: float | None = None,
        scale: float = 1.0,
        say: Callable[[str, Voice], Utterance] | None = None,
        change: Sticker = unchanged,
    ) -> Message:
        """The user's turn: everything that is to be seen and heard, then the question.

        Args:
            shelf: has the voices of the scene
            rate: frames a second, the scene's own if not said
            scale: of the pictures
            say: speaks the questions that are asked aloud (`Hibari()`); without it all are written
            change: makes another sticker of each in a picture (model/data/vary.py)
        """
        scene, question = self.scene, self.task.question
        if say and self.task.voice:
            said = say(aloud(question), voice(self.task.voice))
            question = Audio(said.samples, said.rate)
        if scene.kind == "picture":
            return Message.of("user", Image(picture(scene, 0.0, scale, change)), question)
        audio = Audio(mix(scene, shelf.speech), RATE)
        if scene.kind == "sound":
            return Message.of("user", audio, question)
        at = times(scene, rate)
        return Message.of("user", Video(frames(scene, at.tolist(), scale), at, audio), question)


def item(seed: int, shelf: Shelf, kind: str = "", name: str = "") -> Item:
    """The item of a seed: names of tasks are equally likely; only `name`, if it is said."""
    if name and name not in ASKED:
        raise ValueError(f"no task {name!r}; expected one of {', '.join(ASKED)}")
    rng = Random(f"{seed}|{shelf.split}|item")
    for turn in range(1000):  # until a scene allows it
        scene = sample(seed + turn * 10_000_019, shelf, kind)
        every = [task for task in tasks(scene) if not name or task.name == name]
        if not shelf.foreign:  # then the answer would be known beforehand
            every = [task for task in every if task.name != "language"]
        if every:
            chosen = rng.choice(sorted({task.name for task in every}))
            return Item(scene, rng.choice([task for task in every if task.name == chosen]))
    raise ValueError(f"no scene of kind {kind or 'any'!r} on this shelf allows the task {name!r}")


def others(one: Item, most: int, shelf: Shelf) -> list[Task]:
    """At most so many more tasks of an item's scene, each of another name; captions stand alone."""
    if "caption" in one.task.name:
        return []
    rng = Random(f"{one.scene.seed}|others")
    by_name: dict[str, list[Task]] = {}
    for task in tasks(one.scene):
        if task.name != one.task.name and "caption" not in task.name:
            by_name.setdefault(task.name, []).append(task)
    if not shelf.foreign:
        by_name.pop("language", None)
    names = rng.sample(sorted(by_name), min(most, len(by_name)))
    return [rng.choice(by_name[name]) for name in names]


def tasks(scene: Scene) -> list[Task]:
    """Every question that can be asked about a scene, in the phrasings of its split."""
    rng = Random(f"{scene.seed}|{scene.split}|tasks")
    found = []
    for name, (senses, facts) in ASKED.items():
        for fact in facts(scene):
            phrasing = rng.choice(phrasings(name, scene.split))
            question = phrasing.format(**fact.slots)
            question = question[0].upper() + question[1:]
            answer = fact.answer[0].upper() + fact.answer[1:]
            who = asker(rng, scene.split).name if rng.random() < 0.5 else ""
            found.append(Task(name, _senses(scene, senses), question, answer, fact.check, who))
    return found


def phrasings(name: str, split: str) -> tuple[str, ...]:
    """The questions of a task that a split may use."""
    return PHRASINGS[name].unseen if split == "test" else PHRASINGS[name].known


def asker(rng: Random, split: str) -> Voice:
    """Somebody who asks aloud. Test has voices that training does not have."""
    if split != "test" and rng.random() < 0.5:
        return NAMED[rng.choice(FIRST)]
    draw = np.random.default_rng(rng.getrandbits(32))
    while True:
        voice = bent(draw)
        if (split_of("voice", voice.name) == "test") == (split == "test"):
            return voice


def voice(name: str) -> Voice:
    """The voice of a name, to ask with: a named one, or a bent one."""
    if name in NAMED:
        return NAMED[name]
    if not (bend := re.fullmatch(r"warp-([\d.]+)-([\d.]+)", name)):
        raise ValueError(f"no voice {name!r} to ask with; expected {', '.join(NAMED)} or warp-P-E")
    return Voice(name, float(bend[1]), float(bend[2]))


def aloud(text: str) -> str:
    """A question or an answer as it is said: numbers in words."""

    def said(match: re.Match) -> str:
        whole, _, rest = match.group().partition(".")
        told = number(int(whole)) if len(whole) < 5 else " ".join(ONES[int(d)] for d in whole)
        return told + (" point " + " ".join(ONES[int(d)] for d in rest) if rest else "")

    return re.sub(r"\d+(?:\.\d+)?", said, text)


def _senses(scene: Scene, senses: str) -> str:
    return {"picture": "seen", "sound": "heard"}.get(scene.kind, senses)
