"""The first card: what goes in. An example, an upload, a typed text, or a text to read aloud.

Left out: what is changed (changes.py), and running it (page.py).
"""

from collections.abc import Callable

import panel as pn

from model.data.voices import NAMED
from model.senses.message import Audio, Image
from widgets.view import escape
from workbench.dashboard.job import Order
from workbench.dashboard.look import html, line, picture, player, put, sentence, stack
from workbench.uploads import CHARACTERS, LARGEST, LONGEST, examples, upload, words

EXAMPLE, UPLOAD, TYPE, ALOUD = "Example", "Upload", "Type", "Read aloud"
MOST = 64  # text tokens of an answer
LIMITS = (
    f'<p class="soft">wav, flac, ogg, mp3 up to {LONGEST:g} s; png, jpeg, webp; up to {LARGEST} MB.'
    " It stays on this machine.</p>"
)
TEXTS = {
    EXAMPLE: ("And a request in words", ""),
    UPLOAD: ("And a request in words", "What was said?"),
    TYPE: ("What do you want to ask?", "What is seven plus five?"),
    ALOUD: ("What is to be read aloud?", "The train leaves at noon."),
}
RECORDS = {
    "experts": "router-logits",
    "attention": "attn",
    "where each word is spoken": "align",
    "DeltaNet's memory": "delta",
    "how sure of each sound": "codes",
    "how sure of each word": "logits",
    "when each part ran": "latency",
}


def kinds(names: list[str], speak: bool, aloud: bool) -> tuple[str, ...]:
    """What can be recorded of these in such a turn."""
    chosen = [RECORDS[name] for name in RECORDS if name in names]
    if not speak:
        chosen = [kind for kind in chosen if kind not in ("align", "codes")]
    if aloud:  # nothing is thought, only spoken
        chosen = [kind for kind in chosen if kind != "logits"]
        chosen = ["attn:talker" if kind == "attn" else kind for kind in chosen]
    return tuple(chosen)


