"""Our decoder stack against transformers' `qwen3_5_moe`: same weights, same numbers, in fp32.

Each part alone and the whole decoder, at once and step by step with its past. Random weights are
made lively (norm weights, decays and routers away from their start values), so that nothing hides.
"""

import pytest
import torch
from transformers import DynamicCache
from transformers.models.qwen3_5_moe import modeling_qwen3_5_moe as theirs
from transformers.models.qwen3_5_moe.configuration_qwen3_5_moe import Qwen3_5MoeTextConfig

from model.layers.attention import Attention, AttentionConfig
from model.layers.deltanet import DeltaConfig, DeltaNet
from model.layers.moe import MoeConfig, Router, SparseMoe
from model.layers.norm import GatedRMSNorm, RMSNorm
from model.layers.rope import Rotary, rotate
from model.layers.stack import Stack, StackConfig
from workbench.hub import weights

CLOSE = dict(rtol=0, atol=1e-4)


def text_config(**changes) -> Qwen3_5MoeTextConfig:
    """Tiny, with the rope dict of real checkpoints (the defaults would give theta 1e4)."""
    rope = dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25,
                mrope_section=[4, 2, 2], mrope_interleaved=True)  # fmt: skip
    sizes = dict(
        vocab_size=50, hidden_size=48, num_hidden_layers=5, num_attention_heads=4, head_dim=64,
        num_key_value_heads=2, linear_key_head_dim=16, linear_value_head_dim=24,
        linear_num_key_heads=2, linear_num_value_heads=4, moe_intermediate_size=20,
        shared_expert_intermediate_size=28, num_experts=8, num_experts_per_tok=3,
        rope_parameters=rope,
    )  # fmt: skip
    return Qwen3_5MoeTextConfig(**(sizes | changes))


def our_config(config: Qwen3_5MoeTextConfig) -> StackConfig:
    c = config
    return StackConfig(
        width=c.hidden_size,
        layers=c.num_hidden_layers,
        attention=AttentionConfig(c.num_attention_heads, c.num_key_value_heads, c.head_dim),
        rotary_dim=c.head_dim // 4,
        sections=tuple(c.rope_parameters["mrope_section"]),
        theta=c.rope_parameters["rope_theta"],
        delta=DeltaConfig(c.linear_num_key_heads, c.linear_num_value_heads,
                          c.linear_key_head_dim, c.linear_value_head_dim),
        moe=MoeConfig(c.num_experts, c.num_experts_per_tok, c.moe_intermediate_size,
                      c.shared_expert_intermediate_size),
        eps=c.rms_norm_eps,
    )  # fmt: skip


def lively(module: torch.nn.Module) -> torch.nn.Module:
    """Random weights large enough for every term to matter."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, x in module.named_parameters():
            if name.endswith("A_log"):
                x.uniform_(-3, 1)
            elif x.dim() < 2:
                x.add_(torch.randn_like(x) * 0.3)
            else:
                x.normal_(0, x.shape[-1] ** -0.5 if x.dim() < 3 or x.shape[1] > 1 else 0.5)
    return module.eval()


@pytest.fixture(scope="module")
def pair():
    """Their text model and our stack with the same weights."""
    config = text_config()
    other = lively(theirs.Qwen3_5MoeTextModel(config))
    ours = Stack(our_config(config)).eval()
    ours.load_state_dict(weights.stack(other.state_dict()))
    return other, ours


def three_places(batch: int, time: int) -> torch.Tensor:
    """Places that differ on all three axes, as in a picture."""
    t = torch.arange(time)
    return torch.stack((t // 4, t % 7 + 2, t * 3 % 11)).unsqueeze(1).repeat(1, batch, 1)


def test_norms():
    x, gate = torch.randn(3, 5, 24) * 4, torch.randn(3, 5, 24)
    other = lively(theirs.Qwen3_5MoeRMSNorm(24))
    ours = RMSNorm(24)
    ours.load_state_dict(other.state_dict())
    torch.testing.assert_close(ours(x), other(x), **CLOSE)
    other = lively(theirs.Qwen3_5MoeRMSNormGated(24))
    ours = GatedRMSNorm(24)
    ours.load_state_dict(other.state_dict())
    torch.testing.assert_close(ours(x, gate), other(x, gate), **CLOSE)


def test_rotary_on_three_axes():
    config = text_config()
    places = three_places(2, 30)
    cos, sin = theirs.Qwen3_5MoeTextRotaryEmbedding(config)(torch.zeros(1), places)
    angles = Rotary(16, 1e7, (4, 2, 2))(places)
    torch.testing.assert_close(angles.cos[:, 0], cos, **CLOSE)
    torch.testing.assert_close(angles.sin[:, 0], sin, **CLOSE)
    q, k = torch.randn(2, 4, 30, 64), torch.randn(2, 2, 30, 64)
    turned = theirs.apply_rotary_pos_emb(q, k, cos, sin)
    torch.testing.assert_close((rotate(q, angles), rotate(k, angles)), turned, **CLOSE)


def test_attention():
    config = text_config(attn_implementation="eager")
    other = lively(theirs.Qwen3_5MoeAttention(config, 3))
    c = our_config(config)
    ours = Attention(c.width, c.attention, c.eps)
    ours.load_state_dict(other.state_dict())
    x, places = torch.randn(2, 13, 48), three_places(2, 13)
    angles = Rotary(c.rotary_dim, c.theta, c.sections)(places)
    mask = torch.full((13, 13), -torch.inf).triu(1)
    expected, _ = other(x, (angles.cos[:, 0], angles.sin[:, 0]), mask)
    torch.testing.assert_close(ours(x, angles)[0], expected, **CLOSE)


@pytest.mark.parametrize("time", [1, 2, 3, 50, 64, 65, 150])
@pytest.mark.parametrize("scale", [1.0, 1e-2])
def test_deltanet(time, scale):
    """Relative to the size of the output: small inputs show the epsilon in the keys' length."""
    config = text_config()
    other = lively(theirs.Qwen3_5MoeGatedDeltaNet(config, 0))
    c = our_config(config)
    ours = DeltaNet(c.width, c.delta, c.eps)
    ours.load_state_dict(weights.renamed(other.state_dict(), weights.DELTA))
    x = torch.randn(2, time, 48) * scale
    expected = other(x)
    size = expected.abs().max()
    torch.testing.assert_close(ours(x)[0] / size, expected / size, **CLOSE)


