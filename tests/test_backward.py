"""Gradients as compiled loops, held against those that autograd finds for torch's operations."""

import pytest
import torch

from model.layers import backward, deltanet
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.norm import GatedRMSNorm, RMSNorm
from model.layers.past import DeltaPast


@pytest.fixture
def both(monkeypatch):
    """What a call that returns tensors gives by the loops, and what by torch."""

    def call(run):
        fast = run()
        with monkeypatch.context() as patch:
            patch.setattr(backward, "fits", lambda x: False)
            return fast, run()

    return call


def shaken(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return module


def close(fast, slow, share=1e-4):
    """Each is nearly the other, measured by the largest number."""
    for one, other in zip(fast, slow, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, atol=share * other.abs().max().item())


def gradients(outputs, inputs):
    torch.manual_seed(1)
    total = sum((y.float() * torch.randn(y.shape)).sum() for y in outputs)
    return [*outputs, *torch.autograd.grad(total, inputs)]


def delta(net, time, begun):
    torch.manual_seed(time)
    c, width = net.config, net.qkv.weight
    inputs = [torch.randn(2, time, width.shape[1])]
    if begun:
        inputs += [torch.randn(2, c.kernel - 1, len(width)),
                   torch.randn(2, c.value_heads, c.key_dim, c.value_dim)]  # fmt: skip
    x, *past = (part.requires_grad_() for part in inputs)
    y, after = net(x, DeltaPast(*past) if begun else None)
    return gradients([y, *after], [x, *past, *net.parameters()])


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("time", [1, 2, 31, 33, 128, 300])
def test_delta_rule(both, time, begun):
    """Outputs and pasts, gradients of inputs, weights and the past."""
    for heads in ((2, 4), (3, 3)):
        net = shaken(DeltaNet(24, DeltaConfig(*heads, 8, 12)))
        close(*both(lambda net=net: delta(net, time, begun)))


def test_delta_rule_is_the_formula(both, monkeypatch):
    monkeypatch.setattr(deltanet, "chunked", deltanet.recurrent)
    net = shaken(DeltaNet(24, DeltaConfig(2, 4, 8, 12)))
    close(*both(lambda: delta(net, 40, True)))


@pytest.mark.parametrize("log", [-6.0, 5.0])
def test_what_hardly_fades_and_what_fades_at_once(both, log):
    net = shaken(DeltaNet(24, DeltaConfig(2, 2, 8, 12)))
    net.gate.A_log.data.fill_(log)
    close(*both(lambda: delta(net, 70, True)), share=3e-4)


def test_delta_rule_under_autocast(both):
    """Its inputs are rounded; the rule itself is not."""
    net = shaken(DeltaNet(24, DeltaConfig(2, 4, 8, 12)))
    with torch.autocast("cpu", torch.bfloat16):
        close(*both(lambda: delta(net, 70, True)), share=0.02)


@pytest.mark.parametrize("cut", [1, 2, 17, 39])
def test_training_goes_on_from_a_past(cut):
    """Gradients reach through the past into the piece before."""
    net = shaken(DeltaNet(24, DeltaConfig(2, 4, 8, 12)))
    x = torch.randn(2, 40, 24, requires_grad=True)

    def pieces():
        first, past = net(x[:, :cut])
        second, _ = net(x[:, cut:], past)
        return torch.cat((first, second), 1)

    whole, split = (gradients([y], [x, *net.parameters()]) for y in (net(x)[0], pieces()))
    close(split, whole)


@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 300, 40)])
def test_norms(both, shape):
    torch.manual_seed(1)
    x, gate = (torch.randn(shape).mul(3).requires_grad_() for _ in range(2))
    norm, gated = shaken(RMSNorm(40)), shaken(GatedRMSNorm(40))
    close(*both(lambda: gradients([norm(x)], [x, norm.weight])))
    close(*both(lambda: gradients([gated(x, gate)], [x, gate, gated.weight])))
    turned = gradients([norm(x.movedim(-1, 0).contiguous().movedim(0, -1))], [x, norm.weight])
    close(turned, gradients([norm(x)], [x, norm.weight]))


def test_norms_of_transposed_gradients(both):
    x, norm = torch.randn(2, 7, 3, 16, requires_grad=True), shaken(RMSNorm(16))

    def run():
        y = norm(x).transpose(1, 2)
        return gradients([y], [x, norm.weight])

    close(*both(run))


def test_gated_norm_of_mixed_precision(both):
    x, gate = torch.randn(2, 9, 16), torch.randn(2, 9, 16).bfloat16()
    x, gate, norm = x.requires_grad_(), gate.requires_grad_(), shaken(GatedRMSNorm(16))
    close(*both(lambda: gradients([norm(x, gate)], [x, gate, norm.weight])), share=0.01)
