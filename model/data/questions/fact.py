"""What a kind of question makes of a scene: facts; and how its phrasings are written down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from model.data.check import Check
from model.data.scenes import Scene


@dataclass(frozen=True)
class Fact:
    slots: dict[str, str]  # of the question
    answer: str
    check: Check


# what is taken of a film (seen, heard, both), and what can be asked for
Asked = tuple[str, Callable[[Scene], Iterator[Fact]]]


class Phrasings(NamedTuple):
    """Ways to ask one thing."""

    known: tuple[str, ...]  # in training and validation
    unseen: tuple[str, ...]  # in the test alone


def phrasings_of(text: str) -> dict[str, Phrasings]:
    """One task a line: its name, a colon, phrasings; after || those of the test."""
    found = {}
    for line in text.strip().splitlines():
        name, _, rest = line.partition(":")
        parts = (tuple(map(str.strip, part.split("|"))) for part in rest.split("||"))
        found[name.strip()] = Phrasings(*parts)
    return found
