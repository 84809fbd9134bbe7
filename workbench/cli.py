"""The command `omni`: hear, say, talk, look inside, measure, build data, train.

Standard output carries the result alone, everything else goes to standard error, so commands pipe:

    omni hear question.wav | omni say - -o again.wav

A mistake of the caller is one line on standard error and exit code 2; Ctrl-C is 130. Nothing
half-written stays behind: sound goes to a temporary name that is renamed when it is whole.
OMNI_TRACEBACK=1 shows where an error was raised.

Left out: live microphones and players (the chat has them), batches of files (a shell loop does it).
Imports that take time (torch, the model) stand inside the commands, so that `omni --help` is quick.
"""

import json as jsonlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from textwrap import shorten
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.extras import SubcommandApp

from workbench.training import train

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from model.omni import Omni
    from model.senses.message import Audio, Image, Video
    from model.turn import Chunk, Voice

Out = Annotated[Path, arg(aliases=["-o"])]
SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
CLIPS = (".mp4", ".m4v", ".mov", ".m4a", ".webm", ".mkv")
QUESTION = 60.0  # seconds: the longest recording that is answered

app = SubcommandApp()


@app.command
def hear(
    file: Positional[Path],
    most: int = 256,
    beams: int = 8,
    views: int = 5,
    ear: float = 1.0,
    foreign: bool = False,
    json: bool = False,
    model: str = "micro",
) -> None:
    """Write down what a recording says.

    Args:
        file: a recording, wav, flac, ogg or mp3; a long one is heard piece by piece, a line each
        most: text tokens of a piece
        beams: beginnings of the text that are kept until the likeliest is found; 1 is fastest
        views: how often it is heard, at speeds about its own; 1 is fastest
        ear: what the tokens that the ear names count beside what the Thinker finds likely
        foreign: it is no English: the ear alone spells it, without the Thinker (Belarusian,
            Bulgarian, Catalan, Danish, Dutch, French, Greek, Romanian, Russian, Spanish)
        json: one JSON object a line, with times
        model: name or folder of a model
    """
    from model.transcribe import hear, spelled_out
    from workbench.waveform import pieces

    heard = pieces(file)
    first = next(heard)  # a bad file is told before the model is loaded
    omni = _load(model)
    for piece in chain([first], heard):
        start = perf_counter()
        if foreign:
            text = spelled_out(omni, piece, views)
        else:
            text = hear(omni, piece, most=most, beams=beams, views=views, ear=ear)
        spent = perf_counter() - start
        if json:
            times = {"start": piece.start, "seconds": piece.seconds}
            _tell({"text": text, **times, "real_time_factor": spent / piece.seconds})
        else:
            print(_plain(text), flush=True)


@app.command
def attend(
    file: Positional[Path],
    talking: bool = False,
    detector: Literal["native", "silero"] = "native",
    json: bool = False,
    model: str = "micro",
) -> None:
    """Say when a recorded speaker has finished, interrupts, or only says "mm-hm": a line an event.

    Args:
        file: what a microphone hears, as it would stream
        talking: the assistant talks all the while (its voice is not in the recording)
        detector: the model's own head, or silero-vad with a time-out
        json: one JSON object a line
        model: name or folder of a model
    """
    from model.attend import Native, Silero
    from model.senses.message import stream_audio

    sound = stream_audio(file)
    first = next(sound)  # a bad file is told before the model is loaded
    listener = Silero() if detector == "silero" else Native(_load(model))
    state = listener.begin()
    for samples in chain([first], sound):
        events, state = listener.hear(samples, state, talking)
        for event in events:
            told = {"time": event.time, "event": event.kind}
            if event.audio:
                told |= {"start": event.audio.start, "seconds": event.audio.seconds}
            if json:
                _tell(told)
            else:
                since = f", begun at {event.audio.start:.2f} s" if event.audio else ""
                print(f"{event.time:.2f} s: {event.kind}{since}", flush=True)


