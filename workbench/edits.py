"""Edits: one change each, as a value with a repr and JSON, that a lab puts on and takes off again.

    with lab.edit(wb.ban_expert(3, [5, 9]), wb.shift_timestamps(2.0)) as edits:
        alt = lab.rerun(run)
    edits[0].json()                                   # "{...}"; `from_json` reads it back

| made by | what changes |
|---|---|
| ban_expert, force_expert, shuffle_experts | who may be, must be, or is chosen |
| top_k, router_temperature | how many are chosen, how evenly they count |
| next_best | at some tokens, the best expert is passed over |
| zero_head, mean_head, zero_layer, mean_layer | what a head or a block adds |
| patch | what a part returned, taken from another run |
| hearing_window | seconds that the audio encoder attends to |
| pace, aria, fixed_ratio, text_first | when the Talker takes its next word |
| drop_, shift_, stretch_, scramble_, space_timestamps | what the timestamps say, how often |
| compact_places | places of a video without gaps |

Edits of the model are made of `swap` and `listen` (probe.py), so they are undone whatever happens.
Edits of one router are folded into one choice: first who may be chosen, then the k best of them,
then their weights. Where `layer` is None, all layers of the stage are meant.

Letters: N tokens at once, E experts, k chosen, H heads, D size of a state, Q positions.
Left out: edits of weights (change the model itself, then), and MTP's and the encoders' heads.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from model import aria as paces
from model.aria import Aria, FixedRatio, Pace, TextFirst
from model.layers.attention import Causal
from model.layers.moe import Router, Routing
from model.omni import Omni
from model.senses.prompt import Clock, plan
from workbench.checked import Checked
from workbench.omnirun import pack, unpack
from workbench.probe import Changed, find, listen, swap, unchanged
from workbench.run import STAGES, Inputs, Run


@dataclass(frozen=True)
class Edit(Checked):
    """One change. It may act on the model, on the inputs, or on what the timestamps say."""

    def on(self, omni: Omni) -> AbstractContextManager:
        """The model is changed within this."""
        return nullcontext()

    def inputs(self, inputs: Inputs) -> Inputs:
        """The inputs as the edit wants them."""
        return inputs

    def json(self) -> str:
        return json.dumps(pack(self))


def from_json(text: str) -> Edit:
    """The edit that `Edit.json` wrote."""
    try:
        edit = unpack(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"this is no JSON of an edit: {error}") from None
    if not isinstance(edit, Edit):
        raise ValueError(f"this is the JSON of a {type(edit).__name__}, not of an edit")
    return edit


def edited(inputs: Inputs, edits: Sequence[Edit], omni: Omni) -> tuple[Inputs, Clock]:
    """The inputs after all edits, and the clock that goes with them."""
    for edit in edits:
        inputs = edit.inputs(inputs)
    clock = Clock(inputs.interval, inputs.compact)
    retold = [edit for edit in edits if isinstance(edit, Timestamps)]
    if not retold:
        return inputs, clock
    listening = _Listening(inputs.interval, inputs.compact)
    sizes = {"hear": omni.ear.tokens, "look": omni.eye.grid}
    plan(inputs.messages, omni.tokenizer, listening, **sizes)
    moments = np.unique(np.array(listening.moments))
    if not len(moments):
        raise ValueError(
            f"{retold[0]} changes nothing: this turn has no timestamps; give it a video, or"
            " interval=... for timestamps inside audio"
        )
    told = moments
    for edit in retold:
        told = edit.retell(told)
    return inputs, _Retold(
        inputs.interval, inputs.compact, dict(zip(moments.tolist(), told.tolist(), strict=True))
    )


# --- where things are in the model ----------------------------------------------------------------


def _stage(stage: str) -> None:
    if stage not in STAGES:
        raise ValueError(f"no stage {stage!r}, expected {' or '.join(STAGES)}")


def _block(omni: Omni, stage: str, layer: int) -> str:
    """Path of a block, if it exists."""
    count = len(omni.get_submodule(f"{stage}.stack").blocks)
    if not 0 <= layer < count:
        raise ValueError(f"no layer {layer} in the {stage}, which has layers 0 to {count - 1}")
    return f"{stage}.stack.blocks.{layer}"


@dataclass
class _Places:
    """Positions that a stage is working on; the Talker's begin at 0 with each sentence."""

    now: range = range(0)

    def hear(self, _name: str, _part: nn.Module, inputs: tuple) -> None:
        x, _, past = inputs
        start = past.length if past else 0
        self.now = range(start, start + x.shape[1])


