"""The Thinker: reads embeddings of everything seen, heard and written, and thinks in text.

Letters: B batch, T time, D width, V vocabulary. The output table is the input table (tied).
`turns` is the turn-taking head: per token of incoming audio (160 ms) it says what the other side is
doing. Source: report sections 2.1 and 2.5 (hybrid MoE on the Qwen3.5 architecture).
"""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from model.layers.linear import linear
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


class Thinker(nn.Module):
    def __init__(self, config: ThinkerConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.stack.width)
        self.stack = Stack(config.stack)
        self.turns = nn.Linear(config.stack.width, len(TURNS))
        initialise(self)
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
