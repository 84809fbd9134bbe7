"""What all edits are: one change each, as a value that can be written down and read back.

An edit may act on the model (`on`), on the inputs of a turn (`inputs`), or, for timestamps, on what
is told (hearing.py). Those of the model are made of `swap` and `listen` (probe.py), so they are
undone whatever happens. Here is also what several kinds of edits need: where things are in a model.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import nn

from model.omni import Omni
from workbench.checked import Checked
from workbench.omnirun import pack, unpack
from workbench.run import STAGES, Inputs


@dataclass(frozen=True)
class Edit(Checked):
    """One change. It may act on the model, on the inputs, or on what the timestamps say."""

    def on(self, omni: Omni) -> AbstractContextManager:
        """The model is changed within this."""
        return nullcontext()

    def inputs(self, inputs: Inputs) -> Inputs:
        """The inputs as the edit wants them."""
        return inputs

    def json(self) -> str:
        return json.dumps(pack(self))


def from_json(text: str) -> Edit:
    """The edit that `Edit.json` wrote."""
    try:
        edit = unpack(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"this is no JSON of an edit: {error}") from None
    if not isinstance(edit, Edit):
        raise ValueError(f"this is the JSON of a {type(edit).__name__}, not of an edit")
    return edit


def known_stage(stage: str) -> None:
    if stage not in STAGES:
        raise ValueError(f"no stage {stage!r}, expected {' or '.join(STAGES)}")


def block_path(omni: Omni, stage: str, layer: int) -> str:
    """Path of a block, if it exists."""
    count = len(omni.get_submodule(f"{stage}.stack").blocks)
    if not 0 <= layer < count:
        raise ValueError(f"no layer {layer} in the {stage}, which has layers 0 to {count - 1}")
    return f"{stage}.stack.blocks.{layer}"


@dataclass
class Places:
    """Positions that a stage is working on; the Talker's begin at 0 with each sentence."""

    now: range = range(0)

    def hear(self, _name: str, _part: nn.Module, inputs: tuple) -> None:
        x, _, past = inputs
        start = past.length if past else 0
        self.now = range(start, start + x.shape[1])


def several(numbers: int | Sequence[int]) -> tuple[int, ...]:
    return (numbers,) if isinstance(numbers, int) else tuple(int(n) for n in numbers)
