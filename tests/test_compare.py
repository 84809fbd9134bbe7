"""Two runs compared: nothing where nothing was changed, and the right thing where something was."""

import base64
import io
import wave

import numpy as np
import pytest
import torch

import workbench as wb
from model.omni import Omni, OmniConfig
from workbench.lab import Lab

KINDS = ["logits", "routing"]


@pytest.fixture(scope="module")
def lab() -> Lab:
    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))


@pytest.fixture(scope="module")
def run(lab):
    return lab.run("Hello <b>you</b>", most=4, temperature=1.0, record=KINDS)


def test_a_run_and_itself_do_not_differ(lab, run, tmp_path):
    same = wb.diff(run, wb.open(run.save(tmp_path / "a.omnirun")))
    assert same.changed == () and same.same_words == len(run.words)
    assert (same.kl == 0).all() and same.mel_db == 0 and (same.codes == 0).all()
    assert all((share == 0).all() for share in same.flips.values())
    assert [p.same for p in same.text] == [True]


def test_a_change_shows_where_it_was_made(lab, run):
    with lab.edit(wb.ban_expert(2, [0, 1])):
        alt = lab.rerun(run, keep_words=True)
    change = wb.diff(run, alt)
    assert change.changed[0] == "BanExperts(layer=2, stage='thinker', experts=(0, 1))"
    assert len(change.kl) == len(run.words) and (change.kl >= 0).all() and change.kl.max() > 0
    flips = change.flips["thinker"]
    assert flips[0] == flips[1] == 0 and flips[2] > 0.3
    summary = change.summary()
    assert {"KL, mean", "mel distance", "expert flips, thinker"} <= set(summary.index)
    assert len(change.words()) == len(run.words)
    page = change._repr_html_()
    assert "BanExperts" in repr(change) and "<b>" not in page
    sounds = [sounding(part) for part in page.split("base64,")[1:]]
    assert [len(s) for s in sounds] == [len(run.audio), len(alt.audio)]
    assert np.abs(sounds[1] / 32767 - alt.audio.clip(-1, 1)).max() < 1e-4


def sounding(part: str) -> np.ndarray:
    with wave.open(io.BytesIO(base64.b64decode(part.split("'")[0]))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_texts_that_part(lab, run):
    alt = lab.rerun(run, seed=1, speak=False, record=[])
    change = wb.diff(run, alt)
    assert change.kl is None and change.codes is None and change.flips == {}
    assert "seed: 0 -> 1" in change.changed
    assert "".join(p.run for p in change.text) == "".join(run.pieces[str(i)] for i in run.words)
    assert change.summary().loc["words changed", "change"] > 0
    with pytest.raises(ValueError, match="expected two runs"):
        wb.diff(run, "alt")


def test_another_pace_has_the_same_words(lab):
    run = lab.say("Yes it is so", speech_temperature=1.0, record=["routing"])
    with lab.edit(wb.text_first()):
        alt = lab.rerun(run)
    change = wb.diff(run, alt)
    assert change.changed == ("SetPace(pace=TextFirst())",) and np.isfinite(change.mel_db)
    assert set(change.flips) == {"talker"} and change.kl is None
