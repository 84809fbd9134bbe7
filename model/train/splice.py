"""Speech put together from what voices have said elsewhere: questions word by word, and sentences
that end as another one does.

A synthesised question costs a second of work, so there are thousands of them and no more, in few
phrasings. Every clip has the times of its words: a question of the quiz is spoken by cutting its
words out of clips of one voice and laying them side by side. It sounds chopped, but whoever has
learnt to answer it knows the words by ear, and not the few sentences that were recorded.

    splicer = Splicer(features)
    clip = splicer("Could you tell me what six plus five is?", rng)   # Heard, or None

And a model that hears the same sentences again and again learns them by heart. `Grafter` cuts two
of one voice between words, at about the same time, and goes on with the other: as many sentences
as there are pairs, and what comes next can only be heard.

    clip = Grafter(features)(7, rng)   # begins as clip 7 does

Left out: choosing words by how well they fit together.
Letters: F mel frames (10 ms), P phone steps (40 ms).
"""

import re
from collections import defaultdict

import numpy as np

from model.data.voices import NAMED
from model.train.features import STEP, Features, Heard

STEP_MS = 10.0 * STEP
EDGE = 5  # phone steps of silence before and after
MATES = 4  # clips of which the one of the nearest length is grafted on
PAUSE = 0.15  # chance of 40 to 120 ms of silence between two words


class Splicer:
    """Knows where each voice says which word."""

    def __init__(self, features: Features):
        self.features = features
        self.where: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
        for i, row in enumerate(features.rows):
            words = keys(row["text"])
            if row["voice"] not in NAMED or len(words) != len(row["spans"]):
                continue
            known = self.where.setdefault(row["voice"], defaultdict(list))
            for word, (start, end) in zip(words, row["spans"], strict=True):
                known[word].append((i, int(start // STEP_MS), -int(-end // STEP_MS)))

    def __call__(self, text: str, rng: np.random.Generator) -> Heard | None:
        """The text in a voice that has said all of its words; None if there is no such voice."""
        words = keys(text)
        voices = [v for v, known in self.where.items() if all(word in known for word in words)]
        if not words or not voices:
            return None
        voice = voices[int(rng.integers(len(voices)))]
        mels, phones, spans, now = [], [], [], 0
        for number, word in enumerate(words):
            found = self.where[voice][word]
            i, start, end = found[int(rng.integers(len(found)))]
            clip = self.features[i]
            pause = int(rng.integers(1, 4)) if number and rng.random() < PAUSE else 0
            quiet = EDGE if number == 0 else pause
            if quiet:
                mels.append(_silence(clip.mel, quiet * STEP))
                phones.append(np.zeros(quiet, np.int64))
            mels.append(clip.mel[start * STEP : end * STEP])
            phones.append(clip.phones[start:end])
            now += quiet
            spans.append((now * STEP_MS, (now + len(phones[-1])) * STEP_MS))
            now += len(phones[-1])
        mels.append(_silence(clip.mel, EDGE * STEP))
        phones.append(np.zeros(EDGE, np.int64))
        mel = np.concatenate(mels)
        return Heard("", text, voice, "splice", mel, np.concatenate(phones), spans)


class Grafter:
    """Knows which clips are of one voice, and where their words are."""

    def __init__(self, features: Features):
        self.features = features
        self.mates: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(features.rows):
            if 1 < len(row["spans"]) == len(row["text"].split()):
                self.mates[row["voice"]].append(i)

    def __call__(self, i: int, rng: np.random.Generator) -> Heard | None:
        """The beginning of clip i with the end of another by its voice; None if there is none."""
        row = self.features.rows[i]
        mates = self.mates.get(row["voice"], [])
        if len(mates) < 2 or not 1 < len(row["spans"]) == len(row["text"].split()):
            return None
        some = [mates[int(n)] for n in rng.integers(0, len(mates), MATES)]
        lengths = self.features.frames
        other = min(some, key=lambda mate: abs(int(lengths[mate] - lengths[i])))
        one, two = self.features[i], self.features[other]
        kept = int(rng.integers(1, len(one.spans)))  # words
        apart = [abs(begin - one.spans[kept][0]) for begin, _ in two.spans]
        left = max(1, int(np.argmin(apart)))  # words of the other that are left out
        end, start = -int(-one.spans[kept - 1][1] // STEP_MS), int(two.spans[left][0] // STEP_MS)
        shift = (end - start) * STEP_MS
        words = [*one.text.split()[:kept], *two.text.split()[left:]]
        words[kept - 1] = words[kept - 1].rstrip(".!?;:")
        spans = [*one.spans[:kept], *((a + shift, b + shift) for a, b in two.spans[left:])]
        mel = np.concatenate([one.mel[: end * STEP], two.mel[start * STEP :]])
        phones = np.concatenate([one.phones[:end], two.phones[start:]])
        return Heard("", " ".join(words), one.voice, "graft", mel, phones, spans)


def keys(text: str) -> list[str]:
    """The words of a text, as they are looked up."""
    return re.findall(r"[a-z0-9']+", text.lower())


def _silence(mel: np.ndarray, frames: int) -> np.ndarray:
    """As quiet as the quietest frame of a clip, f16[F, 128]."""
    return np.repeat(mel[mel.mean(1).argmin()][None], frames, axis=0)
