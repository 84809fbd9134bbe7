"""One streaming turn: read, think, speak, render. Nothing runs until somebody wants a chunk.

    list[Message] --read--> Prompt --think--> Word, Word, ... --speak(pace)--> Frame, Frame, ...
                                                              --render--> Chunk, Chunk, ...

Every step is a lazy generator that pulls from the one before: the Talker takes a word only when its
pace asks for one, so the order of calls *is* the latency. `State` travels beside as a value that
can be forked at any moment. Closing the generator stops the turn; what was said stays in the state.

    omni = Omni.load("micro")
    for chunk in answer(omni, [Message.of("user", load_audio("question.wav"))]):
        play(chunk.audio); print(chunk.text, end="")

Letters: K codebooks, S samples at 24 kHz, D width, T tokens.
Left out: batching several conversations (each has its own State).
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from model.aria import Aria, Audit, Learned, Pace, Standing
from model.data.describe import tempo
from model.form import Form, choose
from model.layers.stack import StackPast
from model.omni import Omni, Prompt
from model.sampling import Sampling
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.speech.codec import RATE
from model.speech.colour import colour, tint

PIECE = 1024  # prompt tokens taken at once: a long prompt in pieces equals the prompt at once
LONGEST = 256  # text tokens of one answer
BREATH = 48  # text tokens after which a sentence without an end is spoken in two
LATEST = (2, 25)  # times the frames to expect, and so many more: there speech is cut off
GREEDY = Sampling()
SAMPLE = (2, 10)  # seconds of somebody's voice: at least, at most
QUIET = 0.003  # peak of a recording without speech
LEVEL = 0.05  # root mean square of speech as the Talker knows it


@dataclass(frozen=True)
class Word:
    """A text token of the answer."""

    token: int
    text: str  # what it adds to the text; "" while a character is incomplete
    hidden: Tensor | None = None  # f[D], the Thinker state it was chosen from


@dataclass(frozen=True)
class Frame:
    """80 ms of speech, still as codes."""

    codes: Tensor  # i64[K]
    text_index: int  # text tokens taken before this frame was spoken


@dataclass(frozen=True)
class Chunk:
    """What reaches the listener: a piece of text, or of sound."""

    audio: np.ndarray  # f32[S] at 24 kHz, may be empty
    text: str = ""


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how: the Talker's own system prompt.

    `name` is a trained voice ("heart"), with words of manner if you like ("heart, fast, loud"), or
    a description ("a man with a deep voice, speaking slowly"). `codes` are frames of somebody's own
    speech (`imitated`); beside them `name` holds a manner or nothing, and `colour` is the filter
    that gives the sound what such codes do not hold (speech/colour.py).
    """

    name: str = "heart"
    codes: Tensor | None = None  # i64[frames, K]
    colour: Tensor | None = None  # f32[taps]

    @property
    def tempo(self) -> float:
        """How many times the usual frames its words take, as far as the name says."""
        return tempo(self.name)


@dataclass
class State:
    """All that a conversation remembers. `fork()` is free: pasts are values and are shared."""

    thinker: StackPast | None = None
    place: int = 0  # of the Thinker's next token
    context: Prompt | None = None  # the user's turn, for the Talker to hear
    middle: Tensor | None = None  # f[T, D], the Thinker's states of that turn
    wave: object | None = None  # the renderer's past in the current sentence
    said: str = ""  # text of the current answer so far
    audits: list[Audit] = field(default_factory=list)  # one per spoken sentence

    def fork(self) -> "State":
        """An independent copy of this moment; nothing is copied until one of them goes on."""
        return replace(self, audits=list(self.audits))


@torch.inference_mode()
def think(
    omni: Omni, prompt: Prompt, state: State, how: Sampling = GREEDY,
    generator: torch.Generator | None = None, most: int = LONGEST, given: Sequence[int] = (),
) -> Iterator[Word]:  # fmt: skip
    """Read the prompt, then write the answer token by token, until it ends or `most` are there. It
    begins with the tokens `given`, if any; those are not chosen. One that begins as JSON is JSON
    (form.py)."""
    thinker, specials = omni.thinker, omni.tokenizer
    hidden, written, form = take_in(omni, prompt, state), 0, Form()
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while written < most:
            if written < len(given):
                token = given[written]
            else:
                logits, left = thinker.logits(hidden), most - written
                token = choose(logits, form, omni.tokenizer, left, how, generator)
            if token in (specials.im_end, specials.endoftext):
                break
            text = "" if token in specials.specials else utf8.decode(specials.piece(token))
            form = form.after(specials.piece(token)) or Form("free")  # given ones may be anything
            state.said += text
            written += 1
            yield Word(token, text, hidden)
            hidden = _append(omni, state, [token])
    finally:  # also when the listener interrupts: the history ends this turn properly
        _append(omni, state, [specials.im_end])


