"""Spoken questions put together from words that voices have said elsewhere.

A synthesised question costs a second of work, so there are thousands of them and no more, in few
phrasings. Every clip has the times of its words: a question of the quiz is spoken by cutting its
words out of clips of one voice and laying them side by side. It sounds chopped, but whoever has
learnt to answer it knows the words by ear, and not the few sentences that were recorded.

    splicer = Splicer(features)
    clip = splicer("Could you tell me what six plus five is?", rng)   # Heard, or None

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


def keys(text: str) -> list[str]:
    """The words of a text, as they are looked up."""
    return re.findall(r"[a-z0-9']+", text.lower())


def _silence(mel: np.ndarray, frames: int) -> np.ndarray:
    """As quiet as the quietest frame of a clip, f16[F, 128]."""
    return np.repeat(mel[mel.mean(1).argmin()][None], frames, axis=0)
