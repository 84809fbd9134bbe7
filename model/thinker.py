"""The Thinker: reads embeddings of everything seen, heard and written, and thinks in text.

Letters: B batch, T time, N audio tokens, D width, V vocabulary, M memory. The output table is the
input table (tied). `turns` is the turn-taking head: per token of incoming audio (160 ms) it says
what the other side is doing. Source: report sections 2.1 and 2.5 (hybrid MoE on the Qwen3.5
architecture).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from model.layers.linear import linear
from model.layers.norm import RMSNorm
from model.layers.stack import Stack, StackConfig, StackPast, initialise

TURNS = ("idle", "speaking", "backchannel", "interrupt", "done")


@dataclass(frozen=True)
class ThinkerConfig:
    vocab: int
    stack: StackConfig


class Thought(NamedTuple):
    """The Thinker's states for the tokens it was just given."""

    hidden: Tensor  # f[B, T, D], after the final norm: what the next token is chosen from
    middle: Tensor  # f[B, T, D], mid-stack and before any norm: what the Talker listens to


class TurnHead(nn.Module):
    """What the other side is doing, by the Thinker's states at the sounds and a short memory.

    Whether the assistant is talking is told with every token: its own voice is not in the
    microphone, and only while it talks there are backchannels and interruptions. Before training it
    says nothing but "idle".
    """

    def __init__(self, width: int):
        super().__init__()
        memory = max(8, width // 4)
        self.norm = RMSNorm(width)
        self.hears = nn.Linear(2 * width + 1, memory)
        self.remembers = nn.GRU(memory, memory, batch_first=True)
        self.names = nn.Linear(memory, len(TURNS))

    def forward(
        self,
        thought: Thought,
        talking: Bool[Tensor, "batch time"],
        past: Float[Tensor, "1 batch memory"] | None = None,
    ) -> tuple[Float[Tensor, "batch time turns"], Float[Tensor, "1 batch memory"]]:
        """Logits of TURNS; `talking`: does the assistant talk while this is heard?"""
        told = talking[..., None].to(thought.hidden.dtype)
        x = torch.cat([thought.hidden, self.norm(thought.middle), told], dim=-1)
        y, past = self.remembers(F.gelu(self.hears(x)), past)
        return self.names(y), past

    @torch.no_grad()
    def forget(self) -> None:
        """As before any training."""
        self.names.weight.zero_()
        self.names.bias.copy_(torch.tensor([10.0, 0, 0, 0, 0]))

    @property
    def trained(self) -> bool:
        return bool(self.names.weight.any())


class Thinker(nn.Module):
    def __init__(self, config: ThinkerConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.stack.width)
        self.stack = Stack(config.stack)
        self.turns = TurnHead(config.stack.width)
        initialise(self)
        self.turns.forget()
        nn.init.normal_(self.embed.weight, 0, config.stack.width**-0.5)

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        places: Int[Tensor, "3 batch time"] | None = None,
        past: StackPast | None = None,
    ) -> tuple[Thought, StackPast]:
        """Think about embeddings that follow `past`."""
        flow, past = self.stack(x, places, past)
        return Thought(flow.out, flow.middle), past

    def logits(self, hidden: Float[Tensor, "... width"]) -> Float[Tensor, "... vocab"]:
        return linear(hidden, self.embed.weight)
