"""All experts of a layer at once: rows sorted by expert, one product each, gradients by hand.

    y = grouped(rows, gate_up, down, load)      # rows of expert 0, then those of expert 1, ...

What autograd would do for each expert by itself (cut the weights apart, lay their gradients
together again, one small SwiGLU each) is as dear as a fifth of the products themselves. Here the
products write into their places, and SwiGLU runs over all rows.

Letters: P rows (token and chosen expert), D width, I inner width, E experts.
Left out: gradients of gradients.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def grouped(
    rows: Float[Tensor, "P D"],
    gate_up: Float[Tensor, "E twice_I D"],
    down: Float[Tensor, "E D I"],
    load: Sequence[int],
) -> Float[Tensor, "P D"]:
    """down(silu(gate(x)) * up(x)) of each row, by its own expert; `load` rows for each expert."""
    device = rows.device.type
    if torch.is_autocast_enabled(device):  # as for any other product
        kind = torch.get_autocast_dtype(device)
        rows, gate_up, down = (x.to(kind) for x in (rows, gate_up, down))
    with torch.autocast(device, enabled=False):
        return _Grouped.apply(rows, gate_up, down, load)


class _Grouped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, gate_up: Tensor, down: Tensor, load: Sequence[int]) -> Tensor:
        ctx.parts = _parts(load)
        entered = rows.new_empty(len(rows), gate_up.shape[1])
        for expert, part in ctx.parts:
            torch.mm(rows[part], gate_up[expert].T, out=entered[part])
        gate, up = entered.chunk(2, dim=-1)
        inner, y = F.silu(gate) * up, torch.empty_like(rows)
        for expert, part in ctx.parts:
            torch.mm(inner[part], down[expert].T, out=y[part])
        ctx.save_for_backward(rows, gate_up, down, entered)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, gate_up, down, entered = ctx.saved_tensors
        grad, (gate, up) = grad.contiguous(), entered.chunk(2, dim=-1)
        opened = torch.sigmoid(gate)
        passed = gate * opened  # silu
        inner = passed * up
        for_inner = torch.empty_like(inner)
        for expert, part in ctx.parts:
            torch.mm(grad[part], down[expert], out=for_inner[part])
        for_entered = torch.empty_like(entered)
        torch.mul(for_inner, passed, out=for_entered[:, gate.shape[1] :])
        slope = opened.add_(passed * (1 - opened))  # of silu
        torch.mul(for_inner.mul_(up), slope, out=for_entered[:, : gate.shape[1]])
        for_rows = for_gate_up = for_down = None
        if ctx.needs_input_grad[0]:
            for_rows = torch.empty_like(rows)
            for expert, part in ctx.parts:
                torch.mm(for_entered[part], gate_up[expert], out=for_rows[part])
        if ctx.needs_input_grad[1]:
            for_gate_up = _room(gate_up, ctx.parts)
            for expert, part in ctx.parts:
                torch.mm(for_entered[part].T, rows[part], out=for_gate_up[expert])
        if ctx.needs_input_grad[2]:
            for_down = _room(down, ctx.parts)
            for expert, part in ctx.parts:
                torch.mm(grad[part].T, inner[part], out=for_down[expert])
        return for_rows, for_gate_up, for_down, None


def _parts(load: Sequence[int]) -> list[tuple[int, slice]]:
    """Each expert that has rows, and where they lie."""
    ends = list(accumulate(load))
    return [(i, slice(end - load[i], end)) for i, end in enumerate(ends) if load[i]]


def _room(weight: Tensor, parts: list[tuple[int, slice]]) -> Tensor:
    """For the gradient of all experts' weights; nothing where nobody came."""
    return torch.empty_like(weight) if len(parts) == len(weight) else torch.zeros_like(weight)
