"""What is said to the model and what it says: plain data, times and rates included.

A conversation is a list of `Message(role, parts)`. A part is `Text`, `Audio`, `Image`, `Video`,
`ToolCall` or `ToolResult`; nothing here knows tokens or tensors. Sound comes in through
`load_audio` (whole, up to a limit) or `stream_audio` (blocks of any file, in bounded memory).
These are the types a caller fills in, so they check themselves: shapes stand in comments.

Left out: containers that need ffmpeg (m4a, webm, mp4); turn those into wav, flac, ogg or mp3 first.

    hello = Message("user", (load_audio("hello.wav"), Text("What was said?")))

Shapes: S samples, N frames, H height, W width.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float32
from scipy.signal import resample_poly

ROLES = ("system", "user", "assistant", "tool")

SHORTEST = 0.025  # seconds: one analysis window of the ear
LONGEST = 2 * 3600.0  # seconds: what `load_audio` takes into memory (460 MB at 16 kHz)
RATES = (1_000, 768_000)  # Hz, what a sound file may claim
BLOCK = 10.0  # seconds decoded at a time


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound of one channel; `start` is its time in seconds on the clock of the conversation."""

    samples: np.ndarray  # float32 [S]
    rate: int
    start: float = 0.0

    def __post_init__(self) -> None:
        x = self.samples
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 1:
            raise ValueError(f"audio samples must be a float32 array of one axis, not {_form(x)}")
        if len(x) == 0:
            raise ValueError("audio is empty: it has no samples")
        if self.rate <= 0:
            raise ValueError(f"audio rate must be positive, not {self.rate}")
        if not np.isfinite(x).all():
            raise ValueError("audio holds NaN or infinite samples")

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def at(self, rate: int) -> "Audio":
        """The same sound at another sample rate."""
        if rate == self.rate:
            return self
        up, down = _ratio(self.rate, rate)
        return Audio(resample_poly(self.samples, up, down).astype(np.float32), rate, self.start)


@dataclass(frozen=True, eq=False)
class Image:
    pixels: np.ndarray  # uint8 [H, W, 3]

    def __post_init__(self) -> None:
        _check_pixels(self.pixels, 3, "image pixels", "[height, width, 3]")


@dataclass(frozen=True, eq=False)
class Video:
    """Frames with their times in seconds, and the sound that belongs to them, if any."""

    frames: np.ndarray  # uint8 [N, H, W, 3]
    times: np.ndarray  # float32 [N], seconds
    audio: Audio | None = None

    def __post_init__(self) -> None:
        _check_pixels(self.frames, 4, "video frames", "[frames, height, width, 3]")
        times = self.times
        if not isinstance(times, np.ndarray) or times.dtype != np.float32:
            raise ValueError(f"video times must be a float32 array, not {_form(times)}")
        if times.shape != self.frames.shape[:1]:
            raise ValueError(f"video has {len(self.frames)} frames but {times.size} times")
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValueError("video times must be finite and strictly increasing")


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult:
    name: str
    content: str


Part = Text | Audio | Image | Video | ToolCall | ToolResult


@dataclass(frozen=True)
class Message:
    """One turn of one side."""

    role: str
    parts: tuple  # of Part

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}, not {self.role!r}")
        if not isinstance(self.parts, tuple):
            raise ValueError(f"parts must be a tuple, not {type(self.parts).__name__}")
        for part in self.parts:
            if not isinstance(part, Part):
                raise ValueError(f"{type(part).__name__} is no part of a message")

    @classmethod
    def of(cls, role: str, *parts: Part | str) -> "Message":
        """`Message.of("user", audio, "What was said?")`: strings become `Text`."""
        return cls(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def load_audio(path: str | Path, rate: int = 16_000, longest: float = LONGEST) -> Audio:
    """A whole sound file as one channel at `rate`; refuses what cannot be meant as sound."""
    blocks, total = [], 0
    for block in stream_audio(path, rate):
        blocks.append(block)
        total += len(block)
        if total > longest * rate:
            raise ValueError(
                f"{path}: longer than {longest:g} s; cut it, or read it piece by piece with"
                " stream_audio"
            )
    if total < SHORTEST * rate:
        raise ValueError(f"{path}: {total} samples at {rate} Hz is too short, need {SHORTEST:g} s")
    return Audio(np.concatenate(blocks), rate)


def stream_audio(path: str | Path, rate: int = 16_000) -> Iterator[Float32[np.ndarray, " samples"]]:
    """The same sound in blocks of about ten seconds, so that length costs no memory.

    Resampling is a symmetric filter: every block is filtered together with its neighbours'
    edges, so the blocks joined are what resampling the whole file would give.
    """
    with _open(Path(path)) as file:
        up, down = _ratio(file.samplerate, rate)
        reach = -(-20 * max(up, down) // up) // down + 1  # edge on each side, in units of `down`
        edge = 0 if up == down else reach * down  # samples of the file
        size = max(int(BLOCK * file.samplerate) // down, reach) * down
        held, begun = np.zeros(0, np.float32), False  # what is read and not yet given out
        while True:
            fresh = _read(file, path, size)
            held = np.concatenate([held, fresh])
            last = len(fresh) == 0
            keep = edge if begun else 0  # samples at the front that were given out before
            stop = len(held) if last else len(held) - edge
            if (stop := stop if last else stop // down * down) > keep:
                wave = held if up == down else resample_poly(held, up, down)
                first = keep * up // down
                end = None if last else stop * up // down
                yield wave[first:end].astype(np.float32, copy=False)
                held, begun = held[max(stop - edge, 0) :], True
            if last:
                return


def _read(file: soundfile.SoundFile, path: str | Path, size: int) -> Float32[np.ndarray, " size"]:
    try:
        block = file.read(size, dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: the sound is damaged ({error.error_string})") from None
    if not np.isfinite(block).all():
        raise ValueError(f"{path}: holds NaN or infinite samples")
    return block


def _open(path: Path) -> soundfile.SoundFile:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.is_dir():
        raise ValueError(f"{path}: a folder, expected a sound file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError):
        kinds = "wav, flac, ogg or mp3"
        raise ValueError(f"{path}: not a sound file that can be read, expected {kinds}") from None
    if not RATES[0] <= file.samplerate <= RATES[1]:
        file.close()
        raise ValueError(f"{path}: claims {file.samplerate} Hz, expected {RATES[0]}-{RATES[1]} Hz")
    return file


def _ratio(old: int, new: int) -> tuple[int, int]:
    common = gcd(old, new)
    return new // common, old // common


def _check_pixels(x: Any, axes: int, what: str, expected: str) -> None:
    good = isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim == axes
    if not good or x.shape[-1] != 3:
        raise ValueError(f"{what} must be uint8 {expected}, not {_form(x)}")
    if x.size == 0:
        raise ValueError(f"{what} are empty: {_form(x)}")


def _form(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else type(x).__name__
