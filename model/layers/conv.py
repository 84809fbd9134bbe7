"""Causal convolutions over time, channels last: y, past = layer(x, past).

Nothing here looks ahead: step t of the output depends on steps up to t of the input (with a stride
s: output t on inputs before (t + 1) * s). `past` is the input a layer still has to remember;
None is the start of a stream, before which there was silence. The same forward trains on a whole
signal and streams it in pieces, and the pieces equal the whole wherever it is cut.

Left out: dilation and transposed kernels longer than their stride; nothing here needs them.

Letters: B batch, T steps, C channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class CausalConv(nn.Module):
    """A convolution that never looks ahead. `groups=channels` makes it depthwise."""

    def __init__(self, inside: int, outside: int, width: int, stride: int = 1, groups: int = 1):
        super().__init__()
        if width < stride:
            raise ValueError(f"a width of {width} would skip steps at a stride of {stride}")
        self.width, self.stride, self.groups = width, stride, groups
        self.weight = nn.Parameter(torch.empty(outside, inside // groups, width))
        self.bias = nn.Parameter(torch.zeros(outside))
        nn.init.trunc_normal_(self.weight, std=(inside // groups * width) ** -0.5)

    def forward(
        self,
        x: Float[Tensor, "batch time inside"],
        past: Float[Tensor, "batch kept inside"] | None = None,
    ) -> tuple[Float[Tensor, "batch steps outside"], Float[Tensor, "batch kept inside"]]:
        if x.shape[1] % self.stride:
            raise ValueError(f"{x.shape[1]} steps are not whole strides of {self.stride}")
        kept = self.width - self.stride
        if past is None:
            past = x.new_zeros(x.shape[0], kept, x.shape[2])
        x = torch.cat([past, x], dim=1)
        # As a picture of one row: a transposed [B, T, C] is already what conv2d likes best, its
        # depthwise kernels are twice as fast as those of conv1d, and nothing has to be copied.
        row = F.conv2d(
            x.transpose(1, 2)[:, :, None],
            self.weight[:, :, None],
            self.bias,
            stride=(1, self.stride),
            groups=self.groups,
        )
        return row[:, :, 0].transpose(1, 2), x[:, x.shape[1] - kept :]


class Upsample(nn.Module):
    """Each step becomes `factor` steps: a transposed convolution whose kernel is its stride."""

    def __init__(self, inside: int, outside: int, factor: int):
        super().__init__()
        self.factor = factor
        self.spread = nn.Linear(inside, outside * factor)

    def forward(
        self, x: Float[Tensor, "batch time inside"], past: None = None
    ) -> tuple[Float[Tensor, "batch steps outside"], None]:
        return self.spread(x).unflatten(2, (self.factor, -1)).flatten(1, 2), None


class ConvNeXt(nn.Module):
    """Mix along time (depthwise), then along channels (a two-layer net), and add."""

    def __init__(self, dim: int, width: int = 7, expand: int = 3):
        super().__init__()
        self.mix = CausalConv(dim, dim, width, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, expand * dim)
        self.down = nn.Linear(expand * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), 0.1))

    def forward(
        self,
        x: Float[Tensor, "batch time dim"],
        past: Float[Tensor, "batch kept dim"] | None = None,
    ) -> tuple[Float[Tensor, "batch time dim"], Float[Tensor, "batch kept dim"]]:
        y, past = self.mix(x, past)
        return x + self.scale * self.down(F.gelu(self.up(self.norm(y)))), past


class Chain(nn.Sequential):
    """Layers one after the other; its past is a tuple with the past of each."""

    def forward(
        self, x: Float[Tensor, "batch time inside"], past: Sequence | None = None
    ) -> tuple[Float[Tensor, "batch steps outside"], tuple]:
        after = []
        for layer, before in zip(self, past or [None] * len(self), strict=True):
            x, new = layer(x, before)
            after.append(new)
        return x, tuple(after)