@app.command
def say(
    text: Positional[str],
    out: Out = Path("out.wav"),
    voice: str = "heart",
    pace: str = "aria",
    tries: int = 4,
    seed: int = 0,
    temperature: float = 0.0,
    json: bool = False,
    model: str = "micro",
) -> None:
    """Read a text aloud.

    Args:
        text: what to say; "-" reads standard input
        out: the WAV file to write
        voice: a trained voice (`omni info` lists them), a description such as "a man with a deep
            voice", or a recording of somebody, 3 to 10 s; each may add a manner: "heart, fast",
            "me.wav, loud"
        pace: when words are taken: aria, aria:LEAD, fixed:WORDS:FRAMES, text-first, learned
        tries: how often each sentence is said, until the model itself hears it best; 1 streams
        seed: of the random numbers, where there is a temperature
        temperature: 0 picks the likeliest sounds, and tries differ in how far they look ahead
        json: print the figures as a JSON object
        model: name or folder of a model
    """
    from model import aria, rehearse, turn
    from model.sampling import Sampling
    from workbench.waveform import check_wav

    text, pace = _text(text), aria.pace(pace)
    how = Sampling(temperature) if temperature else None
    if tries < 1:
        raise ValueError(f"{tries} tries, expected 1 or more")
    speaker = _voice(voice)
    check_wav(out)
    omni = _load(model)
    if tries == 1:
        chunks = turn.say(omni, text, speaker(omni), pace, how or Sampling(), seed)
    else:
        chunks = rehearse.rehearse(omni, text, speaker(omni), pace, tries, how, seed)
    figures = _write(out, chunks, lambda text: None)
    if json:
        _tell({"text": text, **figures})
    _summary(figures)


@app.command
def copy(
    file: Positional[Path],
    out: Out = Path("copy.wav"),
    codebooks: int = 8,
    steps: int = 30,
    json: bool = False,
    model: str = "micro",
) -> None:
    """Send a recording through the codec and back, to hear what its codes keep.

    Args:
        file: a recording, up to 60 s
        out: the WAV file to write
        codebooks: the first so many of each frame are used; each is 9 bits every 80 ms
        steps: in which better codes are looked for; 0 takes what the encoder chooses at once
        json: print the figures as a JSON object
        model: name or folder of a model
    """
    import torch
    from tqdm import tqdm

    from model.senses.message import load_audio
    from model.speech.codec import RATE
    from model.speech.search import attempts
    from workbench.waveform import audible, check_wav
    from workbench.waveform import wav as written

    check_wav(out)
    heard = audible(load_audio(file, RATE, longest=QUESTION), file)
    wave = torch.from_numpy(heard.samples)[None]
    codec = _load(model).codec
    coded = codec.config.renderer
    if not 1 <= codebooks <= coded.codebooks:
        raise ValueError(f"{codebooks} codebooks, expected 1 to {coded.codebooks}")
    each = tqdm(attempts(codec, wave, steps), "looking for codes", steps + 1, disable=not steps)
    found = list(each)
    best = min(found, key=lambda one: one.apart)
    with torch.inference_mode():
        made = codec.decode(best.codes[:, :codebooks])[0, : wave.shape[1]]
    with written(out, RATE) as write:
        write(made.numpy())
    bits = best.codes[0, :codebooks].numel() * (coded.entries - 1).bit_length()
    seconds, apart = wave.shape[1] / RATE, [round(one.apart, 4) for one in (found[0], best)]
    if json:
        _tell({"seconds": round(seconds, 3), "bits": bits, "at_once": apart[0], "apart": apart[1]})
    _note(f"{out}: {seconds:.1f} s as {bits / 8000:.2f} kB of codes, {bits / seconds:.0f} bit/s")


