"""What did it listen to: the answer's log-probability shared out over pieces of what was given.

    run = lab.run(audio="question.wav")
    why = run.attribute(" plus", over="audio", method="shapley")     # a typed `Attribution`
    why                                                # the view; print(why) has the check of sums
    lab.attribute(wb.open("question.omnirun"), over="text", method="ablation")

What is explained is a number: the log-probability of some tokens of the recorded answer (or of
frames of its speech) when the model reads the question and the answer is given to it as it was
recorded. Pieces of the question are taken away, and Captum's methods share the change out among
them; here are only the number and the result. The pieces, and what stands in place of one: see
pieces.py.

| method | of Captum | the parts add up |
|---|---|---|
| ablation | FeatureAblation: each piece alone is taken away | no |
| shapley | ShapleyValueSampling, `samples` orders, with their standard error | exactly |
| kernel-shap | KernelShap on `samples` sets of pieces | nearly |
| lime | Lime on `samples` sets of pieces | no |
| integrated-gradients | IntegratedGradients on the embeddings, `samples` steps | nearly |
| gradient-x-input | InputXGradient on the embeddings | no |

The gradient methods move the embeddings that the Thinker reads, from those of the absent sound or
picture (for words and timestamps: from zeros) to the true ones. Where a router changes its experts
on the way, the log-probability jumps, which no gradient sees: then they don't add up, and it is
said by how much.
Pieces are such inputs as Captum's LLMAttribution takes; that class itself wants a transformers
model and one input a forward, so the methods that it calls are called directly.

Letters: N pieces, J targets, B inputs at once, T tokens, D width, W words.
Left out: the Talker's own words as pieces; several texts, sounds or pictures as one set of pieces.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from captum.attr import (
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    InterpretableInput,
    KernelShap,
    Lime,
    ShapleyValueSampling,
)
from jaxtyping import Float32, Int16, UInt8
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from model.omni import Omni, Prompt
from model.senses.message import Audio, Image, Video
from model.senses.prompt import RATE
from model.turn import State, Voice, opening
from workbench.checked import Checked
from workbench.edits import edited
from workbench.pieces import TOLD, Pieces, Question, one_of, pieces_of
from workbench.run import SPEECH, UNITS, Run, tables

SAMPLES = {"ablation": 1, "shapley": 16, "kernel-shap": 256, "lime": 256,
           "integrated-gradients": 32, "gradient-x-input": 1}  # fmt: skip
METHODS = tuple(SAMPLES)
GRADIENTS = METHODS[4:]
ADD_UP = ("shapley", "kernel-shap", "integrated-gradients")
BATCH = 8  # inputs that the model reads at once
BUDGET = 300.0  # seconds


class Stopped(Exception):
    """`stop` said so; the model is as it was."""


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


def attribute(
    run: Run,
    target: int | str | Sequence[int] | None = None,
    over: str = "audio",
    method: str = "ablation",
    *,
    lab: Any = None,
    stage: str = "thinker",
    cut: Any = None,
    absent: str = "",
    part: int = -1,
    samples: int | None = None,
    seed: int = 0,
    batch: int = BATCH,
    budget: float = BUDGET,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Attribution:
    """Share the log-probability of the recorded answer out over pieces of the question.

    Args:
        target: a token of the answer (its number, or its text), several, or None for all of it;
            with stage="talker" the numbers of frames, whose score is that of all their codes
        over, cut, absent: what is cut into pieces, how, and what stands in place of a piece: see
            the table at the head of pieces.py
        method: one of `METHODS`
        lab: the lab whose model is asked; a Run made in this process remembers its own
        part: which of several sounds, pictures or texts, the last one by default
        samples: orders, sets of pieces, or steps
        batch: inputs that are read at once; one if the run has edits, some of which count positions
        budget: seconds; what would take longer is refused before it begins
        stop: asked before every forward pass; `Stopped` is raised when it says yes
    """
    lab = _lab(run, lab)
    one_of(over, tuple(TOLD), "over")
    one_of(method, METHODS, "method")
    count = SAMPLES[method] if samples is None else int(samples)
    if count < 1 or batch < 1:
        raise ValueError(f"samples and batch must be at least 1, not {count} and {batch}")
    goal = _goal(run, target, stage)
    begun = time.perf_counter()
    with _as_recorded(lab, run), torch.no_grad():
        inputs, clock = edited(run.inputs, run.edits, lab.omni)
        question = Question(lab.omni, inputs, clock)
        pieces = pieces_of(question, over, cut, absent, part, seed)
        ask = Asked(
            pieces.input, lambda given: goal.score(lab.omni, pieces.read(given)), stop, progress
        )
        try:
            if method in GRADIENTS:
                shares = _by_gradient(ask, goal, lab.omni, pieces, method, count, batch, budget)
            else:
                batch = 1 if run.edits else batch
                shares = _by_taking_away(ask, method, count, seed, batch, budget)
        finally:
            ask.bar.close()
    without = TOLD[over][absent or next(iter(TOLD[over]))]
    if method in GRADIENTS and not pieces.same_layout:
        without = "moved to zero"
    return Attribution(
        run=run,
        over=over,
        method=method,
        stage=stage,
        targets=goal.index,
        labels=tuple(pieces.labels),
        kind=np.full(len(pieces.labels), pieces.kind, np.uint8),
        time=pieces.time.astype(np.float32),
        members=pieces.members,
        without=without,
        values=shares.values.astype(np.float32),
        error=None if shares.error is None else shares.error.astype(np.float32),
        each=None if shares.each is None else shares.each.astype(np.float32),
        full=shares.full.astype(np.float32),
        empty=shares.empty.astype(np.float32),
        samples=count,
        seed=seed,
        passes=ask.passes,
        seconds=time.perf_counter() - begun,
        cells=pieces.cells,
    )


# --- the model, as it was when the run was made -------------------------------------------------


def _lab(run: Run, lab: Any) -> Any:
    remembered = getattr(run, "_lab", lambda: None)()
    lab = lab or remembered
    if lab is None:
        raise ValueError(
            "a run from a file has no model (and one whose lab is gone has none any more): say"
            " which lab to ask, run.attribute(..., lab=lab)"
        )
    if not run.inputs.messages:
        raise ValueError("a text that was read aloud answers nothing: attribute a run of lab.run")
    if lab is not remembered and lab.about.fingerprint != run.meta.fingerprint:
        raise ValueError(
            f"the run was made by {run.meta.model} {run.meta.fingerprint[:8]}, the lab has"
            f" {lab.about.model} {lab.about.fingerprint[:8]}: the answer is not its own"
        )
    return lab


def _as_recorded(lab: Any, run: Run):
    """The run's own edits, put on unless they are on already."""
    if [e.json() for e in lab.edits] == [e.json() for e in run.edits]:
        return lab.edit()
    if lab.edits:
        raise ValueError(
            f"the lab has edits on that the run had not ({', '.join(map(repr, lab.edits))}): a run"
            " is explained as it was made, leave the `with` first"
        )
    return lab.edit(*run.edits)


