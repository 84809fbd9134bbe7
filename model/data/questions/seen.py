"""Questions about what is seen: objects, colours, counts, places, printed words.

Things too near to a border between two places are not asked for; colours only of what is dyed.
Answers that take several looks say what each of them saw, and where, in the order of the rows: who
has just said a place finds the next one. What is counted comes with its number, one by one. Who is
asked which thing has a colour, or whether something is there, says first where he looks, and what
he sees there; of what is not there, where something else is.
"""

from collections import Counter
from collections.abc import Iterator
from random import Random

from model.data.captions import big, in_rows, listed, looks, place, where
from model.data.catalog import OBJECTS, plural
from model.data.check import Last, Names, Word
from model.data.questions.fact import Asked, Fact, phrasings_of
from model.data.scenes import Scene, Thing
from model.data.tasks import a
from model.data.texts import number

APART = 0.2  # of the picture: how far "left of" must be
DOUBT = 0.045  # around a border between two places: not asked


def single_things(scene: Scene) -> list[Thing]:
    """Things whose name is there once."""
    count = Counter(t.name for t in scene.things)
    return [t for t in scene.things if count[t.name] == 1]


def _still(scene: Scene) -> list[Thing]:
    return [t for t in single_things(scene) if len(t.path) == 1]


def _what(scene: Scene) -> Iterator[Fact]:
    if len(scene.things) == 1 and not scene.prints:
        thing = scene.things[0]
        yield Fact({}, f"{a(looks(thing))}.", Names("object", (thing.name,)))


def _things(scene: Scene) -> Iterator[Fact]:
    if len(scene.things) > 1 and len(single_things(scene)) == len(scene.things):
        names = tuple(t.name for t in scene.things)
        each = [f"{a(looks(t))} {where(*t.path[0])}" for t in in_rows(scene.things)]
        yield Fact({}, f"{listed(each)}.", Names("object", names))


def _color(scene: Scene) -> Iterator[Fact]:
    for t in single_things(scene):
        if t.color:
            yield Fact({"thing": t.name}, f"the {t.name} is {t.color}.", Names("color", (t.color,)))


def _which(scene: Scene) -> Iterator[Fact]:
    """Only where everything is dyed, and no two things share the colour."""
    if len(scene.things) > 1 and all(t.color for t in scene.things):
        count = Counter(t.color for t in scene.things)
        for t in single_things(scene):
            if count[t.color] == 1:
                told = f"the {t.color} thing is {where(*t.path[0])}: {a(looks(t))}."
                yield Fact({"color": t.color}, told, Last(Names("object", (t.name,))))


def _count(scene: Scene) -> Iterator[Fact]:
    """Where something is there several times: else one would be right without looking."""
    count = Counter(t.name for t in scene.things)
    if scene.seconds or max(count.values(), default=0) < 2:
        return
    for name, n in count.items():
        verb = "is" if n == 1 else "are"
        same = [t for t in in_rows(scene.things) if t.name == name]
        each = (f"{a(name)} {where(*t.path[0])}, {number(i)}" for i, t in enumerate(same, 1))
        told = ", ".join(each)
        told += f": there {verb} {number(n)} {name if n == 1 else plural(name)}."
        yield Fact({"things": plural(name)}, told, Last(Names("number", (number(n),))))


def _exists(scene: Scene) -> Iterator[Fact]:
    if not scene.things:
        return
    here = {t.name for t in scene.things}
    rng = Random(f"{scene.seed}|exists")
    for name in (rng.choice(sorted(here)), rng.choice(sorted(set(OBJECTS) - here))):
        verdict = "yes" if name in here else "no"
        at = next((t for t in in_rows(scene.things) if t.name == name), rng.choice(scene.things))
        told = f"{where(*at.path[0])} is {a(looks(at))}. {a(name).capitalize()}? "
        told += f"{verdict.capitalize()}."
        yield Fact({"thing": a(name)}, told, Names("verdict", (verdict,)))


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
                told = f"the {t.name} is {where(*t.path[0])}, and {side} it is the {near[0]}."
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
            told = f"the {one.name} is {where(*one.path[0])} and the {other.name} "
            told += f"{where(*other.path[0])}. {side.capitalize()} it? {'Yes' if yes else 'No'}."
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
            told = f"the {one} is {where(*first.path[0])} and the {other} "
            told += f"{where(*last.path[0])}: between them is the {middle.name}."
            check = Names("object", (middle.name,), (one, other))
            yield Fact({"one": one, "other": other}, told, check)


