"""Models too big to run here, as shapes: built on the meta device, counted, never allocated.

    print(shape("qwen3-omni-30b-a3b").table())
    counted(OmniConfig.micro()).parts         # the same figures for a model that runs

Every part says how its figures came about: "counted" from a public configuration, "stated" by a
report without one, or "assumed" because nothing is published. FLOPs follow from the structure: two
per parameter that a token is multiplied with (of the experts only the chosen ones, of a table the
row it looks up: nothing), and what mixing along time costs at a given context. Norms, gates,
softmax and rotary turns are left out: below a percent.

Letters: T context (tokens before this one), H heads, D head size, K V key and value size.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import nn

from model.layers.attention import Attention, AttentionConfig
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.moe import MoeConfig, Router, SparseMoe
from model.layers.stack import Stack, StackConfig
from model.mtp import Mtp, MtpConfig
from model.talker import Talker, TalkerConfig
from model.thinker import Thinker, ThinkerConfig

CONTEXT = 4096  # tokens before the one whose FLOPs are counted


@dataclass(frozen=True)
class Part:
    name: str
    parameters: int
    active: int | None  # parameters that one token (frame) is multiplied with
    flops: int | None  # of one token (frame); None where the structure is not ours to count
    per: str  # token, frame (80 ms)
    how: str  # counted, stated, assumed


@dataclass(frozen=True)
class Shape:
    """A model as far as it is known."""

    name: str
    source: str
    parts: tuple[Part, ...]
    context: int = CONTEXT

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def assumed(self) -> bool:
        return any(part.how == "assumed" for part in self.parts)

    @property
    def kind(self) -> str:
        return "shape, assumed" if self.assumed else "shape"

    def json(self) -> dict:
        return asdict(self) | {"parameters": self.parameters, "assumed": self.assumed}

    def table(self) -> str:
        lines = [f"{self.name}: {self.source}"]
        lines.append(f"{'part':<22} {'parameters':>10} {'active':>8} {'FLOPs':>9}")
        for p in self.parts:
            flops = f"{_short(p.flops)} a {p.per}" if p.flops else ""
            counts = f"{_short(p.parameters):>10} {_short(p.active):>8} {flops:>17}"
            lines.append(f"{p.name:<22} {counts}  {p.how}")
        lines.append(f"{'all':<22} {_short(self.parameters):>10}")
        lines.append(f"FLOPs of one token or frame with {self.context:,} tokens before it")
        return "\n".join(lines)


def _short(count: int | None) -> str:
    if count is None:
        return ""
    for size, mark in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{mark}"
    return str(count)


# --- counting -------------------------------------------------------------------------------------


def active(module: nn.Module) -> int:
    """Parameters that one token is multiplied with."""
    total = 0
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | Router):
            total += part.weight.numel()
        elif isinstance(part, SparseMoe):
            chosen = sum(p[0].numel() for p in part.experts.parameters())
            total += chosen * part.config.chosen
    return total


def mixing(module: nn.Module, context: int) -> int:
    """FLOPs along time of one token: attention reads the whole context, DeltaNet its state."""
    total = 0
    for part in module.modules():
        if isinstance(part, Attention):  # q k and weights times v
            total += 4 * part.config.heads * part.config.head_dim * context
        elif isinstance(part, DeltaNet):  # fade, read, write, ask: 1 + 2 + 2 + 2 a cell
            total += 7 * part.config.value_heads * part.config.key_dim * part.config.value_dim
    return total


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def thinker(config: ThinkerConfig, tied: bool = True, how: str = "counted") -> list[Part]:
    """The Thinker; its output table is the input table, or one more part."""
    with torch.device("meta"):
        built = Thinker(config)
    table = built.embed.weight.numel()
    used = active(built.stack) + table
    flops = 2 * used + mixing(built.stack, CONTEXT)
    parts = [Part("thinker", _count(built), used, flops, "token", how)]
    return (
        parts if tied else [*parts, Part("thinker, output table", table, None, None, "token", how)]
    )


def talker(config: TalkerConfig, how: str = "counted") -> list[Part]:
    """The backbone (a token of its stream) and MTP (all other codebooks of a frame)."""
    with torch.device("meta"):
        built = Talker(config)
    rest = _count(built.mtp)
    used = active(built.stack) + built.head.weight.numel()
    flops = 2 * used + mixing(built.stack, CONTEXT)
    return [
        Part("talker", _count(built) - rest, used, flops, "token", how),
        depth(built.mtp, how),
    ]


def depth(mtp: Mtp, how: str) -> Part:
    """MTP: a frame is a sequence of its own, [state, code 0, ...], as long as there are books."""
    books = mtp.config.books
    used = active(mtp)
    heads = sum(head.weight.numel() for head in mtp.heads)
    along = sum(mixing(mtp.stack, place + 1) for place in range(books))
    flops = 2 * (books * (used - heads) + heads) + along
    return Part("mtp", _count(mtp), used, flops, "frame", how)


def counted(config) -> Shape:
    """Thinker, Talker and MTP of an `OmniConfig`."""
    parts = (*thinker(config.thinker), *talker(config.talker))
    return Shape("configuration", "counted on the meta device", parts)


# --- the models -----------------------------------------------------------------------------------

QWEN35_VOCAB = 248_320


def _qwen35(width: int, layers: int, heads: int, value_heads: int, moe: MoeConfig) -> ThinkerConfig:
    """The public hybrid backbone: one layer of four has full attention."""
    stack = StackConfig(
        width=width, layers=layers, attention=AttentionConfig(heads, 2, 256), rotary_dim=64,
        sections=(11, 11, 10), theta=1e7, delta=DeltaConfig(16, value_heads, 128, 128), moe=moe,
        middle=layers // 2,
    )  # fmt: skip
    return ThinkerConfig(QWEN35_VOCAB, stack)


QWEN35_35B = _qwen35(2048, 40, 16, 32, MoeConfig(256, 8, 512, 512))
QWEN35_397B = _qwen35(4096, 60, 32, 64, MoeConfig(512, 10, 1024, 1024))

QWEN3_OMNI_THINKER = ThinkerConfig(
    152_064,
    StackConfig(
        width=2048, layers=48, attention=AttentionConfig(32, 4, 128, gated=False), rotary_dim=128,
        sections=(24, 20, 20), theta=1e6, full_every=1, moe=MoeConfig(128, 8, 768, 0), middle=24,
    ),
)  # fmt: skip
QWEN3_OMNI_MTP = MtpConfig(
    16,
    2048,
    StackConfig(
        width=1024, layers=5, attention=AttentionConfig(16, 8, 128, gated=False), rotary_dim=128,
        sections=(64, 0, 0), theta=1e6, full_every=1, ffn=3072,
    ),
)  # fmt: skip
QWEN3_OMNI_TALKER = StackConfig(
    width=1024, layers=20, attention=AttentionConfig(16, 2, 128, gated=False), rotary_dim=128,
    sections=(24, 20, 20), theta=1e6, full_every=1, moe=MoeConfig(128, 6, 384, 768),
)  # fmt: skip


def qwen35_35b() -> Shape:
    return Shape(
        "qwen3.5-35b-a3b",
        "public configuration; text backbone without vision and without its LM-MTP layer",
        tuple(thinker(QWEN35_35B, tied=False)),
    )


def qwen35_397b() -> Shape:
    return Shape(
        "qwen3.5-397b-a17b",
        "public configuration; text backbone without vision and without its LM-MTP layer",
        tuple(thinker(QWEN35_397B, tied=False)),
    )


def qwen3_omni() -> Shape:
    """The predecessor. Its Talker has no text table, but projections of the Thinker's states."""
    with torch.device("meta"):
        stack, mtp = Stack(QWEN3_OMNI_TALKER), Mtp(1024, QWEN3_OMNI_MTP)
    table = 3072 * 1024  # codes and marks, in and out
    project = 2 * (2048 * 2048 + 2048 + 2048 * 1024 + 1024)  # of text and of what was heard or seen
    used = active(stack) + table
    flops = 2 * used + mixing(stack, CONTEXT)
    speak = Part("talker", _count(stack) + 2 * table + project, used, flops, "token", "counted")
    return Shape(
        "qwen3-omni-30b-a3b",
        "public configuration; the encoders and the renderer as its report states them",
        (
            Part("ear", 650_000_000, None, None, "token", "stated"),
            Part("eye", 540_000_000, None, None, "token", "stated"),
            *thinker(QWEN3_OMNI_THINKER, tied=False),
            speak,
            depth(mtp, "counted"),
            Part("code2wav", 200_000_000, None, None, "frame", "stated"),
        ),
    )


