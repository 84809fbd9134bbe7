"""Scene -> sound: one channel at 16 kHz, as long as the scene.

    recordings (at their speed and gain) + lines + hum --> float32 [S], no peak beyond 0.99

The same scene gives the same samples. Recordings come from `model.data.sounds`; lines from the
shelf, which has the voices.

Left out: rooms, distance, stereo.

    mix(scene, shelf.speech)

Letters: S samples.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from model.data.scenes import Scene
from model.data.sounds import RATE, wave


def no_voices(id: str) -> np.ndarray:
    raise ValueError(f"the scene has the line {id!r}; pass the speech of a shelf to hear it")


def mix(
    scene: Scene, speech: Callable[[str], np.ndarray] = no_voices
) -> Float32[np.ndarray, " samples"]:
    """Everything that sounds in a scene."""
    if not scene.seconds:
        raise ValueError("a picture has no sound; expected a scene of more than 0 seconds")
    out = hum(scene.hum, scene.loudness, round(scene.seconds * RATE), scene.seed)
    for sound in scene.sounds:
        _add(out, _at_speed(wave(sound.recording), sound.speed), sound.start, sound.gain)
    for line in scene.lines:
        _add(out, speech(line.clip), line.start, line.gain)
    peak = float(np.abs(out).max())
    return out * np.float32(0.99 / peak) if peak > 0.99 else out


def hum(kind: str, loudness: float, n: int, seed: int) -> Float32[np.ndarray, " samples"]:
    """What sounds all along: nothing, a hiss like wind, the hum of a machine."""
    if kind == "":
        return np.zeros(n, np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, n).astype(np.float32)
    if kind == "hiss":
        spectrum = np.fft.rfft(noise)
        out = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 20), n)
    elif kind == "hum":
        time = np.arange(n) / RATE
        base = rng.choice((50, 60, 87))
        out = sum(np.sin(2 * np.pi * base * k * time + k) / k for k in (1, 2, 3, 5))
        out = out + 0.1 * noise
    else:
        raise ValueError(f"no hum {kind!r}; expected hiss, hum or nothing")
    return (out * (10 ** (loudness / 20) / np.sqrt((out**2).mean()))).astype(np.float32)


def _add(out: np.ndarray, samples: np.ndarray, start: float, gain: float) -> None:
    first = round(start * RATE)
    part = samples[: max(0, len(out) - first)]
    out[first : first + len(part)] += part * np.float32(10 ** (gain / 20))


def _at_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    """Faster and higher, as a record that turns faster; straight lines between the samples."""
    if speed == 1:
        return samples
    n = round(len(samples) / speed)
    places = np.arange(n, dtype=np.float32) * np.float32(speed)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