def _bigger(scene: Scene) -> Iterator[Fact]:
    still = _still(scene)
    if scene.seconds or len(still) != 2 or len(scene.things) != 2:
        return
    smaller, larger = sorted(still, key=lambda t: t.size)
    if larger.size / smaller.size >= 1.3:
        one, other = still
        told = f"the {one.name} is {big(one.size)} and the {other.name} {big(other.size)}: "
        told += f"the {larger.name} is bigger."
        slots = {"one": one.name, "other": other.name}
        yield Fact(slots, told, Last(Names("object", (larger.name,))))


def _read(scene: Scene) -> Iterator[Fact]:
    """In capitals: of those every letter is a token, and a word is read letter by letter."""
    if len(scene.prints) == 1:
        text = scene.prints[0].text
        yield Fact({}, f'it says "{text.upper()}".', Word(text))


ASKED: dict[str, Asked] = {
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
}

PHRASINGS = phrasings_of(
    """
what: What is in the picture? | What do you see? | Name what you see. | What does the picture \
show? | Which thing is shown? | What thing is this? | What is shown here? | Which thing do you \
see? | Tell me what this is. | What object is in the picture? | Say what you see. | What is \
there? | Can you tell what this is? | What is to be seen in this picture? | Which object is \
shown? | Look at the picture: what is it? | What is this a picture of? | There is one thing: what \
is it? | Name the object. | What does one see here? || What is this? | What can you see here?
things: What are the things in the picture? | Which things do you see? | What can be seen here? | \
List the things that are shown. | What do you see in the picture? | Say everything that you see. \
| Which things are shown? | Tell me everything in the picture. | What all is there? | Name each \
thing in the picture. | Which things are there? | Please list everything. | What can you find in \
the picture? | Make a list of what is shown. | What objects are in the picture? | Which objects \
can you see? | What is in this picture, all of it? | Name the things one by one. | What things \
does the picture have? || Tell me all that is shown. | Name everything you see.
color: What color is the {thing}? | Tell me the color of the {thing}. | What is the color of the \
{thing}? | The {thing} is of what color? | Say the color of the {thing}. | In what color is the \
{thing}? | What color has the {thing}? | Which color is the {thing}? | Name the color of the \
{thing}. | Can you tell the color of the {thing}? | The {thing}: what color is it? | Of which \
color is the {thing}? | How is the {thing} colored? | Look at the {thing}: which color is it? | I \
want to know the color of the {thing}. | Give the color of the {thing}. | What color do you see \
on the {thing}? || Which color does the {thing} have?
which: Which thing is {color}? | Name the thing that is {color}. | What {color} thing do you see? \
| Find the {color} one. What is it? | Which of the things is {color}? | What do you see that is \
{color}? | Tell me what is {color}. | Which one is {color}? | What thing has the color {color}? | \
There is something {color}: what is it? | Which thing here is {color}? | Say which thing is \
{color}. | What is it that is {color}? | Which object is {color}? | Look for something {color}: \
what is it? | Name the {color} thing. | The {color} thing is what? | One thing is {color}: which \
one? | What is the {color} thing? | Which object has the color {color}? || What is {color}?
count: How many {things} are there? | How many {things} do you see? | Count the {things}. | What \
is the number of {things}? | How many {things}? | How many {things} can you see? | How many \
{things} are in the picture? | How many {things} are shown? | Say how many {things} there are. | \
Count all {things}. | Can you count the {things}? | What number of {things} do you see? | How \
many {things} does the picture have? | Give the number of {things}. | How many {things} does one \
see? | What is the count of {things}? | Look for {things}: how many are there? | The number of \
{things} is what? | How many {things} stand here? || How many {things} can you find? | Tell me \
how many {things} are shown.
exists: Is there {thing}? | Do you see {thing}? | Is {thing} shown? | Does the picture show \
{thing}? | Is there {thing} in the picture? | Is {thing} there? | Does one see {thing}? | Is \
{thing} in the picture? | Do you find {thing}? | Is there {thing} to be seen? | Could you see \
{thing} here? | Are you able to see {thing}? | Does it show {thing}? | Would you say there is \
{thing}? | Look for {thing}: is it there? | Is it true that there is {thing}? | Does the picture \
have {thing}? | Can {thing} be seen? | Is there {thing} anywhere? | Do we see {thing} in the \
picture? || Can you see {thing}?
where: Where is the {thing}? | In which part is the {thing}? | Tell me where the {thing} is. | \
Where can I find the {thing}? | Where in the picture is the {thing}? | Where is the {thing} to be \
found? | Say where the {thing} is. | Where does the picture show the {thing}? | Which place has \
the {thing}? | Where can the {thing} be seen? | At which place is the {thing}? | In which corner \
or part is the {thing}? | Where does the {thing} stand? | The {thing} is where? | In what place \
is the {thing}? | Which part of the picture has the {thing}? | Look for the {thing}: where is it? \
| Where does one see the {thing}? | What is the position of the {thing}? | Where would you find \
the {thing}? || What is the place of the {thing}? | Where do you see the {thing}?
beside: What is {side} the {thing}? | Which thing is {side} the {thing}? | What do you see {side} \
the {thing}? | What can be found {side} the {thing}? | What stands {side} the {thing}? | Tell me \
what is {side} the {thing}. | Say which thing is {side} the {thing}. | What thing is {side} the \
{thing}? | {side} the {thing}, what do you see? | Which thing do you see {side} the {thing}? | \
What is shown {side} the {thing}? | What is there {side} the {thing}? | Look {side} the {thing}: \
what is there? | Which object is {side} the {thing}? | What does one see {side} the {thing}? | \
Something is {side} the {thing}: what is it? | The thing {side} the {thing} is what? | What is to \
be found {side} the {thing}? || Name what is {side} the {thing}.
is beside: Is the {one} {side} the {other}? | Is it true that the {one} is {side} the {other}? | \
Can one find the {one} {side} the {other}? | Can you see the {one} {side} the {other}? | Does the \
{one} stand {side} the {other}? | Is the {one} to be found {side} the {other}? | The {one} is \
{side} the {other}: true or not? | Would you say that the {one} is {side} the {other}? | Look: is \
the {one} {side} the {other}? | Is it right that the {one} is {side} the {other}? | Is it so that \
the {one} is {side} the {other}? | Look at the {one}: is it {side} the {other}? | Does one see \
the {one} {side} the {other}? | Is the {one} shown {side} the {other}? | Would one find the {one} \
{side} the {other}? || Do you see the {one} {side} the {other}?
between: What is between the {one} and the {other}? | Which thing is between the {one} and the \
{other}? | Name what is between the {one} and the {other}. | What do you see between the {one} \
and the {other}? | Between the {one} and the {other}, what is there? | Tell me what is between \
the {one} and the {other}. | What can be found between the {one} and the {other}? | Which thing \
stands between the {one} and the {other}? | What thing lies between the {one} and the {other}? | \
What is in the middle of the {one} and the {other}? | Which object is between the {one} and the \
{other}? | Look between the {one} and the {other}: what is there? | Something is between the \
{one} and the {other}: what is it? | What does one see between the {one} and the {other}? | What \
is there between the {one} and the {other}? || What stands between the {one} and the {other}?
bigger: Which is bigger, the {one} or the {other}? | Is the {one} or the {other} bigger? | Of the \
{one} and the {other}, which one is bigger? | Which one is bigger, the {one} or the {other}? | \
Which of the two is bigger, the {one} or the {other}? | Tell me which is bigger, the {one} or the \
{other}. | What is larger, the {one} or the {other}? | Which is the larger one, the {one} or the \
{other}? | The {one} or the {other}: which is bigger? | Compare the {one} and the {other}: which \
is bigger? | Is the {one} bigger, or the {other}? | Look at the {one} and the {other}: which is \
bigger? | Which thing is bigger, the {one} or the {other}? | Say which is bigger, the {one} or \
the {other}. | Which has more size, the {one} or the {other}? || What is bigger, the {one} or the \
{other}?
read: What does it say? | What is written here? | Read the word. | Can you read this? | Which \
word is printed? | Read this. | What word is it? | What word is written there? | Read what is \
written. | Tell me the word in the picture. | Which word is written here? | Please read the word. \
| What do the letters say? | There is a word: which? | What is printed here? | Say what is \
written. | Look at the letters: which word is it? | What word do you read? | Can you tell what is \
written? | Which letters are printed here? | Name the word that is written. | What is the word in \
the picture? || Which word do you see? | What does the text say?
"""
)
