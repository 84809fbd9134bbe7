"""Gated DeltaNet: linear attention whose memory is a matrix that is corrected, not just added to.

Letters: B batch, T time, H value heads, K key size, V value size, C chunk.
Per head, in fp32:  S *= exp(g);  d = (v - S^T k) * beta;  S += k d^T;  o = S^T q
`recurrent` is that formula, step by step (the documentation, and single steps on a GPU); `chunked`
is the same in matrix products over chunks (training and prompts on a GPU); single.py has it as a
compiled loop, and backward.py the gradient of that (all there is on a CPU). Tests hold them equal.
Which one runs follows from the input, never from a mode.
Source: Gated DeltaNet (arXiv 2412.06464); layout of the public `qwen3_5_moe`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.layers import backward, single
from model.layers.linear import Linear
from model.layers.norm import GatedRMSNorm, unit
from model.layers.past import DeltaPast

CHUNK = 32  # positions a chunk of the parallel form; up to twice as many are one chunk
BLOCK = 2048  # positions worked on at once, so that a long prompt needs little memory


@dataclass(frozen=True)
class DeltaConfig:
    key_heads: int
    value_heads: int
    key_dim: int  # per head
    value_dim: int  # per head
    kernel: int = 4  # of the short causal convolution


class Gate(NamedTuple):
    """How much every head forgets and writes at each step."""

    decay: Tensor  # f32[B, T, H], log of the factor on the state, <= 0
    write: Tensor  # f32[B, T, H], 0..1, share of the error that is corrected


class DeltaGate(nn.Module):
    """x -> (log decay, write strength); a part of its own so that it can be read and swapped."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.b = Linear(width, heads)
        self.a = Linear(width, heads)
        self.dt_bias = nn.Parameter(torch.ones(heads))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(0.01, 16).log())

    def forward(self, x: Float[Tensor, "batch time width"]) -> Gate:
        if single.small(x):
            weights = self.a.weight, self.b.weight, self.dt_bias, self.A_log
            return Gate(*single.delta_gate(x, *weights))
        decay = -self.A_log.float().exp() * F.softplus(self.a(x).float() + self.dt_bias)
        return Gate(decay, self.b(x).float().sigmoid())


