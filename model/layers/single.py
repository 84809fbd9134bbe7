"""One position after the other on a CPU: inner formulas as plain loops, compiled by numba.

When a model writes or speaks, every layer sees one position, and of the time of a layer nine tenths
would be the overhead of small tensor operations. The layers ask `small(x)` or `plain(x)`; what is
here gives the same numbers (a test says how nearly) in one call instead of dozens. Nothing here has
gradients: training takes torch's way.
numba compiles the loops when this file is first imported (some seconds, once) and keeps them on
disk for the next process.

Letters: B batch, N rows, D width, H heads, K key size, V value size, C channels, R rotary size,
k chosen experts, E experts, I inner width.
Left out: matrix products of a whole layer (torch's are as fast), other devices and dtypes.
"""

import inspect
import math
from collections.abc import Callable

import numpy as np
import torch
from numba import f4, f8, i8, njit, void
from torch import Tensor

FEW = 16  # rows up to which a loop beats torch's operations

FAST = {"reassoc", "contract", "arcp", "nsz"}  # sums in any order; NaN and inf stay what they are


def compiled(*arguments) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A loop over these arguments in machine code, made now: nobody waits for it in a turn.
    `unwrap`, as checkers of types may have wrapped the loop."""
    make = njit(void(*arguments), cache=True, fastmath=FAST, nogil=True)
    return lambda loop: make(inspect.unwrap(loop))


ROW, ROWS, CUBE, STATES = f4[::1], f4[:, ::1], f4[:, :, ::1], f4[:, :, :, ::1]


def plain(x: Tensor) -> bool:
    """Is this f32 on a CPU, with no gradient wanted?"""
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def small(x: Tensor, rows: int = FEW) -> bool:
    """Is it plain, and few rows?"""
    return x.numel() <= rows * x.shape[-1] and plain(x)


def array(x: Tensor) -> np.ndarray:
    """The tensor's memory, for a loop to read."""
    return x.detach().contiguous().numpy()


def rms_norm(x: Tensor, weight: Tensor, offset: float, eps: float, gate: Tensor | None = None):
    """`x / rms(x) * (offset + weight)`, times `silu(gate)` where there is one."""
    rows = array(x).reshape(-1, x.shape[-1])
    out = np.empty_like(rows)
    _rms_norm(rows, array(weight), offset, eps, out)
    if gate is not None:
        _times_silu(out, array(gate).reshape(rows.shape))
    return torch.from_numpy(out).view(x.shape)


@compiled(ROWS, ROW, f8, f8, ROWS)
def _rms_norm(x, weight, offset, eps, out):
    for n in range(x.shape[0]):
        total = np.float32(0)
        for i in range(x.shape[1]):
            total += x[n, i] * x[n, i]
        scale = np.float32(1 / math.sqrt(total / x.shape[1] + eps))
        for i in range(x.shape[1]):
            out[n, i] = x[n, i] * scale * (np.float32(offset) + weight[i])


@compiled(ROWS, ROWS)
def _times_silu(out, gate):
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            z = gate[n, i]
            out[n, i] = out[n, i] * z / (np.float32(1) + math.exp(-z))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """rope.rotate for f32[1, H, 1, D] and the angles [1, 1, 1, R] of its place."""
    rows = array(x).reshape(x.shape[1], x.shape[3])
    out = np.empty_like(rows)
    _rotate(rows, array(cos).reshape(-1), array(sin).reshape(-1), out)
    return torch.from_numpy(out).view(x.shape)


@compiled(ROWS, ROW, ROW, ROWS)
def _rotate(x, cos, sin, out):
    half = cos.shape[0] // 2
    for h in range(x.shape[0]):
        for i in range(half):
            left, right = x[h, i], x[h, half + i]
            out[h, i] = left * cos[i] - right * sin[i]
            out[h, half + i] = right * cos[i] + left * sin[i]
        for i in range(2 * half, x.shape[1]):
            out[h, i] = x[h, i]


def delta_gate(x: Tensor, a: Tensor, b: Tensor, bias: Tensor, log: Tensor) -> tuple[Tensor, Tensor]:
    """Log decay and write strength f32[*, H] of rows x f32[*, D]; a, b f32[H, D]."""
    rows = array(x).reshape(-1, x.shape[-1])
    decay = np.empty((len(rows), len(bias)), np.float32)
    write = np.empty_like(decay)
    _delta_gate(rows, array(a), array(b), array(bias), array(log), decay, write)
    shape = (*x.shape[:-1], len(bias))
    return torch.from_numpy(decay).view(shape), torch.from_numpy(write).view(shape)


@compiled(ROWS, ROWS, ROWS, ROW, ROW, ROWS, ROWS)
def _delta_gate(x, a, b, bias, log, decay, write):
    for n in range(x.shape[0]):
        for h in range(len(bias)):
            step, strength = bias[h], np.float32(0)
            for d in range(x.shape[1]):
                step += a[h, d] * x[n, d]
                strength += b[h, d] * x[n, d]
            soft = step if step > 20 else math.log1p(math.exp(step))
            decay[n, h] = -math.exp(log[h]) * soft
            write[n, h] = 1 / (1 + math.exp(-strength))