@app.command
def talk(
    ask: Positional[tuple[str, ...]],
    out: Out = Path("out.wav"),
    voice: str = "heart",
    pace: str = "aria",
    text_only: bool = False,
    most: int = 256,
    seed: int = 0,
    temperature: float = 0.0,
    json: bool = False,
    model: str = "micro",
) -> None:
    """Answer what is said, shown or written: text streams here while the sound is written.

    Args:
        ask: recordings, pictures, clips and texts, one turn; "-" reads a text from standard input
        out: the WAV file of the spoken answer
        voice: a trained voice (`omni info` lists them), a description such as "a man with a deep
            voice", or a recording of somebody, 3 to 10 s; each may add a manner: "heart, fast",
            "me.wav, loud"
        pace: when words are taken: aria, aria:LEAD, fixed:WORDS:FRAMES, text-first, learned
        text_only: answer in writing alone
        most: text tokens of the answer
        seed: of the random numbers, where there is a temperature
        temperature: of the words of the answer; 0 picks the likeliest every time
        json: print answer and figures as one JSON object at the end
        model: name or folder of a model
    """
    from model import aria, turn
    from model.sampling import Sampling
    from model.senses.message import Message
    from workbench.waveform import check_wav

    if not ask:
        raise ValueError("nothing asked, expected recordings, pictures, clips or texts")
    pace, how = aria.pace(pace), Sampling(temperature)
    parts = sorted(map(_part, ask), key=lambda part: isinstance(part, str))  # texts come last
    question = Message.of("user", *parts)
    speaker = _voice(voice)
    if not text_only:
        check_wav(out)
    omni = _load(model)
    chunks = turn.answer(
        omni,
        [question],
        voice=speaker(omni),
        pace=pace,
        how=how,
        seed=seed,
        aloud=not text_only,
        most=most,
    )
    said = []

    def show(text: str) -> None:
        said.append(text)
        if not json:
            print(_plain(text), end="", flush=True)

    figures = {}
    try:
        if text_only:
            for chunk in chunks:
                show(chunk.text)
        else:
            figures = _write(out, chunks, show)
    finally:
        if said and not json:
            print(flush=True)
    if json:
        _tell({"text": "".join(said), **figures})
    if figures:
        _summary(figures)


# --- looking inside and measuring -----------------------------------------------------------------


@app.command
def info(model: Positional[str] = "", json: bool = False) -> None:
    """What a model is made of; without a name, what there is.

    Args:
        model: name or folder of a model, or a preset (nano, micro, or a big one, which is counted)
        json: print one JSON object
    """
    from workbench import inventory

    found = inventory.of(model) if model else inventory.everything()
    print(jsonlib.dumps(found.json(), indent=1) if json else found.table())


@app.command
def picture(
    text: Positional[str],
    out: Out = Path("picture.svg"),
    voice: str = "heart",
    pace: str = "aria",
    model: str = "micro",
) -> None:
    """Draw how a sentence was spoken: words taken, frames spoken, sound heard.

    Args:
        text: one sentence; "-" reads standard input
        out: the SVG file to write
        voice: as in `omni say`
        pace: as in `omni say`
        model: name or folder of a model
    """
    import numpy as np

    from model import aria, turn
    from model.speech.codec import RATE
    from workbench.picture import aria_svg

    text, chosen = _text(text), aria.pace(pace)
    speaker = _voice(voice)
    omni, state = _load(model), turn.State()
    chunks = list(turn.say(omni, text, speaker(omni), chosen, state=state))
    if len(state.audits) != 1:
        raise ValueError(f"{len(state.audits)} sentences were spoken, expected one")
    words = [chunk.text for chunk in chunks if not len(chunk.audio)]
    samples = np.concatenate([chunk.audio for chunk in chunks])
    title = f"{text} (pace {pace}, voice {voice}, model {Path(model).name})"
    out.write_text(aria_svg(words, state.audits[0], samples, RATE, title), encoding="utf-8")