class DeltaNet(nn.Module):
    """`y, past = deltanet(x, past)`; memory and cost per step do not grow with the past."""

    def __init__(self, width: int, config: DeltaConfig, eps: float = 1e-6):
        super().__init__()
        self.config = config
        keys, values = config.key_heads * config.key_dim, config.value_heads * config.value_dim
        self.qkv = Linear(width, 2 * keys + values)
        self.z = Linear(width, values)
        self.gate = DeltaGate(width, config.value_heads)
        self.conv = nn.Conv1d(2 * keys + values, 2 * keys + values, config.kernel, bias=False,
                              groups=2 * keys + values)  # fmt: skip
        self.norm = GatedRMSNorm(config.value_dim, eps)
        self.out = Linear(values, width)

    def forward(
        self, x: Float[Tensor, "batch time width"], past: DeltaPast | None = None
    ) -> tuple[Float[Tensor, "batch time width"], DeltaPast]:
        batch, time, _ = x.shape
        c = self.config
        if backward.fits(x):
            y, past = self._loop(x, past)
            return self.out(y.flatten(2)), past
        mixed, conv_past = self._convolve(self.qkv(x), past.conv if past else None)
        keys = 2 * c.key_heads * c.key_dim
        v = mixed[..., keys:].view(batch, time, c.value_heads, c.value_dim)
        qk = unit(mixed[..., :keys].view(batch, time, 2, c.key_heads, c.key_dim))
        if c.value_heads != c.key_heads:
            qk = qk.repeat_interleave(c.value_heads // c.key_heads, dim=3)
        q, k = qk.unbind(2)
        rule = recurrent if time == 1 else chunked
        state = past.state if past else None
        y, state = rule(q * c.key_dim**-0.5, k, v, self.gate(x), state)
        y = self.norm(y, self.z(x).view(batch, time, c.value_heads, c.value_dim))
        return self.out(y.flatten(2)), DeltaPast(conv_past, state)

    def _loop(self, x: Tensor, past: DeltaPast | None) -> tuple[Tensor, DeltaPast]:
        """All of it but the last projection, as a loop."""
        c, gate = self.config, self.gate(x)
        before = past or DeltaPast(None, None)
        rule = backward.DeltaRule.apply if torch.is_grad_enabled() else single.delta_rule
        y, conv, state = rule(self.qkv(x).float(), before.conv, self.conv.weight.float(), *gate,
                              before.state, c.key_heads, c.key_dim, 1e-6)  # fmt: skip
        return self.norm(y, self.z(x).view(y.shape)), DeltaPast(conv, state)

    def _convolve(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Short depthwise causal convolution over [B, T, channels], with SiLU, in fp32."""
        reach = self.config.kernel - 1
        x, weight = x.float(), self.conv.weight.float()
        if past is None:  # the start of a stream: zeros came before
            past = x.new_zeros(x.shape[0], reach, x.shape[2])
        x = torch.cat((past, x), dim=1)
        keep = x[:, x.shape[1] - reach :]
        if x.shape[1] == reach + 1:  # one step: a weighted sum is much cheaper than a convolution
            return F.silu((x * weight[:, 0].mT).sum(1, keepdim=True)), keep
        with torch.autocast(x.device.type, enabled=False):  # as a picture of height 1: no transpose
            y = F.conv2d(x.mT.unsqueeze(2), weight.unsqueeze(2), groups=x.shape[2])
        return F.silu(y.squeeze(2).mT), keep.clone()


def recurrent(
    q: Float[Tensor, "batch time heads key"],
    k: Float[Tensor, "batch time heads key"],
    v: Float[Tensor, "batch time heads value"],
    gate: Gate,
    state: Float[Tensor, "batch heads key value"] | None,
) -> tuple[Float[Tensor, "batch time heads value"], Float[Tensor, "batch heads key value"]]:
    """The delta rule, one step after the other."""
    if state is None:
        state = v.new_zeros(v.shape[0], v.shape[2], k.shape[3], v.shape[3])
    outputs = []
    columns = q.unsqueeze(-1), k.unsqueeze(-1), v  # [B, T, H, K, 1], the same, [B, T, H, V]
    gates = gate.decay.exp()[..., None, None], gate.write.unsqueeze(-1)
    for query, key, value, keep, write in zip(
        *(x.unbind(1) for x in (*columns, *gates)), strict=True
    ):
        state = state * keep
        error = (value - (key * state).sum(-2)) * write  # [B, H, V]
        state = torch.addcmul(state, key, error.unsqueeze(-2))
        outputs.append((query * state).sum(-2))
    return torch.stack(outputs, dim=1), state


def chunked(
    q: Float[Tensor, "batch time heads key"],
    k: Float[Tensor, "batch time heads key"],
    v: Float[Tensor, "batch time heads value"],
    gate: Gate,
    state: Float[Tensor, "batch heads key value"] | None,
) -> tuple[Float[Tensor, "batch time heads value"], Float[Tensor, "batch heads key value"]]:
    """The same rule in matrix products: within a chunk one triangular system gives all writes."""
    outputs = []
    with torch.autocast(q.device.type, enabled=False):
        for block in zip(*(x.split(BLOCK, dim=1) for x in (q, k, v, *gate)), strict=True):
            y, state = _chunked(*block, state)
            outputs.append(y)
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else y, state


def _chunked(q, k, v, decay, write, state):
    batch, time, heads, _ = q.shape
    size = time if time <= 2 * CHUNK else CHUNK
    pad = -time % size

    def cut(x: Tensor) -> Tensor:  # [B, T, H, ...] -> [chunks, B H, C, ...]; zeros write nothing
        x = F.pad(x, (0, 0) * (x.dim() - 2) + (0, pad)) if pad else x
        x = x.unflatten(1, (-1, size)).transpose(2, 3).transpose(0, 1)
        return x.contiguous().flatten(1, 2)

    q, k, v, beta = cut(q), cut(k), cut(v), cut(write).unsqueeze(-1)
    fade = cut(decay).cumsum(-1).unsqueeze(-1)  # log decay from the start of the chunk
    upper = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    pair = (fade - fade.mT).masked_fill_(upper, -torch.inf).exp_()
    system = (k * beta) @ k.mT * pair  # below its diagonal: who corrects whom
    weights = q @ k.mT * pair
    ends = (k * (fade[:, :, -1:] - fade).exp()).mT
    if state is None and q.shape[0] == 1:  # one chunk, nothing before it: no memory to read
        writes = _solve(system, v * beta)
        y, state = weights @ writes, (ends @ writes)[0]
    else:
        if state is None:
            state = v.new_zeros(batch, heads, k.shape[-1], v.shape[-1])
        state = state.flatten(0, 1)
        grown = fade.exp()
        solved = _solve(system, torch.cat((v * beta, k * beta * grown), -1))
        writes, reads = solved.split((v.shape[-1], k.shape[-1]), dim=-1)
        outputs = []
        for ask, weight, write, read, end, last in zip(
            *(x.unbind() for x in (q * grown, weights, writes, reads, ends, grown[:, :, -1:])),
            strict=True,
        ):
            written = torch.baddbmm(write, read, state, alpha=-1)
            outputs.append(torch.baddbmm(ask @ state, weight, written))
            state = torch.baddbmm(state * last, end, written)
        y = torch.stack(outputs)
    y = y.unflatten(1, (batch, heads)).permute(1, 0, 3, 2, 4).flatten(1, 2)
    return y[:, :time], state.unflatten(0, (batch, heads))


def _solve(system: Tensor, right: Tensor) -> Tensor:
    """x of `system x = right`, lower triangular with ones; transposed, so nothing is copied."""
    return torch.linalg.solve_triangular(
        system.mT, right.mT, upper=True, left=False, unitriangular=True
    ).mT
