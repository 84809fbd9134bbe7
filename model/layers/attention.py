"""Gated grouped-query attention with q/k norms and partial rotary places (Qwen3.5's full layer).

Letters: B batch, T new tokens, P past tokens, H query heads, G key/value heads, D head size.
The softmax itself is `core`, a part without parameters, so that it can be swapped for one that
keeps its weights. Left out: dropout, sliding windows (the sense encoders have their own attention).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from model.layers import single
from model.layers.linear import Linear
from model.layers.norm import RMSNorm
from model.layers.past import KeyValues
from model.layers.rope import Angles, rotate

FEW = 2  # queries that go through a loop
SHORT = 256  # up to so many queries at once the scores are computed in full


@dataclass(frozen=True)
class AttentionConfig:
    heads: int
    kv_heads: int
    head_dim: int
    gated: bool = True  # sigmoid gate on the output, as in Qwen3.5; MTP of Qwen3-Omni has none


class Causal(nn.Module):
    """softmax(q k / sqrt(D)) v, every query seeing the past and itself.

    Some queries go through plain matrices, which is faster (in training by far); very many through
    the fused kernel, whose memory does not grow with T squared; one or two through a loop.
    """

    def forward(
        self,
        q: Float[Tensor, "batch heads new dim"],
        k: Float[Tensor, "batch groups all dim"],
        v: Float[Tensor, "batch groups all dim"],
    ) -> Float[Tensor, "batch heads new dim"]:
        new, total = q.shape[2], k.shape[2]
        if len(q) == 1 and new <= FEW and single.plain(q):
            return single.attend(q, k, v)
        if new > SHORT:
            group = q.shape[1] // k.shape[1]
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            seen = None if new == total else ~unseen(new, total, q.device)
            return F.scaled_dot_product_attention(q, k, v, seen, is_causal=seen is None)
        rows = q.reshape(*k.shape[:2], -1, q.shape[3])  # heads that share keys, one below another
        scores = (rows * q.shape[3] ** -0.5) @ k.mT
        ahead = q.new_zeros(new, total, dtype=torch.float32)
        ahead.masked_fill_(unseen(new, total, q.device), -torch.inf)
        scores = scores.float() + ahead.repeat(rows.shape[2] // new, 1)
        return (scores.softmax(-1).to(v.dtype) @ v).view_as(q)


def unseen(new: int, total: int, device: torch.device) -> Bool[Tensor, "new all"]:
    """True where a position lies ahead of the query."""
    return torch.ones(new, total, dtype=torch.bool, device=device).triu(total - new + 1)


class Attention(nn.Module):
    """`y, past = attention(x, angles, past)`; past=None is the start of a stream."""

    def __init__(self, width: int, config: AttentionConfig, eps: float = 1e-6):
        super().__init__()
        self.config = config
        inner = config.heads * config.head_dim
        self.q_proj = Linear(width, inner * (2 if config.gated else 1))
        self.k_proj = Linear(width, config.kv_heads * config.head_dim)
        self.v_proj = Linear(width, config.kv_heads * config.head_dim)
        self.o_proj = Linear(inner, width)
        self.q_norm = RMSNorm(config.head_dim, eps)
        self.k_norm = RMSNorm(config.head_dim, eps)
        self.core = Causal()

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        angles: Angles,
        past: KeyValues | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], KeyValues]:
        batch, time, _ = x.shape
        q, k, v, gate = self.enter(x, angles)
        past = KeyValues.start(k, v) if past is None else past.append(k, v)
        y = self.core(q, past.keys, past.values).transpose(1, 2).reshape(batch, time, -1)
        if gate is not None:
            y = y * torch.sigmoid(gate)
        return self.o_proj(y), past

    def enter(self, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries f[B, H, T, D], keys and values f[B, G, T, D], normed and turned; the gate
        f[B, T, H D], if there is one."""
        batch, time, _ = x.shape
        size, heads = self.config.head_dim, self.config.heads
        if batch == 1 and time <= FEW and single.plain(x) and self.q_proj.weight.dtype == x.dtype:
            weights = self.q_proj.weight, self.k_proj.weight, self.v_proj.weight
            norms = self.q_norm.weight, self.k_norm.weight
            return single.enter(x, heads, weights, norms, self.q_norm.eps, *angles)
        q, *gate = self.q_proj(x).view(batch, time, heads, -1).split(size, dim=-1)
        gate = gate[0].reshape(batch, time, -1) if gate else None
        q = self.q_norm(q).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(batch, time, -1, size)).transpose(1, 2)
        v = self.v_proj(x).view(batch, time, -1, size).transpose(1, 2)
        return rotate(q, angles), rotate(k, angles), v, gate
