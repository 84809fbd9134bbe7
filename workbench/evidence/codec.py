"""Codec: is a voice that went through the codec still understood, and still the same voice?

Open sentences never read in training, voices that were. The judge hears the original and the copy;
what the copy adds to its errors is ours. The speaker vector compares the two recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.data.store import Spoken
from workbench import judges
from workbench.evidence.candidate import RATE, Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean, ratio
from workbench.evidence.items import Held

WORDS = Row(
    "codec-wer", "codec: judge WER of the copy minus that of the original", "points", 2.0, 0.5
)
SPEAKER = Row(
    "codec-speaker", "codec: speaker cosine of the copy to the original", "", 0.80, 0.88, True
)


@dataclass(frozen=True)
class Copied:
    id: str
    voice: str
    text: str
    original: str  # what the judge hears
    copy: str
    cosine: float


def choose(held: Held, n: int) -> list[Spoken]:
    return held.open(n, held.seen)


def measure(candidate: Candidate, clip: Spoken) -> Copied:
    copy = candidate.copy(clip.samples, clip.rate)
    ear = judges.speaker()
    cosine = float(ear.vector(clip.samples, clip.rate) @ ear.vector(copy, RATE))
    return Copied(
        clip.id,
        clip.voice,
        clip.text,
        judges.listen(clip.samples, clip.rate),
        judges.listen(copy, RATE),
        cosine,
    )


def figures(items: Sequence[Copied]) -> tuple[Figure, ...]:
    before = [judges.wer(item.text, item.original) for item in items]
    after = [judges.wer(item.text, item.copy) for item in items]
    more = [b.count - a.count for a, b in zip(before, after, strict=True)]
    words = [errors.length for errors in before]
    floor = ratio([errors.count for errors in before], words, 100).value
    whole = ratio([errors.count for errors in after], words, 100).value
    voices = len({item.voice for item in items})
    return (
        figure(
            WORDS,
            ratio(more, words, 100),
            len(items),
            judges.first().name,
            floor,
            f"WER of the copy {whole:.1f} %; {voices} voices",
        ),
        figure(
            SPEAKER,
            mean([item.cosine for item in items]),
            len(items),
            judges.speaker().name,
            note=f"lowest {min(item.cosine for item in items):.2f}",
        ),
    )


CODEC = Experiment("codec", (WORDS, SPEAKER), Copied, choose, measure, figures)
