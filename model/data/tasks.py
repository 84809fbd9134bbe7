"""Questions with known answers: arithmetic to twenty, calendar, opposites, colours, counts, yes/no.

A task is a list of facts (values for the slots of a question, the answer, the key word of the
answer) and lists of phrasings: those of training, those of the test, and more of training that are
never synthesised (quiz.py): writing costs next to nothing. Test asks with phrasings never seen, and
where facts are *combinations* (operands, a thing and a colour, a child and its apples) also about
combinations never seen. Commuted sums count as two combinations: three plus four may be trained
where four plus three is held out. Facts that must be known (Tuesday comes after Monday) are in
training with other phrasings. Valid: seen phrasings, held-out combinations or pairings.

An answer is written one word after the other, and that is all the time there is to think. So the
Thinker learns some answers in steps (`Fact.thought`). A sum begins with the larger number: who
knows seven plus five knows five plus seven. Beyond ten the ones are taken first: "Nine minus four
leaves five. Nineteen minus four is fifteen." And who is asked yes or no says what is known, then
what was asked, and then what follows, since two words side by side are easily compared: "A bus is a
vehicle. Fruit? No." Of a thing whose yes is held out, training would hear the no alone, and learn
that by heart: `one_sided` names those, to be left out.

An answer is judged by its `key`: `right("is twelve", "Seven plus 5 is 12.")`.

Left out: tasks whose question is speech to be transcribed or repeated; training derives them from
any clip. `repeat` here is typed.

    turns(seed, pool)["test"]  # list[Turn] without audio
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, cycle, islice

import numpy as np

from model.data.store import SPLITS, Turn
from model.data.texts import DAYS, MONTHS, NAMES, ORDINALS, Sentence, number, tidy, words


@dataclass(frozen=True)
class Fact:
    answer: str
    key: str
    slots: dict[str, str] = field(default_factory=dict)
    ask: str = ""  # facts of one task may need different questions: only phrasings of this group
    steps: str = ""  # the answer in steps that are easily taken, where there is such a one

    @property
    def thought(self) -> str:
        """The answer as the Thinker learns to write it."""
        return tidy(self.steps or self.answer)


@dataclass(frozen=True)
class Task:
    name: str
    train: int  # turns for training
    facts: list[Fact]
    phrasings: dict[str, list[str]]  # group -> questions seen in training
    unseen: dict[str, list[str]]  # group -> questions of the test
    written: dict[str, list[str]]  # group -> more of training, never synthesised (quiz.py)
    combinations: bool = False  # hold out facts as well


SOUNDS_LIKE = {"to": "two", "too": "two", "for": "four", "won": "one", "ate": "eight", "know": "no"}
SOUNDS_LIKE |= {"equals": "is", "grey": "gray"}


def heard(text: str) -> list[str]:
    """Words as an answer is compared: digits and signs in words, homophones made one."""
    text = text.replace("=", " equals ").replace("+", " plus ")
    text = re.sub(r"(\d)\s*[-\u2212]\s*(\d)", r"\1 minus \2", text)
    return [SOUNDS_LIKE.get(word, word) for word in words(text) if word != "and"]


def right(key: str, said: str) -> bool:
    """Whether `said` holds the words of `key`, in order and side by side."""
    wanted, found = heard(key), heard(said)
    if not wanted:
        raise ValueError("the key of an answer is empty; expected one word or more")
    ends = range(len(wanted), len(found) + 1)
    return any(found[end - len(wanted) : end] == wanted for end in ends)


def a(thing: str) -> str:
    """With its article; things without one (snow, the sky) are written with a star or "the"."""
    if thing.startswith(("*", "the ")):
        return thing.lstrip("*")
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def _verdict(known: str, asked: str, yes: bool, slots: dict[str, str], ask: str = "") -> Fact:
    key = "yes" if yes else "no"
    steps = f"{known}. {asked.capitalize()}? {key.capitalize()}"
    return Fact(f"{known}, so {key}", key, slots, ask, steps)


def _plus(top: int = 20) -> Iterator[Fact]:
    for x in range(top + 1):
        for y in range(top + 1 - x):
            p, q, r = number(x), number(y), number(x + y)
            steps = f"{q} plus {p} is {r}" if x < y else ""
            yield Fact(f"{p} plus {q} is {r}", f"is {r}", {"a": p, "b": q}, steps=steps)


def _minus(top: int = 20) -> Iterator[Fact]:
    for x in range(top + 1):
        for y in range(x + 1):
            p, q, r = number(x), number(y), number(x - y)
            told = f"{p} minus {q} is {r}"
            yield Fact(told, f"is {r}", {"a": p, "b": q}, steps=_taken(x, y, told))


def _taken(x: int, y: int, told: str) -> str:
    """Beyond ten the ones come first; where they do not suffice, from thirteen minus seven on, ten
    lends them."""
    (tens, ones), less = divmod(x, 10), y % 10
    if x <= 10 or not less or (not ones and tens == 1):
        return ""
    if ones < less and tens == 1:
        rest, r = 10 - less, number(x - y)
        more = f"{number(max(rest, ones))} plus {number(min(rest, ones))} makes {r}"
        return f"ten minus {number(less)} leaves {number(rest)}, {more}. {tidy(told)}"
    start = ones if ones >= less else 10 + ones
    if (start, less) == (x, y):
        return ""
    return f"{number(start)} minus {number(less)} leaves {number(start - less)}. {tidy(told)}"


def _compare(top: int = 20) -> Iterator[Fact]:
    for x in range(top + 1):
        for y in range(top + 1):
            p, q, high, low = number(x), number(y), number(max(x, y)), number(min(x, y))
            if x != y:
                yield Fact(f"{high} is more", f"{high} is more", {"a": p, "b": q}, "more")
                yield Fact(f"{low} is less", f"{low} is less", {"a": p, "b": q}, "less")
                known = f"{p} is {'more' if x > y else 'less'} than {q}"
                yield _verdict(known, "more", x > y, {"a": p, "b": q}, "is")


def _next(top: int = 20) -> Iterator[Fact]:
    for x in range(top):
        p, q = number(x), number(x + 1)
        yield Fact(f"the number after {p} is {q}", f"is {q}", {"a": p}, "after")
        yield Fact(f"the number before {q} is {p}", f"is {p}", {"a": q}, "before")


def _count(top: int = 20) -> Iterator[Fact]:
    for x in range(top + 1):
        for y in range(top + 1):
            if 2 <= abs(x - y) <= 6:
                step = 1 if y > x else -1
                run = [number(n) for n in range(x, y + step, step)]
                slots = {"a": number(x), "b": number(y)}
                yield Fact(", ".join(run), " ".join(run), slots, "up" if y > x else "down")


def _calendar() -> Iterator[Fact]:
    for kind, names in (("day", DAYS), ("month", MONTHS)):
        for this, following in zip(names, names[1:] + names[:1], strict=True):
            slots = {"kind": kind, "a": this}
            yield Fact(f"the {kind} after {this} is {following}", f"is {following}", slots, "after")
            slots = {"kind": kind, "a": following}
            yield Fact(f"the {kind} before {following} is {this}", f"is {this}", slots, "before")
    for i, (this, days) in enumerate(
        zip(MONTHS, [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], strict=True)
    ):
        if this != "February":
            told = f"{this} has {number(days)} days"
            yield Fact(told, f"{number(days)} days", {"a": this}, "days")
        nth = f"the {ORDINALS[i]} month is {this}"
        yield Fact(nth, f"is {this}", {"a": ORDINALS[i]}, "nth")
    for i, this in enumerate(DAYS):
        later = DAYS[(i + 2) % 7]
        yield Fact(f"two days after {this} is {later}", f"is {later}", {"a": this}, "two")
    for n, part, whole in (
        (7, "days", "week"),
        (12, "months", "year"),
        (24, "hours", "day"),
        (60, "minutes", "hour"),
        (60, "seconds", "minute"),
        (4, "seasons", "year"),
        (2, "days", "weekend"),
        (10, "years", "decade"),
    ):
        told = f"there are {number(n)} {part} in {'an' if whole == 'hour' else 'a'} {whole}"
        slots = {"a": part, "b": f"{'an' if whole == 'hour' else 'a'} {whole}"}
        yield Fact(told, f"{number(n)} {part}", slots, "long")


OPPOSITES = """hot cold|big small|high low|fast slow|old new|open closed|full empty|hard soft
wet dry|light dark|good bad|happy sad|long short|wide narrow|thick thin|strong weak
rich poor|loud quiet|clean dirty|early late|near far|up down|left right|in out
over under|first last|front back|day night|black white|true false|yes no|begin end
buy sell|come go|give take|push pull|win lose|love hate|laugh cry|start stop
remember forget|inside outside|above below|before after|always never|more less
heavy light|sweet sour|young old|tall short|deep shallow|smooth rough|sharp dull
easy difficult|alive dead|awake asleep|right wrong|safe dangerous|cheap expensive
brave afraid|summer winter|north south|east west|top bottom|arrive leave
question answer|friend enemy|rise fall"""

COLORS = """yellow: banana, lemon, *corn, *butter, the sun, sunflower
red: tomato, cherry, strawberry, *blood, fire engine, ruby
green: *grass, leaf, frog, cucumber, pea, lime
blue: the sky, the sea, blueberry, sapphire
white: *snow, *milk, *salt, *sugar, swan, *cotton, polar bear, *rice
black: *coal, raven, the night, tire, panther
orange: carrot, pumpkin, basketball
brown: *chocolate, *coffee, *mud, potato, *toast
pink: pig, flamingo
gray: elephant, mouse, dolphin, *concrete
purple: eggplant, plum"""

PARTS = """four legs: dog, cat, horse, cow, table, chair, sheep, lion, elephant
two legs: bird, duck, chicken, person
six legs: ant, bee, fly, beetle
eight legs: spider
no legs: snake, fish, worm
four wheels: car, wagon
two wheels: bicycle, motorcycle
three wheels: tricycle
one wheel: unicycle, wheelbarrow
two wings: bird, airplane, eagle
three sides: triangle
four sides: square, rectangle
five sides: pentagon
six sides: hexagon
two eyes: person, cat, dog
eight arms: octopus
five arms: starfish
five fingers: hand
five toes: foot
ten fingers: person
two ears: rabbit, dog, person
two hands: clock, person
one trunk: elephant, tree
two humps: camel
two sleeves: shirt
six strings: guitar
four strings: violin"""

KINDS = """animal: dog, cat, horse, cow, lion, tiger, elephant, rabbit, mouse, pig, sheep, goat, \
bear, wolf, monkey
bird: eagle, duck, chicken, owl, robin, swan, parrot, penguin, pigeon
fruit: apple, banana, orange, pear, lemon, cherry, grape, peach, plum, strawberry
vegetable: carrot, potato, onion, cabbage, pea, cucumber, turnip
tool: hammer, saw, shovel, screwdriver, axe, rake
vehicle: car, bus, truck, train, bicycle, airplane, boat, tractor
color: *red, *blue, *green, *yellow, *purple
instrument: guitar, piano, violin, trumpet, drum, flute
drink: *milk, *tea, *coffee, *water, *juice
building: house, church, hotel, school, hospital, barn, castle
insect: bee, ant, beetle, butterfly, mosquito
flower: rose, tulip, daisy, lily, violet
month: *January, *March, *April, *July, *October
day: *Monday, *Tuesday, *Friday, *Sunday"""


def table(text: str) -> list[tuple[str, list[str]]]:
    """The rows of COLORS, PARTS or KINDS: a name, and the things it belongs to."""
    rows = (line.split(": ") for line in text.splitlines())
    return [(name, things.split(", ")) for name, things in rows]


def _opposites() -> Iterator[Fact]:
    seen = set()
    for pair in OPPOSITES.replace("\n", "|").split("|"):
        for p, q in (pair.split(), pair.split()[::-1]):
            if p not in seen:  # a word with two opposites keeps the first
                seen.add(p)
                yield Fact(f"the opposite of {p} is {q}", f"is {q}", {"a": p})


def _colors() -> Iterator[Fact]:
    for color, things in table(COLORS):
        for thing in map(a, things):
            yield Fact(f"{thing} is {color}", f"is {color}", {"a": thing})


def _is_color() -> Iterator[Fact]:
    for color, things in table(COLORS):
        others = [other for other, _ in table(COLORS) if other != color]
        for thing in map(a, things):
            for n, other in enumerate(others[:7]):
                known = f"{thing} is {color}"
                yield _verdict(known, other, False, {"a": thing, "b": other})
                if n < 1:
                    yield _verdict(known, color, True, {"a": thing, "b": color})


def _parts() -> Iterator[Fact]:
    for counted, things in table(PARTS):
        n, part = counted.split()
        plural = part if part.endswith("s") else part + "s"
        for thing in map(a, things):
            yield Fact(f"{thing} has {counted}", n, {"a": thing, "b": plural})


def _kinds() -> Iterator[Fact]:
    for kind, things in table(KINDS):
        for thing in map(a, things):
            yield Fact(f"{thing} is {a(kind)}", kind, {"a": thing})


def _is_kind() -> Iterator[Fact]:
    kinds = table(KINDS)
    overlap = {("animal", "bird"), ("animal", "insect")}
    for kind, things in kinds:
        for thing in map(a, things):
            for other, _ in kinds:
                if (other, kind) not in overlap:
                    slots = {"a": thing, "b": a(other)}
                    yield _verdict(f"{thing} is {a(kind)}", other, other == kind, slots)


STORY_THINGS = "apples books eggs coins cards stamps cups flowers keys boxes pens shells"


def _story() -> Iterator[Fact]:
    for thing in STORY_THINGS.split():
        for x in range(2, 11):
            for y in range(1, 10):
                slots = {"a": number(x), "b": number(y), "thing": thing}
                got = f"{number(x + y)} {thing}"
                yield Fact(f"you have {got}", got, slots, "get")
                if y < x - 1:
                    left = f"{number(x - y)} {thing}"
                    yield Fact(f"you have {left} left", left, slots, "lose")


GREETINGS = {  # group: answer and key
    "hello": ("Hello, how can I help you?", "hello"),
    "morning": ("Good morning!", "good morning"),
    "afternoon": ("Good afternoon!", "good afternoon"),
    "evening": ("Good evening!", "good evening"),
    "night": ("Good night, sleep well.", "good night"),
    "bye": ("Goodbye, see you soon.", "see you soon"),
    "thanks": ("You are welcome.", "welcome"),
    "how": ("I am fine, thank you.", "fine"),
    "who": ("I am a small model that can hear and speak.", "small model"),
    "can": ("I can listen, answer questions and speak.", "answer questions"),
    "sorry": ("No problem.", "problem"),
    "hear": ("Yes, I can hear you.", "hear you"),
}


def _greetings() -> Iterator[Fact]:
    for _ in range(4):  # as often as the many names
        for group, (answer, key) in GREETINGS.items():
            yield Fact(answer, key, ask=group)
    for name in NAMES:
        yield Fact(f"nice to meet you, {name}", "nice to meet you", {"a": name}, "name")


# How each task is asked: a line with its name (and a group of its facts), then the phrasings of
# training, behind a star those of the test, behind a plus those of training's quiz alone.
ASKED = """
plus
  What is {a} plus {b}?
  How much is {a} plus {b}?
  Add {a} and {b}.
  What is {a} and {b}?
  What is the sum of {a} and {b}?
  {a} plus {b} is what?
  Tell me what {a} plus {b} is.
  Please add {a} and {b}.
  What do you get when you add {a} and {b}?
  How much do {a} and {b} make?