def _qwen35_omni(name: str, backbone: ThinkerConfig, known: str) -> Shape:
    """Nothing but the architecture is published: sizes of the nearest public relatives."""
    stack = StackConfig(
        width=1024, layers=20, attention=AttentionConfig(16, 2, 256), rotary_dim=64,
        sections=(11, 11, 10), theta=1e7, delta=DeltaConfig(8, 16, 128, 128),
        moe=MoeConfig(128, 6, 384, 768),
    )  # fmt: skip
    voice = TalkerConfig(QWEN35_VOCAB, backbone.stack.width, stack, QWEN3_OMNI_MTP)
    return Shape(
        name,
        f"assumed: {known} as Thinker, a hybrid Talker of Qwen3-Omni's size, its other parts",
        (
            Part("ear", 650_000_000, None, None, "token", "assumed"),
            Part("eye", 540_000_000, None, None, "token", "assumed"),
            *thinker(backbone, tied=False, how="assumed"),
            *talker(voice, how="assumed"),
            Part("code2wav", 200_000_000, None, None, "frame", "assumed"),
        ),
    )


def flash() -> Shape:
    return _qwen35_omni("qwen3.5-omni-flash", QWEN35_35B, "Qwen3.5-35B-A3B")


def plus() -> Shape:
    return _qwen35_omni("qwen3.5-omni-plus", QWEN35_397B, "Qwen3.5-397B-A17B")


BIG: dict[str, Callable[[], Shape]] = {
    "qwen3-omni-30b-a3b": qwen3_omni,
    "qwen3.5-35b-a3b": qwen35_35b,
    "qwen3.5-397b-a17b": qwen35_397b,
    "qwen3.5-omni-flash": flash,
    "qwen3.5-omni-plus": plus,
}


def shape(name: str) -> Shape:
    """A big model by name."""
    if name not in BIG:
        raise ValueError(f"no shape {name!r}: expected one of {', '.join(BIG)}")
    return BIG[name]()