@app.command
def dashboard(port: int = 5006, browser: bool = True, seed: int = 0, model: str = "micro") -> None:
    """Ask the model something, change one part of it and look inside: a page on this machine.

    Args:
        port: of 127.0.0.1; 0 takes any that is free
        browser: open the page at once
        seed: of the turns
        model: name or folder of a model
    """
    from workbench.dashboard.server import serve

    serve(model, port, browser, seed)


@app.command
def chat(
    port: int = 7860, browser: bool = True, seed: int = 0, mcp: bool = False, model: str = "micro"
) -> None:
    """Talk to the model: type, upload or record, hear it, interrupt it, compare, look inside.

    Args:
        port: of 127.0.0.1; 0 takes any that is free
        browser: open the page at once
        seed: of the answers
        mcp: also serve its endpoint by MCP (needs the package mcp)
        model: name or folder of a model
    """
    from workbench.chat.server import serve

    serve(model, port, browser, seed, mcp)


@app.command
def bench(rows: Positional[tuple[str, ...]] = (), repeats: int = 5, json: bool = False) -> None:
    """Measure speed beside transformers: same shapes, same threads, same run.

    Args:
        rows: of prefill, decode, train, frames, first-audio, turn, curve, record, room, picture,
            long (default: all but long)
        repeats: measurements a row; the median counts
        json: one JSON object a line
    """
    from dataclasses import asdict

    from workbench import bench

    _note(bench.conditions(repeats))
    for speed in bench.run(rows, repeats):
        if json:
            _tell(asdict(speed))
        else:
            print(speed.line(), flush=True)


@app.command
def eval(
    rows: Positional[tuple[str, ...]] = (),
    items: int = 100,
    out: Out = Path("out/eval"),
    data: str = "datasets",
    json: bool = False,
    model: str = "micro",
) -> None:
    """Let independent judges listen: the table of figures.

    Args:
        rows: rows or experiments, such as codec-wer, say, hear, say@fixed:1:3, world (default:
            all but world)
        items: held-out items of each row
        out: folder for results.json, results.md and what was heard for every item
        data: folder of the data sets
        json: print results.json instead of the table
        model: name or folder of a model
    """
    from workbench.evidence import board

    figures = board.run(model, rows, items, out, data)
    print((out / "results.json").read_text() if json else figures.markdown())


data = SubcommandApp()
app.command(data, name="data", help="Make the data sets.")


@data.command
def build(
    name: Positional[Literal["micro"]],
    hours: float = 73.0,
    root: Path = Path("datasets"),
    kokoro: Path | None = None,
    jobs: int = 2,
    seed: int = 0,
) -> None:
    """Synthesise speech, questions and answers; goes on where it stopped.

    Args:
        name: which data
        hours: how much speech
        root: where the data sets lie
        kokoro: folder of the voices of the npm package kokoro-js; left out without it
        jobs: processes
        seed: of everything that is drawn
    """
    from model.data.build import build

    built = build(name, hours, root, kokoro, jobs, seed)
    _note(f"{built.root}: {built.clips} clips, {built.hours:.1f} hours of speech")


@data.command
def calls(root: Path = Path("datasets"), kokoro: Path | None = None, seed: int = 0) -> None:
    """Synthesise what people call out while another one talks: "mm-hm", "wait, stop".

    Args:
        root: where the data sets lie
        kokoro: folder of the voices of the npm package kokoro-js; left out without it
        seed: of everything that is drawn
    """
    from model.data.calls import build

    _note(f"{root / 'calls'}: {build(root, kokoro, seed)} clips")


app.command(train, name="train", help="Train the parts of micro.")


scene = SubcommandApp()
app.command(scene, name="scene", help="Look at the small world that questions are about.")


