"""Our MTP against the code predictor of transformers' `qwen3_omni_moe`: same weights, same numbers.

Theirs has no gates, dense layers and norms that multiply by `weight`; ours is the one decoder stack
with `gated=False`, a dense feed-forward and `1 + weight`.
"""

import pytest
import torch
from transformers import DynamicCache
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import (
    Qwen3OmniMoeTalkerCodePredictorConfig,
)
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import (
    Qwen3OmniMoeTalkerCodePredictorModelForConditionalGeneration,
)

from model.layers.attention import AttentionConfig
from model.layers.stack import StackConfig
from model.mtp import Mtp, MtpConfig
from workbench.hub import weights

CLOSE = dict(rtol=0, atol=1e-4)
BOOKS, CODES, WIDTH = 6, 40, 32


@pytest.fixture(scope="module")
def pair():
    config = Qwen3OmniMoeTalkerCodePredictorConfig(
        vocab_size=CODES, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_code_groups=BOOKS,
        rope_parameters=dict(rope_type="default", rope_theta=1e6),
    )  # fmt: skip
    torch.manual_seed(0)
    other = Qwen3OmniMoeTalkerCodePredictorModelForConditionalGeneration(config).eval()
    with torch.no_grad():
        for x in other.parameters():
            x.normal_(0, x.shape[-1] ** -0.5) if x.dim() > 1 else x.uniform_(0.5, 1.5)
    depth = StackConfig(
        width=WIDTH, layers=3, attention=AttentionConfig(4, 2, 16, gated=False), rotary_dim=16,
        sections=(8, 0, 0), theta=1e6, full_every=1, ffn=48, eps=config.rms_norm_eps,
    )  # fmt: skip
    ours = Mtp(WIDTH, MtpConfig(BOOKS, CODES, depth)).eval()
    ours.load_state_dict(weights.mtp(other.state_dict()))
    return other, ours


@torch.no_grad()
def test_teacher_forced(pair):
    """Position q + 1 of one pass over the depth of a frame predicts codebook q + 1."""
    other, ours = pair
    state, first = torch.randn(3, WIDTH), torch.randn(3, WIDTH)
    codes = torch.randint(CODES, (3, BOOKS))
    rest = [table(codes[:, q + 1]) for q, table in enumerate(other.get_input_embeddings())]
    x = torch.stack((state, first, *rest[:-1]), dim=1)
    hidden = other.model(inputs_embeds=x, use_cache=False).last_hidden_state
    expected = torch.stack([h(hidden[:, q + 1]) for q, h in enumerate(other.lm_head)], dim=1)
    torch.testing.assert_close(ours(state, first, codes), expected, **CLOSE)


@torch.no_grad()
def test_prefill_and_steps(pair):
    """[state, code 0], then one code after the other: logits of both at every step."""
    other, ours = pair
    state, first = torch.randn(1, WIDTH), torch.randn(1, WIDTH)
    x = torch.stack((state, first), dim=1)
    cache, past = DynamicCache(config=other.config), None
    theirs = other(inputs_embeds=x, past_key_values=cache, use_cache=True)
    codes = []
    for q in range(BOOKS - 1):
        flow, past = ours.stack(ours.enter(x), None, past)
        logits = ours.heads[q](flow.out[:, -1])
        torch.testing.assert_close(logits, theirs.logits[:, -1], **CLOSE)
        codes.append(int(logits.argmax()))
        if q < BOOKS - 2:
            x = ours.tables[q](torch.tensor([codes[-1:]]))
            theirs = other(input_ids=torch.tensor([codes[-1:]]), past_key_values=cache,
                           generation_steps=theirs.generation_steps, use_cache=True)  # fmt: skip
    assert ours.complete(state, first) == codes


@torch.no_grad()
def test_the_same_frame_as_generate(pair):
    """Greedy `generate` of transformers gives the codes that `complete` gives."""
    other, ours = pair
    for seed in range(3):
        torch.manual_seed(seed)
        state, first = torch.randn(1, WIDTH), torch.randn(1, WIDTH)
        codes = other.generate(inputs_embeds=torch.stack((state, first), dim=1),
                               max_new_tokens=BOOKS - 1, do_sample=False)  # fmt: skip
        assert ours.complete(state, first) == codes[0].tolist()


@torch.no_grad()
def test_many_frames_at_once_choose_as_one_does(pair):
    _, ours = pair
    state, first = torch.randn(5, WIDTH), torch.randn(5, WIDTH)
    together = ours.best(state, first)
    for i in range(5):
        assert together[i].tolist() == ours.complete(state[i][None], first[i][None])
