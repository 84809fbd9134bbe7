import pytest
import torch
from safetensors.torch import save_file

from model.omni import Omni, OmniConfig
from model.train.listener import Listener, slower
from model.train.stages import Ear


def tone(hertz: float, rate: int, samples: int) -> torch.Tensor:
    return torch.sin(torch.arange(samples) * (2 * torch.pi * hertz / rate))[None]


@pytest.mark.parametrize("hertz", [200, 3000, 7000])
def test_slower_keeps_what_16_khz_can_hold(hertz):
    samples = 2400
    torch.testing.assert_close(
        slower(tone(hertz, 24_000, samples)), tone(hertz, 16_000, samples * 2 // 3),
        atol=2e-3, rtol=0,
    )  # fmt: skip
    assert slower(tone(10_000, 24_000, samples)).abs().max() < 2e-3


def test_the_same_sound_is_understood_and_another_is_not():
    torch.manual_seed(0)
    listener = Listener(Ear(Omni(OmniConfig.nano())))
    true = torch.randn(2, 24_000) * 0.1
    made = (true + 0.05 * torch.randn_like(true)).requires_grad_()
    assert float(listener(true, true)) == pytest.approx(0, abs=1e-6)
    loss = listener(made, true)
    loss.backward()
    assert loss.item() > 0 and made.grad.isfinite().all() and made.grad.abs().max() > 0
    assert all(p.grad is None for p in listener.parameters())


@pytest.mark.parametrize("stage", ["", "hear."])
def test_the_ear_of_every_stage_that_hears(stage, tmp_path):
    """`ear` and `hear` keep it as ear.*, `world` as hear.ear.*."""
    torch.manual_seed(0)
    trained = Ear(Omni(OmniConfig.nano())).state_dict()
    state = {f"model.{stage}ear.{name}": value for name, value in trained.items()}
    words = torch.randn_like(Omni(OmniConfig.nano()).thinker.embed.weight)
    more = {f"{stage}thinker.norm": torch.ones(1), f"{stage}thinker.embed.weight": words}
    state |= {f"model.{name}": value for name, value in more.items()}
    save_file(state, tmp_path / "last.safetensors")
    ear = Listener.of(tmp_path / "last.safetensors", Omni(OmniConfig.nano())).ear
    assert all(torch.equal(value, trained[name]) for name, value in ear.state_dict().items())
    assert torch.equal(ear.words[0].weight, words), "it spells in the words that it learnt"
