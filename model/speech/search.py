"""Better codes for a sound that is there already: analysis by synthesis, as CELP does it.

    codes = search(omni.codec, wave)      # [B, N] -> [B, 8, S], like codec.encode, only slower

The encoder chooses codes at once, and cannot know what the renderer will make of them. Whoever has
time listens: the gradient of what is wrong with the sound goes through the renderer to the latents
(straight through the choice of entries), and the codes whose sound comes nearest to the original
are kept, the encoder's own among them. Codes so found are codes like others: nothing that renders
them knows the difference (Schroeder and Atal, "Code-excited linear prediction", 1985).

Left out: streaming, and teaching the Talker such codes: for hours of speech it takes hours.
Letters: B batch, N samples, S frames of 80 ms.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from model.speech.codec import AHEAD, FRAME, Codec
from model.speech.spectra import SCALES, MultiScale, apart

STEPS = 30
LONGEST = max(points for points, _ in SCALES)  # samples of a window
RATE = 0.1  # of Adam
COMMITMENT = 0.25  # what it counts that latents stay near entries


class Found(NamedTuple):
    apart: float  # from the original: log-mel L1 and what else the codec is trained by
    codes: Int64[Tensor, "1 codebooks frames"]


def search(
    codec: Codec, wave: Float[Tensor, "batch samples"], steps: int = STEPS
) -> Int64[Tensor, "batch codebooks frames"]:
    """The best codes of sounds at 24 kHz, each looked for in so many steps; in none: the encoder's.

    Raises:
        ValueError: no samples, fewer than no steps, or samples that are no numbers
    """
    best = [min(attempts(codec, one[None], steps), key=lambda f: f.apart) for one in wave]
    return torch.cat([found.codes for found in best])


def attempts(codec: Codec, wave: Float[Tensor, "1 samples"], steps: int = STEPS) -> Iterator[Found]:
    """The codes of one sound as they get better, mostly; the encoder's are the first."""
    if steps < 0:
        raise ValueError(f"{steps} steps, expected 0 or more")
    if not wave.isfinite().all():
        raise ValueError("the sound has samples that are no numbers")
    with torch.no_grad():
        latents = codec.latents(wave).clone()
    true = F.pad(wave, (0, latents.shape[1] * FRAME - wave.shape[1]))[:, AHEAD:]
    short = (0, max(0, LONGEST - true.shape[1]))
    true = F.pad(true, short)
    optimizer, spectra = torch.optim.Adam([latents], lr=RATE), MultiScale().eval()
    for step in range(steps + 1):
        codes = codec.quantizer.encode(latents)
        chosen = codec.quantizer.embed(codes)
        with torch.enable_grad():
            free = latents.detach().requires_grad_()
            made = codec.renderer.render(chosen + free - free.detach())[0][:, AHEAD:]
            missed, _ = apart(F.pad(made, short), true, spectra)
            loss = missed + COMMITMENT * F.mse_loss(free, chosen)
            if step < steps:
                (latents.grad,) = torch.autograd.grad(loss, [free])
        yield Found(float(missed.detach()), codes)
        optimizer.step()