@scene.command
def show(
    seed: Positional[int],
    out: Out = Path("scene.png"),
    kind: Literal["any", "picture", "sound", "film"] = "any",
    split: Literal["train", "valid", "test"] = "train",
    styles: tuple[str, ...] = (),
    questions: int = 12,
    wav: Path | None = None,
    picture: Path | None = None,
    json: bool = False,
    data: str = "datasets",
) -> None:
    """Draw a scene on one page: frames, sound with its events, questions and answers.

    Args:
        seed: which scene
        out: the PNG file to write
        kind: of scene; any: as the seed has it
        split: whose objects, recordings, voices and phrasings
        styles: of the pictures, else those of the split: noto, twemoji, openmoji, and for the test
            fluent, stamp, photo
        questions: how many are shown
        wav: write the sound here too
        picture: write what is seen at the beginning here too, as the model sees it (PNG)
        json: print the scene and its questions as a JSON object
        data: folder of the data sets
    """
    from dataclasses import asdict

    import numpy as np
    from PIL import Image

    from model.data import ask, draw, mix, scenes, shelf, sounds
    from model.data.check import to_json
    from workbench.sheet import sheet
    from workbench.waveform import check_wav
    from workbench.waveform import wav as written

    if wav:
        check_wav(wav)
    here = shelf.shelf(split, data, styles or None)
    found = scenes.sample(seed, here, "" if kind == "any" else kind)
    tasks = ask.tasks(found)
    samples = mix.mix(found, here.speech) if found.seconds else np.zeros(0, np.float32)
    if wav and not len(samples):
        raise ValueError("the scene is a picture, it has no sound to write")
    if picture and found.kind == "sound":
        raise ValueError("the scene is a sound, it has no picture to write")
    _draw(out, sheet(found, samples, tasks, questions))
    if picture:
        _draw(picture, Image.fromarray(draw.picture(found)))
    if wav:
        with written(wav, sounds.RATE) as write:
            write(samples)
    if json:
        asked = [{**asdict(task), "check": to_json(task.check)} for task in tasks]
        whole = {"scene": jsonlib.loads(found.json()), "tasks": asked}
        print(jsonlib.dumps(whole, ensure_ascii=False))
    _note(f"{out}: {found.kind} of {found.seconds:g} s, {len(tasks)} questions")


@scene.command
def dialogue(
    seed: Positional[int],
    out: Out = Path("dialogue.wav"),
    what: Literal["all", "turn", "backchannel", "interrupt", "others"] = "all",
    split: Literal["train", "valid", "test"] = "train",
    json: bool = False,
    data: str = "datasets",
) -> None:
    """Write what a microphone hears in a made dialogue, and print what is true every 160 ms.

    Args:
        seed: which dialogue
        out: the WAV file to write
        what: everything, or one thing at a time
        split: whose voices, sentences and recordings
        json: print the dialogue as a JSON object
        data: folder of the data sets
    """
    from model.data import dialogues
    from workbench.waveform import check_wav
    from workbench.waveform import wav as written

    check_wav(out)
    cast = dialogues.Cast(split, data)
    made = dialogues.sample(seed, cast, what)
    with written(out, dialogues.RATE) as write:
        write(dialogues.render(made, cast))
    states, talking = dialogues.truth(made)
    if json:
        print(made.json())
    else:
        print("assistant " + "".join("#" if talks else "." for talks in talking))
        print("other     " + "".join(".SBID"[state] for state in states))
        print("(S speaking, B backchannel, I interrupt, D done; 160 ms a letter)")
    _note(f"{out}: {made.seconds:g} s")


# --- what the commands share ----------------------------------------------------------------------


def _load(model: str):
    from model.omni import Omni

    return Omni.load(model)


def _voice(asked: str) -> "Callable[[Omni], Voice]":
    """A trained voice, a description, or a recording; with a manner after a comma. Words that are
    nothing of it are tried, which is said."""
    from model.data.describe import heeded
    from model.data.voices import NAMED
    from model.senses.message import load_audio
    from model.speech.codec import RATE
    from model.turn import Voice, imitated, sample

    if not asked.strip():
        raise ValueError(f"the voice is empty, expected {', '.join(NAMED)}, words or a recording")
    file, _, manner = (part.strip() for part in asked.partition(","))
    if _is_file(asked, SOUNDS):
        file, manner = asked, ""
    if _is_file(file, SOUNDS):
        heard = load_audio(Path(file), RATE, longest=QUESTION)
        sample(heard)  # a bad one is told before the model is loaded
        return lambda omni: imitated(omni, heard, manner)
    if file not in NAMED and not heeded(asked):
        known = ", ".join(NAMED)
        _note(f"omni: no voice was trained as {asked!r}, expected one of {known}, or a description")
    return lambda omni: Voice(asked)