# --- routers --------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """A router's decision while it is being made."""

    scores: Tensor  # f32[N, E], who is chosen
    logits: Tensor  # f32[N, E], how much they count
    count: int  # k
    temperature: float
    moved: Tensor | None  # i64[E], who does the work of each expert


Decide = Callable[[Choice], Choice]


class Rerouted(nn.Module):
    """A router whose choice passes through edits."""

    def __init__(self, router: Router, decisions: tuple[Decide, ...]):
        super().__init__()
        object.__setattr__(self, "router", router)
        self._parameters = router._parameters
        self.decisions = decisions
        experts = len(router.weight)
        choice = self.decide(torch.zeros(1, experts))
        left = int((choice.scores > -torch.inf).sum())
        if not 1 <= choice.count <= left:
            raise ValueError(
                f"{choice.count} of {experts} experts are to be chosen, {left} may be chosen"
            )

    def decide(self, logits: Tensor) -> Choice:
        choice = Choice(logits, logits, self.router.chosen, 1.0, None)
        for decision in self.decisions:
            choice = decision(choice)
        return choice

    def forward(self, x: Tensor) -> Routing:
        choice = self.decide(self.router(x).logits)
        experts = choice.scores.topk(choice.count, dim=-1).indices
        best, order = choice.logits.gather(1, experts).sort(stable=True, dim=-1, descending=True)
        experts, logits = experts.gather(1, order), choice.logits
        weights = (best / choice.temperature).softmax(-1).to(x.dtype)
        if choice.moved is not None:
            experts = choice.moved[experts]
            logits = torch.empty_like(logits).index_copy_(1, choice.moved, logits)
        return Routing(experts, weights, logits)


@dataclass(frozen=True)
class RouterEdit(Edit):
    layer: int | None
    stage: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _stage(self.stage)

    def decide(self, choice: Choice, places: range) -> Choice:
        raise NotImplementedError

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        path = f"{self.stage}.stack.blocks.*.ffn.router"
        if self.layer is not None:
            path = _block(omni, self.stage, self.layer) + ".ffn.router"
        self.check(len(next(iter(find(omni, path).values())).weight))
        places = _Places()

        def decision(choice: Choice) -> Choice:
            return self.decide(choice, places.now)

        def make(router: nn.Module) -> Rerouted:
            if isinstance(router, Rerouted):
                return Rerouted(router.router, (*router.decisions, decision))
            return Rerouted(router, (decision,))

        stack = f"{self.stage}.stack"
        with listen(omni, stack, before=places.hear), swap(omni, path, make):
            yield

    def check(self, experts: int) -> None:
        """A ValueError where this can't be done with so many experts."""


@dataclass(frozen=True)
class _SomeExperts(RouterEdit):
    experts: tuple[int, ...]

    def check(self, experts):
        wrong = [e for e in self.experts if not 0 <= e < experts]
        if wrong or not self.experts:
            raise ValueError(f"no experts {wrong}, which are 0 to {experts - 1}, in {self}")


@dataclass(frozen=True)
class BanExperts(_SomeExperts):
    def decide(self, choice, places):
        banned = torch.tensor(self.experts)
        return choice._replace(scores=choice.scores.index_fill(1, banned, -torch.inf))


@dataclass(frozen=True)
class ForceExperts(_SomeExperts):
    def decide(self, choice, places):
        if len(self.experts) > choice.count:
            raise ValueError(f"{self} names more experts than the {choice.count} that are chosen")
        forced = torch.tensor(self.experts)
        return choice._replace(scores=choice.scores.index_fill(1, forced, torch.inf))


@dataclass(frozen=True)
class ShuffleExperts(RouterEdit):
    seed: int

    def decide(self, choice, places):
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(choice.logits.shape[1], generator=generator)
        moved = torch.empty_like(order)
        moved[order] = order.roll(1)  # one round: nobody keeps their own work
        if choice.moved is not None:
            moved = moved[choice.moved]
        return choice._replace(moved=moved)


@dataclass(frozen=True)
class TopK(RouterEdit):
    count: int

    def decide(self, choice, places):
        return choice._replace(count=self.count)


