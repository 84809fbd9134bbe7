"""Files in and out: uploads, checked by their bytes, and what an answer can be kept as.

    parts = [received(path) for path in paths]        # Audio or Image, or a ValueError
    kept = write(run, question, folder)               # .omnirun, .wav, .txt, .html

A name that came with an upload is only ever shown. Files that go out have names made here.
Left out: films (mp4 needs ffmpeg).
"""

from collections.abc import Sequence
from pathlib import Path

from model.senses.message import Audio, Image
from workbench.run import Run
from workbench.uploads import LARGEST, upload
from workbench.waveform import wav

AT_ONCE = 4  # files of a question


def received(paths: Sequence[str | Path]) -> list[Audio | Image]:
    """What these files hold."""
    if len(paths) > AT_ONCE:
        raise ValueError(f"{len(paths)} files came with the question, {AT_ONCE} are the most")
    return [_received(Path(path)) for path in paths]


def _received(path: Path) -> Audio | Image:
    if path.stat().st_size > LARGEST * 1e6:  # before it is read
        size = path.stat().st_size / 1e6
        raise ValueError(f"the file has {size:.1f} MB, {LARGEST} MB are the most")
    return upload(path.read_bytes(), "the file")


def told(part: Audio | Image) -> str:
    """An upload in a few words."""
    if isinstance(part, Audio):
        return f"a recording of {part.seconds:.1f} s"
    height, width = part.pixels.shape[:2]
    return f"a picture of {width} \u00d7 {height} pixels"


def write(run: Run, transcript: str, folder: Path) -> list[str]:
    """The files of an answer; those that are there already are written anew."""
    files = [run.save(folder / "answer.omnirun")]
    if len(run.audio):
        with wav(folder / "answer.wav", run.meta.rate) as put:
            put(run.audio)
        files.append(folder / "answer.wav")
    text = folder / "answer.txt"
    text.write_text(transcript, encoding="utf-8")
    files += [text, run.export(folder / "answer.html", force=True)]
    return [str(file) for file in files]
