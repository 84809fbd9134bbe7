"""Dialogues with known truth: what a microphone hears while the assistant is quiet or talks.

    seed --sample--> Dialogue (plain data: who speaks when, what else sounds, when the assistant
    talks) --render--> float32 at 16 kHz       --truth--> one of TURNS every 160 ms

The other side speaks in turns, with pauses of 0.3 to 1.2 s between words inside a sentence; while
the assistant talks it says "mm-hm" or interrupts, by a call ("wait, stop") or just by a sentence.
The assistant's own voice is not in the microphone. Around are other people far away (quiet, dull,
in a hall), instruments, animals, doors, noise. The test has sentences, phrasings, voices and
recordings of its own.

    cast = Cast("train")
    dialogue = sample(7, cast)                   # 24 s of everything
    samples, known = render(dialogue, cast), truth(dialogue)
    sample(7, Cast("test"), "backchannel")       # one thing at a time, to measure it

Truth: `speaking` from the first sound of a turn to its last, pauses included; `done` from there on
for 0.8 s, or until the assistant talks; `interrupt` as long as the assistant goes on talking over
it; else `idle`, whatever else sounds.

Left out: breath, "um", sentences that are broken off, laughing, echo of the assistant.

Letters: S samples, N tokens of 160 ms.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy.signal import butter, fftconvolve, lfilter, resample_poly

from model.data import sounds
from model.data.calls import calls
from model.data.mix import hum
from model.data.phones import UNIT_MS
from model.data.sounds import RATE
from model.data.store import Clips, Store
from model.senses.prompt import TICK

SECONDS = 24.0  # of a dialogue
LINGER = 0.8  # seconds for which a turn is "done"
PAUSES = (0.3, 1.2)  # seconds inside a sentence
LONGEST = 6.0  # seconds of a sentence
STATES = ("idle", "speaking", "backchannel", "interrupt", "done")
IDLE, SPEAKING, BACKCHANNEL, INTERRUPT, DONE = range(5)
MUSIC = ("piano", "guitar", "violin", "trumpet", "flute", "saxophone", "accordion", "banjo")
MUSIC += ("xylophone", "organ", "harp", "choir")
SPEECH = ("wordnet", "chatterbot", "template", "question", "gloss", "kokoro", "kokoro-unseen")


class Line(NamedTuple):
    """Somebody says something; `pauses` are (second of the clip, length)."""

    clip: str
    kind: str  # turn, backchannel, interrupt; far: other people
    start: float
    seconds: float  # pauses included
    gain: float = 0.0  # dB
    room: float = 0.0  # seconds in which its echo dies away
    pauses: tuple[tuple[float, float], ...] = ()

    @property
    def end(self) -> float:
        return self.start + self.seconds


class Noise(NamedTuple):
    recording: str
    start: float
    gain: float


class Dialogue(NamedTuple):
    seed: int
    seconds: float
    lines: tuple[Line, ...]
    talks: tuple[tuple[float, float], ...]  # when the assistant talks
    noises: tuple[Noise, ...] = ()
    hum: str = ""
    loudness: float = -60.0  # dB, of the hum

    def json(self) -> str:
        lines, noises = ([one._asdict() for one in some] for some in (self.lines, self.noises))
        return json.dumps(self._asdict() | {"lines": lines, "noises": noises})

    @classmethod
    def of(cls, text: str) -> "Dialogue":
        """What `json` wrote."""
        held = json.loads(text)
        lines = (
            Line(**{**line, "pauses": tuple(map(tuple, line["pauses"]))}) for line in held["lines"]
        )
        noises = (Noise(**noise) for noise in held["noises"])
        talks = tuple(map(tuple, held["talks"]))
        return cls(**{**held, "lines": tuple(lines), "noises": tuple(noises), "talks": talks})


class Known(NamedTuple):
    states: Int64[np.ndarray, " tokens"]  # index into STATES
    talking: Bool[np.ndarray, " tokens"]


class Cut(NamedTuple):
    """A clip from its first sound to its last."""

    samples: Float32[np.ndarray, " samples"]
    breaks: tuple[float, ...]  # seconds, between two words


class Cast:
    """Everybody and everything that can be heard, of one split."""

    def __init__(self, split: str, root: str | Path = "datasets"):
        self.split = split
        self.spoken, self.calls = Store(root).spoken(split), calls(split, root)
        if not len(self.spoken):
            raise ValueError(f"{root}/spoken holds no {split} clips; `omni data build` makes them")
        columns = (self.spoken.column(name) for name in ("id", "source", "seconds"))
        heard = [(i, source) for i, source, seconds in zip(*columns, strict=True)
                 if source in SPEECH and 0.8 < seconds <= LONGEST]  # fmt: skip
        unseen = [i for i, source in heard if source == "kokoro-unseen"]
        self.sentences = unseen or [i for i, _ in heard]
        self.various = [i for i, source in heard if source == "kokoro"] or self.sentences
        kinds = zip(self.calls.ids, self.calls.column("source"), strict=True)
        self.called: dict[str, list[str]] = {"backchannel": [], "interrupt": []}
        for name, source in kinds:
            self.called[source.rpartition("-")[2]].append(name)
        here = sounds.available(split)
        self.music = [r.id for r in here if r.sound in MUSIC]
        self.sounds = [r.id for r in here if r.sound not in MUSIC]
        self.cut = lru_cache(256)(self._cut)

    def sentence(self, rng: np.random.Generator) -> str:
        return _one(self.various if rng.random() < 0.25 else self.sentences, rng)

    def call(self, kind: str, rng: np.random.Generator) -> str:
        return _one(self.called[kind], rng)

    def _cut(self, name: str) -> Cut:
        clips: Clips = self.calls if name in self.calls.index else self.spoken
        clip = clips[clips.index[name]]
        samples = resample_poly(clip.samples, RATE, clip.rate).astype(np.float32)
        loud = sounds.loudness(samples)
        heard = np.flatnonzero(loud > sounds.FAINT * loud.max())
        first, last = heard[0], heard[-1] + 1  # in 10 ms
        breaks, now = [], 0.0
        for phone, units in zip(clip.phones, clip.units, strict=True):
            if phone == " ":
                near = round(100 * now) + np.arange(-4, 5)
                near = near[(near > first + 35) & (near < last - 30)]
                if len(near):
                    breaks.append((int(near[loud[near].argmin()]) - first) / 100)
            now += units * UNIT_MS / 1000
        return Cut(sounds.level(samples[first * 160 : last * 160]), tuple(breaks))


def _one(names: list[str], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


# --- what happens ---------------------------------------------------------------------------------


def sample(seed: int, cast: Cast, what: str = "all") -> Dialogue:
    """The dialogue of a seed: 24 s of all there is, or a short one about one thing: turn,
    backchannel, interrupt or others."""
    rng = np.random.default_rng([seed, ("train", "valid", "test").index(cast.split)])
    scribe = _Scribe(cast, rng)
    match what:
        case "all":
            seconds = SECONDS
            scribe.all(seconds - 0.3)
            scribe.lines, scribe.talks = assistant(scribe.lines, seconds, rng)
        case "turn":
            scribe.turn(float(rng.uniform(0.8, 2.0)), whole=True)
            seconds = scribe.lines[-1].end + 2.4
        case "backchannel" | "interrupt":
            scribe.beside(what, float(rng.uniform(1.2, 2.8)))
            seconds = scribe.lines[-1].end + 1.6
            scribe.talks.append((0.0, seconds + TICK))
        case "others":
            seconds = 8.0
            scribe.talks.append((0.0, seconds))
        case _:
            raise ValueError(f"no dialogue about {what!r}; expected all, turn, backchannel,"
                             " interrupt or others")  # fmt: skip
    seconds = TICK * np.ceil(seconds / TICK - 1e-6)
    scribe.others(seconds, always=what == "others")
    return Dialogue(seed, round(float(seconds), 2), tuple(scribe.lines), tuple(scribe.talks),
                    tuple(scribe.noises), *scribe.background())  # fmt: skip


def assistant(
    lines: Sequence[Line], seconds: float, rng: np.random.Generator
) -> tuple[list[Line], list[tuple[float, float]]]:
    """When the assistant talks between and under these lines, and what kind each line is then.

    Nobody hears it in the microphone, so the same sound can be had with many of its talks.
    """
    talks, told, before = [], [], 0.0
    near = [line for line in lines if line.kind != "far"]
    for line, later in zip(near, [*(line.start for line in near[1:]), seconds], strict=True):
        call = "backchannel" if "backchannel" in line.clip else "interrupt"
        gap, named = line.start - before, call in line.clip
        if rng.random() < (0.75 if named else 0.45):  # the assistant talks when it begins
            begin, kind = before + gap * float(rng.uniform(0.1, 0.9)), call
            if call == "backchannel":
                end = line.end + float(rng.uniform(0.1, 1.0)) * max(0.0, later - line.end)
            elif rng.random() < 0.5:  # it notices
                end = line.start + float(rng.uniform(0.35, 1.3))
            else:  # late, or never
                end = line.start + float(rng.uniform(0.5, 1.3)) * line.seconds
            talks.append((begin, min(end, later)))
        else:
            kind = "turn"
            if gap > 0.8 and rng.random() < 0.6:
                begin = before + float(rng.uniform(0.15, 0.5)) * gap
                talks.append((begin, begin + float(rng.uniform(0.3, 0.8)) * (line.start - begin)))
        told.append(line._replace(kind=kind))
        before = line.end
    return told + [line for line in lines if line.kind == "far"], talks


class _Scribe:
    """Writes a dialogue down."""

    def __init__(self, cast: Cast, rng: np.random.Generator):
        self.cast, self.rng = cast, rng
        self.gain = float(rng.uniform(-18, 2))  # of the microphone
        self.room = float(rng.uniform(0.1, 0.4)) if rng.random() < 0.35 else 0.0
        self.lines: list[Line] = []
        self.talks: list[tuple[float, float]] = []
        self.noises: list[Noise] = []

    def all(self, seconds: float) -> None:
        """One line after the other."""
        rng, now = self.rng, float(self.rng.uniform(0.2, 1.5))
        while now < seconds:
            chance = rng.random()
            if chance < 0.55:
                kind = "backchannel" if chance < 0.35 else "interrupt"
                now = self.say(self.cast.call(kind, rng), "turn", now, 0)
            else:
                now = self.turn(now)
            now += 0.4 + min(2.6, float(rng.exponential(1.0)))

    def turn(self, start: float, whole: bool = False) -> float:
        """A turn of the other side; `whole`: a sentence that has pauses."""
        wanted = 1 + int(self.rng.random() < 0.4)
        name = self.cast.sentence(self.rng)
        while whole and not self.cast.cut(name).breaks:
            name = self.cast.sentence(self.rng)
        pauses = wanted if whole or self.rng.random() < 0.6 else 0
        return self.say(name, "turn", start, pauses)

    def beside(self, kind: str, start: float) -> float:
        """Something said while the assistant talks."""
        if kind == "interrupt" and self.rng.random() < 0.5:
            pauses = int(self.rng.random() < 0.3)
            return self.say(self.cast.sentence(self.rng), kind, start, pauses)
        return self.say(self.cast.call(kind, self.rng), kind, start, 0)

    def say(self, name: str, kind: str, start: float, pauses: int) -> float:
        """Write a line down; when it ends."""
        cut, rng = self.cast.cut(name), self.rng
        count = min(pauses, len(cut.breaks))
        places = sorted(rng.choice(cut.breaks, count, replace=False).tolist()) if count else []
        rests = tuple((place, float(rng.uniform(*PAUSES))) for place in places)
        seconds = len(cut.samples) / RATE + sum(rest for _, rest in rests)
        gain = self.gain + float(rng.uniform(-3, 3))
        self.lines.append(Line(name, kind, start, seconds, gain, self.room, rests))
        return start + seconds

    def others(self, seconds: float, always: bool = False) -> None:
        """Other people far away, sounds, music; `always` one of them at least."""
        rng, cast = self.rng, self.cast
        kind = int(rng.integers(3)) if always else -1
        if kind == 0 or rng.random() < 0.35:
            now = float(rng.uniform(0, 3))
            while now < seconds - 1:
                name = cast.sentence(rng)
                length = len(cast.cut(name).samples) / RATE
                gain, room = self.gain - float(rng.uniform(14, 26)), float(rng.uniform(0.4, 0.9))
                self.lines.append(Line(name, "far", now, length, gain, room))
                now += length + float(rng.exponential(2.0))
        if kind == 1 or rng.random() < 0.35:
            for _ in range(1 + rng.poisson(seconds / 8)):
                gain = self.gain - float(rng.uniform(0, 18))
                self.noises.append(Noise(_one(cast.sounds, rng), float(rng.uniform(0, seconds)),
                                         gain))  # fmt: skip
        if kind == 2 or rng.random() < 0.2:
            name, gain = _one(cast.music, rng), self.gain - float(rng.uniform(8, 20))
            now, length = float(rng.uniform(0, 2)), len(sounds.wave(name)) / RATE
            while now < seconds:  # a tune goes on and on
                self.noises.append(Noise(name, now, gain))
                now += length

    def background(self) -> tuple[str, float]:
        kind = str(self.rng.choice(["", "hiss", "hum"], p=[0.15, 0.65, 0.2]))
        return kind, -20 + self.gain - float(self.rng.uniform(8, 50))


# --- what is heard, and what is true --------------------------------------------------------------


def render(dialogue: Dialogue, cast: Cast) -> Float32[np.ndarray, " samples"]:
    """What the microphone hears; the same samples for the same dialogue."""
    out = hum(dialogue.hum, dialogue.loudness, round(dialogue.seconds * RATE), dialogue.seed)
    for noise in dialogue.noises:
        _add(out, sounds.wave(noise.recording), noise.start, noise.gain)
    for number, line in enumerate(dialogue.lines):
        voice = _paused(cast.cut(line.clip).samples, line.pauses)
        if line.room:
            rng = np.random.default_rng([dialogue.seed, number])
            voice = _in_room(voice, line.room, line.kind == "far", rng)
        _add(out, voice, line.start, line.gain)
    peak = float(np.abs(out).max())
    return out * np.float32(0.99 / peak) if peak > 0.99 else out


def _add(out: np.ndarray, samples: np.ndarray, start: float, gain: float) -> None:
    first = round(start * RATE)
    part = samples[: max(0, len(out) - first)]
    out[first : first + len(part)] += part * np.float32(10 ** (gain / 20))


def _paused(samples: np.ndarray, pauses: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Cut at the pauses; every piece ends as the last one does."""
    pieces, before = [], 0
    for place, rest in pauses:
        pieces += [_faded(samples[before : round(place * RATE)])]
        pieces += [np.zeros(round(rest * RATE), np.float32)]
        before = round(place * RATE)
    return np.concatenate([*pieces, _faded(samples[before:])])


