"""One position after the other on a CPU: inner formulas as plain loops, compiled by numba.

When a model writes or speaks, every layer sees one position, and of the time of a layer nine tenths
would be the overhead of small tensor operations. The layers ask `small(x)` or `plain(x)`; what is
here gives the same numbers (a test says how nearly) in one call instead of dozens. Nothing here has
gradients: backward.py has those of the delta rule and the norms; the rest trains in torch's way.
numba compiles the loops when this file is first imported (some seconds, once) and keeps them on
disk for the next process.

Letters: B batch, N rows, D width, H heads, G groups of heads, T positions, K key size, V value
size, C channels, R rotary size, k chosen experts, E experts, I inner width, O outputs.
Norms go through a loop at any number of rows: one pass where torch makes five.
Left out: matrix products of many rows (torch's are faster), other devices and dtypes.
"""

import inspect
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numba import f4, f8, i8, njit, void
from torch import Tensor

FEW = 16  # rows up to which a loop beats torch's operations
LONG = 128  # positions from which heads are shared among threads
THREADS = ThreadPoolExecutor(thread_name_prefix="heads")  # the loops hold no lock

FAST = {"reassoc", "contract", "arcp", "nsz"}  # sums in any order; NaN and inf stay what they are


def compiled(*arguments, gives=void, inline: str = "never") -> Callable[[Callable], Callable]:
    """A loop over these arguments in machine code, made now: nobody waits for it in a turn.
    `unwrap`, as checkers of types may have wrapped the loop. Dividing by 0 gives inf, as in torch:
    with Python's error a loop that divides could not take several numbers at once."""
    how = {"cache": True, "fastmath": FAST, "error_model": "numpy", "nogil": True}
    make = njit(gives(*arguments), inline=inline, **how)
    return lambda loop: make(inspect.unwrap(loop))


@compiled(f4, gives=f4, inline="always")
def _exp(x):
    """e to the x to 3e-7 of it, in steps that compilers can take for 16 numbers at once (the C
    library's is called for each): `2^k e^r` with |r| <= ln(2) / 2, e^r by its series. Outside of
    -87 to 88 the value there; NaN stays NaN."""
    x = np.float32(-87) if x < np.float32(-87) else x
    x = np.float32(88) if x > np.float32(88) else x
    k = np.int32(x * np.float32(1.44269504) + np.float32(0.5 if x > 0 else -0.5))
    r = x - np.float32(k) * np.float32(0.693359375) + np.float32(k) * np.float32(2.12194440e-4)
    series = r * np.float32(1 / 720) + np.float32(1 / 120)
    series = series * r + np.float32(1 / 24)
    series = series * r + np.float32(1 / 6)
    series = series * r + np.float32(1 / 2)
    series = (series * r + np.float32(1)) * r + np.float32(1)
    return series * np.int32((k + 127) << 23).view(np.float32)


ROW, ROWS, CUBE, STATES = f4[::1], f4[:, ::1], f4[:, :, ::1], f4[:, :, :, ::1]


