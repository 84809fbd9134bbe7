"""Answers: is a spoken question, in words never heard in training, answered rightly?

Right in text: the answer holds its key (`judges.contains`). Right in speech: the judge, who hears
only the sound, finds the key in it; homophones (two, to) count as one. Asked again in writing, a
question shows whether it was not known or not heard.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model.data.store import Spoken, Turn
from model.senses.message import Message
from workbench import judges
from workbench.evidence.candidate import RATE, Candidate, together
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean

TEXT = Row(
    "answers-text", "answers to held-out spoken questions, right in text", "%", 85.0, 97.0, True
)
SPEECH = Row("answers-speech", "the same, right in speech", "%", 75.0, 92.0, True)
WRITTEN = Row("answers-written", "the same, asked in writing, right in text", "%", None, None, True)


@dataclass(frozen=True)
class Answered:
    id: str
    task: str
    voice: str
    question: str
    key: str
    text: str
    heard: str
    written: str  # the answer to the same question in writing


def measure(candidate: Candidate, item: tuple[Turn, Spoken]) -> Answered:
    turn, clip = item
    said = together(list(candidate.answer(clip.samples, clip.rate)))
    heard = judges.listen(said.samples, RATE)
    written = candidate.reply(Message.of("user", turn.question))
    return Answered(
        turn.id, turn.task, clip.voice, turn.question, turn.key, said.text, heard, written
    )


def figures(items: Sequence[Answered]) -> tuple[Figure, ...]:
    text = [judges.contains(item.key, item.text) for item in items]
    speech = [judges.contains(item.key, item.heard, by_ear=True) for item in items]
    asked = Counter(item.task for item in items)
    wrong = Counter(item.task for item, right in zip(items, text, strict=True) if not right)
    worst = ", ".join(f"{task} {n} of {asked[task]}" for task, n in wrong.most_common(3))
    both = sum(a and b for a, b in zip(text, speech, strict=True))
    return (
        figure(
            TEXT,
            mean(text, 100),
            len(items),
            "the key",
            note=f"{len(asked)} tasks; most often wrong: {worst or 'none'}",
        ),
        figure(
            SPEECH,
            mean(speech, 100),
            len(items),
            judges.first().name,
            note=f"{both} of the {sum(text)} right in text are right in speech",
        ),
        figure(
            WRITTEN,
            mean([judges.contains(item.key, item.written) for item in items], 100),
            len(items),
            "the key",
        ),
    )


ROWS = (TEXT, SPEECH, WRITTEN)
ANSWERS = Experiment("answers", ROWS, Answered, lambda held, n: held.questions(n), measure, figures)
