"""Codes as the Talker chooses them lie on the true sound, and the renderer learns from both."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from model.data.store import CLIPS, Store, encode, write
from model.omni import Omni, OmniConfig
from model.speech.codec import AHEAD, FRAME, CodecConfig
from model.train.batch import Reading
from model.train.chosen import Chosen, choose
from model.train.codec import CodecStage, tokenise, train_renderer
from model.train.codes import Codes
from model.train.loop import Run


def clip(number: int, split: str) -> dict:
    rng = np.random.default_rng(number)
    wave = (0.1 * rng.normal(size=30_000 + 100 * number)).astype(np.float32)
    return {"id": f"{split}-{number}", "text": "hello there", "source": "template",
            "voice": "heart", "speed": 1.0, "rate": 24_000, "flac": encode(wave, 24_000),
            "seconds": len(wave) / 24_000, "phones": [], "units": [], "sha256": ""}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with clips, a codec's checkpoint, the codes, and what a Talker chose."""
    root = tmp_path_factory.mktemp("chosen")
    for split in ("train", "valid"):
        write(root / f"spoken/{split}-00000.parquet", [clip(i, split) for i in range(5)], CLIPS)
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    codec = {f"model.codec.{k}": v.contiguous() for k, v in omni.codec.state_dict().items()}
    save_file(codec, root / "codec.safetensors")
    clips = Store(root).spoken("train")
    tokenise(clips, omni.codec, root / "codes.npz", copies=2)
    codes = Codes(root / "codes.npz")
    readings = [Reading(name, "hello there", "heart", ()) for name in clips.ids]
    choose(omni, readings, codes, root / "chosen.npz", size=2)
    return root


def test_every_frame_of_a_clip_is_chosen_and_lies_on_its_sound(place):
    clips, codes = Store(place).spoken("train"), Codes(place / "codes.npz")
    pool = Chosen(place / "chosen.npz", clips, crop=4)
    wave, chosen = pool.draw(6, np.random.default_rng(0))
    assert wave.shape == (6, 4 * FRAME + AHEAD) and chosen.shape == (6, 8, 4)
    with np.load(place / "chosen.npz") as file:
        lengths = dict(zip(map(str, file["ids"]), np.diff(file["start"]), strict=True))
    assert lengths == {name: codes.frames(name) for name in clips.ids}
    whole = np.concatenate([clips[i].samples for i in range(len(clips))])
    for row in wave:  # somewhere in a clip, or in the silence behind it
        piece = row[:50].numpy()
        at = np.flatnonzero(np.abs(whole[: -len(piece)] - piece[0]) < 1e-4)
        assert any(np.allclose(whole[i : i + 50], piece, atol=1e-4) for i in at)


def test_the_renderer_learns_from_both(place, tmp_path):
    stage = CodecStage(crop=4, batch=2, chosen=2)
    run = Run(tmp_path / "match", steps=3, log_every=1, valid_every=10**6)
    start = place / "codec.safetensors"
    args = (start, stage, CodecConfig.nano())
    train_renderer(place, run, *args, chosen=place / "chosen.npz")
    lines = (tmp_path / "match/metrics.jsonl").read_text().splitlines()
    assert all(math.isfinite(json.loads(line).get("mel", 0.0)) for line in lines)
    with pytest.raises(ValueError, match="no clip of 99 frames"):
        Chosen(place / "chosen.npz", Store(place).spoken("train"), crop=99)
