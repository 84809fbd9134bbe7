"""Shapes: the counts agree with what is published, and with transformers' own classes."""

import pytest
import torch
from transformers.models.qwen3_5_moe.configuration_qwen3_5_moe import Qwen3_5MoeTextConfig
from transformers.models.qwen3_5_moe.modeling_qwen3_5_moe import Qwen3_5MoeForCausalLM

from model.layers.stack import Stack, positions
from model.omni import Omni, OmniConfig
from model.shapes import BIG, active, counted, depth, mixing, qwen35_35b, shape
from model.thinker import TurnHead


@pytest.mark.parametrize("name", BIG)
def test_every_shape_is_counted_without_memory(name):
    found = shape(name)
    assert found.name == name and found.parameters > 30e9
    assert found.json()["parameters"] == sum(p.parameters for p in found.parts)
    assert "assumed" in found.table() if found.assumed else "assumed" not in found.table()
    assert found.assumed == name.startswith("qwen3.5-omni")


def test_the_public_backbone_is_counted_exactly():
    """Our Thinker of that shape (less its turn-taking head) against their class, on meta."""
    rope = dict(rope_type="default", rope_theta=1e7, mrope_section=[11, 11, 10])
    with torch.device("meta"):
        theirs = Qwen3_5MoeForCausalLM(Qwen3_5MoeTextConfig(rope_parameters=rope))
    turns = sum(p.numel() for p in TurnHead(2048).parameters())
    assert qwen35_35b().parameters - turns == sum(p.numel() for p in theirs.parameters())


def test_published_names_say_what_is_counted():
    parts = {name: {p.name: p for p in shape(name).parts} for name in BIG}
    small, large = parts["qwen3.5-35b-a3b"], parts["qwen3.5-397b-a17b"]
    assert shape("qwen3.5-35b-a3b").parameters / 1e9 == pytest.approx(35, rel=0.02)
    assert shape("qwen3.5-397b-a17b").parameters / 1e9 == pytest.approx(397, rel=0.02)
    assert small["thinker"].active / 1e9 == pytest.approx(3, rel=0.1)
    assert large["thinker"].active / 1e9 == pytest.approx(17, rel=0.1)
    old = parts["qwen3-omni-30b-a3b"]
    assert old["thinker"].parameters / 1e9 == pytest.approx(30.5, rel=0.02)
    assert old["thinker"].active / 1e9 == pytest.approx(3.3, rel=0.1)
    assert old["talker"].parameters / 1e9 == pytest.approx(3.0, rel=0.1)
    assert old["talker"].active / 1e9 == pytest.approx(0.3, rel=0.15)


def test_flops_are_what_a_flop_counter_sees():
    """On a tiny decoder that runs: products with weights, and attention, of one token."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    config = OmniConfig.nano().thinker.stack
    stack = Stack(config).eval()
    heard = 12
    with torch.enable_grad():  # without gradients, compiled loops do what nobody counts
        _, past = stack(torch.randn(1, heard, config.width))
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            stack(torch.randn(1, 1, config.width), positions(heard, 1), past)
    full = [block.mixer for block in stack.blocks if block.full]
    seen = 2 * active(stack) + sum(mixing(layer, heard + 1) for layer in full)
    short = sum(2 * b.mixer.conv.weight.numel() for b in stack.blocks if not b.full)
    assert counter.get_total_flops() == seen - short  # (a convolved step is no product)


def test_mtp_runs_once_a_book():
    with torch.device("meta"):
        mtp = Omni(OmniConfig.nano()).talker.mtp
    books, part = mtp.config.books, depth(mtp, "counted")
    once = 2 * active(mtp.stack)
    assert books * once < part.flops < books * once * 1.5
    assert part.parameters == sum(p.numel() for p in mtp.parameters())


def test_what_runs_is_counted_the_same_way():
    config = OmniConfig.nano()
    omni = Omni(config)
    parts = {p.name: p for p in counted(config).parts}
    assert parts["thinker"].parameters == sum(p.numel() for p in omni.thinker.parameters())
    both = parts["talker"].parameters + parts["mtp"].parameters
    assert both == sum(p.numel() for p in omni.talker.parameters())
    assert parts["thinker"].active < parts["thinker"].parameters


def test_an_unknown_shape():
    with pytest.raises(ValueError, match="no shape 'gpt'.*qwen3-omni"):
        shape("gpt")
