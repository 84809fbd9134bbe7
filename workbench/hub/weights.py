"""Weights of transformers' models, renamed and reshaped for ours.

Each function takes a state dict of transformers and returns one for `load_state_dict`. Left out:
checkpoints on disk, whose names begin with another prefix (give the part after it).
"""

import torch
from torch import Tensor

State = dict[str, Tensor]

DELTA = {
    "in_proj_qkv.weight": "qkv.weight",
    "in_proj_z.weight": "z.weight",
    "in_proj_b.weight": "gate.b.weight",
    "in_proj_a.weight": "gate.a.weight",
    "dt_bias": "gate.dt_bias",
    "A_log": "gate.A_log",
    "conv1d.weight": "conv.weight",
    "norm.weight": "norm.weight",
    "out_proj.weight": "out.weight",
}
MOE = {
    "gate.weight": "router.weight",
    "experts.gate_up_proj": "experts.gate_up",
    "experts.down_proj": "experts.down",
    "shared_expert_gate.weight": "shared_gate.weight",
}


def below(state: State, prefix: str) -> State:
    """The entries whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): x for name, x in state.items() if name.startswith(prefix)}


def above(prefix: str, state: State) -> State:
    return {prefix + name: x for name, x in state.items()}


def renamed(state: State, names: dict[str, str]) -> State:
    return {ours: state[theirs] for theirs, ours in names.items()}


def mlp(state: State) -> State:
    """SwiGLU: theirs has two matrices, ours one."""
    fused = torch.cat((state["gate_proj.weight"], state["up_proj.weight"]))
    return {"gate_up.weight": fused, "down.weight": state["down_proj.weight"]}


def sparse_moe(state: State) -> State:
    return renamed(state, MOE) | above("shared.", mlp(below(state, "shared_expert.")))


def block(state: State, zero_centred: bool) -> State:
    """One decoder layer, whatever its mixer and its feed-forward."""
    linear = below(state, "linear_attn.")
    ours = above("mixer.", renamed(linear, DELTA) if linear else below(state, "self_attn."))
    feed = below(state, "mlp.")
    ours |= above("ffn.", sparse_moe(feed) if "experts.down_proj" in feed else mlp(feed))
    ours["mixer_norm.weight"] = state["input_layernorm.weight"]
    ours["ffn_norm.weight"] = state["post_attention_layernorm.weight"]
    return ours if zero_centred else recentred(ours)


def recentred(state: State) -> State:
    """Norms that multiply by `weight` become norms that multiply by `1 + weight`."""
    return {name: x - 1 if name.endswith("norm.weight") else x for name, x in state.items()}


def stack(state: State, zero_centred: bool = True) -> State:
    """A text model (`embed_tokens` is left to the caller) -> our `Stack`."""
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    ours = {"norm.weight": state["norm.weight"]}
    ours = ours if zero_centred else recentred(ours)
    for i in range(layers):
        ours |= above(f"blocks.{i}.", block(below(state, f"layers.{i}."), zero_centred))
    return ours


def mtp(state: State) -> State:
    """Qwen3-Omni's code predictor -> our `Mtp` (same width as the Talker, so no `enter`)."""
    tables = above("tables.", below(state, "model.codec_embedding."))
    heads = above("heads.", below(state, "lm_head."))
    return tables | heads | above("stack.", stack(below(state, "model."), zero_centred=False))
