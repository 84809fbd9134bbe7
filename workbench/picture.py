"""A picture of one spoken sentence: when each text token was taken, and what was heard by then.

    omni picture "Please check the number and dial again." -o picture.svg

Up: text tokens, right: time. The staircase is the order in which the Talker took tokens and spoke
frames; ARIA's law keeps it on or above the line from corner to corner (speech never runs ahead of
the sentence's own rate). Below it the sound on the same clock. Left out: everything interactive.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from model.aria import Audit

WIDTH, LEFT, TOP, ROW, SOUND = 900, 130, 34, 20, 90  # pixels
INK, GREY, PATH, LAW, WAVE = "#222", "#999", "#0b6e99", "#c8553d", "#6b8f71"


def aria_svg(words: Sequence[str], audit: Audit, samples: np.ndarray, rate: int, title: str) -> str:
    """SVG of one sentence: `words` are the text tokens in the order of `audit.path`."""
    texts = [*words, "(end)"][: sum(audit.path)]
    rows, frames = len(texts), len(audit.path) - sum(audit.path)
    if not frames:
        raise ValueError("nothing was spoken, there is nothing to draw")
    across = (WIDTH - LEFT - 20) / frames  # pixels a frame
    floor = TOP + rows * ROW

    def spot(spoken: int, heard: int) -> str:
        return f"{LEFT + spoken * across:.1f},{floor - heard * ROW:.1f}"

    heard = spoken = 0
    corners, labels = [spot(0, 0)], []
    for is_text in audit.path:
        if is_text:
            y = floor - heard * ROW
            labels += [
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 20}" y2="{y:.1f}" stroke="#eee"/>',
                f'<text x="{LEFT - 8}" y="{y - 6:.1f}" text-anchor="end">{_shown(texts[heard])}'
                "</text>",
            ]
        heard, spoken = heard + is_text, spoken + (not is_text)
        corners.append(spot(spoken, heard))
    middle = floor + 20 + SOUND / 2
    second = across * frames * rate / len(samples)  # pixels
    under = middle + SOUND / 2 + 16
    ticks = "".join(
        f'<text x="{LEFT + t * second:.1f}" y="{under:.1f}" text-anchor="middle" fill="{GREY}">'
        f"{t:g} s</text>"
        for t in np.arange(0, len(samples) / rate, 0.5)
    )
    height = round(middle + SOUND / 2 + 26)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" \
font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="white"/>
<text x="{LEFT}" y="20" fill="{INK}">{escape(title)}</text>
<g fill="{INK}">{"".join(labels)}</g>
<polyline points="{spot(0, 0)} {spot(frames, rows)}" fill="none" stroke="{LAW}" \
stroke-dasharray="5 4"><title>the law: speech may not run ahead of this</title></polyline>
<polyline points="{" ".join(corners)}" fill="none" stroke="{PATH}" stroke-width="2"/>
<path d="{_envelope(samples, middle, WIDTH - LEFT - 20)}" fill="{WAVE}"/>
<text x="{LEFT - 8}" y="{middle + 5:.0f}" text-anchor="end" fill="{GREY}">heard</text>
{ticks}
</svg>
"""


def _shown(text: str) -> str:
    return escape(text.strip() or "\u2423")


def _envelope(samples: np.ndarray, middle: float, width: int) -> str:
    """The outline of the sound, two pixels a step."""
    parts = np.array_split(samples, width // 2)
    loud = max(1e-3, float(np.abs(samples).max()))
    high = [f"{LEFT + 2 * i},{middle - max(p) / loud * SOUND / 2:.1f}" for i, p in enumerate(parts)]
    low = [f"{LEFT + 2 * i},{middle - min(p) / loud * SOUND / 2:.1f}" for i, p in enumerate(parts)]
    return "M" + " L".join([*high, *reversed(low)]) + " Z"
