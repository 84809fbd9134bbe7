"""Causal convolutions: cut anywhere, the pieces equal the whole; the future never leaks back."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from model.layers.conv import CausalConv, Chain, ConvNeXt, Upsample


def pieces(layer, x, cuts):
    """The layer over x in pieces that end at `cuts`."""
    past, out = None, []
    for begin, end in zip([0, *cuts], [*cuts, x.shape[1]], strict=True):
        y, past = layer(x[:, begin:end], past)
        out.append(y)
    return torch.cat(out, dim=1)


LAYERS = {
    "conv": lambda: CausalConv(4, 6, width=5),
    "depthwise": lambda: CausalConv(4, 4, width=7, groups=4),
    "wide stride": lambda: CausalConv(4, 6, width=5, stride=2),
    "patch": lambda: CausalConv(4, 6, width=2, stride=2),
    "convnext": lambda: ConvNeXt(4),
    "upsample": lambda: Upsample(4, 3, 2),
    "chain": lambda: Chain(
        CausalConv(4, 6, width=4, stride=2), ConvNeXt(6), Upsample(6, 4, 2), ConvNeXt(4)
    ),
}


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 18), max_size=6))
def test_pieces_equal_the_whole(name, cuts):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(2, 38, 4)
    with torch.no_grad():
        whole, _ = layer(x)
        assert (pieces(layer, x, [2 * cut for cut in sorted(cuts)]) - whole).abs().max() < 1e-6


@pytest.mark.parametrize("name", LAYERS)
def test_the_future_never_leaks_back(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(1, 20, 4)
    other = x.clone()
    other[:, 12:] = torch.randn(1, 8, 4)
    with torch.no_grad():
        a, b = layer(x)[0], layer(other)[0]
    same = 12 * a.shape[1] // 20
    assert torch.equal(a[:, :same], b[:, :same]) and not torch.allclose(a[:, same:], b[:, same:])


def test_it_is_the_convolution_of_torch():
    torch.manual_seed(0)
    layer, x = CausalConv(4, 6, width=5, stride=2), torch.randn(2, 12, 4)
    plain = F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), layer.weight, layer.bias, stride=2)
    assert (layer(x)[0] - plain.transpose(1, 2)).abs().max() < 1e-6


def test_a_past_is_a_value():
    torch.manual_seed(0)
    layer, x = ConvNeXt(4), torch.randn(1, 10, 4)
    with torch.no_grad():
        _, past = layer(x)
        before = past.clone()
        first, _ = layer(x, past)
        again, _ = layer(x, past)
    assert torch.equal(first, again) and torch.equal(past, before)


def test_wrong_sizes():
    with pytest.raises(ValueError, match="would skip steps"):
        CausalConv(4, 4, width=2, stride=3)
    with pytest.raises(ValueError, match="7 steps are not whole strides of 2"):
        CausalConv(4, 4, width=2, stride=2)(torch.randn(1, 7, 4))
