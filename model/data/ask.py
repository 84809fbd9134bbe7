"""Scene -> questions with answers, and how to tell whether an answer is right.

    scene --tasks--> Task(name, senses, question, answer, check), every one that the scene allows
    seed + shelf --item--> one scene with one task, as training draws them

A task is a function of the scene that yields facts: slots of the question, answer, check. What
cannot be told from what is seen and heard is not asked: things too near to a border between two
places, two speakers of a kind, natural objects when colours are asked for.

Phrasings are split by hash: of each task's phrasings, ordered by hash, the first third (one at
least) is the test's, the others are for training; `phrasings` is a pure function of the texts.

In speech: `aloud` writes a question or answer as it is said ("3.2" -> "three point two"), and
`Task.voice` names who asks, if not in writing: `one.message(shelf, say=Hibari())`.

Left out: several turns about one scene; why-questions.

    task = item(7, shelf("train")).task
    task.check.right("At 3.1 seconds.")
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np

from model.data.captions import caption, events, listed, looks, often, place, way, where
from model.data.catalog import OBJECTS, SOUNDS, plural, split_of
from model.data.check import All, Check, Events, Names, Near, Says, Timed, Word, named
from model.data.draw import frames, picture, times
from model.data.mix import mix
from model.data.scenes import Line, Scene, Sound, Thing, sample
from model.data.shelf import LANGUAGES, Shelf
from model.data.sounds import RATE
from model.data.tasks import a
from model.data.texts import ONES, number
from model.data.voices import NAMED, Utterance, Voice, bent
from model.senses.message import Audio, Image, Message, Video

APART = 0.2  # of the picture: how far "left of" must be
DOUBT = 0.045  # around a border between two places: not asked


@dataclass(frozen=True)
class Task:
    name: str
    senses: str  # what it takes: seen, heard, both
    question: str
    answer: str
    check: Check
    voice: str = ""  # who asks; "" it is written


@dataclass(frozen=True)
class Fact:
    slots: dict[str, str]
    answer: str
    check: Check


@dataclass(frozen=True)
class Item:
    """A scene and a question about it."""

    scene: Scene
    task: Task

    def message(
        self,
        shelf: Shelf,
        rate: float | None = None,
        scale: float = 1.0,
        say: Callable[[str, Voice], Utterance] | None = None,
    ) -> Message:
        """The user's turn: everything that is to be seen and heard, then the question.

        Args:
            shelf: has the voices of the scene
            rate: frames a second, the scene's own if not said
            scale: of the pictures
            say: speaks the questions that are asked aloud (`Hibari()`); without it all are written
        """
        scene, question = self.scene, self.task.question
        if say and self.task.voice:
            said = say(aloud(question), voice(self.task.voice))
            question = Audio(said.samples, said.rate)
        if scene.kind == "picture":
            return Message.of("user", Image(picture(scene, 0.0, scale)), question)
        audio = Audio(mix(scene, shelf.speech), RATE)
        if scene.kind == "sound":
            return Message.of("user", audio, question)
        at = times(scene, rate)
        return Message.of("user", Video(frames(scene, at.tolist(), scale), at, audio), question)


def item(seed: int, shelf: Shelf, kind: str = "", name: str = "") -> Item:
    """The item of a seed: names of tasks are equally likely; only `name`, if it is said."""
    if name and name not in ASKED:
        raise ValueError(f"no task {name!r}; expected one of {', '.join(ASKED)}")
    rng = Random(f"{seed}|{shelf.split}|item")
    for turn in range(1000):  # until a scene allows it
        scene = sample(seed + turn * 10_000_019, shelf, kind)
        every = [task for task in tasks(scene) if not name or task.name == name]
        if not shelf.foreign:  # then the answer would be known beforehand
            every = [task for task in every if task.name != "language"]
        if every:
            chosen = rng.choice(sorted({task.name for task in every}))
            return Item(scene, rng.choice([task for task in every if task.name == chosen]))
    raise ValueError(f"no scene of kind {kind or 'any'!r} on this shelf allows the task {name!r}")


def tasks(scene: Scene) -> list[Task]:
    """Every question that can be asked about a scene, in the phrasings of its split."""
    rng = Random(f"{scene.seed}|{scene.split}|tasks")
    found = []
    for name, (senses, facts) in ASKED.items():
        for fact in facts(scene):
            phrasing = rng.choice(phrasings(name, scene.split))
            question = phrasing.format(**fact.slots)
            question = question[0].upper() + question[1:]
            answer = fact.answer[0].upper() + fact.answer[1:]
            who = asker(rng, scene.split).name if rng.random() < 0.5 else ""
            found.append(Task(name, _senses(scene, senses), question, answer, fact.check, who))
    return found


@cache
def phrasings(name: str, split: str) -> tuple[str, ...]:
    """The questions of a task that a split may use."""
    every = sorted(PHRASINGS[name], key=lambda text: hashlib.sha256(text.encode()).digest())
    held_out = max(1, len(every) // 3)
    return tuple(every[:held_out] if split == "test" else every[held_out:])


def asker(rng: Random, split: str) -> Voice:
    """Somebody who asks aloud. Test has voices that training does not have."""
    if split != "test" and rng.random() < 0.5:
        return rng.choice(list(NAMED.values()))
    draw = np.random.default_rng(rng.getrandbits(32))
    while True:
        voice = bent(draw)
        if (split_of("voice", voice.name) == "test") == (split == "test"):
            return voice


def voice(name: str) -> Voice:
    """The voice of a name, to ask with: a named one, or a bent one."""
    if name in NAMED:
        return NAMED[name]
    if not (bend := re.fullmatch(r"warp-([\d.]+)-([\d.]+)", name)):
        raise ValueError(f"no voice {name!r} to ask with; expected {', '.join(NAMED)} or warp-P-E")
    return Voice(name, float(bend[1]), float(bend[2]))


def aloud(text: str) -> str:
    """A question or an answer as it is said: numbers in words."""

    def said(match: re.Match) -> str:
        whole, _, rest = match.group().partition(".")
        told = number(int(whole)) if len(whole) < 5 else " ".join(ONES[int(d)] for d in whole)
        return told + (" point " + " ".join(ONES[int(d)] for d in rest) if rest else "")

    return re.sub(r"\d+(?:\.\d+)?", said, text)


def _senses(scene: Scene, senses: str) -> str:
    return {"picture": "seen", "sound": "heard"}.get(scene.kind, senses)


# --- what is seen ---------------------------------------------------------------------------------


def _single(scene: Scene) -> list[Thing]:
    """Things whose name is there once."""
    count = Counter(t.name for t in scene.things)
    return [t for t in scene.things if count[t.name] == 1]


def _still(scene: Scene) -> list[Thing]:
    return [t for t in _single(scene) if len(t.path) == 1]


def _what(scene: Scene) -> Iterator[Fact]:
    if len(scene.things) == 1 and not scene.prints:
        thing = scene.things[0]
        yield Fact({}, f"{a(looks(thing))}.", Names("object", (thing.name,)))


def _things(scene: Scene) -> Iterator[Fact]:
    if len(scene.things) > 1 and len(_single(scene)) == len(scene.things):
        names = tuple(t.name for t in scene.things)
        yield Fact({}, listed([a(looks(t)) for t in scene.things]) + ".", Names("object", names))


def _color(scene: Scene) -> Iterator[Fact]:
    for t in _single(scene):
        if t.color:
            yield Fact({"thing": t.name}, f"the {t.name} is {t.color}.", Names("color", (t.color,)))


def _which(scene: Scene) -> Iterator[Fact]:
    """Only where everything is dyed, and no two things share the colour."""
    if len(scene.things) > 1 and all(t.color for t in scene.things):
        count = Counter(t.color for t in scene.things)
        for t in _single(scene):
            if count[t.color] == 1:
                yield Fact(
                    {"color": t.color}, f"the {t.name} is {t.color}.", Names("object", (t.name,))
                )


def _count(scene: Scene) -> Iterator[Fact]:
    """Where something is there several times: else one would be right without looking."""
    count = Counter(t.name for t in scene.things)
    if scene.seconds or max(count.values(), default=0) < 2:
        return
    for name, n in count.items():
        verb = "is" if n == 1 else "are"
        told = f"there {verb} {number(n)} {name if n == 1 else plural(name)}."
        yield Fact({"things": plural(name)}, told, Names("number", (number(n),)))


def _exists(scene: Scene) -> Iterator[Fact]:
    if not scene.things:
        return
    here = {t.name for t in scene.things}
    rng = Random(f"{scene.seed}|exists")
    for name in (rng.choice(sorted(here)), rng.choice(sorted(set(OBJECTS) - here))):
        yes = name in here
        told = f"yes, there is {a(name)}." if yes else f"no, there is no {name}."
        yield Fact({"thing": a(name)}, told, Names("verdict", ("yes" if yes else "no",)))


def _where(scene: Scene) -> Iterator[Fact]:
    for t in _still(scene):
        if _clear(*t.path[0]):
            told = f"the {t.name} is {where(*t.path[0])}."
            yield Fact({"thing": t.name}, told, Names("place", place(*t.path[0])))


def _clear(x: float, y: float) -> bool:
    return all(abs(v - border) > DOUBT for v in (x, y) for border in (0.37, 0.63))


SIDES = {"to the left of": (0, -1), "to the right of": (0, 1), "above": (1, -1), "below": (1, 1)}


def _beside(scene: Scene) -> Iterator[Fact]:
    """What is left of X, where just one thing is, and clearly."""
    still = _still(scene)
    if scene.seconds or len(still) != len(scene.things):
        return
    for side, (axis, sign) in SIDES.items():
        for t in still:
            steps = {
                o.name: sign * (o.path[0][axis] - t.path[0][axis]) for o in still if o is not t
            }
            near = [name for name, step in steps.items() if step >= APART]
            if len(near) == 1 and all(step >= APART or step < 0.1 for step in steps.values()):
                told = f"the {near[0]} is {side} the {t.name}."
                check = Names("object", (near[0],), (t.name,))
                yield Fact({"side": side, "thing": t.name}, told, check)


def _is_beside(scene: Scene) -> Iterator[Fact]:
    still = _still(scene)
    if scene.seconds or len(still) < 2:
        return
    rng = Random(f"{scene.seed}|beside")
    one, other = rng.sample(still, 2)
    for side, (axis, sign) in SIDES.items():
        step = sign * (one.path[0][axis] - other.path[0][axis])
        if abs(step) >= APART:
            yes = step > 0
            told = f"{'yes' if yes else 'no'}, the {one.name} is {'' if yes else 'not '}"
            told += f"{side} the {other.name}."
            slots = {"one": one.name, "side": side, "other": other.name}
            yield Fact(slots, told, Names("verdict", ("yes" if yes else "no",)))


def _between(scene: Scene) -> Iterator[Fact]:
    still = _still(scene)
    if scene.seconds or len(still) != 3 or len(scene.things) != 3:
        return
    for axis in (0, 1):
        first, middle, last = sorted(still, key=lambda t: t.path[0][axis])
        steps = [b.path[0][axis] - c.path[0][axis] for b, c in ((middle, first), (last, middle))]
        across = [t.path[0][1 - axis] for t in still]
        if min(steps) >= APART and max(across) - min(across) < 0.1:
            one, other = first.name, last.name
            told = f"the {middle.name} is between the {one} and the {other}."
            check = Names("object", (middle.name,), (one, other))
            yield Fact({"one": one, "other": other}, told, check)


def _bigger(scene: Scene) -> Iterator[Fact]:
    still = _still(scene)
    if scene.seconds or len(still) != 2 or len(scene.things) != 2:
        return
    small, big = sorted(still, key=lambda t: t.size)
    if big.size / small.size >= 1.3:
        slots = {"one": still[0].name, "other": still[1].name}
        yield Fact(slots, f"the {big.name} is bigger.", Names("object", (big.name,)))


def _read(scene: Scene) -> Iterator[Fact]:
    if len(scene.prints) == 1:
        text = scene.prints[0].text
        yield Fact({}, f'it says "{text}".', Word(text))


# --- what is heard --------------------------------------------------------------------------------


def _once(scene: Scene) -> list[Sound]:
    count = Counter(s.name for s in scene.sounds)
    return [s for s in scene.sounds if count[s.name] == 1]


def _in_order(scene: Scene) -> list[str]:
    """The kinds of sound, in the order in which they are heard first."""
    return list(dict.fromkeys(s.name for s in sorted(scene.sounds, key=lambda s: s.start)))


def _sound(scene: Scene) -> Iterator[Fact]:
    names = tuple(_in_order(scene))
    if len(names) == 1 and not scene.lines:
        yield Fact({}, f"{SOUNDS[names[0]].heard}.", Names("sound", names))


def _sounds(scene: Scene) -> Iterator[Fact]:
    names = tuple(_in_order(scene))
    if len(names) > 1 and not scene.lines:
        yield Fact({}, listed([SOUNDS[n].heard for n in names]) + ".", Names("sound", names))


def _count_sound(scene: Scene) -> Iterator[Fact]:
    count = Counter(s.name for s in scene.sounds)
    once = Random(f"{scene.seed}|once").random() < 0.2  # about as rare as the other numbers
    for name, n in count.items():
        if n == 1 and not once:
            continue
        told = f"{SOUNDS[name].does} {often(n)}."
        yield Fact({"heard": SOUNDS[name].heard}, told, Names("number", (number(n),)))


def _hears(scene: Scene) -> Iterator[Fact]:
    if not scene.sounds:
        return
    here = {s.name for s in scene.sounds}
    rng = Random(f"{scene.seed}|hears")
    known = sorted({"dog", "cat", "bell", "piano", "guitar", "drum", "laugh", "trumpet"} - here)
    for name in (rng.choice(sorted(here)), rng.choice(known)):
        yes = name in here
        told = f"yes, I hear {SOUNDS[name].heard}." if yes else "no, I do not hear that."
        check = Names("verdict", ("yes" if yes else "no",))
        yield Fact({"heard": SOUNDS[name].heard}, told, check)


def _first_sound(scene: Scene) -> Iterator[Fact]:
    names = _in_order(scene)
    if len(names) > 1 and not scene.lines:
        first = names[0]
        yield Fact({}, f"{SOUNDS[first].heard}.", Names("sound", (first,)))


def _last_sound(scene: Scene) -> Iterator[Fact]:
    if len(_in_order(scene)) > 1 and not scene.lines:
        last = max(scene.sounds, key=lambda s: s.start).name
        yield Fact({}, f"{SOUNDS[last].heard}.", Names("sound", (last,)))


def _after_sound(scene: Scene) -> Iterator[Fact]:
    once = sorted(_once(scene), key=lambda s: s.start)
    if len(once) == len(scene.sounds) and not scene.lines:
        for one, other in zip(once, once[1:], strict=False):
            told = f"after that, {SOUNDS[other.name].does}."
            check = Names("sound", (other.name,), (one.name,))
            yield Fact({"heard": SOUNDS[one.name].heard}, told, check)


def _when_sound(scene: Scene) -> Iterator[Fact]:
    for s in _once(scene):
        told = f"at {s.start:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Near((s.start,)))


def _long_sound(scene: Scene) -> Iterator[Fact]:
    for s in _once(scene):
        told = f"for {s.seconds:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Near((s.seconds,)))


def _span_sound(scene: Scene) -> Iterator[Fact]:
    for s in _once(scene):
        told = f"from {s.start:.1f} to {s.end:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Near((s.start, s.end)))


def _heard_at(scene: Scene) -> Iterator[Fact]:
    """Between two events nothing is asked; the middle of one is what is asked for."""
    for s in scene.sounds:
        if s.seconds >= 0.4 and _alone(scene, s):
            middle = f"{s.start + s.seconds / 2:.1f}"
            told = f"{SOUNDS[s.name].heard}."
            yield Fact({"time": middle}, told, Names("sound", (s.name,)))


def _alone(scene: Scene, sound: Sound) -> bool:
    others = [e for e in (*scene.sounds, *scene.lines) if e is not sound]
    return all(e.end < sound.start or e.start > sound.end for e in others)


# --- who speaks -----------------------------------------------------------------------------------


def _english(scene: Scene) -> list[Line]:
    return sorted((x for x in scene.lines if x.language == "en"), key=lambda x: x.start)


def _who(scene: Scene) -> Iterator[Fact]:
    speakers = tuple(dict.fromkeys(x.speaker for x in _english(scene)))
    if speakers:
        told = listed([a(s) for s in speakers]) + "."
        yield Fact({}, told, Names("speaker", speakers))


def _speakers(scene: Scene) -> Iterator[Fact]:
    one = Random(f"{scene.seed}|one voice").random() < 0.45
    if (n := len({x.voice for x in _english(scene)})) > 1 or (n and one):
        told = f"{number(n)} {'person speaks' if n == 1 else 'people speak'}."
        yield Fact({}, told, Names("number", (number(n),)))


def _one_line(scene: Scene) -> list[Line]:
    lines = _english(scene)
    count = Counter(x.speaker for x in lines)
    return [x for x in lines if count[x.speaker] == 1]


def _said(scene: Scene) -> Iterator[Fact]:
    for x in _one_line(scene):
        yield Fact({"who": f"the {x.speaker}"}, x.text, Says(x.text))


def _when_said(scene: Scene) -> Iterator[Fact]:
    for x in _one_line(scene):
        yield Fact({"who": f"the {x.speaker}"}, f"at {x.start:.1f} seconds.", Near((x.start,)))


def _first_speaker(scene: Scene) -> Iterator[Fact]:
    lines = _english(scene)
    if len({x.speaker for x in lines}) > 1:
        who = lines[0].speaker
        yield Fact({}, f"the {who} speaks first.", Names("speaker", (who,)))


def _transcript(scene: Scene) -> Iterator[Fact]:
    if lines := _english(scene):
        text = " ".join(x.text for x in lines)
        yield Fact({}, text, Says(text))


def _timed(scene: Scene) -> Iterator[Fact]:
    if lines := _english(scene):
        told = "\n".join(f"{x.start:.1f}-{x.end:.1f} {x.text}" for x in lines)
        rows = tuple((round(x.start, 1), round(x.end, 1), x.text) for x in lines)
        yield Fact({}, told, Timed(rows))


def _only(scene: Scene) -> Line | None:
    """The one line of a scene in which just one is said."""
    return scene.lines[0] if len(scene.lines) == 1 else None


def _language(scene: Scene) -> Iterator[Fact]:
    if line := _only(scene):
        name = LANGUAGES.get(line.language, "English")
        yield Fact({}, f"this is {name}.", Names("language", (name,)))


def _foreign(scene: Scene) -> Iterator[Fact]:
    line = _only(scene)
    if line and line.language != "en":
        yield Fact({"language": LANGUAGES[line.language]}, line.text, Says(line.text))


def _translate(scene: Scene) -> Iterator[Fact]:
    line = _only(scene)
    if line and line.language != "en":
        yield Fact({"language": LANGUAGES[line.language]}, line.meaning, Says(line.meaning))


# --- what happens ---------------------------------------------------------------------------------


def _appears(scene: Scene) -> Iterator[Fact]:
    for t in _single(scene):
        if t.start > 0:
            told = f"the {t.name} appears at {t.start:.1f} seconds."
            yield Fact({"thing": t.name}, told, Near((t.start,)))


def _goes(scene: Scene) -> Iterator[Fact]:
    for t in _single(scene):
        if t.end < scene.seconds:
            told = f"the {t.name} goes away at {t.end:.1f} seconds."
            yield Fact({"thing": t.name}, told, Near((t.end,)))


def _visible(scene: Scene) -> Iterator[Fact]:
    for t in _single(scene) if scene.seconds else ():
        told = f"for {t.end - t.start:.1f} seconds."
        yield Fact({"thing": t.name}, told, Near((t.end - t.start,)))


def _first_seen(scene: Scene) -> Iterator[Fact]:
    order = sorted(scene.things, key=lambda t: t.start) if scene.seconds else []
    if len(order) > 1 and order[1].start - order[0].start >= 1:
        yield Fact({}, f"the {order[0].name}.", Names("object", (order[0].name,)))


def _moves(scene: Scene) -> Iterator[Fact]:
    for t in _single(scene):
        if len(t.path) > 1:
            told = f"the {t.name} moves {way(t)}."
            yield Fact({"thing": t.name}, told, Names("way", (way(t),)))


def _seen_at(scene: Scene) -> Iterator[Fact]:
    rng = Random(f"{scene.seed}|at")
    time = rng.randint(0, int(scene.seconds)) + 0.0 if scene.seconds else 0.0
    visible = scene.visible(time)
    if scene.seconds and visible and len(visible) == len({t.name for t in visible}):
        names = tuple(t.name for t in visible)
        slots = {"time": f"{time:.1f}"}
        yield Fact(slots, listed([a(looks(t)) for t in visible]) + ".", Names("object", names))


def _seen_while(scene: Scene, event: Sound | Line) -> tuple[Thing, ...]:
    """What is visible all through an event, if that does not change meanwhile."""
    before = scene.visible(max(0.0, event.start - 0.3))
    moments = np.arange(event.start, event.end + 0.3, 0.25).tolist()
    same = all(scene.visible(time) == before for time in moments)
    return before if same else ()


def _seen_with_sound(scene: Scene) -> Iterator[Fact]:
    for s in _once(scene):
        if things := _seen_while(scene, s):
            names = tuple(t.name for t in things)
            told = listed([a(looks(t)) for t in things]) + "."
            check = Names("object", names, (s.name,))
            yield Fact({"does": SOUNDS[s.name].does}, told, check)


def _seen_with_line(scene: Scene) -> Iterator[Fact]:
    for x in _one_line(scene):
        if things := _seen_while(scene, x):
            told = listed([a(looks(t)) for t in things]) + "."
            check = Names("object", tuple(t.name for t in things))
            yield Fact({"who": f"the {x.speaker}"}, told, check)


def _heard_with(scene: Scene) -> Iterator[Fact]:
    """What is heard while something is there, if no sound is half inside."""
    for t in _single(scene) if scene.seconds else ():
        inside = [s for s in scene.sounds if t.start <= s.start and s.end <= t.end]
        outside = [s for s in scene.sounds if s.end <= t.start or t.end <= s.start]
        names = tuple(dict.fromkeys(s.name for s in inside))
        clear = len(inside) + len(outside) == len(scene.sounds)
        clear = clear and all(x.end <= t.start or t.end <= x.start for x in scene.lines)
        if names and clear and t.end - t.start < scene.seconds - 1e-6:
            told = listed([SOUNDS[n].heard for n in names]) + "."
            yield Fact({"thing": t.name}, told, Names("sound", names, (t.name,)))


# --- captions -------------------------------------------------------------------------------------


def _caption(style: str, senses: str) -> Callable[[Scene], Iterator[Fact]]:
    def facts(scene: Scene) -> Iterator[Fact]:
        if senses != "both" and scene.kind != "film":
            return
        if not events(scene, senses):
            return
        if style == "structured":
            check: Check = Events(events(scene, senses))
        else:
            check = _mentions(scene, senses)
        yield Fact({}, caption(scene, style, senses), check)

    return facts


def _mentions(scene: Scene, senses: str) -> All:
    """A caption in prose names what there is, no more."""
    things = () if senses == "heard" else tuple(dict.fromkeys(t.name for t in scene.things))
    heard = () if senses == "seen" else tuple(_in_order(scene))
    speak = () if senses == "seen" else tuple(dict.fromkeys(x.speaker for x in scene.lines))
    said = " ".join([x.text for x in scene.lines] + [p.text for p in scene.prints])
    checks = [Names("object", things, _named_in("object", said) + heard)]
    checks += [Names("sound", heard, _named_in("sound", said) + things)]
    if people := tuple(who for who in speak if who != "person"):
        checks.append(Names("speaker", people, _named_in("speaker", said)))
    if senses != "heard":
        checks += [Word(word.text, 200) for word in scene.prints]
    return All(tuple(checks))


def _named_in(kind: str, text: str) -> tuple[str, ...]:
    """What lines and printed words happen to name."""
    return tuple(sorted(named(kind, text)))


# task -> what it takes of a film, and its facts
ASKED: dict[str, tuple[str, Callable[[Scene], Iterator[Fact]]]] = {
    "what": ("seen", _what),
    "things": ("seen", _things),
    "color": ("seen", _color),
    "which": ("seen", _which),
    "count": ("seen", _count),
    "exists": ("seen", _exists),
    "where": ("seen", _where),
    "beside": ("seen", _beside),
    "is beside": ("seen", _is_beside),
    "between": ("seen", _between),
    "bigger": ("seen", _bigger),
    "read": ("seen", _read),
    "sound": ("heard", _sound),
    "sounds": ("heard", _sounds),
    "count sound": ("heard", _count_sound),
    "hears": ("heard", _hears),
    "first sound": ("heard", _first_sound),
    "last sound": ("heard", _last_sound),
    "after sound": ("heard", _after_sound),
    "when sound": ("heard", _when_sound),
    "long sound": ("heard", _long_sound),
    "span sound": ("heard", _span_sound),
    "heard at": ("heard", _heard_at),
    "who": ("heard", _who),
    "speakers": ("heard", _speakers),
    "said": ("heard", _said),
    "when said": ("heard", _when_said),
    "first speaker": ("heard", _first_speaker),
    "transcript": ("heard", _transcript),
    "timed": ("heard", _timed),
    "language": ("heard", _language),
    "foreign": ("heard", _foreign),
    "translate": ("heard", _translate),
    "appears": ("seen", _appears),
    "goes": ("seen", _goes),
    "visible": ("seen", _visible),
    "first seen": ("seen", _first_seen),
    "moves": ("seen", _moves),
    "seen at": ("seen", _seen_at),
    "seen with sound": ("both", _seen_with_sound),
    "seen with line": ("both", _seen_with_line),
    "heard with": ("both", _heard_with),
    "caption short": ("both", _caption("short", "both")),
    "caption detailed": ("both", _caption("detailed", "both")),
    "caption structured": ("both", _caption("structured", "both")),
    "caption short seen": ("seen", _caption("short", "seen")),
    "caption detailed seen": ("seen", _caption("detailed", "seen")),
    "caption structured seen": ("seen", _caption("structured", "seen")),
    "caption short heard": ("heard", _caption("short", "heard")),
    "caption detailed heard": ("heard", _caption("detailed", "heard")),
    "caption structured heard": ("heard", _caption("structured", "heard")),
}


def _texts(text: str) -> dict[str, tuple[str, ...]]:
    """One task a line: its name, a colon, phrasings."""
    found = {}
    for line in text.strip().splitlines():
        name, _, rest = line.partition(":")
        found[name.strip()] = tuple(part.strip() for part in rest.split("|"))
    return found


PHRASINGS: dict[str, tuple[str, ...]] = _texts(
    """
