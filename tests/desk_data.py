"""What the tests of the chat and of the dashboard share: a lab, a desk, files. Not a test."""

import io
import time

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Pillow

import workbench as wb
from model.omni import Omni, OmniConfig
from workbench.desk import Desk

HOSTILE = (
    "<img src=x onerror=hacked=1></pre></script><script>hacked=1</script>${hacked}{{hacked}}\u202e"
)


@pytest.fixture(scope="module")
def lab():
    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))


@pytest.fixture
def desk(lab):
    desk = Desk(lab)
    yield desk
    desk.close()


def over(turn):
    """Wait for the end of a turn, or of what is drawn of it."""
    end = time.monotonic() + 60
    while turn.live:
        assert time.monotonic() < end, turn
        time.sleep(0.01)
    return turn


def sound(seconds: float = 0.5, rate: int = 8000, channels: int = 1, kind: str = "WAV") -> bytes:
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) / 5)
    out = io.BytesIO()
    soundfile.write(out, np.stack([wave] * channels, 1), rate, format=kind)
    return out.getvalue()


def png(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", (width, height)).save(out, "png")
    return out.getvalue()
