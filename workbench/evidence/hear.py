"""Hearing: how many words of a recording are written down wrongly.

Three sets: open sentences in voices of the training, open sentences in Kokoro voices that were
never trained on, and read prompts of a real person (8 kHz, test only). The floor is what the first
judge, a model trained on real speech, gets wrong on the same recordings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.data.store import Spoken
from model.data.voices import UNSEEN, asterisk
from workbench import judges
from workbench.evidence.candidate import Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, ratio
from workbench.evidence.items import Held, drawn

SEEN_ROW = Row("hear-seen", "hear: WER, open held-out sentences, seen voices", "%", 15.0, 6.0)
UNSEEN_ROW = Row("hear-unseen", "hear: WER, Kokoro voices never trained on", "%", 30.0, 12.0)
HUMAN_ROW = Row("hear-human", "hear: WER, real human recordings (Asterisk en)", "%", None, 45.0)


@dataclass(frozen=True)
class Written:
    id: str
    voice: str
    text: str
    ours: str
    judge: str


def measure(candidate: Candidate, clip: Spoken) -> Written:
    return Written(
        clip.id,
        clip.voice,
        clip.text,
        candidate.hear(clip.samples, clip.rate),
        judges.listen(clip.samples, clip.rate),
    )


def figures_for(row: Row) -> Callable[[Sequence[Written]], tuple[Figure, ...]]:
    def figures(items: Sequence[Written]) -> tuple[Figure, ...]:
        ours = [judges.wer(item.text, item.ours) for item in items]
        theirs = [judges.wer(item.text, item.judge) for item in items]
        words = [errors.length for errors in ours]
        total = sum(ours, judges.Errors(0))
        exact = sum(errors.count == 0 for errors in ours)
        letters = sum((judges.cer(item.text, item.ours) for item in items), judges.Errors(0))
        return (
            figure(
                row,
                ratio([errors.count for errors in ours], words, 100),
                len(items),
                "the text; floor " + judges.first().name,
                ratio([errors.count for errors in theirs], words, 100).value,
                f"{total.substituted} wrong, {total.deleted} missing, {total.inserted} added of "
                f"{total.length} words; CER {100 * letters.rate:.1f} %; {exact} exact",
            ),
        )

    return figures


def prompts(_held: Held, n: int) -> list[Spoken]:
    """Real prompts of 5 to 18 words."""
    clips = {clip.id: clip for clip in asterisk() if 5 <= len(clip.text.split()) <= 18}
    return [clips[name] for name in drawn(clips, n)]


def _experiment(row: Row, choose: Callable[[Held, int], list[Spoken]]) -> Experiment:
    return Experiment(row.name, (row,), Written, choose, measure, figures_for(row))


SEEN = _experiment(SEEN_ROW, lambda held, n: held.open(n, held.seen))
KOKORO = _experiment(UNSEEN_ROW, lambda held, n: held.open(n, UNSEEN))
HUMAN = _experiment(HUMAN_ROW, prompts)
