"""Edits of heads, layers and other parts: silent, always the same, or as they were in another run.

Letters: H heads, D size of a state, Q positions, T time, B batch.
Left out: MTP's and the encoders' heads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from model.layers.attention import Causal
from model.omni import Omni
from workbench.edits.base import Edit, Places, block_path, known_stage, several
from workbench.probe import Changed, find, listen, swap, unchanged
from workbench.run import Run


def _filled(part: nn.Module, head: int, value: Tensor) -> nn.Module:
    """The part, with the output of one head replaced by a value."""
    axis = (
        1 if isinstance(unchanged(part), Causal) else 2
    )  # [B, H, T, D], or DeltaNet's [B, T, H, D]

    def change(out: Tensor, *_inputs: Any) -> Tensor:
        if head >= out.shape[axis]:
            raise ValueError(f"no head {head} among {out.shape[axis]}")
        out = out.clone()
        out.select(axis, head)[:] = value.to(out.dtype)
        return out

    return Changed(part, change)


def _heads(block: nn.Module) -> tuple[str, int]:
    """Which part of a block's mixer returns its heads, and how many they are."""
    if block.full:
        return "mixer.core", block.mixer.config.heads
    return "mixer.norm", block.mixer.config.value_heads


@dataclass(frozen=True, eq=False)
class SetHead(Edit):
    """A head's output is one value at all positions; None is zero."""

    layer: int
    head: int
    stage: str
    value: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        known_stage(self.stage)
        path = block_path(omni, self.stage, self.layer)
        part, count = _heads(omni.get_submodule(path))
        if not 0 <= self.head < count:
            raise ValueError(
                f"no head {self.head} in layer {self.layer}, which has 0 to {count - 1}"
            )
        value = torch.zeros(1) if self.value is None else torch.from_numpy(self.value)
        with swap(omni, f"{path}.{part}", lambda part: _filled(part, self.head, value)):
            yield


@dataclass(frozen=True, eq=False)
class SetLayer(Edit):
    """What a block adds to the stream is one value at all positions; None is zero."""

    layer: int
    stage: str
    mixer: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)
    ffn: Float32[np.ndarray, " D"] | None = field(default=None, repr=False)

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        known_stage(self.stage)
        path = block_path(omni, self.stage, self.layer)

        def fill(value: np.ndarray | None) -> Callable[[nn.Module], nn.Module]:
            given = torch.zeros(1) if value is None else torch.from_numpy(value)

            def change(out: Any, *_inputs: Any) -> Any:
                if type(out) is tuple:  # the mixer: its memory goes on as ever
                    return given.to(out[0].dtype).expand_as(out[0]), out[1]
                return given.to(out.dtype).expand_as(out)

            return lambda part: Changed(part, change)

        with (
            swap(omni, f"{path}.mixer", fill(self.mixer)),
            swap(omni, f"{path}.ffn", fill(self.ffn)),
        ):
            yield


@dataclass(frozen=True, eq=False)
class Patch(Edit):
    """At some positions a part returns what it returned in another run."""

    part: str
    positions: tuple[int, ...]
    values: Float32[np.ndarray, "Q ..."] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.positions) != len(self.values):
            raise ValueError(f"{len(self.positions)} positions, {len(self.values)} values")

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        stage, places = self.part.split(".")[0], Places()
        known_stage(stage)
        index = {place: i for i, place in enumerate(self.positions)}
        values = torch.from_numpy(self.values)
        causal = isinstance(unchanged(find(omni, self.part)[self.part]), Causal)

        def change(out: Any, *_inputs: Any) -> Any:
            here = [(i, index[p]) for i, p in enumerate(places.now) if p in index]
            if not here:
                return out
            whole = out[0] if type(out) is tuple else out
            changed = whole.clone()
            rows = changed[0].transpose(0, 1) if causal else changed[0]  # views
            for new, old in here:
                rows[new] = values[old].to(rows.dtype)
            return (changed, *out[1:]) if type(out) is tuple else changed

        stack = listen(omni, f"{stage}.stack", before=places.hear)
        with stack, swap(omni, self.part, lambda part: Changed(part, change)):
            yield


def zero_head(layer: int, head: int, stage: str = "thinker") -> SetHead:
    """A head of attention or DeltaNet says nothing."""
    return SetHead(layer, head, stage)


def mean_head(run: Run, layer: int, head: int, stage: str = "thinker") -> SetHead:
    """A head always says what it said on average in `run`, which has recorded its states."""
    ends = ("mixer.core", "mixer.norm")
    paths = [f"{stage}.stack.blocks.{layer}.{end}" for end in ends]
    states = _states(run, *paths).mean(0)
    if not 0 <= head < len(states):
        raise ValueError(f"no head {head} in layer {layer}, which has 0 to {len(states) - 1}")
    return SetHead(layer, head, stage, states[head])


def zero_layer(layer: int, stage: str = "thinker") -> SetLayer:
    """A block adds nothing: the stream passes by."""
    return SetLayer(layer, stage)


def mean_layer(run: Run, layer: int, stage: str = "thinker") -> SetLayer:
    """A block always adds what it added on average in `run`, which has recorded its states."""
    path = f"{stage}.stack.blocks.{layer}"
    parts = [f"{path}.mixer", f"{path}.ffn"]
    if not set(parts) <= set(run.states):  # both are needed: said at once
        kinds = ", ".join(f"'states:{part}'" for part in parts)
        raise ValueError(f"the run has no states of {path}: lab.run(..., record=[{kinds}])")
    mixer, ffn = (run.states[part].mean(0) for part in parts)
    return SetLayer(layer, stage, mixer, ffn)


def patch(run: Run, part: str, positions: int | Sequence[int] | None = None) -> Patch:
    """At these positions (default: all) `part` returns what it returned in `run`. In the Talker,
    positions count in each sentence's stream, and the values are those of the first sentence."""
    states = _states(run, part)
    tokens = run.stage(part.split(".")[0])
    known = len(states) if part.startswith("thinker") else int((tokens.sentence == 0).sum())
    chosen = tuple(range(known)) if positions is None else several(positions)
    wrong = [p for p in chosen if not 0 <= p < known]
    if wrong:
        raise ValueError(f"no positions {wrong}, the run has 0 to {known - 1}")
    return Patch(part, chosen, states[list(chosen)])


def _states(run: Run, *paths: str) -> np.ndarray:
    for path in paths:
        if path in run.states:
            return run.states[path]
    kinds = " or ".join(f"record=['states:{path}']" for path in paths)
    raise ValueError(f"the run has no states of {' or '.join(paths)}: lab.run(..., {kinds})")
