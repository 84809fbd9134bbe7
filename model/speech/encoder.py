"""The codec's ear: 24 kHz waveform -> one latent vector for every 80 ms, strictly causal.

    wave --log-mel, 100 Hz--> patch of 2 -> ConvNeXt 50 Hz -> stride 2 -> ConvNeXt 25 Hz
         -> stride 2 -> ConvNeXt 12.5 Hz -> latents [B, S, D]

Frame k depends on samples before (k + 1) * 1920. The codec hands over a waveform that is 30 ms
ahead (`model.speech.codec.AHEAD`), because the renderer's windows reach so far beyond a frame.

Left out: attention; the convolutions at 12.5 Hz already remember more than a second.

Letters: B batch, N samples, S frames of 80 ms, D size of a latent.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from model.layers import mel
from model.layers.conv import CausalConv, Chain, ConvNeXt
from model.layers.mel import LogMel, MelConfig

FRAME = 1920  # samples: 80 ms at 24 kHz


@dataclass(frozen=True)
class EncoderConfig:
    dims: tuple[int, int, int] = (160, 208, 256)  # at 50, 25 and 12.5 Hz
    depths: tuple[int, int, int] = (2, 2, 2)  # ConvNeXt blocks at each
    latent: int = 64
    mel: MelConfig = field(default_factory=lambda: mel.CODEC)


class EncoderPast(NamedTuple):
    mel: Float[Tensor, "batch kept"]
    layers: tuple


class SpeechEncoder(nn.Module):
    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.mel = LogMel(config.mel)
        layers: list[nn.Module] = []
        inside = config.mel.bands
        for dim, depth in zip(config.dims, config.depths, strict=True):
            layers.append(CausalConv(inside, dim, width=2, stride=2))
            layers += [ConvNeXt(dim) for _ in range(depth)]
            inside = dim
        self.layers = Chain(*layers)
        self.norm = nn.LayerNorm(inside)
        self.out = nn.Linear(inside, config.latent)

    def forward(
        self, wave: Float[Tensor, "batch samples"], past: EncoderPast | None = None
    ) -> tuple[Float[Tensor, "batch frames latent"], EncoderPast]:
        if wave.shape[1] % FRAME:
            raise ValueError(
                f"{wave.shape[1]} samples are not whole frames of {FRAME}; pad the end with zeros"
            )
        spectrum, mel_past = self.mel(wave, past and past.mel)
        y, layers_past = self.layers(spectrum.transpose(1, 2), past and past.layers)
        return self.out(self.norm(y)), EncoderPast(mel_past, layers_past)
