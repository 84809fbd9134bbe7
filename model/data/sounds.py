"""Recordings: found, cut to what can be heard, brought to 16 kHz and to one loudness.

    recording id --> datasets/scenes/sounds/ID.ogg, or a file of an installed Debian package

A recording is decoded once a process and kept (all of them are 14 minutes, 52 MB).

Left out: stereo.

    wave("scratch-Dog1")    # float32 at 16 kHz

Letters: S samples.
"""

import io
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32
from scipy.signal import resample_poly

from model.data.catalog import ROOT, Recording, recordings
from model.data.resource import member

RATE = 16_000
LOUD = 0.1  # root mean square of the loud part of every recording: -20 dB
STAMPS = Path("/usr/share/tuxpaint/stamps")
# who lends: the folder where Debian puts it, and the package
LENDERS = {
    "tuxpaint": (STAMPS, "tuxpaint-stamps-default"),
    "widelands": (Path("/usr/share/games/widelands/data"), "widelands-data"),
    "hydrogen": (Path("/usr/share/hydrogen/data/drumkits"), "hydrogen-drumkits"),
    "gcompris": (Path("/usr/share/gcompris-qt/rcc"), "gcompris-qt-data"),
    "hedgewars": (Path("/usr/share/games/hedgewars/Data/Sounds"), "hedgewars-data"),
    "tuxfootball": (Path("/usr/share/games/tuxfootball/sound"), "tuxfootball"),
    "lmms": (Path("/usr/share/lmms/samples"), "lmms-common"),
    "brainparty": (Path("/usr/share/games/brainparty"), "brainparty-data"),
    "linphone": (Path("/usr/share/sounds/linphone"), "linphone-common"),
}
WITH_STAMPS = {"rooster", "crow"}  # in the test only where Tux Paint is, as before others had them
FRAME = RATE // 100  # loudness is measured every 10 ms
FAINT = 10 ** (-32 / 20)  # of the loudest frame: what counts as the end of a sound


def available(split: str) -> tuple[Recording, ...]:
    """The recordings of a split that can be read here; without the package, the shipped ones.

    The test has no kind of sound for which there are no recordings to learn it from.
    """
    installed = {name for name, (folder, _) in LENDERS.items() if folder.exists()}
    here = [r for r in recordings() if r.shipped or r.id.partition(":")[0] in installed]
    known = {r.sound for r in here if r.split == "train"}
    if split == "test" and "tuxpaint" not in installed:
        known -= WITH_STAMPS
    wanted = "train" if split == "valid" else split
    return tuple(r for r in here if r.split == wanted and r.sound in known)


@cache
def wave(id: str) -> Float32[np.ndarray, " samples"]:
    """A recording by its id, cut and levelled; not to be written to."""
    if ":" in id:
        samples = trim(lent(id), 3.0)
    else:
        path = ROOT / "sounds" / f"{id}.ogg"
        if not path.exists():
            raise ValueError(f"no recording is named {id!r}; sounds.tsv in {ROOT} lists them")
        samples = read(path)
    samples = level(samples)
    samples.setflags(write=False)
    return samples


def lent(id: str) -> Float32[np.ndarray, " samples"]:
    """A file of an installed package, as it is; its name is the end of its path there."""
    lender, _, name = id.partition(":")
    if lender not in LENDERS:
        raise ValueError(f"nobody is named {lender!r}; expected one of {', '.join(LENDERS)}")
    folder, package = LENDERS[lender]
    if not folder.exists():
        raise ValueError(f"{id} cannot be read: install the Debian package {package}")
    if lender == "gcompris":
        resource, _, file = name.partition("/")
        return read(io.BytesIO(member(folder / f"{resource}.rcc", file)))
    end = f"{name}.ogg" if lender == "tuxpaint" else name
    if (path := next(folder.rglob(end), None)) is None:
        raise ValueError(f"{id} cannot be read: no {end} in {folder}")
    return read(path)


def read(path: Path | io.BytesIO) -> Float32[np.ndarray, " samples"]:
    """A sound file as one channel at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples = samples.mean(axis=1)
    if rate != RATE:
        samples = resample_poly(samples, RATE, rate).astype(np.float32)
    return samples


def loudness(samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " frames"]:
    """Root mean square every 10 ms."""
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    return np.sqrt((padded.reshape(-1, FRAME) ** 2).mean(axis=1))


def trim(samples: Float32[np.ndarray, " samples"], longest: float) -> Float32[np.ndarray, " short"]:
    """From where it can be heard to where it cannot any more, at most `longest` seconds."""
    loud = loudness(samples)
    heard = np.flatnonzero(loud > FAINT * loud.max())
    start, end = max(0, heard[0] - 1) * FRAME, (heard[-1] + 2) * FRAME
    end = min(end, len(samples), start + round(longest * RATE))
    cut = samples[start:end].copy()
    fade = min(len(cut) // 4, RATE // 20)
    cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return cut


def level(samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
    """The loud half of its frames at one loudness, no peak beyond 0.9."""
    loud = loudness(samples)
    loud = loud[loud > 0.3 * loud.max()]
    gain = LOUD / max(1e-4, float(np.sqrt((loud**2).mean())))
    gain = min(gain, 0.9 / max(1e-4, float(np.abs(samples).max())))
    return (samples * np.float32(gain)).astype(np.float32)
