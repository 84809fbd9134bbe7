"""Questions about a film: what comes, goes and moves; what is seen while something is heard.

Who is asked until when, or how long, says first what can be looked up: when a thing is last seen,
from when to when it is there.
"""

from collections.abc import Iterator
from random import Random

import numpy as np

from model.data.captions import in_rows, listed, looks, way
from model.data.catalog import SOUNDS
from model.data.check import Last, Names, Near
from model.data.questions.fact import Asked, Fact, phrasings_of
from model.data.questions.heard import single_sounds
from model.data.questions.seen import single_things
from model.data.questions.spoken import single_lines
from model.data.scenes import Line, Scene, Sound, Thing
from model.data.tasks import a


def _appears(scene: Scene) -> Iterator[Fact]:
    for t in single_things(scene):
        if t.start > 0:
            told = f"the {t.name} appears at {t.start:.1f} seconds."
            yield Fact({"thing": t.name}, told, Near((t.start,)))


def _goes(scene: Scene) -> Iterator[Fact]:
    for t in single_things(scene):
        if t.end < scene.seconds:
            told = f"the {t.name} is last seen at {t.end - 1 / scene.rate:.1f}: "
            told += f"it goes away at {t.end:.1f} seconds."
            yield Fact({"thing": t.name}, told, Last(Near((t.end,))))


def _visible(scene: Scene) -> Iterator[Fact]:
    for t in single_things(scene) if scene.seconds else ():
        told = f"from {t.start:.1f} to {t.end:.1f}: for {t.end - t.start:.1f} seconds."
        yield Fact({"thing": t.name}, told, Last(Near((t.end - t.start,))))


def _first_seen(scene: Scene) -> Iterator[Fact]:
    order = sorted(scene.things, key=lambda t: t.start) if scene.seconds else []
    if len(order) > 1 and order[1].start - order[0].start >= 1:
        yield Fact({}, f"the {order[0].name}.", Names("object", (order[0].name,)))


def _moves(scene: Scene) -> Iterator[Fact]:
    for t in single_things(scene):
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
        told = listed([a(looks(t)) for t in in_rows(visible)])
        yield Fact(slots, f"{told}.", Names("object", names))


def _seen_while(scene: Scene, event: Sound | Line) -> tuple[Thing, ...]:
    """What is visible all through an event, if that does not change meanwhile."""
    before = scene.visible(max(0.0, event.start - 0.3))
    moments = np.arange(event.start, event.end + 0.3, 0.25).tolist()
    same = all(scene.visible(time) == before for time in moments)
    return before if same else ()


def _seen_with_sound(scene: Scene) -> Iterator[Fact]:
    for s in single_sounds(scene):
        if things := _seen_while(scene, s):
            names = tuple(t.name for t in things)
            told = listed([a(looks(t)) for t in in_rows(things)]) + "."
            check = Names("object", names, (s.name,))
            yield Fact({"does": SOUNDS[s.name].does}, told, check)


def _seen_with_line(scene: Scene) -> Iterator[Fact]:
    for x in single_lines(scene):
        if things := _seen_while(scene, x):
            told = listed([a(looks(t)) for t in in_rows(things)]) + "."
            check = Names("object", tuple(t.name for t in things))
            yield Fact({"who": f"the {x.speaker}"}, told, check)


def _heard_with(scene: Scene) -> Iterator[Fact]:
    """What is heard while something is there, if no sound is half inside."""
    for t in single_things(scene) if scene.seconds else ():
        inside = [s for s in scene.sounds if t.start <= s.start and s.end <= t.end]
        outside = [s for s in scene.sounds if s.end <= t.start or t.end <= s.start]
        names = tuple(dict.fromkeys(s.name for s in inside))
        clear = len(inside) + len(outside) == len(scene.sounds)
        clear = clear and all(x.end <= t.start or t.end <= x.start for x in scene.lines)
        if names and clear and t.end - t.start < scene.seconds - 1e-6:
            told = listed([SOUNDS[n].heard for n in names]) + "."
            yield Fact({"thing": t.name}, told, Names("sound", names, (t.name,)))


ASKED: dict[str, Asked] = {
    "appears": ("seen", _appears),
    "goes": ("seen", _goes),
    "visible": ("seen", _visible),
    "first seen": ("seen", _first_seen),
    "moves": ("seen", _moves),
    "seen at": ("seen", _seen_at),
    "seen with sound": ("both", _seen_with_sound),
    "seen with line": ("both", _seen_with_line),
    "heard with": ("both", _heard_with),
}

