"""Losses shared by the stages.

Letters: N positions, V classes, E experts.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.moe import Router, Routing

IGNORE = -100  # a target that is not scored


def cross_entropy(logits: Tensor, targets: Tensor, smooth: float = 0.0) -> Tensor:
    """Mean over the scored targets, in fp32; 0 when there is none."""
    logits, targets = logits.flatten(0, -2).float(), targets.flatten()
    total = F.cross_entropy(
        logits, targets, ignore_index=IGNORE, reduction="sum", label_smoothing=smooth
    )
    return total / (targets != IGNORE).sum().clamp(min=1)


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of scored targets that are the best guess."""
    scored = targets != IGNORE
    right = (logits.argmax(-1) == targets) & scored
    return right.sum() / scored.sum().clamp(min=1)


class Balance:
    """The load-balance loss of all routers below `root` (Switch style, as `qwen3_5_moe` has it).

    Listens to the routers while the model runs; `take()` gives E x sum(share chosen x mean
    probability) over the layers since the last call, 1 x k when all experts are used alike.
    """

    def __init__(self, root: nn.Module):
        self._seen: list[Routing] = []
        for part in root.modules():
            if isinstance(part, Router):
                part.register_forward_hook(self._listen)

    def _listen(self, part: nn.Module, _args, routing: Routing) -> None:
        if part.training:
            self._seen.append(routing)

    def take(self) -> Tensor:
        losses = []
        for routing in self._seen:
            experts = routing.logits.shape[-1]
            chosen = F.one_hot(routing.experts, experts).float().sum(1).mean(0)
            losses.append(experts * (chosen * routing.logits.softmax(-1).mean(0)).sum())
        self._seen.clear()
        return torch.stack(losses).mean() if losses else torch.zeros(())