def delta_rule(
    x: Tensor, past: Tensor | None, weight: Tensor, decay: Tensor, write: Tensor,
    state: Tensor | None, key_heads: int, key_dim: int, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gated DeltaNet between its projections, position after position: short convolution, SiLU,
    unit queries and keys, the delta rule. The state of a head fits the fastest memory, so that this
    beats chunks of matrix products at any length.

    x f32[B, T, C] are queries, keys and values in a row; past f32[B, kernel - 1, C]; weight
    f32[C, 1, kernel]; decay, write f32[B, T, H]; state f32[B, H, K, V].
    Returns y f32[B, T, H, V], and the new past and state.
    """
    batch, time, channels = x.shape
    heads = decay.shape[2]
    value_dim = (channels - 2 * key_heads * key_dim) // heads
    kernel = weight.shape[2]
    old = np.zeros((batch, kernel - 1, channels), np.float32) if past is None else array(past)
    stream = np.concatenate((old, array(x)), axis=1)
    after = (np.zeros((batch, heads, key_dim, value_dim), np.float32) if state is None
             else array(state).copy())  # fmt: skip
    y = np.empty((batch, time, heads, value_dim), np.float32)
    taps = np.ascontiguousarray(array(weight).reshape(channels, kernel).T)
    _delta_rule(stream, taps, array(decay), array(write), key_heads, eps, after, y)
    keep = torch.from_numpy(stream[:, time:].copy())
    return torch.from_numpy(y), keep, torch.from_numpy(after)


@compiled(CUBE, ROWS, CUBE, CUBE, i8, f8, STATES, STATES)
def _delta_rule(stream, taps, decay, write, key_heads, eps, states, y):
    batch, time, heads, values = y.shape
    keys = states.shape[2]
    kernel, channels = taps.shape
    mixed = np.empty(channels, np.float32)
    error = np.empty(values, np.float32)
    group = heads // key_heads
    for b in range(batch):
        for t in range(time):
            mixed[:] = 0
            for i in range(kernel):
                for c in range(channels):
                    mixed[c] += stream[b, t + i, c] * taps[i, c]
            for c in range(channels):
                mixed[c] = mixed[c] / (np.float32(1) + math.exp(-mixed[c]))
            for part in range(2 * key_heads):  # queries, then keys
                start = part * keys
                total = np.float32(0)
                for i in range(start, start + keys):
                    total += mixed[i] * mixed[i]
                scale = np.float32(1 / math.sqrt(total + eps))
                if part < key_heads:
                    scale *= np.float32(1 / math.sqrt(keys))
                for i in range(start, start + keys):
                    mixed[i] *= scale
            for h in range(heads):
                q = (h // group) * keys
                k = q + key_heads * keys
                v = 2 * key_heads * keys + h * values
                fade = np.float32(math.exp(decay[b, t, h]))
                state = states[b, h]
                error[:] = 0
                for i in range(keys):
                    key = mixed[k + i] * fade
                    for j in range(values):
                        error[j] += key * state[i, j]
                for j in range(values):
                    error[j] = (mixed[v + j] - error[j]) * write[b, t, h]
                    y[b, t, h, j] = 0
                for i in range(keys):
                    key, query = mixed[k + i], mixed[q + i]
                    for j in range(values):
                        state[i, j] = state[i, j] * fade + key * error[j]
                        y[b, t, h, j] += query * state[i, j]


def experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """The chosen experts' weighed answers: x f32[N, D], chosen i64[N, k], weights f32[N, k],
    gate_up f32[E, 2 I, D], down f32[E, D, I]."""
    out = np.zeros(x.shape, np.float32)
    _experts(array(x), array(chosen), array(weights), array(gate_up), array(down), out)
    return torch.from_numpy(out)


@compiled(ROWS, i8[:, ::1], ROWS, CUBE, CUBE, ROWS)
def _experts(x, chosen, weights, gate_up, down, out):
    inner = down.shape[2]
    width = x.shape[1]
    hidden = np.empty(inner, np.float32)
    for n in range(x.shape[0]):
        for c in range(chosen.shape[1]):
            e = chosen[n, c]
            for i in range(inner):
                gate, up = np.float32(0), np.float32(0)
                for d in range(width):
                    gate += gate_up[e, i, d] * x[n, d]
                    up += gate_up[e, inner + i, d] * x[n, d]
                hidden[i] = gate / (np.float32(1) + math.exp(-gate)) * up * weights[n, c]
            for d in range(width):
                total = np.float32(0)
                for i in range(inner):
                    total += down[e, d, i] * hidden[i]
                out[n, d] += total
