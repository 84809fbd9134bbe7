"""Which word is being spoken: a finger that follows the text while the Talker speaks.

    take words, speak frames:   Call | me | at | five | .        the guided head looks here,
                                       ^ at    +1   +2           and at no other word

One head of the Talker has learnt to look at the word that the next frame speaks
(model/train/stages.py, Guided). When the Talker speaks by itself a wrong frame may lead that head
astray, and words are skipped or said again. So it does not see words behind the one it looked at
last, nor words more than `REACH` ahead; other heads and all else that it looks at stay free.
Source: "forcibly incremental attention", Tachibana et al. 2018 (arXiv 1710.08969), section 4.2.

Letters: T positions of the stream. Left out: words that may be said again on purpose.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

REACH = 2  # words ahead of the one being spoken
SURE = 0.3  # of its weight lies on words: less, and it is no word that it looks at


@dataclass(frozen=True)
class Pointer:
    """A value: every step gives a new one."""

    words: tuple[int, ...] = ()  # positions of the words taken so far
    at: int = 0  # index of the one being spoken

    def taking(self, first: int, count: int) -> "Pointer":
        """`count` words more, from position `first` on."""
        return replace(self, words=(*self.words, *range(first, first + count)))

    @property
    def shut(self) -> Int64[Tensor, "words"]:
        """Positions of the words that are not to be looked at."""
        reach = range(self.at, self.at + REACH + 1)
        return torch.tensor([p for i, p in enumerate(self.words) if i not in reach]).long()

    def moved(self, looked: Float[Tensor, "time"]) -> "Pointer":
        """Where it points after the head has looked like this."""
        share = looked[list(self.words)]
        if share.sum() < SURE:
            return self
        return replace(self, at=max(self.at, int(share.argmax())))
