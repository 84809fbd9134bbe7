"""A scene: a few seconds of a small world, as plain data, with everything known.

    seed + shelf --sample--> Scene --> frames (`model.data.draw`), 16 kHz sound (`model.data.mix`),
                                       questions with answers (`model.data.ask`)

A picture is a scene of 0 seconds; a sound scene has nothing to see; a film has both. Places are
fractions of width and height, times are seconds. What appears in a film appears with a frame, so
that its time can be known from the frames alone.

The shelf (`model.data.shelf`) is what can be taken here: recordings, voices, styles, of one split.
The same seed and shelf give the same scene for ever; JSON keeps one whatever the shelf becomes.

Left out: things in front of each other, things that turn or grow, cuts, cameras that move.

    scene = sample(7, shelf("train"))
    Scene.read(scene.json()) == scene
"""

import json
import math
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from random import Random
from string import ascii_lowercase, digits
from typing import Any, get_args, get_origin, get_type_hints

from model.data.catalog import (
    COLORS,
    DARK,
    GROUNDS,
    HUMS,
    PALE,
    PATTERNS,
    SEEN_FONTS,
    SHAPES,
    UNSEEN_FONTS,
    dyed,
    words,
)
from model.data.pictures import names
from model.data.shelf import Clip, Shelf

KINDS = ("picture", "sound", "film")
SIZES = ((256, 256), (288, 224), (224, 288))  # pixels, multiples of a vision token
BENT = 1.5  # times as fast or slow is a recording of training, at most: it has few of a kind
LONGEST = 14.0  # seconds: what comes later than that is left out
Point = tuple[float, float]  # x from the left, y from the top, fractions


@dataclass(frozen=True)
class Thing:
    """An object that is there from `start` to `end` and goes from the first point to the last."""

    name: str
    color: str  # "" as it comes
    style: str
    size: float  # its longer side, a fraction of the scene's shorter one
    path: tuple[Point, ...]  # of its middle; one point: it stays
    start: float = 0.0
    end: float = 0.0

    def at(self, time: float) -> Point:
        """Where its middle is."""
        if len(self.path) == 1 or self.end <= self.start:
            return self.path[0]
        along = (time - self.start) / (self.end - self.start) * (len(self.path) - 1)
        step = min(max(int(along), 0), len(self.path) - 2)
        (x0, y0), (x1, y1) = self.path[step : step + 2]
        part = along - step
        return x0 + (x1 - x0) * part, y0 + (y1 - y0) * part


@dataclass(frozen=True)
class Print:
    """A word that can be read."""

    text: str
    font: str
    color: tuple[int, int, int]
    size: float  # of the letters, a fraction of the scene's shorter side
    at: Point
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Sound:
    """A recording played once."""

    name: str  # what made it, of `model.data.catalog.SOUNDS`
    recording: str
    start: float
    seconds: float  # at its speed here
    speed: float = 1.0  # 1.1: a tenth faster and higher
    gain: float = 0.0  # decibel

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class Line:
    """Something said."""

    clip: str  # id on the shelf
    text: str
    voice: str
    speaker: str  # man, woman, child, person
    start: float
    seconds: float
    gain: float = 0.0
    language: str = "en"
    meaning: str = ""  # in English, of a line in another language

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class Ground:
    """What is behind everything."""

    top: str  # names of GROUNDS
    bottom: str
    pattern: str = "plain"


