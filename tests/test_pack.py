import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from model.omni import Omni, OmniConfig
from model.train.answer import Answer
from model.train.codec import Teacher
from model.train.look import Look
from model.train.loop import weights
from model.train.pack import ANSWER, CODEC, EYE, HEAR, TALKER, assemble, blend
from model.train.stages import Hear, Speak, Talk
from model.train.world import Both

BOOKS = np.zeros((8, 16, 8), np.float32)  # of nano; nothing is trained here


def kept(module, runs, stage):
    """What the loop keeps of a stage."""
    (runs / stage).mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": value.clone() for name, value in module.state_dict().items()}
    save_file(state, runs / stage / "last.safetensors", metadata={"step": "1"})


@pytest.fixture
def trained():
    torch.manual_seed(7)
    return Omni(OmniConfig.nano())


def same(one, other) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_every_stage_ends_up_in_the_model(tmp_path, trained):
    latent = trained.config.codec.renderer.latent
    kept(nn.ModuleDict({"codec": trained.codec, "teacher": Teacher(latent)}), tmp_path, "codec")
    kept(Hear(trained), tmp_path, "hear")
    kept(Talk(trained, BOOKS), tmp_path, "talk")
    packed = assemble(tmp_path, config=OmniConfig.nano(), seed=0)
    assert not same(packed.eye, trained.eye)  # untrained
    for part in ("codec", "ear", "thinker", "talker"):
        assert same(getattr(packed, part), getattr(trained, part)), part


def test_the_world_takes_the_place_of_hearing(tmp_path, trained):
    other = Omni(OmniConfig.nano())
    kept(Hear(other), tmp_path, "hear")
    kept(Both(trained), tmp_path, "world")
    packed = assemble(tmp_path, (HEAR,), OmniConfig.nano())
    for part in ("ear", "eye", "thinker"):
        assert same(getattr(packed, part), getattr(trained, part)), part


def test_an_eye_that_went_on_takes_the_place_of_the_world_s(tmp_path, trained):
    other = Omni(OmniConfig.nano())
    kept(Both(other), tmp_path, "world")
    kept(Look(trained), tmp_path, "look")  # of before it
    assert same(assemble(tmp_path, (HEAR, EYE), OmniConfig.nano()).eye, other.eye)
    kept(Look(trained), tmp_path, "eye")
    packed = assemble(tmp_path, (HEAR, EYE), OmniConfig.nano())
    assert same(packed.eye, trained.eye) and same(packed.ear, other.ear)


def test_answers_come_after_hearing(tmp_path, trained):
    other = Omni(OmniConfig.nano())
    kept(Hear(other), tmp_path, "hear")
    kept(Answer(trained), tmp_path, "answer")
    packed = assemble(tmp_path, (HEAR, ANSWER), OmniConfig.nano())
    assert same(packed.thinker, trained.thinker) and same(packed.ear, other.ear)


def test_the_later_talker_counts(tmp_path, trained):
    kept(Speak(Omni(OmniConfig.nano()), BOOKS), tmp_path, "speak")
    kept(Talk(trained, BOOKS), tmp_path, "talk")
    assert same(assemble(tmp_path, (TALKER,), OmniConfig.nano()).talker, trained.talker)
    (tmp_path / "talk" / "last.safetensors").unlink()
    assert not same(assemble(tmp_path, (TALKER,), OmniConfig.nano()).talker, trained.talker)


def test_a_missing_or_foreign_stage_is_told(tmp_path, trained):
    with pytest.raises(FileNotFoundError, match="omni train codec"):
        assemble(tmp_path, (CODEC,), OmniConfig.nano())
    kept(Hear(trained), tmp_path, "hear")
    with pytest.raises(ValueError, match="of another model"):
        assemble(tmp_path, (HEAR,), OmniConfig.micro())


def test_weights_between_two_checkpoints(tmp_path, trained):
    kept(Speak(trained, BOOKS), tmp_path, "one")
    torch.manual_seed(8)
    kept(Speak(Omni(OmniConfig.nano()), BOOKS), tmp_path, "two")
    one, two = (tmp_path / name / "last.safetensors" for name in ("one", "two"))
    for share in (0.0, 0.25, 1.0):
        blend(one, two, share, tmp_path / "mixed/last.safetensors")
        mixed = weights(tmp_path / "mixed/last.safetensors")
        for name, value in weights(one).items():
            if value.is_floating_point():
                straight = (1 - share) * value + share * weights(two)[name]
                torch.testing.assert_close(mixed[name], straight)
    kept(Hear(trained), tmp_path, "hear")
    with pytest.raises(ValueError, match="different models"):
        blend(one, tmp_path / "hear/last.safetensors", 0.5, tmp_path / "x")
    with pytest.raises(ValueError, match="between 0 and 1"):
        blend(one, two, 1.5, tmp_path / "x")
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.part").exists()