* Can you tell me what {a} plus {b} is?
* What does {a} plus {b} make?
* How much is {a} and {b}?
+ Could you tell me what {a} plus {b} is?
+ I want to know what {a} plus {b} is.
+ What do {a} and {b} make?
+ Work out {a} plus {b}.
+ Calculate {a} plus {b}.
+ Give me the sum of {a} and {b}.
+ {a} and {b} make what?
+ How much is it if I add {a} and {b}?
+ So how much is {a} plus {b}?
+ What would {a} plus {b} be?
minus
  What is {a} minus {b}?
  How much is {a} minus {b}?
  Take {b} away from {a}.
  {a} minus {b} is what?
  Tell me what {a} minus {b} is.
  What is left when you take {b} from {a}?
  Please take {b} from {a}.
  What do you get when you take {b} away from {a}?
* Can you tell me what {a} minus {b} is?
* What does {a} minus {b} make?
* What is {b} taken away from {a}?
+ Could you tell me what {a} minus {b} is?
+ I want to know what {a} minus {b} is.
+ Work out {a} minus {b}.
+ Calculate {a} minus {b}.
+ Subtract {b} from {a}.
+ What is {a} less {b}?
+ If you take {b} away from {a}, what is left?
+ What is left if {b} is taken from {a}?
+ What would {a} minus {b} be?
+ {b} taken from {a} is what?
compare: more
  Which is more, {a} or {b}?
  What is more, {a} or {b}?
  Which number is bigger, {a} or {b}?
  Tell me which is more, {a} or {b}.
