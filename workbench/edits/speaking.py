"""Edits of the pace: when the Talker takes its next word, or another Talker altogether.

`dual_track` is the baseline that ARIA replaced: no interleaved stream but text and speech summed
step by step. That takes weights of its own (model/dualtrack.py); none are shipped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from model import aria as paces
from model.aria import Aria, FixedRatio, Pace, TextFirst
from model.dualtrack import DualTrack
from model.omni import CHECKPOINTS, Omni
from workbench.edits.base import Edit
from workbench.probe import swap


@dataclass(frozen=True)
class SetPace(Edit):
    pace: Pace

    def inputs(self, inputs):
        return replace(inputs, pace=self.pace)


def pace(spec: str) -> SetPace:
    """A pace in words: aria, aria:LEAD, fixed:WORDS:FRAMES, text-first, learned."""
    return SetPace(paces.pace(spec))


def aria(lead: int = 3) -> SetPace:
    """The adaptive rate, `lead` words held back."""
    return SetPace(Aria(lead))


def fixed_ratio(words: int, frames: int) -> SetPace:
    """So many words, then so many frames, whatever is being said."""
    return SetPace(FixedRatio(words, frames))


def text_first() -> SetPace:
    """All words are heard before the first frame is spoken."""
    return SetPace(TextFirst())


@dataclass(frozen=True)
class SetDualTrack(Edit):
    """Another Talker, whose pace is one word a frame; `weights` is a file, or a checkpoint."""

    weights: str

    @property
    def file(self) -> Path:
        path = Path(self.weights)
        return path if path.suffix else CHECKPOINTS / path / "dualtrack.safetensors"

    @contextmanager
    def on(self, omni: Omni) -> Iterator[None]:
        talker = DualTrack(omni.config.talker).eval()
        talker.words.spell(omni.tokenizer.letters())
        if not self.file.is_file():
            raise ValueError(
                f"no weights of a dual-track Talker: {self.file} is missing (none are shipped);"
                " train a model.dualtrack.DualTrack of this size, save its state_dict as"
                " safetensors and name that file: wb.dual_track(FILE)"
            )
        try:
            talker.load_state_dict(load_file(self.file))
        except (SafetensorError, RuntimeError) as error:
            first = str(error).split("\n")[0]
            raise ValueError(f"{self.file}: no dual-track Talker of this size ({first})") from None
        with swap(omni, "talker", lambda _interleaved: talker):
            yield


def dual_track(weights: str | Path = "micro") -> SetDualTrack:
    """The dual-track Talker in place of ours, from a .safetensors file or beside a checkpoint."""
    return SetDualTrack(str(weights))
