"""The speech codec: 24 kHz waveform <-> 8 codes of 9 bits every 80 ms (900 bit/s).

    codes = codec.encode(wave)      # [B, N] -> [B, 8, S], S = N / 1920 rounded up
    wave = codec.decode(codes)      # [B, K <= 8, S] -> [B, 1920 S]

`encode` moves the waveform 30 ms ahead before the (causal) encoder, because the windows that frame
k lets the renderer begin reach 30 ms beyond it. So hearing a live voice prompt lags by 30 ms.
Speaking has no look-ahead at all: stream with `wave, past = codec.renderer(codes, past)`.

Letters: B batch, N samples, K codebooks, S frames of 80 ms.
"""

from dataclasses import dataclass, field

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from model.speech.code2wav import HOP, WINDOW, Code2Wav, Code2WavConfig
from model.speech.encoder import FRAME, EncoderConfig, SpeechEncoder
from model.speech.quantizer import Quantizer

RATE = 24_000
AHEAD = WINDOW - HOP  # samples: what a window reaches beyond its step, 30 ms


@dataclass(frozen=True)
class CodecConfig:
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    renderer: Code2WavConfig = field(default_factory=Code2WavConfig)

    @classmethod
    def micro(cls) -> "CodecConfig":
        """What is trained and shipped."""
        return cls()

    @classmethod
    def nano(cls) -> "CodecConfig":
        """For tests."""
        return cls(
            EncoderConfig(dims=(8, 12, 16), depths=(1, 1, 1), latent=8),
            Code2WavConfig(
                codebooks=8, entries=16, latent=8, dims=(16, 12, 12, 8), depths=(1, 1, 1, 1)
            ),
        )


class Codec(nn.Module):
    def __init__(self, config: CodecConfig):
        super().__init__()
        self.config = config
        self.encoder = SpeechEncoder(config.encoder)
        self.renderer = Code2Wav(config.renderer)

    @property
    def quantizer(self) -> Quantizer:
        return self.renderer.quantizer

    def latents(self, wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """One vector for every frame, the last one filled up with silence."""
        if not wave.shape[1]:
            raise ValueError("there is nothing to encode: the waveform is empty")
        frames = -(-wave.shape[1] // FRAME)
        ahead = F.pad(wave, (0, frames * FRAME + AHEAD - wave.shape[1]))[:, AHEAD:]
        return self.encoder(ahead)[0]

    def encode(
        self, wave: Float[Tensor, "batch samples"]
    ) -> Int64[Tensor, "batch codebooks frames"]:
        return self.quantizer.encode(self.latents(wave))

    def decode(self, codes: Int64[Tensor, "batch books frames"]) -> Float[Tensor, "batch samples"]:
        return self.renderer(codes)[0]
