"""The Talker: speaks one interleaved stream of words and frames (report sections 2.4 and 2.5).

Letters: B batch, T time, D width, K codebooks, C codes a book, N frames.
Each position of the stream is a word (own table and letters), a frame (sum of its K code
embeddings) or a state of the Thinker (one linear map). The head predicts codebook 0 of the next
frame, the end of speech, or the wish for the next word; MTP adds the residual codebooks. Text is
given, never predicted.

    voice prompt | context: words, Thinker states | <bos> w w w F F w F F F w ... <eod> F F END
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from model.layers.linear import Linear
from model.layers.stack import Stack, StackConfig, StackPast, initialise
from model.layers.words import Words
from model.mtp import Mtp, MtpConfig
from model.sampling import Sampling, pick


@dataclass(frozen=True)
class TalkerConfig:
    vocab: int
    thinker: int  # width of the Thinker's states
    stack: StackConfig
    mtp: MtpConfig

    @property
    def end(self) -> int:
        """Class of the head that ends the speech."""
        return self.mtp.codes

    @property
    def want(self) -> int:
        """Class of the head that asks for the next word."""
        return self.mtp.codes + 1


class Talker(nn.Module):
    def __init__(self, config: TalkerConfig):
        super().__init__()
        self.config = config
        width = config.stack.width
        self.words = Words(config.vocab, width)
        self.codes = nn.Embedding(config.mtp.codes, width)  # codebook 0; MTP holds the others
        self.listen = nn.Linear(config.thinker, width)
        self.stack = Stack(config.stack)
        self.head = Linear(width, config.mtp.codes + 2)
        self.rate = nn.Linear(width, 1)  # of a word's embedding: how many frames it takes
        self.mtp = Mtp(width, config.mtp)
        initialise(self)
        nn.init.normal_(self.codes.weight, 0, width**-0.5)
        nn.init.zeros_(self.rate.weight)
        nn.init.constant_(self.rate.bias, 2.5)  # about 2.6 frames a token, a typical English rate

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        places: Int[Tensor, "3 batch time"] | None = None,
        past: StackPast | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], StackPast]:
        """States of stream positions that follow `past`."""
        flow, past = self.stack(x, places, past)
        return flow.out, past

    def embed_frames(self, codes: Int[Tensor, "*n books"]) -> Float[Tensor, "*n width"]:
        """A frame enters the stream as the sum of its code embeddings."""
        x = self.codes(codes[..., 0])
        for q, table in enumerate(self.mtp.tables):
            x = x + table(codes[..., q + 1])
        return x

    def frames_of(self, words: Int[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """How many frames each text token should take (the estimate behind ARIA's rate)."""
        return F.softplus(self.rate(self.words(words)).squeeze(-1).float())

    def wish(self, state: Float[Tensor, "width"]) -> bool:
        """Would the head rather take the next word than speak?"""
        return int(self.head(state).argmax()) == self.config.want

    def frame(
        self, state: Float[Tensor, "width"], how: Sampling, may_end: bool,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "books"] | None:  # fmt: skip
        """The next frame, its codebook 0 picked, or None: the speech is over. It can't end while
        words are pending."""
        logits = self.head(state).float()
        logits = logits[: self.config.want if may_end else self.config.end]
        first = pick(logits, how, generator)
        if first == self.config.end:
            return None
        rest = self.mtp.complete(state[None], self.codes.weight[first][None])
        return torch.tensor([first, *rest])
