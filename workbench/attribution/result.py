"""What an attribution found: a share for each piece, whether the shares add up, and the view.

Letters: N pieces, J targets, H W pixels.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int16, UInt8

from model.senses.message import Audio, Image, Video
from model.senses.prompt import RATE
from workbench.attribution.methods import ADD_UP
from workbench.checked import Checked
from workbench.run import SPEECH, Run, tables


@dataclass(frozen=True, eq=False)
class Attribution(Checked):
    """How much each piece of the question raised the log-probability of the targets (nats)."""

    run: Run = field(repr=False)
    over: str
    method: str
    stage: str  # "thinker": targets are tokens of the answer; "talker": frames of its speech
    targets: tuple[int, ...]  # J
    labels: tuple[str, ...]  # N, what each piece is
    kind: UInt8[np.ndarray, " N"]  # index into `run.MODALITIES`
    time: Float32[np.ndarray, "N 2"]  # seconds of what was heard; NaN = none
    members: tuple[tuple[int, ...], ...]  # N, rows of `run.tokens` that a piece became
    without: str  # how a piece was taken away: "replaced by silence"
    values: Float32[np.ndarray, " N"]  # of all targets together
    error: Float32[np.ndarray, " N"] | None  # standard error over the orders drawn
    each: Float32[np.ndarray, "J N"] | None  # of each target alone
    full: Float32[np.ndarray, " J"]  # log-probability with everything there
    empty: Float32[np.ndarray, " J"]  # and with every piece taken away
    samples: int
    seed: int
    passes: int  # inputs that the model read
    seconds: float
    cells: Int16[np.ndarray, "H W"] | None = None  # of a picture: which piece a pixel is

    @property
    def change(self) -> float:
        """What all pieces together are worth: log-probability with them, less without."""
        return float(self.full.sum() - self.empty.sum())

    @property
    def gap(self) -> float:
        """How far the parts are from adding up to `change`."""
        return float(self.values.sum() - self.change)

    @property
    def names(self) -> tuple[str, ...]:
        """The targets as text."""
        if self.stage == "talker":
            return tuple(f"frame {i}" for i in self.targets)
        return tuple(self.run.pieces[str(self.run.words[i])] for i in self.targets)

    @property
    def check(self) -> str:
        """Log-probabilities and the sum of the parts, in a sentence each."""
        told = (
            f"log-probability {self.full.sum():.2f} with everything, {self.empty.sum():.2f} with"
            f" all pieces {self.without}: a change of {self.change:+.2f}. The parts add up to"
            f" {self.values.sum():+.2f}, off by {self.gap:+.2g}"
        )
        if self.method not in ADD_UP:
            must = f"{self.method} need not add up"
        elif abs(self.gap) <= 0.01 * max(1, abs(self.change)):
            must = "as they should"
        else:
            must = "they should, up to steps, samples and changes of experts"
        return f"{told} ({must})."

    @property
    def table(self):
        """A row a piece, as a DataFrame."""
        columns = {
            "piece": self.labels,
            "t0": self.time[:, 0],
            "t1": self.time[:, 1],
            "value": self.values,
        }
        if self.error is not None:
            columns["error"] = self.error
        if self.each is not None and len(self.targets) > 1:
            for index, name, row in zip(self.targets, self.names, self.each, strict=True):
                columns[f"{index} {name}" if self.stage == "thinker" else name] = row
        return tables().DataFrame(columns)

    def view(self, title: str = "What the answer rests on"):
        """On the time axis of what was heard, over the words, or on the picture."""
        return _view(self, title)

    def __repr__(self) -> str:
        said = "".join(self.names) if self.stage == "thinker" else ", ".join(self.names)
        order = np.argsort(-np.abs(self.values), kind="stable")[:3]
        most = ", ".join(f"{self.labels[i].strip()} {self.values[i]:+.2f}" for i in order)
        drawn = f", {self.samples} samples" if self.samples > 1 else ""
        return "\n".join(
            (
                f"{said!r} by {len(self.values)} pieces of {self.over} ({self.method}{drawn})",
                self.check,
                f"most: {most}",
                f"{self.passes} passes in {self.seconds:.1f} s, seed {self.seed}",
            )
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.view()._repr_mimebundle_(include, exclude)


def positions_of(why: Attribution) -> np.ndarray:
    """Rows of `run.tokens` where the targets stand, i32[J]."""
    run = why.run
    if why.stage == "thinker":
        rows = np.flatnonzero(run.thinker.phase == 1)
    else:
        spoken = (run.talker.modality == SPEECH) & (run.talker.phase == 1)
        rows = len(run.thinker) + np.flatnonzero(spoken)
    return rows[list(why.targets)].astype(np.int32)


def _view(why: Attribution, title: str):
    from widgets.attribution import AttributionView
    from workbench.views import LINK

    run, at = why.run, positions_of(why)
    parts = [part for message in run.inputs.messages for part in message.parts]
    held = {int(run.thinker.part[rows[0]]) for rows in why.members if rows}
    part = parts[held.pop()] if why.over in ("audio", "image") and held else None
    sound = {}
    if why.over in ("audio", "timestamps"):
        sounds = [p for p in parts if isinstance(p, Audio)]
        heard = part.audio if isinstance(part, Video) else part or (sounds[-1] if sounds else None)
        if heard is not None:
            heard = heard.at(RATE)
            sound = {"audio": heard.samples, "sr": heard.rate, "start": heard.start}
    if why.stage == "thinker":
        answer = [run.pieces[str(i)] for i in run.words.tolist()]
        target = np.full(len(answer), -1, np.int32)
        target[list(why.targets)] = np.arange(len(why.targets))
        rows = np.flatnonzero(run.thinker.phase == 1)[: len(answer)]
    else:
        answer, target, rows = list(why.names), np.arange(len(why.targets), dtype=np.int32), at
    drawn = f", {why.samples} samples" if why.samples > 1 else ""
    return AttributionView(
        values=why.values,
        each=why.each,
        error=why.error,
        labels=why.labels,
        kind=why.kind,
        t0=why.time[:, 0],
        t1=why.time[:, 1],
        full=why.full,
        empty=why.empty,
        answer=answer,
        target=target,
        answer_position=rows.astype(np.int32),
        members=why.members,
        method=why.method + drawn,
        absent=why.without,
        adds_up=why.method in ADD_UP,
        image=part.pixels if isinstance(part, Image) else None,
        cells=why.cells,
        title=title,
        link=LINK,
        **sound,
    )
