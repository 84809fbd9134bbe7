"""What may go in: examples that are shipped, and uploads, checked before they are decoded.

    sound = upload(read(path))         # Audio or Image, or a ValueError of one sentence

An upload is bytes. What it is, is read from the bytes; the name it came under is only ever shown.
Bytes, seconds, channels and pixels are compared with what is announced before anything is decoded,
and no more than that is decoded. Left out: clips (clips.py).
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image as Pillow

from model.senses.message import RATES, SHORTEST, Audio, Image
from workbench.waveform import audible

SAMPLES = Path(__file__).parents[1] / "datasets/samples"
LARGEST = 20  # MB of an upload
LONGEST = 60.0  # seconds of a recording
CHANNELS = 8
PIXELS = 40e6
CHARACTERS = 2000  # of a typed text
SOUNDS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "MPEG", "AIFF", "AU")
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
HEARING = 16_000  # samples a second


@dataclass(frozen=True)
class Example:
    """A file that is shipped, what is in it, and whom to thank."""

    label: str
    file: str
    ask: str  # a request in words that goes with it
    about: str
    by: str

    @property
    def path(self) -> Path:
        return SAMPLES / self.file

    def load(self) -> Audio | Image:
        return upload(self.path.read_bytes(), self.file)


HERE = "synthesised for this project, Apache-2.0"
SMITH = "recorded by Allison Smith for Asterisk, CC-BY-SA-3.0"
LIBRIVOX = "read by a LibriVox volunteer (Jane Austen), public domain"
EXAMPLES = (
    Example("Question: six plus five", "question.wav", "",
            "Can you tell me what six plus five is?", HERE),
    Example("Question: the day after Friday", "question_male.wav", "",
            "Can you tell me the day after Friday?", HERE),
    Example("Question: the color of a carrot", "question_alto.wav", "",
            "Do you know the color of a carrot?", HERE),
    Example("A person: check the number", "speech_en_asterisk_2.wav", "What was said?",
            "Please check the number and dial again.", SMITH),
    Example("A person: all circuits are busy", "speech_en_asterisk_1.wav", "What was said?",
            "All circuits are busy now.", SMITH),
    Example("A person reads Jane Austen", "speech_en_librivox_1.wav", "What was said?",
            "he was not an ill disposed young man", LIBRIVOX),
    Example("A dog barks", "sound_Dog1.wav", "What do you hear?",
            "A dog; micro has only begun to learn sounds.",
            "Scratch 1.4 media library, (c) 2011 MIT, CC-BY-SA-3.0"),
    Example("A picture: a cup of coffee", "coffee.png", "What color is the cup?",
            "A red cup of coffee; micro has seen made pictures, no photographs.",
            "photograph by Rachel Michetti, CC0-1.0"),
)  # fmt: skip


def examples() -> list[Example]:
    """Those whose files are there."""
    return [example for example in EXAMPLES if example.path.is_file()]


def words(text: str, what: str) -> str:
    """A typed text, without spaces around it."""
    text = text.strip()
    if len(text) > CHARACTERS:
        raise ValueError(f"{what} has {len(text)} characters, {CHARACTERS} are the most")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is not valid text (half a character)") from None
    return text


def read(path: str | Path, name: str = "the file") -> bytes:
    """A file's bytes, unless they are too many."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{name}: no such file")
    size = path.stat().st_size / 1e6
    if size > LARGEST:  # before it is read
        raise ValueError(f"{name} has {size:.1f} MB, {LARGEST} MB are the most")
    return path.read_bytes()


def upload(data: bytes, name: str = "the file", rate: int = HEARING) -> Audio | Image:
    """The recording (at `rate`) or picture that these bytes are."""
    if not data:
        raise ValueError(f"{name} is empty")
    if len(data) > LARGEST * 1e6:
        raise ValueError(f"{name} has {len(data) / 1e6:.1f} MB, {LARGEST} MB are the most")
    found = _picture(data, name)
    found = _sound(data, name, rate) if found is None else found
    if found is None:
        kinds = "a recording (wav, flac, ogg, mp3) or a picture (png, jpeg, webp)"
        raise ValueError(f"{name} is neither {kinds}, whatever its name says")
    return found


def _picture(data: bytes, name: str) -> Image | None:
    """A picture, None if these bytes are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # refused just below
        try:
            with Pillow.open(io.BytesIO(data), formats=PICTURES) as picture:
                width, height = picture.size
                if not width * height <= PIXELS:
                    most = f"{PIXELS / 1e6:g} million are the most"
                    raise ValueError(f"{name} has {width} x {height} pixels, {most}")
                return Image(_opaque(picture))
        except Pillow.UnidentifiedImageError:
            return None
        except Pillow.DecompressionBombError:
            raise ValueError(f"{name} has far too many pixels") from None
        except (OSError, SyntaxError, EOFError):
            raise ValueError(f"{name} is a picture, but a damaged one") from None


def _opaque(picture: Pillow.Image) -> np.ndarray:
    """Its pixels u8[H, W, 3]; what is transparent is white."""
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    page = Pillow.new("RGBA", picture.size, "white")
    page.alpha_composite(picture.convert("RGBA"))
    return np.asarray(page.convert("RGB"))


def _sound(data: bytes, name: str, heard: int) -> Audio | None:
    """A recording of one channel at the rate `heard`, None if these bytes are none."""
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except (soundfile.LibsndfileError, TypeError):
        return None
    with file:
        if file.format not in SOUNDS:
            return None
        rate, most = file.samplerate, round(LONGEST * file.samplerate)
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"{name} claims {rate} Hz, {RATES[0]} to {RATES[1]} are possible")
        if file.channels > CHANNELS:
            raise ValueError(f"{name} has {file.channels} channels, {CHANNELS} are the most")
        if file.frames > most:
            told = f"{file.frames / rate:.0f} s" if file.frames < 1e9 * rate else "no known length"
            raise ValueError(f"{name} has {told}, {LONGEST:g} s are the most")
        try:
            samples = file.read(most, dtype="float32", always_2d=True).mean(axis=1)
        except (soundfile.LibsndfileError, MemoryError):
            raise ValueError(f"{name} is a recording, but a damaged one") from None
    if len(samples) < SHORTEST * rate:
        raise ValueError(f"{name} is too short to be heard: {len(samples)} samples at {rate} Hz")
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} is damaged: it holds samples that are no numbers")
    return audible(Audio(samples, rate).at(heard), name)