# --- the number that is explained ---------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """Tokens of the answer, given the question and all tokens before them."""

    run: Run
    index: tuple[int, ...]  # J

    def score(self, omni: Omni, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities f[B, J]; rows are padded at the right, where nobody looks."""
        ids = torch.from_numpy(self.run.words[: max(self.index) + 1]).long()
        said = omni.thinker.embed(ids[:-1])
        x = pad_sequence([torch.cat([p.embeds[0], said]) for p in prompts], batch_first=True)
        steps = torch.arange(len(said))
        places = [torch.cat([p.places[:, 0].T, (p.end + steps)[:, None].expand(-1, 3)])
                  for p in prompts]  # fmt: skip
        places = pad_sequence(places, batch_first=True).permute(2, 0, 1)
        thought, _ = omni.thinker(x, places)
        index = torch.tensor(self.index)
        at = torch.tensor([[len(p.ids) - 1] for p in prompts]) + index  # [B, J]
        hidden = thought.hidden[torch.arange(len(prompts))[:, None], at]
        logp = omni.thinker.logits(hidden).float().log_softmax(-1)
        return logp.gather(2, ids[index].expand(len(prompts), -1)[..., None])[..., 0]


@dataclass(frozen=True)
class Spoken:
    """Frames of the answer's speech (all codes of each), given all words and frames before them."""

    run: Run
    index: tuple[int, ...]  # J

    def score(self, omni: Omni, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities f[B, J]."""
        x = pad_sequence([p.embeds[0] for p in prompts], batch_first=True)
        places = pad_sequence([p.places[:, 0].T for p in prompts], batch_first=True)
        thought, _ = omni.thinker(x, places.permute(2, 0, 1))
        run, scores = self.run, {}
        codes = run.inputs.voice_codes
        voice = Voice(run.inputs.voice, None if codes is None else torch.from_numpy(codes).long())
        heard = [
            opening(omni, State(context=p, middle=thought.middle[b, : len(p.ids)]), voice)[0]
            for b, p in enumerate(prompts)
        ]
        units = run.units
        for sentence in sorted({int(units.sentence[self._unit(i)]) for i in self.index}):
            own = np.flatnonzero(units.sentence == sentence)
            asked = [i for i in self.index if units.sentence[self._unit(i)] == sentence]
            own = own[own <= self._unit(max(asked))]
            stream = torch.stack([self._enter(omni, unit) for unit in own[:-1]])
            before = np.searchsorted(own, [self._unit(i) for i in asked])  # units that came first
            rows = [torch.cat([start, stream]) for start in heard]
            out, _ = omni.talker(pad_sequence(rows, batch_first=True))
            at = torch.tensor([[len(start) - 1] for start in heard]) + torch.from_numpy(before)
            state = out[torch.arange(len(prompts))[:, None], at]  # [B, j, D]
            ended = [(units.kind[own[:n]] == UNITS.index("control")).any() for n in before]
            told = self._frames(omni, state.flatten(0, 1), asked * len(prompts),
                                ended * len(prompts))  # fmt: skip
            scores |= dict(zip(asked, told.view(len(prompts), -1).unbind(1), strict=True))
        return torch.stack([scores[i] for i in self.index], 1)

    def _unit(self, frame: int) -> int:
        return int(np.flatnonzero(self.run.units.frame == frame)[0])

    def _enter(self, omni: Omni, unit: int) -> Tensor:
        """How a unit enters the Talker's stream, f[D]."""
        units = self.run.units
        if units.frame[unit] >= 0:
            return omni.talker.embed_frames(self._codes([int(units.frame[unit])]))[0]
        return omni.talker.words(torch.tensor([int(units.token[unit])]))[0]

    def _codes(self, frames: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.run.codes[list(frames)]).long()

    def _frames(self, omni: Omni, state: Tensor, frames: list[int], ended: list[bool]) -> Tensor:
        """Log-probabilities f[n] of whole frames; speech can't end while words are pending."""
        talker, codes = omni.talker, self._codes(frames)
        logits = talker.head(state).float()[:, : talker.config.want]
        logits[~torch.tensor(ended), talker.config.end] = -torch.inf
        first = logits.log_softmax(-1).gather(1, codes[:, :1])[:, 0]
        rest = talker.mtp(state, talker.codes(codes[:, 0]), codes).float().log_softmax(-1)
        return first + rest.gather(2, codes[:, 1:, None])[..., 0].sum(1)


def _goal(run: Run, target: Any, stage: str) -> Written | Spoken:
    if stage not in ("thinker", "talker"):
        raise ValueError(f"no stage {stage!r}, expected thinker or talker")
    what, count = ("token", len(run.words)) if stage == "thinker" else ("frame", len(run.codes))
    if not count:
        raise ValueError(f"the answer has no {what}, there is nothing to explain")
    if isinstance(target, str):
        if stage == "talker":
            raise ValueError("frames are named by numbers, such as target=3 or range(3, 6)")
        index = _tokens_of(run, target)
    elif target is None:
        index = tuple(range(count))
    else:
        index = (target,) if isinstance(target, int | np.integer) else tuple(target)
    wrong = [i for i in index if not -count <= int(i) < count]
    if wrong or not index:
        raise ValueError(f"no {what}s {wrong}: the answer has {count}, numbered from 0")
    index = tuple(dict.fromkeys(int(i) % count for i in index))
    return (Written if stage == "thinker" else Spoken)(run, index)


def _tokens_of(run: Run, text: str) -> tuple[int, ...]:
    """The tokens that a piece of the answer stands in, which must be there once."""
    pieces = [run.pieces[str(i)] for i in run.words.tolist()]
    said = "".join(pieces)
    starts = [m.start() for m in re.finditer(re.escape(text), said)] if text.strip() else []
    ends = np.cumsum([len(piece) for piece in pieces])
    found = [
        tuple(np.flatnonzero((ends > a) & (ends - [len(p) for p in pieces] < a + len(text))))
        for a in starts
    ]
    if len(found) != 1:
        where = f"more than once, at tokens {', '.join(str(list(map(int, f))) for f in found)}"
        raise ValueError(
            f"{text!r} is in the answer {where if found else 'nowhere'}: {said[:200]!r}"
        )
    return tuple(int(i) for i in found[0])


# --- Captum's methods ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Shares:
    values: np.ndarray  # f[N]
    full: np.ndarray  # f[J]
    empty: np.ndarray  # f[J]
    each: np.ndarray | None = None  # f[J, N]
    error: np.ndarray | None = None  # f[N]


class Asked:
    """What Captum calls: rows of ones and zeros f[B, N] in, log-probabilities f[B, J] out. A set
    of pieces that was asked before is not asked again."""

    def __init__(
        self,
        input: InterpretableInput,
        score: Callable[[list[Any]], Tensor],
        stop: Callable[[], bool] | None = None,
        progress: bool = False,
    ):
        self.input, self.score, self.stop = input, score, stop
        self.known: dict[bytes, Tensor] = {}
        self.passes = 0
        self.bar = tqdm(total=0, unit="pass", disable=not progress, leave=False)

    def __call__(self, rows: Tensor) -> Tensor:
        rows = rows != 0
        keys = [row.numpy().tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self.known}
        if new:
            given = [self.input.to_model_input(row[None].float()) for row in new.values()]
            self.known |= dict(zip(new, self.counted(len(new), self.score, given), strict=True))
        return torch.stack([self.known[key] for key in keys])

    def sums(self, rows: Tensor) -> Tensor:
        """Of all targets, f[B]."""
        return self(rows).sum(1)

    def counted(self, count: int, score: Callable[..., Tensor], *args: Any) -> Tensor:
        """A forward pass of `count` inputs, unless it was said to stop."""
        if self.stop is not None and self.stop():
            raise Stopped(f"stopped after {self.passes} passes")
        out = score(*args)
        self.passes += count
        self.bar.update(count)
        return out

    def afford(self, more: int, seconds: float, budget: float, what: str) -> None:
        """Say what is coming, and refuse what takes too long."""
        told = f"at most {self.passes + more} {what}, about {more * seconds:.1f} s"
        if more * seconds > budget:
            raise ValueError(
                f"this needs {told}, the budget is {budget:g} s: take fewer pieces or samples, or"
                " give a larger budget"
            )
        self.bar.total = self.passes + more
        self.bar.refresh()
        if not self.bar.disable:
            sys.stderr.write(f"attribution: {told}\n")


def _by_taking_away(
    ask: Asked, method: str, samples: int, seed: int, batch: int, budget: float
) -> Shares:
    one = ask.input.to_tensor()
    pieces = one.shape[1]
    full = ask(one)[0].numpy()
    begun = time.perf_counter()
    empty = ask(0 * one)[0].numpy()
    more = {"ablation": pieces, "shapley": samples * (pieces - 1)}.get(method, samples)
    ask.afford(more, time.perf_counter() - begun, budget, "forward passes")
    how = {"perturbations_per_eval": batch}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if method == "ablation":
            each = FeatureAblation(ask).attribute(one, **how).view(-1, pieces).numpy()
            return Shares(each.sum(0), full, empty, each)
        if method == "shapley":  # an order at a time, so that their spread is known
            shapley = ShapleyValueSampling(ask)
            orders = np.stack(
                [
                    shapley.attribute(one, n_samples=1, **how).view(-1, pieces).numpy()
                    for _ in range(samples)
                ]
            )  # [samples, J, N]
            sums = orders.sum(1)
            error = sums.std(0, ddof=1) / np.sqrt(samples) if samples > 1 else None
            return Shares(sums.mean(0), full, empty, orders.mean(0), error)
        fit = (KernelShap if method == "kernel-shap" else Lime)(ask.sums)
        values = fit.attribute(one, n_samples=samples, **how)[0].numpy()
        return Shares(values, full, empty)


def _by_gradient(
    ask: Asked, goal: Written | Spoken, omni: Omni, pieces: Pieces, method: str, steps: int,
    batch: int, budget: float,
) -> Shares:  # fmt: skip
    one = ask.input.to_tensor()
    prompt = pieces.read([ask.input.to_model_input(one)])[0]
    if pieces.same_layout:
        without = pieces.read([ask.input.to_model_input(0 * one)])[0].embeds
    else:
        without = prompt.embeds.clone()
        without[:, [row for rows in pieces.members for row in rows]] = 0

    def score(embeds: Tensor) -> Tensor:  # f[B, T, D] -> f[B, J]
        rows = [replace(prompt, embeds=row[None]) for row in embeds]
        return ask.counted(len(rows), goal.score, omni, rows)

    full = score(prompt.embeds)[0].numpy()
    begun = time.perf_counter()
    empty = score(without)[0].numpy()
    spent = 3 * (time.perf_counter() - begun)  # back is about twice as long as there
    ask.afford(steps, spent, budget, "passes there and back")
    with torch.enable_grad():

        def forward(embeds: Tensor) -> Tensor:
            return score(embeds).sum(1)

        if method == "gradient-x-input":
            found = InputXGradient(forward).attribute(prompt.embeds.clone().requires_grad_())
        else:
            found = IntegratedGradients(forward).attribute(
                prompt.embeds, without, n_steps=steps, internal_batch_size=batch
            )
    tokens = found.detach()[0].sum(-1).numpy()
    return Shares(np.array([tokens[list(rows)].sum() for rows in pieces.members]), full, empty)


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