@pytest.mark.parametrize("tokens", [1, 2, 40])
def test_router_and_experts(tokens):
    config = text_config()
    other = lively(theirs.Qwen3_5MoeSparseMoeBlock(config))
    c = our_config(config)
    ours = SparseMoe(c.width, c.moe)
    ours.load_state_dict(weights.sparse_moe(other.state_dict()))
    x = torch.randn(1, tokens, 48)
    logits, scores, experts = other.gate(x[0])
    routing = ours.router(x[0])
    assert torch.equal(routing.experts, experts)
    torch.testing.assert_close(routing.weights, scores, **CLOSE)
    torch.testing.assert_close(routing.logits, logits, **CLOSE)
    torch.testing.assert_close(ours(x), other(x), **CLOSE)
    assert isinstance(ours.router, Router)


@torch.no_grad()
def test_decoder_at_once(pair):
    other, ours = pair
    x, places = torch.randn(2, 90, 48), three_places(2, 90)
    expected = other(inputs_embeds=x, position_ids=places, use_cache=False).last_hidden_state
    torch.testing.assert_close(ours(x, places)[0].out, expected, **CLOSE)
    expected = other(inputs_embeds=x, use_cache=False).last_hidden_state
    torch.testing.assert_close(ours(x)[0].out, expected, **CLOSE)


@torch.no_grad()
def test_decoder_step_by_step(pair):
    """A prompt of 7, then one token at a time: both with their own past."""
    other, ours = pair
    x, places = torch.randn(2, 40, 48), three_places(2, 40)
    cache, past = DynamicCache(config=other.config), None
    for start, end in [(0, 7), *((i, i + 1) for i in range(7, 40))]:
        piece, place = x[:, start:end], places[:, :, start:end]
        expected = other(inputs_embeds=piece, position_ids=place, past_key_values=cache,
                         use_cache=True).last_hidden_state  # fmt: skip
        flow, past = ours(piece, place, past)
        torch.testing.assert_close(flow.out, expected, **CLOSE)


@torch.no_grad()
def test_middle_is_the_residual_stream(pair):
    """`Flow.middle` is transformers' `hidden_states[middle]`."""
    other, ours = pair
    x = torch.randn(1, 9, 48)
    states = other(inputs_embeds=x, output_hidden_states=True, use_cache=False).hidden_states
    listening = Stack(our_config(text_config(num_hidden_layers=5)))
    object.__setattr__(listening.config, "middle", 3)
    listening.load_state_dict(ours.state_dict())
    torch.testing.assert_close(listening(x)[0].middle, states[3], **CLOSE)


def test_gradients_agree():
    """Training goes the same way: gradients of the input and of every weight."""
    config = text_config(num_hidden_layers=4)
    other = lively(theirs.Qwen3_5MoeTextModel(config))
    ours = Stack(our_config(config))
    ours.load_state_dict(weights.stack(other.state_dict()))
    x = torch.randn(2, 70, 48)
    aim = torch.randn(2, 70, 48)
    (ours(x)[0].out * aim).mean().backward()
    (other(inputs_embeds=x, use_cache=False).last_hidden_state * aim).mean().backward()
    grads = {name: p.grad for name, p in other.named_parameters() if p.grad is not None}
    for name, grad in weights.stack(grads).items():
        got = ours.get_parameter(name).grad
        torch.testing.assert_close(got, grad, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
