"""Edits as forms: what is to be filled in is read from the signatures in workbench/edits.

    maker = makers()["ban_expert"]
    maker.fields                                      # layer, experts, stage
    choice = maker.filled({"layer": "3", "experts": "5, 9"})
    choice.edit                                       # the value that a lab puts on
    choice.line                                       # "wb.ban_expert(3, [5, 9])"

Left out: edits made of another run's states (mean_head, mean_layer, patch): those need a recording
of states, and a notebook.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, get_args

from model.omni import Omni
from workbench import edits
from workbench.edits import Edit
from workbench.run import STAGES, Run

LARGEST = 2**31 - 1  # of a number that is typed
SEVERAL = int | Sequence[int]
# what a field without a default begins with
START = {
    "layer": "0", "experts": "0", "head": "0", "positions": "0", "count": "1", "factor": "2",
    "temperature": "2", "seconds": "2", "words": "1", "frames": "3", "spec": "fixed:1:3",
    "interval": "1",
}  # fmt: skip
GROUPS = {  # what the files of workbench/edits are called
    "experts": "Experts",
    "parts": "Heads and layers",
    "speaking": "Speaking",
    "hearing": "Hearing and time",
}


class Choice(NamedTuple):
    """An edit, and the Python that makes it."""

    edit: Edit
    line: str


@dataclass(frozen=True)
class Field:
    """One parameter of a function that makes an edit."""

    name: str
    type: Any
    default: Any  # inspect.Parameter.empty where there is none

    @property
    def kinds(self) -> tuple[type, ...]:
        return get_args(self.type) or (self.type,)

    @property
    def start(self) -> str:
        if self.default is inspect.Parameter.empty:
            return START.get(self.name, "")
        return "" if self.default is None else str(self.default)

    @property
    def options(self) -> tuple[str, ...]:
        """What may be chosen, if it is a choice."""
        return STAGES if self.name == "stage" else ()

    def read(self, text: str) -> Any:
        """The value that was meant, or a ValueError of one sentence."""
        text = text.strip()
        if not text and NoneType in self.kinds:
            return None
        try:
            if str in self.kinds and text:
                return text
            if self.type == SEVERAL:
                numbers = [_number(int, part) for part in text.replace(",", " ").split()]
                return numbers if len(numbers) > 1 else numbers[0]
            return _number(float if float in self.kinds else int, text)
        except (ValueError, IndexError):
            what = "numbers such as 2, 5" if self.type == SEVERAL else "a number"
            what = "some words" if str in self.kinds else what
            raise ValueError(f"{self.name} is {text!r}, expected {what}") from None


def _number(kind: type, text: str) -> float:
    value = kind(text)
    if not (isfinite(value) and abs(value) <= LARGEST):
        raise ValueError(text)
    return value


@dataclass(frozen=True)
class Maker:
    """A function that makes an edit, as a form."""

    name: str
    make: Callable[..., Edit]
    group: str
    fields: tuple[Field, ...]

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def about(self) -> str:
        return " ".join((self.make.__doc__ or "").split())

    def filled(self, texts: Mapping[str, str]) -> Choice:
        """The edit that the fields describe; what isn't given keeps its default."""
        given, told = {}, []
        for field in self.fields:
            try:
                value = field.read(texts.get(field.name, field.start))
            except ValueError as error:
                raise ValueError(f"{self.label}: {error}") from None
            given[field.name] = value
            if field.default is inspect.Parameter.empty:
                told.append(repr(value))
            elif value != field.default:
                told.append(f"{field.name}={value!r}")
        return Choice(self.make(**given), f"wb.{self.name}({', '.join(told)})")


@cache
def makers() -> dict[str, Maker]:
    """All functions of workbench/edits that make an edit of plain values, group by group."""
    found = []
    for name, make in inspect.getmembers(edits, inspect.isfunction):
        group = GROUPS.get(make.__module__.rpartition(".")[2])
        signature = inspect.signature(make)
        fields = tuple(
            Field(p.name, p.annotation, p.default) for p in signature.parameters.values()
        )
        made = signature.return_annotation
        makes = isinstance(made, type) and issubclass(made, Edit)
        if group and makes and not any(field.type is Run for field in fields):
            plain = tuple(field for field in fields if Path not in field.kinds)  # no files by name
            found.append(Maker(name, make, group, plain))
    found.sort(key=lambda maker: list(GROUPS.values()).index(maker.group))
    return {maker.name: maker for maker in found}


def ranges(omni: Omni) -> dict[str, str]:
    """What a field may hold in this model, in a few words."""
    layers, experts, heads = [], set(), set()
    for stage in STAGES:
        stack = omni.get_submodule(f"{stage}.stack")
        layers.append(f"{stage} 0\u2013{len(stack.blocks) - 1}")
        for block in stack.blocks:
            experts.add(len(block.ffn.router.weight))
            config = block.mixer.config
            heads.add(config.heads if block.full else config.value_heads)
    return {
        "layer": ", ".join(layers),
        "experts": f"0\u2013{max(experts) - 1}, as 2, 5",
        "head": f"0\u2013{max(heads) - 1}",
        "positions": "tokens, as 0, 4",
        "count": f"1\u2013{max(experts)}",
    }


def with_edits(choices: Sequence[Choice]) -> str:
    """The line of Python that puts these edits on."""
    return f"with lab.edit({', '.join(choice.line for choice in choices)}):"