PHRASINGS = phrasings_of(
    """
appears: When does the {thing} appear? | At what time does the {thing} appear? | When do you \
first see the {thing}? | At which second does the {thing} come? | When can you first see the \
{thing}? | At what second does the {thing} appear? | When does the {thing} come? | Tell me when \
the {thing} appears. | From when on is the {thing} there? | When did the {thing} appear? | When \
is the {thing} first to be seen? | Since when is the {thing} shown? | At what time does the \
{thing} come? | When does the {thing} come up? | When do you see the {thing} for the first time? \
| When does one first see the {thing}? | From which second on can you see the {thing}? | At what \
time can the {thing} first be seen? | When does the {thing} first show? | At which second does \
the {thing} show up first? || When does the {thing} show up?
goes: When does the {thing} go away? | When do you last see the {thing}? | Until when is the \
{thing} there? | At which second is the {thing} gone? | When does the {thing} disappear? | When \
is the {thing} gone? | At what second does the {thing} go? | Tell me when the {thing} goes away. \
| Until what time can you see the {thing}? | When did the {thing} go? | When does the {thing} \
leave? | Till when is the {thing} shown? | At what time does the {thing} go away? | At which \
second does the {thing} disappear? | At what time is the {thing} gone? | When does one last see \
the {thing}? | When do you see the {thing} for the last time? | When will the {thing} disappear? \
| At what time does the {thing} leave? | Say when the {thing} disappears. || At what time does \
the {thing} disappear?
visible: How long do you see the {thing}? | For how many seconds is the {thing} shown? | How long \
can one see the {thing}? | How many seconds is the {thing} there? | How long can you see the \
{thing}? | For how long is the {thing} shown? | For how many seconds can you see the {thing}? | \
Tell me how long the {thing} is there. | How long was the {thing} shown? | For how long do you \
see the {thing}? | How many seconds can one see the {thing}? | How long is the {thing} to be \
seen? | How long is the {thing} shown? | How long is the {thing} on the screen? | For how long is \
the {thing} there? | How long does one see the {thing}? | How long does the {thing} stay? | For \
what time is the {thing} there? | Tell me how long you see the {thing}. || How long is the \
{thing} there?
first seen: What appears first? | Which thing do you see first? | What came first? | Name the \
first thing to be seen. | Which thing came first? | What do you see first? | What is shown first? \
| Tell me what appears first. | What is the first thing you see? | Which thing appears before all \
others? | What was there first? | Say which thing is shown first. || Which thing is the first to \
appear?
moves: Which way does the {thing} move? | Where does the {thing} go? | In which direction does \
the {thing} move? | How does the {thing} move? | To which side does the {thing} move? | Tell me \
where the {thing} goes. | Where does the {thing} move to? | Which way does the {thing} go? | In \
what direction does the {thing} go? | Say how the {thing} moves. | Where is the {thing} going? | \
Does the {thing} go left, right, up or down? || Which direction does the {thing} take?
seen at: What do you see at {time} seconds? | What is there at {time} seconds? | At {time} \
seconds, what do you see? | Which things are there at {time} seconds? | At second {time}, what is \
there? | What can you see at {time} seconds? | Which things do you see at {time} seconds? | Tell \
me what is there at {time} seconds. | At {time} seconds, what is shown? | What is on the screen \
at {time} seconds? | Name what you see at {time} seconds. | What is to be seen when {time} \
seconds have passed? || What is shown at second {time}?
seen with sound: What do you see when {does}? | What is on the screen when {does}? | Which things \
are shown when {does}? | What is there to see while {does}? | What is there when {does}? | What \
can you see when {does}? | Which things do you see when {does}? | Tell me what is shown while \
{does}. | When {does}, what do you see? | While {does}, what is on the screen? | What is shown \
when {does}? || When {does}, what can be seen?
seen with line: What is on the screen while {who} speaks? | Which things are shown when {who} \
speaks? | While {who} talks, what can be seen? | What is there to see when {who} speaks? | What \
is there while {who} speaks? | What can you see when {who} speaks? | Which things do you see \
while {who} speaks? | Tell me what is shown when {who} speaks. | When {who} speaks, what is on \
the screen? | While {who} speaks, what do you see? | What is shown while {who} talks? || What do \
you see when {who} speaks?
heard with: What do you hear while the {thing} is there? | Which sound is there while you see the \
{thing}? | While the {thing} is on the screen, what do you hear? | What sounds as long as the \
{thing} is there? | What do you hear when you see the {thing}? | Which sound do you hear while \
the {thing} is there? | Tell me what sounds while the {thing} is shown. | While you see the \
{thing}, what do you hear? | When the {thing} is there, what can you hear? | What can one hear \
while the {thing} is to be seen? | Which sound goes with the {thing}? || What can be heard when \
the {thing} is shown?
"""
)