@dataclass(frozen=True)
class Scene:
    seed: int
    split: str
    seconds: float  # 0: a picture
    rate: float  # frames a second it is meant to be looked at
    width: int  # pixels, when drawn at full size
    height: int
    ground: Ground
    things: tuple[Thing, ...] = ()
    prints: tuple[Print, ...] = ()
    sounds: tuple[Sound, ...] = ()
    lines: tuple[Line, ...] = ()
    hum: str = ""
    loudness: float = -40.0  # of the hum, decibel

    @property
    def kind(self) -> str:
        if not self.seconds:
            return "picture"
        return "film" if self.things or self.prints else "sound"

    def visible(self, time: float) -> tuple[Thing, ...]:
        return tuple(t for t in self.things if self.shows(t, time))

    def shows(self, what: Thing | Print, time: float) -> bool:
        return not self.seconds or what.start - 1e-6 <= time < what.end - 1e-6

    def json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> "Scene":
        """A scene from its JSON; says which value is wrong."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not the JSON of a scene: {error}") from None
        return _checked(_read(cls, value, "scene"))


# --- sampling -------------------------------------------------------------------------------------


def sample(seed: int, shelf: Shelf, kind: str = "") -> Scene:
    """The scene of a seed; `kind`: picture, sound or film, drawn at random if not said."""
    if kind and kind not in KINDS:
        raise ValueError(f"no kind of scene {kind!r}; expected one of {', '.join(KINDS)}")
    rng = Random(f"{seed}|{shelf.split}|{kind}")
    kind = kind or rng.choice(KINDS)
    width, height = rng.choice(SIZES)
    style = rng.choice(shelf.styles)
    fonts = UNSEEN_FONTS if shelf.split == "test" else SEEN_FONTS
    if kind == "picture":
        things, prints = _still(rng, shelf.split, style, fonts)
        ground = _ground(rng, things)
        prints = tuple(_inked(rng, p, ground) for p in prints)
        return Scene(seed, shelf.split, 0.0, 0.0, width, height, ground, things, prints)
    film = kind == "film"
    seconds, sounds, lines = _heard(rng, shelf, film)
    rate = rng.choice((1.0, 1.0, 2.0)) if film else 0.0
    things, prints = (), ()
    if film:
        seconds = float(math.ceil(seconds))
        things, prints = _moving(rng, shelf.split, style, fonts, seconds, rate, sounds)
    ground = _ground(rng, things)
    prints = tuple(_inked(rng, p, ground) for p in prints)
    hum = rng.choice(HUMS)
    loudness = round(rng.uniform(-50, -32), 1)
    return Scene(
        seed, shelf.split, seconds, rate, width, height, ground,
        things, prints, sounds, lines, hum, loudness,
    )  # fmt: skip


def crowd(seed: int, shelf: Shelf) -> Scene:
    """A picture with a thing in each of the nine fields: much to name at once, for an eye that
    learns names."""
    rng = Random(f"{seed}|{shelf.split}|crowd")
    width, height = rng.choice(SIZES)
    style = rng.choice(shelf.styles)
    sizes = [round(rng.uniform(0.18, 0.3), 2) for _ in range(9)]
    things = _placed(_look(rng, shelf.split, style, 9), _cells(rng, 9), style, sizes)
    ground = _ground(rng, things)
    return Scene(seed, shelf.split, 0.0, 0.0, width, height, ground, things)


def signs(seed: int, shelf: Shelf) -> Scene:
    """A picture with a row of letters in each third, words or not: much to read at once, for an eye
    that learns letters."""
    rng = Random(f"{seed}|{shelf.split}|signs")
    width, height = rng.choice(SIZES)
    fonts = UNSEEN_FONTS if shelf.split == "test" else SEEN_FONTS
    prints = [_word(rng, shelf.split, fonts) for _ in range(3)]
    if shelf.split == "train":
        prints = [replace(word, text=_letters(rng, word)) for word in prints]
    prints = [replace(p, at=(0.5, (2 * i + 1) / 6)) for i, p in enumerate(prints)]
    ground = _ground(rng, ())
    inked = tuple(_inked(rng, p, ground) for p in prints)
    return Scene(seed, shelf.split, 0.0, 0.0, width, height, ground, (), inked)


def _letters(rng: Random, word: Print) -> str:
    """As many letters as a word has, any of them; mostly in one case, as words are."""
    text = "".join(rng.choices(ascii_lowercase, k=len(word.text)))
    if rng.random() < 0.1:
        text = "".join(rng.choices(digits, k=len(word.text)))
    return rng.choice((text, text.upper(), text.capitalize()))


def _look(rng: Random, split: str, style: str, n: int) -> list[tuple[str, str]]:
    """`n` different objects, each with a colour or as it comes."""
    known = names(style)
    chosen: dict[str, str] = {}
    while len(chosen) < min(n, len(known)):
        if style in ("stamp", "photo") or rng.random() < 0.4:
            name, color = rng.choice(known), ""
            if name in SHAPES:
                continue
        else:
            name, color = rng.choice(dyed(split))
            if name not in known:
                continue
        chosen.setdefault(name, color)
    return list(chosen.items())


def _cells(rng: Random, n: int) -> list[Point]:
    """`n` of the nine fields of a scene, and where in them."""
    return [
        (round((i % 3 + 0.5) / 3 + rng.uniform(-0.012, 0.012), 3),
         round((i // 3 + 0.5) / 3 + rng.uniform(-0.012, 0.012), 3))
        for i in rng.sample(range(9), n)
    ]  # fmt: skip


def _still(
    rng: Random, split: str, style: str, fonts: tuple[str, ...]
) -> tuple[tuple[Thing, ...], tuple[Print, ...]]:
    plan = rng.choice(("one", "few", "few", "count", "between", "read"))
    if plan == "one":
        ((name, color),) = _look(rng, split, style, 1)
        size = round(rng.uniform(0.3, 0.7), 2)
        edge = 0.5 * size
        at = tuple(round(rng.uniform(edge, 1 - edge), 3) for _ in range(2))
        return (Thing(name, color, style, size, (at,)),), ()
    if plan == "count":
        looks = _look(rng, split, style, 2)
        n, others = rng.randint(2, 7), rng.randint(0, 1)
        cells = _cells(rng, n + others)
        size = round(rng.uniform(0.18, 0.27), 2)
        looks = [looks[0]] * n + looks[1:] * others
        return _placed(looks, cells, style, [size] * len(cells)), ()
    if plan == "between":
        looks = _look(rng, split, style, 3)
        lane = round(rng.uniform(0.2, 0.8), 3)
        spots = [1 / 6, 1 / 2, 5 / 6][: len(looks)]
        line = [(round(spot + rng.uniform(-0.03, 0.03), 3), lane) for spot in spots]
        if rng.random() < 0.4:
            line = [(y, x) for x, y in line]
        sizes = [round(rng.uniform(0.2, 0.27), 2) for _ in line]
        return _placed(looks, line, style, sizes), ()
    if plan == "read":
        word, row = _word(rng, split, fonts), rng.choice((0, 2))
        free = [(x, y) for x, y in _cells(rng, 9) if abs(y - word.at[1]) > 0.25]
        looks = _look(rng, split, style, rng.randint(0, 2))
        return _placed(looks, free[row : row + 2], style, [0.27, 0.24]), (word,)
    looks = _look(rng, split, style, rng.randint(2, 4))
    sizes = [round(rng.uniform(0.18, 0.3), 2) for _ in looks]
    return _placed(looks, _cells(rng, len(looks)), style, sizes), ()


def _placed(
    looks: list[tuple[str, str]], at: list[Point], style: str, sizes: list[float]
) -> tuple[Thing, ...]:
    return tuple(
        Thing(name, color, style, size, (point,))
        for (name, color), point, size in zip(looks, at, sizes, strict=False)
    )


def _word(rng: Random, split: str, fonts: tuple[str, ...]) -> Print:
    text = rng.choice(words(split))
    if rng.random() < 0.12:
        text = str(rng.randint(10, 999))
    text = rng.choice((text, text.upper(), text.capitalize()))
    size = round(min(rng.uniform(0.13, 0.24), 1.05 / max(4, len(text))), 3)
    return Print(text, rng.choice(fonts), (0, 0, 0), size, (0.5, rng.choice((1 / 6, 1 / 2, 5 / 6))))


def _inked(rng: Random, word: Print, ground: Ground) -> Print:
    """A word in a colour that can be read on this background."""
    shade = sum(GROUNDS[ground.top]) + sum(GROUNDS[ground.bottom])
    dark = ((20, 20, 24), (20, 40, 120), (130, 16, 24), (10, 80, 40))
    light = ((255, 255, 255), (255, 244, 170))
    inks = dark if shade > 6 * 140 else light
    return Print(word.text, word.font, rng.choice(inks), word.size, word.at, word.start, word.end)


def _ground(rng: Random, things: tuple[Thing, ...]) -> Ground:
    """Colours that no thing drowns in."""
    shades = [COLORS[t.color] for t in things if t.color]
    shades += [(245, 245, 245) for t in things if not t.color and t.name in PALE]
    shades += [(70, 72, 78) for t in things if not t.color and t.name in DARK]
    clear = [
        name
        for name, ground in GROUNDS.items()
        if all(math.dist(ground, shade) > 105 for shade in shades)
    ]
    if not clear:  # white and black and grey together: the colour furthest from all of them
        clear = [max(GROUNDS, key=lambda g: min(math.dist(GROUNDS[g], s) for s in shades))]
    top, pattern = rng.choice(clear), rng.choice(PATTERNS)
    near = [name for name in clear if math.dist(GROUNDS[name], GROUNDS[top]) < 75]
    return Ground(top, top if pattern == "plain" else rng.choice(near), pattern)


def _heard(
    rng: Random, shelf: Shelf, film: bool
) -> tuple[float, tuple[Sound, ...], tuple[Line, ...]]:
    """Sounds and lines one after the other, with pauses; and how long it all takes."""
    n_lines = rng.choice((0, 0, 1, 1, 2, 3)) if shelf.voices else 0
    n_sounds = rng.choice((0, 1, 1, 2, 2, 3)) if film or n_lines else rng.randint(1, 5)
    foreign = bool(shelf.foreign) and not film and rng.random() < 0.2
    events: list[Sound | Line] = []
    if foreign:
        clip = rng.choice(rng.choice(shelf.tongues))
        events.append(_line(rng, clip, shelf.seconds(clip)))
        n_lines, n_sounds = 0, rng.choice((0, 0, 1))
    repeated = rng.random() < 0.35  # one sound several times, to be counted
    kinds = rng.sample(shelf.sounds, min(n_sounds, len(shelf.sounds)))
    if repeated and kinds:
        kinds = [kinds[0]] * rng.randint(2, 4) + kinds[1:2]
    for name in kinds:
        recording = rng.choice(shelf.of(name))
        bent = BENT ** rng.uniform(-1, 1) if shelf.split == "train" else rng.uniform(0.92, 1.08)
        speed = round(bent, 2)
        seconds = round(recording.seconds / speed, 2)
        gain = round(rng.uniform(-6, 3), 1)
        events.append(Sound(name, recording.id, 0.0, seconds, speed, gain))
    if n_lines:
        speakers = rng.sample(list(shelf.voices), min(rng.choice((1, 2, 2, 3)), len(shelf.voices)))
        said: list[Clip] = []
        for clips in [rng.choice(shelf.voices[who]) for who in speakers[:n_lines]]:
            said += rng.sample(clips, 2)
        kept = said[::2] + said[1::2]  # everybody once before anybody twice
        events += [_line(rng, clip, clip.seconds) for clip in kept[:n_lines]]
    rng.shuffle(events)
    pauses = [rng.uniform(0.2, 1.6)] + [rng.uniform(0.45, 1.5) for _ in events]
    if len(pauses) == 1:
        pauses = [rng.uniform(3, 6)]
    time, placed = 0.0, []
    for event, pause in zip(events, pauses, strict=False):
        if placed and time + pause + event.seconds > LONGEST:
            continue
        time += pause
        placed.append(type(event)(**{**vars(event), "start": round(time, 2)}))
        time += event.seconds
    seconds = round(max(time + pauses[-1], 3.0), 1)
    sounds = tuple(e for e in placed if isinstance(e, Sound))
    return seconds, sounds, tuple(e for e in placed if isinstance(e, Line))


def _line(rng: Random, clip: Clip, seconds: float) -> Line:
    return Line(
        clip.id, clip.text, clip.voice, clip.speaker, 0.0, round(seconds, 2),
        round(rng.uniform(-4, 3), 1), clip.language, clip.meaning,
    )  # fmt: skip


def _moving(
    rng: Random,
    split: str,
    style: str,
    fonts: tuple[str, ...],
    seconds: float,
    rate: float,
    sounds: tuple[Sound, ...],
) -> tuple[tuple[Thing, ...], tuple[Print, ...]]:
    """One to four things that come and go with the frames; one may cross the scene."""
    looks = _look(rng, split, style, rng.choice((1, 2, 2, 3, 3, 4)))
    shown = {name for name, _ in looks}
    made = [s.name for s in sounds if s.name in names(style) and s.name not in shown]
    if made and rng.random() < 0.5:  # what is heard can be seen as well
        looks[0] = (made[0], "")
    word = _word(rng, split, fonts) if rng.random() < 0.25 else None
    cells = _cells(rng, 9)
    if word:
        cells = [(x, y) for x, y in cells if abs(y - word.at[1]) > 0.25]
    things: list[Thing] = []
    in_turn = rng.random() < 0.4  # one after the other, or as it comes
    last = round(seconds * rate)  # frames
    cuts = sorted(rng.sample(range(1, last), min(len(looks) - 1, last - 1)))
    for i, (name, color) in enumerate(looks[: len(cuts) + 1]):
        start, end = [0, *cuts][i], [*cuts, last][i]
        if not in_turn:
            start = rng.choice((0, rng.randint(0, max(0, last - 2))))
            end = rng.choice((last, rng.randint(min(start + 2, last), last)))
        size = round(rng.uniform(0.22, 0.3), 2)
        path: tuple[Point, ...] = (cells[i],)
        if i == 0 and end - start >= 3 and rng.random() < 0.5:
            path = _way(rng, cells[0])
            cells = [c for c in cells if not _crosses(path, c)]
            cells.insert(0, path[0])
        things.append(Thing(name, color, style, size, path, start / rate, end / rate))
        if len(cells) <= i + 1:
            break
    prints = ()
    if word:
        start = rng.randint(0, last - 1)
        end = rng.randint(start + 1, last)
        prints = (Print(**{**vars(word), "start": start / rate, "end": end / rate}),)
    return tuple(things), prints


def _way(rng: Random, cell: Point) -> tuple[Point, ...]:
    """Across the scene in the row or the column of a field."""
    x, y = cell
    if rng.random() < 0.65:
        return rng.choice((((0.17, y), (0.83, y)), ((0.83, y), (0.17, y))))
    return rng.choice((((x, 0.17), (x, 0.83)), ((x, 0.83), (x, 0.17))))


def _crosses(path: tuple[Point, ...], cell: Point) -> bool:
    axis = 1 if path[0][1] == path[-1][1] else 0
    return abs(cell[axis] - path[0][axis]) < 0.25


# --- reading JSON ---------------------------------------------------------------------------------


def _read(kind: Any, value: Any, where: str) -> Any:
    """A value of a type from JSON: dataclasses, tuples, numbers, strings."""
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be an object, not {_form(value)}")
        hints = get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        missing = sorted(f.name for f in fields(kind) if _needed(f) and f.name not in value)
        if unknown or missing:
            wrong = [f"unknown: {name}" for name in unknown]
            wrong += [f"missing: {name}" for name in missing]
            raise ValueError(f"{where} has wrong fields ({', '.join(wrong)})")
        return kind(**{k: _read(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} must be a list, not {_form(value)}")
        parts = get_args(kind)
        if len(parts) == 2 and parts[1] is Ellipsis:
            parts = (parts[0],) * len(value)
        if len(parts) != len(value):
            raise ValueError(f"{where} must have {len(parts)} values, not {len(value)}")
        return tuple(
            _read(p, v, f"{where}[{i}]") for i, (p, v) in enumerate(zip(parts, value, strict=True))
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where} must be {kind.__name__}, not {_form(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} must be finite, not {value}")
    return value


def _needed(field: Any) -> bool:
    return field.default is MISSING


def _form(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"


def _checked(scene: Scene) -> Scene:
    """What no renderer could make sense of."""
    if scene.seconds < 0 or scene.width < 32 or scene.height < 32:
        raise ValueError(
            f"a scene of {scene.seconds} s and {scene.width} x {scene.height} pixels; expected "
            "0 s or more and at least 32 x 32"
        )
    for part in (*scene.things, *scene.prints, *scene.sounds, *scene.lines):
        if part.start < 0 or part.end < part.start:
            raise ValueError(f"{part} is from {part.start} to {part.end} s; expected start <= end")
    for thing in scene.things:
        if not thing.path or thing.size <= 0:
            raise ValueError(f"{thing.name} needs a path of one point or more and a size above 0")
    return scene
