"""Sparse mixture of experts with a shared expert (Qwen3.5's feed-forward).

Letters: N tokens (batch and time flattened), D width, I inner width, E experts, k chosen experts.
The weights are a softmax in fp32 over the logits of the k best experts: the same as a softmax over
all experts, of which the k best are made to sum to one.
Two ways to run the chosen experts, held equal by a test: `each` (a few tokens: only the chosen
weights are touched) and `together` (many tokens: sorted by expert, one batched product).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FEW = 4  # up to so many (token, expert) pairs, visiting them one by one is cheaper


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
        logits = F.linear(x, self.weight).float()
        best, experts = logits.topk(self.chosen, dim=-1)
        return Routing(experts, best.softmax(-1).to(x.dtype), logits)


class Mlp(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)); gate and up share one matrix."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Experts(nn.Module):
    """All experts of a layer, their weights stacked."""

    def __init__(self, width: int, config: MoeConfig):
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(config.experts, 2 * config.inner, width))
        self.down = nn.Parameter(torch.empty(config.experts, width, config.inner))

    def forward(self, x: Float[Tensor, "tokens width"], routing: Routing) -> Tensor:
        run = self.each if routing.experts.numel() <= FEW else self.together
        return run(x, routing)

    def each(self, x: Tensor, routing: Routing) -> Tensor:
        """The plain form: every token visits its experts one by one."""
        rows = []
        for token, chosen in enumerate(routing.experts.tolist()):
            row = None
            for expert, weight in zip(chosen, routing.weights[token].unbind(), strict=True):
                gate, up = F.linear(x[token], self.gate_up[expert]).chunk(2)
                y = F.linear(F.silu(gate) * up * weight, self.down[expert])
                row = y if row is None else row + y
            rows.append(row)
        return torch.stack(rows)

    def together(self, x: Tensor, routing: Routing) -> Tensor:
        """Tokens sorted by expert into equal bins, so that one batched product serves them all."""
        count, chosen = routing.experts.shape
        expert, order = routing.experts.flatten().sort(stable=True)  # pairs, grouped by expert
        load = torch.bincount(expert, minlength=self.gate_up.shape[0])
        room = int(load.max())
        place = torch.arange(len(expert), device=x.device) - (load.cumsum(0) - load)[expert]
        slot = expert * room + place  # of each pair in the bins
        bins = x.new_zeros(len(load) * room, x.shape[-1])
        bins = bins.index_copy(0, slot, x[order // chosen]).view(len(load), room, -1)
        gate, up = torch.bmm(bins, self.gate_up.transpose(1, 2)).chunk(2, dim=-1)
        y = torch.bmm(F.silu(gate) * up, self.down.transpose(1, 2)).flatten(0, 1)
        back = torch.empty_like(slot)
        back[order] = slot  # pair -> slot, in the order of the tokens
        y = y[back].view(count, chosen, -1)
        return (y * routing.weights.to(y.dtype).unsqueeze(-1)).sum(1)


class SparseMoe(nn.Module):
    """Chosen experts plus a shared expert behind a sigmoid gate."""

    def __init__(self, width: int, config: MoeConfig):
        super().__init__()
        self.router = Router(width, config)
        self.experts = Experts(width, config)
        if config.shared:
            self.shared = Mlp(width, config.shared)
            self.shared_gate = nn.Linear(width, 1, bias=False)
        self.config = config

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        tokens = x.flatten(0, 1)
        y = self.experts(tokens, self.router(tokens))
        if self.config.shared:
            y = y + torch.sigmoid(self.shared_gate(tokens)) * self.shared(tokens)
        return y.view(x.shape)
