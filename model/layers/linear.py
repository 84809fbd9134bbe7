"""Linear maps: torch's, but for one row or a few on a CPU, which go through a compiled loop.

A step of decoding is a matrix times one row, and bound by reading the matrix: the loop of single.py
reads it several times as fast as the general matrix product does. A test holds the two equal.
Left out: everything else; parameters and names are those of `nn.Linear`.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.layers import single

FEW = 2  # rows up to which the loop is quicker


def linear(
    x: Float[Tensor, "*rows inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"] | None = None,
) -> Float[Tensor, "*rows outputs"]:
    """weight x + bias of every row."""
    if single.small(x, FEW) and weight.dtype == x.dtype:
        return single.linear(x, weight, bias)
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """`nn.Linear`, without a bias unless asked for one."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False):
        super().__init__(inputs, outputs, bias)

    def forward(self, x: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        return linear(x, self.weight, self.bias)
