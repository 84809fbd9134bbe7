"""THE decoder stack: Thinker, Talker and MTP are all made of it.

Letters: B batch, T time, D width. Each block is `x += mixer(norm(x)); x += ffn(norm(x))`, where the
mixer is Gated DeltaNet or (every `full_every`-th block) gated attention, and the feed-forward is a
mixture of experts or, without `moe`, one dense SwiGLU. Everything is causal, so right padding needs
no mask: a row's valid outputs never see its padding.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from model.layers import single
from model.layers.attention import FEW, Attention, AttentionConfig, Causal
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.moe import Experts, Mlp, MoeConfig, Router, SparseMoe
from model.layers.norm import RMSNorm
from model.layers.past import DeltaPast, KeyValues, positions
from model.layers.rope import Angles, Rotary


@dataclass(frozen=True)
class StackConfig:
    width: int
    layers: int
    attention: AttentionConfig
    rotary_dim: int
    sections: tuple[int, int, int]  # frequencies of the time, height and width axis
    theta: float = 1e4
    full_every: int = 4  # block i has full attention iff (i + 1) % full_every == 0
    delta: DeltaConfig | None = None  # needed when full_every > 1
    moe: MoeConfig | None = None
    ffn: int = 0  # inner width of the dense feed-forward when there is no moe
    middle: int = 0  # blocks passed before `Flow.middle` is taken
    eps: float = 1e-6


class Flow(NamedTuple):
    """What leaves a stack."""

    out: Tensor  # f[B, T, D], after the final norm
    middle: Tensor  # f[B, T, D], the residual stream after block `middle`, before any norm


@dataclass(frozen=True)
class StackPast:
    """One past per block, and how many tokens have passed."""

    blocks: tuple[KeyValues | DeltaPast, ...]
    length: int


class Block(nn.Module):
    """One layer of the stack; `mixer` decides what kind of past it has."""

    def __init__(self, config: StackConfig, full: bool):
        super().__init__()
        self.full = full
        self.mixer_norm = RMSNorm(config.width, config.eps)
        if full:
            self.mixer = Attention(config.width, config.attention, config.eps)
        else:
            self.mixer = DeltaNet(config.width, config.delta, config.eps)
        self.ffn_norm = RMSNorm(config.width, config.eps)
        make = SparseMoe if config.moe else Mlp
        self.ffn = make(config.width, config.moe or config.ffn)

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        angles: Angles,
        past: KeyValues | DeltaPast | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], KeyValues | DeltaPast]:
        if len(x) == 1 and x.shape[1] <= FEW and single.plain(x) and self._bare():
            return self._dense(x, angles, past)
        mixed = self.mixer_norm(x)
        mixed, past = self.mixer(mixed, angles, past) if self.full else self.mixer(mixed, past)
        x = x + mixed
        return x + self.ffn(self.ffn_norm(x)), past

    def _bare(self) -> bool:
        """Is this full attention and a dense feed-forward, nothing exchanged, and nobody looks?"""
        if type(self.ffn) is not Mlp or type(self.mixer) is not Attention:
            return False
        core = self.mixer.core
        parts = self.mixer_norm, self.mixer, core, self.ffn_norm, self.ffn
        return (
            type(core) is Causal
            and self.ffn.down.weight.dtype == torch.float32
            and not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
        )

    def _dense(self, x: Tensor, angles: Angles, past: KeyValues | None) -> tuple[Tensor, KeyValues]:
        """All of `forward` in one loop, where a position or two come at a time (MTP's depth)."""
        mixer, ffn = self.mixer, self.ffn
        weights = single.Dense(
            self.mixer_norm.weight, mixer.q_proj.weight, mixer.k_proj.weight, mixer.v_proj.weight,
            mixer.q_norm.weight, mixer.k_norm.weight, mixer.o_proj.weight, self.ffn_norm.weight,
            ffn.gate_up.weight, ffn.down.weight,
        )  # fmt: skip
        size = mixer.config
        if past is None:
            none = x.new_empty(1, size.kv_heads, 0, size.head_dim)
            past = KeyValues.start(none, none)
        start, past = past.length, past.room(x.shape[1])
        y = single.dense(x, weights, size.heads, self.ffn_norm.eps, *angles, *past.buffers, start)
        return y, past


class Stack(nn.Module):
    """`flow, past = stack(x, places, past)`. Offline is streaming with a fresh past."""

    def __init__(self, config: StackConfig):
        super().__init__()
        self.config = config
        self.rotary = Rotary(config.rotary_dim, config.theta, config.sections)
        self.blocks = nn.ModuleList(
            Block(config, (i + 1) % config.full_every == 0) for i in range(config.layers)
        )
        self.norm = RMSNorm(config.width, config.eps)

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        places: Int[Tensor, "3 batch time"] | None = None,
        past: StackPast | None = None,
    ) -> tuple[Flow, StackPast]:
        """Run tokens that follow `past`.

        Without `places` the tokens are numbered on from the past's length, as plain text is.
        """
        start = past.length if past else 0
        if places is None:
            places = positions(start, x.shape[1], x.shape[0], x.device)
        angles = self.rotary(places)
        middle, kept = x, []
        for i, block in enumerate(self.blocks):
            x, memory = block(x, angles, past.blocks[i] if past else None)
            kept.append(memory)
            if i + 1 == self.config.middle:
                middle = x
        return Flow(self.norm(x), middle), StackPast(tuple(kept), start + x.shape[1])


@torch.no_grad()
def initialise(root: nn.Module) -> None:
    """Start values for all linear maps and tables below `root`.

    | part | start |
    |---|---|
    | Linear, experts | normal, std 1/sqrt(inputs) |
    | outputs into the residual stream (o_proj, out, down) | the same / sqrt(2 x blocks) |
    | Embedding | normal, std 0.02 x sqrt(width) / 4, near the scale of a residual |
    | router | normal, std 0.02 |
    """
    for stack in (m for m in root.modules() if isinstance(m, Stack)):
        shrink = (2 * len(stack.blocks)) ** -0.5
        for name, part in stack.named_modules():
            if isinstance(part, nn.Linear):
                out = name.endswith((".o_proj", ".out", ".down"))
                part.weight.normal_(0, part.in_features**-0.5 * (shrink if out else 1))
            elif isinstance(part, Experts):
                part.gate_up.normal_(0, part.gate_up.shape[-1] ** -0.5)
                part.down.normal_(0, part.down.shape[-1] ** -0.5 * shrink)
            elif isinstance(part, Router):
                part.weight.normal_(0, 0.02)
