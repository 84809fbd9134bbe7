"""How long may the input be? Time and memory of hours of sound and minutes of film.

    omni bench long                  # up to ten hours of sound; each length is said when it is done

Each length goes through the whole path of micro (ear or eye, prompt with timestamps, Thinker, first
words of the answer, read aloud) in a process of its own, so that its peak of memory is its own: two
figures a length, seconds and GiB. The sound is a recorded voice over and over, the film is moving
noise of 1280 x 720 at one frame a second with that sound. What the answer is worth does not matter.

Left out: films longer than 400 s; reading the file (stream_audio decodes in blocks).
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from model.omni import Omni
from model.senses.message import Audio, Message, Video, load_audio
from model.senses.prompt import RATE, Clock
from model.turn import answer
from workbench.bench import Speed

VOICE = "datasets/samples/question.wav"
SOUND = (600.0, 3600.0, 3 * 3600.0, 10 * 3600.0)  # seconds
FILM = (100.0, 400.0)
SIZE = 720, 1280  # of a frame
CLOCK = Clock(interval=60.0)
WORDS = 4  # of the answer
MODEL = "micro"


def sound(seconds: float) -> Audio:
    """A voice over and over."""
    return Audio(np.resize(load_audio(VOICE, RATE).samples, round(seconds * RATE)), RATE)


def film(seconds: float) -> Video:
    """A field of noise that wanders, one frame a second, with sound."""
    height, width = SIZE
    field = np.random.default_rng(0).integers(0, 256, (height, 2 * width, 3), np.uint8)
    shifts = [8 * i % width for i in range(round(seconds))]
    frames = np.stack([field[:, shift : shift + width] for shift in shifts])
    return Video(frames, np.arange(len(frames), dtype=np.float32), sound(seconds))


def through(part: Audio | Video) -> dict[str, float]:
    """Let micro read it and begin to answer: seconds to the first piece of sound or text, and the
    peak of memory of this process in GiB."""
    omni = Omni.load(MODEL)
    start = time.perf_counter()
    first = None
    for _chunk in answer(omni, [Message.of("user", part)], clock=CLOCK, most=WORDS):
        first = first or time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"first": first or 0.0, "GiB": peak}


def long(row: str, repeats: int) -> Iterator[Speed]:
    """Each length once: `repeats` does not matter."""
    for make, lengths in ((sound, SOUND), (film, FILM)):
        for seconds in lengths:
            found = _alone(make, seconds)
            what = f"{_length(seconds)} of {'sound' if make is sound else 'film with sound'}"
            yield Speed(row, f"{what}: until the answer", "s", found["first"])
            yield Speed(row, f"{what}: memory at most", "GiB", found["GiB"])


def _alone(make: Callable, seconds: float) -> dict[str, float]:
    """`through` in a new process with the same number of threads."""
    import torch

    code = (
        f"import json, torch; torch.set_num_threads({torch.get_num_threads()});"
        f" from workbench import bench_long as b; print(json.dumps(b.through(b.{make.__name__}"
        f"({seconds!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{_length(seconds)}: the process ended with {done.stderr[-500:]}")
    return json.loads(done.stdout)


def _length(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"


ROWS: dict[str, Callable[[str, int], Iterator[Speed]]] = {"long": long}