* Which one is more, {a} or {b}?
* Of {a} and {b}, which is bigger?
+ Which one is larger, {a} or {b}?
+ Between {a} and {b}, which is bigger?
+ Which of {a} and {b} is more?
+ Out of {a} and {b}, which one is larger?
+ Could you tell me which is more, {a} or {b}?
+ What is the bigger number, {a} or {b}?
compare: less
  Which is less, {a} or {b}?
  What is less, {a} or {b}?
  Which number is smaller, {a} or {b}?
  Tell me which is less, {a} or {b}.
* Which one is less, {a} or {b}?
* Of {a} and {b}, which is smaller?
+ Which one is lower, {a} or {b}?
+ Between {a} and {b}, which is smaller?
+ Which of {a} and {b} is less?
+ Out of {a} and {b}, which one is lower?
+ Could you tell me which is less, {a} or {b}?
+ What is the smaller number, {a} or {b}?
compare: is
  Is {a} more than {b}?
  Is {a} bigger than {b}?
  Tell me, is {a} more than {b}?
  Would you say {a} is more than {b}?
* Do you think {a} is more than {b}?
* Is the number {a} bigger than {b}?
+ Is {a} greater than {b}?
+ Is it true that {a} is more than {b}?
+ Do you believe {a} is more than {b}?
+ Could you tell me if {a} is more than {b}?
+ Is the number {a} greater than {b}?
+ I wonder if {a} is bigger than {b}.
next: after
  What comes after {a}?
  What number comes after {a}?
  Which number follows {a}?
  What is the number after {a}?
  Tell me the number after {a}.
