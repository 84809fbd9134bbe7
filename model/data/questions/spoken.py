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
who: Who speaks? | Who do you hear? | Whose voice is that, or whose voices? | Which people speak: \
man, woman, child? | Which people do you hear? | Tell me who speaks. | Who is it that speaks? | \
Who can be heard speaking? | Is it a man, a woman or a child? | Which person speaks? | Say whose \
voice you hear. | Who is talking? || Who talks here? | Who is speaking?
speakers: How many people speak? | How many voices do you hear? | How many speakers are there? | \
What is the number of voices? | How many people do you hear? | How many people are talking? | How \
many persons speak? | Tell me how many people speak. | What is the number of speakers? | How many \
voices are there? | How many different voices can you hear? | Say how many people speak. || Count \
the speakers. | How many different people talk?
said: What did {who} say? | Write down what {who} says. | Which words does {who} say? | Tell me \
the words of {who}. | What are the words of {who}? | Tell me what {who} says. | What did you hear \
{who} say? | Which words did {who} say? | Write what {who} said. | What is said by {who}? | \
Transcribe what {who} says. | What can you hear {who} say? || Repeat what {who} says. | What does \
{who} say?
when said: When does {who} speak? | At what time does {who} start to speak? | When did {who} \
begin to speak? | When can one hear {who} speaking? | When does {who} begin? | When does {who} \
start to talk? | At which time does {who} speak? | Tell me when {who} speaks. | From when on does \
{who} speak? | When do you hear {who}? | At what second does {who} begin to speak? | When is \
{who} to be heard? | At which second does {who} speak? | At which second does {who} begin? | At \
what second does {who} start to speak? | When does {who} start? | At which time does {who} start? \
| From which second on does {who} speak? | At which second do you hear {who}? || At which second \
does {who} start?
first speaker: Who speaks first? | Who is the first to speak? | Whose voice comes first? | Who \
starts to speak? | Who is heard first? | Whose voice do you hear first? | Which of them speaks \
first? | Who was the first to speak? | Tell me who speaks first. | Who talks before the others? | \
Who is the first speaker? || Which person talks first?
transcript: What is said? | Transcribe this. | What do they say? | Please write down the speech. \
| What was said? | Write what you hear. | Transcribe the speech. | Which words do you hear? | \
What are they saying? | Tell me what is said. | Give the words that are spoken. | Type what is \
said. | Write out the speech. | Put down all that is said. || Which words are spoken? | Write \
down what is said.
timed: Write down what is said, with times. | Transcribe this with times. | Give the lines with \
start and end. | Transcript with timestamps, please. | Write each line with its times. | What is \
said, and when? | Give every line with start and end. | Transcribe with start and end times. | \
Write the speech down with its times. | A transcript with times, please. | Lines and times of the \
speech, please. | Note down what is said and when. || What is said when? | Who says what does not \
matter: write each line with its times.
language: In which language is this? | Which language do you hear? | Name the language. | Tell me \
what language that is. | Which language is spoken here? | What language do you hear? | Tell me \
the language. | In what language do they speak? | Can you name the language? | Say which language \
it is. | What is the language of this? | In which language does this person speak? || What \
language is spoken? | Which language is this?
foreign: Write down what is said in {language}. | Transcribe the {language} words. | Write the \
{language} sentence. | Which {language} words do you hear? | What are the {language} words? | \
Write down the {language} sentence. | Transcribe what is said in {language}. | Which words are \
said in {language}? | Write the {language} words that you hear. | Put down the {language} words. \
| Give the words in {language}. || What is said, in {language}?
translate: Translate this into English. | Say in English what was said. | Translate the \
{language} words. | Give the English for this. | How do you say that in English? | English, \
please. | Tell me in English what was said. | Give it in English. | What did they say, in \
English? | Put this into English. | Translate what you hear. | What would that be in English? || \
What is that in English? | What does it mean in English?
"""
)
