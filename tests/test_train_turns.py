"""The stage for turns on nano: states are those of use, the loss falls, the head is packed."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from model.attend import Native
from model.layers.mel import log_mel_16k
from model.omni import Omni, OmniConfig
from model.train.loop import Run, weights
from model.train.pack import assemble
from model.train.turns import TOKENS, TurnData, heard, thoughts, turns

DATA = runpy.run_path(str(Path(__file__).with_name("dialogue_data.py")))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return DATA["build"](tmp_path_factory.mktemp("turns"))


def nano() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def test_it_trains_on_what_it_hears_in_use():
    """Two sounds at once, longer than a window, and the same sounds as they come."""
    omni, rng = nano(), np.random.default_rng(0)
    waves = (0.1 * rng.normal(size=(2, 16_000 * 9))).astype(np.float32)
    mels = torch.cat([log_mel_16k(torch.from_numpy(wave)[None]) for wave in waves])
    thought = thoughts(omni, mels)
    torch.nn.init.normal_(omni.thinker.turns.names.weight)
    native = Native(omni)
    for i, wave in enumerate(waves):
        moments, _ = native.follow(wave, native.begin(), True)
        told = torch.ones(1, thought.hidden.shape[1], dtype=torch.bool)
        some = type(thought)(*(x[i : i + 1].clone() for x in thought))
        logits, _ = omni.thinker.turns(some, told)
        chances = logits[0].softmax(-1).detach().numpy()[: len(moments)]
        assert len(moments) == 56
        assert np.allclose(chances, [m.probabilities for m in moments], atol=1e-4)


def test_dialogues_are_made_once(root, tmp_path):
    made = heard("train", 3, root, tmp_path)
    assert made.mels.shape == (3, 16 * TOKENS, 128) and len(made.dialogues) == 3
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = heard("train", 3, root, tmp_path)
    assert np.array_equal(made.mels, again.mels) and made.dialogues == again.dialogues
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    data = TurnData.hear(nano(), made, seed=1)
    assert torch.equal(data(4).hidden, data(4).hidden)
    assert torch.equal(data(4).states, data(4).states) and data(4).states.shape == (32, TOKENS)
    few = np.arange(3)
    one, other = (data.batch(few, np.random.default_rng(i)) for i in range(2))
    assert torch.equal(one.hidden, other.hidden) and not torch.equal(one.talking, other.talking)


def test_the_loss_falls_and_the_head_is_packed(root, tmp_path):
    omni = nano()
    before = {name: value.clone() for name, value in omni.state_dict().items()}
    run = Run(tmp_path / "turns", steps=30, log_every=1, valid_every=10)
    result = turns(omni, root, tmp_path / "heard", run, dialogues=6)
    assert result.finished and result.loss < 1.57 and omni.thinker.turns.trained
    moved = {
        name for name, value in omni.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved and all(name.startswith("thinker.turns.") for name in moved)
    assert all(name.startswith("turns.") for name in weights(result.checkpoint))
    packed = assemble(tmp_path, start=nano())
    for name, value in omni.state_dict().items():
        assert torch.equal(packed.state_dict()[name], value), name
    packed.save(tmp_path / "model")
    assert Native(Omni.load(tmp_path / "model"))
