"""What may go in: examples and uploads, checked before they are decoded."""

import io
import runpy
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image as Pillow

from model.senses.message import Audio, Image
from workbench.uploads import LARGEST, examples, upload, words

DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
png, sound = DATA["png"], DATA["sound"]


def claimed(width: int, height: int) -> bytes:
    """A PNG that says it is this large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png()
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return data[:16] + head + crc + data[33:]


def test_an_upload_is_what_its_bytes_are():
    for kind in ("WAV", "FLAC", "OGG"):
        heard = upload(sound(kind=kind), "picture.png")
        assert isinstance(heard, Audio) and heard.rate == 16_000 and 0.4 < heard.seconds < 0.6
    assert isinstance(upload(sound(channels=2)), Audio)
    seen = upload(png(), "../../sound.wav")
    assert isinstance(seen, Image) and seen.pixels.shape == (8, 8, 3)


def saved(picture: Pillow.Image, kind="PNG", **how) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def test_what_is_transparent_is_white():
    clear = Pillow.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.putpixel((2, 3), (0, 0, 255, 255))
    palette = clear.quantize(4)  # transparency in its palette
    for data in (saved(clear), saved(palette), saved(clear, "WEBP", lossless=True)):
        pixels = upload(data).pixels
        assert pixels[3, 2].tolist() == [0, 0, 255] and (pixels[0, 0] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16", "CMYK"])
def test_pictures_of_every_kind_of_pixel(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    seen = upload(saved(Pillow.new(mode, (20, 10)), kind))
    assert seen.pixels.shape == (10, 20, 3) and seen.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (claimed(10_000, 5_000), "10000 x 5000 pixels, 40 million are the most"),
        (b"", "is empty"),
        (b"just some text", "neither a recording"),
        (b"\0" * round(LARGEST * 1e6 + 1), "20 MB are the most"),
        (png(64, 64)[:-40], "a damaged one"),
        (claimed(30_000, 2_000), "30000 x 2000 pixels"),
        (claimed(2**31 - 1, 2**31 - 1), "too many pixels"),
        (sound(70), "70 s, 60 s are the most"),
        (sound(channels=9), "9 channels"),
        (sound(0.01), "too short"),
        (sound(rate=900_000, seconds=0.1), "claims 900000 Hz"),
        (sound()[:44] + b"\0" * 8000, "silent"),
    ],
)
def test_bad_uploads_are_refused_in_a_sentence(data, told):
    with pytest.raises(ValueError, match=told) as error:
        upload(data, "this")
    assert str(error.value).startswith("this") and "\n" not in str(error.value)


def test_sounds_that_are_no_numbers_are_refused():
    out = io.BytesIO()
    soundfile.write(out, np.full(4000, np.nan, np.float32), 8000, format="WAV", subtype="FLOAT")
    with pytest.raises(ValueError, match="no numbers"):
        upload(out.getvalue())


def test_examples_are_there_and_can_be_loaded():
    assert len(examples()) >= 6
    for example in examples():
        assert isinstance(example.load(), Audio | Image) and example.by


def test_typed_texts_are_checked():
    assert words("  What?\n", "it") == "What?"
    with pytest.raises(ValueError, match="2001 characters"):
        words("a" * 2001, "it")
    with pytest.raises(ValueError, match="not valid"):
        words("\ud800", "it")
