"""A small place with speech and calls: tones that last as long as their phones say."""

from pathlib import Path

import numpy as np

from model.data.store import CLIPS, encode, write

PHONES = ["_", "h", "ə", "l", "O", " ", "ð", "ɛ", "ɹ", " ", "s", "i", "_"]
UNITS = [4, 5, 5, 5, 8, 2, 5, 6, 6, 2, 6, 10, 4]  # 25 ms each: 1.7 s
SHORT = ["_", "m", "_"], [2, 14, 2]


def clip(number: int, split: str, source: str, short: bool) -> dict:
    phones, units = SHORT if short else (PHONES, UNITS)
    time = np.arange(600 * sum(units)) / 24_000
    rng = np.random.default_rng(number)
    tone = sum(np.sin(2 * np.pi * (120 + 20 * number) * k * time) / k for k in range(1, 9))
    loud = np.repeat([0.0 if phone == "_" else 1.0 for phone in phones], units).repeat(600)
    wave = (0.1 * tone * loud + 1e-4 * rng.normal(size=len(time))).astype(np.float32)
    return {"id": f"{split}-{source}-{number}", "text": "hello there see", "source": source,
            "voice": "heart", "speed": 1.0, "rate": 24_000, "flac": encode(wave, 24_000),
            "seconds": len(wave) / 24_000, "phones": phones, "units": units,
            "sha256": ""}  # fmt: skip


def build(root: Path) -> Path:
    for split in ("train", "valid", "test"):
        source = "kokoro-unseen" if split == "test" else "template"
        spoken = [clip(i, split, source, False) for i in range(4)]
        write(root / f"spoken/{split}-00000.parquet", spoken, CLIPS)
        called = [clip(i, split, kind, True) for i in range(3)
                  for kind in ("backchannel", "kokoro-interrupt")]  # fmt: skip
        write(root / f"calls/{split}-00000.parquet", called, CLIPS)
    return root
