"""Presets, and checkpoints that are whole or not there."""

import json

import numpy as np
import pytest
import torch

from model.layers.mel import log_mel_16k
from model.omni import Omni, OmniConfig
from model.senses.message import Audio


def count(part) -> int:
    return sum(p.numel() for p in part.parameters())


def test_nano_is_small_and_micro_fits():
    assert count(Omni(OmniConfig.nano())) < 1_000_000
    with torch.device("meta"):
        micro = Omni(OmniConfig.micro())
    assert count(micro) <= 25_000_000


def test_save_and_load(tmp_path):
    omni = Omni(OmniConfig.nano())
    omni.save(tmp_path / "m")
    again = Omni.load(tmp_path / "m")
    assert again.config == omni.config
    for name, value in omni.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), atol=0.02), name
    assert not (tmp_path / "m.part").exists()


@torch.inference_mode()
def test_a_long_sound_in_pieces_is_the_sound_at_once():
    omni = Omni(OmniConfig.nano())
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000 * 141 + 77).astype(np.float32)
    whole, _ = omni.ear(log_mel_16k(torch.from_numpy(wave)[None]))
    heard = omni.listen(Audio(wave, 16_000))
    assert len(heard) == omni.ear.tokens(len(wave))
    torch.testing.assert_close(heard, whole[0], atol=1e-5, rtol=1e-4)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nothing'"):
        Omni.load("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        Omni.load(tmp_path / "empty")
    omni = Omni(OmniConfig.nano())
    omni.save(tmp_path / "m")
    good = (tmp_path / "m" / "model.safetensors").read_bytes()
    (tmp_path / "m" / "model.safetensors").write_bytes(good[: len(good) // 2])
    with pytest.raises(ValueError, match="not a checkpoint"):
        Omni.load(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(good)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["thinker"]["stack"]["width"] = 48
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="disagree"):
        Omni.load(tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="unknown fields"):
        Omni.load(tmp_path / "m")


def test_a_disk_that_is_full_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    omni = Omni(OmniConfig.nano())
    omni.save(tmp_path / "m")
    before = (tmp_path / "m" / "model.safetensors").read_bytes()

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.omni.save_file", full)
    with pytest.raises(OSError, match="disk full"):
        omni.save(tmp_path / "m")
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before
    assert not (tmp_path / "m.part").exists()
