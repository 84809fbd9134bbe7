"""Which text token is being spoken when: labels that teach the ear to hear in the Thinker's words.

The voices tell when each sound begins; spaces between sounds are borders of words. Inside a word
its tokens share the time by their length in bytes. That is no exact alignment, and need not be.

    spans = word_spans(clip.phones, clip.units)
    spelled("He ate an apple.", spans, tokenizer, step_ms=40.0, n=50)    # i64[50]

Letters: n time steps. Left out: clips without timings and texts whose words are spoken as several
(numbers in digits, hyphens): they give no labels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.data.phones import UNIT_MS
from model.senses.spell import sounding
from model.senses.tokenizer import Tokenizer
from model.train.losses import IGNORE


def word_spans(phones: Sequence[str], units: Sequence[int]) -> list[tuple[float, float]]:
    """Start and end in ms of every spoken word."""
    spans: list[tuple[float, float]] = []
    start, now = None, 0.0
    for phone, unit in zip(phones, units, strict=True):
        sounds = any(letter.isalpha() for letter in phone)
        if sounds and start is None:
            start = now
        if start is not None and (phone in (" ", "_") or phone in ".,!?;:") and not sounds:
            spans.append((start, now))
            start = None
        now += unit * UNIT_MS
    return spans if start is None else [*spans, (start, now)]


class Said(NamedTuple):
    """When one text token is spoken."""

    index: int  # in the encoded text
    token: int
    start: float  # ms
    end: float


def said(text: str, spans: Sequence[tuple[float, float]], tokenizer: Tokenizer) -> list[Said]:
    """The tokens that sound, in order; none when text and spans do not have the same words."""
    words: list[list[tuple[int, int]]] = []
    for i, token in enumerate(tokenizer.encode(text)):
        piece = tokenizer.piece(token).decode("utf-8", "replace")
        if i == 0 or piece[:1].isspace():
            words.append([])
        if sounding(tokenizer.piece(token)):
            words[-1].append((i, token))
    words = [word for word in words if word]
    if len(words) != len(spans):
        return []
    tokens = []
    for word, (start, end) in zip(words, spans, strict=True):
        sizes = np.array([len(tokenizer.piece(token)) for _, token in word], float)
        borders = start + np.cumsum([0, *sizes]) / sizes.sum() * (end - start)
        times = zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        tokens += [Said(*named, *time) for named, time in zip(word, times, strict=True)]
    return tokens


def spelled(
    text: str, spans: Sequence[tuple[float, float]], tokenizer: Tokenizer, step_ms: float, n: int
) -> np.ndarray:
    """The token spoken at the centre of each of `n` steps, `tts_pad` where nobody speaks; IGNORE
    everywhere when text and spans do not have the same words."""
    tokens = said(text, spans, tokenizer)
    if not tokens:
        return np.full(n, IGNORE)
    labels = np.full(n, tokenizer.tts_pad)
    centres = (np.arange(n) + 0.5) * step_ms
    for _, token, start, end in tokens:
        labels[(centres >= start) & (centres < end)] = token
    return labels
