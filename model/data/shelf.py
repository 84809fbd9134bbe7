"""What scenes of one split can be made of here: recordings, voices, foreign voices, styles.

    datasets/scenes (always)      datasets/spoken (if built)      tuxpaint-stamps-default (if there)

Taking stock reads tables only; a clip is decoded when a mix needs it (`Shelf.speech`). Test has the
voices and sentences that training never hears (four Kokoro voices), recordings that it never plays,
and the styles that the caller asks for: the seen ones, to test unseen combinations of object and
colour, or `("fluent",)`, `("stamp",)`, `("photo",)`. Training has more styles than it is tested in.

English voices come from `model.data.store`. Other languages are the descriptions that people read
for Tux Paint's stamps (GPL-2: read where Debian puts them, never copied), each with its text and
the English text; their split is by the hash of the stamp's name, the speakers are the same.

Left out: voices between man, woman and child; clips over 4 seconds or with digits in the text.

    train = shelf("train")
    train.speech(train.clips[0].id)     # float32 at 16 kHz
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32
from scipy.signal import resample_poly

from model.data import pictures, sounds
from model.data.catalog import MORE_STYLES, SEEN_STYLES, SOUNDS, Recording, split_of
from model.data.phones import UNIT_MS
from model.data.store import Clips, Store
from model.data.voices import NAMED

LONGEST = 4.0  # seconds of a clip in a scene
FEWEST = 4  # clips of a voice that speaks in scenes
SPEAKERS = {"heart": "woman", "alto": "woman", "male": "man", "deep": "man", "child": "child"}
LANGUAGES = {
    "be": "Belarusian",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "da": "Danish",
    "el": "Greek",
    "es": "Spanish",
    "fr": "French",
    "lt": "Lithuanian",
    "nl": "Dutch",
    "ro": "Romanian",
    "ru": "Russian",
}


@dataclass(frozen=True)
class Clip:
    """Something somebody says."""

    id: str
    text: str
    voice: str
    speaker: str  # man, woman, child, person
    seconds: float  # 0: not known before it is read, see `Shelf.seconds`
    language: str = "en"
    meaning: str = ""


@dataclass(frozen=True, eq=False)
class Shelf:
    split: str
    styles: tuple[str, ...]
    recordings: tuple[Recording, ...] = field(repr=False)
    clips: tuple[Clip, ...] = field(default=(), repr=False)
    foreign: tuple[Clip, ...] = field(default=(), repr=False)
    spoken: Clips | None = field(default=None, repr=False)

    @cached_property
    def sounds(self) -> tuple[str, ...]:
        """The kinds of sound there are recordings of."""
        here = {r.sound for r in self.recordings}
        return tuple(name for name in SOUNDS if name in here)

    @cached_property
    def _by_sound(self) -> dict[str, tuple[Recording, ...]]:
        return {n: tuple(r for r in self.recordings if r.sound == n) for n in self.sounds}

    def of(self, sound: str) -> tuple[Recording, ...]:
        return self._by_sound[sound]

    @cached_property
    def voices(self) -> dict[str, tuple[tuple[Clip, ...], ...]]:
        """Speaker (man, woman, child) -> the clips of each voice; half of the draws are named."""
        by: dict[tuple[str, str], list[Clip]] = {}
        for clip in self.clips:
            by.setdefault((clip.speaker, clip.voice), []).append(clip)
        found: dict[str, tuple[tuple[Clip, ...], ...]] = {}
        for speaker in ("man", "woman", "child"):
            of = {v: tuple(c) for (s, v), c in by.items() if s == speaker and len(c) >= FEWEST}
            named = [clips for voice, clips in of.items() if voice in NAMED]
            other = [clips for voice, clips in of.items() if voice not in NAMED]
            if of:
                found[speaker] = tuple(named * max(1, len(other) // max(1, len(named))) + other)
        return found

    @cached_property
    def tongues(self) -> tuple[tuple[Clip, ...], ...]:
        """The foreign clips of each language."""
        return tuple(
            found
            for language in LANGUAGES
            if (found := tuple(c for c in self.foreign if c.language == language))
        )

    def seconds(self, clip: Clip) -> float:
        """How long a clip is."""
        return clip.seconds or soundfile.info(_stamp(clip.id)).duration

    def speech(self, id: str) -> Float32[np.ndarray, " samples"]:
        """A clip at 16 kHz and at the loudness of recordings."""
        if id.startswith("tuxpaint:"):
            return sounds.level(sounds.read(_stamp(id)))
        if self.spoken is None or id not in self.spoken.index:
            raise ValueError(
                f"no clip {id!r} in the {self.split} part of datasets/spoken; "
                "`omni data build micro` makes it"
            )
        clip = self.spoken[self.spoken.index[id]]
        first, last = (round(t * clip.rate) for t in _spoken(clip.units, clip.seconds))
        samples = resample_poly(clip.samples[first:last], sounds.RATE, clip.rate)
        return sounds.level(samples.astype(np.float32))


def shelf(
    split: str, root: str | Path = "datasets", styles: tuple[str, ...] | None = None
) -> Shelf:
    """What is here for a split; without `styles` all that training sees, of the others the three
    that have every object."""
    seen = (*SEEN_STYLES, *MORE_STYLES)
    styles = (seen if split == "train" else SEEN_STYLES) if styles is None else styles
    if not styles:
        raise ValueError(f"no styles; expected some of {', '.join(SEEN_STYLES)}")
    if split != "test" and not set(styles) <= set(seen):
        raise ValueError(f"styles {', '.join(styles)} are for the test only, not for {split}")
    for style in styles:
        pictures.names(style)  # says what is missing
    spoken = Store(root).spoken(split)
    clips = _english(spoken, split) if len(spoken) else ()
    return Shelf(split, styles, sounds.available(split), clips, _foreign(split), spoken)


def _stamp(id: str) -> Path:
    """The file of a description of a stamp."""
    path = sounds.STAMPS / f"{id.partition(':')[2]}.ogg"
    if not path.exists():
        raise ValueError(f"{id} cannot be read: install the Debian package tuxpaint-stamps-default")
    return path


def speaker(voice: str) -> str:
    """Man, woman or child, by the name of a voice; "" where it could be two."""
    if voice in SPEAKERS:
        return SPEAKERS[voice]
    if found := re.fullmatch(r"warp-([\d.]+)-([\d.]+)", voice):
        pitch, throat = map(float, found.groups())
        if pitch <= 0.70:
            return "man"
        if 0.80 <= pitch <= 1.10:
            return "woman"
        return "child" if pitch >= 1.20 and throat >= 1.05 else ""
    kokoro = {"f": "woman", "m": "man"}
    return kokoro.get(voice[1:2], "") if re.fullmatch(r"[a-z][fm]_\w+", voice) else ""


def _english(spoken: Clips, split: str) -> tuple[Clip, ...]:
    names = ("id", "text", "voice", "source", "seconds", "units")
    columns = [spoken.column(name) for name in names]
    sources = {"kokoro-unseen"} if split == "test" else {"wordnet", "chatterbot", "template"}
    return tuple(
        Clip(id, text, voice, who, round(last - first, 2))
        for id, text, voice, source, seconds, units in zip(*columns, strict=True)
        if source in sources and seconds <= LONGEST and not re.search(r"\d", text)
        if (who := speaker(voice))
        for first, last in (_spoken(units, seconds),)
    )


def _spoken(units: Sequence[int], seconds: float) -> tuple[float, float]:
    """From where to where one hears something: without most of the silence at the ends.

    The first symbol is a pad; the last two are a full stop and a pad, silent as well, and the
    voices let the sound before them die away for longer than one hears it.
    """
    if len(units) < 4:
        return 0.0, seconds
    unit = UNIT_MS / 1000
    return max(0, units[0] - 1) * unit, seconds - (units[-1] + units[-2] + 3) * unit


@cache
def _foreign(split: str) -> tuple[Clip, ...]:
    """What people say of Tux Paint's stamps in their languages; nothing without the package."""
    found = []
    for path in sorted(sounds.STAMPS.glob("**/*_desc_*.ogg")):
        stem, _, language = path.stem.partition("_desc_")
        if language not in LANGUAGES or split_of("stamp", stem) != split:
            continue
        meaning, texts = _labels(path.with_name(f"{stem}.txt"))
        text = texts.get(language, "")
        odd = re.search(r"[^\w\s,.!?'-]", text + meaning)  # brackets, quotes, dashes
        if 3 <= len(text) <= 60 and text != meaning and not odd:
            id = "tuxpaint:" + str(path.relative_to(sounds.STAMPS).with_suffix(""))
            clip = Clip(id, text, f"tuxpaint-{language}", "person", 0.0, language, meaning)
            found.append(clip)
    return tuple(found)


@cache
def _labels(path: Path) -> tuple[str, dict[str, str]]:
    """What a stamp shows, in English and by language."""
    if not path.exists():
        return "", {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(".utf8=")[::2] for line in lines[1:])
    return lines[0].strip() if lines else "", {name: text.strip() for name, text in pairs}
