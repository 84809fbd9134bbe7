"""Record a turn while it streams: what was asked for, within a budget, changing nothing.

    recording = Recording(omni, Inputs(aloud="Yes."), record=["routing", "latency"])
    for chunk in recording: play(chunk.audio)
    run = recording.run()                             # also of a turn that was stopped

A live player may tell when a frame was heard: `recording.played(frame)`.

Text, codes and sound are those of an unrecorded turn, bit for bit; a test holds them equal. The
estimate is made before anything is computed: a recording that would not fit the budget is refused,
one that outgrows it on the way is stopped with an error. What can be recorded: tapes.py.
Always kept: tokens, codes, sound, order and time of emission.

Letters: W words, F frames, B codebooks.
Left out: saving while the turn runs.
"""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from model.omni import Omni
from model.senses.prompt import Clock, plan
from model.speech.codec import RATE
from model.turn import Chunk
from workbench.run import STAGES, UNITS, Inputs, Meta, Run, Units
from workbench.tapes import Size, blocks, gather, tape
from workbench.twotracks import watching
from workbench.watch import SECONDS, Watch

BUDGET = 256.0  # MB
FRAMES = 3  # frames of speech a text token, for the estimate; 2.6 is usual


@dataclass(frozen=True)
class Estimate:
    """Megabytes that a recording may need, by kind, if the answer is as long as it may get."""

    megabytes: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.megabytes.values())

    def __str__(self) -> str:
        each = ", ".join(f"{kind} {size:.2g}" for kind, size in self.megabytes.items())
        return f"up to {self.total:.2g} MB ({each})" if each else "nothing"


class Recording:
    """One turn: iterate for its chunks, then ask for its `run()`."""

    def __init__(
        self,
        omni: Omni,
        inputs: Inputs,
        record: Sequence[str] = (),
        budget: float = BUDGET,
        clock: Clock | None = None,
        edits: tuple[Any, ...] = (),
        about: Meta | None = None,
        effective: Inputs | None = None,
    ):
        """`effective` are the inputs after `edits` changed them; the Run keeps `inputs`."""
        if isinstance(record, str):
            raise ValueError(f"record must be a list of kinds, such as [{record!r}]")
        if len(set(record)) != len(record):
            raise ValueError(f"something is to be recorded twice: {list(record)}")
        self.omni, self.inputs, self.record = omni, inputs, tuple(record)
        self.effective = effective or inputs
        self.clock = clock or Clock(self.effective.interval, self.effective.compact)
        self.edits, self.budget, self.about = edits, budget, about
        self.tapes = [tape(kind, omni, self.effective) for kind in record]
        self.watch = watching(omni)
        size = expected(omni, self.effective, self.clock)
        self.estimate = Estimate({t.kind: t.bytes(size) / 1e6 for t in self.tapes})
        if self.estimate.total > budget:
            raise ValueError(
                f"recording needs {self.estimate}, the budget is {budget:g} MB: record less (fewer"
                " layers, heads, queries or words: most=...), or give a larger budget"
            )

    def __iter__(self) -> Iterator[Chunk]:
        with ExitStack() as taps:
            self.watch.listen(taps)
            for one in self.tapes:
                one.listen(taps, self.watch)
            chunks = self.watch.turn(self.effective, self.clock)
            taps.callback(torch.inference_mode()(chunks.close))
            while True:
                with torch.inference_mode():  # left before each `yield`: it is not the caller's
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                held = sum(one.size for one in self.tapes) / 1e6
                if held > self.budget:
                    raise ValueError(
                        f"the recording outgrew its budget: {held:.0f} MB of {self.budget:g} MB"
                        f" after {self.watch.now() / 1e9:.1f} s; record less, or give more"
                    )
                yield chunk

    def played(self, frame: int, seconds: float | None = None) -> None:
        """A player says when a frame of speech was heard: so many seconds after the turn began, by
        default now. Frames that nobody tells of are NaN in `run.latency.played`."""
        if not 0 <= frame < len(self.watch.audio):
            raise ValueError(f"no frame {frame}: {len(self.watch.audio)} were given out so far")
        now = self.watch.now() if seconds is None else round(1e9 * seconds)
        self.watch.played.setdefault(frame, now)

    def run(self) -> Run:
        """The recorded turn, as far as it went."""
        watch, omni = self.watch, self.omni
        if not watch.units:
            raise ValueError("nothing was said yet: iterate over the recording first")
        books = omni.config.codec.renderer.codebooks
        codes = watch.frames[: len(watch.audio)]
        words = np.array([word.token for word in watch.words[: watch.given]], np.int32)
        recorded = gather(self.tapes)
        spans, spanned = spans_of(watch, words, recorded.get("align"), self.effective.speak)
        thinker, talker = watch.thinker(), watch.talker()
        units = units_of(watch, spans)
        empty = np.zeros(0, np.float32)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        pieces = omni.tokenizer.piece
        parts = (words, thinker.id, talker.id, units.token)
        ids = {int(i) for part in parts for i in np.unique(part)}
        return Run(
            inputs=self.inputs,
            edits=self.edits,
            text=watch.said,
            audio=np.concatenate([empty, *watch.audio]),
            codes=torch.stack(codes).numpy().astype(np.int16)
            if codes
            else np.zeros((0, books), np.int16),
            words=words,
            spans=spans,
            spanned=spanned,
            thinker=thinker,
            talker=talker,
            units=units,
            audits=tuple(watch.state.audits),
            pieces={str(i): pieces(i).decode("utf-8", "backslashreplace") for i in ids if i >= 0},
            recorded=self.record,
            marks=watch.marks,
            meta=replace(self.about or about(omni), made=made),
            **recorded,
        )


