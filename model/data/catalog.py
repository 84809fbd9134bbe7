"""What there is in the small world: objects, colours, styles, sounds, words; and what is held out.

    objects, colours, styles   names here; pictures in datasets/scenes/*.webp
    sounds                     names here; recordings in datasets/scenes/sounds.tsv
    words to read              datasets/scenes/words.txt

Every name is what the model is to say. Held out for the test, so that knowing by heart does not
help: pairs of object and colour, printed words and phrasings (by hash: `share`), one style of
pictures, recordings (by the table, because a sound may have two or three only), voices (by the
splits of `model.data.store`).

Left out: people, flags, hands.
"""

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model.data.store import SPLITS

ROOT = Path(__file__).parents[2] / "datasets" / "scenes"

# name and code point, the same in every emoji set
_CODES = """
dog 1f415, cat 1f408, horse 1f40e, cow 1f404, pig 1f416, sheep 1f411, goat 1f410, rabbit 1f407,
mouse 1f401, elephant 1f418, lion 1f981, tiger 1f405, monkey 1f412, bear 1f43b, frog 1f438,
turtle 1f422, snake 1f40d, fish 1f41f, whale 1f433, dolphin 1f42c, octopus 1f419, crab 1f980,
snail 1f40c, butterfly 1f98b, bee 1f41d, ladybug 1f41e, spider 1f577, bird 1f426, duck 1f986,
owl 1f989, rooster 1f413, penguin 1f427, eagle 1f985, turkey 1f983, camel 1f42b, wolf 1f43a,
fox 1f98a, kangaroo 1f998, goose 1fabf, donkey 1facf, cricket 1f997, seal 1f9ad,
crow 1f426-200d-2b1b, apple 1f34e, banana 1f34c, lemon 1f34b, bunch of grapes 1f347,
strawberry 1f353, pineapple 1f34d, pear 1f350, carrot 1f955, ear of corn 1f33d, tomato 1f345,
loaf of bread 1f35e, piece of cheese 1f9c0, egg 1f95a, cake 1f382, cookie 1f36a, pizza 1f355,
hamburger 1f354, ice cream 1f366, cup 2615, mushroom 1f344, tree 1f333, flower 1f33c, tulip 1f337,
cactus 1f335, leaf 1f341, sun 2600, moon 1f319, star 2b50, cloud 2601, snowman 26c4, fire 1f525,
car 1f697, bus 1f68c, truck 1f69a, train 1f682, bicycle 1f6b2, motorcycle 1f3cd, airplane 2708,
helicopter 1f681, ship 1f6a2, sailboat 26f5, rocket 1f680, tractor 1f69c, ambulance 1f691,
house 1f3e0, door 1f6aa, bed 1f6cf, chair 1fa91, light bulb 1f4a1, clock 23f0, phone 260e,
computer 1f4bb, camera 1f4f7, book 1f4d6, pencil 270f, key 1f511, hammer 1f528, umbrella 2602,
bell 1f514, drum 1f941, guitar 1f3b8, piano 1f3b9, trumpet 1f3ba, violin 1f3bb, saxophone 1f3b7,
banjo 1fa95, accordion 1fa97, flute 1fa88, ball 26bd, balloon 1f388, kite 1fa81, gift 1f381,
hat 1f3a9, shoe 1f45f, shirt 1f455, crown 1f451, ring 1f48d, heart 2764, candle 1f56f,
backpack 1f392, basket 1f9fa, broom 1f9f9, robot 1f916, ghost 1f47b, microphone 1f3a4,
radio 1f4fb, television 1f4fa, circle 1f534, square 1f7e5, triangle 1f53a, diamond 1f537"""
OBJECTS: dict[str, str] = dict(code.strip().rsplit(" ", 1) for code in _CODES.split(","))
PLURALS = {"sheep": "sheep", "fish": "fish", "mouse": "mice", "goose": "geese", "wolf": "wolves"}
PLURALS |= {"leaf": "leaves", "loaf": "loaves", "tomato": "tomatoes", "snowman": "snowmen"}
SHAPES = ("circle", "square", "triangle", "diamond")  # what they are is their form: never natural

# colours an object may be dyed in; "" is how it comes
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (216, 30, 38),
    "orange": (245, 130, 10),
    "yellow": (250, 212, 20),
    "green": (40, 150, 50),
    "blue": (30, 85, 215),
    "purple": (125, 45, 165),
    "pink": (250, 130, 185),
    "brown": (125, 75, 35),
    "black": (28, 28, 30),
    "white": (248, 248, 248),
    "gray": (135, 137, 140),
}

SEEN_STYLES = ("noto", "twemoji", "openmoji")
MORE_STYLES = ("noto-v1", "emojione", "emojione-v1", "fxemoji", "streamline")  # training only; each
# lacks some objects
UNSEEN_STYLES = ("fluent", "stamp", "photo")  # test only; stamps need a package of Debian

# the two ends of a background, top to bottom; all are paler or greyer than a dyed object
GROUNDS: dict[str, tuple[int, int, int]] = {
    "snow": (238, 240, 243),
    "sand": (236, 224, 200),
    "mint": (208, 232, 214),
    "sky": (196, 220, 238),
    "lilac": (222, 212, 236),
    "rose": (243, 216, 218),
    "cream": (246, 238, 208),
    "steel": (150, 164, 178),
    "moss": (158, 172, 140),
    "clay": (186, 158, 140),
    "dusk": (112, 118, 142),
    "slate": (84, 92, 100),
}
PATTERNS = ("plain", "fade", "stripes", "dots", "checks", "grain")


