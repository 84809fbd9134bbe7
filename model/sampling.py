"""How one token is picked from logits. Temperature 0 is greedy."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 = the best; `top_k` 0 and `top_p` 1 = no cut."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self):
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"expected temperature >= 0, top_k >= 0, 0 < top_p <= 1; got {self}")


def pick(
    logits: Float[Tensor, "vocab"], how: Sampling, generator: torch.Generator | None = None
) -> int:
    """One index. The same generator state gives the same pick."""
    if how.temperature == 0:
        return int(logits.argmax())
    scores = logits.float() / how.temperature
    if how.top_k:
        floor = scores.topk(min(how.top_k, scores.shape[-1])).values[-1]
        scores = scores.masked_fill(scores < floor, -torch.inf)
    share = scores.softmax(-1)
    if how.top_p < 1:
        ordered, index = share.sort(descending=True)
        late = ordered.cumsum(-1) - ordered > how.top_p
        share = share.index_fill(0, index[late], 0.0)
    return int(torch.multinomial(share, 1, generator=generator))
