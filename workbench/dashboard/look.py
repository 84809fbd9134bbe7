"""The look of the dashboard, and the little HTML that its panels are made of.

Every text of a model or a user passes through `escape`. Left out: pictures; views draw themselves.
"""

import base64
import io
import wave
from pathlib import Path

import numpy as np
from panel.layout import Column, FlexBox
from panel.pane import HTML
from panel.theme import Native
from panel.theme.base import Inherit
from panel.viewable import Viewable
from panel.widgets import Widget
from PIL import Image

from widgets.view import escape

FOLDER = Path(__file__).parent


class Calm(Native):
    """Panel's plain design, with our own sheet on top of it in every panel."""

    modifiers = {
        Viewable: {"stylesheets": [Inherit, (FOLDER / "panel.css").read_text()]},
        Widget: {"margin": 0},
    }


def html(text: str = "", **how) -> HTML:
    """A panel of HTML; `put` changes it."""
    return HTML(_scoped(text), **{"sizing_mode": "stretch_width", "margin": 0} | how)


def stack(*panels: Viewable, **how) -> Column:
    """Panels below each other, with a little air between them."""
    return Column(*panels, **{"sizing_mode": "stretch_width", "styles": {"gap": "10px"}} | how)


def line(*panels: Viewable, **how) -> FlexBox:
    """Panels beside each other, as far as there is room."""
    return FlexBox(*panels, **{"gap": "8px", "sizing_mode": "stretch_width"} | how)


def put(pane: HTML, text: str) -> None:
    """Show something else there, if it is something else."""
    if pane.object != _scoped(text):
        pane.object = _scoped(text)


def _scoped(text: str) -> str:
    return f'<div class="d">{text}</div>'


def wav(samples: np.ndarray, rate: int) -> bytes:
    """Samples between -1 and 1 as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return out.getvalue()


def player(samples: np.ndarray, rate: int, name: str) -> str:
    """Something to listen to."""
    sound = base64.b64encode(wav(samples, rate)).decode()
    source = f"data:audio/wav;base64,{sound}"
    return f'<audio controls aria-label="{escape(name)}" src="{source}"></audio>'


def picture(pixels: np.ndarray, name: str) -> str:
    """Something to look at, small."""
    out = io.BytesIO()
    small = Image.fromarray(pixels)
    small.thumbnail((512, 512))
    small.save(out, "png")
    source = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    return f'<img class="seen" alt="{escape(name)}" src="{source}">'


def code(text: str) -> str:
    """Python to read."""
    return f"<pre>{chr(10).join(escape(row, 2000) for row in text.splitlines())}</pre>"


def sentence(error: Exception | str, kind: str = "bad") -> str:
    """What went wrong ("bad"), or is still missing ("soft"), as a reader wants it."""
    text = " ".join(str(error).split())
    return f'<p class="{kind}" role="alert">{escape(text[:1].upper() + text[1:], 400)}</p>'
