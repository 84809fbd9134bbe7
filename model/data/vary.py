"""Stickers as nobody drew them: turned round, bent, in another light, without or with an outline.

Three sets of emoji are all that training sees, and who knows only those does not know a fourth. So
an eye that learns names is shown every sticker a little different each time; colour and place stay
what they are, since those are asked for. It may come out smaller.

Left out: things half hidden; other colours.

    picture(scene, change=Change(rng))     # model/data/draw.py
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter
from scipy.ndimage import map_coordinates

TURN = 0.25  # radians, at most
BEND = 0.06  # of the sticker's width, how far its inner points go astray
GRID = 4  # such points each way
LESS = 0.25  # of one sticker's share of light and shade, at least


@dataclass(frozen=True)
class Change:
    """A different change for every sticker that it is called with."""

    rng: np.random.Generator

    def __call__(self, sticker: Image.Image) -> Image.Image:
        """A sticker (RGBA) of the same size."""
        if self.rng.random() < 0.15:
            return sticker
        if self.rng.random() < 0.5:
            sticker = sticker.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        sticker = self._bent(sticker)
        *colors, alpha = self._lit(sticker).split()
        picture = Image.merge("RGB", colors)
        kind = self.rng.random()
        if kind < 0.2:
            picture = picture.filter(ImageFilter.MedianFilter(3 if kind < 0.1 else 5))
        elif kind < 0.3:
            picture = picture.filter(ImageFilter.GaussianBlur(float(self.rng.uniform(0.5, 1.5))))
        elif kind < 0.4:
            picture = picture.filter(ImageFilter.UnsharpMask(2, 120, 0))
        elif kind < 0.5:
            inner = alpha.filter(ImageFilter.MinFilter(3))
            rim = ImageChops.subtract(alpha, inner)
            shade = int(self.rng.integers(20, 70))
            picture.paste((shade, shade, shade), (0, 0), rim)
        elif kind < 0.6:
            alpha = alpha.filter(ImageFilter.MinFilter(3))
        return Image.merge("RGBA", (*picture.split(), alpha))

    def _bent(self, sticker: Image.Image) -> Image.Image:
        """Turned, sheared, stretched, and bent as a rubber sheet; still all inside."""
        rng, pixels = self.rng, np.asarray(sticker, np.float32)
        pixels = np.concatenate([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3:]], axis=-1)
        height, width = pixels.shape[:2]
        turn, lean = rng.uniform(-TURN, TURN), rng.uniform(-0.2, 0.2)
        wide, tall = rng.uniform(0.95, 1.3, 2)  # above one: smaller
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = matrix @ np.array([[tall, lean], [0, wide]])
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        rows, columns = rows / height - 0.5, columns / width - 0.5
        at = np.einsum("ij,jhw->ihw", matrix, np.stack([rows, columns]))
        astray = rng.normal(0, BEND, (2, GRID, GRID))
        grid = [(v + 0.5) * (GRID - 1) for v in (rows, columns)]
        at = at + np.stack([map_coordinates(one, grid, order=1) for one in astray])
        at = [(at[0] + 0.5) * height - 0.5, (at[1] + 0.5) * width - 0.5]
        bent = np.stack([map_coordinates(pixels[..., i], at, order=1) for i in range(4)], axis=-1)
        bent[..., :3] *= 255 / np.maximum(bent[..., 3:], 1)
        return Image.fromarray(np.clip(bent, 0, 255).astype(np.uint8))

    def _lit(self, sticker: Image.Image) -> Image.Image:
        """More or less of its light and shade, around the colour that it has in the middle."""
        pixels = np.asarray(sticker, np.float32)
        grey = pixels[..., :3] @ np.float32((0.299, 0.587, 0.114))
        solid = grey[pixels[..., 3] > 128]
        if not solid.size:
            return sticker
        share = self.rng.uniform(LESS, 1.4)
        middle = np.median(solid)
        shade = (middle + (grey - middle) * share) / np.maximum(grey, 1)
        if self.rng.random() < 0.2:  # in few steps, as of paper
            steps = self.rng.uniform(25, 60)
            shade = shade * (np.round(grey / steps) * steps + 1) / (grey + 1)
        lit = pixels[..., :3] * np.clip(shade, 0, 4)[..., None]
        lit = (lit + self.rng.uniform(-12, 12)).clip(0, 255)
        return Image.fromarray(np.dstack([lit, pixels[..., 3]]).astype(np.uint8))
