"""Tapes: what can be recorded of a turn, one class a kind.

| record | what | where it comes from |
|---|---|---|
| routing, router-logits | experts and weights; with all logits | the routers of both stages |
| attn[:stage][:layers][:hHEADS][:qQUERIES] | attention maps | softmax of q and k, done again |
| align | attention from each frame to the words heard | the Talker's layers, mean of heads |
| delta | decay and write strength | the gates of the DeltaNet layers |
| codes | entropy of each codebook, chance of the code | the Talker's head and MTP's heads |
| logits | from which each word was chosen | the Thinker's states |
| states:PART | what a part returned | any part, by path |
| latency | when each part ran | time.perf_counter_ns |

"attn" alone takes the Thinker's attention layers, all heads, and the queries from which words were
chosen (in the Talker: frames). "attn:3,7:h0,2" chooses layers and heads, ":qall" or ":q5,9" names
positions. Maps are never T x T unless all queries are asked for.

A tape reads what passes and keeps it; nothing that the model computes changes. `megabytes` says
before the turn what a tape will need, `size` counts the bytes it holds.

Letters: T tokens, L layers, H heads, G key heads, D head size, n new positions, m all positions,
Q queries, W words, F frames, B codebooks, C codes a book, V vocabulary.
Left out: the output of each single expert.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.attention import Causal
from model.layers.stack import Block
from model.omni import Omni
from model.turn import Frame, Word
from workbench.probe import find, listen, near, unchanged
from workbench.run import STAGES, Attention, Delta, Inputs, Latency, Odds, Routing
from workbench.watch import Watch

SENTENCE = 16  # text tokens of a sentence, for the estimate


@dataclass(frozen=True)
class Size:
    """How long a turn is expected to be, for the estimate."""

    prompt: int
    words: int
    frames: int

    def of(self, stage: str) -> int:
        """Positions of a stage. The Talker hears the prompt again before each sentence."""
        if stage == "thinker":
            return self.prompt + self.words + 1 if self.prompt else 0
        sentences = 1 + self.words // SENTENCE if self.frames else 0
        return sentences * (self.prompt + 10) + self.words + self.frames if self.frames else 0


class Tape:
    """One kind of record; `kind` is how it was asked for."""

    kind: str
    size: int  # bytes held

    def listen(self, taps: ExitStack, watch: Watch) -> None:
        """Put the taps on."""
        raise NotImplementedError

    def bytes(self, size: Size) -> float:
        """What a turn of this size will need."""
        raise NotImplementedError

    def fields(self) -> dict[str, Any]:
        """What was recorded, as fields of a Run."""
        raise NotImplementedError


def tape(kind: str, omni: Omni, inputs: Inputs) -> Tape:
    """The tape for what was asked for, or a ValueError where the turn will not have it."""
    name, _, rest = kind.partition(":")
    if name == "attn":
        made = AttentionTape(omni, kind, rest)
    elif name == "states" and rest:
        made = StatesTape(omni, kind, rest)
    elif kind in PLAIN:
        made = PLAIN[kind](omni, kind)
    else:
        known = [*PLAIN, "attn", "states:PART"]
        expected = f"expected any of {', '.join(known)}"
        raise ValueError(f"can't record {kind!r}{near(kind, known)}; {expected}")
    if isinstance(made, OddsTape | AlignTape) or getattr(made, "stage", "") == "talker":
        if not inputs.speak:
            raise ValueError(f"can't record {kind!r} of a turn that is not spoken")
    elif isinstance(made, LogitsTape | AttentionTape) and inputs.aloud:
        raise ValueError(f"can't record {kind!r} of a text that is read aloud: nothing is thought")
    return made


def blocks(omni: Omni, stage: str, full: bool | None = None) -> dict[int, Block]:
    """The blocks of a stage by number; `full` picks those with attention, or with DeltaNet."""
    numbered = enumerate(omni.get_submodule(f"{stage}.stack").blocks)
    return {i: block for i, block in numbered if full in (None, block.full)}


def stacked(rows: dict[int, list[Tensor]], dtype: torch.dtype) -> np.ndarray:
    """Pieces [n, ...] of every layer, as one array [T, L, ...]."""
    return torch.stack([torch.cat(pieces) for pieces in rows.values()], 1).to(dtype).numpy()


def widened(rows: dict[int, list[Tensor]], fill: int) -> dict[int, list[Tensor]]:
    """All layers as wide as the widest: an edit may let one choose more experts than others."""
    most = max(piece.shape[-1] for pieces in rows.values() for piece in pieces)
    return {
        i: [F.pad(piece, (0, most - piece.shape[-1]), value=fill) for piece in pieces]
        for i, pieces in rows.items()
    }


def weight(*tensors: Tensor) -> int:
    return sum(x.numel() * x.element_size() for x in tensors)


class RoutingTape(Tape):
    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.logits = kind == "router-logits"
        self.layers = {
            stage: [i for i, block in blocks(omni, stage).items() if hasattr(block.ffn, "router")]
            for stage in STAGES
        }
        self.rows: dict[str, list] = {}  # of each router, by path
        self.shared: dict[str, list[Tensor]] = {}

    def listen(self, taps, watch):
        for stage, layers in self.layers.items():
            for i in layers:
                path = f"{stage}.stack.blocks.{i}.ffn"
                self.rows[f"{path}.router"], self.shared[path] = [], []
                taps.enter_context(listen(self.omni, f"{path}.router", after=self.hear))
                if self.omni.get_submodule(path).config.shared:
                    taps.enter_context(listen(self.omni, f"{path}.shared_gate", after=self.gate))

    def hear(self, name, _part, _inputs, routing):
        if len(routing.experts) > 1:  # of many tokens keep no more than will be kept in the end
            logits = routing.logits.half() if self.logits else routing.logits[:0]
            routing = routing._replace(experts=routing.experts.to(torch.int16), logits=logits)
        self.rows[name].append(routing)
        self.size += weight(routing.experts, routing.weights, routing.logits)

    def gate(self, name, _part, _inputs, out):
        self.shared[name.removesuffix(".shared_gate")].append(out)

    def bytes(self, size):
        total = 0
        for stage, layers in self.layers.items():
            for i in layers:
                config = blocks(self.omni, stage)[i].ffn.config
                logits = 2 * config.experts if self.logits else 0
                total += size.of(stage) * (4 * config.chosen + logits + 2)
        return total

    def fields(self):
        routed = {}
        for stage, layers in self.layers.items():
            paths = {i: f"{stage}.stack.blocks.{i}.ffn" for i in layers}
            rows = {i: self.rows[f"{path}.router"] for i, path in paths.items()}
            if not layers or not rows[layers[0]]:
                continue
            shared = {i: [torch.sigmoid(x[:, 0]) for x in self.shared[p]] for i, p in paths.items()}
            routed[stage] = Routing(
                stacked(widened({i: [r.experts for r in x] for i, x in rows.items()}, -1),
                        torch.int16),
                stacked(widened({i: [r.weights for r in x] for i, x in rows.items()}, 0),
                        torch.float16),
                stacked(shared, torch.float16) if all(shared.values()) else None,
                stacked({i: [r.logits for r in x] for i, x in rows.items()}, torch.float16)
                if self.logits
                else None,
                tuple(layers),
                blocks(self.omni, stage)[layers[0]].ffn.config.experts,
            )  # fmt: skip
        return {"routed": routed}


class DeltaTape(Tape):
    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.layers = {stage: [*blocks(omni, stage, full=False)] for stage in STAGES}
        self.rows: dict[str, list] = {}

    def listen(self, taps, watch):
        for stage, layers in self.layers.items():
            for i in layers:
                path = f"{stage}.stack.blocks.{i}.mixer.gate"
                self.rows[path] = []
                taps.enter_context(listen(self.omni, path, after=self.hear))

    def hear(self, name, _part, _inputs, gate):
        self.rows[name].append(gate)
        self.size += weight(*gate)

    def bytes(self, size):
        return sum(
            8 * size.of(stage) * blocks(self.omni, stage)[i].mixer.config.value_heads
            for stage, layers in self.layers.items()
            for i in layers
        )

    def fields(self):
        delta = {}
        for stage, layers in self.layers.items():
            rows = {i: self.rows[f"{stage}.stack.blocks.{i}.mixer.gate"] for i in layers}
            if layers and rows[layers[0]]:
                decay = stacked({i: [g.decay[0] for g in x] for i, x in rows.items()}, torch.half)
                write = stacked({i: [g.write[0] for g in x] for i, x in rows.items()}, torch.half)
                delta[stage] = Delta(decay, write, tuple(layers))
        return {"delta": delta}


# --- attention ------------------------------------------------------------------------------------


def attention_rows(q: Tensor, k: Tensor, heads: list[int], rows: list[int]) -> Tensor:
    """The weights that attention gives, f32[H, Q, m], for some heads and new positions.

    q f[1, heads, n, D], k f[1, groups, m, D]: softmax(q k / sqrt(D)), as `Causal` has it inside.
    """
    group = q.shape[1] // k.shape[1]
    keys = k[0, [head // group for head in heads]].float()
    scores = (q[0, heads][:, rows].float() * q.shape[3] ** -0.5) @ keys.mT
    places = torch.tensor(rows, device=q.device) + k.shape[2] - q.shape[2]
    ahead = torch.arange(k.shape[2], device=q.device) > places[:, None]
    return scores.masked_fill(ahead, -torch.inf).softmax(-1)


ATTN = re.compile(r"(?P<stage>thinker|talker)|(?P<layers>[\d,]+)|h(?P<heads>[\d,]+)|q(?P<q>[\w,]+)")


class AttentionTape(Tape):
    def __init__(self, omni: Omni, kind: str, rest: str):
        self.omni, self.kind, self.size = omni, kind, 0
        asked = {"stage": "thinker", "layers": "", "heads": "", "q": ""}
        for word in filter(None, rest.split(":")):
            match = ATTN.fullmatch(word)
            if not match:
                grammar = "attn[:thinker|:talker][:LAYERS][:hHEADS][:qall|:qPOSITIONS]"
                raise ValueError(f"can't record {kind!r}: {word!r} is unknown, expected {grammar}")
            asked |= {name: text for name, text in match.groupdict().items() if text}
        self.stage = asked["stage"]
        full = blocks(omni, self.stage, full=True)
        count = next(iter(full.values())).mixer.config.heads
        self.layers = chosen(asked["layers"], list(full), f"attention layers of the {self.stage}")
        self.heads = chosen(asked["heads"], list(range(count)), "heads")
        self.queries: set[int] | None = None  # None: those from which something was chosen
        self.all = asked["q"] == "all"
        if asked["q"] and not self.all:
            self.queries = set(chosen(asked["q"], None, "positions"))
        self.rows: dict[int, list[Tensor]] = {i: [] for i in self.layers}  # f16[H, 1, m] each
        self.last: dict[int, Tensor] = {}
        self.places: list[tuple[int, int]] = []  # query and start of each row

    def listen(self, taps, watch):
        self.watch = watch
        for i in self.layers:
            path = f"{self.stage}.stack.blocks.{i}.mixer.core"
            taps.enter_context(listen(self.omni, path, before=self.hear))
        if self.queries is None and not self.all:
            told = watch.on_word if self.stage == "thinker" else watch.on_frame
            told.append(self.commit)

    def hear(self, name, _part, inputs):
        q, k, _ = inputs
        layer = int(name.split(".")[3])
        new, total = q.shape[2], k.shape[2]
        base = self.watch.base if self.stage == "talker" else 0
        first = base + total - new
        if self.queries is None and not self.all:  # kept when it turns out to be the one
            self.last[layer] = attention_rows(q, k, self.heads, [new - 1]).half()
            self.place = base + total - 1, base
            return
        rows = [i for i in range(new) if self.all or first + i in self.queries]
        if rows:
            self.keep(layer, attention_rows(q, k, self.heads, rows).half())
            if layer == self.layers[-1]:
                self.places += [(first + i, base) for i in rows]

    def commit(self, _chosen: Word | Frame):
        self.places.append(self.place)
        for layer, row in self.last.items():
            self.keep(layer, row)

    def keep(self, layer: int, rows: Tensor):
        self.rows[layer] += rows.unbind(1)
        self.size += weight(rows)

    def bytes(self, size):
        long, queries = size.of(self.stage), size.words
        if self.stage == "talker":
            long = size.prompt + 10 + SENTENCE * (1 + size.frames // max(1, size.words))
            queries = size.frames
        if self.all:
            queries = size.of(self.stage)
        elif self.queries is not None:
            queries = len(self.queries)
        return 2 * len(self.layers) * len(self.heads) * queries * long

    def fields(self):
        count = len(self.places)
        if not count:
            return {"attention": ()}
        rows = list(self.rows.values())
        maps = np.zeros(
            (len(rows), len(self.heads), count, max(r.shape[-1] for r in rows[0])), np.float16
        )
        for layer, queries in enumerate(rows):
            for i, row in enumerate(queries):
                maps[layer, :, i, : row.shape[-1]] = row.numpy()
        query, start = np.array(self.places, np.int32).T.copy()
        kept = Attention(self.stage, tuple(self.layers), tuple(self.heads), maps, query, start)
        return {"attention": (kept,)}


def chosen(text: str, known: list[int] | None, what: str) -> list[int]:
    """Numbers from "3,7"; nothing means all that are `known`."""
    try:
        numbers = [int(word) for word in text.split(",")] if text else list(known or [])
    except ValueError:
        raise ValueError(f"{text!r} are no {what}, expected numbers such as 3,7") from None
    for number in numbers:
        if known is not None and number not in known:
            raise ValueError(f"no {number} among the {what}, which are {known}")
    return sorted(set(numbers))


class AlignTape(Tape):
    """From each frame to the words heard so far: mean over heads and layers of the Talker."""

    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.layers = [*blocks(omni, "talker", full=True)]
        self.last: dict[str, Tensor] = {}
        self.rows: list[tuple[list[int], Tensor]] = []  # of each frame: words, attention

    def listen(self, taps, watch):
        self.watch = watch
        watch.on_frame.append(self.commit)
        for i in self.layers:
            path = f"talker.stack.blocks.{i}.mixer.core"
            taps.enter_context(listen(self.omni, path, before=self.hear))

    def hear(self, name, _part, inputs):
        q, k, _ = inputs
        self.last[name] = attention_rows(q, k, list(range(q.shape[1])), [q.shape[2] - 1]).mean(0)[0]

    def commit(self, _frame: Frame):
        keys, words = zip(*self.watch.heard, strict=True) if self.watch.heard else ((), ())
        mean = torch.stack(list(self.last.values())).mean(0)[list(keys)]
        self.rows.append((list(words), mean))
        self.size += weight(mean)

    def bytes(self, size):
        return 2 * size.words * size.frames

    def fields(self):
        words = self.watch.given
        align = np.zeros((words, len(self.rows)), np.float16)
        for frame, (heard, shares) in enumerate(self.rows):
            align[heard, frame] = shares.numpy()
        return {"align": align}


# --- choices --------------------------------------------------------------------------------------


class OddsTape(Tape):
    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.first: Tensor | None = None  # f[C + 2], the head's last word on codebook 0
        self.rest: list[Tensor] = []  # f[C] of the other codebooks
        self.rows: list[tuple[Tensor, Tensor, Tensor]] = []

    def listen(self, taps, watch):
        watch.on_frame.append(self.commit)
        taps.enter_context(listen(self.omni, "talker.head", after=self.head))
        taps.enter_context(listen(self.omni, "talker.mtp.heads.*", after=self.book))

    def head(self, _name, _part, _inputs, logits):
        self.first, self.rest = logits, []

    def book(self, _name, _part, _inputs, logits):
        self.rest.append(logits)

    def commit(self, frame: Frame):
        codes = self.omni.config.talker.end
        odds = torch.stack([self.first[:codes], *self.rest]).float().log_softmax(-1)  # [B, C]
        entropy = -(odds.exp() * odds).sum(-1)
        said = odds.gather(1, frame.codes[:, None])[:, 0].exp()
        end = self.first[: codes + 1].float().softmax(-1)[codes]
        self.rows.append((entropy, said, end))
        self.size += weight(entropy, said, end)

    def bytes(self, size):
        return 4 * size.frames * (self.omni.config.talker.mtp.books + 1)

    def fields(self):
        if not self.rows:
            return {}
        columns = [torch.stack(column).half().numpy() for column in zip(*self.rows, strict=True)]
        return {"odds": Odds(*columns)}


class LogitsTape(Tape):
    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.rows: list[Tensor] = []

    def listen(self, taps, watch):
        self.watch = watch
        watch.on_word.append(self.hear)

    def hear(self, word: Word):
        self.rows.append(self.omni.thinker.logits(word.hidden).float())
        self.size += weight(self.rows[-1])

    def bytes(self, size):
        return 4 * size.words * self.omni.config.thinker.vocab

    def fields(self):
        rows = self.rows[: self.watch.given]
        empty = torch.zeros(0, self.omni.config.thinker.vocab)
        return {"logits": (torch.stack(rows) if rows else empty).numpy()}


# --- anything else --------------------------------------------------------------------------------


class StatesTape(Tape):
    def __init__(self, omni: Omni, kind: str, path: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.parts = find(omni, path)
        for name in self.parts:
            if name.split(".")[0] not in STAGES or ".stack." not in name or ".mtp." in name:
                raise ValueError(
                    f"can't record the states of {name}: it is no part of a stage's stack, such as"
                    " thinker.stack.blocks.0"
                )
        self.rows: dict[str, list[Tensor]] = {name: [] for name in self.parts}

    def listen(self, taps, watch):
        for name in self.parts:
            taps.enter_context(listen(self.omni, name, after=self.hear))

    def hear(self, name, part, _inputs, out):
        rows = by_position(part, out)
        if rows is None:
            raise ValueError(f"can't record the states of {name}: it returns no tensor by position")
        self.rows[name].append(rows.float())
        self.size += weight(rows)

    def bytes(self, size):
        width = {stage: self.omni.get_submodule(stage).config.stack.width for stage in STAGES}
        return sum(4 * size.of(n.split(".")[0]) * width[n.split(".")[0]] for n in self.parts)

    def fields(self):
        return {
            "states": {name: torch.cat(rows).numpy() for name, rows in self.rows.items() if rows}
        }


def by_position(part: nn.Module, out: Any) -> Tensor | None:
    """What a part of a stack returned, position by position: f[n, ...]; None where it has none."""
    out = out[0] if type(out) is tuple else out
    if not isinstance(out, Tensor) or out.dim() < 3:
        return None
    return out[0].transpose(0, 1) if isinstance(unchanged(part), Causal) else out[0]


class LatencyTape(Tape):
    """Spans of the big parts; MTP's is from its first step of a frame to its last head."""

    LENGTH = {  # axis of positions
        "ear": 2, "eye": 1, "thinker": 1, "talker": 1, "talker.mtp": 1, "codec.renderer": 2,
    }  # fmt: skip

    def __init__(self, omni: Omni, kind: str):
        self.omni, self.kind, self.size = omni, kind, 0
        self.spans: list[list[Any]] = []  # name, start, end, chunk, n_in, parent
        self.open: list[int] = []

    def listen(self, taps, watch):
        self.watch = watch
        for path in ("ear", "eye", "thinker", "talker", "codec.renderer"):
            taps.enter_context(listen(self.omni, path, before=self.begin, after=self.end))
        last = f"talker.mtp.heads.{len(self.omni.talker.mtp.heads) - 1}"
        taps.enter_context(listen(self.omni, "talker.mtp.stack", before=self.mtp))
        taps.enter_context(listen(self.omni, last, after=self.end))

    def begin(self, name, _part, inputs):
        x = inputs[0]
        count = x.shape[self.LENGTH[name]]
        if name == "thinker" and count > 1:
            name = "thinker prefill"
        parent = self.open[-1] if self.open else -1
        self.open.append(len(self.spans))
        watch = self.watch
        self.spans.append([name, watch.now(), 0, len(watch.audio), count, parent])
        self.size += 48

    def mtp(self, _name, part, inputs):
        if not self.open or self.spans[self.open[-1]][0] != "talker.mtp":
            self.begin("talker.mtp", part, inputs)

    def end(self, _name, _part, _inputs, _out):
        self.spans[self.open.pop()][2] = self.watch.now()

    def bytes(self, size):
        return 48 * (size.words + 3 * size.frames + 4)

    def fields(self):
        labels = {
            "ear": "audio encoder", "eye": "vision encoder", "talker.mtp": "mtp",
            "codec.renderer": "code2wav",
        }  # fmt: skip
        names = list(dict.fromkeys(labels.get(span[0], span[0]) for span in self.spans))
        columns = list(zip(*self.spans, strict=True)) or [()] * 6
        index = np.array([names.index(labels.get(n, n)) for n in columns[0]], np.uint8)
        start, end = (np.array(column, np.int64) for column in columns[1:3])
        chunk, count, parent = (np.array(column, np.int32) for column in columns[3:])
        played = self.watch.played
        heard = [played.get(i, np.nan) for i in range(len(self.watch.audio))] if played else None
        return {
            "latency": Latency(
                tuple(names), index, start, end, chunk, count, parent,
                None if heard is None else np.array(heard, np.float64),
            )
        }  # fmt: skip


PLAIN: dict[str, Callable[[Omni, str], Tape]] = {
    "routing": RoutingTape,
    "router-logits": RoutingTape,
    "align": AlignTape,
    "delta": DeltaTape,
    "codes": OddsTape,
    "logits": LogitsTape,
    "latency": LatencyTape,
}


def gather(tapes: list[Tape]) -> dict[str, Any]:
    """What all tapes recorded, as fields of a Run."""
    fields: dict[str, Any] = {}
    for one in tapes:
        for name, value in one.fields().items():
            if name in fields:  # several of a kind: attention of both stages, states of two parts
                value = fields[name] + value if name == "attention" else fields[name] | value
            fields[name] = value
    return fields
