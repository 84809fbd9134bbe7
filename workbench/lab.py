"""The lab: run a turn, record it, change one thing, run it again.

    lab = wb.load("micro", seed=0)
    run = lab.run(audio="question.wav", record=["routing", "latency"])
    with lab.edit(wb.ban_expert(3, [5]), wb.fixed_ratio(1, 3)):
        alt = lab.rerun(run)                          # the same inputs, the same seed
    wb.diff(run, alt)

The model is whole again after the `with`, also after an error. Before a recording begins, one line
on standard error says how many megabytes it may need; more than `budget` is refused.
Left out: conversations of several turns in one Run (give the earlier ones as `messages`).
"""

import hashlib
import json
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.aria import pace
from model.omni import Omni
from model.senses.message import Audio, Image, Message, Text, Video, load_audio
from workbench.edits import Edit, edited
from workbench.probe import Parts, near, parts
from workbench.record import BUDGET, Recording, about
from workbench.run import Inputs, Meta, Run

if TYPE_CHECKING:
    from workbench.sweep import Sweep


def load(model: str | Path | Omni = "micro", seed: int = 0) -> "Lab":
    """A lab around a shipped checkpoint, a folder made by `Omni.save`, or a model at hand."""
    if isinstance(model, Omni):
        return Lab(model, "in memory", seed)
    source = str(Path(model).resolve()) if Path(model).is_dir() else str(model)
    return Lab(Omni.load(model), Path(model).name, seed, source)


