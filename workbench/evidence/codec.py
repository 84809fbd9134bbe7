"""Codec: is a voice that went through the codec still understood, and still the same voice?

Open sentences never read in training, voices that were. The judge hears the original and the copy;
what the copy adds to its errors is ours. The speaker vector compares the two recordings.
`omni copy` looks for the codes whose sound comes nearest (model/speech/search.py); "chosen at once"
is what the encoder alone chooses, as the Talker was taught it and a voice is imitated.
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
WORDS_ONCE = Row("codec-once-wer", "codec: the same, codes chosen at once", "points", None, None)
SPEAKER_ONCE = Row(
    "codec-once-speaker", "codec: speaker cosine, codes chosen at once", "", None, None, True
)


@dataclass(frozen=True)
class Copied:
    id: str
    voice: str
    text: str
    original: str  # what the judge hears
    copy: str
    once: str  # the same of codes that are chosen at once
    cosine: float
    cosine_once: float


def choose(held: Held, n: int) -> list[Spoken]:
    return held.open(n, held.seen)


def measure(candidate: Candidate, clip: Spoken) -> Copied:
    copy = candidate.copy(clip.samples, clip.rate)
    once = candidate.copy(clip.samples, clip.rate, once=True)
    ear = judges.speaker()
    original = ear.vector(clip.samples, clip.rate)
    return Copied(
        clip.id,
        clip.voice,
        clip.text,
        judges.listen(clip.samples, clip.rate),
        judges.listen(copy, RATE),
        judges.listen(once, RATE),
        float(original @ ear.vector(copy, RATE)),
        float(original @ ear.vector(once, RATE)),
    )


def figures(items: Sequence[Copied]) -> tuple[Figure, ...]:
    before = [judges.wer(item.text, item.original) for item in items]
    lengths = [errors.length for errors in before]
    floor = ratio([errors.count for errors in before], lengths, 100).value
    voices, found = len({item.voice for item in items}), []
    ways = (
        (WORDS, SPEAKER, [item.copy for item in items], [item.cosine for item in items]),
        (WORDS_ONCE, SPEAKER_ONCE, [item.once for item in items], [i.cosine_once for i in items]),
    )
    for words, speaker, heard, cosines in ways:
        after = [judges.wer(item.text, text) for item, text in zip(items, heard, strict=True)]
        more = [b.count - a.count for a, b in zip(before, after, strict=True)]
        whole = ratio([errors.count for errors in after], lengths, 100).value
        note = f"WER of the copy {whole:.1f} %; {voices} voices"
        judge = judges.first().name
        found.append(figure(words, ratio(more, lengths, 100), len(items), judge, floor, note))
        note = f"lowest {min(cosines):.2f}"
        judge = judges.speaker().name
        found.append(figure(speaker, mean(cosines), len(items), judge, note=note))
    return tuple(found)


CODEC = Experiment(
    "codec", (WORDS, SPEAKER, WORDS_ONCE, SPEAKER_ONCE), Copied, choose, measure, figures
)
