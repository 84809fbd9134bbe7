"""Questions about speech: who speaks, what is said and when, in which language, what it means."""

from collections import Counter
from collections.abc import Iterator
from random import Random

from model.data.captions import listed
from model.data.check import Names, Near, Says, Timed
from model.data.questions.fact import Asked, Fact, phrasings_of
from model.data.scenes import Line, Scene
from model.data.shelf import LANGUAGES
from model.data.tasks import a
from model.data.texts import number


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


def single_lines(scene: Scene) -> list[Line]:
    """Lines of speakers who say one."""
    lines = _english(scene)
    count = Counter(x.speaker for x in lines)
    return [x for x in lines if count[x.speaker] == 1]


def _said(scene: Scene) -> Iterator[Fact]:
    for x in single_lines(scene):
        yield Fact({"who": f"the {x.speaker}"}, x.text, Says(x.text))


def _when_said(scene: Scene) -> Iterator[Fact]:
    for x in single_lines(scene):
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


ASKED: dict[str, Asked] = {
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
}

PHRASINGS = phrasings_of(
    """
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
"""
)
