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
caption short: Describe this in short. | Give a short caption. | Say briefly what there is. | Sum \
this up in a few words. | Short caption, please. | Describe this briefly.
caption detailed: Describe this in detail. | Give a detailed caption. | Tell me everything that \
is there, with places and times. | Detailed caption, please. | Describe all of it precisely.
caption structured: Describe this as JSON. | Give a structured caption. | Write all events as \
JSON. | Structured caption as JSON, please. | List the segments as JSON.
caption short seen: Describe in short what is seen, not what is heard. | Give a short caption of \
the pictures only. | Briefly: what is to be seen? | Short caption of what you see only, please.
caption detailed seen: Describe in detail what is seen, not what is heard. | Give a detailed \
caption of the pictures only. | Only what you see, in detail. | Detailed caption of what is seen \
only, please.
caption structured seen: Describe what is seen as JSON, without the sound. | Give a structured \
caption of the pictures only. | Only what you see, as JSON. | JSON segments of what is seen only.
caption short heard: Describe in short what is heard, not what is seen. | Give a short caption of \
the sound only. | Briefly: what is to be heard? | Short caption of what you hear only, please.
caption detailed heard: Describe in detail what is heard, not what is seen. | Give a detailed \
caption of the sound only. | Only what you hear, in detail. | Detailed caption of what is heard \
only, please.
caption structured heard: Describe what is heard as JSON, without the pictures. | Give a \
structured caption of the sound only. | Only what you hear, as JSON. | JSON segments of what is \
heard only.
"""
)
