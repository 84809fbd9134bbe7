"""ARIA, adaptive rate interleave alignment: how text and speech share one stream.

An item has T text tokens and S speech frames. An interleaving is a path from (0, 0) to (T, S);
ARIA admits it when for every prefix `n_s * T <= n_t * S`: speech never runs ahead of the item's own
rate. Text may run ahead without limit, so "all text first" is admissible too.

    text   0---1---2---3          a path is a tuple of booleans: True = text, False = speech
    speech  \\..\\..\\..\\..         "tightest" speaks as soon as the law allows

Training draws paths (`draw`); speaking follows a `Pace`, which knows only what was heard so far.
Not in the report, decided here: the end-of-text mark counts as text, frames (not codebooks) count
as speech, the rate is estimated from the words heard (docs of `Aria`). Source: report section 2.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

Path = tuple[bool, ...]  # True = a text token, False = a speech frame


def lawful(path: Sequence[bool], text: int | None = None, speech: int | None = None) -> bool:
    """Does every prefix keep `n_s * T <= n_t * S`? Integers, no floats.

    `text` and `speech` default to the path's own totals; give them to check against another rate.
    """
    text = sum(path) if text is None else text
    speech = len(path) - sum(path) if speech is None else speech
    heard = spoken = 0
    for is_text in path:
        heard, spoken = heard + is_text, spoken + (not is_text)
        if spoken * text > heard * speech:
            return False
    return True


def _check(text: int, speech: int) -> None:
    if text < 1 or speech < 0:
        raise ValueError(f"an item needs at least 1 text token and 0 frames, got {text}, {speech}")


def ahead(text: int, speech: int, lead: int = 0) -> Path:
    """The path whose text is `lead` tokens ahead of the item's rate; 0 is the tightest path."""
    _check(text, speech)
    path: list[bool] = []
    spoken = 0
    for heard in range(1, text + 1):
        path.append(True)
        allowed = speech if heard == text else max(0, heard - lead) * speech // text
        path += [False] * (allowed - spoken)
        spoken = max(spoken, allowed)
    return tuple(path)


def chunked(text: int, speech: int, words: int, frames: int) -> Path:
    """`words` text tokens, then `frames` frames, over and over; the law cuts what runs ahead."""
    _check(text, speech)
    path: list[bool] = []
    heard = spoken = 0
    while heard < text:
        take = min(words, text - heard)
        heard += take
        path += [True] * take
        allowed = speech if heard == text else min(spoken + frames, heard * speech // text)
        path += [False] * (allowed - spoken)
        spoken = allowed
    return tuple(path)


def text_first(text: int, speech: int) -> Path:
    """Ordinary text-to-speech: everything is read before the first sound."""
    _check(text, speech)
    return (True,) * text + (False,) * speech


def draw(text: int, speech: int, rng: np.random.Generator) -> Path:
    """A random admissible path: mostly a few tokens ahead, sometimes chunked or text first."""
    kind = rng.random()
    if kind < 0.75:
        return ahead(text, speech, int(rng.integers(1, 6)))
    if kind < 0.9:
        words = int(rng.integers(1, 5))
        return chunked(text, speech, words, max(1, int(words * speech / text)))
    return text_first(text, speech)


@dataclass(frozen=True)
class Standing:
    """Where a stream of speech stands: all that a pace may look at."""

    heard: int  # text tokens taken so far
    spoken: int  # frames spoken so far
    expected: float  # frames that the heard tokens should take, as the Talker estimates
    wish: bool = False  # would the Talker's head itself rather have the next word?


@runtime_checkable
class Pace(Protocol):
    """When does the Talker take its next word?"""

    def wants_word(self, now: Standing) -> bool:
        """True: take a word before speaking on. Asked only while words may still come."""
        ...


@dataclass(frozen=True)
class Aria:
    """The adaptive rate: speak only what the words heard so far allow, `lead` tokens held back.

    The rate is the mean of the Talker's own estimate over the words heard, so it sharpens as words
    arrive and differs by language, voice and content.
    """

    lead: int = 3

    def wants_word(self, now: Standing) -> bool:
        allowed = (now.heard - self.lead) * now.expected  # times the words heard
        return now.heard <= self.lead or (now.spoken + 1) * now.heard > allowed


@dataclass(frozen=True)
class FixedRatio:
    """`words` tokens, then `frames` frames, whatever is being said."""

    words: int
    frames: int

    def __post_init__(self):
        if self.words < 1 or self.frames < 1:
            raise ValueError(f"a fixed ratio needs at least 1:1, got {self.words}:{self.frames}")

    def wants_word(self, now: Standing) -> bool:
        rounds, rest = divmod(now.heard, self.words)
        return rest > 0 or now.spoken >= rounds * self.frames


@dataclass(frozen=True)
class TextFirst:
    """Hear everything, then speak."""

    def wants_word(self, now: Standing) -> bool:
        return True


@dataclass(frozen=True)
class Learned:
    """The Talker's head asks for words itself, inside the bound of `Aria(lead=0)`, and never more
    than `most` tokens ahead of its estimate."""

    most: int = 8

    def wants_word(self, now: Standing) -> bool:
        if Aria(lead=0).wants_word(now):
            return True
        return now.wish and Aria(lead=self.most).wants_word(now)


def pace(spec: str) -> Pace:
    """Read a pace from words: `aria`, `aria:2`, `fixed:1:3`, `text-first`, `learned`."""
    name, *rest = spec.split(":")
    try:
        numbers = [int(part) for part in rest]
        kinds = {"aria": Aria, "fixed": FixedRatio, "text-first": TextFirst, "learned": Learned}
        return kinds[name](*numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"unknown pace {spec!r}: expected aria, aria:N, fixed:N:M, text-first or learned"
        ) from error


@dataclass(frozen=True)
class Audit:
    """What became of one spoken item."""

    path: Path
    expected: float  # the Talker's estimate of all frames
    ended: bool  # did the Talker end by itself (not by the cap)?

    @property
    def lawful(self) -> bool:
        """The law offline, against the item's true rate."""
        return lawful(self.path)