* Which number comes after {a}?
* Can you tell me what comes after {a}?
+ Could you tell me what comes after {a}?
+ Which number is right after {a}?
+ Name the number after {a}.
+ When I count, what comes after {a}?
next: before
  What comes before {a}?
  What number comes before {a}?
  What is the number before {a}?
  Tell me the number before {a}.
* Which number comes before {a}?
* Can you tell me what comes before {a}?
+ Could you tell me what comes before {a}?
+ Which number is right before {a}?
+ Name the number before {a}.
+ When I count, what comes before {a}?
count: up
  Count from {a} to {b}.
  Please count from {a} to {b}.
  Count up from {a} to {b}.
  Say the numbers from {a} to {b}.
* Can you count from {a} to {b}?
* Count for me from {a} to {b}.
+ Could you count from {a} to {b}?
+ Will you count up from {a} to {b}?
+ Name the numbers from {a} to {b}.
+ Count for us, from {a} up to {b}.
+ I want you to count from {a} to {b}.
count: down
  Count down from {a} to {b}.
  Please count down from {a} to {b}.
  Count backwards from {a} to {b}.
* Can you count down from {a} to {b}?
* Count down for me from {a} to {b}.
+ Could you count down from {a} to {b}?
+ Will you count down from {a} to {b}?
+ Name the numbers backwards from {a} to {b}.
+ Count down for us, from {a} to {b}.
+ I want you to count down from {a} to {b}.
calendar: after
  What {kind} comes after {a}?
  Which {kind} comes after {a}?
  What is the {kind} after {a}?
  Which {kind} follows {a}?
  Tell me the {kind} after {a}.