class Lab:
    """A model, a seed, and the edits that are on."""

    def __init__(self, omni: Omni, name: str, seed: int = 0, source: str = ""):
        self.omni, self.name, self.seed = omni, name, seed
        self.source = source  # what `load` takes to load it again; "" where it is only in memory
        self.edits: tuple[Edit, ...] = ()

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.omni.parameters())
        edits = f", edits {', '.join(map(repr, self.edits))}" if self.edits else ""
        return f"Lab({self.name}, {count / 1e6:.1f} M parameters, seed {self.seed}{edits})"

    def run(
        self,
        text: str = "",
        audio: str | Path | Audio | None = None,
        image: str | Path | Image | np.ndarray | None = None,
        video: Video | None = None,
        messages: Sequence[Message] = (),
        record: Sequence[str] = (),
        budget: float = BUDGET,
        **how: Any,
    ) -> Run:
        """Let the model answer, and record it.

        Args:
            text, audio, image, video: the user's turn, in the order video, image, audio, text;
                recordings and pictures as file names or values
            messages: what was said before
            record: kinds of records, see tapes.py
            budget: megabytes that the records may take
            how: any field of `Inputs`: speak, voice, pace, temperature, most, seed, ...
        """
        return self._drain(
            self.recording(text, audio, image, video, messages, record, budget, **how)
        )

    def say(self, text: str, record: Sequence[str] = (), budget: float = BUDGET, **how: Any) -> Run:
        """Let the Talker read a text aloud, and record it."""
        inputs = self._inputs({"aloud": text, **how})
        return self._drain(self._recording(inputs, record, budget))

    def recording(
        self,
        text: str = "",
        audio: str | Path | Audio | None = None,
        image: str | Path | Image | np.ndarray | None = None,
        video: Video | None = None,
        messages: Sequence[Message] = (),
        record: Sequence[str] = (),
        budget: float = BUDGET,
        **how: Any,
    ) -> Recording:
        """The same turn as `run`, chunk by chunk: iterate, then ask for its `run()`."""
        turn = (video, _picture(image), _sound(audio), Text(text) if text else None)
        asked = tuple(part for part in turn if part is not None)
        now = (Message("user", asked),) if asked else ()
        inputs = self._inputs({"messages": (*messages, *now), **how})
        return self._recording(inputs, record, budget)

    def rerun(
        self,
        run: Run,
        record: Sequence[str] | None = None,
        budget: float = BUDGET,
        keep_words: bool = False,
        **how: Any,
    ) -> Run:
        """The same inputs and seed again, under the edits that are on now.

        Args:
            run: what to do again; its own edits are not
            record: the same kinds as `run` recorded, or others
            budget: megabytes that the records may take
            keep_words: the answer keeps the tokens it had, so that every one can be compared
            how: fields of `Inputs` to change
        """
        if keep_words and not run.inputs.aloud:
            words = tuple(run.words.tolist())
            how = {"words": words, "most": max(1, len(words)), **how}
        _known(how)
        inputs = replace(run.inputs, **_typed(how))
        return self._drain(
            self._recording(inputs, run.recorded if record is None else record, budget)
        )

    def attribute(self, run: Run, target: Any = None, over: str = "audio", **how: Any):
        """What the run's answer rests on: an `Attribution`, see attribution/."""
        from workbench.attribution import attribute

        return attribute(run, target, over, lab=self, **how)

    @contextmanager
    def edit(self, *edits: Edit) -> Iterator[tuple[Edit, ...]]:
        """Change the model, or what it is given, until the `with` ends; edits add up."""
        before = self.edits
        with ExitStack() as changes:
            for one in edits:
                if not isinstance(one, Edit):
                    raise ValueError(f"{one!r} is no edit, expected such as wb.ban_expert(3, [5])")
                changes.enter_context(one.on(self.omni))
            try:
                self.edits = (*before, *edits)
                yield self.edits
            finally:
                self.edits = before

    def sweep(
        self,
        run: Run | Inputs,
        grid: Mapping[str, Sequence[Any] | Mapping[Any, Any]],
        metric: Any,
        repeats: int = 1,
        **how: Any,
    ) -> "Sweep":
        """The same turn at every point of a grid, several times, as one tidy table: sweep/.

        Args:
            run: the turn, or its inputs; edits that are on now stay on at every point
            grid: {axis: values or {name: value}}; an axis is a field of `Inputs`, or it has any
                other name and edits as values
            metric: a name ("seconds", "kl", ...), a function of the run or of (baseline, run), a
                list of these, or {name: function}
            repeats: turns a point, with the seeds that follow the run's own
            how: record=[...], keep_words=True (the answer keeps its tokens, as in `rerun`),
                cache=folder or None (turns that are done are kept in ~/.cache as a rule),
                fresh=True (nothing kept is taken), budget=MB, progress=False
        """
        from workbench.sweep import sweep

        return sweep(self, run, grid, metric, repeats, **how)

    def parts(self, path: str = "*") -> Parts:
        """The tree of the model with shapes; `path` may have "*" for any run of characters."""
        return parts(self.omni, path)

    @cached_property
    def about(self) -> Meta:
        return about(self.omni, self.name, fingerprint(self.omni))

    def _inputs(self, how: dict[str, Any]) -> Inputs:
        _known(how)
        return Inputs(**_typed({"seed": self.seed, **how}))

    def _recording(self, inputs: Inputs, record: Sequence[str], budget: float) -> Recording:
        effective, clock = edited(inputs, self.edits, self.omni)
        recording = Recording(
            self.omni, inputs, record, budget, clock, self.edits, self.about, effective
        )
        if recording.tapes:
            sys.stderr.write(f"recording {recording.estimate}, budget {budget:g} MB\n")
        return recording

    def _drain(self, recording: Recording) -> Run:
        for _chunk in recording:
            pass
        run = recording.run()
        object.__setattr__(run, "_lab", weakref.ref(self))  # for run.attribute; never saved
        return run


def fingerprint(omni: Omni) -> str:
    """sha256 of config and weights."""
    digest = hashlib.sha256(json.dumps(asdict(omni.config), sort_keys=True).encode())
    for name, tensor in omni.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _known(how: dict[str, Any]) -> None:
    names = [f.name for f in fields(Inputs)]
    for name in how:
        if name not in names:
            expected = ", ".join(n for n in names if n not in ("messages", "aloud"))
            raise ValueError(f"no input is named {name!r}{near(name, names)}; expected {expected}")


def _typed(how: dict[str, Any]) -> dict[str, Any]:
    """Paces may be given in words, as on the command line."""
    given = how.get("pace")
    return how | {"pace": pace(given)} if isinstance(given, str) else how


def _sound(audio: str | Path | Audio | None) -> Audio | None:
    return load_audio(audio) if isinstance(audio, str | Path) else audio


def _picture(image: str | Path | Image | np.ndarray | None) -> Image | None:
    if isinstance(image, str | Path):
        from PIL import Image as Pillow
        from PIL import UnidentifiedImageError

        try:
            with Pillow.open(image) as picture:
                return Image(np.asarray(picture.convert("RGB")))
        except UnidentifiedImageError:
            raise ValueError(f"{image}: not a picture that can be read") from None
    return Image(image) if isinstance(image, np.ndarray) else image
