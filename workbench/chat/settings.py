"""What can be set for an answer, and the changes that a second answer can be made with.

    settings = Settings(voice="male", speed="fast", pace="text-first")
    settings = Settings(voice=DESCRIBED, described="a child with a high voice", mood="sad")
    settings.how()                     # fields of `Inputs`
    CHANGES["experts shuffled"].edits  # what a lab puts on

A change is small and has a name: an edit of the model, another pace, another clock. What both
answers need to be comparable (timestamps, for a shifted clock) stands in `both`.
Left out: edits with fields to fill in; the dashboard has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from model.aria import pace
from model.data.voices import FIRST, MANNERS, NAMED
from model.turn import Voice
from workbench import edits as wb
from workbench.edits import Edit
from workbench.uploads import words

DESCRIBED, SAMPLED = "described", "sampled"  # in words; like a recording
VOICES = (*NAMED, DESCRIBED, SAMPLED)
SPEEDS, VOLUMES, MOODS = (("", *MANNERS[kind]) for kind in ("speed", "volume", "mood"))
TOLD = 200  # characters of a description
PACES = {
    "aria": "adaptive: speak as soon as the words allow",
    "aria:1": "adaptive, one word ahead",
    "fixed:1:3": "fixed: 1 word, then 3 frames",
    "text-first": "all text first, then speak",
    "learned": "the Talker asks for words itself",
}
HOTTEST = 2.0
SEEDS = 2**31 - 1
MOST = 64  # text tokens of an answer


@dataclass(frozen=True)
class Settings:
    """What a visitor chose. Checked here, whatever a page or a client sent."""

    speak: bool = True
    voice: str = "heart"
    described: str = ""  # the voice in words, where `voice` is DESCRIBED
    speed: str = ""  # of the voice; "" = as usual
    volume: str = ""
    mood: str = ""
    pace: str = "aria"
    temperature: float = 0.0
    seed: int = 0
    system: str = ""  # what the model is told before the conversation
    remember: bool = False  # give it the earlier turns of this conversation
    change: str = "as it is"  # of the model
    beside: str = ""  # a second answer to the same question, with this change; "" = none
    sample: Voice | None = None  # as it was heard in a recording, where `voice` is SAMPLED

    def __post_init__(self) -> None:
        if self.voice not in VOICES:
            raise ValueError(f"no voice is named {self.voice!r}, expected {', '.join(VOICES)}")
        if len(words(self.described, "the description of the voice")) > TOLD:
            raise ValueError(f"the description of the voice has more than {TOLD} characters")
        if self.voice == DESCRIBED and not self.described.strip():
            raise ValueError("tell in words what the voice is like, or choose one that has a name")
        if self.voice == SAMPLED and self.sample is None:
            raise ValueError("there is no recording of a voice yet: 3 to 10 seconds are enough")
        for kind, word in (("speed", self.speed), ("volume", self.volume), ("mood", self.mood)):
            if word and word not in MANNERS[kind]:
                known = ", ".join(MANNERS[kind])
                raise ValueError(f"no {kind} is named {word!r}, expected {known}, or nothing")
        pace(self.pace)
        heat, seed = self.temperature, self.seed
        if not (isinstance(heat, int | float) and isfinite(heat) and 0 <= heat <= HOTTEST):
            raise ValueError(f"the temperature is {heat!r}, expected 0 to {HOTTEST:g}")
        if not (isinstance(seed, int | float) and seed == seed // 1 and 0 <= seed <= SEEDS):
            raise ValueError(f"the seed is {seed!r}, expected a whole number from 0 to {SEEDS}")
        words(self.system, "the system prompt")
        for name in (self.change, *filter(None, [self.beside])):
            if name not in CHANGES:
                raise ValueError(f"there is no change {name!r}, expected {', '.join(CHANGES)}")

    def changes(self) -> list["Change"]:
        """One for each answer that is to be given."""
        return [CHANGES[name] for name in (self.change, self.beside) if name]

    def told(self) -> str:
        """The voice as the Talker is told of it: a name or a description, then the manner."""
        who = {DESCRIBED: " ".join(self.described.split()), SAMPLED: ""}.get(self.voice, self.voice)
        return ", ".join(filter(None, (who, self.speed, self.volume, self.mood)))

    def how(self) -> dict[str, Any]:
        """As fields of `Inputs`."""
        found: dict[str, Any] = {
            "speak": bool(self.speak),
            "voice": self.told(),
            **heard(self.sample if self.voice == SAMPLED else None),
            "pace": pace(self.pace),
            "temperature": float(self.temperature),
            "seed": int(self.seed),
            "most": MOST,
        }
        for change in self.changes():
            found |= change.both
        return found


@dataclass(frozen=True)
class Change:
    """One difference, by name."""

    name: str
    edits: tuple[Edit, ...] = ()
    how: Mapping[str, Any] = field(default_factory=dict)  # fields of `Inputs` of this answer
    both: Mapping[str, Any] = field(default_factory=dict)  # and of the one beside it, too


def heard(sample: Voice | None) -> dict[str, np.ndarray | None]:
    """A voice that was heard, as fields of `Inputs`."""
    if sample is None:
        return {"voice_codes": None, "voice_colour": None}
    return {
        "voice_codes": sample.codes.numpy().astype(np.int16),
        "voice_colour": sample.colour.numpy(),
    }


def _voice(name: str) -> dict[str, Any]:
    return {"voice": name, **heard(None)}


SPOKEN = (*FIRST, *(f"heart, {word}" for word in ("slow", "fast", "loud", "sad", "excited")))
CHANGES = {
    change.name: change
    for change in (
        Change("as it is"),
        Change("expert 0 banned in every layer", (wb.ban_expert(None, 0),)),
        Change("one expert a token", (wb.top_k(1),)),
        Change("experts shuffled", (wb.shuffle_experts(),)),
        Change("a fixed pace, 1 word : 3 frames", (wb.fixed_ratio(1, 3),)),
        Change("all text before the first sound", (wb.text_first(),)),
        Change(
            "the clock of the recording runs 2 s ahead",
            (wb.shift_timestamps(2),),
            both={"interval": 1.0},
        ),
        Change("words drawn at temperature 1", how={"temperature": 1.0}),
        Change("another seed", how={"seed": 1, "temperature": 1.0}),
        *(Change(f"in the voice {name}", how=_voice(name)) for name in SPOKEN),
        Change("text only", how={"speak": False}),
    )
}
