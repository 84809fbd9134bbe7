"""The Gradio page of the chat: its parts, and what happens when.

The conversation and its player are one component (talk.js draws the value that talk.py gives), so
that words and sound come from the same generator. All else is Gradio's own: the box that takes
text, files and recordings, the settings, the files of an answer.

Left out: what is computed (talk.py, desk.py, ear.py).
"""

import asyncio
import math
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import numpy as np

from model.data.describe import PUT
from model.senses.message import Audio
from model.turn import Voice, imitated
from widgets.view import shown
from workbench.chat.ear import Ears
from workbench.chat.files import write
from workbench.chat.settings import (
    CHANGES,
    DESCRIBED,
    HOTTEST,
    MOODS,
    PACES,
    SAMPLED,
    SEEDS,
    SPEEDS,
    TOLD,
    VOICES,
    VOLUMES,
    Settings,
)  # fmt: skip
from workbench.chat.talk import Talk
from workbench.desk import Desk
from workbench.uploads import CHARACTERS, Example, examples, read, upload

HERE = Path(__file__).parent
MICRO = (
    "micro is a tiny model, trained on two CPU cores and still in training: it follows short"
    " English questions, is often wrong, and its voice is not always easy to understand."
)
SIGHT = "micro knows simple made pictures: two answers in five are right, of photos one in five."
HELP = (
    "Type, attach recordings, pictures or a short clip, record yourself, or switch on"
    " <b>hands-free</b> and talk: it answers when you have finished. <kbd>Enter</kbd> asks,"
    " <kbd>Esc</kbd> stops; a new question, or your voice, interrupts the answer."
)
TYPED = ("What is seven plus five?", "What day comes after Monday?")
FRAME = """<div class="talk" data-sight="SIGHT">
<div class="talk-log" role="log" aria-live="polite" aria-label="Conversation" tabindex="0">
<ol class="talk-intro">
<li><span><b>Ask</b> in words, with a recording, or hands-free with your voice.</span></li>
<li><span><b>Read and hear</b> the answer while it is being made.</span></li>
<li><span><b>Interrupt</b> it, <b>compare</b> two answers, <b>look inside</b> one.</span></li>
</ol></div>
<div class="talk-bar" role="group" aria-label="Sound">
<span class="talk-state" role="status"></span>
<span class="talk-meter" role="img" aria-label="Sound that is ready ahead of the player"><i></i>
</span><span class="talk-ahead"></span>
<label class="talk-volume">Volume <input type="range" min="0" max="200" step="5" value="100"
></label>
<button type="button" class="talk-stop" disabled>Stop <kbd>Esc</kbd></button>
</div>
<div class="talk-bar talk-ear" role="group" aria-label="Hands-free">
<button type="button" class="talk-hands" role="switch" aria-checked="false"><i></i>Hands-free
</button>
<span class="talk-level" role="img" aria-label="Level of the microphone"><i></i></span>
<span class="talk-floor" role="status"></span>
<label class="talk-turns">Turns are found by <select>DETECTORS</select></label>
</div></div>"""
BEGIN = "() => { window.omniTalk.begin(); }"
VIEWS = """
watch("value", () => {
  if (element.getBoundingClientRect().top > innerHeight - 120)
    element.scrollIntoView({ block: "center", behavior: "smooth" });
});
addEventListener("message", ({ source, data }) => {
  const frame = element.querySelector("iframe");
  if (!frame || frame.contentWindow !== source || !data || data.ow !== "height") return;
  frame.style.height = Math.min(9000, Math.ceil(Number(data.height) || 600)) + "px";
  const dark = document.body.classList.contains("dark");
  source.postMessage({ ow: "theme", dark }, "*");
});
"""
TITLE = "The four views of this answer: text and speech, experts, attention, latency"
BOTH = "A beside B: texts and sounds, then the four views of both"
LOUDEST = 2.0  # volume
CAUGHT = 2**20  # characters of sound that one message of a microphone may hold
GONE = "this page was left for a while: load it again"


