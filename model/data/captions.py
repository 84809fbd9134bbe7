"""Scene -> caption, as it is asked for: short, detailed or structured; what is seen, heard, both.

    events(scene, "both")              what happens, in the order of time
    caption(scene, "short")            "A red car and a dog. A bell ringing."
    caption(scene, "detailed")         with places and times
    caption(scene, "structured")       JSON, {"segments": [{"object", "start", "end"}, ...]}

`model.data.check.parse` reads a structured caption back. A segment has a start, an end and one of
object, word, sound, speaker (with `says`); of a picture it has no times.

Left out: opinions, moods, what something is a symbol of.
"""

import json
from collections.abc import Iterable

from model.data.catalog import SOUNDS, plural
from model.data.check import Event
from model.data.scenes import Line, Print, Scene, Sound, Thing
from model.data.tasks import a
from model.data.texts import number

STYLES = ("short", "detailed", "structured")
SENSES = ("both", "seen", "heard")


def events(scene: Scene, senses: str = "both") -> tuple[Event, ...]:
    """What happens in a scene, of what is seen, heard, or both."""
    return tuple(_event(part) for part in _parts(scene, senses))


def caption(scene: Scene, style: str = "short", senses: str = "both") -> str:
    """A caption in one of STYLES of what one of SENSES takes in."""
    if style == "structured":
        segments = [_segment(event, bool(scene.seconds)) for event in events(scene, senses)]
        return json.dumps({"segments": segments}, ensure_ascii=False)
    if style == "detailed":
        return " ".join(_told(scene, part) for part in _parts(scene, senses)) or "Nothing."
    if style == "short":
        return _short(_parts(scene, senses))
    raise ValueError(f"no style of caption {style!r}; expected one of {', '.join(STYLES)}")


def looks(thing: Thing) -> str:
    """With its colour, if it was dyed: "red car"."""
    return f"{thing.color} {thing.name}".strip()


def listed(items: list[str]) -> str:
    """ "a, b and c" """
    return " and ".join(", ".join(items).rsplit(", ", 1))


def often(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{number(n)} times")


def place(x: float, y: float) -> tuple[str, ...]:
    """Which of nine fields: up to two of top, bottom, left, right; or the middle."""
    down = "top" if y < 0.37 else "bottom" if y > 0.63 else ""
    across = "left" if x < 0.37 else "right" if x > 0.63 else ""
    return tuple(word for word in (down, across) if word) or ("middle",)


def where(x: float, y: float) -> str:
    words = place(x, y)
    if words == ("middle",):
        return "in the middle"
    side = words[0] in ("left", "right")
    return f"{'on' if side else 'at'} the {' '.join(words)}"


def big(size: float) -> str:
    """How big a thing is, as a fraction of the scene's shorter side: in fiftieths, by six words."""
    words = ("tiny", "small", "medium", "big", "large", "huge")
    return words[min(max(0, int(size * 50 + 1e-6) - 9), len(words) - 1)]


def in_rows(things: Iterable[Thing]) -> list[Thing]:
    """In the order in which one reads: row by row, from the left; of a film, as they come.

    Whoever names all of them can find the next one by the one before."""
    return sorted(things, key=lambda t: (t.start, int(t.path[0][1] * 3), t.path[0][0]))


def _parts(scene: Scene, senses: str) -> list[Thing | Print | Sound | Line]:
    if senses not in SENSES:
        raise ValueError(f"no senses {senses!r}; expected one of {', '.join(SENSES)}")
    seen = [] if senses == "heard" else [*in_rows(scene.things), *scene.prints]
    heard = [] if senses == "seen" else [*scene.sounds, *scene.lines]
    return sorted(seen + heard, key=lambda part: (part.start, part.end))


def _event(part: Thing | Print | Sound | Line) -> Event:
    start, end = round(part.start, 1), round(part.end, 1)
    match part:
        case Thing():
            return Event("object", looks(part), start, end)
        case Print():
            return Event("word", part.text.upper(), start, end)
        case Sound():
            return Event("sound", part.name, start, end)
    return Event("speaker", part.speaker, start, end, part.text)


def _segment(event: Event, timed: bool) -> dict:
    times = {"start": event.start, "end": event.end} if timed else {}
    says = {"says": event.says} if event.says else {}
    return {event.kind: event.what, **times, **says}  # what it is comes first, then when


def _told(scene: Scene, part: Thing | Print | Sound | Line) -> str:
    times = f" from {part.start:.1f} to {part.end:.1f} seconds" if scene.seconds else ""
    match part:
        case Thing():
            text = f"{a(looks(part))} {where(*part.path[0])}{times}"
            if len(part.path) > 1:
                text += f", moving {way(part)}"
        case Print():
            text = f'the word "{part.text.upper()}" {where(*part.at)}{times}'
        case Sound():
            text = f"{SOUNDS[part.name].heard}{times}"
        case Line():
            text = f'{a(part.speaker)} says{times}: "{part.text}"'
    return f"{text[0].upper()}{text[1:]}{'' if isinstance(part, Line) else '.'}"


def way(thing: Thing) -> str:
    """Which way it goes: left, right, up, down."""
    (x0, y0), (x1, y1) = thing.path[0], thing.path[-1]
    if abs(x1 - x0) > abs(y1 - y0):
        return "right" if x1 > x0 else "left"
    return "down" if y1 > y0 else "up"


def _short(parts: list[Thing | Print | Sound | Line]) -> str:
    things = [part for part in parts if isinstance(part, Thing)]
    seen = [_several(t, len(same)) for t, same in _groups(things)]
    seen += [f'the word "{part.text.upper()}"' for part in parts if isinstance(part, Print)]
    heard = []
    for part in parts:
        if isinstance(part, Sound):
            heard.append(SOUNDS[part.name].heard)
        elif isinstance(part, Line):
            heard.append(f"{a(part.speaker)} speaking")
    heard = [
        text if (n := heard.count(text)) == 1 else f"{text} {often(n)}"
        for text in dict.fromkeys(heard)
    ]
    texts = [listed(half) for half in (seen, heard) if half]
    return " ".join(text[0].upper() + text[1:] + "." for text in texts) or "Nothing."


def _groups(things: list[Thing]) -> list[tuple[Thing, list[Thing]]]:
    """Things that look the same, together."""
    by: dict[str, list[Thing]] = {}
    for thing in things:
        by.setdefault(looks(thing), []).append(thing)
    return [(same[0], same) for same in by.values()]


def _several(thing: Thing, n: int) -> str:
    """ "a red car", "three red cars" """
    if n == 1:
        return a(looks(thing))
    return " ".join(part for part in (number(n), thing.color, plural(thing.name)) if part)