@dataclass(frozen=True)
class RouterTemperature(RouterEdit):
    temperature: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ValueError(f"a temperature must be positive, not {self.temperature}")

    def decide(self, choice, places):
        return choice._replace(temperature=choice.temperature * self.temperature)


@dataclass(frozen=True)
class NextBest(RouterEdit):
    positions: tuple[int, ...]

    def decide(self, choice, places):
        here = [i for i, place in enumerate(places) if place in self.positions]
        if not here or len(choice.scores) != len(places):
            return choice
        scores = choice.scores.clone()
        scores[here, scores[here].argmax(-1)] = -torch.inf
        return choice._replace(scores=scores)


def _several(numbers: int | Sequence[int]) -> tuple[int, ...]:
    return (numbers,) if isinstance(numbers, int) else tuple(int(n) for n in numbers)


def ban_expert(
    layer: int | None, experts: int | Sequence[int], stage: str = "thinker"
) -> BanExperts:
    """These experts of a layer are never chosen."""
    return BanExperts(layer, stage, _several(experts))


def force_expert(
    layer: int | None, experts: int | Sequence[int], stage: str = "thinker"
) -> ForceExperts:
    """These experts are always among the chosen; their weights come from their own logits."""
    return ForceExperts(layer, stage, _several(experts))


def shuffle_experts(
    layer: int | None = None, seed: int = 0, stage: str = "thinker"
) -> ShuffleExperts:
    """The router chooses as ever, but every expert's work is done by another one."""
    return ShuffleExperts(layer, stage, seed)


def top_k(count: int, layer: int | None = None, stage: str = "thinker") -> TopK:
    """So many experts a token."""
    return TopK(layer, stage, count)


def router_temperature(
    temperature: float, layer: int | None = None, stage: str = "thinker"
) -> RouterTemperature:
    """Above 1 the chosen experts count more evenly, below 1 the best one counts for more."""
    return RouterTemperature(layer, stage, temperature)


def next_best(
    positions: int | Sequence[int], layer: int | None = None, stage: str = "thinker"
) -> NextBest:
    """At these positions of the stage (in the Talker: of each sentence's stream), the best expert
    is passed over."""
    return NextBest(layer, stage, _several(positions))


# --- heads, layers, patches -----------------------------------------------------------------------


def _filled(part: nn.Module, head: int, value: Tensor) -> nn.Module:
    """The part, with the output of one head replaced by a value."""
    axis = (
        1 if isinstance(unchanged(part), Causal) else 2
    )  # [B, H, T, D], or DeltaNet's [B, T, H, D]

    def change(out: Tensor, *_inputs: Any) -> Tensor:
        if head >= out.shape[axis]:
            raise ValueError(f"no head {head} among {out.shape[axis]}")
        out = out.clone()
        out.select(axis, head)[:] = value.to(out.dtype)
        return out

    return Changed(part, change)


def _heads(block: nn.Module) -> tuple[str, int]:
    """Which part of a block's mixer returns its heads, and how many they are."""
    if block.full:
        return "mixer.core", block.mixer.config.heads
    return "mixer.norm", block.mixer.config.value_heads


@dataclass(frozen=True, eq=False)
class SetHead(Edit):
    """A head's output is one value at all positions; None is zero."""

    layer: int
    head: int
    stage: str
    value: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        _stage(self.stage)
        path = _block(omni, self.stage, self.layer)
        part, count = _heads(omni.get_submodule(path))
        if not 0 <= self.head < count:
            raise ValueError(
                f"no head {self.head} in layer {self.layer}, which has 0 to {count - 1}"
            )
        value = torch.zeros(1) if self.value is None else torch.from_numpy(self.value)
        with swap(omni, f"{path}.{part}", lambda part: _filled(part, self.head, value)):
            yield


@dataclass(frozen=True, eq=False)
class SetLayer(Edit):
    """What a block adds to the stream is one value at all positions; None is zero."""

    layer: int
    stage: str
    mixer: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)
    ffn: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        _stage(self.stage)
        path = _block(omni, self.stage, self.layer)

        def fill(value: np.ndarray | None) -> Callable[[nn.Module], nn.Module]:
            given = torch.zeros(1) if value is None else torch.from_numpy(value)

            def change(out: Any, *_inputs: Any) -> Any:
                if type(out) is tuple:  # the mixer: its memory goes on as ever
                    return given.to(out[0].dtype).expand_as(out[0]), out[1]
                return given.to(out.dtype).expand_as(out)

            return lambda part: Changed(part, change)

        with (
            swap(omni, f"{path}.mixer", fill(self.mixer)),
            swap(omni, f"{path}.ffn", fill(self.ffn)),
        ):
            yield