@dataclass(frozen=True)
class Kind:
    """A kind of sound."""

    name: str  # what made it: "dog"
    heard: str  # "a dog barking"
    does: str  # "the dog barks"


# name: what is heard: what it does. The name is an object that can be seen, if there is such.
SOUNDS: dict[str, Kind] = {
    name: Kind(name, heard, does)
    for name, heard, does in (
        [part.strip() for part in line.split(":")]
        for line in """
    dog: a dog barking: the dog barks
    cat: a cat meowing: the cat meows
    bird: a bird singing: the bird sings
    cricket: crickets chirping: the crickets chirp
    duck: a duck quacking: the duck quacks
    goose: a goose honking: the goose honks
    horse: a horse neighing: the horse neighs
    owl: an owl hooting: the owl hoots
    seal: a seal barking: the seal barks
    wolf: a wolf howling: the wolf howls
    rooster: a rooster crowing: the rooster crows
    crow: a crow cawing: the crow caws
    cow: a cow mooing: the cow moos
    sheep: a sheep bleating: the sheep bleats
    goat: a goat bleating: the goat bleats
    pig: a pig grunting: the pig grunts
    lion: a lion roaring: the lion roars
    elephant: an elephant trumpeting: the elephant trumpets
    frog: a frog croaking: the frog croaks
    donkey: a donkey braying: the donkey brays
    bee: a bee buzzing: the bee buzzes
    turkey: a turkey gobbling: the turkey gobbles
    monkey: a monkey calling: the monkey calls
    baby: a baby crying: the baby cries
    cough: a person coughing: the person coughs
    sneeze: a person sneezing: the person sneezes
    laugh: a person laughing: the person laughs
    scream: a person screaming: the person screams
    snap: fingers snapping: the fingers snap
    clap: hands clapping: the hands clap
    footsteps: footsteps: the person walks
    door: a door closing: the door closes
    water: water dripping: the water drips
    car: a car passing: the car passes
    motorcycle: a motorcycle passing: the motorcycle passes
    bell: a bell ringing: the bell rings
    phone: a phone ringing: the phone rings
    whistle: a whistle blowing: the whistle blows
    drum: a drum: the drum sounds
    cymbal: a cymbal: the cymbal sounds
    cowbell: a cowbell: the cowbell sounds
    shaker: a shaker: the shaker sounds
    piano: a piano playing: the piano plays
    guitar: a guitar playing: the guitar plays
    violin: a violin playing: the violin plays
    trumpet: a trumpet playing: the trumpet plays
    flute: a flute playing: the flute plays
    saxophone: a saxophone playing: the saxophone plays
    accordion: an accordion playing: the accordion plays
    banjo: a banjo playing: the banjo plays
    xylophone: a xylophone playing: the xylophone plays
    organ: an organ playing: the organ plays
    harp: a harp playing: the harp plays
    choir: a choir singing: the choir sings
    """.strip().splitlines()
    )
}
HUMS = ("", "hiss", "hum")  # what sounds all along in the background

# by name: what cannot be told from a pale or dark background as it comes
PALE = ("sheep", "goose", "seal", "egg", "cup", "cloud", "snowman", "ghost", "rabbit", "mouse")
PALE += ("ball", "cake", "piano", "book", "ambulance", "house", "computer", "candle", "ring")
DARK = ("crow", "spider", "hat", "camera", "television", "eagle", "penguin", "microphone", "donkey")
DARK += ("motorcycle", "elephant", "wolf", "hammer", "robot")

SEEN_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif")
SEEN_FONTS += ("DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSansMono", "DejaVuSansMono-Bold")
SEEN_FONTS += ("cmr10", "cmb10", "cmss10", "cmtt10")
UNSEEN_FONTS = ("Aileron", "STIXGeneral")


@dataclass(frozen=True)
class Recording:
    """One line of sounds.tsv: a file beside it, or one that a package lends (`widelands:...`)."""

    id: str
    sound: str
    split: str
    seconds: float  # after trimming, at its own speed
    source: str
    licence: str
    attribution: str

    @property
    def shipped(self) -> bool:
        return ":" not in self.id


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recording there is, of all splits, installed or not."""
    with _shipped("sounds.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(Recording(**{**row, "seconds": float(row["seconds"])}) for row in rows)


@cache
def words(split: str) -> tuple[str, ...]:
    """Short words to be read in pictures."""
    every = _shipped("words.txt").read_text(encoding="utf-8").split()
    return tuple(word for word in every if split_of("word", word) == _known(split))


def share(*parts: str) -> int:
    """0-99, the same for the same names for ever."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:4]) % 100


def split_of(*parts: str) -> str:
    """The split of a thing by its names: test 12 %, valid 3 %, the rest train."""
    part = share(*parts)
    return "test" if part < 12 else "valid" if part < 15 else "train"


@cache
def dyed(split: str) -> tuple[tuple[str, str], ...]:
    """The pairs of object and colour of a split."""
    _known(split)
    pairs = ((name, color) for name in OBJECTS for color in COLORS)
    return tuple(pair for pair in pairs if split_of("dye", *pair) == split)


def plural(name: str) -> str:
    if " of " in name:  # a loaf of bread
        head, _, rest = name.partition(" ")
        return f"{plural(head)} {rest}"
    if name in PLURALS:
        return PLURALS[name]
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def _shipped(name: str) -> Path:
    path = ROOT / name
    if not path.exists():
        raise ValueError(f"{path} is missing; it is part of the repository")
    return path


def _known(split: str) -> str:
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; expected one of {', '.join(SPLITS)}")
    return split
