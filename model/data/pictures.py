"""Pictures of objects: emoji of nine sets, dyed in any colour; stamps and photos for the test.

    (name, style) --> sticker, RGBA, at most 96 pixels    --dye--> the same shape in one colour

- noto, twemoji, openmoji, fluent, and five sets that lack some objects: one WebP sheet each in
  datasets/scenes, an object a cell in the order of `OBJECTS`; `model.data.stock` made them.
- stamp: cut-out photos and drawings of the Debian package tuxpaint-stamps-default (GPL-2: read
  where they are, never copied), found by the file name.
- photo: three real photos in datasets/samples.

A dyed sticker keeps its light and shade: its darkness is spread over a ramp from a dark shade of
the colour over the colour itself, which the middle grey of the sticker becomes, to a light one.

Left out: pictures of more than one colour name.

    sticker("dog", "noto", "blue")   # PIL image, RGBA
"""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from model.data.catalog import COLORS, MORE_STYLES, OBJECTS, ROOT, SEEN_STYLES, SHAPES

CELL = 96  # pixels of a cell in a sheet, each way
COLUMNS = 12  # cells in a row
STAMPS = Path("/usr/share/tuxpaint/stamps")
SAMPLES = ROOT.parent / "samples"
PHOTOS = {"cat": "chelsea.png", "cup": "coffee.png", "flower": "flower.jpg"}
SHEETS = (*SEEN_STYLES, *MORE_STYLES, "fluent")
STEMS = {"train": "train", "phone": "telephone", "shirt": "t_tshirt", "light bulb": "lightbulb"}
STEMS |= {"drum": "drum_tomtom_floor", "guitar": "guitar_classical", "bunch of grapes": "grapes"}
STEMS |= {"apple": "apple_red", "chicken": "hen", "cat": "tabby"}


def names(style: str) -> tuple[str, ...]:
    """The objects of which there are pictures of a style here."""
    if style in SHEETS:
        return _drawn(style)
    if style == "photo":
        return tuple(PHOTOS)
    if style == "stamp":
        return tuple(_stamps())
    raise ValueError(f"no style {style!r}; expected one of {', '.join(SHEETS)}, stamp, photo")


def sticker(name: str, style: str, color: str = "") -> Image.Image:
    """An object of a style in a colour, or as it comes; cut to what is drawn."""
    if color and color not in COLORS:
        raise ValueError(f"no color {color!r}; expected one of {', '.join(COLORS)}")
    return _sticker(name, style, color)


@lru_cache(6000)  # all in all colours
def _sticker(name: str, style: str, color: str) -> Image.Image:
    if color:
        return dye(_sticker(name, style, ""), COLORS[color])
    if name not in OBJECTS:
        raise ValueError(f"no object is named {name!r}; model.data.catalog lists them")
    if style in SHEETS and name not in _drawn(style):
        raise ValueError(f"no picture of {name!r} among those of {style}")
    if style == "photo":
        if name not in PHOTOS:
            raise ValueError(f"no photo of {name!r}; there are photos of {', '.join(PHOTOS)}")
        picture = Image.open(SAMPLES / PHOTOS[name]).convert("RGBA")
    elif style == "stamp":
        if name not in _stamps():
            raise ValueError(f"no stamp of {name!r} in {STAMPS}")
        picture = Image.open(_stamps()[name]).convert("RGBA")
    else:
        picture = _cell(style, name)
    box = picture.getchannel("A").point(lambda a: 255 * (a > 24)).getbbox()
    picture = picture.crop(box)
    if max(picture.size) > 2 * CELL:
        picture.thumbnail((2 * CELL, 2 * CELL), Image.Resampling.LANCZOS)
    return picture


def dye(picture: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """The picture in shades of one colour."""
    pixels = np.asarray(picture, np.float32)
    grey = pixels[..., :3] @ np.float32((0.299, 0.587, 0.114))
    solid = grey[pixels[..., 3] > 128]
    dark, middle, light = np.percentile(solid, (2, 55, 98)) if solid.size else (0, 128, 255)
    dark, light = min(dark, middle - 40), max(light, middle + 40)
    main = np.float32(color)
    shade = main * 0.30 if main.mean() > 70 else main * 0.15
    shine = main + (255 - main) * (0.55 if main.mean() > 70 else 0.35)
    place = np.interp(grey, (dark, middle, light), (0.0, 0.5, 1.0))[..., None].astype(np.float32)
    low = shade + (main - shade) * np.minimum(place * 2, 1)
    mixed = np.where(place < 0.5, low, main + (shine - main) * (place * 2 - 1))
    out = np.dstack([mixed, pixels[..., 3]])
    return Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font by its name: Pillow brings one, matplotlib the others."""
    if name == "Aileron":
        return ImageFont.load_default(size)
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise ValueError(
            f"the font {name} comes with matplotlib, which is missing: pip install -e '.[lab]'"
        ) from None
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    if not path.exists():
        raise ValueError(f"no font is named {name!r} in {path.parent}")
    return ImageFont.truetype(path, size)


@cache
def _sheet(style: str) -> Image.Image:
    path = ROOT / f"{style}.webp"
    if style not in SHEETS:
        raise ValueError(f"no style {style!r}; expected one of {', '.join(SHEETS)}, stamp, photo")
    if not path.exists():
        raise ValueError(f"{path} is missing; it is part of the repository")
    return Image.open(path).convert("RGBA")


@cache
def _drawn(style: str) -> tuple[str, ...]:
    """The objects whose cells of a sheet are not empty."""
    return tuple(name for name in OBJECTS if _cell(style, name).getchannel("A").getbbox())


def _cell(style: str, name: str) -> Image.Image:
    index = list(OBJECTS).index(name)
    x, y = index % COLUMNS * CELL, index // COLUMNS * CELL
    return _sheet(style).crop((x, y, x + CELL, y + CELL))


@cache
def _stamps() -> dict[str, Path]:
    """The stamps that show an object of ours: the file of its name, the shallowest if several."""
    if not STAMPS.exists():
        raise ValueError(
            f"no stamps in {STAMPS}: install the Debian package tuxpaint-stamps-default"
        )
    found: dict[str, Path] = {}
    paths = sorted(STAMPS.glob("**/*.png"), key=lambda p: (len(p.parts), str(p)))
    stems: dict[str, Path] = {}
    for path in paths:
        stems.setdefault(path.stem.lower(), path)
    for name in OBJECTS:
        stem = STEMS.get(name, name).replace(" ", "_")
        if name not in SHAPES and stem in stems:
            found[name] = stems[stem]
    return found
