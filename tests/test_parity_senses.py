"""The ear, the eye and the places against transformers: random weights copied across, fp32."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.models.qwen3_5_moe.configuration_qwen3_5_moe import (
    Qwen3_5MoeConfig,
    Qwen3_5MoeVisionConfig,
)
from transformers.models.qwen3_5_moe.modeling_qwen3_5_moe import (
    Qwen3_5MoeModel,
    Qwen3_5MoeVisionModel,
)
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import (
    Qwen3OmniMoeAudioEncoderConfig,
)
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeAudioEncoder

from model.senses.audio import AuT, AuTConfig
from model.senses.message import Image, Message, Video
from model.senses.prompt import Clock, Modality, plan
from model.senses.tokenizer import Tokenizer
from model.senses.vision import Vision, VisionConfig

LIMIT = 1e-4


def randomise(module: torch.nn.Module) -> None:
    """Every weight and bias away from its beginning, so that none is forgotten."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * (0.1 if p.ndim == 1 else p[0].numel() ** -0.5))
        for name, p in module.named_parameters():
            if "norm" in name and name.endswith("weight") or name == "ln_post.weight":
                p.add_(1)


def ear_weights(other: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    ours = {
        name.replace("conv2d", "convs."): weight
        for name, weight in other.items()
        if name.startswith(("conv_out", "proj"))
    }
    for kind in ("weight", "bias"):
        ours |= {f"convs.{i}.{kind}": other[f"conv2d{i + 1}.{kind}"] for i in range(3)}
        ours[f"norm.{kind}"] = other[f"ln_post.{kind}"]
        for i in range(layers):
            a, b = f"blocks.{i}", f"layers.{i}"
            qkv = [other[f"{b}.self_attn.{name}_proj.{kind}"] for name in "qkv"]
            ours |= {
                f"{a}.attention.qkv.{kind}": torch.cat(qkv),
                f"{a}.attention.out.{kind}": other[f"{b}.self_attn.out_proj.{kind}"],
                f"{a}.norm1.{kind}": other[f"{b}.self_attn_layer_norm.{kind}"],
                f"{a}.norm2.{kind}": other[f"{b}.final_layer_norm.{kind}"],
                f"{a}.up.{kind}": other[f"{b}.fc1.{kind}"],
                f"{a}.down.{kind}": other[f"{b}.fc2.{kind}"],
            }
    return ours


@torch.inference_mode()
def test_ear_equals_the_audio_tower_of_qwen3_omni():
    """Three convolutions, chunks of 100 frames = 13 tokens, windows of 4 chunks, both ways."""
    other = Qwen3OmniMoeAudioEncoder(
        Qwen3OmniMoeAudioEncoderConfig(
            num_mel_bins=128,
            d_model=32,
            encoder_layers=2,
            encoder_attention_heads=4,
            encoder_ffn_dim=64,
            downsample_hidden_size=8,
            output_dim=24,
            n_window=50,
            n_window_infer=400,
            max_source_positions=64,
        )  # fmt: skip
    ).eval()
    randomise(other)
    config = AuTConfig(
        channels=(8, 8, 8), chunk=100, width=32, heads=4, hidden=64, layers=2, out=24,
        causal=False, fill=0.0,
    )  # fmt: skip
    ours = AuT(config).eval()
    ours.load_state_dict(ear_weights(other.state_dict(), 2))
    for frames, tokens in [(100, 13), (400, 52), (730, 95), (1000, 130)]:
        mel = torch.randn(128, frames)
        expected = other(mel, feature_lens=torch.tensor([frames])).last_hidden_state
        heard, _ = ours(mel[None], window=4.0)
        assert heard.shape == (1, tokens, 24)
        assert (heard[0] - expected).abs().max() <= LIMIT


def eye_weights(other: dict[str, torch.Tensor], side: int) -> dict[str, torch.Tensor]:
    ours = {"positions": other["pos_embed.weight"].view(side, side, -1)}
    names = {
        "patch_embed.proj": "embed",
        "merger.norm": "norm",
        "merger.linear_fc1": "proj1",
        "merger.linear_fc2": "proj2",
        "attn.qkv": "attention.qkv",
        "attn.proj": "attention.out",
        "mlp.linear_fc1": "up",
        "mlp.linear_fc2": "down",
    }
    for name, weight in other.items():
        for old, new in names.items():
            name = name.replace(old, new)
        if name != "pos_embed.weight":
            ours[name] = weight.flatten(1) if weight.ndim == 5 else weight  # Conv3d is a linear
    return ours


@torch.inference_mode()
@pytest.mark.parametrize("frames, height, width", [(1, 64, 96), (4, 32, 160), (2, 96, 96)])
def test_eye_equals_the_vision_encoder_of_qwen3_5(frames, height, width):
    other = Qwen3_5MoeVisionModel(
        Qwen3_5MoeVisionConfig(
            depth=3,
            hidden_size=32,
            intermediate_size=48,
            num_heads=2,
            out_hidden_size=24,
            num_position_embeddings=36,
        )  # fmt: skip
    ).eval()
    randomise(other)
    config = VisionConfig(width=32, heads=2, hidden=48, layers=3, side=6, out=24)
    ours = Vision(config).eval()
    ours.load_state_dict(eye_weights(other.state_dict(), 6))
    pixels = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    values, rows, columns = ours.patches(pixels)
    grid = torch.tensor([[len(values), rows, columns]])
    expected = other(values.flatten(0, 1), grid_thw=grid).pooler_output
    seen = ours.look(pixels).states
    assert seen.shape == expected.shape
    assert (seen - expected).abs().max() <= LIMIT


def test_compact_places_equal_those_of_qwen3_5():
    """Text, a picture and a film with timestamps: `get_rope_index` of the same row."""
    tokenizer = Tokenizer(Path(__file__).parents[1] / "model/checkpoints/micro")
    film = Video(np.zeros((5, 64, 128, 3), np.uint8), np.arange(5, dtype=np.float32))
    picture = Image(np.zeros((96, 64, 3), np.uint8))
    laid = plan(
        [Message.of("user", "look", picture, "and then", film, "what is it?")],
        tokenizer,
        Clock(compact=True),
        look=lambda height, width: (height // 32, width // 32),
    )
    config = Qwen3_5MoeConfig()
    with torch.device("meta"):
        other = Qwen3_5MoeModel._from_config(_tiny(config))
    kinds = torch.zeros_like(laid.ids)
    kinds[laid.spans.modality == Modality.IMAGE] = 1
    kinds[laid.spans.modality == Modality.VIDEO] = 2
    expected, _ = other.get_rope_index(
        laid.ids[None],
        mm_token_type_ids=kinds[None],
        image_grid_thw=torch.tensor([[1, 6, 4]]),
        video_grid_thw=torch.tensor([[3, 4, 8]]),
    )
    assert laid.places.equal(expected[:, 0])


def _tiny(config: Qwen3_5MoeConfig) -> Qwen3_5MoeConfig:
    config.text_config.num_hidden_layers = 1
    config.text_config.layer_types = ["linear_attention"]
    config.text_config.num_experts = 4
    config.vision_config.depth = 1
    return config
