"""Questions about sounds: which, how often, when, how long, in what order."""

from collections import Counter
from collections.abc import Iterator
from random import Random

from model.data.captions import listed, often
from model.data.catalog import SOUNDS
from model.data.check import Names, Near
from model.data.questions.fact import Asked, Fact, phrasings_of
from model.data.scenes import Scene, Sound
from model.data.texts import number


def single_sounds(scene: Scene) -> list[Sound]:
    """Sounds whose kind is heard once."""
    count = Counter(s.name for s in scene.sounds)
    return [s for s in scene.sounds if count[s.name] == 1]


def in_order(scene: Scene) -> list[str]:
    """The kinds of sound, in the order in which they are heard first."""
    return list(dict.fromkeys(s.name for s in sorted(scene.sounds, key=lambda s: s.start)))


def _sound(scene: Scene) -> Iterator[Fact]:
    names = tuple(in_order(scene))
    if len(names) == 1 and not scene.lines:
        yield Fact({}, f"{SOUNDS[names[0]].heard}.", Names("sound", names))


def _sounds(scene: Scene) -> Iterator[Fact]:
    names = tuple(in_order(scene))
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
    names = in_order(scene)
    if len(names) > 1 and not scene.lines:
        first = names[0]
        yield Fact({}, f"{SOUNDS[first].heard}.", Names("sound", (first,)))


def _last_sound(scene: Scene) -> Iterator[Fact]:
    if len(in_order(scene)) > 1 and not scene.lines:
        last = max(scene.sounds, key=lambda s: s.start).name
        yield Fact({}, f"{SOUNDS[last].heard}.", Names("sound", (last,)))


def _after_sound(scene: Scene) -> Iterator[Fact]:
    once = sorted(single_sounds(scene), key=lambda s: s.start)
    if len(once) == len(scene.sounds) and not scene.lines:
        for one, other in zip(once, once[1:], strict=False):
            told = f"after that, {SOUNDS[other.name].does}."
            check = Names("sound", (other.name,), (one.name,))
            yield Fact({"heard": SOUNDS[one.name].heard}, told, check)


def _when_sound(scene: Scene) -> Iterator[Fact]:
    for s in single_sounds(scene):
        told = f"at {s.start:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Near((s.start,)))


def _long_sound(scene: Scene) -> Iterator[Fact]:
    for s in single_sounds(scene):
        told = f"for {s.seconds:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Near((s.seconds,)))


def _span_sound(scene: Scene) -> Iterator[Fact]:
    for s in single_sounds(scene):
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


ASKED: dict[str, Asked] = {
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
}

PHRASINGS = phrasings_of(
    """
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
"""
)
