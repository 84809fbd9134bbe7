"""RMS normalisation as Qwen3.5 uses it: zero-centred for layers, gated for DeltaNet outputs.

Left out: LayerNorm (the sense encoders use torch's own).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.layers import backward, single


class RMSNorm(nn.Module):
    """`x / rms(x) * (1 + weight)` in fp32; weight starts at 0, so weight decay pulls towards 1."""

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        if single.plain(x):
            return single.rms_norm(x, self.weight, 1.0, self.eps)
        if backward.fits(x):
            y = backward.RmsNorm.apply(x.float(), self.weight.float(), 1.0, self.eps)
        else:
            y = torch.rms_norm(x.float(), self.weight.shape, 1.0 + self.weight.float(), self.eps)
        return y.to(x.dtype)


def unit(x: Float[Tensor, "... width"], eps: float = 1e-6) -> Float[Tensor, "... width"]:
    """Vectors of length one (shorter ones stay shorter: `eps` is added to the squared length)."""
    if single.plain(x):
        return single.unit(x, eps)
    return x * (x.square().sum(-1, keepdim=True) + eps).rsqrt()


class GatedRMSNorm(nn.Module):
    """`rmsnorm(x) * weight * silu(gate)`; weight starts at 1 (this norm is *not* zero-centred)."""

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(
        self, x: Float[Tensor, "... width"], gate: Float[Tensor, "... width"]
    ) -> Float[Tensor, "... width"]:
        if single.small(x) and gate.dtype == x.dtype:
            return single.rms_norm(x, self.weight, 0.0, self.eps, gate)
        if single.plain(x):
            y = single.rms_norm(x, self.weight, 0.0, self.eps)
        elif backward.fits(x):
            given = x.float(), self.weight.float(), 0.0, self.eps, gate.float()
            return backward.RmsNorm.apply(*given).to(gate.dtype)
        else:
            y = torch.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps)
        return (y * F.silu(gate.float())).to(gate.dtype)
