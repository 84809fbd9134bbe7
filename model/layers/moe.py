"""Sparse mixture of experts with a shared expert (Qwen3.5's feed-forward).

Letters: N tokens (batch and time flattened), D width, I inner width, E experts, k chosen experts.
The weights are a softmax in fp32 over the logits of the k best experts: the same as a softmax over
all experts, of which the k best are made to sum to one.
Two ways to run the chosen experts, held equal by a test: a few tokens visit their experts one by
one (single.py); many are sorted by expert, and each expert runs once.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.layers import single
from model.layers.linear import Linear

FEW = 4  # up to so many tokens visit their experts one by one


@dataclass(frozen=True)
class MoeConfig:
    experts: int
    chosen: int
    inner: int  # of each expert
    shared: int  # inner width of the shared expert; 0 = there is none, as in Qwen3-Omni's Thinker


class Routing(NamedTuple):
    """Where each token goes. `logits` are kept for margins and load balance."""

    experts: Tensor  # i64[N, k], best first
    weights: Tensor  # f[N, k], sum to one
    logits: Tensor  # f32[N, E]


class Router(nn.Module):
    def __init__(self, width: int, config: MoeConfig):
        super().__init__()
        self.chosen = config.chosen
        self.weight = nn.Parameter(torch.zeros(config.experts, width))

    def forward(self, x: Float[Tensor, "tokens width"]) -> Routing:
        if single.small(x, FEW):
            return Routing(*single.route(x, self.weight, self.chosen))
        logits = F.linear(x, self.weight).float()
        best, experts = logits.topk(self.chosen, dim=-1)
        return Routing(experts, best.softmax(-1).to(x.dtype), logits)


class Mlp(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)); gate and up share one matrix."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_up = Linear(width, 2 * inner)
        self.down = Linear(inner, width)

    def forward(self, x: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        if single.small(x, FEW) and self.down.weight.dtype == x.dtype:
            return single.swiglu(x, self.gate_up.weight, self.down.weight)
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Experts(nn.Module):
    """All experts of a layer, their weights stacked."""

    def __init__(self, width: int, config: MoeConfig):
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(config.experts, 2 * config.inner, width))
        self.down = nn.Parameter(torch.empty(config.experts, width, config.inner))

    def forward(self, x: Float[Tensor, "tokens width"], routing: Routing) -> Tensor:
        if single.small(x, FEW):
            weights = routing.weights, self.gate_up, self.down
            return single.experts(x, routing.experts, *weights)
        return self.together(x, routing)

    def together(self, x: Tensor, routing: Routing) -> Tensor:
        """Tokens sorted by expert, so that each expert runs once, for all that chose it."""
        count, chosen = routing.experts.shape
        expert, order = routing.experts.flatten().sort(stable=True)  # pairs, grouped by expert
        load = torch.bincount(expert, minlength=len(self.gate_up)).tolist()
        rows = x.index_select(0, order // chosen).split(load)
        groups = zip(rows, self.gate_up.unbind(), self.down.unbind(), strict=True)
        y = torch.cat([swiglu(*group) for group in groups if len(group[0])])
        own = order.argsort().view(count, chosen)  # where the outputs of each token lie
        return F.embedding_bag(own, y, per_sample_weights=routing.weights.to(y.dtype), mode="sum")


def swiglu(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """One expert: down(silu(gate(x)) * up(x))."""
    gate, up = F.linear(x, gate_up).chunk(2, dim=-1)
    return F.linear(F.silu(gate) * up, down)


class SparseMoe(nn.Module):
    """Chosen experts plus a shared expert behind a sigmoid gate."""

    def __init__(self, width: int, config: MoeConfig):
        super().__init__()
        self.router = Router(width, config)
        self.experts = Experts(width, config)
        if config.shared:
            self.shared = Mlp(width, config.shared)
            self.shared_gate = Linear(width, 1)
        self.config = config

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        tokens = x.flatten(0, 1)
        y = self.experts(tokens, self.router(tokens))
        if self.config.shared:
            y = y + torch.sigmoid(self.shared_gate(tokens)) * self.shared(tokens)
        return y.view(x.shape)
