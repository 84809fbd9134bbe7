"""Questions about sounds: which, how often, when, how long, in what order."""

from collections import Counter
from collections.abc import Iterator
from random import Random

from model.data.captions import listed, often
from model.data.catalog import SOUNDS
from model.data.check import Last, Names, Near
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
        first = [min(s.start for s in scene.sounds if s.name == n) for n in names]
        each = [f"{SOUNDS[n].heard} at {start:.1f} seconds"
                for n, start in zip(names, first, strict=True)]  # fmt: skip
        yield Fact({}, f"{listed(each)}.", Names("sound", names))


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
    heard = listed([SOUNDS[name].heard for name in in_order(scene)])
    rng = Random(f"{scene.seed}|hears")
    known = sorted({"dog", "cat", "bell", "piano", "guitar", "drum", "laugh", "trumpet"} - here)
    for name in (rng.choice(sorted(here)), rng.choice(known)):
        yes = name in here
        told = f"{heard}: {'yes' if yes else 'no'}."
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
        told = f"from {s.start:.1f} to {s.end:.1f}: for {s.seconds:.1f} seconds."
        yield Fact({"heard": SOUNDS[s.name].heard}, told, Last(Near((s.seconds,))))


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
sound: What do you hear? | What made the sound? | What is that sound? | What can be heard? | What \
is making this noise? | Tell me what you hear. | What sound is that? | Which sound do you hear? | \
What sound do you hear? | What was that? | What sounds here? | What did you hear? | Which noise \
is this? | Say what is to be heard. | What is it that sounds? | Tell me which sound this is. | \
Name what you hear. | What kind of sound is this? | Can you name the sound? | What is this sound? \
| Say which sound it is. || Name the sound. | Which sound is this?
sounds: Which sounds do you hear? | Name all the sounds. | What are the sounds? | What sounds can \
be heard? | What sounds are there? | Tell me all the sounds. | Which sounds are there? | What are \
all the sounds you hear? | Say which sounds you hear. | Name every sound. | What sounds do you \
hear? | What all can be heard? | List the sounds. | List all that can be heard. | Which things \
can be heard? | What things sound here? | Name the things that you hear. | Make a list of the \
sounds. | Please list every sound. | What makes a sound here, and when? | Which things do you \
hear? | Tell me which things sound. | List what can be heard here. | What is there to hear, all \
of it? | Which things are to be heard? | Give me a list of all you hear. || List what you hear. | \
Which things make a sound?
count sound: How many times do you hear {heard}? | Count how many times you hear {heard}. | How \
often can you hear {heard}? | How many times can {heard} be heard? | How many times does one hear \
{heard}? | Count {heard}: how many times? | How many times is {heard} to be heard? | How many \
times did you hear {heard}? | Tell me how often {heard} can be heard. | Say how many times you \
hear {heard}. | What is the number of times that you hear {heard}? || How often do you hear \
{heard}?
hears: Do you hear {heard}? | Did you hear {heard}? | Can {heard} be heard? | Does one hear \
{heard}? | Is {heard} to be heard? | Is there {heard}? | Do you hear {heard} anywhere? | Is \
{heard} among the sounds? | Was {heard} to be heard? | Tell me: can one hear {heard}? | Are you \
able to hear {heard}? || Can you hear {heard}?
first sound: Which sound comes first? | What was the first sound? | What sounded first? | Name \
the first sound. | Which sound is the first? | What can be heard first? | Tell me the first \
sound. | Which of the sounds came first? | What is to be heard at first? | What did you hear \
first? | What does one hear first of all? | Say what sounds first. | Which sound do you hear \
first? | What is the first sound you hear? | Which thing do you hear first? | At the beginning, \
what do you hear? | What do you hear before all the others? || What do you hear first?
last sound: Which sound comes last? | What was the last sound? | What sounded last? | Name the \
last sound. | Which sound is the last? | What can be heard last? | Tell me the last sound. | \
Which of the sounds came last? | What is to be heard at the end? | What did you hear last? | What \
does one hear last of all? | Say what sounds last. | Which sound do you hear last? | What is the \
last sound you hear? | Which thing do you hear last? | At the end, what do you hear? | What do \
you hear after all the others? || What do you hear last?
after sound: What do you hear after {heard}? | Which sound follows {heard}? | What comes after \
{heard}? | What sounded next after {heard}? | Which sound comes after {heard}? | What follows \
{heard}? | What did you hear after {heard}? | After {heard}, what do you hear? | Tell me the \
sound after {heard}. | Which sound is next after {heard}? | What is to be heard after {heard}? || \
After {heard}, what sound is next?
when sound: When do you hear {heard}? | At which second do you hear {heard}? | When can {heard} \
be heard? | Tell me the time of {heard}. | When did you hear {heard}? | When is {heard} to be \
heard? | At which time can {heard} be heard? | When does {heard} come? | At what second is \
{heard} to be heard? | Say when you hear {heard}. | Where in time is {heard}? | When was {heard} \
to be heard? | When does {heard} sound? | At what time can {heard} be heard? | At what time does \
one hear {heard}? | When do you first hear {heard}? | At which time do you hear {heard}? | What \
is the time of {heard}? || When does one hear {heard}? | At what time do you hear {heard}?
long sound: How long do you hear {heard}? | How long can {heard} be heard? | How many seconds do \
you hear {heard}? | For how long can you hear {heard}? | For how many seconds can {heard} be \
heard? | How many seconds long is {heard}? | Tell me how long you hear {heard}. | How long is \
{heard} to be heard? | What is the length of {heard}? | For how long is there {heard}? | How long \
did you hear {heard}? | How long does {heard} last? | How long can one hear {heard}? | How many \
seconds does one hear {heard}? | How long does {heard} sound? | How long is {heard}? || How long \
does one hear {heard}?
span sound: Give start and end of {heard}. | From which second to which second do you hear \
{heard}? | From when to when can {heard} be heard? | Between which times does one hear {heard}? | \
Tell me when {heard} starts and ends. | When does {heard} begin and when does it end? | Start and \
end of {heard}, please. | From what time to what time can one hear {heard}? | Between which \
seconds do you hear {heard}? | Say from when to when you hear {heard}. | When do you begin and \
when do you stop to hear {heard}? | From what time to what time do you hear {heard}? | From when \
to when is {heard} to be heard? | From when until when do you hear {heard}? | When do you hear \
{heard}, from start to end? || From when to when do you hear {heard}?
heard at: What do you hear at {time} seconds? | Which sound is there at {time} seconds? | At \
{time} seconds, what do you hear? | What sounds at {time} seconds? | At second {time}, what do \
you hear? | What can you hear at {time} seconds? | Which sound do you hear at {time} seconds? | \
At {time} seconds, what can be heard? | Tell me what sounds at {time} seconds. | What is to be \
heard when {time} seconds have passed? | Name what you hear at {time} seconds. || What is to be \
heard at second {time}?
"""
)
