"""Files in and out: uploads, checked by their bytes, and what answers can be kept as.

    parts = [received(path) for path in paths]        # Audio, Image or Video, or a ValueError
    kept = write([run], question, folder)             # .omnirun, .wav, .txt, .html
    kept = write([run, alt], question, folder)        # of both, and A beside B in one page

A name that came with an upload is only ever shown. Files that go out have names made here.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from model.senses.message import Audio, Image, Video
from workbench.clips import opened
from workbench.compare import diff
from workbench.run import Run
from workbench.waveform import wav

AT_ONCE = 4  # files of a question
SEEN = 6  # frames of a clip that are shown
HIGH = 56  # pixels of what is shown of them

Sensed = Audio | Image | Video


def received(paths: Sequence[str | Path]) -> list[Sensed]:
    """What these files hold."""
    if len(paths) > AT_ONCE:
        raise ValueError(f"{len(paths)} files came with the question, {AT_ONCE} are the most")
    return [opened(path) for path in paths]


def told(part: Sensed) -> str:
    """An upload in a few words."""
    if isinstance(part, Audio):
        return f"a recording of {part.seconds:.1f} s"
    if isinstance(part, Video):
        count, sound = len(part.frames), part.audio
        heard = "no sound" if sound is None else f"{sound.seconds:.1f} s of sound"
        return f"a clip: {count} frame{'s' * (count > 1)}, {heard}"
    height, width = part.pixels.shape[:2]
    return f"a picture of {width} \u00d7 {height} pixels"


def pictures(part: Sensed) -> list[tuple[str, str]]:
    """What there is to see in it, small: (address that holds it, what it is)."""
    if isinstance(part, Image):
        return [(_small(part.pixels), "the picture")]
    if isinstance(part, Video):
        some = np.linspace(0, len(part.frames) - 1, min(SEEN, len(part.frames))).round().astype(int)
        return [(_small(part.frames[i]), f"the clip at {part.times[i]:.1f} s") for i in some]
    return []


def _small(pixels: np.ndarray) -> str:
    out, picture = io.BytesIO(), Pillow.fromarray(pixels)
    picture.thumbnail((3 * HIGH, 2 * HIGH))  # twice as fine, for fine screens
    picture.save(out, "jpeg", quality=70)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"


def write(runs: Sequence[Run], transcript: str, folder: Path, volume: float = 1.0) -> list[str]:
    """The files of one answer, or of A and B, the page of them last; sound as loud as `volume`.
    Those that are there already are written anew."""
    pair = len(runs) > 1
    files = []
    for name, run in zip(("a", "b") if pair else ("answer",), runs, strict=True):
        files.append(run.save(folder / f"{name}.omnirun"))
        if len(run.audio):
            with wav(folder / f"{name}.wav", run.meta.rate) as put:
                put(volume * run.audio)
            files.append(folder / f"{name}.wav")
    text, page = (folder / f"{'answers' if pair else 'answer'}.{kind}" for kind in ("txt", "html"))
    text.write_text(transcript, encoding="utf-8")
    shown = diff(*runs) if pair else runs[0]
    return [str(file) for file in (*files, text, shown.export(page, force=True))]
