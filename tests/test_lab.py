"""The lab's doors: what may be given, what is kept, and what is told where it is wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from model.aria import FixedRatio
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Image, Message
from workbench.lab import Lab

SAMPLES = Path(__file__).parents[1] / "datasets/samples"


@pytest.fixture(scope="module")
def lab() -> Lab:
    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()), seed=4)


def test_importing_is_quick_and_brings_no_torch():
    code = "import sys, workbench as wb; dir(wb); print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_every_name_of_the_workbench_exists():
    for name in dir(wb):
        assert getattr(wb, name) is not None
    with pytest.raises(AttributeError, match="workbench has no 'lode'; it has .*load"):
        _ = wb.lode


def test_sounds_pictures_and_texts_make_one_turn(lab):
    run = lab.run("What?", SAMPLES / "question.wav", np.zeros((32, 32, 3), np.uint8),
                  speak=False, most=2)  # fmt: skip
    (message,) = run.inputs.messages
    assert [type(part).__name__ for part in message.parts] == ["Image", "Audio", "Text"]
    assert run.inputs.seed == 4 and run.meta.model == "in memory"
    picture = lab.recording(image=SAMPLES / "chelsea.png").inputs.messages[0].parts[0]
    assert isinstance(picture, Image)


def test_what_was_said_before_comes_first(lab):
    before = [Message.of("user", "Hi"), Message.of("assistant", "Hello")]
    roles = [m.role for m in lab.recording("And?", messages=before).inputs.messages]
    assert roles == ["user", "assistant", "user"]


def test_a_rerun_is_the_same_turn_also_from_a_file(lab, tmp_path):
    run = lab.say("Yes it is", speech_temperature=1.0, record=["align"])
    again = lab.rerun(wb.open(run.save(tmp_path / "a.omnirun")))
    assert np.array_equal(run.audio, again.audio) and again.recorded == run.recorded
    other = lab.rerun(run, seed=5, pace="fixed:1:3", record=[])
    assert other.inputs.pace == FixedRatio(1, 3) and other.align is None
    assert not np.array_equal(run.audio[:4000], other.audio[:4000])


def test_words_may_be_kept(lab):
    run = lab.run("Hi", speak=False, most=3, temperature=1.0)
    kept = lab.rerun(run, keep_words=True, seed=9)
    assert kept.words.tolist() == run.words.tolist() and kept.text == run.text


def test_chunks_come_while_it_is_recorded(lab):
    recording = lab.recording("Hi", most=3, record=["routing"])
    texts = [chunk.text for chunk in recording]
    assert recording.run().text == "".join(texts)


def test_megabytes_are_said_before(lab, capsys):
    lab.say("Yes", record=["codes"])
    assert "recording up to" in capsys.readouterr().err
    with pytest.raises(ValueError, match="budget is 0.0001 MB"):
        lab.say("Yes", record=["codes"], budget=0.0001)
    lab.say("Yes")
    assert capsys.readouterr().err == ""


def test_loading_from_a_folder(lab, tmp_path):
    lab.omni.save(tmp_path / "mine")
    other = wb.load(tmp_path / "mine", seed=1)
    assert other.name == "mine" and len(other.about.fingerprint) == 64
    assert other.about.fingerprint != lab.about.fingerprint, "bf16 rounds the weights"
    assert len(other.parts("*.router")) == 8
    with pytest.raises(FileNotFoundError, match="no checkpoint 'micra'"):
        wb.load("micra")


def test_wrong_names_are_told_with_near_ones(lab):
    with pytest.raises(ValueError, match="no input is named 'temprature'; did you mean temper"):
        lab.run("Hi", temprature=1)
    with pytest.raises(ValueError, match="did you mean"):
        lab.parts("thinker.stack.blocks.0.ffn.ruter")
    with pytest.raises(ValueError, match="did you mean routing"):
        lab.run("Hi", record=["routin"])
    with pytest.raises(ValueError, match="either messages"):
        lab.run()
    with pytest.raises(ValueError, match="not a picture"):
        lab.run(image=SAMPLES / "question.wav")
    with pytest.raises(FileNotFoundError):
        lab.run(audio="nowhere.wav")
    with pytest.raises(ValueError, match="float32"):
        lab.run(audio=Audio(np.zeros(9), 16_000))
    with pytest.raises(ValueError, match="Inputs.voice must be str"):
        lab.say("Hi", voice=3)
    with pytest.raises(ValueError, match="unknown pace"):
        lab.say("Hi", pace="slow")
