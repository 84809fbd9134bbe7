"""What makes an answer right: typed checkers, each a value that a program can apply and keep.

    Names("color", ("red",))           the colours that are named are just these
    Near((3.2,))                       the numbers that are named are within half a second of these
    Says("The train leaves at noon.")  character error rate; languages of any script
    Events(events)                     JSON segments; F1, times within half a second
    Word, Timed, Last, All             a printed word; lines with times; of the end; several at once

`check.score(said)` is 0-1 (for training by reward), `check.right(said)` a verdict. A name counts
in whatever form it is usual: "dogs", "two" and "2", "the dog barks". An answer that names several
things in order to be right by chance is wrong: what is named must be just what is asked for; what
the question itself names may be repeated.

Left out: paraphrases; a list of what nobody asked for beside a right answer is not forgiven.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from model.data.catalog import COLORS, OBJECTS, SOUNDS, plural
from model.data.shelf import LANGUAGES
from model.data.texts import ONES, normal, number, words
from model.senses.levenshtein import levenshtein

CLOSE = 0.5  # seconds
ALMOST = 0.1  # character error rate that still counts as right


@dataclass(frozen=True)
class Names:
    """Of one kind of name, just these are said; `given` (by the question) may be or may not."""

    kind: str  # object, color, sound, speaker, place, way, number, verdict, language
    names: tuple[str, ...]
    given: tuple[str, ...] = ()

    def right(self, said: str) -> bool:
        found = named(self.kind, said) - (set(self.given) - set(self.names))
        return found == set(self.names)

    def score(self, said: str) -> float:
        return float(self.right(said))


@dataclass(frozen=True)
class Word:
    """A printed word is said; short answers only, so that no list of guesses gets through."""

    text: str
    most: int = 8  # words of the answer

    def right(self, said: str) -> bool:
        found = words(said)
        return f" {normal(self.text)} " in f" {' '.join(found)} " and len(found) <= self.most

    def score(self, said: str) -> float:
        return float(self.right(said))


@dataclass(frozen=True)
class Near:
    """The times (or lengths) that are said are these, within half a second, in their order."""

    seconds: tuple[float, ...]
    within: float = CLOSE

    def right(self, said: str) -> bool:
        found = numbers(said)
        if len(found) != len(self.seconds):
            return False
        pairs = zip(found, self.seconds, strict=True)
        return all(abs(a - b) <= self.within + 1e-6 for a, b in pairs)

    def score(self, said: str) -> float:
        return float(self.right(said))


@dataclass(frozen=True)
class Last:
    """What is said last passes a check: before the last colon one may say what it follows from."""

    of: Names | Near

    def right(self, said: str) -> bool:
        return self.of.right(said.rpartition(":")[2])

    def score(self, said: str) -> float:
        return float(self.right(said))


@dataclass(frozen=True)
class Says:
    """A text: 1 minus the character error rate."""

    text: str

    def right(self, said: str) -> bool:
        return self.score(said) >= 1 - ALMOST

    def score(self, said: str) -> float:
        return max(0.0, 1 - error_rate(self.text, said))


@dataclass(frozen=True)
class Event:
    """Something with a time: what kind, which, from when to when; `says` of a speaker."""

    kind: str  # object, word, sound, speaker
    what: str
    start: float
    end: float
    says: str = ""


@dataclass(frozen=True)
class Events:
    """A structured caption: F1 of its events. Right is 0.7 or more; no JSON is 0.

    An event is found if kind and name are the same, its start is within half a second, and its end
    is too, or within half of its length (the convention of sound event detection).
    """

    events: tuple[Event, ...]
    within: float = CLOSE

    def right(self, said: str) -> bool:
        return self.score(said) >= 0.7

    def score(self, said: str) -> float:
        try:
            return f1(self.events, parse(said), self.within)
        except ValueError:
            return 0.0


@dataclass(frozen=True)
class Timed:
    """Lines with times, "1.2-3.4 text": F1 of lines that are in time and nearly right."""

    lines: tuple[tuple[float, float, str], ...]
    within: float = CLOSE

    def right(self, said: str) -> bool:
        return self.score(said) >= 0.99

    def score(self, said: str) -> float:
        found = [
            (float(start), float(end), text)
            for start, end, text in re.findall(r"(\d+\.?\d*) ?- ?(\d+\.?\d*) (.+)", said)
        ]
        left, hits = list(found), 0
        for start, end, text in self.lines:
            for other in left:
                timely = max(abs(other[0] - start), abs(other[1] - end)) <= self.within + 1e-6
                if timely and error_rate(text, other[2]) <= 0.3:
                    left.remove(other)
                    hits += 1
                    break
        total = len(found) + len(self.lines)
        return 2 * hits / total if total else 1.0


@dataclass(frozen=True)
class All:
    """Several checks of one answer; the score is their mean."""

    checks: tuple[Names | Word | Near | Says, ...]

    def right(self, said: str) -> bool:
        return all(check.right(said) for check in self.checks)

    def score(self, said: str) -> float:
        return sum(check.score(said) for check in self.checks) / max(1, len(self.checks))


Check = Names | Last | Word | Near | Says | Events | Timed | All
KINDS: dict[str, type] = {
    k.__name__: k for k in (Names, Last, Word, Near, Says, Events, Timed, All)
}


def to_json(check: Check) -> dict[str, Any]:
    """A check as plain data."""
    value = {"check": type(check).__name__, **asdict(check)}
    if isinstance(check, All):
        value["checks"] = [to_json(part) for part in check.checks]
    if isinstance(check, Last):
        value["of"] = to_json(check.of)
    return value


def from_json(value: dict[str, Any]) -> Check:
    """A check from plain data."""
    value = dict(value)
    kind = value.pop("check", None)
    if kind not in KINDS:
        raise ValueError(f"no check {kind!r}; expected one of {', '.join(KINDS)}")
    if kind == "Events":
        value["events"] = tuple(Event(**event) for event in value["events"])
    if kind == "All":
        value["checks"] = tuple(from_json(part) for part in value["checks"])
    if kind == "Last":
        value["of"] = from_json(value["of"])
    frozen = {k: _frozen(v) for k, v in value.items()}
    try:
        return KINDS[kind](**frozen)
    except TypeError:
        expected = ", ".join(KINDS[kind].__dataclass_fields__)
        raise ValueError(f"a {kind} check has {expected}, not {', '.join(value)}") from None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


# --- names ----------------------------------------------------------------------------------------

PLACES = {"left": "left", "right": "right", "top": "top", "bottom": "bottom", "middle": "middle"}
PLACES |= {"upper": "top", "lower": "bottom", "center": "middle", "centre": "middle"}
PEOPLE = {"man": "man", "men": "man", "woman": "woman", "women": "woman", "child": "child"}
PEOPLE |= {"children": "child", "kid": "child"}


def named(kind: str, text: str) -> set[str]:
    """The names of a kind that occur in a text, each in its plain form."""
    forms = _forms(kind)
    found, said, i = set(), words(text), 0
    while i < len(said):
        for n in (4, 3, 2, 1):  # the longest first
            if name := forms.get(tuple(said[i : i + n])):
                found.add(name)
                i += n - 1
                break
        i += 1
    return found


@cache
def _forms(kind: str) -> dict[tuple[str, ...], str]:
    """Every form of every name of a kind, in words."""
    if kind == "object":
        forms = {form: name for name in OBJECTS for form in (name, plural(name))}
        forms |= {name.split(" of ")[1]: name for name in OBJECTS if " of " in name}
    elif kind == "color":
        forms = {name: name for name in COLORS} | {"grey": "gray"}
    elif kind == "sound":
        forms = _sound_forms()
    elif kind == "speaker":
        forms = PEOPLE
    elif kind == "place":
        forms = PLACES
    elif kind == "way":
        forms = {way: way for way in ("left", "right", "up", "down")}
    elif kind == "number":
        forms = {number(n): number(n) for n in range(21)} | {"once": "one", "twice": "two"}
    elif kind == "verdict":
        forms = {"yes": "yes", "no": "no"}
    elif kind == "language":
        forms = {name.lower(): name for name in (*LANGUAGES.values(), "English")}
    else:
        raise ValueError(f"no names of kind {kind!r}")
    return {tuple(words(form)): name for form, name in forms.items()}


def _sound_forms() -> dict[str, str]:
    """The name, its plural, and verbs that belong to one sound only: barks, barking."""
    verbs = Counter(
        form for k in SOUNDS.values() for form in {k.heard.split()[-1], k.does.split()[-1]}
    )
    forms = {"alarm": "bell"}
    for name, kind in SOUNDS.items():
        for form in (kind.heard.split()[-1], kind.does.split()[-1]):
            if verbs[form] == 1 and form not in ("sounds", "closes", "closing", "passes"):
                forms[form] = name
        forms |= {name: name, plural(name): name}
        for told in (kind.heard, kind.does):  # an elephant that trumpets is no trumpet
            forms[f"{name} {told.split()[-1]}"] = name
    return forms


def numbers(text: str) -> list[float]:
    """The numbers in a text, in digits ("3.2") or in words ("three point two")."""
    spoken = {word: str(n) for n, word in enumerate(ONES)}
    spoken |= {number(n): str(n) for n in range(20, 60)}
    text = re.sub(r"\b(twenty|thirty|forty|fifty)-(?=[a-z])", r"\1 ", text.lower())
    pattern = "|".join(sorted(spoken, key=len, reverse=True))
    text = re.sub(rf"\b({pattern})\b", lambda m: spoken[m.group()], text)
    text = re.sub(r"(\d) point (\d)", r"\1.\2", text)
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


# --- texts and events -----------------------------------------------------------------------------


def error_rate(true: str, said: str) -> float:
    """Character errors over characters, without case, spaces doubled, and punctuation."""
    a, b = _letters(true), _letters(said)
    return levenshtein(a, b) / max(1, len(a))


def _letters(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def parse(text: str) -> tuple[Event, ...]:
    """The events of a structured caption; ValueError says what is wrong with it."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("segments"), list):
        raise ValueError('expected {"segments": [...]}')
    return tuple(_event(segment, i) for i, segment in enumerate(whole["segments"]))


