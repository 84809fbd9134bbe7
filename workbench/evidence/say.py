"""Speaking: are open sentences said so that a stranger writes them down rightly, word for word?

Sentences never read in training, in the named voices of the training. The floor is the same judge
on recordings of the same sentences in the voice we learned from. A sentence slips where the judge
misses a word or hears one twice in a row; the note says how often the second judge agrees.
`omni say` says each sentence several times and keeps what its own ear hears best; "at the first
attempt" is what streams.
`say("fixed:1:3")` asks the same of another pace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from model.aria import pace as read_pace
from model.data.store import Spoken
from model.data.voices import NAMED
from workbench import judges
from workbench.evidence.candidate import RATE, Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean, ratio
from workbench.evidence.items import Held


@dataclass(frozen=True)
class Spelled:
    id: str
    voice: str
    text: str
    heard: str  # by the first judge
    once: str  # by the first judge, of the first attempt
    second: str  # by the second judge; asked only where the first one finds a slip
    floor: str  # by the first judge, on the original recording
    seconds: float
    tokens: int  # text tokens taken by the Talker
    frames: int
    lawful: bool  # was speech never ahead of the item's own rate?
    silent: bool  # words without frames: fewer frames than text tokens
    endless: bool  # frames without words: the speech was cut off by its cap


def choose(held: Held, n: int) -> list[Spoken]:
    return held.open(n, NAMED)


def measure(candidate: Candidate, clip: Spoken, pace: str) -> Spelled:
    said = candidate.say(clip.text, clip.voice, pace)
    heard = judges.listen(said.samples, RATE)
    once = candidate.say(clip.text, clip.voice, pace, once=True)
    slip = judges.slips(clip.text, heard)
    tokens = [sum(audit.path) for audit in said.audits]
    frames = [len(audit.path) - sum(audit.path) for audit in said.audits]
    return Spelled(
        clip.id,
        clip.voice,
        clip.text,
        heard,
        judges.listen(once.samples, RATE),
        judges.second().hear(said.samples, RATE) if slip else "",
        judges.listen(clip.samples, clip.rate),
        len(said.samples) / RATE,
        sum(tokens),
        sum(frames),
        all(audit.lawful for audit in said.audits),
        any(f < t for t, f in zip(tokens, frames, strict=True)),
        not all(audit.ended for audit in said.audits),
    )


def figures(items: Sequence[Spelled], rows: tuple[Row, ...]) -> tuple[Figure, ...]:
    words_row, slips_row, words_once, slips_once = rows
    first = [judges.wer(item.text, item.once) for item in items]
    slipped = [bool(judges.slips(item.text, item.once)) for item in items]
    heard = [judges.wer(item.text, item.heard) for item in items]
    floor = [judges.wer(item.text, item.floor) for item in items]
    words = [errors.length for errors in heard]
    slips = [bool(judges.slips(item.text, item.heard)) for item in items]
    agreed = [s and bool(judges.slips(i.text, i.second)) for i, s in zip(items, slips, strict=True)]
    judge = judges.first().name
    return (
        figure(
            words_row,
            ratio([errors.count for errors in heard], words, 100),
            len(items),
            judge,
            ratio([errors.count for errors in floor], words, 100).value,
            f"{sum(errors.count == 0 for errors in heard)} sentences exact (original voice "
            f"{sum(errors.count == 0 for errors in floor)}); "
            f"{len({item.voice for item in items})} voices",
        ),
        figure(
            slips_row,
            mean(slips, 100),
            len(items),
            judge,
            100 * sum(bool(judges.slips(i.text, i.floor)) for i in items) / len(items),
            f"both judges agree on {sum(agreed)}; words without frames in "
            f"{sum(item.silent for item in items)}, no end in {sum(i.endless for i in items)}; "
            f"law kept at the true rate in {sum(item.lawful for item in items)}",
        ),
        figure(
            words_once, ratio([errors.count for errors in first], words, 100), len(items), judge
        ),
        figure(slips_once, mean(slipped, 100), len(items), judge),
    )


def say(pace: str = "aria") -> Experiment:
    """The experiment at one pace."""
    read_pace(pace)  # an unknown one is refused now, not after the first sentence
    mark = "" if pace == "aria" else f"@{pace}"
    rows = (
        Row(
            f"say-wer{mark}",
            f"say: judge WER, open held-out sentences, pace {pace}",
            "%",
            12.0,
            4.0,
        ),
        Row(f"say-slips{mark}", "say: sentences with a skipped or repeated word", "%", 10.0, 3.0),
        Row(f"say-once-wer{mark}", f"say: judge WER, at the first attempt, pace {pace}", "%",
            None, None),
        Row(f"say-once-slips{mark}", "say: skipped or repeated, at the first attempt", "%",
            None, None),
    )  # fmt: skip
    return Experiment(
        f"say{mark}",
        rows,
        Spelled,
        choose,
        partial(measure, pace=pace),
        partial(figures, rows=rows),
    )
