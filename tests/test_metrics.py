"""Measures against formulas written out, and against cases whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import workbench as wb
from model.omni import Omni, OmniConfig
from workbench import metrics


@pytest.fixture(scope="module")
def runs():
    torch.manual_seed(0)
    lab = wb.load(Omni(OmniConfig.nano()))
    run = lab.say("Yes it is", speech_temperature=1.0, record=["routing"])
    return run, lab.rerun(run, seed=1)


def test_kl_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 7)).astype(np.float32)
    p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (a, b))
    assert np.allclose(metrics.kl_rows(a, b), (p * np.log(p / q)).sum(-1), atol=1e-6)
    assert np.allclose(metrics.kl_rows(a, a + 3), 0, atol=1e-6)
    with pytest.raises(ValueError, match="same shape"):
        metrics.kl_rows(a, b[:2])


def test_mel_is_in_decibels():
    t = np.arange(24_000) / 24_000
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    loud, soft = metrics.mel_db(tone, 24_000), metrics.mel_db(tone / 10, 24_000)
    assert loud.shape == (80, 100)
    band = loud.mean(1).argmax()
    assert np.allclose(loud[band] - soft[band], 20, atol=0.1)


def test_measures_of_two_runs(runs):
    run, alt = runs
    assert metrics.words_changed(run, alt) == 0 and metrics.same_words(run, alt) == len(run.words)
    assert metrics.mel_distance(run, run) == 0 < metrics.mel_distance(run, alt)
    assert (metrics.codes_changed(run, alt) > 0.2).all()
    assert metrics.flips(run, run, "talker") == 0
    with pytest.raises(ValueError, match="logits of both"):
        metrics.kl(run, alt)
    silent = replace(run, audio=run.audio[:0], codes=run.codes[:0])
    with pytest.raises(ValueError, match="speak=True"):
        metrics.mel_distance(run, silent)
    with pytest.raises(ValueError, match="speak=True"):
        metrics.codes_changed(run, silent)


def test_tokens_are_matched_in_their_order(runs):
    run, alt = runs
    mine, yours = metrics.matched(run, alt, "talker")
    assert (np.diff(mine) > 0).all() and (np.diff(yours) > 0).all()
    assert np.array_equal(run.talker.id[mine], alt.talker.id[yours])
    words = (run.talker.id >= 0).sum()
    assert words <= len(mine) < len(run.talker), "all words, not all frames"
