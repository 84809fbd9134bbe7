"""The pre-norm transformer block of the senses: it looks both ways inside what it is shown.

The ear and the eye share it: LayerNorm, attention with one fused projection and biases everywhere,
GELU between two linears. What may be seen is the caller's `mask`; the ear also passes the keys and
values of what it heard before. Dropout is left out.

Letters: B batch, T tokens, P tokens remembered, D width, H heads, K head size.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Remembered(NamedTuple):
    keys: Tensor  # [B, H, P, K]
    values: Tensor  # [B, H, P, K]


class Rotation(NamedTuple):
    cos: Tensor  # [T, K]
    sin: Tensor  # [T, K]


def rotate(x: Float[Tensor, "batch heads time size"], by: Rotation) -> Tensor:
    """Turn the pairs (i, i + K/2) of every head, in fp32."""
    near, far = x.float().chunk(2, dim=-1)
    turned = torch.cat([-far, near], dim=-1)
    return (x.float() * by.cos + turned * by.sin).to(x.dtype)


class BidirectionalAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        mask: Bool[Tensor, "..."] | None = None,
        rotation: Rotation | None = None,
        past: Remembered | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], Remembered]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(y.transpose(1, 2).flatten(2)), Remembered(k, v)


class BidirectionalBlock(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, eps: float, gelu: str = "none"):
        """`gelu` is the approximation: "none" in the ear, "tanh" in the eye."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = BidirectionalAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.gelu = nn.GELU(approximate=gelu)

    def forward(
        self,
        x: Float[Tensor, "batch time width"],
        mask: Bool[Tensor, "..."] | None = None,
        rotation: Rotation | None = None,
        past: Remembered | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], Remembered]:
        mixed, past = self.attention(self.norm1(x), mask, rotation, past)
        x = x + mixed
        return x + self.down(self.gelu(self.up(self.norm2(x)))), past
