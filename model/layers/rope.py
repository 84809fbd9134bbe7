"""Interleaved multimodal rotary positions (TM-RoPE): one place per token on three axes.

Letters: B batch, T time, R rotary dimensions (R/2 frequencies), A = 3 axes (time, height, width).
Frequencies start on the time axis; height takes indices 1, 4, 7, ... and width 2, 5, 8, ... up to
three times their section. With equal places on all axes this is ordinary rotary embedding.
Source: the report's TM-RoPE and the public `qwen3_5_moe` layout.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from model.layers import single

FEW = 2  # positions that go through a loop


class Angles(NamedTuple):
    """What attention needs to turn queries and keys; the same for all layers of a stack."""

    cos: Tensor  # f32[B, 1, T, R]
    sin: Tensor  # f32[B, 1, T, R]


class Rotary(nn.Module):
    """Places -> angles. `sections` counts the frequencies of (time, height, width)."""

    def __init__(self, dim: int, theta: float, sections: tuple[int, int, int]):
        super().__init__()
        if sum(sections) != dim // 2:
            raise ValueError(f"sections {sections} must sum to half the rotary size, {dim // 2}")
        inverse = theta ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
        axis = torch.zeros(dim // 2, dtype=torch.long)
        for a in (1, 2):
            axis[a : 3 * sections[a] : 3] = a
        self.register_buffer("inverse", inverse, persistent=False)
        self.register_buffer("axis", axis, persistent=False)

    def forward(self, places: Int[Tensor, "3 batch time"]) -> Angles:
        if places.shape[1] == 1 and places.shape[2] <= FEW and single.plain(self.inverse):
            return Angles(*single.angles(places, self.axis, self.inverse))
        angle = places.float()[self.axis].permute(1, 2, 0) * self.inverse  # [B, T, R/2]
        angle = torch.cat((angle, angle), dim=-1).unsqueeze(1)
        return Angles(angle.cos(), angle.sin())


def rotate(x: Float[Tensor, "batch heads time dim"], angles: Angles) -> Tensor:
    """Turn the first R dimensions of every head by its place; the rest passes through."""
    if x.shape[0] == 1 and x.shape[2] <= FEW and single.plain(x):
        return single.rotate(x, *angles)
    half = angles.cos.shape[-1] // 2
    cos, sin = angles.cos[..., :half], angles.sin[..., :half]  # the second half is the same
    left, right, rest = x.split((half, half, x.shape[-1] - 2 * half), dim=-1)
    turned = torch.cat((left * cos - right * sin, right * cos + left * sin, rest), dim=-1)
    return turned.to(x.dtype)