class Visitors:
    """The conversation and the folder of every page that is open."""

    def __init__(self, desk: Desk, ears: Ears):
        self.desk, self.ears = desk, ears
        self.talks: dict[str, Talk] = {}
        self.folders: dict[str, TemporaryDirectory] = {}
        self.calls: list[Talk] = []  # of programs

    def talk(self, request: gr.Request) -> Talk:
        key = str(request.session_hash)
        return self.talks.setdefault(key, Talk(self.desk, key))

    def keyed(self, said: Any) -> Talk:
        """The conversation whose page sent this message."""
        key = said.get("key") if isinstance(said, dict) else None
        found = [talk for talk in list(self.talks.values()) if talk.key == key]
        if not found:
            raise ValueError(GONE)
        return found[0]

    def voice(self, data: bytes) -> Voice:
        """The voice in an upload."""
        heard = upload(data, "the recording of a voice", self.desk.rate)
        if not isinstance(heard, Audio):
            raise ValueError("the voice is to be heard, but this is a picture")
        return imitated(self.ears.omni, heard)

    @contextmanager
    def call(self, request: gr.Request) -> Iterator[Talk]:
        """A conversation of one question, which a program asks."""
        talk = Talk(self.desk, str(request.session_hash))
        self.calls.append(talk)
        try:
            yield talk
        finally:
            self.calls.remove(talk)

    def folder(self, request: gr.Request) -> Path:
        key = str(request.session_hash)
        if key not in self.folders:
            self.folders[key] = TemporaryDirectory(prefix="omni-chat-", ignore_cleanup_errors=True)
        return Path(self.folders[key].name)

    def leave(self, request: gr.Request) -> None:
        """A page was closed: its turn is free, and nothing of it stays."""
        key = str(request.session_hash)
        mine = [talk for talk in self.calls if talk.owner == key]
        for talk in filter(None, [self.talks.pop(key, None), *mine]):
            talk.stop()
        if folder := self.folders.pop(key, None):
            folder.cleanup()


