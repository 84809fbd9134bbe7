"""Captum's methods, and what they ask: the score with some pieces there and the others taken away.

    ask = Asked(pieces.input, score)
    by_taking_away(ask, "shapley", samples=16, seed=0, batch=8, budget=300)

Letters: N pieces, J targets, B inputs at once, T tokens, D width.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from captum.attr import (
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    InterpretableInput,
    KernelShap,
    Lime,
    ShapleyValueSampling,
)
from torch import Tensor
from tqdm import tqdm

from model.omni import Omni
from workbench.attribution.targets import Spoken, Written
from workbench.pieces import Pieces

SAMPLES = {"ablation": 1, "shapley": 16, "kernel-shap": 256, "lime": 256,
           "integrated-gradients": 32, "gradient-x-input": 1}  # fmt: skip
METHODS = tuple(SAMPLES)
GRADIENTS = METHODS[4:]
ADD_UP = ("shapley", "kernel-shap", "integrated-gradients")


class Stopped(Exception):
    """`stop` said so; the model is as it was."""


@dataclass(frozen=True)
class Shares:
    values: np.ndarray  # f[N]
    full: np.ndarray  # f[J]
    empty: np.ndarray  # f[J]
    each: np.ndarray | None = None  # f[J, N]
    error: np.ndarray | None = None  # f[N]


class Asked:
    """What Captum calls: rows of ones and zeros f[B, N] in, log-probabilities f[B, J] out. A set
    of pieces that was asked before is not asked again."""

    def __init__(
        self,
        input: InterpretableInput,
        score: Callable[[list[Any]], Tensor],
        stop: Callable[[], bool] | None = None,
        progress: bool = False,
    ):
        self.input, self.score, self.stop = input, score, stop
        self.known: dict[bytes, Tensor] = {}
        self.passes = 0
        self.bar = tqdm(total=0, unit="pass", disable=not progress, leave=False)

    def __call__(self, rows: Tensor) -> Tensor:
        rows = rows != 0
        keys = [row.numpy().tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self.known}
        if new:
            given = [self.input.to_model_input(row[None].float()) for row in new.values()]
            self.known |= dict(zip(new, self.counted(len(new), self.score, given), strict=True))
        return torch.stack([self.known[key] for key in keys])

    def sums(self, rows: Tensor) -> Tensor:
        """Of all targets, f[B]."""
        return self(rows).sum(1)

    def counted(self, count: int, score: Callable[..., Tensor], *args: Any) -> Tensor:
        """A forward pass of `count` inputs, unless it was said to stop."""
        if self.stop is not None and self.stop():
            raise Stopped(f"stopped after {self.passes} passes")
        out = score(*args)
        self.passes += count
        self.bar.update(count)
        return out

    def afford(self, more: int, seconds: float, budget: float, what: str) -> None:
        """Say what is coming, and refuse what takes too long."""
        told = f"at most {self.passes + more} {what}, about {more * seconds:.1f} s"
        if more * seconds > budget:
            raise ValueError(
                f"this needs {told}, the budget is {budget:g} s: take fewer pieces or samples, or"
                " give a larger budget"
            )
        self.bar.total = self.passes + more
        self.bar.refresh()
        if not self.bar.disable:
            sys.stderr.write(f"attribution: {told}\n")


def by_taking_away(
    ask: Asked, method: str, samples: int, seed: int, batch: int, budget: float
) -> Shares:
    one = ask.input.to_tensor()
    pieces = one.shape[1]
    full = ask(one)[0].numpy()
    begun = time.perf_counter()
    empty = ask(0 * one)[0].numpy()
    more = {"ablation": pieces, "shapley": samples * (pieces - 1)}.get(method, samples)
    ask.afford(more, time.perf_counter() - begun, budget, "forward passes")
    how = {"perturbations_per_eval": batch}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if method == "ablation":
            each = FeatureAblation(ask).attribute(one, **how).view(-1, pieces).numpy()
            return Shares(each.sum(0), full, empty, each)
        if method == "shapley":  # an order at a time, so that their spread is known
            shapley = ShapleyValueSampling(ask)
            orders = np.stack(
                [
                    shapley.attribute(one, n_samples=1, **how).view(-1, pieces).numpy()
                    for _ in range(samples)
                ]
            )  # [samples, J, N]
            sums = orders.sum(1)
            error = sums.std(0, ddof=1) / np.sqrt(samples) if samples > 1 else None
            return Shares(sums.mean(0), full, empty, orders.mean(0), error)
        fit = (KernelShap if method == "kernel-shap" else Lime)(ask.sums)
        values = fit.attribute(one, n_samples=samples, **how)[0].numpy()
        return Shares(values, full, empty)


def by_gradient(
    ask: Asked, goal: Written | Spoken, omni: Omni, pieces: Pieces, method: str, steps: int,
    batch: int, budget: float,
) -> Shares:  # fmt: skip
    one = ask.input.to_tensor()
    prompt = pieces.read([ask.input.to_model_input(one)])[0]
    if pieces.same_layout:
        without = pieces.read([ask.input.to_model_input(0 * one)])[0].embeds
    else:
        without = prompt.embeds.clone()
        without[:, [row for rows in pieces.members for row in rows]] = 0

    def score(embeds: Tensor) -> Tensor:  # f[B, T, D] -> f[B, J]
        rows = [replace(prompt, embeds=row[None]) for row in embeds]
        return ask.counted(len(rows), goal.score, omni, rows)

    full = score(prompt.embeds)[0].numpy()
    begun = time.perf_counter()
    empty = score(without)[0].numpy()
    spent = 3 * (time.perf_counter() - begun)  # back is about twice as long as there
    ask.afford(steps, spent, budget, "passes there and back")
    with torch.enable_grad():

        def forward(embeds: Tensor) -> Tensor:
            return score(embeds).sum(1)

        if method == "gradient-x-input":
            found = InputXGradient(forward).attribute(prompt.embeds.clone().requires_grad_())
        else:
            found = IntegratedGradients(forward).attribute(
                prompt.embeds, without, n_steps=steps, internal_batch_size=batch
            )
    tokens = found.detach()[0].sum(-1).numpy()
    return Shares(np.array([tokens[list(rows)].sum() for rows in pieces.members]), full, empty)
