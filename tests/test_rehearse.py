"""Saying a sentence several times: the one that is heard is the one the own ear likes best."""

import numpy as np
import pytest
import torch

from model import rehearse as module
from model.aria import Aria, TextFirst
from model.omni import Omni, OmniConfig
from model.rehearse import VIEWS, rehearse
from model.sampling import Sampling
from model.senses.message import Audio
from model.speech.codec import RATE
from model.transcribe import clear
from model.turn import State, say

TEXT = "One. Two."


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def sound(chunks) -> np.ndarray:
    return np.concatenate([chunk.audio for chunk in chunks])


def test_one_try_is_what_streams(omni):
    once, streamed = list(rehearse(omni, TEXT, tries=1)), list(say(omni, TEXT))
    assert "".join(c.text for c in once) == "".join(c.text for c in streamed) == TEXT
    np.testing.assert_allclose(sound(once), sound(streamed), atol=1e-6)


@pytest.mark.parametrize("pace, tries", [(Aria(1), 3), (TextFirst(), 2)])
def test_the_clearest_attempt_is_heard(omni, pace, tries):
    """All attempts are made again, and none of them is clearer than what is heard."""
    text, hot = "One two three.", Sampling(2.0)
    how = None if isinstance(pace, Aria) else hot
    heard = sound(rehearse(omni, text, pace=pace, tries=tries, how=how))
    if isinstance(pace, Aria):
        attempts = [sound(say(omni, text, pace=Aria(lead))) for lead in (1, 0, 2)]
    else:
        attempts = [sound(say(omni, text, pace=pace, how=hot, seed=i)) for i in range(tries)]
    scores = [clear(omni, Audio(attempt, RATE), text, VIEWS) for attempt in attempts]
    assert len({round(score, 6) for score in scores}) > 1, "attempts that differ"
    found = clear(omni, Audio(heard, RATE), text, VIEWS)
    assert found == pytest.approx(max(scores), abs=1e-5)


def test_more_tries_than_leads_are_drawn(omni):
    ways = module._ways(Aria(0), 9, None)
    assert len(ways) == 9 and len({pace.lead for pace, _ in ways}) == 6
    assert [how.temperature for _, how in ways] == [0.0] * 6 + [0.8] * 3


def test_attempts_that_are_dropped_leave_nothing_behind(omni):
    state = State()
    chunks = list(rehearse(omni, TEXT, tries=2, state=state))
    frames = sum(len(chunk.audio) > 0 for chunk in chunks)
    assert len(state.audits) == 2  # one a sentence
    assert sum(len(a.path) - sum(a.path) for a in state.audits) == frames
    again = list(rehearse(omni, TEXT, tries=2))
    np.testing.assert_array_equal(sound(again), sound(chunks))


def test_a_sentence_is_heard_before_the_next_is_said(omni, monkeypatch):
    said = []
    plain = module._attempt
    monkeypatch.setattr(module, "_attempt", lambda *a: said.append(1) or plain(*a))
    next(rehearse(omni, TEXT, tries=2))
    assert len(said) == 2


def test_bad_input(omni):
    with pytest.raises(ValueError, match="0 tries, expected 1 or more"):
        next(rehearse(omni, TEXT, tries=0))
    with pytest.raises(ValueError, match="no text to say"):
        next(rehearse(omni, "  "))