def take_in(omni: Omni, prompt: Prompt, state: State) -> Tensor:
    """Let the Thinker read a prompt, piece by piece; the state f[D] its answer begins from."""
    middle = []
    for start in range(0, prompt.embeds.shape[1], PIECE):
        part = slice(start, start + PIECE)
        thought, state.thinker = omni.thinker(
            prompt.embeds[:, part], prompt.places[..., part], state.thinker
        )
        middle.append(thought.middle[0])
    state.context, state.middle, state.place = prompt, torch.cat(middle), prompt.end
    return thought.hidden[0, -1]


def _append(omni: Omni, state: State, tokens: Sequence[int]) -> Tensor:
    """Let the Thinker read text tokens at the next places; the state of the last one."""
    ids = torch.tensor([tokens])
    places = torch.arange(state.place, state.place + len(tokens)).expand(3, 1, -1)
    thought, state.thinker = omni.thinker(omni.thinker.embed(ids), places, state.thinker)
    state.place += len(tokens)
    return thought.hidden[0, -1]


@torch.inference_mode()
def speak(
    omni: Omni, words: Iterator[Word], state: State, voice: Voice, pace: Pace,
    how: Sampling = GREEDY, generator: torch.Generator | None = None,
) -> Iterator[Word | Frame]:  # fmt: skip
    """Say words as they come; words pass through when they are taken, before they are heard, with
    the token that was taken. A sentence is a stream of its own for the Talker, and so it is for the
    renderer: the first codes of a stream mean a sound after silence."""
    for sentence in sentences(words):
        state.wave = None
        yield from _utter(omni, sentence, state, voice, pace, how, generator)


def _utter(omni, words, state, voice, pace, how, generator) -> Iterator[Word | Frame]:
    talker, marks = omni.talker, omni.tokenizer
    heard, spoken, expected = 0, 0, 0.0
    path: list[bool] = []
    hidden, past = None, None
    asks = isinstance(pace, Learned)
    pending, ended = True, False
    try:
        while True:
            taken = []
            wish = asks and hidden is not None and talker.wish(hidden)
            while pending and pace.wants_word(Standing(heard, spoken, expected, wish)):
                word = next(words, None)
                if word is None and not heard:
                    return  # nothing to say
                pending = word is not None
                if word and not heard:
                    word = replace(word, token=first(omni, word.token))
                taken.append(word.token if word else marks.tts_text_eod)
                heard = heard + 1
                expected += omni.frames_of(taken[-1]) * voice.tempo
                path.append(True)
                if word:
                    yield word
                if wish:
                    break  # look at the Talker's state again before another word
            if taken:
                x = talker.words(torch.tensor([taken]))
                if past is None:
                    x = torch.cat((opening(omni, state, voice), x), dim=1)
                out, past = talker(x, None, past)
                hidden = out[0, -1]
            codes = talker.frame(hidden, how, not pending, generator)
            ended = codes is None
            if ended or (not pending and spoken > LATEST[0] * expected + LATEST[1]):
                return
            spoken += 1
            path.append(False)
            yield Frame(codes, heard)
            out, past = talker(talker.embed_frames(codes)[None, None], None, past)
            hidden = out[0, -1]
    finally:
        if path:
            state.audits.append(Audit(tuple(path), expected, ended))


def first(omni: Omni, token: int) -> int:
    """The token as it stands at the beginning of a text, without the space between sentences: the
    Talker learns one sentence at a time."""
    piece = omni.tokenizer.piece(token)
    bare = omni.tokenizer.encode(piece[1:].decode("utf-8", "replace"))
    return bare[0] if piece.startswith(b" ") and len(bare) == 1 else token


def opening(omni: Omni, state: State, voice: Voice) -> Tensor:
    """What the Talker hears before the first word: who it is, and the user's turn. f[1, T, D]."""
    talker, marks = omni.talker, omni.tokenizer

    def words(*ids: int) -> Tensor:
        return talker.words(torch.tensor(ids, dtype=torch.long))

    parts = [words(marks.im_start, *marks.encode(voice.name))]
    if voice.codes is not None:
        parts.append(talker.embed_frames(voice.codes))
    parts.append(words(marks.im_end))
    if state.context is not None:
        ids, senses = state.context.ids, state.context.senses  # [T], bool[T]
        heard = talker.words(ids)
        heard[senses] = talker.listen(state.middle[senses])
        parts.append(heard)
    parts.append(words(marks.tts_text_bos))
    return torch.cat(parts)[None]


