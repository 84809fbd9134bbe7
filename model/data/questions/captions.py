"""Questions for a description: short, in detail or as JSON; of all, of what is seen, or heard."""

from collections.abc import Callable, Iterator

from model.data.captions import caption, events
from model.data.check import All, Check, Events, Names, Word, named
from model.data.questions.fact import Asked, Fact, phrasings_of
from model.data.questions.heard import in_order
from model.data.scenes import Scene


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
            if not any(getattr(part, "names", True) for part in check.checks):
                return  # somebody speaks of whom nothing is known: any answer would do
        yield Fact({}, caption(scene, style, senses), check)

    return facts


def _mentions(scene: Scene, senses: str) -> All:
    """A caption in prose names what there is, no more."""
    things = () if senses == "heard" else tuple(dict.fromkeys(t.name for t in scene.things))
    heard = () if senses == "seen" else tuple(in_order(scene))
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


ASKED: dict[str, Asked] = {
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

PHRASINGS = phrasings_of(
    """
caption short: Describe this in short. | Give a short caption. | Sum this up in a few words. | \
Short caption, please. | A short description, please. | What is this, in short? | Briefly, what \
happens here? | Give a brief caption. | Say in a few words what there is. | Tell me shortly what \
this is. | Caption this in one sentence. || Describe this briefly. | Say briefly what there is.
caption detailed: Give a detailed caption. | Tell me everything that is there, with places and \
times. | Detailed caption, please. | Describe all of it precisely. | Give all details. | A \
detailed description, please. | Describe everything, with places and times. | Tell me in detail \
what happens. | What happens here, in detail? | Give a long caption. | Describe everything that \
you see and hear. || Describe this in detail.
caption structured: Describe this as JSON. | Give a structured caption. | Structured caption as \
JSON, please. | List the segments as JSON. | Give the events as JSON. | JSON, please. | Caption \
this as JSON. | A JSON caption, please. | Describe all events as JSON. | Return segments as JSON. \
| All segments in JSON, please. || Write all events as JSON.
caption short seen: Describe in short what is seen, not what is heard. | Briefly: what is to be \
seen? | Short caption of what you see only, please. | In short: what do you see? | What is seen, \
in a few words? | Describe the pictures briefly, not the sound. | A brief caption of what is \
seen. | Short: only what you see. | Tell me briefly what is to be seen, without the sound. || \
Give a short caption of the pictures only.
caption detailed seen: Give a detailed caption of the pictures only. | Only what you see, in \
detail. | Detailed caption of what is seen only, please. | Describe all that you see, not the \
sound. | Everything to be seen, in detail. | Give all details of the pictures, not of the sound. \
| A detailed description of what you see only. | Tell me in detail what is to be seen, without \
the sound. | Describe the pictures in detail. || Describe in detail what is seen, not what is \
heard.
caption structured seen: Give a structured caption of the pictures only. | Only what you see, as \
JSON. | JSON segments of what is seen only. | Only the pictures, as JSON. | Give what is seen as \
JSON. | JSON of the pictures only, please. | Describe the pictures as JSON, not the sound. | \
Write what you see as JSON, nothing heard. | All that is seen, in JSON. || Describe what is seen \
as JSON, without the sound.
caption short heard: Describe in short what is heard, not what is seen. | Give a short caption of \
the sound only. | Short caption of what you hear only, please. | In short: what do you hear? | \
What is heard, in a few words? | Describe the sound briefly, not the pictures. | A brief caption \
of what is heard. | Short: only what you hear. | Tell me briefly what you hear, without the \
pictures. || Briefly: what is to be heard?
caption detailed heard: Describe in detail what is heard, not what is seen. | Give a detailed \
caption of the sound only. | Detailed caption of what is heard only, please. | Describe all that \
you hear, not the pictures. | Everything to be heard, in detail. | Give all details of the sound, \
not of the pictures. | A detailed description of what you hear only. | Tell me in detail what is \
to be heard, without the pictures. | Describe the sound in detail. || Only what you hear, in \
detail.
caption structured heard: Describe what is heard as JSON, without the pictures. | Give a \
structured caption of the sound only. | Only what you hear, as JSON. | Only the sound, as JSON. | \
Give what is heard as JSON. | JSON of the sound only, please. | Describe the sound as JSON, not \
the pictures. | Write what you hear as JSON, nothing seen. | All that is heard, in JSON. || JSON \
segments of what is heard only.
"""
)
