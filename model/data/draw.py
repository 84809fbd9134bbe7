"""Scene -> frames: pixels at the size of the vision encoder, or any other.

    ground --paste what is visible at a time--> u8 [N, H, W, 3]

The same scene gives the same pixels. `box` and `letters` say where a thing
and what is printed are, for tests and for teaching.

Left out: shadows, motion blur, things behind things.

    picture(scene)                 # u8 [H, W, 3]
    frames(scene), times(scene)    # at the scene's own rate
    frames(scene, times=t, scale=0.5)

Letters: N frames, H height, W width.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw

from model.data.catalog import GROUNDS
from model.data.pictures import font, sticker
from model.data.scenes import Ground, Print, Scene, Thing

Sticker = Callable[[Image.Image], Image.Image]


def unchanged(sticker: Image.Image) -> Image.Image:
    return sticker


def picture(
    scene: Scene, time: float = 0.0, scale: float = 1.0, change: Sticker = unchanged
) -> UInt8[np.ndarray, "height width 3"]:
    """What is to be seen at a moment; `change` makes another sticker of each (vary.py)."""
    return np.asarray(_frame(scene, time, scale, change))


def times(scene: Scene, rate: float | None = None) -> Float32[np.ndarray, " frames"]:
    """When its frames are: from 0 on at a rate, its own if not said."""
    if not scene.seconds:
        return np.zeros(1, np.float32)
    rate = rate or scene.rate or 1.0
    return (np.arange(max(1, int(scene.seconds * rate + 1e-6))) / rate).astype(np.float32)


def frames(
    scene: Scene, at: Sequence[float] | None = None, scale: float = 1.0
) -> UInt8[np.ndarray, "frames height width 3"]:
    """The frames at some moments, its own if not said."""
    moments = times(scene).tolist() if at is None else at
    return np.stack([picture(scene, time, scale) for time in moments])


def box(
    scene: Scene, thing: Thing, time: float = 0.0, scale: float = 1.0
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a thing in pixels; right and bottom are the first outside."""
    width, height = _pixels(scene, scale)
    w, h = _extent(scene, thing, scale)
    x, y = thing.at(time)
    left, top = round(x * width - w / 2), round(y * height - h / 2)
    left, top = min(max(left, 0), width - w), min(max(top, 0), height - h)  # kept inside
    return left, top, left + w, top + h


def letters(scene: Scene, word: Print, scale: float = 1.0) -> list[tuple[int, int, int, int]]:
    """Left, top, right, bottom of each letter of a printed word, in pixels."""
    width, height = _pixels(scene, scale)
    face = font(word.font, max(6, round(word.size * min(width, height))))
    left, top, _, bottom = face.getbbox(word.text, anchor="mm")
    x, y = word.at[0] * width + left, word.at[1] * height
    edges = [round(x + face.getlength(word.text[:n])) for n in range(len(word.text) + 1)]
    return [(a, round(y + top), b, round(y + bottom)) for a, b in pairwise(edges)]


def _frame(scene: Scene, time: float, scale: float, change: Sticker) -> Image.Image:
    size = _pixels(scene, scale)
    frame = _ground(scene.ground, *size, scene.seed).copy()
    for thing in scene.things:
        if scene.shows(thing, time):
            left, top, right, bottom = box(scene, thing, time, scale)
            stamp = _sized(thing.name, thing.style, thing.color, right - left, bottom - top)
            stamp = change(stamp)
            frame.paste(stamp, (left, top), stamp)
    for word in scene.prints:
        if scene.shows(word, time):
            _write(frame, word, min(size))
    return frame


def _pixels(scene: Scene, scale: float) -> tuple[int, int]:
    return max(1, round(scene.width * scale)), max(1, round(scene.height * scale))


def _extent(scene: Scene, thing: Thing, scale: float) -> tuple[int, int]:
    """Width and height of a thing in pixels."""
    w, h = sticker(thing.name, thing.style).size
    unit = thing.size * min(_pixels(scene, scale)) / max(w, h)
    return max(1, round(w * unit)), max(1, round(h * unit))


@lru_cache(4096)
def _sized(name: str, style: str, color: str, width: int, height: int) -> Image.Image:
    return sticker(name, style, color).resize((width, height), Image.Resampling.BICUBIC, None, 2)


def _write(frame: Image.Image, word: Print, side: int) -> None:
    letters = font(word.font, max(6, round(word.size * side)))
    at = word.at[0] * frame.width, word.at[1] * frame.height
    ImageDraw.Draw(frame).text(at, word.text, fill=word.color, font=letters, anchor="mm")


@lru_cache(64)
def _ground(ground: Ground, width: int, height: int, seed: int) -> Image.Image:
    """Two colours in a pattern."""
    top, bottom = (np.float32(GROUNDS[name]) for name in (ground.top, ground.bottom))
    rows, columns = np.mgrid[:height, :width]
    unit = min(width, height) / 8  # of the patterns
    match ground.pattern:
        case "fade":
            mask = rows / max(1, height - 1)
        case "stripes":
            mask = ((rows + columns) // unit) % 2
        case "dots":
            mask = np.hypot(rows % unit - unit / 2, columns % unit - unit / 2) < unit / 4
        case "checks":
            mask = (rows // unit + columns // unit) % 2
        case _:
            mask = np.zeros((height, width))
    pixels = top + (bottom - top) * np.float32(mask)[..., None]
    if ground.pattern == "grain":
        pixels += np.random.default_rng(seed).normal(0, 7, (height, width, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
