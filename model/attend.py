"""Whose turn is it? The microphone in, events out: answer now, stop talking, never mind.

    samples -> one Moment every 160 ms: what the other side does, with probabilities -> Events

`Native` asks the model itself: the ear hears the chunk that is still open again with every token,
the Thinker reads the newest token, its head for turns (thinker.py) names what the other side does.
Ear and Thinker begin anew every eight seconds, the head alone remembers beyond, so hours of
listening cost no memory. `Silero` is the baseline: a detector of voices, and silence that lasts.
Both have the same two methods, and a state that is a value: cut the sound anywhere, the events are
the same.

    listener = Native(omni)                    # or Silero()
    state = listener.begin()
    events, state = listener.hear(samples, state, talking=False)   # f32 at 16 kHz, any number

    Event("turn", time, audio)        the other side has finished: answer `audio`
    Event("interrupt", time)          it wants to speak while the assistant talks: stop
    Event("backchannel", time)        it only said "mm-hm" while the assistant talks: go on

The assistant's own voice is not in the microphone (headphones, or the browser's echo cancelling);
`talking` says whether it speaks while these samples are heard. After "interrupt" the turn that
began with it comes as a "turn" when it is over. `state.open`: is a turn being heard now?

Left out: echo cancelling; several people who take turns with the assistant; answering before the
turn is over.

Letters: S samples, F mel frames, N tokens, D width.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from model.layers.mel import HEARING, LogMel
from model.layers.stack import StackPast
from model.omni import Omni
from model.senses.audio import AuTPast
from model.senses.message import Audio
from model.senses.prompt import RATE, TICK
from model.thinker import TURNS

TOKEN = round(TICK * RATE)  # samples of a token
FRAMES = 16  # mel frames of a token
WINDOW = 50  # tokens after which ear and Thinker begin anew: 8 s
LEAD = 0.48  # seconds kept from before a turn was noticed
LEAST = 0.3  # seconds: a shorter voice after which nobody seems done is none
LONGEST = 60.0  # seconds: a turn as long as this is over
IDLE, SPEAKING, BACKCHANNEL, INTERRUPT, DONE = range(len(TURNS))

Samples = Float32[np.ndarray, " samples"]
Heard = np.ndarray  # f32[S] of a caller, at 16 kHz: checked by `_check`, which tells what is wrong
Kind = Literal["turn", "interrupt", "backchannel"]


@dataclass(frozen=True, eq=False)
class Event:
    """Something to act on. `time`: seconds since listening began, when it was known."""

    kind: Kind
    time: float
    audio: Audio | None = None  # "turn": what was said, at 16 kHz; `audio.start` is when


class Moment(NamedTuple):
    """What the other side was doing in the 160 ms (Silero: 32 ms) that end at `time`."""

    time: float  # seconds since listening began
    state: str  # of TURNS, the likeliest
    probabilities: np.ndarray  # f32[5], of TURNS
    sound: np.ndarray  # f32[S], what was heard in it
    talking: bool  # did the assistant talk?


class Floor(NamedTuple):
    """Who has it: what the rules remember."""

    sound: tuple[np.ndarray, ...] = ()  # of the turn so far, or the last moments before one
    open: bool = False  # a turn is being heard
    voiced: float = 0.0  # seconds of voice in it; while closed: of a voice beside the assistant's
    quiet: float = 0.0  # seconds of silence since
    last: np.ndarray | None = None  # f32[5], the probabilities before
    urge: float = 0.0  # moments that spoke for an interruption, less those that spoke against one


class State(NamedTuple):
    """All that a listener remembers; a value, never changed."""

    floor: Floor
    heard: int  # samples that have become moments
    samples: np.ndarray  # f32[S], not yet a moment
    past: "Past | Vad | None"

    @property
    def open(self) -> bool:
        """Is a turn of the other side being heard?"""
        return self.floor.open


class Listener(Protocol):
    def begin(self) -> State: ...

    def hear(
        self, samples: Heard, state: State, talking: bool, rate: int = RATE
    ) -> tuple[tuple[Event, ...], State]: ...


class _Listener:
    """What both have in common: sound is cut into moments, and the rule is asked at each."""

    step: int  # samples of a moment

    def begin(self) -> State:
        return State(Floor(), 0, np.zeros(0, np.float32), None)

    def follow(
        self, samples: Heard, state: State, talking: bool, rate: int = RATE
    ) -> tuple[tuple[Moment, ...], State]:
        """What the other side does in what comes next of the microphone. A moment that began in an
        earlier piece is complete now, and gets this piece's `talking`."""
        _check(samples, rate)
        waiting = np.concatenate([state.samples, samples])
        count = len(waiting) // self.step
        moments, past = [], state.past
        for sound in waiting[: count * self.step].reshape(count, self.step):
            probabilities, past = self.listen(sound, past, talking)
            time = (state.heard + (len(moments) + 1) * self.step) / RATE
            named = TURNS[int(probabilities.argmax())]
            moments.append(Moment(time, named, probabilities, sound, talking))
        rest = waiting[count * self.step :].copy()
        return tuple(moments), State(state.floor, state.heard + count * self.step, rest, past)

    def hear(
        self, samples: Heard, state: State, talking: bool, rate: int = RATE
    ) -> tuple[tuple[Event, ...], State]:
        """Events in what comes next of the microphone; `talking`: does the assistant talk now?"""
        moments, state = self.follow(samples, state, talking, rate)
        events, floor = [], state.floor
        for moment in moments:
            event, floor = self.judge(moment, floor)
            events += [event] if event else []
        return tuple(events), state._replace(floor=floor)

    def judge(self, moment: Moment, floor: Floor) -> tuple[Event | None, Floor]:
        """What follows from one more moment."""
        seconds = len(moment.sound) / RATE
        sound = (*floor.sound, moment.sound)
        if not floor.open:
            sound = sound[-round(LEAD / seconds) :]
        kind, floor = self.rule(moment, floor._replace(sound=sound), seconds)
        if floor.open and len(sound) * seconds >= LONGEST:
            kind = "turn"
        if kind != "turn":
            return (Event(kind, moment.time) if kind else None), floor
        start = moment.time - len(sound) * seconds
        return Event("turn", moment.time, Audio(np.concatenate(sound), RATE, start)), Floor()


