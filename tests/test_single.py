"""The compiled loops for single positions, held against torch's operations.

With gradients on, and without those of backward.py, the layers take torch's way; without, the
loops. So both are one call apart.
"""

from unittest.mock import patch

import pytest
import torch

from model.layers import backward, single
from model.layers.attention import Attention, AttentionConfig, Causal
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.linear import Linear
from model.layers.moe import Mlp, MoeConfig, Router, SparseMoe
from model.layers.norm import GatedRMSNorm, RMSNorm, unit
from model.layers.past import DeltaPast, KeyValues
from model.layers.rope import Rotary, rotate
from model.layers.stack import Block, Stack, StackConfig

CLOSE = {"atol": 2e-6, "rtol": 1e-5}


def both(call):
    """What torch's operations and the loops make of it."""
    with torch.enable_grad(), patch.object(backward, "fits", lambda x: False):
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


@pytest.mark.parametrize("gated", [True, False])
def test_a_dense_layer(gated, monkeypatch):
    """A whole layer in one loop: the same out, the same past, and a fork goes on from it."""
    attention = AttentionConfig(heads=4, kv_heads=2, head_dim=16, gated=gated)
    config = StackConfig(40, 1, attention, 8, (2, 1, 1), full_every=1, ffn=24)
    stack = shaken(Stack(config))
    first, then, other = (torch.randn(1, n, 40) for n in (2, 1, 1))

    def run():
        flow, past = stack(first)
        ends = [stack(x, None, past) for x in (then, other)]
        kept = ends[0][1].blocks[0]
        return flow.out, *(end[0].out for end in ends), kept.keys.clone(), kept.values.clone()

    torch.testing.assert_close(*both(run), atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        fast = run()
        monkeypatch.setattr(Block, "_bare", lambda block: False)
        for one, other in zip(fast, run(), strict=True):  # its parts, one after the other
            torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("part", ["mixer_norm", "mixer", "mixer.core", "ffn_norm", "ffn"])
def test_a_dense_layer_can_be_looked_into(part):
    attention = AttentionConfig(heads=2, kv_heads=1, head_dim=16)
    stack = Stack(StackConfig(24, 2, attention, 8, (2, 1, 1), full_every=1, ffn=16))
    seen = []
    stack.blocks[1].get_submodule(part).register_forward_hook(lambda *_: seen.append(part))
    with torch.no_grad():
        stack(torch.randn(1, 1, 24))
    assert seen == [part]


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


def test_heads_shared_among_threads():
    """A prompt long enough for it gives what its pieces, too short for it, give."""
    delta = shaken(DeltaNet(24, DeltaConfig(2, 4, 8, 8)))
    x = torch.randn(1, single.LONG + 30, 24)
    with torch.no_grad():
        whole, past = delta(x)
        pieces, state = [], None
        for piece in x.split(single.LONG // 2, dim=1):
            y, state = delta(piece, state)
            pieces.append(y)
    torch.testing.assert_close(whole, torch.cat(pieces, dim=1), **CLOSE)
    torch.testing.assert_close(past.state, state.state, **CLOSE)


def test_not_a_number_stays_one():
    gated = GatedRMSNorm(3)
    gate = torch.tensor([[float("nan"), 200.0, -200.0]])
    with torch.no_grad():
        out = gated(torch.ones(1, 3), gate)[0]
    assert out[0].isnan() and abs(out[1] - 200) < 1e-3 and abs(out[2]) < 1e-30


@pytest.mark.parametrize("shared", [0, 16])
def test_experts(shared):
    moe = shaken(SparseMoe(24, MoeConfig(5, 2, 12, shared)))
    for tokens in (1, 3, 4):
        x = torch.randn(1, tokens, 24)
        torch.testing.assert_close(*both(lambda x=x: moe(x)), atol=1e-5, rtol=1e-4)
