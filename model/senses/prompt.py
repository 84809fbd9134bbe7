"""A conversation laid out as one row of tokens: ids, places, and spans that say what each one is.

    <|im_start|>user\\n <|audio_start|> <|audio_pad|> x N <|audio_end|> text <|im_end|>\\n ...

`plan` knows the structure because it makes it; everything downstream (masks, positions, widgets,
records) reads `Plan.spans` and never guesses by scanning ids. Where a sense's embeddings go stand
pads, exactly as many as the encoder returns, in its order: `plan.slots(part, Modality.AUDIO)`.

Time. One audio token is one tick, 160 ms. Before every temporal patch of a video (two frames)
stands its time as text, "<1.5 seconds>", the mean of the frames' times; within audio such a text
stands every `Clock.interval` seconds. Sound and pictures of one video are ordered by tick, the
picture first on ties.

Places (TM-RoPE) are three numbers a token: time, row, column.
- Text: all three the same, one more than the largest place so far.
- An audio token: all three the same, one tick a place.
- A picture patch: time stands still, row and column count from it.
- Inside a video, time follows the clock: from one piece (patch or audio token) to the next it goes
  on by the ticks between them, at least one, plus the text tokens between them.
- What comes after a picture or a video starts at the largest place so far plus one.
- `Clock(compact=True)`: every piece of a video starts at the largest place so far plus one, as in
  the code of Qwen3.5; the clock then lives in the timestamps alone.

Left out: templates for reasoning, system prompts by default.

Shapes: T tokens.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import floor, nan

import torch
from jaxtyping import Float, Int16, Int64, UInt8
from torch import Tensor

from model.senses.message import (
    Audio,
    Image,
    Message,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from model.senses.tokenizer import Tokenizer

RATE = 16_000  # Hz, what the ear hears
TICK = 0.16  # seconds of one audio token, and of one temporal place
FRAME = 160  # samples of a mel frame; 16 frames are one token


class Modality(IntEnum):
    TEXT = 0
    AUDIO = 1
    IMAGE = 2
    VIDEO = 3
    TIMESTAMP = 4
    CONTROL = 5  # markers, role names, the line breaks of the chat format


@dataclass(frozen=True)
class Clock:
    """How time is told: seconds between timestamps inside audio (None: none), and the places."""

    interval: float | None = None
    compact: bool = False

    def __post_init__(self) -> None:
        if self.interval is not None and self.interval < TICK:
            raise ValueError(f"interval must be at least {TICK} s (one token), not {self.interval}")

    def tell(self, seconds: float) -> str:
        """How a moment is written in front of what was heard or seen then; "" says nothing."""
        return f"<{seconds:.1f} seconds>"


@dataclass(frozen=True)
class Spans:
    """What each token is."""

    modality: UInt8[Tensor, " tokens"]  # a Modality
    time: Float[Tensor, "tokens 2"]  # start and end in seconds, NaN where there is none
    part: Int16[Tensor, " tokens"]  # index into Plan.parts, -1 where there is none


@dataclass(frozen=True)
class Plan:
    ids: Int64[Tensor, " tokens"]
    places: Int64[Tensor, "3 tokens"]
    spans: Spans
    parts: tuple  # of Part, of all messages in order
    next: int  # the place of whatever comes next

    def __len__(self) -> int:
        return len(self.ids)

    def slots(self, part: int, modality: Modality) -> Int64[Tensor, " slots"]:
        """Where the embeddings of a part go, in the order its encoder returns them."""
        spans = self.spans
        return ((spans.part == part) & (spans.modality == modality)).nonzero()[:, 0]

    def then(self, later: "Plan") -> "Plan":
        """This plan and its continuation as one."""
        shifted = torch.where(later.spans.part < 0, -1, later.spans.part + len(self.parts))
        spans = Spans(
            torch.cat([self.spans.modality, later.spans.modality]),
            torch.cat([self.spans.time, later.spans.time]),
            torch.cat([self.spans.part, shifted.to(torch.int16)]),
        )
        ids = torch.cat([self.ids, later.ids])
        places = torch.cat([self.places, later.places], dim=1)
        return Plan(ids, places, spans, self.parts + later.parts, later.next)


def audio_tokens(samples: int) -> int:
    """Tokens that so many samples at 16 kHz become."""
    return -(-(samples // FRAME) // 16)


def no_eye(height: int, width: int) -> tuple[int, int]:
    raise ValueError("pictures need `look`, which says how many tokens they become (Vision.grid)")


NO_TIMESTAMPS = Clock()


def plan(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    clock: Clock = NO_TIMESTAMPS,
    *,
    start: int = 0,
    answer: bool = True,
    hear: Callable[[int], int] = audio_tokens,
    look: Callable[[int, int], tuple[int, int]] = no_eye,
) -> Plan:
    """Lay out messages.

    Args:
        messages: the turns, oldest first.
        clock: how time is told.
        start: first place; `Plan.next` of what came before, when a conversation goes on.
        answer: end with the opening of the assistant's turn.
        hear: tokens of so many samples at 16 kHz (`AuT.tokens`).
        look: rows and columns of tokens of a picture of height x width (`Vision.grid`).
    """
    row = _Row(tokenizer, clock, start, start, hear, look)
    for message in messages:
        row.message(message)
    if answer:
        row.open("assistant")
    return row.plan()


@dataclass
class _Row:
    """The row while it is being written."""

    tokenizer: Tokenizer
    clock: Clock
    next: int  # the next place in time
    top: int  # one more than the largest place on any axis
    hear: Callable[[int], int]
    look: Callable[[int, int], tuple[int, int]]
    ids: list[int] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    modality: list[int] = field(default_factory=list)
    time: list[tuple[float, float]] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def plan(self) -> Plan:
        spans = Spans(
            torch.tensor(self.modality, dtype=torch.uint8),
            torch.tensor(self.time, dtype=torch.float32).view(-1, 2),
            torch.tensor(self.part, dtype=torch.int16),
        )
        ids = torch.tensor(self.ids, dtype=torch.int64)
        places = torch.tensor(self.places, dtype=torch.int64).view(-1, 3).T.contiguous()
        return Plan(ids, places, spans, tuple(self.parts), self.next)

    def put(self, id: int, what: Modality, place: tuple[int, int, int], time=(nan, nan)) -> None:
        self.ids.append(id)
        self.modality.append(what)
        self.places.append(place)
        self.time.append(time)
        self.part.append(-1 if what == Modality.CONTROL else len(self.parts) - 1)
        self.next = max(self.next, 1 + place[0])
        self.top = max(self.top, 1 + max(place))

    def write(self, ids: list[int], what: Modality, time=(nan, nan)) -> None:
        """Text: one place after the other."""
        for id in ids:
            self.put(id, what, (self.next,) * 3, time)

    def mark(self, *ids: int) -> None:
        self.write(list(ids), Modality.CONTROL)

    def text(self, text: str) -> None:
        self.write(self.tokenizer.encode(text), Modality.TEXT)

    def stamp(self, seconds: float) -> None:
        ids = self.tokenizer.encode(self.clock.tell(seconds))
        self.write(ids, Modality.TIMESTAMP, (seconds, seconds))

    def open(self, role: str) -> None:
        """A turn begins on its own line, unless it is the first of all."""
        newline = self.tokenizer.encode("\n") if self.next > 0 else []
        self.mark(*newline, self.tokenizer.im_start, *self.tokenizer.encode(f"{role}\n"))

    def message(self, message: Message) -> None:
        self.open("user" if message.role == "tool" else message.role)
        for part in message.parts:
            self.parts.append(part)
            match part:
                case Text():
                    self.text(part.text)
                case Audio():
                    self.audio(part)
                case Image():
                    self.image(part)
                case Video():
                    self.video(part)
                case ToolCall():
                    call = {"name": part.name, "arguments": dict(part.arguments)}
                    self.tool("tool_call", json.dumps(call, ensure_ascii=False))
                case ToolResult():
                    self.tool("tool_response", part.content)
        self.mark(self.tokenizer.im_end)

    def tool(self, name: str, content: str) -> None:
        self.mark(getattr(self.tokenizer, name), *self.tokenizer.encode("\n"))
        self.text(content)
        self.mark(*self.tokenizer.encode("\n"), getattr(self.tokenizer, f"{name}_end"))

    def audio(self, audio: Audio) -> None:
        self.mark(self.tokenizer.audio_start)
        for index in range(self.heard(audio)):
            self.sound(audio, index)
        self.mark(self.tokenizer.audio_end)

    def heard(self, audio: Audio) -> int:
        return self.hear(-(-len(audio.samples) * RATE // audio.rate))

    def sound(self, audio: Audio, index: int) -> None:
        """A tick of sound; a timestamp before the first one of every interval."""
        begin = audio.start + index * TICK
        if self.clock.interval is not None:
            period = TICK / self.clock.interval
            if floor(index * period + 1e-6) > floor((index - 1) * period + 1e-6):
                self.stamp(begin)
        place = (self.next,) * 3
        self.put(self.tokenizer.audio_pad, Modality.AUDIO, place, (begin, begin + TICK))

    def image(self, image: Image) -> None:
        self.mark(self.tokenizer.vision_start)
        rows, columns = self.look(*image.pixels.shape[:2])
        self.grid(self.tokenizer.image_pad, Modality.IMAGE, rows, columns)
        self.next = self.top
        self.mark(self.tokenizer.vision_end)

    def grid(self, pad: int, what: Modality, rows: int, columns: int, time=(nan, nan)) -> None:
        place = self.next
        for row in range(rows):
            for column in range(columns):
                self.put(pad, what, (place, place + row, place + column), time)

    def video(self, video: Video) -> None:
        """Patches and sound in the order of their ticks; between two ticks, places are skipped."""
        tokenizer, audio = self.tokenizer, video.audio
        rows, columns = self.look(*video.frames.shape[1:3])
        times = video.times.tolist()
        pairs = [times[i : i + 2] for i in range(0, len(times), 2)]
        begin = min(times[0], audio.start) if audio else times[0]

        def tick(seconds: float) -> int:
            return floor((seconds - begin) / TICK + 1e-3)

        # (tick, order on ties, index)
        events = [(tick(sum(pair) / len(pair)), 0, i) for i, pair in enumerate(pairs)]
        if audio:
            first = tick(audio.start)
            events += [(first + i, 1, i) for i in range(self.heard(audio))]
        events.sort()
        before, speaking = events[0][0], False
        for now, sounding, index in events:
            if not self.clock.compact:
                self.next += max(0, now - before - 1)
            before = now
            if sounding:
                if not speaking:
                    self.mark(tokenizer.audio_start)
                self.sound(audio, index)
            else:
                if speaking:
                    self.mark(tokenizer.audio_end)
                pair = pairs[index]
                self.stamp(sum(pair) / len(pair))
                self.mark(tokenizer.vision_start)
                self.grid(tokenizer.video_pad, Modality.VIDEO, rows, columns, (pair[0], pair[-1]))
                if self.clock.compact:
                    self.next = self.top
                self.mark(tokenizer.vision_end)
            speaking = bool(sounding)
        if speaking:
            self.mark(tokenizer.audio_end)
        self.next = self.top