* Can you tell me the {kind} after {a}?
* Which is the {kind} after {a}?
+ Could you tell me the {kind} after {a}?
+ Name the {kind} after {a}.
+ Do you remember the {kind} after {a}?
calendar: before
  What {kind} comes before {a}?
  Which {kind} comes before {a}?
  What is the {kind} before {a}?
  Tell me the {kind} before {a}.
* Can you tell me the {kind} before {a}?
* Which is the {kind} before {a}?
+ Could you tell me the {kind} before {a}?
+ Name the {kind} before {a}.
+ Do you remember the {kind} before {a}?
calendar: days
  How many days does {a} have?
  How many days are in {a}?
  How many days are there in {a}?
  How long is {a}?
* Tell me how many days {a} has.
* Can you tell me how many days are in {a}?
+ Could you tell me how many days are in {a}?
+ Say how many days {a} has.
+ I want to know how many days there are in {a}.
calendar: nth
  What is the {a} month?
  Which month is the {a}?
  What is the {a} month of the year?
  Name the {a} month.
* Tell me the {a} month.
* Which is the {a} month of the year?
+ Could you tell me the {a} month?
+ Say the {a} month of the year.
+ Which month of the year is the {a}?
calendar: two
  What day is two days after {a}?
  Which day is two days after {a}?
  What comes two days after {a}?
* Tell me the day two days after {a}.
* What is two days after {a}?
+ Name the day two days after {a}.
+ Could you tell me what day is two days after {a}?
+ Two days after {a} is which day?
calendar: long
  How many {a} are in {b}?
  How many {a} are there in {b}?
  How many {a} does {b} have?
  Tell me how many {a} are in {b}.