def plain(x: Tensor) -> bool:
    """Is this f32 on a CPU, with no gradient wanted?"""
    return (
        x.is_cpu
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def small(x: Tensor, rows: int = FEW) -> bool:
    """Is it plain, and few rows?"""
    return x.numel() <= rows * x.shape[-1] and plain(x)


def array(x: Tensor) -> np.ndarray:
    """The tensor's memory, for a loop to read."""
    return x.detach().contiguous().numpy()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`weight x + bias` of rows x f32[*, D]; weight f32[O, D], bias f32[O]."""
    rows = array(x).reshape(-1, x.shape[-1])
    out = np.empty((len(rows), len(weight)), np.float32)
    _linear(rows, array(weight), out)
    y = torch.from_numpy(out).view(*x.shape[:-1], len(weight))
    return y if bias is None else y + bias


@compiled(ROWS, ROWS, ROWS)
def _linear(x, weight, out):
    for o in range(weight.shape[0]):
        for n in range(x.shape[0]):
            total = np.float32(0)
            for d in range(weight.shape[1]):
                total += weight[o, d] * x[n, d]
            out[n, o] = total


def rms_norm(x: Tensor, weight: Tensor, offset: float, eps: float, gate: Tensor | None = None):
    """`x / rms(x) * (offset + weight)`, times `silu(gate)` where there is one."""
    rows = array(x).reshape(-1, x.shape[-1])
    out = np.empty_like(rows)
    _rms_norm(rows, array(weight.float()), offset, eps, out)
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


def unit(x: Tensor, eps: float) -> Tensor:
    """`x / sqrt(|x|^2 + eps)` of the last axis."""
    rows = array(x).reshape(-1, x.shape[-1])
    out = np.empty_like(rows)
    _unit(rows, eps, out)
    return torch.from_numpy(out).view(x.shape)


@compiled(ROWS, f8, ROWS)
def _unit(x, eps, out):
    for n in range(x.shape[0]):
        total = np.float32(0)
        for i in range(x.shape[1]):
            total += x[n, i] * x[n, i]
        scale = np.float32(1 / math.sqrt(total + eps))
        for i in range(x.shape[1]):
            out[n, i] = x[n, i] * scale


@compiled(ROWS, ROWS)
def _times_silu(out, gate):
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            z = gate[n, i]
            out[n, i] = out[n, i] * z / (np.float32(1) + _exp(-z))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """rope.rotate for f32[1, H, T, D] and the angles [1, 1, T, R] of its places."""
    heads = array(x)[0]
    out = np.empty_like(heads)
    _rotate(heads, array(cos)[0, 0], array(sin)[0, 0], out)
    return torch.from_numpy(out).unsqueeze(0)


@compiled(CUBE, ROWS, ROWS, CUBE)
def _rotate(x, cos, sin, out):
    half = cos.shape[1] // 2
    for h in range(x.shape[0]):
        for t in range(x.shape[1]):
            for i in range(half):
                left, right = x[h, t, i], x[h, t, half + i]
                out[h, t, i] = left * cos[t, i] - right * sin[t, i]
                out[h, t, half + i] = right * cos[t, i] + left * sin[t, i]
            for i in range(2 * half, x.shape[2]):
                out[h, t, i] = x[h, t, i]


def enter(
    x: Tensor, heads: int, weights: tuple[Tensor, Tensor, Tensor], norms: tuple[Tensor, Tensor],
    eps: float, cos: Tensor, sin: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """All of attention before its softmax, for rows x f32[1, N, D]: projections by q [H S or H 2S,
    D], k and v [G S, D], zero-centred norms f32[S] of queries and keys, the turn by the angles
    [1, 1, N, R]. Returns q f32[1, H, N, S], k and v f32[1, G, N, S], and the gate f32[1, N, H S],
    if every head's queries are followed by one."""
    rows, (ask, know, tell) = array(x)[0], map(array, weights)
    size = len(norms[0])
    q = np.empty((heads, len(rows), size), np.float32)
    k = np.empty((len(know) // size, len(rows), size), np.float32)
    v = np.empty_like(k)
    gated = len(ask) > heads * size
    gate = np.empty((len(rows), heads * size if gated else 0), np.float32)
    turns = array(cos)[0, 0], array(sin)[0, 0]
    _enter(rows, ask, know, tell, *map(array, norms), eps, *turns, q, k, v, gate)
    q, k, v = (torch.from_numpy(y).unsqueeze(0) for y in (q, k, v))
    return q, k, v, torch.from_numpy(gate).unsqueeze(0) if gated else None


@compiled(ROWS, ROWS, ROWS, ROWS, ROW, ROW, f8, ROWS, ROWS, CUBE, CUBE, CUBE, ROWS)
def _enter(x, ask, know, tell, q_norm, k_norm, eps, cos, sin, q, k, v, gate):
    heads, count, size = q.shape
    wide = ask.shape[0] // heads  # of a head: queries, or queries and gate
    for n in range(count):
        for o in range(ask.shape[0]):
            total = np.float32(0)
            for d in range(x.shape[1]):
                total += ask[o, d] * x[n, d]
            h, i = o // wide, o % wide
            if i < size:
                q[h, n, i] = total
            else:
                gate[n, h * size + i - size] = total
        for o in range(know.shape[0]):
            key, value = np.float32(0), np.float32(0)
            for d in range(x.shape[1]):
                key += know[o, d] * x[n, d]
                value += tell[o, d] * x[n, d]
            k[o // size, n, o % size], v[o // size, n, o % size] = key, value
    for h in range(heads):
        _rms_norm(q[h], q_norm, 1.0, eps, q[h])
    for g in range(k.shape[0]):
        _rms_norm(k[g], k_norm, 1.0, eps, k[g])
    _rotate(q, cos, sin, q)
    _rotate(k, cos, sin, k)


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
    mixed = np.empty((batch, time, channels), np.float32)
    _mix(stream, taps, key_heads, key_dim, eps, mixed)
    rest = mixed, array(decay), array(write), key_heads, after, y
    if time < LONG:
        _delta_rule(0, heads, *rest)
    else:  # heads know nothing of each other
        cuts = np.linspace(0, heads, min(heads, torch.get_num_threads()) + 1).astype(int)
        list(THREADS.map(lambda begin, end: _delta_rule(begin, end, *rest), cuts[:-1], cuts[1:]))
    keep = torch.from_numpy(stream[:, time:].copy())
    return torch.from_numpy(y), keep, torch.from_numpy(after)


@compiled(CUBE, ROWS, i8, i8, f8, CUBE)
def _mix(stream, taps, key_heads, keys, eps, mixed):
    batch, time, channels = mixed.shape
    for b in range(batch):
        for t in range(time):
            row = mixed[b, t]
            row[:] = 0
            for i in range(taps.shape[0]):
                for c in range(channels):
                    row[c] += stream[b, t + i, c] * taps[i, c]
            for c in range(channels):
                row[c] = row[c] / (np.float32(1) + _exp(-row[c]))
            for part in range(2 * key_heads):  # queries, then keys
                start = part * keys
                total = np.float32(0)
                for i in range(start, start + keys):
                    total += row[i] * row[i]
                scale = np.float32(1 / math.sqrt(total + eps))
                if part < key_heads:
                    scale *= np.float32(1 / math.sqrt(keys))
                for i in range(start, start + keys):
                    row[i] *= scale


@compiled(i8, i8, CUBE, CUBE, CUBE, i8, STATES, STATES)
def _delta_rule(begin, end, mixed, decay, write, key_heads, states, y):
    batch, time, heads, values = y.shape
    keys = states.shape[2]
    error = np.empty(values, np.float32)
    group = heads // key_heads
    for b in range(batch):
        for t in range(time):
            row = mixed[b, t]
            for h in range(begin, end):
                q = (h // group) * keys
                k = q + key_heads * keys
                v = 2 * key_heads * keys + h * values
                fade = np.float32(math.exp(decay[b, t, h]))
                state = states[b, h]
                error[:] = 0
                for i in range(keys):
                    key = row[k + i] * fade
                    for j in range(values):
                        error[j] += key * state[i, j]
                for j in range(values):
                    error[j] = (row[v + j] - error[j]) * write[b, t, h]
                    y[b, t, h, j] = 0
                for i in range(keys):
                    key, query = row[k + i], row[q + i]
                    for j in range(values):
                        state[i, j] = state[i, j] * fade + key * error[j]
                        y[b, t, h, j] += query * state[i, j]


def swiglu(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """One dense expert: rows x f32[*, D], gate_up f32[2 I, D], down f32[D, I]."""
    rows = array(x).reshape(-1, x.shape[-1])
    only, out = np.zeros((len(rows), 1), np.int64), np.zeros(rows.shape, np.float32)
    shares = np.ones(only.shape, np.float32)
    _experts(rows, only, shares, array(gate_up)[None], array(down)[None], out)
    return torch.from_numpy(out).view(x.shape)


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
    hidden = np.empty(2 * inner, np.float32)
    for n in range(x.shape[0]):
        for c in range(chosen.shape[1]):
            e = chosen[n, c]
            for i in range(2 * inner):
                total = np.float32(0)
                for d in range(width):
                    total += gate_up[e, i, d] * x[n, d]
                hidden[i] = total
            for i in range(inner):
                gate = hidden[i]
                hidden[i] = gate / (np.float32(1) + _exp(-gate)) * hidden[inner + i]
                hidden[i] *= weights[n, c]
            for d in range(width):
                total = np.float32(0)
                for i in range(inner):
                    total += down[e, d, i] * hidden[i]
                out[n, d] += total


def route(x: Tensor, weight: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k best experts of rows x f32[N, D], their softmax, and all logits f32[N, E]."""
    rows = array(x)
    logits = np.empty((len(rows), len(weight)), np.float32)
    chosen = np.empty((len(rows), k), np.int64)
    shares = np.empty((len(rows), k), np.float32)
    _linear(rows, array(weight), logits)
    _best(logits, chosen, shares)
    return torch.from_numpy(chosen), torch.from_numpy(shares), torch.from_numpy(logits)


@compiled(ROWS, i8[:, ::1], ROWS)
def _best(logits, chosen, shares):
    count, k = chosen.shape
    for n in range(count):
        total = np.float32(0)
        for c in range(k):
            best = -1
            for e in range(logits.shape[1]):
                taken = False
                for before in range(c):
                    taken = taken or chosen[n, before] == e
                if not taken and (best < 0 or logits[n, e] > logits[n, best]):
                    best = e
            chosen[n, c] = best
            shares[n, c] = math.exp(logits[n, best] - logits[n, chosen[n, 0]])
            total += shares[n, c]
        for c in range(k):
            shares[n, c] /= total


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k / sqrt(D)) v, causal: the last positions' q f32[1, H, N, D] over k, v
    f32[1, G, T, D]."""
    groups = k.shape[1]
    asked = array(q)[0].reshape(groups, -1, *q.shape[2:])
    out = np.empty_like(asked)
    for group, (keys, values) in enumerate(zip(k.numpy()[0], v.numpy()[0], strict=True)):
        keys, values = np.ascontiguousarray(keys), np.ascontiguousarray(values)  # a past's are
        _attend(asked[group], keys, values, out[group])
    return torch.from_numpy(out).view(q.shape)


@compiled(CUBE, ROWS, ROWS, CUBE)
def _attend(q, k, v, out):
    heads, new, size = q.shape
    shares = np.empty(k.shape[0], np.float32)
    scale = np.float32(1 / math.sqrt(size))
    for h in range(heads):
        for n in range(new):
            seen = k.shape[0] - new + n + 1
            most = np.float32(-np.inf)
            for t in range(seen):
                score = np.float32(0)
                for d in range(size):
                    score += q[h, n, d] * k[t, d]
                shares[t] = score * scale
                most = max(most, shares[t])
            total = np.float32(0)
            for t in range(seen):
                shares[t] = _exp(shares[t] - most)
                total += shares[t]
            out[h, n] = 0
            for t in range(seen):
                share = shares[t] / total
                for d in range(size):
                    out[h, n, d] += share * v[t, d]


class Dense(NamedTuple):
    """The weights of one layer of attention and a dense feed-forward."""

    norm: Tensor  # f32[D], before attention
    ask: Tensor  # f32[H S or H 2S, D], of queries, or queries and gate
    know: Tensor  # f32[G S, D], of keys
    tell: Tensor  # f32[G S, D], of values
    q_norm: Tensor  # f32[S]
    k_norm: Tensor  # f32[S]
    leave: Tensor  # f32[D, H S]
    after: Tensor  # f32[D], the norm before the feed-forward
    gate_up: Tensor  # f32[2 I, D]
    down: Tensor  # f32[D, I]


def dense(
    x: Tensor, weights: Dense, heads: int, eps: float, cos: Tensor, sin: Tensor,
    keys: Tensor, values: Tensor, start: int,
) -> Tensor:  # fmt: skip
    """One whole layer for rows x f32[1, N, D] with their angles [1, 1, N, R]: its keys and values
    are written to the buffers f32[1, G, room, S] from position `start` on."""
    rows, given = array(x)[0], tuple(map(array, weights))
    out, turns = np.empty_like(rows), (array(cos)[0, 0], array(sin)[0, 0])
    _dense(rows, *given, heads, eps, *turns, keys.numpy()[0], values.numpy()[0], start, out)
    return torch.from_numpy(out).unsqueeze(0)


@compiled(ROWS, ROW, ROWS, ROWS, ROWS, ROW, ROW, ROWS, ROW, ROWS, ROWS, i8, f8, ROWS, ROWS, CUBE,
          CUBE, i8, ROWS)  # fmt: skip
def _dense(x, norm, ask, know, tell, q_norm, k_norm, leave, after, gate_up, down, heads, eps, cos,
           sin, keys, values, start, out):  # fmt: skip
    count, size, groups = x.shape[0], q_norm.shape[0], keys.shape[0]
    gated = ask.shape[0] > heads * size
    q = np.empty((heads, count, size), np.float32)
    k = np.empty((groups, count, size), np.float32)
    v = np.empty((groups, count, size), np.float32)
    mixed = np.empty((heads, count, size), np.float32)
    joined = np.empty((count, heads * size), np.float32)
    gate = np.empty((count, heads * size if gated else 0), np.float32)
    normed = np.empty(x.shape, np.float32)
    _rms_norm(x, norm, 1.0, eps, normed)
    _enter(normed, ask, know, tell, q_norm, k_norm, eps, cos, sin, q, k, v, gate)
    end, share = start + count, heads // groups
    for g in range(groups):
        keys[g, start:end] = k[g]
        values[g, start:end] = v[g]
        here = slice(g * share, (g + 1) * share)
        _attend(q[here], keys[g, :end], values[g, :end], mixed[here])
    for n in range(count):
        for h in range(heads):
            for i in range(size):
                joined[n, h * size + i] = mixed[h, n, i]
        if gated:
            for i in range(heads * size):
                joined[n, i] /= np.float32(1) + _exp(-gate[n, i])
    _linear(joined, leave, out)
    for n in range(count):
        for d in range(x.shape[1]):
            out[n, d] += x[n, d]
    _rms_norm(out, after, 1.0, eps, normed)
    one = np.zeros((count, 1), np.int64)
    only = np.ones((count, 1), np.float32)
    wide = gate_up.reshape(1, gate_up.shape[0], gate_up.shape[1])
    back = down.reshape(1, down.shape[0], down.shape[1])
    _experts(normed, one, only, wide, back, out)


def angles(places: Tensor, axis: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin f32[1, 1, T, R] of places i64[3, 1, T]; axis i64[R / 2] of each frequency."""
    cos = np.empty((1, 1, places.shape[2], 2 * len(axis)), np.float32)
    sin = np.empty_like(cos)
    _angles(array(places)[:, 0], array(axis), array(inverse), cos[0, 0], sin[0, 0])
    return torch.from_numpy(cos), torch.from_numpy(sin)


@compiled(i8[:, ::1], i8[::1], ROW, ROWS, ROWS)
def _angles(places, axis, inverse, cos, sin):
    half = axis.shape[0]
    for t in range(places.shape[1]):
        for i in range(half):
            angle = np.float32(places[axis[i], t]) * inverse[i]
            cos[t, i] = cos[t, half + i] = math.cos(angle)
            sin[t, i] = sin[t, half + i] = math.sin(angle)
