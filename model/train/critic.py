"""A critic beside the renderer: does this spectrogram come from a recording, or was it made?

    critic = Critic()
    told = critic.judged(made, true)      # f[B, N] each, 24 kHz; adversarial, matching, critic

Spectral losses are content with the mean of what could have been: consonants come out blurred. A
critic that learns, crop by crop, to tell the renderer's sound from the original shows where. Its
parts look at log-magnitudes at three resolutions, each through five layers of convolutions
(UnivNet's multi-resolution discriminator, arXiv 2106.07889, narrower); hinge losses, and features
of every layer to be matched (SoundStream, arXiv 2107.03312). One loss trains both: what the
renderer should change goes through a critic that is held, what the critic learns stops at the
sound.

Left out: critics of the waveform (they cost more), the choice of what to be judged by a schedule.
Letters: B batch, N samples, T frames, P points of a window.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from model.speech.spectra import Power, cut

POINTS = (2048, 1024, 512)  # of a window; a quarter of that apart
WIDTH = 16  # channels
PIECE = 12_000  # samples of a crop that are judged: half a second, anywhere in it
LEAK = 0.1
QUIET = 1e-5  # power below which nothing is to be seen


class Judged(NamedTuple):
    adversarial: Tensor  # f[], of the renderer: how far it is from being taken for real
    matching: Tensor  # f[], of the renderer: how differently the critic sees both
    critic: Tensor  # f[], of the critic
    right: Tensor  # f[], share of what the critic tells rightly


class Resolution(nn.Module):
    """A spectrogram -> features of each layer; the last is the verdict, above 0: it is recorded."""

    def __init__(self, points: int, width: int):
        super().__init__()
        self.points = points
        shapes = ((1, (3, 9), (1, 2)), (width, (3, 9), (1, 2)), (width, (3, 9), (1, 2)),
                  (width, (3, 9), (1, 2)), (width, (3, 3), (1, 1)))  # fmt: skip
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, width, kernel, stride, [side // 2 for side in kernel])
            for inputs, kernel, stride in shapes
        )
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, LEAK)
        self.out = nn.Conv2d(width, 1, 3, padding=1)
        window = torch.hann_window(points)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)

    def forward(self, wave: Float[Tensor, "batch samples"]) -> list[Tensor]:
        with torch.autocast(wave.device.type, enabled=False):
            power = Power.apply(cut(wave, self.points) * self.window)
            x = (power + QUIET).log()[:, None] / 3 + 2  # about -2 to 3
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), LEAK)
            features.append(x)
        return [*features, self.out(x)]


class Critic(nn.Module):
    def __init__(self, points: tuple[int, ...] = POINTS, width: int = WIDTH):
        super().__init__()
        self.parts = nn.ModuleList(Resolution(each, width) for each in points)

    def forward(self, wave: Float[Tensor, "batch samples"]) -> list[list[Tensor]]:
        return [part(wave) for part in self.parts]

    def judged(
        self, made: Float[Tensor, "batch samples"], true: Float[Tensor, "batch samples"]
    ) -> Judged:
        """What renderer and critic are to learn from crops, half a second of each."""
        start = int(torch.randint(max(1, made.shape[1] - PIECE), ()))
        made, true = (wave[:, start : start + PIECE].float() for wave in (made, true))
        held = {name: value.detach() for name, value in self.named_parameters()}
        seen = functional_call(self, held, (made,))
        with torch.no_grad():
            wanted = functional_call(self, held, (true,))
        adversarial = _mean(F.relu(1 - part[-1].float()).mean() for part in seen)
        matching = _mean(
            (a - b).float().abs().mean() / b.float().abs().mean().clamp(min=1e-3)
            for part, other in zip(seen, wanted, strict=True)
            for a, b in zip(part[:-1], other[:-1], strict=True)
        )
        verdicts = [part[-1].float() for part in self(torch.cat([true, made.detach()]))]
        real, false = zip(*(verdict.chunk(2) for verdict in verdicts), strict=True)
        learning = _mean(F.relu(1 - a).mean() + F.relu(1 + b).mean()
                         for a, b in zip(real, false, strict=True))  # fmt: skip
        right = _mean(((a > 0).float().mean() + (b < 0).float().mean()) / 2
                      for a, b in zip(real, false, strict=True))  # fmt: skip
        return Judged(adversarial, matching, learning, right)


def _mean(losses) -> Tensor:
    return torch.stack(list(losses)).mean()
