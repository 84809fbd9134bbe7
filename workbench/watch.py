"""Follow a turn as it streams: who reads and writes what, in which order, and when.

    watch = Watch(omni)
    with ExitStack() as taps:
        watch.listen(taps)
        chunks = list(watch.turn(inputs, Clock()))

The turn is made of the model's own generators; what passes from one to the next is noted, and a few
named parts are listened to. What enters a stage's stream is known from what was embedded for it.
This is the ground on which tapes record (tapes.py); record.py makes a Run of both.

Letters: T tokens, F frames, W words. Left out: batches, and the Thinker's own speculation on turns.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.omni import Omni, Prompt
from model.sampling import Sampling
from model.senses.prompt import Clock, Modality
from model.speech.codec import RATE
from model.speech.encoder import FRAME
from model.turn import Chunk, Frame, State, Voice, Word, render, speak, spelled, think
from workbench.probe import listen
from workbench.run import PHASES, SPEECH, Inputs, Tokens

SECONDS = FRAME / RATE  # of a frame
PROMPT, ANSWER = PHASES.index("prompt"), PHASES.index("answer")
NONE = (np.nan, np.nan)


class Position(NamedTuple):
    """One token of a stage; the columns of `Tokens`."""

    id: int
    modality: int
    phase: int
    time: tuple[float, float] = NONE
    part: int = -1
    sentence: int = -1


class Unit(NamedTuple):
    """One step of the emission; the columns of `Units`."""

    kind: str
    token: int
    text: int
    frame: int
    sentence: int
    emitted: int  # nanoseconds


@dataclass
class Watch:
    omni: Omni
    prompt: Prompt | None = None
    state: State = field(default_factory=State)
    marks: dict[str, int] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)  # as they were written, or read aloud
    frames: list[Tensor] = field(default_factory=list)  # codes i64[B]
    units: list[Unit] = field(default_factory=list)
    given: int = 0  # words that the listener has
    said: str = ""  # the text of these words
    audio: list[np.ndarray] = field(default_factory=list)
    written: list[int] = field(default_factory=list)  # what the Thinker read after the prompt
    places: list[Tensor] = field(default_factory=list)  # i64[3, T] of the Thinker, call by call
    stream: list[Position] = field(default_factory=list)  # the Talker's, of all sentences
    base: int = 0  # where the Talker's current stream begins in `stream`
    heard: list[tuple[int, int]] = field(default_factory=list)  # in it: (key, word) of each word
    on_word: list[Callable[[Word], None]] = field(default_factory=list)
    on_frame: list[Callable[[Frame], None]] = field(default_factory=list)
    played: dict[int, float] = field(default_factory=dict)  # ns, by frame, where a player told
    speak = staticmethod(speak)
    _said: int = 0  # words in `stream`
    _passing: int = -1  # token of the word that the listener gets next
    _begin: int = 0
    _entering: list[tuple[str, list[int]]] = field(default_factory=list)

    def now(self) -> int:
        """Nanoseconds since the turn began."""
        return perf_counter_ns() - self._begin

    def mark(self, name: str) -> None:
        """Note when something was there for the first time."""
        self.marks.setdefault(name, self.now())

    # --- the turn ---------------------------------------------------------------------------------

    def turn(self, inputs: Inputs, clock: Clock) -> Iterator[Chunk]:
        """The turn that `model.turn.answer` (or `say`) would give for the same inputs."""
        self._begin = perf_counter_ns()
        generator = torch.Generator().manual_seed(inputs.seed)
        words = self._noted(self._words(inputs, clock, generator))
        try:
            stream = self._spoken(words, inputs, generator) if inputs.speak else words
            for chunk in render(self.omni, stream, self.state, speaker(inputs).colour):
                self._emit(chunk)
                yield chunk
        finally:
            words.close()
            self.mark("end")

    def _words(self, inputs: Inputs, clock: Clock, generator: torch.Generator) -> Iterator[Word]:
        """The words to say: of the answer, or of a text that is read aloud."""
        omni = self.omni
        if inputs.aloud:
            yield from spelled(omni, inputs.aloud)
            return
        how = Sampling(inputs.temperature, inputs.top_k, inputs.top_p)
        self.prompt = omni.read(list(inputs.messages), clock)
        self.mark("prompt")
        yield from think(
            omni, self.prompt, self.state, how, generator, inputs.most, given=inputs.words
        )

    def _noted(self, words: Iterator[Word]) -> Iterator[Word]:
        try:
            for word in words:
                self.mark("first word")
                self.words.append(word)
                self._passing = word.token
                for tell in self.on_word:
                    tell(word)
                yield word
        finally:
            words.close()

    def _spoken(
        self, words: Iterator[Word], inputs: Inputs, generator: torch.Generator
    ) -> Iterator[Word | Frame]:
        how = Sampling(inputs.speech_temperature, inputs.top_k, inputs.top_p)
        for item in self.speak(
            self.omni, words, self.state, speaker(inputs), inputs.pace, how, generator
        ):
            if isinstance(item, Frame):
                self.mark("first frame")
                self.frames.append(item.codes)
                for tell in self.on_frame:
                    tell(item)
            else:
                self._passing = item.token  # as the Talker took it
            yield item

    def _emit(self, chunk: Chunk) -> None:
        """What the listener gets: the next word, or the last frame spoken."""
        self.said += chunk.text
        sentence = len(self.state.audits)
        if len(chunk.audio):
            self.mark("first audio")
            self.audio.append(chunk.audio)
            unit = Unit("speech", -1, -1, len(self.audio) - 1, sentence, self.now())
        else:
            word, self.given = self.given, self.given + 1
            unit = Unit("text", self._passing, word, -1, sentence, self.now())
        self.units.append(unit)

    # --- what the stages read ---------------------------------------------------------------------

    def listen(self, taps: ExitStack) -> None:
        for path, hear in {
            "thinker.embed": self._thinker_reads,
            "thinker": self._thinker_thinks,
            "talker.words": self._talker_hears,
            "talker.codes": self._talker_speaks,
            "talker": self._talker_goes_on,
        }.items():
            taps.enter_context(listen(self.omni, path, before=hear))

    def _thinker_reads(self, _name, _part, inputs) -> None:
        if inputs[0].dim() == 2:  # [1, T]: the answer; a prompt is embedded as [T]
            self.written += inputs[0][0].tolist()

    def _thinker_thinks(self, _name, _part, inputs) -> None:
        self.places.append(inputs[1][:, 0])

    def _talker_hears(self, _name, _part, inputs) -> None:
        if inputs[0].dim() == 1:
            self._entering.append(("prompt", inputs[0].tolist()))
        elif inputs[0].dim() == 2:  # single ids are asked about, they don't enter the stream
            ids = inputs[0][0].tolist()
            self._entering.append(("words", ids))
            if ids[-1] == self.omni.tokenizer.tts_text_eod:
                sentence = len(self.state.audits)
                self.units.append(Unit("control", ids[-1], -1, -1, sentence, self.now()))

    def _talker_speaks(self, _name, _part, inputs) -> None:
        frames = inputs[0].dim()  # [F]: speech of the voice to imitate; []: a frame just spoken
        self._entering.append(("voice", [-1] * len(inputs[0])) if frames else ("frame", [-1]))

    def _talker_goes_on(self, _name, _part, inputs) -> None:
        x, _places, past = inputs
        before = len(self.stream)
        if past is None:
            self.base, self.heard = before, []
        for what, ids in self._entering:
            getattr(self, f"_enter_{what}")(ids, len(self.state.audits))
        self._entering = []
        if len(self.stream) - before != x.shape[1]:
            raise RuntimeError("the Talker's stream holds what a recording does not know of")

    def _enter_prompt(self, ids: list[int], sentence: int) -> None:
        if self.prompt is None or ids != self.prompt.ids.tolist():
            kind = int(Modality.CONTROL)
            self.stream += [Position(i, kind, PROMPT, sentence=sentence) for i in ids]
        else:
            self.stream += context(self.prompt, sentence)

    def _enter_voice(self, ids: list[int], sentence: int) -> None:
        self.stream += [Position(i, SPEECH, PROMPT, sentence=sentence) for i in ids]

    def _enter_words(self, ids: list[int], sentence: int) -> None:
        for id in ids:
            ends = id == self.omni.tokenizer.tts_text_eod
            if not ends:
                self.heard.append((len(self.stream) - self.base, self._said))
                self._said += 1
            kind = Modality.CONTROL if ends else Modality.TEXT
            self.stream.append(Position(id, int(kind), ANSWER, sentence=sentence))

    def _enter_frame(self, ids: list[int], sentence: int) -> None:
        start = (len(self.frames) - 1) * SECONDS
        time = (start, start + SECONDS)
        self.stream.append(Position(-1, SPEECH, ANSWER, time, sentence=sentence))

    # --- the tables -------------------------------------------------------------------------------

    def thinker(self) -> Tokens:
        """What the Thinker read, as a table."""
        rows = context(self.prompt, -1, sensed=True) if self.prompt and self.places else []
        for id in self.written:
            special = id in self.omni.tokenizer.specials
            kind = Modality.CONTROL if special else Modality.TEXT
            rows.append(Position(id, int(kind), ANSWER))
        places = torch.cat(self.places, dim=1) if self.places else torch.zeros(3, 0)
        return table(rows, places.T.numpy())

    def talker(self) -> Tokens:
        """What entered the Talker's streams, sentence by sentence, as a table."""
        sentences = np.array([row.sentence for row in self.stream], np.int64)
        starts = np.searchsorted(sentences, sentences)  # where each one's stream begins
        running = np.arange(len(sentences)) - starts
        return table(self.stream, np.stack([running] * 3, axis=1))