def expected(omni: Omni, inputs: Inputs, clock: Clock) -> Size:
    """How long a turn may get: the prompt is laid out, the answer is as long as it may be."""
    if inputs.aloud:
        words = len(omni.tokenizer.encode(inputs.aloud))
        return Size(0, words, FRAMES * words)
    sizes = {"hear": omni.ear.tokens, "look": omni.eye.grid}
    prompt = len(plan(inputs.messages, omni.tokenizer, clock, **sizes))
    return Size(prompt, inputs.most, FRAMES * inputs.most if inputs.speak else 0)


def units_of(watch: Watch, spans: np.ndarray) -> Units:
    """The emission as a table; frames take their own time, words the time of their span."""
    frames = np.arange(len(watch.audio), dtype=np.float64)[:, None] * SECONDS + [0, SECONDS]
    time = np.full((len(watch.units), 2), np.nan)
    for row, unit in zip(time, watch.units, strict=True):
        if unit.text >= 0:
            row[:] = spans[unit.text]
        elif unit.frame >= 0:
            row[:] = frames[unit.frame]
    kinds, tokens, texts, frame, sentences, emitted = zip(*watch.units, strict=True)
    return Units(
        kind=np.array([UNITS.index(kind) for kind in kinds], np.uint8),
        token=np.array(tokens, np.int32),
        text=np.array(texts, np.int32),
        frame=np.array(frame, np.int32),
        sentence=np.array(sentences, np.int16),
        emitted=np.array(emitted, np.float64) / 1e9,
        time=time.astype(np.float32),
    )


# --- where each word is in the sound --------------------------------------------------------------


def spans_of(
    watch: Watch, words: np.ndarray, align: np.ndarray | None, spoken: bool
) -> tuple[np.ndarray, str]:
    """Seconds [W, 2] that each word takes, and how they were found.

    With `align`, the path through the Talker's attention that never goes back; a word without
    frames has an empty span. Without, each sentence's sound is shared out as the Talker estimates
    ("rate"): a plan, not a measurement.
    """
    spans = np.full((len(words), 2), np.nan, np.float32)
    if not spoken:
        return spans, ""
    rate = np.zeros(0)
    if len(words):
        with torch.inference_mode():
            eod = watch.omni.tokenizer.tts_text_eod
            ids = torch.from_numpy(np.append(words, eod)).long()
            rate = watch.omni.talker.frames_of(ids).numpy().astype(np.float64)
    for sentence in sorted({unit.sentence for unit in watch.units}):
        units = [unit for unit in watch.units if unit.sentence == sentence]
        said = [unit.text for unit in units if unit.text >= 0]
        frames = [unit.frame for unit in units if unit.frame >= 0]
        if not said or not frames:
            continue
        if align is None:
            edges = np.cumsum([0, *rate[said], rate[-1]])  # the end of the text takes time too
            edges = frames[0] + edges / edges[-1] * len(frames)
        else:
            path = monotone(align[said[0] : said[-1] + 1, frames[0] : frames[-1] + 1])
            edges = frames[0] + np.searchsorted(path, np.arange(len(said) + 1))
        spans[said] = np.stack([edges[: len(said)], edges[1 : len(said) + 1]], 1) * SECONDS
    return spans, "rate" if align is None else "attention"


def monotone(align: np.ndarray) -> np.ndarray:
    """For each frame the word it belongs to, never going back: the best path through [W, F].

    Every word's row is first brought to mean 0 and spread 1, so that words that always get
    attention (the first one, as a rule) do not win everywhere.
    """
    gain = align.astype(np.float64)
    gain = (gain - gain.mean(1, keepdims=True)) / (gain.std(1, keepdims=True) + 1e-6)
    words, frames = gain.shape
    best, back = gain[:, 0].copy(), np.zeros((frames, words), np.int64)
    for frame in range(1, frames):
        top = np.maximum.accumulate(best)
        back[frame] = np.maximum.accumulate(np.where(best == top, np.arange(words), 0))
        best = top + gain[:, frame]
    path = np.zeros(frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path


# --- where a run comes from -----------------------------------------------------------------------


def about(omni: Omni, name: str = "", fingerprint: str = "") -> Meta:
    """The model and the machine's software, as far as they matter for doing it again."""
    first = next(omni.parameters())
    versions = {"python": platform.python_version()}
    for package in ("omni-workbench", "torch", "numpy", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return Meta(
        model=name or "unnamed",
        fingerprint=fingerprint,
        parameters=sum(p.numel() for p in omni.parameters()),
        made="",
        rate=RATE,
        frame_s=SECONDS,
        layers={
            stage: "".join("a" if block.full else "d" for block in blocks(omni, stage).values())
            for stage in STAGES
        },
        threads=torch.get_num_threads(),
        dtype=str(first.dtype).removeprefix("torch."),
        device=str(first.device),
        versions=versions | {"cpus": str(os.cpu_count())},
    )
