"""The world: are questions about scenes with known truth answered rightly?

Scenes, recordings, styles and phrasings are those of the test (model/data/ask.py, shelf.py); the
answer is judged by the question's own check. Beside each figure stand two that need no senses: the
same model with the question alone ("blind"), and always the most common answer of each task. What
is asked about times is asked again with nothing that tells the time ("muted"). What is said in
other languages is written down as `omni hear --foreign` does.

    omni eval world --items 200

Left out: questions asked aloud (answers.py), voices, turn taking (turns.py).
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model.data.ask import Item, item
from model.data.catalog import SEEN_STYLES
from model.data.shelf import Shelf, shelf
from model.senses.message import Message, Text
from workbench.evidence.candidate import Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean
from workbench.evidence.items import Held

SEEN = ("what", "things", "color", "which", "count", "exists", "where", "beside", "is beside",
        "between", "bigger", "read")  # fmt: skip
NATURAL = tuple(task for task in SEEN if task not in ("color", "which"))  # of photos
SCALE = 0.5  # of films; pictures are shown whole


@dataclass(frozen=True)
class Topic:
    """One row: which questions, about which scenes."""

    row: Row
    kind: str  # of scene
    tasks: tuple[str, ...]
    styles: tuple[str, ...] = SEEN_STYLES
    muted: bool = False  # ask again without timestamps


@dataclass(frozen=True)
class Asked:
    id: str
    item: Item
    shelf: Shelf
    muted: bool


@dataclass(frozen=True)
class Answered:
    id: str
    task: str
    question: str
    truth: str
    said: str
    score: float
    right: bool
    blind: bool  # was it right without seeing and hearing?
    muted: bool  # was it right without timestamps? as `right` where that is not asked
    parsed: bool  # is it JSON?


def choose(topic: Topic, held: Held, n: int) -> list[Asked]:
    """`n` items, as many of one task as of another."""
    place = shelf("test", held.store.root, topic.styles)
    tasks = topic.tasks if place.foreign else tuple(t for t in topic.tasks if t != "foreign")
    if not tasks:
        raise ValueError(f"{topic.row.name}: no recordings of other languages on this machine")
    return [
        Asked(f"{topic.row.name}-{i}", item(i, place, topic.kind, tasks[i % len(tasks)]), place,
              topic.muted)
        for i in range(n)
    ]  # fmt: skip


def measure(candidate: Candidate, asked: Asked) -> Answered:
    task, message = asked.item.task, _written(asked)
    said = candidate.reply(message)
    right = task.check.right(said)
    muted = task.check.right(candidate.reply(message, timestamps=False)) if asked.muted else right
    blind = candidate.reply(Message("user", (Text(task.question),)))
    return Answered(
        asked.id, task.name, task.question, task.answer, said, task.check.score(said), right,
        task.check.right(blind), muted, _parsed(said),
    )  # fmt: skip


def write_down(candidate: Candidate, asked: Asked) -> Answered:
    """What a foreigner says, as the ear alone spells it."""
    task, audio = asked.item.task, _written(asked).parts[0]
    said = candidate.hear(audio.samples, audio.rate, foreign=True)
    right = task.check.right(said)
    return Answered(asked.id, task.name, task.question, task.answer, said, task.check.score(said),
                    right, False, right, False)  # fmt: skip


def _written(asked: Asked) -> Message:
    """What is seen and heard, and the question in writing."""
    scale = 1.0 if asked.item.scene.kind == "picture" else SCALE
    written = replace(asked.item, task=replace(asked.item.task, voice=""))
    return written.message(asked.shelf, scale=scale)


def _parsed(said: str) -> bool:
    try:
        return isinstance(json.loads(said), dict | list)
    except json.JSONDecodeError:
        return False


def _common(items: Sequence[Answered]) -> float:
    """Percent right by always giving the most common answer of each task."""
    truths: dict[str, Counter[str]] = {}
    for one in items:
        truths.setdefault(one.task, Counter())[one.truth] += 1
    return 100 * sum(max(count.values()) for count in truths.values()) / len(items)


def _experiment(topic: Topic) -> Experiment:
    row = topic.row
    mute = Row(f"{row.name}-muted", f"{row.what}, timestamps removed", "%", None, None, True)

    def figures(items: Sequence[Answered]) -> tuple[Figure, ...]:
        n, judge = len(items), "the scene"
        blind = sum(one.blind for one in items) / n
        wrong = Counter(one.task for one in items if not one.right)
        worst = ", ".join(f"{task} {count}" for task, count in wrong.most_common(3))
        note = f"blind {100 * blind:.0f} %, most common answer {_common(items):.0f} %"
        note += f"; most often wrong: {worst or 'none'}"
        made = [figure(row, mean([one.right for one in items], 100), n, judge, note=note)]
        if topic.muted:
            made.append(figure(mute, mean([one.muted for one in items], 100), n, judge))
        return tuple(made)

    rows = (row, mute) if topic.muted else (row,)
    return _examined(row.name, topic, rows, figures)


def _examined(
    name: str, topic: Topic, rows: tuple[Row, ...], figures: Callable, ask: Callable = measure
) -> Experiment:
    def chosen(held: Held, n: int) -> list[Asked]:
        return choose(topic, held, n)

    return Experiment(name, rows, Answered, chosen, ask, figures)


def _caption_figures(items: Sequence[Answered]) -> tuple[Figure, ...]:
    n, judge = len(items), "the scene"
    return (
        figure(JSON, mean([one.parsed for one in items], 100), n, judge),
        figure(F1, mean([one.score for one in items]), n, judge),
    )


def _language_figures(items: Sequence[Answered]) -> tuple[Figure, ...]:
    errors = mean([1 - one.score for one in items], 100)
    return (figure(LANGUAGE, errors, len(items), "the text", note="errors beyond 100 % count 100"),)


def _percent(name: str, what: str, bar: float | None, stretch: float | None) -> Row:
    return Row(f"world-{name}", what, "%", bar, stretch, True)


WHEN = ("when sound", "long sound", "span sound", "when said")
TOPICS = (
    Topic(_percent("pictures", "picture questions, unseen combinations", 90, 98), "picture", SEEN),
    Topic(_percent("style", "picture questions, unseen picture style", 60, 85), "picture", SEEN,
          ("fluent",)),
    Topic(_percent("photos", "picture questions, photos of known objects", None, 50), "picture",
          NATURAL, ("photo",)),
    Topic(_percent("sounds", "sound naming, unseen recordings of known classes", 80, 95), "sound",
          ("sound", "sounds", "first sound", "last sound")),
    Topic(_percent("when-audio", "when-questions within 0.5 s, sound", 80, 95), "sound", WHEN,
          muted=True),
    Topic(_percent("when-film", "when-questions within 0.5 s, film", 80, 95), "film",
          ("appears", "goes", "visible"), muted=True),
    Topic(_percent("when-both", "when-questions within 0.5 s, sound of a film", 80, 95), "film",
          WHEN, muted=True),
)  # fmt: skip
JSON = _percent("json", "structured captions: valid JSON", 95, 100)
F1 = Row("world-events", "structured captions: F1 of events at 0.5 s", "", 0.7, 0.9, True)
CAPTIONS = Topic(F1, "film", ("caption structured", "caption structured seen",
                              "caption structured heard"))  # fmt: skip
LANGUAGE = Row("world-languages", "languages: CER of transcription", "%", 25.0, 10.0)
SPOKEN = Topic(LANGUAGE, "sound", ("foreign",))
WORLD = (
    *map(_experiment, TOPICS),
    _examined("world-captions", CAPTIONS, (JSON, F1), _caption_figures),
    _examined("world-languages", SPOKEN, (LANGUAGE,), _language_figures, write_down),
)
