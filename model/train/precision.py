"""Where bf16 is worth having: on a processor that computes in it. Elsewhere it is many times slower
than fp32."""

import torch


def has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
