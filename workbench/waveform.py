"""Sound files as a command meets them: recordings heard in pieces, WAV written as it is spoken.

    for piece in pieces("lecture.mp3"): print(hear(omni, piece))
    with wav("out.wav", 24_000) as write:
        for chunk in chunks: write(chunk.audio)

Left out: formats other than WAV for writing; microphones and players.
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from model.senses.message import SHORTEST, Audio, load_audio, stream_audio

SILENCE = 3e-4  # spread of samples (full scale 1) below which there is nothing to hear: -70 dB


def audible(audio: Audio, name: str | Path) -> Audio:
    """The same sound, or a ValueError if it is silent."""
    if audio.samples.std() < SILENCE:
        raise ValueError(f"{name}: silent, there is nothing to hear")
    return audio


def pieces(path: str | Path, rate: int = 16_000, longest: float = 10.0) -> Iterator[Audio]:
    """A recording in pieces of at most `longest` seconds, cut where it is quietest.

    However long the recording is, memory holds a few pieces. Silent ones are left out; a recording
    that is silent altogether is refused.
    """
    step, most = rate // 50, round(longest * 50) * rate // 50
    held, start, heard = np.zeros(0, np.float32), 0, False
    for block in stream_audio(path, rate):
        held = np.concatenate([held, block])
        while len(held) > most:  # cut in the quietest 100 ms of the second half
            power = (held[most // 2 : most].reshape(-1, step) ** 2).mean(axis=1)
            calm = np.convolve(power, np.ones(5) / 5, "valid").argmin() + 2
            cut = most // 2 + int(calm) * step
            if held[:cut].std() >= SILENCE:
                heard = True
                yield Audio(held[:cut], rate, start / rate)
            held, start = held[cut:], start + cut
    if start == 0:
        yield audible(load_audio(path, rate), path)  # short: what is wrong with it is told there
    elif len(held) >= SHORTEST * rate and held.std() >= SILENCE:
        yield Audio(held, rate, start / rate)
    elif not heard:
        raise ValueError(f"{path}: silent, there is nothing to hear")


def check_wav(path: Path) -> None:
    """Say early, before anything is computed, that this WAV cannot be written."""
    if path.suffix.lower() != ".wav":
        raise ValueError(f"{path}: sound is written as WAV, expected a name that ends in .wav")
    if path.is_dir():
        raise ValueError(f"{path}: a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")


@contextmanager
def wav(path: str | Path, rate: int) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends samples (float, one channel) to a 16-bit WAV: whole, or not there.

    The file grows under a temporary name and is renamed at the end; after an error it is removed.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    size = 0

    def put(data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            raise OSError(f"{path} could not be written: {error.strerror}") from error

    def write(samples: np.ndarray) -> None:
        nonlocal size
        pulses = (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()
        put(pulses)
        size += len(pulses)

    try:
        with open(part, "wb", buffering=0) as file:  # unbuffered: closing cannot fail
            put(_header(0, rate))
            yield write
            file.seek(0)
            put(_header(size, rate))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _header(size: int, rate: int) -> bytes:
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", size)