def sample(audio: Audio) -> Tensor:
    """What is taken of a recording of a voice: the first 10 seconds at a usual level, f32[S] at
    24 kHz; 2 s are the least, 3 to 10 good."""
    if audio.seconds < SAMPLE[0]:
        raise ValueError(f"{audio.seconds:.1f} s of a voice, expected {SAMPLE[0]} to {SAMPLE[1]} s")
    wave = torch.from_numpy(audio.at(RATE).samples[: SAMPLE[1] * RATE].copy())
    loudness, peak = float(wave.square().mean().sqrt()), float(wave.abs().max())
    if peak < QUIET:
        raise ValueError("the recording of the voice is silent")
    return wave * min(LEVEL / loudness, 0.99 / peak)


@torch.no_grad()
def imitated(omni: Omni, audio: Audio, manner: str = "") -> Voice:
    """A voice like the one that is heard in a recording; `manner` may add "fast, loud"."""
    wave = sample(audio)
    codes = omni.codec.encode(wave[None])
    return Voice(manner, codes[0].T, colour(wave, omni.codec.decode(codes)[0, : len(wave)]))


@torch.inference_mode()
def render(
    omni: Omni, stream: Iterator[Word | Frame], state: State, taps: Tensor | None = None
) -> Iterator[Chunk]:
    """Codes to sound, frame by frame, in the colour of a voice, if it has one; words go by as
    text."""
    silent, before = np.zeros(0, np.float32), None
    for item in stream:
        if isinstance(item, Word):
            yield Chunk(silent, item.text)
        else:
            wave, state.wave = omni.code2wav(item.codes[None, :, None], state.wave)
            if taps is not None:
                wave, before = tint(wave, taps, before)
            yield Chunk(wave[0].detach().float().numpy())


def answer(
    omni: Omni, messages: Sequence[Message], state: State | None = None, voice: Voice | None = None,
    pace: Pace | None = None, how: Sampling = GREEDY, speech: Sampling = GREEDY, seed: int = 0,
    clock: Clock | None = None, aloud: bool = True, most: int = LONGEST,
) -> Iterator[Chunk]:  # fmt: skip
    """Answer as soon as there is something to read or hear, in at most `most` text tokens. Messages
    go on where `state` is."""
    state = State() if state is None else state
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        prompt = omni.read(messages, clock or Clock(), state.place)
    state.said = ""
    words = think(omni, prompt, state, how, generator, most)
    yield from _voiced(omni, words, state, voice, pace, speech, generator, aloud)


def say(
    omni: Omni, text: str, voice: Voice | None = None, pace: Pace | None = None,
    how: Sampling = GREEDY, seed: int = 0, state: State | None = None,
) -> Iterator[Chunk]:  # fmt: skip
    """Read a text aloud, sentence by sentence."""
    words = spelled(omni, text)
    state = State() if state is None else state
    generator = torch.Generator().manual_seed(seed)
    yield from _voiced(omni, words, state, voice, pace, how, generator, True)


def spelled(omni: Omni, text: str) -> Iterator[Word]:
    """The words of a text that is read aloud."""
    ids = omni.tokenizer.encode(" ".join(text.split()))
    if not ids:
        raise ValueError("there is no text to say")
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    return (Word(i, utf8.decode(omni.tokenizer.piece(i))) for i in ids)


def _voiced(omni, words, state, voice, pace, how, generator, aloud) -> Iterator[Chunk]:
    voice, stream = voice or Voice(), words
    if aloud:
        stream = speak(omni, words, state, voice, pace or Aria(), how, generator)
    try:
        yield from render(omni, stream, state, voice.colour)
    finally:
        words.close()


class _Sentences:
    """Words cut into sentences without looking ahead: the cut is found when a word is asked for."""

    def __init__(self, words: Iterator[Word]):
        self.words, self.held, self.over = words, None, False

    def sentence(self) -> Iterator[Word]:
        count, full_stop = 0, False
        while True:
            word = self.held or next(self.words, None)
            self.held = None
            if word is None:
                self.over = True
                return
            if word.text[:1].isspace() and (full_stop or count >= BREATH):
                self.held = word
                return
            count += 1
            yield word
            full_stop = word.text.rstrip()[-1:] in (".", "?", "!") if word.text else full_stop


def sentences(words: Iterator[Word]) -> Iterator[Iterator[Word]]:
    cut = _Sentences(words)
    while not cut.over:
        yield cut.sentence()