def _faded(samples: np.ndarray) -> np.ndarray:
    out, fade = samples.copy(), min(240, len(samples) // 2)  # 15 ms
    out[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    out[len(out) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out


def _in_room(
    voice: np.ndarray, echo: float, far: bool, rng: np.random.Generator
) -> Float32[np.ndarray, " samples"]:
    """A voice and its echo, which is noise that dies away; far away there is little but echo."""
    time = np.arange(round(echo * RATE)) / RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / echo)
    tail *= 10 ** (rng.uniform(-16, -7) / 20) / np.sqrt((tail**2).sum())
    if far:
        tail *= 10
    tail[0] += 1
    out = fftconvolve(voice, tail)
    if far:
        out = lfilter(*butter(2, rng.uniform(900, 2500), fs=RATE), out)
        out *= 0.1 / max(1e-4, float(np.sqrt((out**2).mean())))
    return out.astype(np.float32)


def truth(dialogue: Dialogue) -> Known:
    """What is the case in the middle of every token."""
    middle = (np.arange(round(dialogue.seconds / TICK)) + 0.5) * TICK
    talking = np.zeros(len(middle), bool)
    for start, end in dialogue.talks:
        talking |= (middle >= start) & (middle < end)
    states = np.full(len(middle), IDLE)
    for line in dialogue.lines:
        here = (middle >= line.start) & (middle < line.end)
        answers = min((start for start, _ in dialogue.talks if start >= line.end), default=np.inf)
        over = (middle >= line.end) & (middle < min(line.end + LINGER, answers))
        match line.kind:
            case "backchannel":
                states[here] = BACKCHANNEL
            case "turn":
                states[here], states[over] = SPEAKING, DONE
            case "interrupt":
                states[here & talking], states[here & ~talking] = INTERRUPT, SPEAKING
                states[over] = DONE
    return Known(states, talking)