def page(desk: Desk, ears: Ears) -> gr.Blocks:
    visitors = Visitors(desk, ears)
    lab = desk.lab
    name = escape(lab.name) if lab.source else "the model"
    about = MICRO if lab.name == "micro" else "It hears, thinks and speaks."
    size = f"{lab.about.parameters / 1e6:.1f} million parameters, on this machine alone."
    frame = FRAME.replace("SIGHT", SIGHT if lab.name == "micro" else "")
    choice = [f'<option value="{k}">{told}</option>' for k, told in ears.detectors.items()]
    frame = frame.replace("DETECTORS", "".join(choice))
    script = "".join((HERE / name).read_text("utf-8") for name in ("talk.js", "ear.js"))
    with gr.Blocks(
        title="Omni Workbench: talk to it", analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        gr.HTML(f"<header><h1>Talk to {name}</h1><p>{about} {size}</p></header>", elem_id="head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=420):
                log = gr.HTML(
                    {}, html_template=frame, js_on_load=script, apply_default_css=False,
                    elem_id="talk", server_functions=_microphone(visitors),
                )  # fmt: skip
                box = gr.MultimodalTextbox(
                    sources=["upload", "microphone"], file_types=["audio", "image", "video"],
                    file_count="multiple", placeholder="Ask something", show_label=False,
                    label="Your question", max_plain_text_length=CHARACTERS, autofocus=True,
                    elem_id="box",
                )  # fmt: skip
                tries = gr.Row(elem_id="tries")
                gr.HTML(f"<p>{HELP}</p>", elem_id="help")
            with gr.Column(scale=2, min_width=270, elem_id="settings"):
                chosen, sample = _settings(lab.seed)
        with gr.Column(visible=False, elem_id="inside") as inside:
            views = gr.HTML("", js_on_load=VIEWS, apply_default_css=False, elem_id="views")
            with gr.Row():
                sound = gr.Audio(
                    label="The answer as a file", interactive=False, visible=False, scale=2,
                    buttons=["download"],
                )  # fmt: skip
                files = gr.File(label="Keep it", file_count="multiple", interactive=False)

        def ask(request: gr.Request, box: dict, *values: Any) -> Iterator[tuple]:
            clear: Any = {"text": "", "files": []}
            said = box or clear
            for now in _ask(visitors, request, said["text"] or "", said["files"], values):
                yield now, clear
                clear = gr.skip()

        def ready(given: str | Example) -> Callable:
            typed = isinstance(given, str)
            text, files = (given, []) if typed else (given.ask, [given.path])

            def ask_it(request: gr.Request, *values: Any) -> Iterator[dict]:
                yield from _ask(visitors, request, text, files, values)

            return ask_it

        quiet = {
            "show_progress": "hidden", "trigger_mode": "multiple", "api_visibility": "private",
            "concurrency_limit": None,
        }  # fmt: skip
        box.submit(None, js=BEGIN, api_visibility="private")
        box.submit(ask, [box, *chosen], [log, box], **quiet)
        samples = examples()
        with tries:
            gr.HTML("<span>Try</span>", elem_classes="label", apply_default_css=False)
            for given in (*TYPED, *samples[:2], *samples[3:4]):
                label = given if isinstance(given, str) else f"\u25b6 {given.about}"
                button = gr.Button(label, size="sm", variant="secondary", min_width=10)
                button.click(None, js=BEGIN, api_visibility="private")
                button.click(ready(given), chosen, log, **quiet)

        def imitate(request: gr.Request, path: str | None) -> None:
            visitors.talk(request).sample = None
            if path:
                try:
                    visitors.talk(request).sample = visitors.voice(read(path))
                except ValueError as error:
                    gr.Warning(escape(str(error)))

        def spoken(request: gr.Request, *values: Any) -> Iterator[dict]:
            """A turn is over that was heard hands-free."""
            ear = visitors.talk(request).ear
            if ear is not None and (turn := ear.take()) is not None:
                yield from _ask(visitors, request, "", [turn], values)

        def arrive(request: gr.Request) -> dict:
            return visitors.talk(request).shown()

        def halt(event: gr.EventData, request: gr.Request) -> dict:
            talk = visitors.talk(request)
            talk.stop()
            return _heard(talk, event, cut=True)

        def told(event: gr.EventData, request: gr.Request) -> dict:
            return _heard(visitors.talk(request), event, cut=False)

        def look(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
            yield from _look(visitors, event, request)

        at_once = {**quiet, "queue": False}
        log.halt(halt, None, log, **at_once)
        log.heard(told, None, log, **at_once)
        sample.change(imitate, sample, None, **quiet)
        log.spoken(spoken, chosen, log, **quiet)
        log.inspect(look, None, [inside, views, sound, files], **quiet)
        blocks.load(arrive, None, log, **at_once)
        blocks.unload(visitors.leave)
        gr.api(_endpoint(visitors), api_name="answer", concurrency_limit=None)
    return blocks


def _settings(seed: int) -> tuple[list[gr.components.Component], gr.Audio]:
    """The fields of `Settings`, in their order, but for the last; and the sample of a voice."""
    names = list(CHANGES)
    speak = gr.Checkbox(True, label="Speak the answer")
    voices = {DESCRIBED: "described in words \u2026", SAMPLED: "like a recording \u2026"}
    voice = _choice([(voices.get(name, name), name) for name in VOICES], value="heart",
                    label="Voice")  # fmt: skip
    described = gr.Textbox(
        "", label="The voice in words", placeholder="a man with a deep voice, speaking slowly",
        info=f"It knows {', '.join(PUT)}", lines=2, max_length=TOLD, visible=False,
    )  # fmt: skip
    sample = gr.Audio(
        label="3 to 10 s of the voice", sources=["upload", "microphone"], type="filepath",
        visible=False, editable=False, buttons=[], elem_id="sample",
    )  # fmt: skip
    with gr.Row(elem_id="manner"):
        manner = [
            _choice([(word or "usual", word) for word in words], value="", label=label, min_width=9)
            for label, words in (("Speed", SPEEDS), ("Loudness", VOLUMES), ("Mood", MOODS))
        ]

    def show(voice: str) -> tuple:
        return gr.Textbox(visible=voice == DESCRIBED), gr.Audio(visible=voice == SAMPLED)

    voice.change(show, voice, [described, sample], queue=False, show_progress="hidden",
                 api_visibility="private")  # fmt: skip
    with gr.Accordion("Compare two answers", open=True):
        beside = _choice(
            [("one answer only", ""), *((name, name) for name in names)], value="",
            label="Answer twice, the second time", info="The same question and seed, side by side",
        )  # fmt: skip
    with gr.Accordion("More", open=False):
        paces = [(told, name) for name, told in PACES.items()]
        pace = _choice(paces, value="aria", label="Pace of words and sound")
        change = _choice(names, value=names[0], label="The model")
        heat = gr.Slider(0, HOTTEST, 0.0, step=0.1, label="Temperature of the words")
        seed_box = gr.Number(seed, label="Seed", precision=0, minimum=0, maximum=SEEDS)
        system = gr.Textbox("", label="System prompt", lines=2, max_length=CHARACTERS)
        remember = gr.Checkbox(
            False, label="Remember earlier turns", info="micro was trained on single turns"
        )
    spoken = [speak, voice, described, *manner]
    return [*spoken, pace, heat, seed_box, system, remember, change, beside], sample


def _choice(options: list, **how: Any) -> gr.Dropdown:
    return gr.Dropdown(options, filterable=False, **how)


def _ask(
    visitors: Visitors, request: gr.Request, text: str, files: list, values: tuple
) -> Iterator[dict]:
    talk = visitors.talk(request)
    try:
        settings = Settings(*values, talk.sample)
    except (ValueError, TypeError) as error:
        gr.Warning(escape(str(error)))
        yield talk.shown()
        return
    yield from talk.ask(text, files, settings)


def _heard(talk: Talk, event: gr.EventData, cut: bool) -> dict:
    """What a page says was heard; a page may say anything, so it is checked."""
    said = event._data if isinstance(event._data, dict) else {}
    names = ("heard", "first_text", "first_sound")
    numbers = {name: said[name] for name in names if _number(said.get(name))}
    played = said.get("played")
    played = played if isinstance(played, list) else []
    played = [at if _number(at) else None for at in played]
    if isinstance(said.get("answer"), str) and "heard" in numbers:
        with suppress(ValueError):  # of an answer that is no longer kept
            talk.heard(said["answer"], numbers.pop("heard"), cut, numbers, played)
    return talk.shown()


def _microphone(visitors: Visitors) -> list[Callable]:
    """What a page calls while it talks hands-free; whatever it sends is checked."""

    async def listen(said: dict) -> dict:
        """Begin to listen with a detector; with none, end."""
        try:
            talk, name = visitors.keyed(said), said.get("detector")
            talk.ear = None
            if name:
                opened = asyncio.to_thread(visitors.ears.open, str(name))
                talk.ear = await opened
        except ValueError as error:
            return {"error": str(error)}
        return {"error": ""}

    async def hear(said: dict) -> dict:
        """The next sound of the microphone, 16-bit little-endian mono PCM at 16 kHz in base64."""
        try:
            talk = visitors.keyed(said)
            if talk.ear is None:
                raise ValueError("hands-free is off")
            samples = _caught(said.get("pcm"))
            heard = visitors.ears.hear(talk.ear, samples, bool(said.get("talking")))
            events, speaking = await asyncio.wrap_future(heard)
        except ValueError as error:
            return {"error": str(error)}
        if "interrupt" in events:
            talk.stop()
        return {"error": "", "events": events, "speaking": speaking}

    return [listen, hear]


def _caught(pcm: Any) -> np.ndarray:
    """Samples from base64."""
    if not isinstance(pcm, str) or len(pcm) > CAUGHT:
        raise ValueError(f"a message holds at most {CAUGHT} characters of sound")
    data = b64decode(pcm, validate=True)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _look(visitors: Visitors, event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
    """Record an answer again, or both of a question, and show what happened inside."""
    talk = visitors.talk(request)
    said = event._data if isinstance(event._data, dict) else {}
    ids = [str(said[name]) for name in ("answer", "beside") if said.get(name)]
    volume = said.get("volume")
    volume = min(LOUDEST, max(0.0, volume)) if _number(volume) else 1.0

    def note(text: str, role: str = "status") -> tuple:
        told = f'<p class="note" role="{role}">{escape(text)}</p>'
        return gr.Column(visible=True), told, gr.Audio(visible=False), gr.File(visible=False)

    try:
        runs = []
        for id, name in zip(ids, ("A ", "B ") if len(ids) > 1 else ("",), strict=True):
            turn = talk.record(id)
            for item in turn.follow():
                if isinstance(item, int):
                    yield note(f"Waiting: {item} before yours.")
                elif turn.chunks % 8 == 1:
                    yield note(f"Saying {name or 'it '}once more, with everything recorded \u2026")
            if turn.run is None:
                raise ValueError(turn.error or "it was stopped")
            runs.append(talk.as_given(id, turn.run))
        yield note("Drawing the views \u2026")
        told = "\n".join(talk.transcript(id) for id in ids)
        paths = write(runs, told, visitors.folder(request), volume)
        html = Path(paths[-1]).read_text("utf-8")
        texts = " and ".join(f"\u201c{escape(shown(run.text, 60))}\u201d" for run in runs)
        title = TITLE if len(runs) == 1 else BOTH
        frame = (
            f"<h2>Inside {texts}</h2>"
            f'<iframe sandbox="allow-scripts" title="{title}" srcdoc="{escape(html)}"></iframe>'
        )
        sound = gr.Audio(visible=False)  # the page of A and B has players of its own
        if len(runs) == 1 and len(runs[0].audio):
            pulses = (np.clip(volume * runs[0].audio, -1, 1) * 32767).astype(np.int16)
            sound = gr.Audio((runs[0].meta.rate, pulses), visible=True)
        yield gr.Column(visible=True), frame, sound, gr.File(paths, visible=True)
    except ValueError as error:
        yield note(f"This cannot be opened: {error}", "alert")


def _endpoint(visitors: Visitors) -> Callable:
    def answer(
        request: gr.Request,
        text: str = "",
        sound: str = "",
        voice: str = "heart",
        pace: str = "aria",
        temperature: float = 0.0,
        seed: int = 0,
        speak: bool = True,
        system: str = "",
        change: str = "as it is",
        described: str = "",
        speed: str = "",
        volume: str = "",
        mood: str = "",
        sample: str = "",
    ) -> dict:
        """Answer a question, piece by piece: each piece has new words as `text`, or new sound as
        `pcm`, 16-bit little-endian mono at `rate`, in base64; `said` is the whole text so far.
        `sound` is a recording (wav, flac, ogg or mp3) in base64. `voice` is a name; or "described",
        in words (`described`); or "sampled", as in a recording in base64 (`sample`, 3 to 10 s)."""
        try:
            voice_heard = visitors.voice(b64decode(sample, validate=True)) if sample else None
            settings = Settings(
                speak, voice, described, speed, volume, mood, pace, temperature, seed, system,
                change=change, sample=voice_heard,
            )  # fmt: skip
            files = [upload(b64decode(sound, validate=True), "the sound")] if sound else []
            with visitors.call(request) as talk:
                yield from _pieces(talk, text, files, settings)
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    return answer


def _pieces(talk: Talk, text: str, files: list, settings: Settings) -> Iterator[dict]:
    said, sounded = 0, 0
    for now in talk.ask(text, files, settings):
        exchange = now["exchanges"][-1]
        for one in (exchange, *exchange["answers"]):
            if one["error"]:
                raise ValueError(one["error"])
        for one in exchange["answers"]:
            frames = (now["sound"] or {}).get("frames", {})
            fresh = [frames[str(n)] for n in range(sounded, one["frames"])]
            piece = {
                "text": one["text"][said:],
                "said": one["text"],
                "pcm": _joined(fresh),
                "rate": talk.desk.rate,
                "state": one["state"],
                "place": one["place"],
            }
            said, sounded = len(one["text"]), one["frames"]
            yield piece


def _joined(frames: list[str]) -> str:
    """Frames in base64 as one; a frame's bytes are a multiple of three."""
    return "".join(frames)
