"""What is said: open English sentences, number talk and strings of random words, split for good.

    WordNet's examples + dialogues + filled templates --curate--> known words only --> random words
    WordNet's definitions --curate--> known words only

`sentences(seed)` gives the whole pool, the same for the same seed; `glosses(pool)` many more texts,
which read like a dictionary. A sentence belongs to a split by the hash of its normalised words, so
that no later version can move it: test 2 %, valid 1 %, the rest train. Templates that speak of
numbers are held out whole: test and valid fill other ones.

Curated: 2-14 words, 8-90 characters, plain letters; every word is used in three sentences or more
of the raw pool that are not in test, and the words of test and valid all occur in train; a block
list. Numbers are words, so that the spoken form is the written one; only clock times and years may
be digits.

Left out: other languages; names of people beyond the few that occur often.
"""

import hashlib
import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORDNET = Path("/usr/share/wordnet")


def _list(text: str, mark: str | None = None) -> list[str]:
    return text.split(mark)


DIALOGUES = _list(
    "ai botprofile computers conversations emotion food gossip greetings health history humor "
    "literature money movies psychology science sports tech_support trivia"
)

# beginnings of words that a shipped voice need not say
BLOCKED = re.compile(
    r"\b(abort|anal|anus|arse|ass\b|asses|bastard|bitch|blood|bomb|boob|breast|brothel|bugger|butcher|"
    r"castrat|cock|copulat|coon\b|corpse|crap|cripple|cunt|damn|dick|dope|drug|drunk|dyke|erotic|"
    r"execut|fag|feces|fetus|fuck|gay|genital|genocid|gypsy|hell\b|heroin|hitler|homosex|hooker|hore|"
    r"idiot|incest|intercourse|jap\b|jew|junkie|kike|kill|lesbian|lynch|massacr|masturbat|midget|molest|"
    r"moron|murder|mutilat|naked|nazi|negr|nigg|nipple|nude|orgasm|orgy|penis|piss|poop|porn|"
    r"prostitut|pussy|queer|racis|rape|rapist|raping|retard|savage|screw|semen|sex|shit|slave|slaver|"
    r"slut|sperm|suicid|terroris|testic|tits?\b|torture|turd|urin|vagina|virgin|vomit|whor|wog\b)"
)

