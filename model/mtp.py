"""MTP, the residual-code predictor: from a Talker state and codebook 0 to codebooks 1..K-1.

Letters: N frames, K codebooks, C codes a book, D Talker width. A small dense decoder runs over the
*depth* of one frame: [state, code 0, code 1, ...]; position q+1 predicts codebook q+1. Every frame
starts a fresh past, so training is one batch of N short sequences.
Source: report section 2.5 (dense transformer) and the public `qwen3_omni_moe` code predictor.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from model.layers.linear import Linear
from model.layers.stack import Stack, StackConfig, initialise


@dataclass(frozen=True)
class MtpConfig:
    books: int  # K, of a whole frame
    codes: int  # C
    stack: StackConfig


class Mtp(nn.Module):
    def __init__(self, width: int, config: MtpConfig):
        super().__init__()
        self.config = config
        inner, rest = config.stack.width, config.books - 1
        self.tables = nn.ModuleList(nn.Embedding(config.codes, width) for _ in range(rest))
        self.enter = nn.Identity() if inner == width else nn.Linear(width, inner)
        self.stack = Stack(config.stack)
        self.heads = nn.ModuleList(Linear(inner, config.codes) for _ in range(rest))
        initialise(self)
        for table in self.tables:
            nn.init.normal_(table.weight, 0, width**-0.5)
        for head in self.heads:
            nn.init.normal_(head.weight, 0, inner**-0.5)

    def forward(
        self, state: Float[Tensor, "n width"], first: Float[Tensor, "n width"],
        codes: Int[Tensor, "n books"],
    ) -> Float[Tensor, "n rest codes"]:  # fmt: skip
        """Teacher forced: `first` embeds codebook 0 (the Talker's table); codes hold all books."""
        rest = [table(codes[:, q + 1]) for q, table in enumerate(self.tables[:-1])]
        flow, _ = self.stack(self.enter(torch.stack((state, first, *rest), dim=1)))
        return torch.stack([head(flow.out[:, q + 1]) for q, head in enumerate(self.heads)], dim=1)

    @torch.no_grad()
    def best(
        self, state: Float[Tensor, "n width"], first: Float[Tensor, "n width"]
    ) -> Int[Tensor, "n rest"]:
        """Codebooks 1..K-1 of many frames, each the most likely one after the one before."""
        codes, past = [], None
        x = torch.stack((state, first), dim=1)
        for q, head in enumerate(self.heads):
            flow, past = self.stack(self.enter(x), None, past)
            codes.append(head(flow.out[:, -1]).argmax(-1))
            x = self.tables[q](codes[-1])[:, None]
        return torch.stack(codes, dim=1)

    def complete(
        self, state: Float[Tensor, "1 width"], first: Float[Tensor, "1 width"]
    ) -> list[int]:
        """Codebooks 1..K-1 of one frame, each the most likely one after the one before: in training
        each learns to mend what those before it chose, and chance is nothing to be mended."""
        codes, past = [], None
        x = torch.stack((state, first), dim=1)
        for q, head in enumerate(self.heads):
            flow, past = self.stack(self.enter(x), None, past)
            codes.append(int(head(flow.out[0, -1]).argmax()))
            if q + 1 < len(self.heads):
                x = self.tables[q].weight[codes[-1]].view(1, 1, -1)
        return codes