* Can you tell me how many {a} are in {b}?
* How many {a} make {b}?
+ Could you tell me how many {a} are in {b}?
+ How many {a} make up {b}?
+ Say how many {a} there are in {b}.
opposite
  What is the opposite of {a}?
  Tell me the opposite of {a}.
  What word is the opposite of {a}?
  Which word is the opposite of {a}?
  Give me the opposite of {a}.
  {a} is the opposite of what?
  Say the opposite of {a}.
  What is the contrary of {a}?
* Can you tell me the opposite of {a}?
* Do you know the opposite of {a}?
* Name the opposite of {a}.
+ Could you tell me the opposite of {a}?
+ I want to know the opposite of {a}.
+ Do you remember the opposite of {a}?
+ What is opposite to {a}?
color
  What color is {a}?
  Tell me the color of {a}.
  What is the color of {a}?
  Which color is {a}?
  Which color does {a} have?
  Name the color of {a}.
* Can you tell me what color {a} is?
* What color does {a} have?
* Do you know the color of {a}?
+ Could you tell me what color {a} is?
+ What color would you say {a} has?
+ Do you remember the color of {a}?
+ I want to know what color {a} is.
+ Say what color {a} is.
is color
  Is {a} {b}?
  Tell me, is {a} {b}?
  Would you say {a} is {b}?
  Is it true that {a} is {b}?
* Do you think {a} is {b}?
* Is the color of {a} {b}?
+ Do you believe {a} is {b}?
+ Could you tell me if {a} is {b}?
+ I wonder if {a} is {b}.
+ Am I right that {a} is {b}?
+ Does {a} have the color {b}?
+ Is {b} the color of {a}?
parts
  How many {b} does {a} have?
  How many {b} has {a}?
  Tell me how many {b} {a} has.
  What number of {b} does {a} have?
  Say how many {b} {a} has.
* Can you tell me how many {b} {a} has?
* How many {b} are there on {a}?
+ Could you tell me how many {b} {a} has?
+ How many {b} do you find on {a}?
+ I want to know how many {b} {a} has.
+ How many {b} would you count on {a}?
kind
  What is {a}?
  What kind of thing is {a}?
  Tell me what {a} is.
  What sort of thing is {a}?
  What would you call {a}?
* Can you tell me what {a} is?
* Do you know what {a} is?
+ Could you tell me what {a} is?
+ Do you remember what {a} is?
+ I want to know what {a} is.
+ Say what {a} is.
is kind
  Is {a} {b}?
  Tell me, is {a} {b}?
  Would you say {a} is {b}?
  Is it true that {a} is {b}?
* Do you think {a} is {b}?
* Can you tell me if {a} is {b}?
+ Do you believe {a} is {b}?
+ Could you tell me if {a} is {b}?
+ I wonder if {a} is {b}.
+ Am I right that {a} is {b}?
+ Would you call {a} {b}?
story: get
  I have {a} {thing} and get {b} more. How many {thing} do I have?
  I have {a} {thing}. I find {b} more. How many {thing} do I have?
  If I have {a} {thing} and buy {b} more, how many {thing} do I have?
  I had {a} {thing} and you gave me {b}. How many {thing} do I have?
* I have {a} {thing} and take {b} more. How many {thing} do I have now?
* If I have {a} {thing} and find {b} more, how many {thing} do I have?
+ I have {a} {thing} and find {b} more. How many {thing} do I have now?
+ I took {a} {thing} and then {b} more. How many {thing} do I have?
+ If I have {a} {thing} and get {b} more, how many {thing} are there?
+ I had {a} {thing} and bought {b}. How many {thing} do I have now?
story: lose
  I have {a} {thing} and lose {b}. How many {thing} are left?
  I have {a} {thing}. I give away {b}. How many {thing} are left?
  If I have {a} {thing} and lose {b}, how many {thing} are left?
* I had {a} {thing} and lost {b}. How many {thing} are left now?
* If I have {a} {thing} and give away {b}, how many {thing} are left?
+ I had {a} {thing} and gave away {b}. How many {thing} are left?
+ If I have {a} {thing} and sell {b}, how many {thing} are left?
+ I had {a} {thing}, but I lost {b}. How many {thing} do I have now?
+ I have {a} {thing} and break {b}. How many {thing} are left now?
greeting: hello
  Hello.
  Hi.
  Hello there.
  Hi there.
  Hey.
  Hello, Omni.
* Oh, hello.
* Hi, Omni.
+ Well, hello.
+ Hey there, Omni.
greeting: morning
  Good morning.
  Good morning to you.
  Hello, good morning.
