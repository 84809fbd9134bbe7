"""Changed stickers: of the same size, of about the same colour, and each another one."""

import numpy as np
import pytest
from PIL import Image

from model.data.catalog import SEEN_STYLES
from model.data.draw import box, picture
from model.data.pictures import sticker
from model.data.scenes import crowd
from model.data.shelf import shelf
from model.data.vary import Change


def changed(one: Image.Image, seed: int) -> np.ndarray:
    new = Change(np.random.default_rng(seed))(one)
    assert new.size == one.size and new.mode == "RGBA"
    return np.asarray(new)


@pytest.mark.parametrize("style", SEEN_STYLES)
def test_a_sticker_stays_what_is_asked_for(style):
    """Its size is that of the box; its colour is nearer to its own than to others."""
    colors = {"red": (216, 30, 38), "blue": (30, 85, 215), "green": (40, 150, 50)}
    for color in colors:
        one = sticker("dog", style, color).resize((64, 60))
        for seed in range(12):
            pixels = changed(one, seed)
            solid = pixels[pixels[..., 3] > 200][:, :3].astype(float)
            assert len(solid) > 0.2 * (np.asarray(one)[..., 3] > 200).sum()
            middle = np.median(solid, axis=0)
            near = min(colors, key=lambda name: np.abs(middle - colors[name]).sum())
            assert near == color, (style, color, seed, middle)


def test_every_change_is_another_and_comes_again_from_its_seed():
    one = sticker("cup", "noto", "blue").resize((48, 48))
    some = [changed(one, seed).tobytes() for seed in range(30)]
    assert some == [changed(one, seed).tobytes() for seed in range(30)]
    assert len(set(some)) > 20
    assert one.tobytes() in some, "some stay as they are"


def test_tiny_and_empty_stickers():
    for size in ((1, 1), (3, 40)):
        for seed in range(8):
            changed(Image.new("RGBA", size, (0, 0, 0, 0)), seed)


def test_things_stay_in_their_boxes():
    scene = crowd(3, shelf("train"))
    plain, other = (picture(scene, 0.0, 1.0, change).astype(int)
                    for change in (lambda s: s, Change(np.random.default_rng(0))))  # fmt: skip
    apart = np.abs(plain - other).max(-1) > 0
    assert apart.any()
    for thing in scene.things:
        left, top, right, bottom = box(scene, thing)
        apart[top:bottom, left:right] = False
    assert not apart.any()
