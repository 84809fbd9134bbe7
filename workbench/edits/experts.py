"""Edits of routers: who may be, must be, or is chosen, how many, and how evenly they count.

Edits of one router are folded into one choice: first who may be chosen, then the k best of them,
then their weights. Where `layer` is None, all layers of the stage are meant.

Letters: N tokens at once, E experts, k chosen.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.layers.moe import Router, Routing
from model.omni import Omni
from workbench.edits.base import Edit, Places, block_path, known_stage, several
from workbench.probe import find, listen, swap


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
        known_stage(self.stage)

    def decide(self, choice: Choice, places: range) -> Choice:
        raise NotImplementedError

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        path = f"{self.stage}.stack.blocks.*.ffn.router"
        if self.layer is not None:
            path = block_path(omni, self.stage, self.layer) + ".ffn.router"
        self.check(len(next(iter(find(omni, path).values())).weight))
        places = Places()

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


def ban_expert(
    layer: int | None, experts: int | Sequence[int], stage: str = "thinker"
) -> BanExperts:
    """These experts of a layer are never chosen."""
    return BanExperts(layer, stage, several(experts))


def force_expert(
    layer: int | None, experts: int | Sequence[int], stage: str = "thinker"
) -> ForceExperts:
    """These experts are always among the chosen; their weights come from their own logits."""
    return ForceExperts(layer, stage, several(experts))


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
    return NextBest(layer, stage, several(positions))
