"""Log-mel spectra, causal: frame i sees the samples before (i + 1) * hop and none after.

n samples give n // hop frames, whatever comes later never changes a frame, and a signal may be cut
anywhere: `past` holds the samples still needed. There is no normalisation over the utterance (it
would look ahead); log10 of the power, limited below, is moved to about zero mean and unit size.

    mel, past = LogMel(HEARING)(wave, past)      # [B, 128, F], 100 frames a second
    mel = log_mel_16k(wave)                      # the same for a whole recording

Left out: pre-emphasis, dither, per-channel energy normalisation.

Letters: B batch, N samples, F frames, M mel bands.
"""

from dataclasses import dataclass
from functools import cache

import librosa
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class MelConfig:
    rate: int  # samples a second
    bands: int
    window: int  # samples
    hop: int  # samples
    fft: int  # points; more than the window: finer bins, so that no low band is empty
    floor: float = 1e-6  # of the power of a band


HEARING = MelConfig(rate=16_000, bands=128, window=400, hop=160, fft=1024)  # 25 ms, 10 ms
CODEC = MelConfig(rate=24_000, bands=100, window=960, hop=240, fft=1024)  # 40 ms, 10 ms


class LogMel(nn.Module):
    """A waveform's log-mel spectrum. Has no parameters and is never saved."""

    def __init__(self, config: MelConfig):
        super().__init__()
        self.config = config
        window = torch.hann_window(config.window)
        # zeros in front, so that a frame is as long as its transform: padding it would be a copy
        window = F.pad(window, (config.fft - config.window, 0))
        filters = librosa.filters.mel(
            sr=config.rate, n_fft=config.fft, n_mels=config.bands, norm=None
        )
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(
        self, wave: Float[Tensor, "batch samples"], past: Float[Tensor, "batch kept"] | None = None
    ) -> tuple[Float[Tensor, "batch bands frames"], Float[Tensor, "batch rest"]]:
        config = self.config
        if past is None:
            past = wave.new_zeros(wave.shape[0], config.fft - config.hop)
        wave = torch.cat([past, wave], dim=1)
        count = max(0, (wave.shape[1] - config.fft) // config.hop + 1)
        rest = wave[:, count * config.hop :]
        if not count:
            return wave.new_zeros(wave.shape[0], config.bands, 0), rest
        frames = wave.unfold(1, config.fft, config.hop) * self.window
        bins = torch.fft.rfft(frames)
        power = (bins.real.square() + bins.imag.square()) @ self.filters.T  # [B, F, M]
        return (power.clamp(min=config.floor).log10() / 2 + 1.5).transpose(1, 2), rest


@cache
@torch.inference_mode(False)  # kept for all callers, also those that want gradients
def _hearing() -> LogMel:
    return LogMel(HEARING)


def log_mel_16k(wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 128 frames"]:
    """What the ear of the model gets: 128 bands, 100 frames a second, of a whole recording."""
    return _hearing().to(wave.device)(wave)[0]