class GoesIn:
    def __init__(self, seed: int = 0):
        self.changed: Callable[[], None] = lambda: None  # called when something else is to go in
        self.usual_seed = seed
        self.examples = {example.label: example for example in examples()}
        ways = [EXAMPLE, UPLOAD, TYPE, ALOUD] if self.examples else [UPLOAD, TYPE, ALOUD]
        self.uploaded: Audio | Image | None = None
        self.name = self.trouble = ""
        self.way = pn.widgets.RadioButtonGroup(options=ways, css_classes=["tabs"])
        self.example = pn.widgets.Select(label="Example", options=list(self.examples))
        self.dropper = pn.widgets.FileDropper(
            label="A recording or a picture",
            max_file_size=f"{LARGEST}MB",
            chunk_size=1_000_000,
            multiple=False,
            previews=[],
            layout="compact",
            width=None,
        )
        self.text = pn.widgets.TextAreaInput(rows=2, max_length=CHARACTERS, auto_grow=True)
        self.preview = html()
        self.speak = pn.widgets.Checkbox(label="speak the answer", value=True)
        self.voice = pn.widgets.Select(label="Voice", options=list(NAMED))
        self.most = pn.widgets.IntInput(
            label="Longest answer, tokens", value=MOST, start=1, end=256
        )
        self.seed = pn.widgets.IntInput(label="Seed", value=seed, start=0)
        self.temperature = pn.widgets.FloatInput(
            label="Temperature of the words", value=0.0, start=0.0, end=5.0, step=0.1
        )
        self.record = pn.widgets.CheckBoxGroup(
            label="Recorded", options=list(RECORDS), value=list(RECORDS)
        )
        more = pn.Card(
            stack(
                self.speak,
                line(self.voice, self.most, self.seed, self.temperature),
                html('<p class="soft">What is recorded</p>'),
                self.record,
            ),
            title="Voice, length, seed, what is recorded",
            collapsed=True,
            sizing_mode="stretch_width",
        )
        self.panel = stack(self.way, self.example, self.dropper, self.preview, self.text, more)
        for widget in (self.way, self.example, self.text, self.dropper):
            widget.sizing_mode = "stretch_width"
        for widget in (self.voice, self.most, self.seed, self.temperature):
            widget.width, widget.styles = None, {"flex": "1 1 120px"}
        self.way.param.watch(self._switch, "value")
        self.example.param.watch(self._choose, "value")
        self.dropper.param.watch(self._take, "value")
        for widget in (self.text, self.speak, self.voice, self.most, self.seed, self.temperature,
                       self.record):  # fmt: skip
            widget.param.watch(lambda _event: self.changed(), "value")
        self._switch()

    # --- what it comes to -------------------------------------------------------------------------

    def order(self) -> Order:
        """What is to be run, without edits; a ValueError where something is missing."""
        way, text = self.way.value, words(self.text.value or "", "the text")
        turn, told = {}, {}
        if way == ALOUD:
            if not text:
                raise ValueError("there is nothing to read aloud, write something first")
            turn["aloud"] = text
        else:
            if text:
                turn["text"] = text
            if way == EXAMPLE:
                example = self.examples[self.example.value]
                self._part(example.load(), f"datasets/samples/{example.file}", turn, told)
            elif way == UPLOAD:
                if self.uploaded is None:
                    raise ValueError("nothing is uploaded yet: choose a recording or a picture")
                self._part(self.uploaded, self.name or "your file", turn, told)
            elif not text:
                raise ValueError("there is nothing to answer, write a question first")
        speak = self.speak.value or way == ALOUD
        if way != ALOUD:
            turn["most"] = self.most.value or MOST
        if not speak:
            turn["speak"] = False
        for name, widget, usual in (
            ("voice", self.voice, "heart"),
            ("seed", self.seed, self.usual_seed),
            ("temperature", self.temperature, 0.0),
        ):
            if widget.value is not None and widget.value != usual:
                turn[name] = widget.value
        return Order(turn, record=kinds(self.record.value, speak, way == ALOUD), told=told)

    def _part(self, part: Audio | Image, name: str, turn: dict, told: dict) -> None:
        sense = "audio" if isinstance(part, Audio) else "image"
        turn[sense], told[sense] = part, repr(name)

    # --- what happens on the page -----------------------------------------------------------------

    def _switch(self, _event=None) -> None:
        way = self.way.value
        self.example.visible, self.dropper.visible = way == EXAMPLE, way == UPLOAD
        self.text.label, text = TEXTS[way]
        self.text.placeholder = "" if way in (TYPE, ALOUD) else "may be empty"
        if way == EXAMPLE:
            self._choose()
        else:
            self.text.value = text
            upload = way == UPLOAD
            self._show(self.uploaded if upload else None, self.trouble + LIMITS if upload else "")
            self.changed()

    def _choose(self, _event=None) -> None:
        example = self.examples[self.example.value]
        self.text.value = example.ask
        about = f"<p>{escape(example.about)}</p><p class='soft'>{escape(example.by)}</p>"
        self._show(example.load(), about)
        self.changed()

    def _take(self, event) -> None:
        """An upload came, or was taken away."""
        self.uploaded, self.name, self.trouble = None, "", ""
        if event.new:
            name, data = list(event.new.items())[-1]
            try:
                self.uploaded = upload(data if isinstance(data, bytes) else data.encode())
                self.name = name
            except ValueError as error:
                self.trouble = sentence(error)
        if self.way.value == UPLOAD:  # something else may have been chosen meanwhile
            self._show(self.uploaded, self.trouble + LIMITS)
            self.changed()

    def _show(self, part: Audio | Image | None, about: str) -> None:
        if isinstance(part, Audio):
            about = player(part.samples, part.rate, "what goes in") + about
        elif isinstance(part, Image):
            about = picture(part.pixels, "what goes in") + about
        put(self.preview, about)
        self.preview.visible = bool(about)
