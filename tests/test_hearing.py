"""MTP's choices as an ear hears them: the gradient reaches what chose them, and nothing else."""

import runpy
from pathlib import Path

import pytest
import torch

from model.data.store import Store
from model.omni import Omni, OmniConfig
from model.train import hearing as module
from model.train.batch import SpeakBatch
from model.train.codes import Codes
from model.train.hearing import Hearing, crops
from model.train.listener import Listener
from model.train.stages import Ear, Speak, SpeakData, spoken

place = runpy.run_path(str(Path(__file__).with_name("test_stages.py")))["place"]


@pytest.fixture
def heard(place, monkeypatch) -> tuple[Speak, SpeakBatch]:
    """MTP's choices in short crops, heard by an ear of another model."""
    monkeypatch.setattr(module, "CROP", 4)
    torch.manual_seed(0)
    omni, other = Omni(OmniConfig.nano()), Omni(OmniConfig.nano())
    made = Codes(place / "codes/train.npz")
    hearing = Hearing(omni.codec.renderer, Listener(Ear(other)))
    data = SpeakData(omni, spoken(Store(place), "train", made), made, size=6)
    return Speak(omni, made.books, hearing=hearing), data(1)


def test_the_gradient_reaches_what_chose_and_nothing_else(heard):
    speak, batch = heard
    loss = speak.hearing(speak, batch, speak.read(batch))
    loss.backward()
    assert float(loss.detach()) > 0
    mtp, head = speak.talker.mtp, speak.talker.head
    for learns in (mtp.heads[0].weight, mtp.heads[-1].weight, speak.talker.stack.blocks[0]):
        grads = [p.grad for p in ([learns] if torch.is_tensor(learns) else learns.parameters())]
        assert any(g is not None and g.isfinite().all() and g.abs().max() > 0 for g in grads)
    assert head.weight.grad is None, "codebook 0 is no choice of MTP's"
    apart = (*speak.hearing.renderer.parameters(), *speak.hearing.listener.parameters())
    assert all(p.grad is None for p in apart)


def test_what_is_chosen_rightly_sounds_right(heard):
    """Where the true frames are those that would be chosen, there is nothing to hear."""
    speak, batch = heard
    with torch.no_grad():
        hidden = speak.read(batch)
        row, at = speak.says(batch).nonzero(as_tuple=True)
        first = speak.talker.head(hidden[row, at])[:, : speak.talker.config.end].argmax(-1)
        rest = speak.talker.mtp.best(hidden[row, at], speak.talker.codes(first))
        right = batch.codes.clone()
        right[row, at + 1] = torch.cat((first[:, None], rest), dim=1)
        good, bad = (float(speak.hearing(speak, b, hidden))
                     for b in (batch._replace(codes=right), batch))  # fmt: skip
    assert good < 0.01 * bad


def test_it_is_part_of_the_loss(heard):
    speak, batch = heard
    torch.manual_seed(1)
    with_it, metrics = speak(batch)
    speak.hearing, kept = None, speak.hearing
    torch.manual_seed(1)
    without, fewer = speak(batch)
    assert "heard" in metrics and "heard" not in fewer and kept
    assert float((with_it - without).detach()) > float(metrics["heard"].detach())


def test_crops_lie_in_the_frames_of_rows_that_have_enough(monkeypatch):
    monkeypatch.setattr(module, "CROP", 3)
    says = torch.tensor([[0, 1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 0, 1, 0]]).bool()
    found = set()
    for seed in range(20):
        torch.manual_seed(seed)
        row, at = crops(says)
        assert row.tolist() == [[0]], "the second has only two"
        found.add(tuple(at[0].tolist()))
    assert found == {(1, 2, 4), (2, 4, 5), (4, 5, 6)}
    row, at = crops(says[1:])
    assert row.shape == (0, 1) and at.shape == (0, 3)


def test_without_a_crop_nothing_is_heard(heard, monkeypatch):
    speak, batch = heard
    monkeypatch.setattr(module, "CROP", 10_000)
    assert float(speak.hearing(speak, batch, speak.read(batch).detach())) == 0
