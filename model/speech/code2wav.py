"""Codes -> waveform, strictly causal: every frame of codes gives its 1,920 samples at once.

    codes [B, K, S] -> sum of codebook entries -> ConvNeXt 12.5 Hz -> x2 -> ConvNeXt 25 Hz
                    -> x2 -> ConvNeXt 50 Hz -> x2 -> ConvNeXt 100 Hz -> spectra -> overlap-add

Step i at 100 Hz speaks a window of 40 ms that begins where the step begins, samples
[240 i, 240 i + 960): it may say what comes within the next 30 ms, never what came before, so that
samples [240 i, 240 (i + 1)) are final once step i is known. The tail of the windows that is not
final yet is part of `past`. Four Hann windows always overlap and sum to a constant; the very start
of a stream has fewer and fades in over 30 ms, the same in one piece or in many.

Fewer codebooks may be given: the first 1 to K.

Left out: a neural upsampler to samples (an inverse Fourier transform costs next to nothing) and any
look-ahead: a chunk of one frame has exactly 1,920 samples, n frames have 1,920 n.

Letters: B batch, K codebooks, S frames of 80 ms, F steps of 10 ms, D size of a latent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from model.layers.conv import CausalConv, Chain, ConvNeXt, Upsample
from model.speech.quantizer import Quantizer

HOP = 240  # samples between windows: 10 ms
WINDOW = 960  # samples: 40 ms
LOUDEST = 6.0  # log of the largest magnitude a bin may have


@dataclass(frozen=True)
class Code2WavConfig:
    codebooks: int = 8
    entries: int = 512
    latent: int = 64
    dims: tuple[int, int, int, int] = (288, 256, 224, 192)  # at 12.5, 25, 50 and 100 Hz
    depths: tuple[int, int, int, int] = (2, 1, 2, 1)  # ConvNeXt blocks at each


class Code2WavPast(NamedTuple):
    layers: tuple
    tail: Float[Tensor, "batch 720"]  # of windows begun, not yet final


class Code2Wav(nn.Module):
    """The renderer. It owns the codebooks: speaking needs them, and nothing of the encoder."""

    def __init__(self, config: Code2WavConfig):
        super().__init__()
        self.config = config
        self.quantizer = Quantizer(config.codebooks, config.entries, config.latent)
        layers: list[nn.Module] = [CausalConv(config.latent, config.dims[0], width=3)]
        inside = config.dims[0]
        for i, (dim, depth) in enumerate(zip(config.dims, config.depths, strict=True)):
            if i:
                layers.append(Upsample(inside, dim, 2))
            layers += [ConvNeXt(dim) for _ in range(depth)]
            inside = dim
        self.layers = Chain(*layers)
        self.norm = nn.LayerNorm(inside)
        self.head = Spectra(inside)

    def forward(
        self, codes: Int64[Tensor, "batch books frames"], past: Code2WavPast | None = None
    ) -> tuple[Float[Tensor, "batch samples"], Code2WavPast]:
        return self.render(self.quantizer.embed(codes), past)

    def render(
        self, vectors: Float[Tensor, "batch frames latent"], past: Code2WavPast | None = None
    ) -> tuple[Float[Tensor, "batch samples"], Code2WavPast]:
        """The same from the sums of codebook entries (training takes this way)."""
        y, layers = self.layers(vectors, past and past.layers)
        wave, tail = overlap_add(self.head(self.norm(y)), past and past.tail)
        return wave, Code2WavPast(layers, tail)


class Spectra(nn.Module):
    """A step's features -> log-magnitude and phase of each bin -> a windowed piece of sound."""

    def __init__(self, dim: int):
        super().__init__()
        self.out = nn.Linear(dim, WINDOW + 2)
        window = torch.hann_window(WINDOW) * (2 * HOP / WINDOW)  # four of them sum to 1
        self.register_buffer("window", window, persistent=False)

    def forward(self, x: Float[Tensor, "batch steps dim"]) -> Float[Tensor, "batch steps window"]:
        loudness, phase = self.out(x).float().chunk(2, dim=-1)
        bins = torch.polar(loudness.clamp(max=LOUDEST).exp(), phase)
        return torch.fft.irfft(bins, n=WINDOW) * self.window


def overlap_add(
    pieces: Float[Tensor, "batch steps window"], tail: Float[Tensor, "batch kept"] | None = None
) -> tuple[Float[Tensor, "batch samples"], Float[Tensor, "batch kept"]]:
    """Add pieces up, each HOP after the one before; what is final, and the tail that is not."""
    width = pieces.shape[2] // HOP  # hops in a window
    hops = pieces.unflatten(2, (width, HOP))
    total = sum(F.pad(hops[:, :, i], (0, 0, i, width - 1 - i)) for i in range(width)).flatten(1)
    kept = (width - 1) * HOP
    if tail is not None:
        total = torch.cat([total[:, :kept] + tail, total[:, kept:]], dim=1)
    return total[:, :-kept], total[:, -kept:]