ONES = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
DAYS = _list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _list(
    "January February March April May June July August September October November December"
)
ORDINALS = _list(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
ORDINALS += [f"twenty {word}" for word in ORDINALS[:8]]
NAMES = _list(
    "Anna Ben Carla David Emma Frank Grace Henry Irene Jack Kate Leo Mary Nina Oscar Paul Rose Sam "
    "Tom Laura Peter Julia Martin Alice George Helen Daniel Lucy Simon Clara"
)


@dataclass(frozen=True)
class Sentence:
    text: str
    source: str  # wordnet, chatterbot, template, words or gloss
    split: str


def number(n: int) -> str:
    """0 ... 9,999 in words, as they are said: "one hundred and five", "two thousand and forty"."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" and {number(n % 100)}" if n % 100 else "")
    rest = n % 1000
    return f"{number(n // 1000)} thousand" + (
        f"{' and' if rest < 100 else ''} {number(rest)}" if rest else ""
    )


def words(text: str) -> list[str]:
    """The words of a text, lower case, digits in words: what two spellings of a text share."""
    text = text.lower().replace("\u2019", "'").replace("-", " ")
    text = re.sub(r"(\d):(\d)", r"\1 \2", text)
    text = re.sub(r"\d+", lambda m: _digits(m.group()), text)
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text)


def _digits(run: str) -> str:
    if len(run) <= 4 and not (len(run) > 1 and run[0] == "0"):
        return f" {number(int(run))} "
    return f" {' '.join(ONES[int(digit)] for digit in run)} "


def normal(text: str) -> str:
    """What two spellings of a text share."""
    return " ".join(words(text))


def split(text: str) -> str:
    """The split of a text, by the hash of its words."""
    share = int.from_bytes(hashlib.sha256(normal(text).encode()).digest()[:4]) % 100
    return "test" if share < 2 else "valid" if share < 3 else "train"


def tidy(text: str) -> str:
    """A capital in front, a full stop at the end, I in capitals."""
    text = re.sub(r"\bi\b(?!\.)", "I", " ".join(text.split()))
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text.rstrip(",-' ") + "."


def parted(text: str) -> list[str]:
    """Its sentences."""
    return re.split(r"(?<=[.?!])\s+", text)


def plain(text: str) -> bool:
    """Short, of plain letters, without abbreviations, and nothing one would rather not hear."""
    return bool(
        re.fullmatch(r"[A-Za-z ,.'?!-]{8,90}", text)
        and 2 <= len(text.split()) <= 14
        and not re.search(
            r"[A-Z]{2}|[a-z][A-Z]|\b[B-HJ-Zb-hj-z]\b", text
        )  # NASA, McX, single letters
        and not re.search(r"\.[^.]*\.|\.\w| -|- |[,'-]{2}|(?:^|\s)'|'(?:\s|$)", text)
        and not BLOCKED.search(text.lower())
    )


def wordnet(folder: Path | None = None) -> list[str]:
    """The quoted examples in WordNet's glosses."""
    return [text for gloss in _glosses(folder) for text in re.findall(r'"([^"]+)"', gloss)]


def definitions(folder: Path | None = None) -> list[str]:
    """What WordNet says that its words mean, without the examples and what is in brackets."""
    found = []
    for gloss in _glosses(folder):
        told = re.sub(r"\([^)]*\)", " ", gloss.partition('"')[0])
        found += [part.strip(" ,:-") for part in told.split(";")]
    return found


def _glosses(folder: Path | None) -> Iterator[str]:
    folder = folder or WORDNET
    if not (folder / "data.noun").exists():
        raise ValueError(f"no WordNet in {folder}; install the Debian package wordnet-base")
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text("latin-1").splitlines():
            gloss = line.partition(" | ")[2]
            if gloss.count('"') % 2 == 0:
                yield gloss


def chatterbot() -> list[str]:
    """The lines of chatterbot-corpus' English dialogues, cut into sentences; without programs."""
    import yaml

    spec = importlib.util.find_spec("chatterbot_corpus")
    if spec is None:
        raise ValueError("no dialogues; install the Python package chatterbot-corpus")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "english"
    found = []
    for topic in DIALOGUES:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for dialogue in yaml.load((folder / f"{topic}.yml").read_text(), loader)["conversations"]:
            for line in dialogue:
                found += parted(str(line))
    return found


# Templates of number talk. A slot is filled by the function of its name in SLOTS.
FRAMES = _list(
    """There are {n} {things} on the table.|I have {n} {things} at home.
We need {n} more {things}.|{name} bought {n} {things} and {n} {things}.
He counted {n} {things}.|Please bring {n} {things}.|She found {n} {things} in the {place}.
The number is {n}.|The answer is {n}.|Turn to page {n}.|It is {n} miles to the {place}.
The {place} is {n} years old.|My brother is {n} years old.|About {many} people live here.
They sold {many} {things} last year.|It weighs {n} pounds.|The train leaves at {time}.
The train to the {place} leaves at {time}.|It is {time} now.|Wake me up at {time}, please.
The shop opens at {time} and closes at {time}.|Lunch is at {time}.
The meeting starts at {time} on {day}.|We will meet {name} at {time}.
The film begins at {time}.|The bus came at {clock}.|School starts at {clock}.
It is {clock} in the {daypart}.|Call me at {clock}.|Today is {day}.|Tomorrow is {day}.
See you on {day}.|The party is on {day}, the {nth} of {month}.
My birthday is on the {nth} of {month}.|The letter came on {month} {nth}.
{name} arrives on {day}.|It rained every day in {month}.|We moved here in {month} {year}.
It happened in {year}.|She was born in {year}.|The house was built in {year}.
The war ended in {year}.|In {year} he left.|The {things} cost {price}.|It costs {price}.
He paid {price} for the {things}.|That will be {price}.|The ticket is {price}.
I owe {name} {price}.|Milk is {price} today.|She saved {price} in {month}.
The code is {digits}.|My number is {digits}.|Call {digits}.|The room number is {digits3}.
Please dial {digits}.|The key is number {digits3}.|Flight {digits3} leaves at {time}.
{digits}.|{n}, {n}, {n}.|{n} and {n}.|{n} {things} and {n} {things}.
{day}, {day} and {day}.|Chapter {n} begins on page {n}.
Bus number {n} goes to the {place}.|The score was {n} to {n}.
It is {n} degrees in the {place}.|Wait {n} minutes.|The lesson takes {n} minutes.
Room {n}, please.|{name} is {n} and {name} is {n}.|The {nth} of {month} is a {day}.
He lives at number {n}.""".replace("\n", "|"),
    "|",
)
HELD_OUT_FRAMES = _list(
    """You will find {n} {things} behind the {place}.|The boat sails on {day} at {time}.
Their house has {n} windows.|I was {n} when we left in {year}.
The doctor can see you at {clock}.|{name} paid {price} in {month}.|Write down {digits}.
Only {n} of the {things} were new.|The concert is on the {nth} of {month}.
By {time} the {place} was empty.""".replace("\n", "|"),
    "|",
)
THINGS = _list(
    "apples books cups keys chairs eggs horses letters stones shoes birds pictures boxes flowers "
    "bottles cars dogs cats tables tickets boats hats stamps trees windows houses pens coins"
)
PLACES = _list(
    "house garden school station market church river kitchen library hotel village museum bridge "
    "office park harbor castle hospital theater airport farm"
)


def _time(rng: np.random.Generator) -> str:
    hour, minute = int(rng.integers(1, 13)), int(rng.integers(0, 12)) * 5
    if minute == 0:
        return f"{ONES[hour]} o'clock"
    if minute == 30 and rng.random() < 0.5:
        return f"half past {ONES[hour]}"
    if minute in (15, 45) and rng.random() < 0.7:
        return f"quarter past {ONES[hour]}" if minute == 15 else f"quarter to {ONES[hour % 12 + 1]}"
    return f"{ONES[hour]} {'oh five' if minute == 5 else number(minute)}"


def _price(rng: np.random.Generator) -> str:
    dollars, cents = int(rng.integers(1, 100)), int(rng.integers(1, 100))
    if rng.random() < 0.2:
        return f"{number(cents)} cent{'s' if cents > 1 else ''}"
    text = f"{number(dollars)} dollar{'s' if dollars > 1 else ''}"
    return text if rng.random() < 0.5 else f"{text} and {number(max(2, cents))} cents"


def _in_digits(low: int, high: int) -> Callable[[np.random.Generator], str]:
    return lambda rng: " ".join(
        ONES[int(digit)] for digit in rng.integers(0, 10, rng.integers(low, high + 1))
    )


def _one(values: list[str]) -> Callable[[np.random.Generator], str]:
    return lambda rng: values[int(rng.integers(len(values)))]


SLOTS: dict[str, Callable[[np.random.Generator], str]] = {
    "n": lambda rng: number(int(rng.integers(2, 21 if rng.random() < 0.4 else 100))),
    "many": lambda rng: number(int(rng.integers(1, 100)) * int(rng.choice([10, 100]))),
    "time": _time,
    "clock": lambda rng: f"{rng.integers(1, 13)}:{rng.integers(10, 60)}",
    "year": lambda rng: str(rng.integers(1750, 2000)),
    "price": _price,
    "digits": _in_digits(4, 8),
    "digits3": _in_digits(3, 3),
    "day": _one(DAYS),
    "month": _one(MONTHS),
    "nth": _one(ORDINALS),
    "daypart": _one(["morning", "afternoon", "evening"]),
    "name": _one(NAMES),
    "things": _one(THINGS),
    "place": _one(PLACES),
}


def filled(frame: str, rng: np.random.Generator) -> str:
    return tidy(re.sub(r"\{(\w+)\}", lambda slot: SLOTS[slot[1]](rng), frame))


def random_words(vocabulary: list[str], weights: np.ndarray, rng: np.random.Generator) -> str:
    """Words without a thread: what grammar cannot guess has to be heard."""
    chosen = rng.choice(len(vocabulary), size=int(rng.integers(2, 10)), p=weights)
    return tidy(" ".join(vocabulary[i] for i in chosen))


def _distinct(texts: Iterable[str]) -> dict[str, str]:
    """The first spelling of every sequence of words, by these words."""
    found = {normal(text): text for text in reversed(list(texts))}
    return dict(reversed(found.items()))


def sentences(seed: int = 0, templates: int = 5000, strings: int = 12000) -> list[Sentence]:
    """The pool: all open sentences, `templates` filled templates, `strings` of random words."""
    rng = np.random.default_rng(seed)
    dialogues = [tidy(text) for text in chatterbot()]
    raw = _distinct(text for text in [*map(tidy, wordnet()), *dialogues] if plain(text))
    uses = Counter(
        word for key, text in raw.items() if split(text) != "test" for word in set(key.split())
    )
    known = {key: text for key, text in raw.items() if all(uses[word] >= 3 for word in key.split())}
    talked = {normal(text) for text in dialogues}
    found = [
        Sentence(text, "chatterbot" if key in talked else "wordnet", split(text))
        for key, text in known.items()
    ]

    for frames, count in ((FRAMES, templates), (HELD_OUT_FRAMES, templates // 25)):
        texts = _distinct(filled(frames[i % len(frames)], rng) for i in range(count))
        for i, text in enumerate(texts.values()):
            name = "train" if frames is FRAMES else ("test", "test", "valid")[i % 3]
            found.append(Sentence(text, "template", name))

    uses = Counter(word for s in found if s.split == "train" for word in words(s.text))
    vocabulary = sorted(word for word in uses if "'" not in word and len(word) > 1)
    weights = np.asarray([uses[word] for word in vocabulary]) ** 0.35  # rarer words more often
    weights = weights / weights.sum()
    strung = _distinct(random_words(vocabulary, weights, rng) for _ in range(strings))
    found += [Sentence(text, "words", split(text)) for text in strung.values() if plain(text)]

    trained = {normal(s.text) for s in found if s.split == "train"}
    return [s for s in found if s.split == "train" or _fair(s.text, trained, uses)]


def glosses(pool: list[Sentence]) -> list[Sentence]:
    """Definitions that are not in the pool, all of whose words its training sentences know."""
    there = {normal(s.text) for s in pool}
    vocabulary = {word for s in pool if s.split == "train" for word in words(s.text)}
    raw = _distinct(text for text in map(tidy, definitions()) if plain(text))
    return [
        Sentence(text, "gloss", split(text))
        for key, text in raw.items()
        if key not in there and vocabulary.issuperset(key.split())
    ]


def _fair(text: str, trained: set[str], uses: Counter) -> bool:
    """Whether a held-out text is new, and made of words that training knows."""
    return normal(text) not in trained and all(uses[word] for word in words(text))
