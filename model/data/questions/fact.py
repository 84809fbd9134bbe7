"""What a kind of question makes of a scene: facts; and how its phrasings are written down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model.data.check import Check
from model.data.scenes import Scene


@dataclass(frozen=True)
class Fact:
    slots: dict[str, str]  # of the question
    answer: str
    check: Check


# what is taken of a film (seen, heard, both), and what can be asked for
Asked = tuple[str, Callable[[Scene], Iterator[Fact]]]


def phrasings_of(text: str) -> dict[str, tuple[str, ...]]:
    """One task a line: its name, a colon, phrasings."""
    found = {}
    for line in text.strip().splitlines():
        name, _, rest = line.partition(":")
        found[name.strip()] = tuple(part.strip() for part in rest.split("|"))
    return found