def _text(text: str) -> str:
    """What is meant by a text on the command line."""
    text = sys.stdin.read() if text == "-" else text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not valid UTF-8") from None
    if not text.strip():
        raise ValueError("the text is empty, expected something to say")
    return text


def _part(ask: str) -> "Audio | Image | Video | str":
    """A recording, picture or clip if it is one or is named like one, else a text."""
    from model.senses.message import load_audio
    from workbench.clips import opened
    from workbench.waveform import audible

    if not _is_file(ask, (*SOUNDS, *PICTURES, *CLIPS)):
        return _text(ask)
    if Path(ask).suffix.lower() in (*PICTURES, *CLIPS):
        return opened(ask, ask)
    return audible(load_audio(Path(ask), longest=QUESTION), ask)


def _draw(out: Path, image: "Pillow.Image") -> None:
    """Write a PNG, all or nothing."""
    part = out.with_name(f".{out.name}.part")
    try:
        image.save(part, format="PNG")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _is_file(text: str, suffixes: tuple[str, ...]) -> bool:
    """Is it the name of a file, or one word that ends like one?"""
    named = Path(text).suffix.lower() in suffixes and len(text.split()) == 1
    return named or (len(text) < 256 and "\0" not in text and Path(text).is_file())


def _plain(text: str) -> str:
    """Text of a model for a terminal: no control characters."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _tell(values: dict[str, Any]) -> None:
    short = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
    print(jsonlib.dumps(short, ensure_ascii=False), flush=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _summary(figures: dict[str, Any]) -> None:
    _note(
        f"{figures['wav']}: {figures['seconds']:.2f} s of speech, first chunk after"
        f" {figures['first_chunk_ms']:.0f} ms, real-time factor {figures['real_time_factor']:.3f}"
    )


def _write(out: Path, chunks: Iterator["Chunk"], show: Callable[[str], None]) -> dict[str, Any]:
    """Write the sound as it comes, `show` the text as it comes; the figures of how it went."""
    from model.speech.codec import RATE
    from workbench.waveform import wav

    start, first, samples = perf_counter(), None, 0
    with wav(out, RATE) as write:
        for chunk in chunks:
            if chunk.text:
                show(chunk.text)
            if len(chunk.audio):
                first = first or perf_counter() - start
                samples += len(chunk.audio)
                write(chunk.audio)
        if first is None:
            raise ValueError("the model stayed silent, no sound was written")
    seconds = samples / RATE
    return {
        "wav": str(out),
        "seconds": seconds,
        "first_chunk_ms": 1000 * first,
        "real_time_factor": (perf_counter() - start) / seconds,
    }


# --- the way in -----------------------------------------------------------------------------------


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        app.cli(prog="omni", description=__doc__, args=args, config=(FlagCreatePairsOff,))
    except BrokenPipeError:  # who read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _note("omni: stopped")
        return 130
    except ModuleNotFoundError as error:
        if not error.name or error.name.split(".")[0] in ("model", "workbench", "widgets"):
            raise
        extra = {"panel": "lab", "gradio": "app"}.get(error.name, "dev")
        _note(
            f"omni: this command needs {error.name}, which `pip install -e '.[{extra}]'` installs"
        )
        return 2
    except (ValueError, OSError) as error:
        if os.environ.get("OMNI_TRACEBACK"):
            raise
        _note("omni: " + shorten(str(error), 500))
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminated(*_) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: what was begun is tidied up."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