@dataclass(frozen=True, eq=False)
class Patch(Edit):
    """At some positions a part returns what it returned in another run."""

    part: str
    positions: tuple[int, ...]
    values: Float32[np.ndarray, "Q ..."] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.positions) != len(self.values):
            raise ValueError(f"{len(self.positions)} positions, {len(self.values)} values")

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        stage, places = self.part.split(".")[0], _Places()
        _stage(stage)
        index = {place: i for i, place in enumerate(self.positions)}
        values = torch.from_numpy(self.values)
        causal = isinstance(unchanged(find(omni, self.part)[self.part]), Causal)

        def change(out: Any, *_inputs: Any) -> Any:
            here = [(i, index[p]) for i, p in enumerate(places.now) if p in index]
            if not here:
                return out
            whole = out[0] if type(out) is tuple else out
            changed = whole.clone()
            rows = changed[0].transpose(0, 1) if causal else changed[0]  # views
            for new, old in here:
                rows[new] = values[old].to(rows.dtype)
            return (changed, *out[1:]) if type(out) is tuple else changed

        stack = listen(omni, f"{stage}.stack", before=places.hear)
        with stack, swap(omni, self.part, lambda part: Changed(part, change)):
            yield


def zero_head(layer: int, head: int, stage: str = "thinker") -> SetHead:
    """A head of attention or DeltaNet says nothing."""
    return SetHead(layer, head, stage)


def mean_head(run: Run, layer: int, head: int, stage: str = "thinker") -> SetHead:
    """A head always says what it said on average in `run`, which has recorded its states."""
    ends = ("mixer.core", "mixer.norm")
    paths = [f"{stage}.stack.blocks.{layer}.{end}" for end in ends]
    states = _states(run, *paths).mean(0)
    if not 0 <= head < len(states):
        raise ValueError(f"no head {head} in layer {layer}, which has 0 to {len(states) - 1}")
    return SetHead(layer, head, stage, states[head])


def zero_layer(layer: int, stage: str = "thinker") -> SetLayer:
    """A block adds nothing: the stream passes by."""
    return SetLayer(layer, stage)


def mean_layer(run: Run, layer: int, stage: str = "thinker") -> SetLayer:
    """A block always adds what it added on average in `run`, which has recorded its states."""
    path = f"{stage}.stack.blocks.{layer}"
    mixer, ffn = (_states(run, f"{path}.{part}").mean(0) for part in ("mixer", "ffn"))
    return SetLayer(layer, stage, mixer, ffn)


def patch(run: Run, part: str, positions: int | Sequence[int] | None = None) -> Patch:
    """At these positions (default: all) `part` returns what it returned in `run`. In the Talker,
    positions count in each sentence's stream, and the values are those of the first sentence."""
    states = _states(run, part)
    tokens = run.stage(part.split(".")[0])
    known = len(states) if part.startswith("thinker") else int((tokens.sentence == 0).sum())
    chosen = tuple(range(known)) if positions is None else _several(positions)
    wrong = [p for p in chosen if not 0 <= p < known]
    if wrong:
        raise ValueError(f"no positions {wrong}, the run has 0 to {known - 1}")
    return Patch(part, chosen, states[list(chosen)])


def _states(run: Run, *paths: str) -> np.ndarray:
    for path in paths:
        if path in run.states:
            return run.states[path]
    kinds = " or ".join(f"record=['states:{path}']" for path in paths)
    raise ValueError(f"the run has no states of {' or '.join(paths)}: lab.run(..., {kinds})")


# --- hearing, pace, time --------------------------------------------------------------------------


@dataclass(frozen=True)
class HearingWindow(Edit):
    seconds: float

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        if not self.seconds > 0:
            raise ValueError(f"a window must be longer than {self.seconds} s")

        def widen(_ear: nn.Module, inputs: tuple) -> tuple:
            return inputs[0], None, self.seconds  # sounds are heard whole, with no past

        hook = omni.ear.register_forward_pre_hook(widen)
        try:
            yield
        finally:
            hook.remove()