def _event(segment: Any, i: int) -> Event:
    if not isinstance(segment, dict):
        raise ValueError(f"segment {i} must be an object")
    kinds = [kind for kind in ("object", "word", "sound", "speaker") if kind in segment]
    if len(kinds) != 1 or not isinstance(segment[kinds[0]], str):
        raise ValueError(f"segment {i} must have one of object, word, sound, speaker")
    times = [segment.get(key, 0.0) for key in ("start", "end")]
    if any(isinstance(t, bool) or not isinstance(t, int | float) for t in times):
        raise ValueError(f"segment {i}: start and end must be numbers")
    says = segment.get("says", "")
    return Event(kinds[0], segment[kinds[0]], float(times[0]), float(times[1]), str(says))


def f1(true: Sequence[Event], found: Sequence[Event], within: float = CLOSE) -> float:
    """2 x found / (true + told); each event is found once at most, the nearest first."""
    if not true and not found:
        return 1.0
    pairs = [
        (abs(a.start - b.start), i, j)
        for i, a in enumerate(true)
        for j, b in enumerate(found)
        if _same(a, b, within)
    ]
    used_true, used_found = set(), set()
    for _, i, j in sorted(pairs):
        if i not in used_true and j not in used_found:
            used_true.add(i)
            used_found.add(j)
    return 2 * len(used_true) / (len(true) + len(found))


def _same(a: Event, b: Event, within: float) -> bool:
    late = max(within, 0.5 * (a.end - a.start))
    return (
        a.kind == b.kind
        and _letters(a.what) == _letters(b.what)
        and abs(a.start - b.start) <= within + 1e-6
        and abs(a.end - b.end) <= late + 1e-6
    )
