"""The colour of a voice: what the codec takes from its long-term spectrum, put back by a filter.

    taps = colour(recording, copy)                 # copy: the recording after the codec
    louder_here_softer_there, past = tint(wave, taps, past)

The codec is trained on few voices, and draws a stranger towards them: bands in which the stranger
is strong come out weaker, as far as one can tell from the means of the logarithm of the spectrum.
What the Talker then says in the stranger's codes lies further off, so the filter does more than
the codec alone would need (`MORE`). It is causal and of minimal phase (Oppenheim and Schafer,
"Discrete-Time Signal Processing", section 13.5): nothing waits for it.

Letters: N samples at 24 kHz, M moments, F bins, T taps. Left out: pitch, and what changes from
sound to sound.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

WINDOW = 1024  # samples, 43 ms
TAPS = 512  # of the filter, 21 ms
HEARD = 1e-3  # of the power of the loudest moment: moments below it are pauses
MORE = 2.0  # times the difference of the logarithms
MOST = 12.0  # dB that any band is changed by
NEAR = 3.0  # bins: standard deviation over which bands are averaged, 70 Hz


def colour(
    recording: Float[Tensor, " samples"], copy: Float[Tensor, " samples"]
) -> Float[Tensor, " taps"]:
    """The filter f32[T] that brings the copy nearer to the recording: its long-term spectrum."""
    lacking = _usual(recording) - _usual(copy)
    reach = torch.arange(-4 * NEAR, 4 * NEAR + 1)
    weights = torch.exp(-0.5 * (reach / NEAR).square())
    padded = F.pad(lacking[None, None], (len(reach) // 2,) * 2, mode="replicate")
    lacking = F.conv1d(padded, (weights / weights.sum())[None, None])[0, 0]
    most = MOST / 20 * math.log(10)
    return _causal((MORE * lacking).clamp(-most, most))


def tint(
    wave: Float[Tensor, "batch samples"],
    taps: Float[Tensor, " taps"],
    past: Float[Tensor, "batch before"] | None = None,
) -> tuple[Float[Tensor, "batch samples"], Float[Tensor, "batch before"]]:
    """The wave through the filter, and the last T - 1 samples, which the next piece needs."""
    before = len(taps) - 1
    whole = F.pad(wave, (before, 0)) if past is None else torch.cat([past, wave], dim=1)
    return F.conv1d(whole[:, None], taps.flip(0)[None, None])[:, 0], whole[:, -before:]


def _usual(wave: Float[Tensor, " samples"]) -> Float[Tensor, " bins"]:
    """Mean over all moments that are heard of the logarithm of the amplitude."""
    wave = F.pad(wave.float(), (0, max(0, WINDOW - len(wave))))
    bins = torch.stft(wave, WINDOW, WINDOW // 4, window=torch.hann_window(WINDOW),
                      center=False, return_complex=True)  # fmt: skip
    power = bins.abs().square()  # [F, M]
    loud = power.sum(0)
    return (power[:, loud >= HEARD * loud.max()] + 1e-6).log().mean(1) / 2


def _causal(gain: Float[Tensor, " bins"]) -> Float[Tensor, " taps"]:
    """The filter of minimal phase whose amplitude is e^gain."""
    folded = torch.fft.irfft(gain.to(torch.complex64), n=WINDOW)
    folded[1 : WINDOW // 2] *= 2
    folded[WINDOW // 2 + 1 :] = 0
    taps = torch.fft.irfft(torch.fft.rfft(folded).exp(), n=WINDOW)[:TAPS]
    return taps * torch.hann_window(2 * TAPS, periodic=False)[TAPS:]