def _check(samples: Heard, rate: int) -> None:
    if rate != RATE:
        raise ValueError(f"listening needs sound at {RATE} Hz, not at {rate} Hz: resample it first")
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        form = f"{samples.dtype}{list(samples.shape)}" if isinstance(samples, np.ndarray) else ""
        raise ValueError(
            f"samples must be a float32 array of one axis (mono), not {form or type(samples)}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("samples hold NaN or infinite values")


# --- the model itself -----------------------------------------------------------------------------


class Past(NamedTuple):
    """What ear, Thinker and head remember."""

    tokens: int  # in this window
    samples: Tensor  # f32[1, S], that the next mel frame still needs
    frames: Tensor  # f32[1, 128, F] of the chunk that is open
    ear: AuTPast | None
    thinker: StackPast
    place: int
    head: Tensor | None  # f32[1, 1, M]


class Native(_Listener):
    """The model decides. A turn is over at once when it sounds finished, and later when it does
    not.

    Args:
        omni: a model whose head for turns is trained
        over: probability that the turn is over, mean of two moments, from which it is
        barge: moments of a sure interruption, or more of a less sure one, until it is one
        opens: probability of somebody speaking, from which a turn begins
    """

    step = TOKEN

    def __init__(self, omni: Omni, over: float = 0.7, barge: float = 1.65, opens: float = 0.5):
        if not omni.thinker.turns.trained:
            raise ValueError(
                "this model's head for turns is not trained (`omni train turns`); Silero() listens"
                " without one"
            )
        self.omni, self.over, self.barge, self.opens = omni, over, barge, opens
        self.mel = LogMel(HEARING)
        self.opening = opening(omni)

    @torch.inference_mode()
    def listen(
        self, sound: Samples, past: Past | None, talking: bool
    ) -> tuple[Float32[np.ndarray, " turns"], Past]:
        """Probabilities of TURNS in the next 160 ms."""
        omni = self.omni
        past = past or Past(0, *self._silence(), None, *self.opening, None)
        if past.tokens == WINDOW:
            past = past._replace(tokens=0, ear=None, thinker=self.opening[0], place=self.opening[1])
        mel, kept = self.mel(torch.from_numpy(sound)[None], past.samples)
        mel = torch.cat([past.frames, mel], dim=2)
        heard, ear = omni.ear(mel, past.ear)
        place = torch.full((3, 1, 1), past.place)
        thought, thinker = omni.thinker(heard[:, -1:], place, past.thinker)
        logits, head = omni.thinker.turns(thought, torch.tensor([[talking]]), past.head)
        full = mel.shape[2] == omni.config.ear.chunk
        now = Past(past.tokens + 1, kept, mel[:, :, mel.shape[2] if full else 0 :],
                   ear if full else past.ear, thinker, past.place + 1, head)  # fmt: skip
        return logits[0, 0].softmax(-1).numpy(), now

    def _silence(self) -> tuple[Tensor, Tensor]:
        """Before the first sound."""
        mel, kept = self.mel(torch.zeros(1, 0))
        return kept, mel

    def rule(self, moment: Moment, floor: Floor, seconds: float) -> tuple[Kind | None, Floor]:
        p = moment.probabilities
        both = p if floor.last is None else (p + floor.last) / 2  # two moments decide, not one
        speaks = p[SPEAKING] + p[INTERRUPT] >= self.opens
        floor = floor._replace(last=p)
        if floor.open:
            floor = floor._replace(voiced=floor.voiced + seconds * bool(speaks))
            if both[DONE] + both[IDLE] < self.over:
                return None, floor
            if floor.voiced < LEAST and both[DONE] < both[IDLE]:
                return None, Floor()  # it was nothing
            return "turn", floor
        if not moment.talking:
            voiced = seconds if speaks else 0.0
            return None, floor._replace(open=bool(speaks), voiced=voiced, urge=0.0)
        urge = max(0.0, floor.urge + float(p[INTERRUPT] - p[BACKCHANNEL] - p[IDLE]))
        floor = floor._replace(urge=urge)
        if urge >= self.barge:
            return "interrupt", floor._replace(open=True, voiced=seconds, urge=0.0)
        if p[BACKCHANNEL] >= 0.5:
            return None, floor._replace(voiced=floor.voiced + seconds)
        if p[IDLE] < 0.5:
            return None, floor
        return ("backchannel" if floor.voiced else None), floor._replace(voiced=0.0)


@torch.inference_mode()
def opening(omni: Omni) -> tuple[StackPast, int]:
    """The Thinker where a sound of the user begins, and the place of the sound's first token."""
    ids = torch.tensor([opening_ids(omni)])
    _, past = omni.thinker(omni.thinker.embed(ids))
    return past, ids.shape[1]


def opening_ids(omni: Omni) -> list[int]:
    marks = omni.tokenizer
    return [marks.im_start, *marks.encode("user\n"), marks.audio_start]


# --- the baseline ---------------------------------------------------------------------------------


class Vad(NamedTuple):
    """What the detector of voices remembers."""

    state: np.ndarray  # f32[2, 1, 128]
    context: np.ndarray  # f32[1, 64], the last samples


class Silero(_Listener):
    """silero-vad says whether there is a voice; time does the rest.

    Args:
        patience: seconds of silence after which a turn is over
        barge: seconds of voice after which it is an interruption
        voice: probability from which there is a voice; it is gone 0.15 below
        least: seconds of voice; less (a cough, a door) is no turn
    """

    step = 512

    def __init__(
        self, patience: float = 0.5, barge: float = 0.3, voice: float = 0.5, least: float = 0.25
    ):
        import onnxruntime

        found = find_spec("silero_vad")
        if found is None:
            raise ValueError("this needs the package silero-vad: pip install 'omni-workbench[app]'")
        folder = Path(next(iter(found.submodule_search_locations)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(folder / "data" / "silero_vad_16k_op15.onnx")
        self.network = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self.patience, self.barge, self.voice, self.least = patience, barge, voice, least

    def listen(
        self, sound: Samples, past: Vad | None, talking: bool
    ) -> tuple[Float32[np.ndarray, " turns"], Vad]:
        """Probabilities of TURNS, of which it knows two."""
        past = past or Vad(np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32))
        feed = {"input": np.concatenate([past.context, sound[None]], axis=1), "state": past.state,
                "sr": np.array(RATE)}  # fmt: skip
        voice, state = self.network.run(None, feed)
        probabilities = np.zeros(len(TURNS), np.float32)
        probabilities[[IDLE, SPEAKING]] = 1 - voice[0, 0], voice[0, 0]
        return probabilities, Vad(state, sound[None, -64:].copy())

    def rule(self, moment: Moment, floor: Floor, seconds: float) -> tuple[Kind | None, Floor]:
        lately = floor.voiced > 0 and floor.quiet == 0
        here = moment.probabilities[SPEAKING] >= self.voice - (0.15 if lately else 0.0)
        if here:
            floor = floor._replace(voiced=floor.voiced + seconds, quiet=0.0)
        elif floor.voiced:
            floor = floor._replace(quiet=floor.quiet + seconds)
        if floor.open:
            if floor.quiet < self.patience:
                return None, floor
            return ("turn", floor) if floor.voiced >= self.least else (None, Floor())
        if here and not moment.talking:
            return None, floor._replace(open=True)
        if here and floor.voiced >= self.barge:
            return "interrupt", floor._replace(open=True)
        if floor.quiet >= 0.2:  # a short voice has ended
            short = floor._replace(voiced=0.0, quiet=0.0)
            return ("backchannel" if moment.talking else None), short
        return None, floor
