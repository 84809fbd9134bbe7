"""Tap, swap, find: read and exchanged by name, and everything as it was afterwards."""

import pytest
import torch
from torch import nn

from model.layers.attention import AttentionConfig
from model.layers.deltanet import DeltaConfig
from model.layers.moe import MoeConfig, Routing
from model.layers.stack import Stack, StackConfig, initialise
from workbench.probe import Changed, find, parts, swap, tap


@pytest.fixture
def stack() -> Stack:
    torch.manual_seed(0)
    made = Stack(
        StackConfig(
            width=16, layers=4, attention=AttentionConfig(2, 1, 8), rotary_dim=4,
            sections=(1, 1, 0), delta=DeltaConfig(2, 2, 4, 8), moe=MoeConfig(4, 2, 8, 8),
        )
    )  # fmt: skip
    initialise(made)
    return made.eval()


def test_a_tap_reads_typed_outputs_in_order(stack):
    x = torch.randn(1, 5, 16)
    with tap(stack, "*.router") as readings:
        stack(x)
    assert [r.part for r in readings] == [f"blocks.{i}.ffn.router" for i in range(4)]
    assert all(isinstance(r.value, Routing) for r in readings)
    stack(x)
    assert len(readings) == 4, "the tap is gone"


def test_a_tap_changes_nothing(stack):
    x = torch.randn(1, 5, 16)
    before = stack(x)[0].out
    with tap(stack, "*"):
        assert torch.equal(stack(x)[0].out, before)


def test_swap_exchanges_and_restores_even_after_an_error(stack):
    x, before = torch.randn(1, 5, 16), dict(stack.named_modules())
    plain = stack(x)[0].out
    with pytest.raises(RuntimeError, match="on purpose"), swap(stack, "*.ffn", lambda _: Nothing()):
        assert not torch.equal(stack(x)[0].out, plain)
        raise RuntimeError("on purpose")
    assert dict(stack.named_modules()) == before
    assert torch.equal(stack(x)[0].out, plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in stack.modules())


class Nothing(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def test_swaps_nest_and_a_changed_part_keeps_the_names_inside(stack):
    x = torch.randn(1, 5, 16)
    plain = stack(x)[0].out
    with swap(stack, "blocks.1.ffn", lambda part: Changed(part, lambda y, _: y * 0)):
        assert set(dict(stack.named_parameters())) == set(dict(stack.state_dict()))
        with tap(stack, "blocks.1.ffn.router") as readings:
            once = stack(x)[0].out
        assert len(readings) == 1
        with swap(stack, "blocks.1.ffn.shared", lambda _: Nothing()):
            assert torch.equal(stack(x)[0].out, once), "its output counts for nothing"
    assert torch.equal(stack(x)[0].out, plain)
    assert torch.equal(
        find(stack, "blocks.1.ffn.shared")["blocks.1.ffn.shared"](x), shared(stack, x)
    )


def shared(stack, x):
    return stack.blocks[1].ffn.shared(x)


def test_wrong_names_are_told_with_near_ones(stack):
    with pytest.raises(ValueError, match=r"no part of Stack .*blocks\.3\.ffn\.router"):
        find(stack, "blocks.3.ffn.rooter")
    with pytest.raises(ValueError, match=r"did you mean .*router"), tap(stack, "thinker.*.router"):
        pass
    with pytest.raises(ValueError, match="inside of it"), swap(stack, "blocks.1*", Nothing):
        pass
    with pytest.raises(ValueError, match="no part"):
        parts(stack, "nothing-like-this")


def test_parts_print_a_tree_with_shapes(stack):
    tree = parts(stack)
    assert len(tree) == len(list(stack.named_modules())) - 1
    text = repr(tree)
    assert "blocks" in text and "weight 4x16" in text and "    ffn" in text
    (router,) = parts(stack, "blocks.0.ffn.router")
    assert router.parameters == 64 and router.shapes == (("weight", (4, 16)),)