def speaker(inputs: Inputs) -> Voice:
    """Who is to speak, as the Talker is told."""
    codes, taps = inputs.voice_codes, inputs.voice_colour
    return Voice(
        inputs.voice,
        None if codes is None else torch.from_numpy(codes).long(),
        None if taps is None else torch.from_numpy(taps),
    )


def context(prompt: Prompt, sentence: int, sensed: bool = False) -> list[Position]:
    """A prompt's positions; with `sensed`, the pads that stand where a sense speaks have ids."""
    spans = prompt.spans
    ids = prompt.ids if sensed else prompt.ids.masked_fill(prompt.senses, -1)
    columns = (ids.tolist(), spans.modality.tolist(), spans.time.tolist(), spans.part.tolist())
    return [
        Position(id, kind, PROMPT, tuple(time), part, sentence)
        for id, kind, time, part in zip(*columns, strict=True)
    ]


def table(rows: list[Position], places: np.ndarray) -> Tokens:
    def column(name: str, dtype: type) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows], dtype)

    return Tokens(
        id=column("id", np.int32),
        modality=column("modality", np.uint8),
        phase=column("phase", np.uint8),
        time=column("time", np.float32).reshape(-1, 2),
        part=column("part", np.int16),
        sentence=column("sentence", np.int16),
        place=places.astype(np.int32).reshape(-1, 3),
    )
