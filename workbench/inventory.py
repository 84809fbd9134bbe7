"""What a model is made of: its parts and their parameters, counted without allocating any.

print(of("micro").table())
print(everything().table())     # the checkpoints that are there, the presets, the big models
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from model.data.voices import NAMED
from model.omni import CHECKPOINTS, Omni, OmniConfig
from model.shapes import BIG, Shape, shape

PARTS = {
    "ear": "AuT, audio encoder: sound -> states at 6.25 Hz",
    "speller": "what the ear names: its states -> text tokens at 25 Hz",
    "eye": "vision encoder: pictures -> states",
    "thinker": "hybrid MoE decoder: states and text -> text",
    "talker": "hybrid MoE decoder: words and Thinker states -> first code",
    "mtp": "dense decoder: first code -> the other codes",
    "codec": "24 kHz sound <-> codes at 12.5 Hz",
}
PRESETS: dict[str, Callable[[], OmniConfig]] = {
    "nano": OmniConfig.nano,
    "micro": OmniConfig.micro,
}


@dataclass(frozen=True)
class Part:
    name: str
    what: str
    parameters: int


@dataclass(frozen=True)
class Parts:
    """One model."""

    name: str
    kind: str  # checkpoint, preset
    parts: tuple[Part, ...]
    bytes: int = 0  # of the weights on disk

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    def json(self) -> dict:
        return asdict(self) | {"parameters": self.parameters, "voices": list(NAMED)}

    def table(self) -> str:
        size = f", {self.bytes / 1e6:.1f} MB on disk" if self.bytes else ""
        rows = [(p.name, f"{p.parameters:,}", p.what) for p in self.parts]
        rows.append(("all", f"{self.parameters:,}", ""))
        return f"{self.name} ({self.kind}{size})\n{_table(rows)}\nvoices: {', '.join(NAMED)}"


@dataclass(frozen=True)
class Inventory:
    """Every model that can be named."""

    models: tuple[Parts, ...]

    def json(self) -> dict:
        return {"models": [model.json() for model in self.models], "shapes": list(BIG)}

    def table(self) -> str:
        rows = [
            (m.name, m.kind, f"{m.parameters:,}", f"{m.bytes / 1e6:.1f} MB" if m.bytes else "")
            for m in self.models
        ]
        table = _table([("model", "kind", "parameters", "on disk"), *rows])
        return f"{table}\ntoo big to run here, counted: {', '.join(BIG)}"


def of(name: str) -> Parts | Shape:
    """A checkpoint by name or folder, a preset, or a big model that is only counted."""
    folder = next((f for f in (Path(name), CHECKPOINTS / name) if _complete(f)), None)
    if folder is not None:
        omni = Omni.load(folder)
        return Parts(
            name, "checkpoint", _parts(omni), (folder / "model.safetensors").stat().st_size
        )
    if name in PRESETS:
        with torch.device("meta"):
            return Parts(name, "preset", _parts(Omni(PRESETS[name]())))
    if name in BIG:
        return shape(name)
    known = sorted({*PRESETS, *BIG, *(f.name for f in CHECKPOINTS.iterdir() if _complete(f))})
    raise ValueError(f"no model {name!r}: expected a folder, or one of {', '.join(known)}")


def everything() -> Inventory:
    shipped = [f.name for f in sorted(CHECKPOINTS.iterdir()) if _complete(f)]
    return Inventory(tuple(of(name) for name in dict.fromkeys([*shipped, *PRESETS])))


def _complete(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def _parts(omni: Omni) -> tuple[Part, ...]:
    """The parts in the order of a turn; MTP is counted apart from the Talker that holds it."""
    mtp = _count(omni.talker.mtp)
    counts = {name: _count(getattr(omni, name)) for name in PARTS if name != "mtp"}
    counts |= {"talker": counts["talker"] - mtp, "mtp": mtp}
    return tuple(Part(name, what, counts[name]) for name, what in PARTS.items())


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            f"{c:>{w}}" if c.replace(",", "").isdigit() else f"{c:<{w}}"
            for c, w in zip(row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
