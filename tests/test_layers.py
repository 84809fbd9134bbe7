"""The layers of the decoder stack: the streaming law, forks, and fast forms equal to plain ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.layers import deltanet
from model.layers.attention import SHORT, Attention, AttentionConfig, Causal
from model.layers.deltanet import DeltaConfig, DeltaNet, Gate, chunked, recurrent
from model.layers.moe import MoeConfig, SparseMoe, swiglu
from model.layers.past import KeyValues, positions
from model.layers.rope import Rotary
from model.layers.stack import Stack, StackConfig, StackPast, initialise

CLOSE = dict(rtol=0, atol=5e-5)  # outputs are of the size of 1 to 4
unhurried = settings(max_examples=8, deadline=None)
WIDTH, LENGTH = 24, 30
CONFIG = StackConfig(
    width=WIDTH, layers=4, attention=AttentionConfig(4, 2, 16), rotary_dim=8, sections=(2, 1, 1),
    delta=DeltaConfig(2, 4, 8, 12), moe=MoeConfig(4, 2, 8, 12), middle=2,
)  # fmt: skip


def whole_stack() -> Stack:
    torch.manual_seed(0)
    stack = Stack(CONFIG).eval()
    initialise(stack)
    return stack


class Alone(torch.nn.Module):
    """Full attention with places that run on, so that it is called like the other layers."""

    def __init__(self):
        super().__init__()
        self.attention = Attention(WIDTH, CONFIG.attention)
        self.rotary = Rotary(8, 1e4, (2, 1, 1))

    def forward(self, x, past=None):
        start = past.length if past else 0
        return self.attention(x, self.rotary(positions(start, x.shape[1], x.shape[0])), past)


LAYERS = {
    "attention": Alone,
    "deltanet": lambda: DeltaNet(WIDTH, CONFIG.delta),
    "stack": whole_stack,
}


def run(layer, x, past=None):
    y, past = layer(x, None, past) if isinstance(layer, Stack) else layer(x, past)
    return (y.out if isinstance(layer, Stack) else y), past


def pieces(layer, x, cuts):
    """The layer over x in pieces that end at `cuts`."""
    past, out = None, []
    for begin, end in zip([0, *cuts], [*cuts, x.shape[1]], strict=True):
        y, past = run(layer, x[:, begin:end], past)
        out.append(y)
    return torch.cat(out, dim=1)


# --- the streaming law ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
@unhurried
@given(cuts=st.sets(st.integers(1, LENGTH - 1), max_size=5))
@torch.no_grad()
def test_pieces_equal_the_whole(name, cuts):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(2, LENGTH, WIDTH)
    torch.testing.assert_close(pieces(layer, x, sorted(cuts)), run(layer, x)[0], **CLOSE)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_one_step_after_the_other(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(1, LENGTH, WIDTH)
    steps = pieces(layer, x, list(range(1, LENGTH)))
    torch.testing.assert_close(steps, run(layer, x)[0], **CLOSE)


@torch.no_grad()
def test_a_long_prompt_in_chunks():
    """Longer than a chunk of DeltaNet and than what attention scores in full."""
    stack = whole_stack()
    x = torch.randn(1, SHORT + 150, WIDTH)
    whole = run(stack, x)[0]
    torch.testing.assert_close(pieces(stack, x, [100, 200, 300]), whole, **CLOSE)
    torch.testing.assert_close(pieces(stack, x, [64, SHORT + 129]), whole, **CLOSE)
    torch.testing.assert_close(pieces(stack, x, [20]), whole, **CLOSE)  # then more than SHORT


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_right_padding_is_harmless(name):
    """What stands to the right of a row is never seen: batches of unequal rows need no mask."""
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(2, LENGTH, WIDTH)
    other = x.clone()
    other[0, 17:] = 100.0
    a, b = run(layer, x)[0], run(layer, other)[0]
    torch.testing.assert_close(a[0, :17], b[0, :17], **CLOSE)
    torch.testing.assert_close(a[1], b[1], **CLOSE)
    alone = run(layer, x[:1, :17])[0]
    torch.testing.assert_close(alone[0], a[0, :17], **CLOSE)


@torch.no_grad()
def test_places_are_numbered_on():
    stack = whole_stack()
    x = torch.randn(2, 9, WIDTH)
    plain, past = stack(x)
    given_, _ = stack(x, positions(0, 9, 2))
    torch.testing.assert_close(plain, given_, **CLOSE)
    assert isinstance(past, StackPast) and past.length == 9
    torch.testing.assert_close(
        stack(x, None, past)[0].out, stack(x, positions(9, 9, 2), past)[0].out, **CLOSE
    )


# --- pasts are values -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_a_fork_goes_on_alone(name):
    """Two continuations of one past, taken in turns, give what each gives alone."""
    torch.manual_seed(0)
    layer = LAYERS[name]()
    start, left, right = (torch.randn(1, LENGTH, WIDTH) for _ in range(3))
    alone = [run(layer, torch.cat((start, x), 1))[0][:, LENGTH:] for x in (left, right)]
    past = run(layer, start)[1]
    pasts, out = [past, past], [[], []]
    for t in range(LENGTH):
        for i, x in enumerate((left, right)):
            y, pasts[i] = run(layer, x[:, t : t + 1], pasts[i])
            out[i].append(y)
    for got, expected in zip(out, alone, strict=True):
        torch.testing.assert_close(torch.cat(got, 1), expected, **CLOSE)
    again = run(layer, left, past)[0]  # the past that was forked is as it was
    torch.testing.assert_close(again, alone[0], **CLOSE)


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=25))
def test_key_values_are_like_lists(turns):
    """Forks at any moment, pieces of any length: always what a list with copies would hold."""
    count = 0
    first = torch.zeros(1, 1, 1, 1)
    pasts, lists = [KeyValues.start(first, first)], [[0.0]]
    for who, length in turns:
        new = torch.arange(count + 1, count + 1 + length, dtype=torch.float32).view(1, 1, -1, 1)
        count += length
        who %= len(pasts)
        pasts.append(pasts[who].append(new, -new))
        lists.append(lists[who] + new.flatten().tolist())
    for past, held in zip(pasts, lists, strict=True):
        assert past.length == len(held)
        assert past.keys.flatten().tolist() == held
        assert past.values.flatten().tolist() == [-x for x in held]


def test_growing_costs_amortised_constant_time():
    """4,000 appends move memory a dozen times, not 4,000 times; a fork that lags moves once."""
    x = torch.zeros(1, 1, 1, 2)
    past = KeyValues.start(x, x)
    seen = []
    for _ in range(4000):
        past = past.append(x, x)
        if not seen or seen[-1] != past.keys.data_ptr():
            seen.append(past.keys.data_ptr())
    assert past.length == 4001 and len(seen) <= 12
    middle = past
    ahead = middle.append(x, x)
    late = middle.append(x, x)  # its place on the shelf is taken: it gets a shelf of its own
    assert ahead.keys.data_ptr() == past.keys.data_ptr() != late.keys.data_ptr()
    assert late.append(x, x).keys.data_ptr() == late.keys.data_ptr()


def test_deltanet_remembers_a_constant_amount():
    """The past of 200 steps is as large as that of one, and holds no longer buffer alive."""
    layer = DeltaNet(WIDTH, CONFIG.delta)
    with torch.no_grad():
        short, long = (layer(torch.randn(1, n, WIDTH))[1] for n in (1, 200))
    assert [x.shape for x in short] == [x.shape for x in long]
    assert all(x.untyped_storage().nbytes() <= 2 * x.nbytes for x in long)


# --- fast forms equal plain forms -----------------------------------------------------------------


def delta_input(time, size=6, scale=1.0):
    torch.manual_seed(time)
    q, k = (torch.nn.functional.normalize(torch.randn(2, time, 3, size), dim=-1) for _ in range(2))
    decay = -torch.rand(2, time, 3) * scale
    return q, k, torch.randn(2, time, 3, 5), decay, torch.rand(2, time, 3)


@pytest.mark.parametrize("time", [1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("begun", [False, True])
def test_chunked_equals_recurrent(time, begun):
    """Outputs, states, and the gradients of everything."""
    results = []
    for rule in (recurrent, chunked):
        inputs = [x.requires_grad_() for x in delta_input(time)]
        state = torch.full((2, 3, 6, 5), 0.3, requires_grad=True) if begun else None
        q, k, v, decay, write = inputs
        y, last = rule(q, k, v, Gate(decay, write), state)
        (y.square().sum() + last.sum()).backward()
        grads = [x.grad for x in inputs] + ([state.grad] if begun else [])
        results.append([y, last, *grads])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_strong_decay_and_long_streams_stay_finite():
    q, k, v, decay, write = delta_input(300, scale=60.0)
    y, state = chunked(q, k, v, Gate(decay, write), None)
    plain, _ = recurrent(q, k, v, Gate(decay, write), None)
    assert state.isfinite().all()
    torch.testing.assert_close(y, plain, rtol=0, atol=2e-4)  # exp(a - b) of large a and b


@pytest.mark.parametrize(
    "name, length", [("CHUNK", 16), ("CHUNK", 64), ("BLOCK", 48), ("BLOCK", 7)]
)
def test_the_lengths_of_chunk_and_block_do_not_matter(monkeypatch, name, length):
    q, k, v, decay, write = delta_input(100)
    expected = chunked(q, k, v, Gate(decay, write), None)
    monkeypatch.setattr(deltanet, name, length)
    torch.testing.assert_close(chunked(q, k, v, Gate(decay, write), None), expected, **CLOSE)


@pytest.mark.parametrize("new", [1, 5, SHORT + 3])
@pytest.mark.parametrize("heard", [0, 7])
def test_causal_attention_is_the_fused_kernel(new, heard):
    torch.manual_seed(0)
    q = torch.randn(2, 4, new, 8)
    k, v = torch.randn(2, 2, heard + new, 8), torch.randn(2, 2, heard + new, 8)
    seen = torch.ones(new, heard + new, dtype=torch.bool).tril(heard)
    expected = torch.nn.functional.scaled_dot_product_attention(
        q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), seen
    )
    torch.testing.assert_close(Causal()(q, k, v), expected, **CLOSE)


@pytest.mark.parametrize("tokens", [1, 2, 33])
def test_experts_sorted_equal_one_by_one(tokens):
    """Outputs, and gradients of inputs, experts and router, against the formula."""
    results = []
    for plain in (True, False):
        torch.manual_seed(0)
        moe = SparseMoe(WIDTH, CONFIG.moe)
        for weight in moe.parameters():
            torch.nn.init.normal_(weight, 0, 0.3)
        x = torch.randn(tokens, WIDTH, requires_grad=True)
        routing, parts = moe.router(x), moe.experts
        if plain:
            y = torch.zeros_like(x)
            for n, k in torch.ones_like(routing.experts).nonzero().tolist():
                expert = int(routing.experts[n, k])
                said = swiglu(x[n], parts.gate_up[expert], parts.down[expert])
                y = y.index_add(0, torch.tensor([n]), (routing.weights[n, k] * said)[None])
        else:
            y = parts(x, routing)
        y.square().sum().backward()
        results.append([y, x.grad, parts.gate_up.grad, parts.down.grad, moe.router.weight.grad])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_routing_is_the_renormalised_softmax():
    torch.manual_seed(0)
    moe = SparseMoe(WIDTH, CONFIG.moe)
    torch.nn.init.normal_(moe.router.weight)
    routing = moe.router(torch.randn(40, WIDTH))
    share, experts = routing.logits.softmax(-1).topk(2, dim=-1)
    assert torch.equal(routing.experts, experts)
    torch.testing.assert_close(routing.weights, share / share.sum(-1, keepdim=True), **CLOSE)


def test_an_expert_nobody_chose_is_harmless():
    torch.manual_seed(0)
    moe = SparseMoe(WIDTH, MoeConfig(16, 1, 8, 12))
    for weight in moe.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    x = torch.randn(5, 1, WIDTH)
    assert moe(x).isfinite().all()
    torch.testing.assert_close(torch.cat([moe(row[None]) for row in x]), moe(x), **CLOSE)


# --- precision and mistakes -----------------------------------------------------------------------


def test_training_in_bfloat16_is_close():
    """Norms, decays and the delta rule stay in fp32; all gradients exist and are finite."""
    stack = whole_stack().train()
    x = torch.randn(3, 70, WIDTH)
    with torch.no_grad():
        exact = run(stack, x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        y = run(stack, x)[0]
    assert (y - exact).abs().max() < 0.25 and (y - exact).abs().mean() < 0.03
    y.float().square().mean().backward()
    for name, weight in stack.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name


@torch.no_grad()
def test_a_bfloat16_copy_runs_both_ways():
    stack = whole_stack().bfloat16()
    x = torch.randn(1, 12, WIDTH).bfloat16()
    whole, steps = run(stack, x)[0], pieces(stack, x, list(range(1, 12)))
    assert whole.dtype == steps.dtype == torch.bfloat16
    assert (whole - steps).abs().mean() < 0.05


def test_sections_must_fill_the_rotary_size():
    with pytest.raises(ValueError, match="must sum to half the rotary size, 8"):
        Rotary(16, 1e4, (4, 2, 1))