def hearing_window(seconds: float) -> HearingWindow:
    """Seconds of sound that the audio encoder attends to at once (8 as a rule)."""
    return HearingWindow(seconds)


@dataclass(frozen=True)
class SetPace(Edit):
    pace: Pace

    def inputs(self, inputs):
        return replace(inputs, pace=self.pace)


def pace(spec: str) -> SetPace:
    """A pace in words: aria, aria:LEAD, fixed:WORDS:FRAMES, text-first, learned."""
    return SetPace(paces.pace(spec))


def aria(lead: int = 3) -> SetPace:
    """The adaptive rate, `lead` words held back."""
    return SetPace(Aria(lead))


def fixed_ratio(words: int, frames: int) -> SetPace:
    """So many words, then so many frames, whatever is being said."""
    return SetPace(FixedRatio(words, frames))


def text_first() -> SetPace:
    """All words are heard before the first frame is spoken."""
    return SetPace(TextFirst())


@dataclass(frozen=True)
class Timestamps(Edit):
    """A change of what timestamps say; where they stand stays as it is."""

    def retell(self, moments: np.ndarray) -> np.ndarray:
        """What is told in place of these seconds; NaN tells nothing."""
        raise NotImplementedError


@dataclass(frozen=True)
class DropTimestamps(Timestamps):
    def retell(self, moments):
        return np.full_like(moments, np.nan)


@dataclass(frozen=True)
class ShiftTimestamps(Timestamps):
    seconds: float

    def retell(self, moments):
        return moments + self.seconds


@dataclass(frozen=True)
class StretchTimestamps(Timestamps):
    factor: float

    def retell(self, moments):
        return moments * self.factor


@dataclass(frozen=True)
class ScrambleTimestamps(Timestamps):
    seed: int

    def retell(self, moments):
        order = np.random.default_rng(self.seed).permutation(len(moments))
        told = np.empty_like(moments)
        told[order] = moments[np.roll(order, 1)]  # one round: none keeps its own
        return told


@dataclass(frozen=True)
class SpaceTimestamps(Edit):
    interval: float | None

    def inputs(self, inputs):
        return replace(inputs, interval=self.interval)


@dataclass(frozen=True)
class CompactPlaces(Edit):
    def inputs(self, inputs):
        return replace(inputs, compact=True)


def drop_timestamps() -> DropTimestamps:
    """No timestamp is written."""
    return DropTimestamps()


def shift_timestamps(seconds: float) -> ShiftTimestamps:
    """Every timestamp says so many seconds more."""
    return ShiftTimestamps(float(seconds))


def stretch_timestamps(factor: float) -> StretchTimestamps:
    """Every timestamp says its seconds times a factor."""
    return StretchTimestamps(float(factor))


def scramble_timestamps(seed: int = 0) -> ScrambleTimestamps:
    """The timestamps' values change places at random."""
    return ScrambleTimestamps(seed)


def space_timestamps(interval: float | None) -> SpaceTimestamps:
    """Inside audio a timestamp stands every so many seconds; None: nowhere."""
    return SpaceTimestamps(interval)


def compact_places() -> CompactPlaces:
    """The places of a video leave no gaps; the time is told by timestamps alone."""
    return CompactPlaces()


@dataclass(frozen=True)
class _Listening(Clock):
    """Notes the moments that are told."""

    moments: list[float] = field(default_factory=list)

    def tell(self, seconds: float) -> str:
        self.moments.append(seconds)
        return super().tell(seconds)


@dataclass(frozen=True)
class _Retold(Clock):
    """Tells something else in place of each moment; NaN tells nothing."""

    told: Mapping[float, float] = field(default_factory=dict)

    def tell(self, seconds: float) -> str:
        told = self.told[seconds]
        return "" if np.isnan(told) else super().tell(told)


EDITS = (
    BanExperts, ForceExperts, ShuffleExperts, TopK, RouterTemperature, NextBest, SetHead, SetLayer,
    Patch, HearingWindow, SetPace, DropTimestamps, ShiftTimestamps, StretchTimestamps,
    ScrambleTimestamps, SpaceTimestamps, CompactPlaces,
)  # fmt: skip
