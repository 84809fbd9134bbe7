"""How different two sounds are to an ear that knows no words: spectra at several resolutions.

    total, parts = apart(made, true, MultiScale())  # f[B, N] each, 24 kHz; the gradient is cheap

Log-mel L1 counts what is soft, spectral convergence what is loud (Yamamoto et al., 2020). In
training two resolutions are drawn each time: half the cost, the same mean.

Letters: B batch, N samples, T frames, P points of a window.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from librosa.filters import mel as mel_filters
from torch import Tensor, nn

from model.speech.codec import RATE

SCALES = ((2048, 128), (1024, 100), (512, 64), (256, 32))  # points and mel bands of each resolution
QUIET = 1e-7  # power of a band below which differences are not heard
CONVERGENCE = 0.5  # what spectral convergence counts beside the log-mel L1


def apart(
    made: Float[Tensor, "batch samples"],
    true: Float[Tensor, "batch samples"],
    spectra: "MultiScale",
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """How far a sound lies from what it should be, by spectra and by waveform; and the parts."""
    mel, convergence = spectra(made, true)
    wave = F.l1_loss(made, true)
    parts = {"mel": mel, "convergence": convergence, "wave": wave}
    return mel + CONVERGENCE * convergence + wave, parts


class MultiScale(nn.Module):
    """How different two waveforms sound, at several resolutions."""

    def __init__(self, scales: Sequence[tuple[int, int]] = SCALES):
        super().__init__()
        self.points = [points for points, _ in scales]
        for points, bands in scales:
            window = torch.hann_window(points)
            filters = mel_filters(sr=RATE, n_fft=points, n_mels=bands, norm=None)
            self.register_buffer(f"window{points}", window / window.square().sum().sqrt())
            self.register_buffer(f"filters{points}", torch.from_numpy(filters).T.contiguous())

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(
        self, made: Float[Tensor, "batch samples"], true: Float[Tensor, "batch samples"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Log-mel L1 and spectral convergence, each the mean over the resolutions."""
        mels, convergences = [], []
        chosen = self.points
        if self.training:  # two at a time: half the cost, the same mean
            chosen = [self.points[i] for i in torch.randperm(len(self.points))[:2]]
        for points in chosen:
            window, filters = getattr(self, f"window{points}"), getattr(self, f"filters{points}")
            own, other = (Power.apply(cut(wave, points) * window) for wave in (made, true))
            bands = [(power @ filters).clamp(min=QUIET).log() / 2 for power in (own, other)]
            mels.append(F.l1_loss(*bands))
            own, other = (own + QUIET).sqrt(), (other + QUIET).sqrt()
            missed = (own - other).square().sum((1, 2))
            convergences.append((missed / (other.square().sum((1, 2)) + 1e-3)).sqrt().mean())
        return torch.stack(mels).mean(), torch.stack(convergences).mean()


def cut(wave: Float[Tensor, "batch samples"], points: int) -> Float[Tensor, "batch frames points"]:
    """Windows of `points` samples, a quarter of that apart: `unfold` with a cheap gradient."""
    hop = points // 4
    hops = wave[:, : wave.shape[1] // hop * hop].unflatten(1, (-1, hop))
    count = hops.shape[1] - 3
    return torch.cat([hops[:, i : count + i] for i in range(4)], dim=2)


class Power(torch.autograd.Function):
    """|rfft(x)|^2; its gradient is one inverse transform, which is cheaper than autograd's."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        bins = torch.fft.rfft(x)
        ctx.save_for_backward(bins)
        ctx.points = x.shape[-1]
        return bins.real.square() + bins.imag.square()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (bins,) = ctx.saved_tensors
        weighed = bins * grad
        weighed[..., 0] *= 2
        weighed[..., -1] *= 2
        return torch.fft.irfft(weighed, n=ctx.points) * ctx.points