* A very good morning.
+ Oh, good morning.
+ A good morning to you.
greeting: afternoon
  Good afternoon.
  Good afternoon to you.
  Hello, good afternoon.
* A very good afternoon.
+ Oh, good afternoon.
+ A good afternoon to you.
greeting: evening
  Good evening.
  Good evening to you.
  Hello, good evening.
* A very good evening.
+ Oh, good evening.
+ A good evening to you.
greeting: night
  Good night.
  Good night, Omni.
  I am going to bed, good night.
* Have a good night.
+ Sleep well, good night.
+ A good night to you.
greeting: bye
  Goodbye.
  Bye.
  Bye bye.
  See you later.
  I have to go now.
* Goodbye, Omni.
* Bye for now.
+ Bye, Omni.
+ Goodbye for today.
greeting: thanks
  Thank you.
  Thanks.
  Thank you very much.
  Thanks a lot.
  Many thanks.
* Thank you so much.
* Oh, thanks.
+ Thanks so much.
+ Well, thank you.
greeting: how
  How are you?
  How are you today?
  How are you doing?
  Hello, how are you?
* And how are you?
* How are you this morning?
+ So how are you?
+ How are you this evening?
greeting: who
  Who are you?
  What are you?
  Tell me who you are.
  Please introduce yourself.
* So who are you?
* Can you tell me who you are?
+ Could you tell me who you are?
+ And who are you?
greeting: can
  What can you do?
  What do you know?
  How can you help me?
  What are you able to do?
* Tell me what you can do.
+ Could you tell me what you can do?
+ Say what you can do.
greeting: sorry
  I am sorry.
  Sorry.
  Sorry about that.
  Excuse me, sorry.
* I am very sorry.
+ Oh, I am sorry.
+ I am so sorry.
greeting: hear
  Can you hear me?
  Do you hear me?
  Are you listening?
  Is anybody there?
* Can you hear me now?
+ Can you hear what I say?
+ Do you hear me now?
greeting: name
  My name is {a}.
  I am {a}.
  Hello, I am {a}.
  Hi, my name is {a}.
* Good morning, my name is {a}.
* Hello, my name is {a}.
+ Hello there, I am {a}.
+ Good evening, my name is {a}.
"""


def tasks() -> list[Task]:
    """All tasks with their facts and phrasings."""
    asked: dict[str, dict[str, list[str]]] = {}
    for line in ASKED.strip().splitlines():
        if line[:2] in ("  ", "* ", "+ "):
            asked[name][group].append(line)
        else:
            name, _, group = line.partition(": ")
            asked.setdefault(name, {})[group] = []
    seen, unseen, written = (
        {
            name: {
                group: [line[2:] for line in lines if line[:2] == mark]
                for group, lines in groups.items()
            }
            for name, groups in asked.items()
        }
        for mark in ("  ", "* ", "+ ")
    )
    return [
        Task(name, count, list(facts), seen[name], unseen[name], written[name], combinations)
        for name, count, facts, combinations in (
            ("plus", 2400, _plus(), True),
            ("minus", 2200, _minus(), True),
            ("compare", 2200, _compare(), True),
            ("next", 600, _next(), False),
            ("count", 1200, _count(), True),
            ("calendar", 2000, _calendar(), False),
            ("opposite", 1100, _opposites(), False),
            ("color", 500, _colors(), False),
            ("is color", 1000, _is_color(), True),
            ("parts", 500, _parts(), False),
            ("kind", 700, _kinds(), False),
            ("is kind", 1600, _is_kind(), True),
            ("story", 1400, _story(), True),
            ("greeting", 700, _greetings(), False),
        )
    ]


def beyond(top: int = 50) -> dict[str, list[Fact]]:
    """Facts about numbers to `top` that are not among those of `tasks`, by the name of the task."""
    wider = {"plus": _plus, "minus": _minus, "compare": _compare, "next": _next, "count": _count}
    known = {task.name: set(map(_asked, task.facts)) for task in tasks() if task.name in wider}
    return {name: [fact for fact in facts(top) if _asked(fact) not in known[name]]
            for name, facts in wider.items()}  # fmt: skip


def _asked(fact: Fact) -> tuple[str, ...]:
    return fact.ask, *fact.slots.values()


def _share(*parts: str) -> int:
    """0-99, the same for the same texts for ever."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:4]) % 100


