"""Gradients of single.py's loops: what training on a CPU runs between its matrix products.

Torch keeps what every small operation saw and walks through memory once for each, and again
backwards. Here the way forward is the loop that inference runs; the way back is one loop too, which
computes again what it needs and keeps nothing but the inputs. They run on one thread, however many
torch has: sharing rows among two gained nothing.

Letters: B batch, T time, H value heads, G key heads, K key size, V value size, C channels.
Left out: other devices and fp64 (torch's operations), gradients of gradients.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from numba import boolean, f4, f8, i8, types
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.layers import single
from model.layers.single import CUBE, ROW, ROWS, STATES, _exp, _mix, array, compiled

NORMED = 256  # rows whose share of the weight's gradient is summed for itself: more exact
PIECE = 16  # steps whose states are kept at a time


def fits(x: Tensor) -> bool:
    """Do the loops' numbers, fp32 on a CPU, do for it?"""
    return x.is_cpu and x.dtype in (torch.float32, torch.bfloat16)


@compiled(ROW, ROW, gives=f4)
def _dot(x, y):
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


class RmsNorm(torch.autograd.Function):
    """`single.rms_norm`, with gradients of x, weight and gate."""

    @staticmethod
    def forward(ctx, x, weight, offset, eps, gate=None):
        ctx.save_for_backward(x, weight, gate)
        ctx.rest = offset, eps
        return single.rms_norm(x, weight, offset, eps, gate)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Float[Tensor, "... width"]):
        x, weight, gate = ctx.saved_tensors
        x, gate, dy = (None if y is None else y.reshape(-1, len(weight)) for y in (x, gate, dy))
        dx, count = dy.new_empty(dy.shape), -(-len(dy) // NORMED)
        dgate = dx if gate is None else dy.new_empty(dy.shape)  # without a gate never touched
        dweight = dy.new_zeros(count, len(weight))
        rows = map(array, (x, x if gate is None else gate, dy, dx, dgate))
        _rms_norm(*rows, gate is not None, array(weight), *ctx.rest, array(dweight))
        shape = ctx.saved_tensors[0].shape
        dgate = None if gate is None else dgate.view(shape)
        return dx.view(shape), dweight.sum(0), None, None, dgate


@compiled(ROWS, ROWS, ROWS, ROWS, ROWS, boolean, ROW, f8, f8, ROWS)
def _rms_norm(x, gate, dy, dx, dgate, gated, weight, offset, eps, dweight):
    width = len(weight)
    whole = np.float32(offset) + weight
    passed = np.empty(width, np.float32)  # the gradient, behind the gate
    for n in range(len(x)):
        row, grad, sums = x[n], dy[n], dweight[n // NORMED]
        scale = np.float32(1 / math.sqrt(_dot(row, row) / width + eps))
        if gated:
            door = gate[n]
            for i in range(width):
                share = np.float32(1) / (np.float32(1) + _exp(-door[i]))
                passed[i] = grad[i] * door[i] * share
                dgate[n, i] = share * (np.float32(1) + door[i] * (np.float32(1) - share))
            for i in range(width):
                dgate[n, i] *= grad[i] * row[i] * scale * whole[i]
            grad = passed
        along = np.float32(0)
        for i in range(width):
            along += grad[i] * whole[i] * row[i]
        along *= scale * scale / np.float32(width)
        for i in range(width):
            sums[i] += grad[i] * row[i] * scale
        for i in range(width):
            dx[n, i] = (grad[i] * whole[i] - row[i] * along) * scale


class DeltaRule(torch.autograd.Function):
    """`single.delta_rule`, arguments and results, with gradients of all its tensors."""

    @staticmethod
    def forward(ctx, *given):
        ctx.save_for_backward(*given[:6])
        ctx.rest = given[6:]
        return single.delta_rule(*given)

    @staticmethod
    @once_differentiable
    def backward(
        ctx,
        dy: Float[Tensor, "batch time heads value"],
        dkeep: Float[Tensor, "batch reach channels"],
        dlast: Float[Tensor, "batch heads key value"],
    ):
        x, past, weight, decay, write, state = ctx.saved_tensors
        key_heads, key_dim, eps = ctx.rest
        batch, time, channels = x.shape
        reach = weight.shape[2] - 1
        before = x.new_zeros(batch, reach, channels) if past is None else past
        stream = torch.cat((before, x), dim=1)
        first = torch.zeros_like(dlast) if state is None else state
        dstream = torch.cat((torch.zeros_like(x), dkeep), dim=1)
        dtaps = x.new_zeros(batch, reach + 1, channels)
        dgate, dfirst = x.new_empty(2, *decay.shape), x.new_empty(first.shape)
        given = stream, weight[:, 0].mT, decay, write, first, dy, dlast
        made = (dstream, dtaps, *dgate, dfirst)
        _delta_rule(key_heads, eps, *map(array, (*given, *made)))
        return (
            dstream[:, reach:], None if past is None else dstream[:, :reach],
            dtaps.sum(0).mT.unsqueeze(1), *dgate, None if state is None else dfirst,
            None, None, None,
        )  # fmt: skip


@compiled(ROWS, ROW, ROW, f4, f4, ROW)
def _step(state, k, v, fade, write, error):
    """One step of a head, from state [V, K] to the next; what was wrong is kept."""
    for j in range(state.shape[0]):
        read = np.float32(0)
        for i in range(state.shape[1]):
            read += state[j, i] * k[i]
        error[j] = v[j] - fade * read
        d = error[j] * write
        for i in range(state.shape[1]):
            state[j, i] = state[j, i] * fade + d * k[i]


@compiled(ROWS, ROW, f4, f4, ROW, ROWS)
def _again(state, k, fade, write, error, after):
    """The same step, its errors known."""
    for j in range(state.shape[0]):
        d = error[j] * write
        for i in range(state.shape[1]):
            after[j, i] = state[j, i] * fade + d * k[i]


@compiled(ROWS, ROWS, ROWS, ROW, ROW, f4, f4, ROW, ROW, ROW, ROW, ROW, gives=types.UniTuple(f4, 2))
def _back(before, state, back, q, k, fade, write, error, dy, dq, dk, dv):
    """One step backwards: `back` is the gradient of the state after it, [V, K], and then of that
    before it. Adds to dq and dk, and returns ddecay and dwrite."""
    lost, strength = np.float32(0), np.float32(0)
    along_q, along_k = np.float32(0), np.float32(0)
    both = _dot(q, k)
    for j in range(state.shape[0]):
        out, wrong = dy[j], dy[j] * both
        for i in range(state.shape[1]):
            wrong += back[j, i] * k[i]
        strength += wrong * error[j]
        d, g = error[j] * write, wrong * write
        dv[j] = g
        along_q += out * d
        along_k += g * d
        for i in range(state.shape[1]):
            dq[i] += state[j, i] * out
        for i in range(state.shape[1]):
            dk[i] += back[j, i] * d - state[j, i] * g
        for i in range(state.shape[1]):
            back[j, i] = (back[j, i] + q[i] * out - k[i] * g) * fade
            lost += back[j, i] * before[j, i]
    for i in range(len(q)):
        dk[i] += q[i] * along_q + k[i] * along_k
    return lost, strength


@compiled(ROWS, ROWS, i8, i8, f8, ROWS, ROWS, ROWS, ROWS)
def _unmix(stream, taps, key_heads, keys, eps, mixed, grad, dstream, dtaps):
    """Back through unit lengths, SiLU and the convolution; adds to dstream and dtaps."""
    time, channels = mixed.shape
    raw = np.empty(channels, np.float32)
    for t in range(time):
        raw[:] = 0
        for i in range(taps.shape[0]):
            for c in range(channels):
                raw[c] += stream[t + i, c] * taps[i, c]
        for part in range(2 * key_heads):  # queries, then keys
            start = part * keys
            total, along = np.float32(0), np.float32(0)
            for c in range(start, start + keys):
                active = raw[c] / (np.float32(1) + _exp(-raw[c]))
                total += active * active
                along += mixed[t, c] * grad[t, c]
            scale = np.float32(1 / math.sqrt(total + eps))
            if part < key_heads:  # mixed is a query's unit vector / sqrt(keys)
                scale *= np.float32(1 / math.sqrt(keys))
                along *= keys
            for c in range(start, start + keys):
                grad[t, c] = (grad[t, c] - mixed[t, c] * along) * scale
        for c in range(channels):
            share = np.float32(1) / (np.float32(1) + _exp(-raw[c]))
            grad[t, c] *= share * (np.float32(1) + raw[c] * (np.float32(1) - share))
        for i in range(taps.shape[0]):
            for c in range(channels):
                dstream[t + i, c] += grad[t, c] * taps[i, c]
            for c in range(channels):
                dtaps[i, c] += grad[t, c] * stream[t + i, c]


@compiled(i8, f8, CUBE, ROWS, CUBE, CUBE, STATES, STATES, STATES, CUBE, CUBE, CUBE, CUBE,
          STATES)  # fmt: skip
def _delta_rule(groups, eps, stream, taps, decay, write, first, dy, dlast, dstream,
                dtaps, ddecay, dwrite, dfirst):  # fmt: skip
    batch, time, heads = decay.shape
    keys, values = first.shape[2], first.shape[3]
    share = heads // groups
    marks = np.empty(((time + PIECE - 1) // PIECE, values, keys), np.float32)
    states = np.empty((PIECE + 1, values, keys), np.float32)
    back = np.empty((values, keys), np.float32)
    error = np.empty((time, values), np.float32)
    fade = np.empty(time, np.float32)
    whole = np.empty((1, time, stream.shape[2]), np.float32)
    mixed = whole[0]
    dmixed = np.empty(mixed.shape, np.float32)
    for b in range(batch):
        _mix(stream[b : b + 1], taps, groups, keys, eps, whole)
        dmixed[:, : 2 * groups * keys] = 0
        for h in range(heads):
            q = (h // share) * keys
            k = q + groups * keys
            v = 2 * groups * keys + h * values
            state = states[0]
            for j in range(values):
                for i in range(keys):
                    state[j, i] = first[b, h, i, j]
                    back[j, i] = dlast[b, h, i, j]
            for t in range(time):
                if t % PIECE == 0:
                    marks[t // PIECE] = state
                fade[t] = math.exp(decay[b, t, h])
                row = mixed[t]
                _step(state, row[k : k + keys], row[v : v + values], fade[t], write[b, t, h],
                      error[t])  # fmt: skip
            for piece in range(len(marks) - 1, -1, -1):
                start, stop = piece * PIECE, min(time, (piece + 1) * PIECE)
                states[0] = marks[piece]
                for t in range(start, stop):
                    _again(states[t - start], mixed[t, k : k + keys], fade[t], write[b, t, h],
                           error[t], states[t - start + 1])  # fmt: skip
                for t in range(stop - 1, start - 1, -1):
                    row, grad = mixed[t], dmixed[t]
                    ddecay[b, t, h], dwrite[b, t, h] = _back(
                        states[t - start], states[t - start + 1], back, row[q : q + keys],
                        row[k : k + keys], fade[t], write[b, t, h], error[t], dy[b, t, h],
                        grad[q : q + keys], grad[k : k + keys], grad[v : v + values],
                    )  # fmt: skip
            for i in range(keys):
                for j in range(values):
                    dfirst[b, h, i, j] = back[j, i]
        _unmix(stream[b], taps, groups, keys, eps, mixed, dmixed, dstream[b], dtaps[b])
