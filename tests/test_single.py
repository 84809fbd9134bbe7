"""The compiled loops for single positions, held against torch's operations.

With gradients on, the layers take torch's way; without, the loops. So both are one call apart.
"""

import pytest
import torch

from model.layers import single
from model.layers.attention import Attention, AttentionConfig, Causal
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.linear import Linear
from model.layers.moe import Mlp, MoeConfig, Router, SparseMoe
from model.layers.norm import GatedRMSNorm, RMSNorm, unit
from model.layers.past import DeltaPast, KeyValues
from model.layers.rope import Rotary, rotate

CLOSE = {"atol": 2e-6, "rtol": 1e-5}


def both(call):
    """What torch's operations and the loops make of it."""
    with torch.enable_grad():
        slow = call()
    with torch.no_grad():
        return slow, call()


def shaken(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return module


def test_what_is_small():
    x = torch.zeros(2, 1, 8)
    assert not single.small(x)  # gradients
    with torch.no_grad():
        assert single.small(x)
        assert not single.small(x, rows=1)
        assert not single.small(x.double()) and not single.small(x.to("meta"))
        with torch.autocast("cpu", torch.bfloat16):
            assert not single.small(x)


@pytest.mark.parametrize("shape", [(1, 1, 40), (1, 3, 1, 40), (16, 40), (40,), (2, 300, 40)])
def test_norms(shape):
    torch.manual_seed(1)
    x, gate = torch.randn(shape) * 30, torch.randn(shape) * 3
    norm, gated = shaken(RMSNorm(40)), shaken(GatedRMSNorm(40))
    torch.testing.assert_close(*both(lambda: norm(x)), **CLOSE)
    torch.testing.assert_close(*both(lambda: gated(x, gate)), **CLOSE)
    torch.testing.assert_close(*both(lambda: unit(x)), **CLOSE)
    assert norm(x * 0).abs().max() == unit(x * 0).abs().max() == 0


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(40,), (1, 40), (1, 1, 40), (1, 2, 40), (5, 40)])
def test_linear(shape, bias):
    line = shaken(Linear(40, 24, bias))
    x = torch.randn(shape)
    torch.testing.assert_close(*both(lambda: line(x)), atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert line(x).dtype == torch.bfloat16


@pytest.mark.parametrize("time", [1, 2, 3])
def test_rotation(time):
    places = torch.randint(0, 911, (3, 1, time), generator=torch.Generator().manual_seed(0))
    rotary = Rotary(12, 1e4, (2, 2, 2))
    slow, angles = both(lambda: rotary(places))
    torch.testing.assert_close(slow, angles, atol=1e-4, rtol=0)  # of angles up to 911
    x = torch.randn(1, 5, time, 20)
    strided = torch.randn(1, time, 5, 20).transpose(1, 2)
    for heads in (x, strided):
        torch.testing.assert_close(*both(lambda h=heads: rotate(h, angles)), **CLOSE)


@pytest.mark.parametrize("new", [1, 2])
@pytest.mark.parametrize("before", [0, 1, 30])
def test_attention(new, before):
    """Straight from the projections, and out of a past with room to grow."""
    torch.manual_seed(3)
    q = torch.randn(1, new, 4, 8).transpose(1, 2)
    k, v = torch.randn(2, 1, before + new, 2, 8).transpose(2, 3).unbind()
    torch.testing.assert_close(*both(lambda: Causal()(q, k, v)), **CLOSE)
    past = KeyValues.start(k[:, :, :1], v[:, :, :1]).append(k[:, :, 1:], v[:, :, 1:])
    torch.testing.assert_close(*both(lambda: Causal()(q, past.keys, past.values)), **CLOSE)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("time", [1, 2])
def test_what_stands_before_attention(time, gated):
    """Projections, norms and turns in one loop; all of attention with it."""
    attention = shaken(Attention(24, AttentionConfig(4, 2, 12, gated)))
    turns = Rotary(8, 1e4, (2, 1, 1))(torch.randint(0, 99, (3, 1, time)))
    x = torch.randn(1, time, 24)
    slow, fast = both(lambda: attention.enter(x, turns))
    for wanted, got in zip(slow, fast, strict=True):
        torch.testing.assert_close(wanted, got, atol=1e-5, rtol=1e-4)
    (slow, _), (fast, _) = both(lambda: attention(x, turns))
    torch.testing.assert_close(slow, fast, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 24), (4, 24)])
def test_a_dense_feed_forward(shape):
    mlp = shaken(Mlp(24, 10))
    x = torch.randn(shape)
    torch.testing.assert_close(*both(lambda: mlp(x)), atol=1e-5, rtol=1e-4)


def test_routes():
    router = shaken(Router(24, MoeConfig(7, 3, 8, 0)))
    x = torch.randn(4, 24)
    slow, fast = both(lambda: router(x))
    assert torch.equal(slow.experts, fast.experts)
    torch.testing.assert_close(slow.weights, fast.weights, **CLOSE)
    torch.testing.assert_close(slow.logits, fast.logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [(2, 2), (2, 4)])
@pytest.mark.parametrize("batch", [1, 3])
def test_delta_steps(heads, batch):
    """Step after step: outputs, convolution past and state; the past that was given stays."""
    net = shaken(DeltaNet(24, DeltaConfig(*heads, 8, 12)))
    torch.manual_seed(2)
    slow = fast = None
    for x in torch.randn(6, batch, 1, 24):
        (wanted, slow), (got, now) = both(lambda x=x, s=slow, f=fast: net(x, f if _loops() else s))
        torch.testing.assert_close(wanted, got, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(slow, now, atol=1e-5, rtol=1e-4)
        if fast is not None:
            kept = DeltaPast(*(part.clone() for part in fast))
            with torch.no_grad():
                net(x, fast)
            torch.testing.assert_close(fast, kept, atol=0, rtol=0)
        fast = now


@pytest.mark.parametrize("cut", [1, 2, 17, 39])
def test_a_prompt(cut):
    """Chunks of matrix products, one loop, and the loop in two pieces."""
    net = shaken(DeltaNet(24, DeltaConfig(2, 4, 8, 12)))
    x = torch.randn(2, 40, 24)
    (slow, past), (fast, same) = both(lambda: net(x))
    torch.testing.assert_close(slow, fast, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(past, same, atol=2e-5, rtol=1e-4)
    with torch.no_grad():
        first, between = net(x[:, :cut])
        second, end = net(x[:, cut:], between)
    torch.testing.assert_close(torch.cat((first, second), 1), fast, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(end, same, atol=1e-6, rtol=1e-6)


def _loops() -> bool:
    return not torch.is_grad_enabled()


@pytest.mark.parametrize("shared", [0, 16])
def test_experts(shared):
    moe = shaken(SparseMoe(24, MoeConfig(5, 2, 12, shared)))
    for tokens in (1, 3, 4):
        x = torch.randn(1, tokens, 24)
        torch.testing.assert_close(*both(lambda x=x: moe(x)), atol=1e-5, rtol=1e-4)