def fact_split(task: Task, fact: Fact) -> str:
    """Where a combination belongs: test 10 %, valid 3 %. Other facts are known in every split."""
    if not task.combinations:
        return "train"
    share = _share(task.name, fact.ask, *fact.slots.values())
    return "test" if share < 10 else "valid" if share < 13 else "train"


def one_sided(task: Task) -> set[str]:
    """Things of which training is never told yes, since that is held out."""
    if {fact.key for fact in task.facts} != {"yes", "no"}:
        return set()
    held = (f for f in task.facts if f.key == "yes" and fact_split(task, f) != "train")
    return {fact.slots["a"] for fact in held}


def pairs(task: Task, wanted: str) -> list[tuple[str, Fact]]:
    """Every question of a split with its fact."""
    found = []
    for fact in task.facts:
        for phrasing in (task.unseen if wanted == "test" else task.phrasings)[fact.ask]:
            question = tidy(phrasing.format(**fact.slots))
            if task.combinations:
                belongs = fact_split(task, fact) == wanted
            else:  # valid: pairings of a seen phrasing with a seen fact
                valid = "{" in phrasing and _share(question) < 3
                belongs = wanted == "test" or (wanted == "valid") == valid
            if belongs:
                found.append((question, fact))
    return found


def lessons(asked: Sequence[Turn], split: str) -> list[Turn]:
    """Turns with their answers as the Thinker learns to write them; in training without those about
    one-sided things."""
    told: dict[str, str] = {}
    left_out: set[str] = set()
    for task in tasks():
        away = one_sided(task) if split == "train" else ()
        for question, fact in pairs(task, split):
            told[question] = fact.thought
            if fact.slots.get("a") in away:
                left_out.add(question)
    return [replace(turn, answer=told.get(turn.question, turn.answer))
            for turn in asked if turn.question not in left_out]  # fmt: skip


def _balanced(task: Task, wanted: str, n: int, rng: np.random.Generator) -> list[tuple[str, Fact]]:
    """`n` pairs, as many of each group of questions and of yes and no; each up to 4 times."""
    every = pairs(task, wanted)
    in_turn = zip(*(cycle(group) for group in groups(task, every, rng)), strict=False)
    return list(islice(chain.from_iterable(in_turn), min(n, 4 * len(every))))


def groups(
    task: Task, every: Sequence[tuple[str, Fact]], rng: np.random.Generator
) -> list[list[tuple[str, Fact]]]:
    """Pairs in random order, apart by group of phrasings and by yes and no."""
    verdicts = {fact.key for fact in task.facts} >= {"yes", "no"}
    found: dict[str, list[tuple[str, Fact]]] = {}
    for i in rng.permutation(len(every)):
        question, fact = every[int(i)]
        kind = fact.key if verdicts and fact.key in ("yes", "no") else ""
        found.setdefault(f"{fact.ask} {kind}", []).append((question, fact))
    return list(found.values())


REPEAT = ["Repeat after me: {s}", "Say this: {s}", "Please repeat: {s}", "Say: {s}", "Repeat: {s}"]
REPEAT_UNSEEN = ["Say after me: {s}", "Please say this: {s}"]


def turns(seed: int, pool: Sequence[Sentence], test: int = 340) -> dict[str, list[Turn]]:
    """The turns of every split, without audio. `pool`: sentences to repeat."""
    rng = np.random.default_rng(seed)
    every = tasks()
    total = sum(task.train for task in every)
    found: dict[str, list[Turn]] = {}
    for name in SPLITS:
        chosen: list[tuple[str, str, Fact]] = []
        for task in every:
            share = {
                "train": task.train,
                "test": test / len(every),
                "valid": 0.6 * test / len(every),
            }
            drawn = _balanced(task, name, round(share[name]), rng)
            chosen += [(task.name, question, fact) for question, fact in drawn]
        sayable = [s.text for s in pool if s.split == name and len(s.text.split()) <= 8]
        phrasings = REPEAT_UNSEEN if name == "test" else REPEAT
        count = {"train": total // 14, "valid": 12, "test": 24}[name]
        for i, text in enumerate(rng.permutation(np.asarray(sayable, object))[:count]):
            question = phrasings[i % len(phrasings)].format(s=text)
            chosen.append(("repeat", question, Fact(text, " ".join(words(text)))))
        found[name] = [
            Turn(f"{name}-{number:05d}", task, question, tidy(fact.answer), fact.key.lower())
            for number, (task, question, fact) in enumerate(
                chosen[int(i)] for i in rng.permutation(len(chosen))
            )
        ]
    return found
