"""A voice in words: "a man with a deep voice, speaking fast and loudly".

What is said comes from what the voice is made of (`model.data.voices`): man, woman or child, high
or low for one, pace, level and mood. Training leaves some of it out at random, and never uses the
phrasings that are held out for the test. Man, woman and child overlap in people; here they are
borders in pitch and length of the throat.

    describe(known("male, fast, loud"), rng)

Left out: accents, ages, names of feelings beyond calm, excited and sad.
"""

import re
from collections.abc import Sequence

import numpy as np

from model.data.voices import MANNERS, Voice

KINDS = ("who", "pitch", "speed", "volume", "mood")
# how a word may be put: in training, in the test
PUT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "man": (("man", "male speaker"), ("man", "guy")),
    "woman": (("woman", "female speaker"), ("woman", "lady")),
    "child": (("child", "kid"), ("child", "young child")),
    "low": (("low", "deep"), ("low",)),
    "high": (("high", "high-pitched"), ("high",)),
    "slow": (("slow", "slowly", "at a slow pace"), ("slowly", "at a slow speed")),
    "fast": (("fast", "quickly", "at a fast pace"), ("fast", "at a fast speed")),
    "soft": (("soft", "softly", "quietly"), ("softly", "with a soft volume")),
    "loud": (("loud", "loudly"), ("loudly", "with a loud volume")),
    "calm": (("calm", "calmly"), ("in a calm mood",)),
    "excited": (("excited", "excitedly"), ("in an excited mood",)),
    "sad": (("sad", "sadly"), ("in a sad mood",)),
}


def facts(voice: Voice) -> dict[str, str]:
    """What one hears of a voice: the words of each kind that are worth saying."""
    if voice.pitch <= 0.72:
        who, low, high = "man", 0.52, 0.61
    elif voice.pitch > 1.0 and voice.envelope >= 1.06:
        who, low, high = "child", 1.14, 1.26
    else:
        who, low, high = "woman", 0.86, 1.07
    found = {"who": who}
    found |= {"pitch": "low"} if voice.pitch < low else {}
    found |= {"pitch": "high"} if voice.pitch > high else {}
    found |= {"speed": "slow"} if voice.speed < 0.88 else {}
    found |= {"speed": "fast"} if voice.speed > 1.15 else {}
    found |= {"volume": "soft"} if voice.gain < 0.65 else {}
    found |= {"volume": "loud"} if voice.gain > 1.40 else {}
    moods = [word for word in voice.manner if word in MANNERS["mood"]]
    return found | ({"mood": moods[0]} if moods else {})


def describe(
    voice: Voice, rng: np.random.Generator, held: bool = False, left_out: float = 0.2
) -> str:
    """The voice in words, each kind of fact left out with a chance, but not all of them. `held`: as
    only the test says it."""
    told = facts(voice)
    kept = [kind for kind in told if rng.random() >= left_out] or [str(rng.choice(list(told)))]
    said = {kind: str(rng.choice(PUT[told[kind]][held])) for kind in kept}
    how = [said[kind] for kind in ("speed", "volume", "mood") if kind in said]
    rng.shuffle(how)
    who, pitch = said.get("who", ""), said.get("pitch", "")
    if held:
        start = f"Speak like a {who}" if who else "Speak"
        return " ".join([start, *([f"in a {pitch} voice"] if pitch else []), _listed(how)]).strip()
    if rng.random() < 0.5:
        parts = [who, f"{pitch} voice" if pitch else "", *how]
        return ", ".join(part for part in parts if part)
    start = f"a {who or 'speaker'}" + (f" with a {pitch} voice" if pitch else "")
    return f"{start}, speaking {_listed(how)}" if how else start


def manner(words: Sequence[str], rng: np.random.Generator, name: str = "") -> str:
    """A name with words of manner: "heart, loud, fast", "heart, speaking fast and loudly"."""
    if not words:
        return name
    plain = rng.random() < 0.6
    said = []
    for word in words:
        if word in MANNERS["pitch"]:
            said.append(f"{word} pitch" if rng.random() < 0.5 else word)
        else:
            said.append(word if plain else str(rng.choice(PUT[word][0])))
    rng.shuffle(said)
    told = ", ".join(said) if plain else _listed(said)
    return ", ".join(part for part in (name, told) if part)


def heeded(told: str) -> set[str]:
    """The words of `PUT` that a voice prompt holds in one way or another."""
    text = told.lower()
    return {
        word
        for word, ways in PUT.items()
        if any(re.search(rf"\b{way}\b", text) for way in (word, *ways[0], *ways[1]))
    }


def tempo(told: str) -> float:
    """How many times as long speech takes as usual, by the words of a voice prompt."""
    found, words = 1.0, heeded(told)
    for ways in MANNERS.values():
        for word in words & set(ways):
            found /= ways[word].get("speed", 1.0)
    return found


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