what: What is this? | What is in the picture? | What do you see? | What can you see here? | Name \
what you see. | What does the picture show? | Which thing is shown?
things: What are the things in the picture? | Which things do you see? | Name everything you see. \
| What can be seen here? | List the things that are shown. | Tell me all that is shown.
color: What color is the {thing}? | Which color does the {thing} have? | Tell me the color of the \
{thing}. | What is the color of the {thing}? | The {thing} is of what color?
which: What is {color}? | Which thing is {color}? | Name the thing that is {color}. | What \
{color} thing do you see? | Find the {color} one. What is it?
count: How many {things} are there? | How many {things} do you see? | Count the {things}. | What \
is the number of {things}? | Tell me how many {things} are shown. | How many {things} can you \
find?
exists: Is there {thing}? | Do you see {thing}? | Can you see {thing}? | Is {thing} shown? | Does \
the picture show {thing}?
where: Where is the {thing}? | In which part is the {thing}? | Where do you see the {thing}? | \
Tell me where the {thing} is. | What is the place of the {thing}? | Where can I find the {thing}?
beside: What is {side} the {thing}? | Which thing is {side} the {thing}? | Name what is {side} \
the {thing}. | What do you see {side} the {thing}? | What can be found {side} the {thing}?
is beside: Is the {one} {side} the {other}? | Do you see the {one} {side} the {other}? | Is it \
true that the {one} is {side} the {other}? | Can one find the {one} {side} the {other}?
between: What is between the {one} and the {other}? | Which thing is between the {one} and the \
{other}? | Name what is between the {one} and the {other}. | What stands between the {one} and \
the {other}?
bigger: Which is bigger, the {one} or the {other}? | What is bigger, the {one} or the {other}? | \
Is the {one} or the {other} bigger? | Of the {one} and the {other}, which one is bigger?
read: What does it say? | What is written here? | Read the word. | Which word do you see? | What \
does the text say? | Can you read this? | Which word is printed?
sound: What do you hear? | What made the sound? | What is that sound? | Which sound is this? | \
Name the sound. | What can be heard? | What is making this noise?
sounds: Which sounds do you hear? | Name all the sounds. | What are the sounds? | List what you \
hear. | Which things make a sound? | What sounds can be heard?
count sound: How many times do you hear {heard}? | How often do you hear {heard}? | Count how \
many times you hear {heard}. | How often can you hear {heard}? | How many times can {heard} be \
heard?
hears: Do you hear {heard}? | Can you hear {heard}? | Did you hear {heard}? | Can {heard} be \
heard? | Does one hear {heard}?
first sound: What do you hear first? | Which sound comes first? | What was the first sound? | \
What sounded first? | Name the first sound.
last sound: What do you hear last? | Which sound comes last? | What was the last sound? | What \
sounded last? | Name the last sound.
after sound: What do you hear after {heard}? | Which sound follows {heard}? | What comes after \
{heard}? | After {heard}, what sound is next? | What sounded next after {heard}?
when sound: When do you hear {heard}? | At what time do you hear {heard}? | When does one hear \
{heard}? | At which second do you hear {heard}? | When can {heard} be heard? | Tell me the time \
of {heard}.
long sound: How long do you hear {heard}? | How long can {heard} be heard? | How many seconds do \
you hear {heard}? | For how long can you hear {heard}? | How long does one hear {heard}?
span sound: From when to when do you hear {heard}? | Give start and end of {heard}. | From which \
second to which second do you hear {heard}? | From when to when can {heard} be heard? | Between \
which times does one hear {heard}?
heard at: What do you hear at {time} seconds? | Which sound is there at {time} seconds? | What is \
to be heard at second {time}? | At {time} seconds, what do you hear? | What sounds at {time} \
seconds?
who: Who speaks? | Who is speaking? | Who do you hear? | Whose voice is that, or whose voices? | \
Which people speak: man, woman, child? | Who talks here?
speakers: How many people speak? | How many voices do you hear? | How many speakers are there? | \
Count the speakers. | How many different people talk? | What is the number of voices?
said: What does {who} say? | What did {who} say? | Write down what {who} says. | Which words does \
{who} say? | Repeat what {who} says. | Tell me the words of {who}.
when said: When does {who} speak? | At what time does {who} start to speak? | When did {who} \
begin to speak? | At which second does {who} start? | When can one hear {who} speaking?
first speaker: Who speaks first? | Who is the first to speak? | Whose voice comes first? | Who \
starts to speak? | Which person talks first?
transcript: What is said? | Write down what is said. | Transcribe this. | What do they say? | \
Please write down the speech. | Which words are spoken?
timed: Write down what is said, with times. | Transcribe this with times. | Give the lines with \
start and end. | Who says what does not matter: write each line with its times. | What is said \
when? | Transcript with timestamps, please.
language: Which language is this? | What language is spoken? | In which language is this? | Which \
language do you hear? | Name the language. | Tell me what language that is.
foreign: Write down what is said in {language}. | Transcribe the {language} words. | What is \
said, in {language}? | Write the {language} sentence. | Which {language} words do you hear?
translate: What does it mean in English? | Translate this into English. | Say in English what was \
said. | Translate the {language} words. | What is that in English? | Give the English for this.
appears: When does the {thing} appear? | At what time does the {thing} appear? | When do you \
first see the {thing}? | At which second does the {thing} come? | When does the {thing} show up?
goes: When does the {thing} go away? | At what time does the {thing} disappear? | When do you \
last see the {thing}? | Until when is the {thing} there? | At which second is the {thing} gone?
visible: How long is the {thing} there? | How long do you see the {thing}? | For how many seconds \
is the {thing} shown? | How long can one see the {thing}? | How many seconds is the {thing} \
there?
first seen: What appears first? | Which thing do you see first? | What came first? | Name the \
first thing to be seen. | Which thing is the first to appear?
moves: Which way does the {thing} move? | Where does the {thing} go? | In which direction does \
the {thing} move? | How does the {thing} move? | Which direction does the {thing} take?
seen at: What do you see at {time} seconds? | What is there at {time} seconds? | What is shown at \
second {time}? | At {time} seconds, what do you see? | Which things are there at {time} seconds?
seen with sound: What do you see when {does}? | What is on the screen when {does}? | Which things \
are shown when {does}? | When {does}, what can be seen? | What is there to see while {does}?
seen with line: What do you see when {who} speaks? | What is on the screen while {who} speaks? | \
Which things are shown when {who} speaks? | While {who} talks, what can be seen? | What is there \
to see when {who} speaks?
heard with: What do you hear while the {thing} is there? | Which sound is there while you see the \
{thing}? | What can be heard when the {thing} is shown? | While the {thing} is on the screen, \
what do you hear? | What sounds as long as the {thing} is there?
caption short: Describe this in short. | Give a short caption. | Say briefly what there is. | Sum \
this up in a few words. | Short caption, please. | Describe this briefly.
caption detailed: Describe this in detail. | Give a detailed caption. | Tell me everything that \
is there, with places and times. | Detailed caption, please. | Describe all of it precisely.
caption structured: Describe this as JSON. | Give a structured caption. | Write all events as \
JSON. | Structured caption as JSON, please. | List the segments as JSON.
caption short seen: Describe in short what is seen, not what is heard. | Give a short caption of \
the pictures only. | Briefly: what is to be seen? | Short caption of what you see only, please.
caption detailed seen: Describe in detail what is seen, not what is heard. | Give a detailed \
caption of the pictures only. | Only what you see, in detail. | Detailed caption of what is seen \
only, please.
caption structured seen: Describe what is seen as JSON, without the sound. | Give a structured \
caption of the pictures only. | Only what you see, as JSON. | JSON segments of what is seen only.
caption short heard: Describe in short what is heard, not what is seen. | Give a short caption of \
the sound only. | Briefly: what is to be heard? | Short caption of what you hear only, please.
caption detailed heard: Describe in detail what is heard, not what is seen. | Give a detailed \
caption of the sound only. | Only what you hear, in detail. | Detailed caption of what is heard \
only, please.
caption structured heard: Describe what is heard as JSON, without the pictures. | Give a \
structured caption of the sound only. | Only what you hear, as JSON. | JSON segments of what is \
heard only.
"""
)
