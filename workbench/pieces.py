"""What was given to the model, in pieces that are there or not, and how it then reads the question.

    segments = AudioSegments(audio, cut="pauses", absent="silence")
    segments.values, segments.samples([True, False, True])       # names; the sound without one
    pieces = pieces_of(Question(omni, inputs, clock), "audio", cut=0.2, absent="silence")
    prompts = pieces.read([pieces.input.to_model_input(row)])    # what the Thinker would read

The pieces are `InterpretableInput`s of Captum: its own for pictures and texts, and one of ours for
sound. "Absent" is never neutral, so it is always one of a few words and told in full (`TOLD`).

| over | pieces: `cut` | `absent` |
|---|---|---|
| audio | seconds of equal pieces, "pauses", or inner edges in seconds | silence, noise, mean |
| image | (rows, columns) of a grid, or numbers of pieces, i[H, W] | mean, grey, black |
| text | "words" or "tokens" | removed |
| timestamps | each tag | untold |

Letters: N pieces, B inputs at once, T tokens, D width, S samples, F mel frames, H W pixels.
Left out: pieces of a film's pictures, several parts at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from captum.attr import ImageMaskInput, InterpretableInput, TextTemplateInput
from jaxtyping import Float32
from PIL import Image as Pillow
from scipy.ndimage import distance_transform_edt, uniform_filter1d
from scipy.signal import find_peaks
from torch import Tensor

from model.layers.mel import log_mel_16k
from model.omni import Omni, Prompt
from model.senses.message import Audio, Image, Message, Text, Video
from model.senses.prompt import RATE, Clock, Modality, plan
from workbench.run import Inputs

TOLD = {
    "audio": {
        "silence": "replaced by silence",
        "noise": "replaced by noise as loud",
        "mean": "replaced by the mean mel frame",
    },
    "image": {
        "mean": "painted in the mean colour",
        "grey": "painted grey",
        "black": "painted black",
    },
    "text": {"removed": "removed"},
    "timestamps": {"untold": "untold"},
}
FADE = 0.005  # seconds over which a piece of sound fades where its neighbour is there
DIP, SHORTEST = 9.0, 0.08  # dB by which a pause lies below what surrounds it; seconds of a piece


class Question:
    """What the model was asked, ready to be asked in other words."""

    def __init__(self, omni: Omni, inputs: Inputs, clock: Clock):
        self.omni, self.messages, self.clock, self.inputs = omni, inputs.messages, clock, inputs
        self.parts = [part for message in self.messages for part in message.parts]
        self.asked = omni.read(list(self.messages), clock)
        spans = self.asked.spans
        pairs = torch.stack([spans.part.long(), spans.modality.long()], 1)[self.asked.senses]
        self.sensed = {
            (int(p), Modality(int(m))): self.asked.embeds[0][
                (spans.part == p) & (spans.modality == m)
            ]
            for p, m in pairs.unique(dim=0)
        }

    def prompt(
        self,
        messages: Sequence[Message] | None = None,
        clock: Clock | None = None,
        sensed: Mapping[tuple[int, Modality], Tensor] | None = None,
    ) -> Prompt:
        """The prompt with other messages, another clock, or other states of a sense, f[n, D]."""
        omni = self.omni
        laid = plan(
            self.messages if messages is None else messages, omni.tokenizer, clock or self.clock,
            hear=omni.ear.tokens, look=omni.eye.grid,
        )  # fmt: skip
        embeds = omni.thinker.embed(laid.ids)
        senses = torch.zeros(len(laid), dtype=torch.bool)
        for (part, modality), states in {**self.sensed, **(sensed or {})}.items():
            slots = laid.slots(part, modality)
            embeds[slots] = states.to(embeds.dtype)
            senses[slots] = True
        return Prompt(embeds[None], laid.places[:, None], laid.ids, senses, laid.spans, laid.next)

    def with_part(self, index: int, part: Any) -> list[Message]:
        """The messages with one part exchanged."""
        out, at = [], 0
        for message in self.messages:
            parts = list(message.parts)
            if at <= index < at + len(parts):
                parts[index - at] = part
            at += len(parts)
            out.append(Message(message.role, tuple(parts)))
        return out

    def rows(self, part: int, modality: Modality) -> np.ndarray:
        """Positions of the prompt that a part became."""
        spans = self.asked.spans
        return ((spans.part == part) & (spans.modality == modality)).nonzero()[:, 0].numpy()


@dataclass(frozen=True)
class Pieces:
    """Something that can be taken away in pieces, and how the model then reads the question."""

    input: InterpretableInput
    read: Callable[[list[Any]], list[Prompt]]  # of what `input.to_model_input` returned
    labels: Sequence[str]  # N
    kind: Modality
    time: np.ndarray  # f[N, 2]
    members: tuple[tuple[int, ...], ...]  # N, positions of the prompt
    same_layout: bool = False  # the prompt has its tokens at the same positions whatever is absent
    cells: np.ndarray | None = None


class AudioSegments(InterpretableInput):
    """Sound in pieces that are there or not, as an input of Captum's methods.

    `to_model_input(row)` is what `hear` makes of the sound in which the pieces with a zero are
    absent; `samples` is that sound itself, to listen to. `hear` takes samples f32[S] at the rate
    of `audio` and returns what a model reads, here the log-mel frames f32[128, F].
    """

    def __init__(
        self,
        audio: Audio,
        cut: float | str | Sequence[float] = 0.2,
        absent: str = "silence",
        hear: Callable[[np.ndarray], Any] | None = None,
        seed: int = 0,
    ):
        """`absent` may be "mean" where `hear` returns a tensor whose last axis is time."""
        one_of(absent, tuple(TOLD["audio"]), "absent")
        if hear is None and audio.rate != RATE:
            raise ValueError(f"the ear hears {RATE} Hz, not {audio.rate}: audio.at({RATE})")
        self.audio, self.absent, self.hear = audio, absent, hear or _log_mel
        self.edges = edges_of(audio, cut)  # i64[N + 1], in samples
        self.times = audio.start + self.edges / audio.rate
        pairs = zip(self.times[:-1], self.times[1:], strict=True)
        self.values = [f"{a:.2f}\u2013{b:.2f} s" for a, b in pairs]
        self.n_itp_features = len(self.values)
        self._of = np.repeat(np.arange(self.n_itp_features), np.diff(self.edges))  # i[S]
        self._fill = np.zeros_like(audio.samples)
        if absent == "noise":
            power = np.add.reduceat(audio.samples.astype(np.float64) ** 2, self.edges[:-1])
            level = np.sqrt(power / np.diff(self.edges)).astype(np.float32)
            noise = np.random.default_rng(seed).standard_normal(len(self._of), np.float32)
            self._fill = noise * level[self._of]
        self._whole = self.hear(audio.samples) if absent == "mean" else None

    def to_tensor(self) -> Tensor:
        return torch.ones(1, self.n_itp_features)

    def to_model_input(self, perturbed_tensor: Tensor | None = None) -> Any:
        if perturbed_tensor is None:
            return self.hear(self.audio.samples)
        there = perturbed_tensor[0].bool().numpy()
        if self.absent != "mean":
            return self.hear(self.samples(there))
        frames = self._whole.shape[-1]
        middle = (np.arange(frames) + 0.5) * (self.edges[-1] / frames)
        here = torch.from_numpy(there[self._of[middle.astype(np.int64)]])
        return torch.where(here, self._whole, self._whole.mean(-1, keepdim=True))

    def samples(self, there: Sequence[bool]) -> Float32[np.ndarray, " S"]:
        """The sound with only these pieces; what is there is untouched, up to its edges."""
        gain = np.asarray(there, bool)[self._of].astype(np.float32)
        if gain.any() and not gain.all():
            away = distance_transform_edt(gain == 0)  # samples to the nearest one that is there
            gain = np.maximum(gain, 1 - away / (FADE * self.audio.rate)).astype(np.float32)
        return gain * self.audio.samples + (1 - gain) * self._fill


def edges_of(audio: Audio, cut: float | str | Sequence[float]) -> np.ndarray:
    """Where the pieces of a sound begin and end, i64[N + 1] in samples."""
    size = len(audio.samples)
    if isinstance(cut, str):
        if cut != "pauses":
            raise ValueError(f'cut into seconds, at "pauses" or at given edges, not {cut!r}')
        inner = _pauses(audio)
    elif isinstance(cut, int | float):
        if not cut > 0:
            raise ValueError(f"pieces must be longer than {cut} s")
        inner = np.linspace(0, size, max(1, round(audio.seconds / cut)) + 1)[1:-1]
    else:
        inner = (np.asarray(cut, np.float64) - audio.start) * audio.rate
    edges = np.r_[0, np.round(inner), size].astype(np.int64)
    if (np.diff(edges) <= 0).any():
        raise ValueError(
            f"edges must rise and lie inside the sound, {audio.start:g} to"
            f" {audio.start + audio.seconds:g} s"
        )
    return edges


def _pauses(audio: Audio) -> np.ndarray:
    """Moments (in samples) at which it is quieter than before and after: between most words."""
    hop = max(1, audio.rate // 100)
    frames = audio.samples[: len(audio.samples) // hop * hop].reshape(-1, hop).astype(np.float64)
    level = 10 * np.log10(uniform_filter1d((frames**2).mean(1), 5) + 1e-8)
    dips, _ = find_peaks(-level, prominence=DIP, distance=max(1, round(SHORTEST * 100)))
    return (dips + 0.5) * hop


def _log_mel(samples: np.ndarray) -> Tensor:
    return log_mel_16k(torch.from_numpy(samples)[None])[0]


def _audio(question: Question, cut: Any, absent: str, part: int, seed: int) -> Pieces:
    sounds = [
        (i, p if isinstance(p, Audio) else p.audio)
        for i, p in enumerate(question.parts)
        if isinstance(p, Audio) or (isinstance(p, Video) and p.audio)
    ]
    index, sound = _which(sounds, part, "sound")
    segments = AudioSegments(sound.at(RATE), 0.2 if cut is None else cut, absent, seed=seed)

    def read(mels: list[Tensor]) -> list[Prompt]:
        states, _ = question.omni.ear(torch.stack(mels))
        return [question.prompt(sensed={(index, Modality.AUDIO): one}) for one in states]

    rows = question.rows(index, Modality.AUDIO)
    middle = question.asked.spans.time[rows].mean(1).numpy()
    owner = np.clip(np.searchsorted(segments.times, middle, "right") - 1, 0, None)
    time = np.stack([segments.times[:-1], segments.times[1:]], 1)
    members = _members(rows, owner, segments.n_itp_features)
    return Pieces(segments, read, segments.values, Modality.AUDIO, time, members, same_layout=True)


def _image(question: Question, cut: Any, absent: str, part: int, _seed: int) -> Pieces:
    pictures = [(i, p) for i, p in enumerate(question.parts) if isinstance(p, Image)]
    index, picture = _which(pictures, part, "picture")
    height, width = picture.pixels.shape[:2]
    cut = (4, 4) if cut is None else cut
    if np.ndim(cut) == 2:
        given = np.asarray(cut)
        if given.shape != (height, width):
            raise ValueError(f"pieces of a picture {height} x {width} have shape {given.shape}")
        cells = np.unique(given, return_inverse=True)[1].reshape(given.shape)
        labels = [f"piece {name}" for name in np.unique(given).tolist()]
    else:
        rows, columns = cut
        if not (1 <= rows <= height and 1 <= columns <= width):
            raise ValueError(f"no grid of {rows} x {columns} cells in {height} x {width} pixels")
        down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
        cells = down[:, None] * columns + across
        places = [(r, c) for r in range(1, rows + 1) for c in range(1, columns + 1)]
        labels = [f"row {r}, column {c}" for r, c in places]
    mean = tuple(int(v) for v in picture.pixels.reshape(-1, 3).mean(0).round())
    color = {"mean": mean, "grey": (128,) * 3, "black": (0,) * 3}[absent]
    masked = ImageMaskInput(
        Pillow.fromarray(picture.pixels), torch.from_numpy(cells.astype(np.int64)),
        baseline=color, processor_fn=np.asarray,
    )  # fmt: skip
    eye = question.omni.eye

    def read(pictures: list[np.ndarray]) -> list[Prompt]:
        patches = [eye.patches(pixels[None]) for pixels in pictures]
        states = eye(torch.cat([p.values for p in patches]), patches[0].rows, patches[0].columns)
        return [question.prompt(sensed={(index, Modality.IMAGE): one}) for one in states]

    down, across = eye.grid(height, width)
    y = ((np.arange(down) + 0.5) * height / down).astype(int)
    x = ((np.arange(across) + 0.5) * width / across).astype(int)
    owner = cells[np.ix_(y, x)].ravel()
    members = _members(question.rows(index, Modality.IMAGE), owner, len(labels))
    none = np.full((len(labels), 2), np.nan)
    return Pieces(masked, read, labels, Modality.IMAGE, none, members, True, cells.astype(np.int16))


def _text(question: Question, cut: Any, _absent: str, part: int, _seed: int) -> Pieces:
    texts = [(i, p) for i, p in enumerate(question.parts) if isinstance(p, Text) and p.text.strip()]
    index, text = _which(texts, part, "text")
    one_of(cut or "words", ("words", "tokens"), "cut, over text,")
    rows = question.rows(index, Modality.TEXT)
    raw = [question.omni.tokenizer.piece(int(i)) for i in question.asked.ids[rows]]
    begins = np.cumsum([0, *map(len, raw)])[:-1]  # in bytes
    if cut == "tokens":
        pieces = [one.decode("utf-8", "backslashreplace") for one in raw]
        owner = np.arange(len(raw))
    else:
        pieces = re.findall(r"\s*\S+(?:\s+$)?", text.text)
        ends = np.cumsum([len(word.encode()) for word in pieces])
        owner = np.searchsorted(ends, begins, "right")
    words = TextTemplateInput(lambda *there: "".join(there), pieces)

    def read(texts: list[str]) -> list[Prompt]:
        return [question.prompt(question.with_part(index, Text(one))) for one in texts]

    none = np.full((len(pieces), 2), np.nan)
    return Pieces(words, read, pieces, Modality.TEXT, none, _members(rows, owner, len(pieces)))


@dataclass(frozen=True)
class Tags(Clock):
    """Tells every moment as another clock does, but some not at all; notes what was told."""

    clock: Clock = Clock()
    untold: frozenset[float] = frozenset()
    told: dict[float, str] = field(default_factory=dict)

    def tell(self, seconds: float) -> str:
        self.told[seconds] = "" if seconds in self.untold else self.clock.tell(seconds)
        return self.told[seconds]


def _timestamps(question: Question, _cut: Any, _absent: str, _part: int, _seed: int) -> Pieces:
    clock, form = question.clock, (question.clock.interval, question.clock.compact)
    tags = Tags(*form, clock)
    question.prompt(clock=tags)
    told = {moment: text for moment, text in tags.told.items() if text}
    if not told:
        raise ValueError(
            "this turn has no timestamps: give it a video, or lab.run(..., interval=0.5)"
        )
    moments = list(told)
    given = TextTemplateInput(lambda *there: there, list(told.values()))

    def read(kept: list[tuple[str, ...]]) -> list[Prompt]:
        prompts = []
        for there in kept:
            untold = frozenset(m for m, text in zip(moments, there, strict=True) if not text)
            prompts.append(question.prompt(clock=Tags(*form, clock, untold)))
        return prompts

    spans = question.asked.spans
    rows = (spans.modality == Modality.TIMESTAMP).nonzero()[:, 0].numpy()
    owner = np.abs(spans.time[rows, :1].numpy() - np.array(moments)).argmin(1)
    time = np.repeat(np.array(moments)[:, None], 2, axis=1)
    members = _members(rows, owner, len(moments))
    return Pieces(given, read, list(told.values()), Modality.TIMESTAMP, time, members)


def pieces_of(
    question: "Question",
    over: str,
    cut: Any = None,
    absent: str = "",
    part: int = -1,
    seed: int = 0,
) -> Pieces:
    """What is cut, as the table at the head says; `part` is which of several of its kind."""
    one_of(over, tuple(TOLD), "over")
    absent = absent or next(iter(TOLD[over]))
    one_of(absent, tuple(TOLD[over]), f"absent, over {over},")
    make = {"audio": _audio, "image": _image, "text": _text, "timestamps": _timestamps}[over]
    pieces = make(question, cut, absent, part, seed)
    if len(pieces.labels) < 2:
        raise ValueError(f"the {over} is one piece, nothing can be compared: cut it finer, cut=...")
    return pieces


def one_of(value: Any, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise ValueError(f"{what} is one of {', '.join(known)}, not {value!r}")


def _which(found: list[tuple[int, Any]], part: int, what: str) -> tuple[int, Any]:
    if not found:
        raise ValueError(f"this turn has no {what} to be cut into pieces")
    if not -len(found) <= part < len(found):
        raise ValueError(f"no {what} {part}, this turn has {len(found)}")
    return found[part]


def _members(rows: np.ndarray, owner: np.ndarray, count: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(rows[owner == i].tolist()) for i in range(count))
