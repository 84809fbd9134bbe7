"""A scene on one page: its frames with their times, its sound with its events, what can be asked.

    frames       one a column, the time above, every second one if there are many
    what is there  a bar for each thing and word: from when to when it is to be seen
    sound        the waveform; a band and a label for each event; lines with their words
    questions    with their answers, one of each task

Left out: anything that moves; `omni scene show --wav` writes the sound.

    sheet(scene, samples, tasks).save("scene.png")
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.data.ask import Task
from model.data.captions import looks
from model.data.catalog import COLORS
from model.data.draw import frames, picture, times
from model.data.pictures import font
from model.data.scenes import Line, Scene

WIDTH, EDGE = 1640, 44
INK, FAINT, RULE, PAPER = (32, 36, 44), (112, 118, 128), (218, 221, 226), (255, 255, 255)
WAVE = (92, 104, 124)
TINTS = ((204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (0, 114, 178))
SPEECH = (120, 94, 190)
LATIN = "\u017f"  # the last letter that Pillow's font is sure to have
FRAMES = 14  # at most; of more, every second or third


def sheet(
    scene: Scene, samples: np.ndarray | None = None, tasks: Sequence[Task] = (), questions: int = 12
) -> Image.Image:
    """The page of a scene. `samples`: its sound at 16 kHz, if it has one."""
    page = _Page(scene)
    page.head()
    if scene.kind != "sound":
        page.look()
    if scene.kind == "film":
        page.bars()
    if samples is not None and len(samples):
        page.hear(samples)
    page.ask(_chosen(scene, tasks, questions))
    return page.done()


def _chosen(scene: Scene, tasks: Sequence[Task], n: int) -> list[Task]:
    """One of each task, captions last and fewest."""
    rng = Random(f"{scene.seed}|sheet")
    by: dict[str, list[Task]] = {}
    for task in tasks:
        by.setdefault(task.name, []).append(task)
    plain = [rng.choice(found) for name, found in by.items() if not name.startswith("caption")]
    rng.shuffle(plain)
    last = [by[name][0] for name in ("caption short", "caption structured") if name in by]
    return plain[: max(0, n - len(last))] + last


@dataclass
class _Page:
    """The page while it is written, from the top down."""

    scene: Scene

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH, 4000), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.y = EDGE
        self.left, self.right = EDGE, WIDTH - EDGE

    def done(self) -> Image.Image:
        return self.image.crop((0, 0, WIDTH, min(4000, round(self.y) + EDGE)))

    def text(self, x: float, y: float, text: str, size: int = 17, fill=INK, anchor="la") -> float:
        letters = _font(size, text)
        self.draw.text((x, y), text, font=letters, fill=fill, anchor=anchor)
        return x + letters.getlength(text)

    def head(self) -> None:
        scene = self.scene
        size = f"{scene.seconds:g} s" if scene.seconds else f"{scene.width} x {scene.height} pixels"
        if scene.kind == "film":
            size += f", {scene.rate:g} frame{'s' if scene.rate != 1 else ''} a second"
        x = self.text(self.left, self.y, f"Scene {scene.seed}", 30)
        self.text(
            x + 16, self.y + 12, f"{scene.split}  \u00b7  {scene.kind}  \u00b7  {size}", 17, FAINT
        )
        self.y += 60

    def look(self) -> None:
        """Frames in a row; a picture large."""
        scene = self.scene
        if scene.kind == "picture":
            shown = Image.fromarray(picture(scene, 0.0, 2.0))
            self.image.paste(shown, (self.left, self.y))
            x = self.left + shown.width + 40
            for i, thing in enumerate(scene.things):
                y = self.y + 8 + 34 * i
                self.swatch(x, y + 3, thing.color)
                at = f"at {thing.path[0][0]:.2f}, {thing.path[0][1]:.2f}, size {thing.size:.2f}"
                end = self.text(x + 30, y, looks(thing), 20)
                self.text(end + 14, y + 3, f"{thing.style}, {at}", 16, FAINT)
            for word in scene.prints:
                y = self.y + 8 + 34 * len(scene.things)
                end = self.text(x + 30, y, f'"{word.text}"', 20)
                self.text(end + 14, y + 3, word.font, 16, FAINT)
            self.y += shown.height + 36
            return
        at = times(scene)
        at = at[:: -(-len(at) // FRAMES)]
        gap = 8
        columns = max(len(at), 6)
        width = (self.right - self.left - gap * (columns - 1)) / columns
        scale = width / scene.width
        for i, (time, pixels) in enumerate(zip(at, frames(scene, at.tolist(), scale), strict=True)):
            x = round(self.left + i * (width + gap))
            self.text(x, self.y, f"{time:.1f} s", 16, FAINT)
            self.image.paste(Image.fromarray(pixels), (x, self.y + 24))
        self.y += round(scene.height * scale) + 24 + 30

    def swatch(self, x: float, y: float, color: str) -> None:
        box = (x, y, x + 18, y + 18)
        if color:
            self.draw.rounded_rectangle(box, 4, fill=COLORS[color], outline=RULE)
        else:
            self.draw.rounded_rectangle(box, 4, outline=FAINT)

    def at(self, time: float) -> float:
        """Where a time is, from left to right."""
        return self.left + 150 + (self.right - self.left - 150) * time / self.scene.seconds

    def bars(self) -> None:
        """From when to when things are to be seen."""
        for part in (*self.scene.things, *self.scene.prints):
            color = getattr(part, "color", "")
            thing = isinstance(color, str)
            name = looks(part) if thing else f'"{part.text}"'
            fill = COLORS.get(color, (176, 182, 192)) if thing else (60, 64, 72)
            self.text(self.left, self.y, name, 17)
            box = (self.at(part.start), self.y + 3, self.at(part.end) - 1, self.y + 18)
            self.draw.rounded_rectangle(box, 4, fill=fill, outline=RULE)
            self.y += 27
        self.y += 10

    def hear(self, samples: np.ndarray) -> None:
        """Waveform, events, axis."""
        scene, high = self.scene, 110
        names = list(dict.fromkeys(s.name for s in scene.sounds))
        tints = {name: TINTS[i % len(TINTS)] for i, name in enumerate(names)}
        parts = sorted((*scene.sounds, *scene.lines), key=lambda p: p.start)
        self.text(self.left, self.y + high / 2, "sound", 17, anchor="lm")
        for part in parts:
            tint = SPEECH if isinstance(part, Line) else tints[part.name]
            pale = tuple(round(255 - (255 - c) * 0.22) for c in tint)
            box = (self.at(part.start), self.y, self.at(part.end), self.y + high)
            self.draw.rectangle(box, fill=pale)
        self._wave(samples, high)
        self.y += high + 6
        self._axis()
        ends = [self.left] * 4  # where the labels of each row end
        for part in parts:
            line = isinstance(part, Line)
            tint = SPEECH if line else tints[part.name]
            said = f'{part.speaker}: "{part.text}"' if line else part.name
            label = f"{said}  {part.start:.1f}-{part.end:.1f}"
            width = _font(16, label).getlength(label) + 14
            x = min(self.at(part.start), self.right - width)
            row = next((r for r, end in enumerate(ends) if x > end + 6), len(ends) - 1)
            ends[row] = x + width
            y = self.y + 24 * row
            self.draw.rectangle((x, y + 2, x + 5, y + 19), fill=tint)
            self.text(x + 12, y, label, 16)
        used = sum(end > self.left for end in ends)
        self.y += 24 * used + 26

    def _wave(self, samples: np.ndarray, high: int) -> None:
        first, last = round(self.at(0)), round(self.at(self.scene.seconds))
        edges = np.linspace(0, len(samples), last - first + 1).astype(int)
        middle, loudest = self.y + high / 2, max(0.05, float(np.abs(samples).max()))
        for x, (i, j) in enumerate(zip(edges, edges[1:], strict=False), first):
            part = samples[i : max(j, i + 1)]
            up, down = float(part.max()) / loudest, float(part.min()) / loudest
            ends = (middle - up * high / 2, middle - down * high / 2)
            self.draw.line((x, ends[0], x, max(ends[1], ends[0] + 1)), fill=WAVE)

    def _axis(self) -> None:
        self.draw.line((self.at(0), self.y, self.at(self.scene.seconds), self.y), fill=RULE)
        for second in range(int(self.scene.seconds) + 1):
            x = self.at(second)
            self.draw.line((x, self.y, x, self.y + 5), fill=FAINT)
            x = min(x, self.right - 10)  # the last one stays on the page
            self.text(x, self.y + 7, f"{second} s" if second == 0 else str(second), 14, FAINT, "ma")
        self.y += 32

    def ask(self, tasks: Sequence[Task]) -> None:
        """Questions on the left, answers on the right."""
        if not tasks:
            return
        self.draw.line((self.left, self.y - 8, self.right, self.y - 8), fill=RULE)
        self.y += 8
        middle = self.left + 640
        for task in tasks:
            asked = _wrapped(task.question, middle - self.left - 150 - 20, 17)
            told = _wrapped(task.answer, self.right - middle, 17)
            self.text(self.left, self.y + 1, task.name[:19], 15, FAINT)
            for i, line in enumerate(asked):
                self.text(self.left + 150, self.y + 23 * i, line)
            for i, line in enumerate(told):
                self.text(middle, self.y + 23 * i, line, 17, (0, 92, 128))
            self.y += 23 * max(len(asked), len(told)) + 9


def _wrapped(text: str, width: float, size: int, most: int = 6) -> list[str]:
    """Lines no wider than so many pixels; what is too long ends with dots."""
    letters, lines = _font(size, text), []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if line and letters.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1] + " ..."]


def _font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """Pillow's own font; for letters that it does not have, the one of matplotlib."""
    if text and max(text) > LATIN:
        with suppress(ValueError):  # without matplotlib: boxes
            return font("DejaVuSans", size)
    return ImageFont.load_default(size)
