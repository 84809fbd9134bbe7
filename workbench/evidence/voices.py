"""Voices: is a stranger imitated from seconds of speech, and does a manner move what it names?

Cloning: the voice prompt is 3 to 10 s of a Kokoro voice that no training has heard; it then says a
sentence never read in training. The speaker vector compares what was said with the prompt. Chance
beside it: the same said compared with the prompt of another speaker; the note has two recordings of
one real speaker.

Control: pairs such as "heart, slow" and "heart, fast", every second one in phrasings held out
("Speak like a lady with a loud volume"). Measured on the sound: seconds from first to last sound,
loudness, pitch by YIN. Low voices have hardly any fundamental, and an estimator then takes octaves:
it is told within which one and a quarter the speaker lies. Chance is half of the pairs.

Left out: mood, which is pitch, swing and pace at once and has no single measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import decimate

from model.data.describe import PUT, facts
from model.data.store import Spoken
from model.data.voices import MANNERS, NAMED, UNSEEN
from workbench import judges
from workbench.evidence.candidate import RATE, Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean
from workbench.evidence.items import Held

LIKE = Row(
    "world-cloning", "cloning: speaker cosine to the prompt, unseen voices", "", 0.65, 0.78, True
)
MOVES = Row(
    "world-control", "control: speed, volume, pitch move the right way", "%", 90.0, 98.0, True
)
KINDS = {"speed": ("slow", "fast"), "volume": ("soft", "loud"), "pitch": ("low", "high")}
LONGEST = 8.0  # seconds of a prompt
USUAL = 193.0  # Hz, of the voice that all named ones are bent from
BENDS = {"man": 0.56, "woman": 0.95, "child": 1.22}  # of who is described: about this factor


@dataclass(frozen=True)
class Stranger:
    """A voice to imitate: two recordings laid together; a third, and one of somebody else."""

    id: str
    prompt: tuple[Spoken, Spoken]
    same: Spoken
    other: Spoken
    text: str


@dataclass(frozen=True)
class Imitated:
    id: str
    voice: str
    text: str
    cosine: float  # of what was said to the prompt
    other: float  # of what was said to another speaker
    real: float  # of another recording of the speaker to the prompt
    seconds: float  # of the prompt


def strangers(held: Held, n: int) -> list[Stranger]:
    of = {voice: held.open(n, [voice]) for voice in UNSEEN}
    of = {voice: clips for voice, clips in of.items() if len(clips) > 2}
    if len(of) < 2:
        raise ValueError(
            "cloning: the test clips of Kokoro's voices are not there; build with --kokoro"
        )
    texts, found, names = held.open(n, NAMED), [], list(of)
    for i in range(n):
        clips, others = of[names[i % len(of)]], of[names[(i + 1) % len(of)]]
        k = i // len(of)
        first, second, third = (clips[(k + j) % len(clips)] for j in range(3))
        text, other = texts[i % len(texts)].text, others[k % len(others)]
        found.append(Stranger(f"{i}-{first.id}", (first, second), third, other, text))
    return found


def imitate(candidate: Candidate, stranger: Stranger) -> Imitated:
    ear = judges.speaker()
    rate = stranger.prompt[0].rate
    prompt = np.concatenate([clip.samples for clip in stranger.prompt])[: int(LONGEST * rate)]
    said = candidate.imitate(stranger.text, prompt, rate)
    heard, voice = ear.vector(said.samples, RATE), ear.vector(prompt, rate)
    other = ear.vector(stranger.other.samples, stranger.other.rate)
    same = ear.vector(stranger.same.samples, stranger.same.rate)
    return Imitated(
        stranger.id,
        stranger.prompt[0].voice,
        stranger.text,
        float(heard @ voice),
        float(heard @ other),
        float(same @ voice),
        len(prompt) / rate,
    )


def cloning(items: Sequence[Imitated]) -> tuple[Figure, ...]:
    real, other = (float(np.mean([getattr(i, name) for i in items])) for name in ("real", "other"))
    of = {voice: [i.cosine for i in items if i.voice == voice] for voice in UNSEEN}
    each = ", ".join(f"{voice} {np.mean(found):.2f}" for voice, found in of.items() if found)
    note = f"to another speaker {other:.2f}, two recordings of the speaker {real:.2f}; {each}"
    interval = mean([item.cosine for item in items])
    return (figure(LIKE, interval, len(items), judges.speaker().name, note=note),)


@dataclass(frozen=True)
class Pair:
    id: str
    kind: str
    less: str  # voice prompts
    more: str
    text: str
    about: float  # Hz, pitch of the speaker


@dataclass(frozen=True)
class Moved:
    id: str
    kind: str
    less: str
    more: str
    text: str
    about: float
    measured: tuple[float, float]  # seconds, decibels or octaves

    @property
    def right(self) -> bool:
        less, more = self.measured
        return less > more if self.kind == "speed" else less < more


def pairs(held: Held, n: int) -> list[Pair]:
    texts, names, found = held.open(n, NAMED), list(NAMED), []
    for i in range(n):
        kind = list(KINDS)[i % len(KINDS)]
        turn = i // len(KINDS)
        voice = NAMED[names[turn // 2 % len(names)]]
        text, who = texts[i % len(texts)], facts(voice)["who"]
        if turn % 2:
            asked, bend = [_described(who, word, turn) for word in KINDS[kind]], BENDS[who]
        else:
            asked, bend = [f"{voice.name}, {word}" for word in KINDS[kind]], voice.pitch
        found.append(Pair(f"{i}-{text.id}", kind, *asked, text.text, USUAL * bend))
    return found


def _described(who: str, word: str, number: int) -> str:
    """In a phrasing that training does not have."""
    who = PUT[who][1][number // 2 % 2]
    way = PUT[word][1][number // 4 % len(PUT[word][1])]
    manner = f"in a {way} voice" if word in MANNERS["pitch"] else way
    return f"Speak like a {who} {manner}"


def move(candidate: Candidate, pair: Pair) -> Moved:
    ways = (pair.less, pair.more)
    said = [candidate.say(pair.text, way, "aria", once=True).samples for way in ways]
    measured = [measure(pair.kind, samples, pair.about) for samples in said]
    return Moved(**vars(pair), measured=(measured[0], measured[1]))


def measure(kind: str, samples: np.ndarray, about: float = USUAL) -> float:
    """Seconds, decibels or octaves above 1 Hz of speech at 24 kHz by a voice of `about` so many Hz;
    0 if there is no speech."""
    import librosa

    speech, _ = librosa.effects.trim(samples, top_db=30)
    if len(speech) < RATE // 10 or not np.abs(speech).max() > 1e-4:
        return 0.0
    if kind == "speed":
        return len(speech) / RATE
    if kind == "volume":
        return float(10 * np.log10(np.mean(np.square(speech, dtype=np.float64))))
    low = np.pad(decimate(speech, 6), 384).astype(np.float32)  # 4 kHz, frames of 96 ms every 20 ms
    steps = {"hop_length": 80, "frame_length": 384}
    pitch = librosa.yin(low, fmin=0.62 * about, fmax=1.5 * about, sr=RATE // 6, **steps)
    loud = librosa.feature.rms(y=low, **steps)[0]
    count = min(len(pitch), len(loud))
    pitch, loud = pitch[:count], loud[:count] > 0.3 * loud.max()
    inside = loud & (pitch > 0.65 * about) & (pitch < 1.42 * about)  # at the edge it is elsewhere
    return float(np.log2(np.median(pitch[inside if inside.any() else loud])))


def control(items: Sequence[Moved]) -> tuple[Figure, ...]:
    told = []
    for kind in KINDS:
        of = [item for item in items if item.kind == kind]
        if of:
            by = np.median([item.measured[1] - item.measured[0] for item in of])
            unit = {"speed": "s", "volume": "dB", "pitch": "octaves"}[kind]
            told.append(f"{kind} {sum(i.right for i in of)} of {len(of)}, by {by:+.2f} {unit}")
    names = [item.right for item in items if not item.less.startswith("Speak")]
    told.append(f"by name {sum(names)} of {len(names)}")
    note = "; ".join(["chance 50 %", *told])
    right = mean([item.right for item in items], 100)
    return (figure(MOVES, right, len(items), "the waveform", note=note),)


VOICES = (
    Experiment("world-cloning", (LIKE,), Imitated, strangers, imitate, cloning),
    Experiment("world-control", (MOVES,), Moved, pairs, move, control),
)
