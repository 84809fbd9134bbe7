"""A trained ear beside the codec: is the rebuilt sound still understood?

    listener = Listener.of("runs/ear/last.safetensors", omni)
    loss = listener(made, true)            # two waveforms f[B, N] at 24 kHz

Spectral losses count every band alike; whether a "t" can be told from a "k" is a matter of few of
them. The ear (AuT with the head that names phones, both frozen) hears both sounds; the loss is the
Kullback-Leibler divergence of the phones it believes in, plus the distance of its states.
Letters: B batch, N samples, T ear states, D width. Left out: ears that are still being trained.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from model.layers.mel import log_mel_16k
from model.omni import Omni
from model.train.loop import weights
from model.train.stages import Ear


class Listener(nn.Module):
    def __init__(self, ear: Ear):
        super().__init__()
        self.ear = ear.eval().requires_grad_(False)

    @classmethod
    def of(cls, checkpoint: str | Path, omni: Omni) -> "Listener":
        """The ear in a checkpoint of the stages `ear`, `hear` or `world`, with the words that it
        spells in; it takes the place of that of `omni`."""
        ear = Ear(omni)
        state = {k.removeprefix("hear."): v for k, v in weights(checkpoint).items()}
        ear.load_state_dict(
            {k.removeprefix("ear."): v for k, v in state.items() if k.startswith("ear.")}
        )
        for name in ("words.weight", "thinker.embed.weight"):
            if name in state:
                ear.words[0].weight.data.copy_(state[name])
        return cls(ear)

    def forward(
        self, made: Float[Tensor, "batch samples"], true: Float[Tensor, "batch samples"]
    ) -> Float[Tensor, ""]:
        with torch.no_grad():
            wanted, believed = self.hear(true)
        states, phones = self.hear(made)
        apart = F.mse_loss(states, wanted) / wanted.var()
        return apart + F.kl_div(phones, believed, log_target=True, reduction="sum") / (
            phones.shape[0] * phones.shape[1]
        )

    def hear(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """States f32[B, T, D] and log-probabilities of the phones f32[B, 4 T, phones]."""
        states, _ = self.ear.aut(log_mel_16k(slower(wave.float())))
        phones = self.ear.phones(states).unflatten(-1, (4, -1)).flatten(1, 2)
        return states.float(), phones.float().log_softmax(-1)


def slower(wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch fewer"]:
    """24 kHz to 16 kHz with gradients, by leaving out the upper third of the spectrum."""
    samples = wave.shape[1] // 3 * 3
    bins = torch.fft.rfft(wave[:, :samples])
    fewer = samples // 3 * 2
    return torch.fft.irfft(bins[:, : fewer // 2 + 1], n=fewer) * (fewer / samples)
