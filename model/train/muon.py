"""Muon for matrices, AdamW for everything else, as one optimizer.

    optimizer = Muon(groups, lr=1.5e-3)       # groups of parameters; "scale" and the like are kept

Muon takes the momentum of a matrix's gradient and makes all its singular values about one (five
Newton-Schulz steps, in bf16 where the processor computes in it): every direction is learned at the
same pace. torch has it for single matrices; here the stacked experts of a layer [E, out, in] are
done together, each by itself, and embeddings, vectors, convolution kernels and narrow matrices go
the way of AdamW.
The update is scaled by 0.2 sqrt(longest side), so that one learning rate serves both.
Source: Jordan et al., "Muon"; scale of Moonlight (arXiv 2502.16982); AdamW (arXiv 1711.05101).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from model.train.precision import has_bf16

NARROW = 32  # a matrix with a side below this (a router, a gate) is no case for Muon
NESTEROV = 0.95  # momentum


class Muon(torch.optim.Optimizer):
    """Groups as torch's optimizers take them; `tables` are matrices that AdamW shall have."""

    def __init__(
        self, groups: Iterable[dict], lr: float, betas: tuple[float, float] = (0.9, 0.98),
        tables: Iterable[nn.Parameter] = (), eps: float = 1e-8,
    ):  # fmt: skip
        super().__init__(list(groups), dict(lr=lr, betas=betas, eps=eps, weight_decay=0.0))
        self.tables = {id(table) for table in tables}

    def turns(self, p: nn.Parameter) -> bool:
        """Does Muon move it?"""
        matrix = p.ndim in (2, 3) and min(p.shape[-2:]) >= NARROW
        return matrix and id(p) not in self.tables

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            adam: list[nn.Parameter] = []
            for p in group["params"]:
                if p.grad is None:
                    continue
                if not self.turns(p):
                    adam.append(p)
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"].lerp_(p.grad, 1 - NESTEROV)
                update = orthogonal(torch.lerp(p.grad, momentum, NESTEROV))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * 0.2 * max(p.shape[-2:]) ** 0.5)
            self._adam(adam, group)

    def _adam(self, parameters: list[nn.Parameter], group: dict) -> None:
        if not parameters:
            return
        for p in parameters:
            if not self.state[p]:
                self.state[p] |= {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(p),
                                  "exp_avg_sq": torch.zeros_like(p)}  # fmt: skip
        states = [self.state[p] for p in parameters]
        adamw(
            parameters, [p.grad for p in parameters], [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states], [], [s["step"] for s in states], amsgrad=False,
            beta1=group["betas"][0], beta2=group["betas"][1], lr=group["lr"],
            weight_decay=group["weight_decay"], eps=group["eps"], maximize=False, fused=True,
        )  # fmt: skip


def orthogonal(x: Tensor, steps: int = 5) -> Tensor:
    """The matrices f[..., A, B] with the same singular vectors and singular values near one."""
    wide = x.shape[-2] <= x.shape[-1]
    y = x if wide else x.mT
    y = y.bfloat16() if has_bf16(x.device) else y.float()
    y = y / y.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        square = y @ y.mT
        y = 3.4445 * y + (2.0315 * (square @ square) - 4.775 * square) @ y
    return (y if wide else y.mT).to(x.dtype)
