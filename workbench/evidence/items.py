"""Which held-out items are used: test clips and test turns, drawn the same way on every machine.

Items are ordered by the hash of their id, so a bigger build of the data keeps most of a smaller
one's items. A clip whose words also occur in training is dropped, though the data's own split
should leave none.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import TypeVar

from model.data.store import Spoken, Store, Turn
from model.data.voices import NAMED, UNSEEN

OPEN = ("wordnet", "chatterbot", "template", "kokoro-unseen")  # sources of open sentences
Item = TypeVar("Item", Spoken, Turn)


class Held:
    """The held-out part of a store."""

    def __init__(self, root: str = "datasets"):
        self.store = Store(root)
        self.clips = self.store.spoken("test")
        if not len(self.clips):
            raise ValueError(
                f"{root}/spoken holds no test clips yet; `omni data build micro` makes them"
            )
        train = self.store.spoken("train")
        self.trained = {key(text) for text in train.column("text")}
        self.seen = (set(train.column("voice")) | set(NAMED)) - set(UNSEEN)

    def clip(self, name: str) -> Spoken:
        return self.clips[self.clips.index[name]]

    def open(self, n: int, voices: Iterable[str]) -> list[Spoken]:
        """Up to `n` open sentences in these voices, never read in training."""
        voices = set(voices)
        columns = zip(
            *(self.clips.column(name) for name in ("id", "text", "source", "voice")), strict=True
        )
        fits = [
            name
            for name, text, source, voice in columns
            if source in OPEN and voice in voices and key(text) not in self.trained
        ]
        return [self.clip(name) for name in drawn(fits, n)]

    def questions(self, n: int) -> list[tuple[Turn, Spoken]]:
        """Up to `n` spoken questions that were never asked in training, with their sound."""
        asked = {key(turn.question) for turn in self.store.turns("train")}
        turns = {
            turn.id: turn
            for turn in self.store.turns("test")
            if turn.key
            and turn.task != "repeat"
            and turn.question_audio in self.clips.index
            and key(turn.question) not in asked
        }
        return [(turns[i], self.clip(turns[i].question_audio)) for i in drawn(turns, n)]


def key(text: str) -> str:
    """What two spellings of a sentence share."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def drawn(names: Iterable[str], n: int) -> list[str]:
    """`n` of the names, in an order that looks random and is always the same."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:n]
