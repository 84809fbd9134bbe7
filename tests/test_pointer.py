"""The finger that follows the text: what it lets the guided head see, and that it does so."""

import pytest
import torch

from model.layers.attention import Causal
from model.omni import Omni, OmniConfig
from model.pointer import REACH, Pointer
from model.turn import State, Voice, Word, opening


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano()).eval()


def looks(length: int, **weights: float) -> torch.Tensor:
    row = torch.zeros(length)
    for place, weight in weights.items():
        row[int(place[1:])] = weight
    return row


def test_it_goes_forward_over_words_alone():
    pointer = Pointer().taking(10, 3).taking(20, 2)
    assert pointer.words == (10, 11, 12, 20, 21)
    assert pointer.shut.tolist() == [20, 21], "what lies too far ahead"
    pointer = pointer.moved(looks(30, p12=0.6, p5=0.4))
    assert pointer.at == 2 and pointer.shut.tolist() == [10, 11], "what was said"
    assert pointer.moved(looks(30, p10=0.9)) == pointer, "never back"
    assert pointer.moved(looks(30, p20=0.1, p5=0.9)) == pointer, "that was no look at a word"
    assert len(Pointer().taking(0, REACH + 1).shut) == 0


@pytest.mark.parametrize("new", [1, 3])
def test_the_first_head_does_not_see_what_is_shut(new):
    """Against attention over the keys that are left; other heads and queries stay as they were."""
    torch.manual_seed(1)
    q, k, v = torch.randn(1, 4, new, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    shut = torch.tensor([2, 5])
    with torch.inference_mode():
        full, some = Causal()(q, k, v), Causal()(q, k, v, shut)
        left = [i for i in range(9) if i not in shut]
        alone = Causal()(q[:, :1, -1:], k[:, :1, left], v[:, :1, left])
    assert torch.allclose(some[0, 0, -1], alone[0, 0, 0], atol=1e-6)
    assert torch.allclose(full[0, 1:], some[0, 1:], atol=1e-6)
    assert torch.allclose(full[0, 0, :-1], some[0, 0, :-1], atol=1e-6)


def test_a_past_that_points_is_a_value(omni):
    """The past it was made of goes on as if nothing had happened, and it tells where it looked."""
    talker = omni.talker
    with torch.inference_mode():
        _, past = talker(opening(omni, State(), Voice()))
        x = talker.words(torch.tensor([[300, 301, 302, 303, 304]]))
        first = past.length
        _, past = talker(x, None, past)
        shut = torch.tensor([first, first + 4])
        frame = talker.embed_frames(torch.ones(8, dtype=torch.long))[None, None]
        before, _ = talker(frame, None, past)
        apart, pointing = talker(frame, None, talker.pointing(past, shut))
        again, _ = talker(frame, None, past)
    looked = talker.looked(pointing)
    assert looked.shape == (past.length + 1,) and torch.isclose(looked.sum(), torch.tensor(1.0))
    assert (looked[shut] == 0).all()
    assert torch.equal(before, again) and not torch.allclose(before, apart)


def test_every_word_is_pointed_at_in_turn(omni, monkeypatch):
    """A head that wants to look far ahead is led word by word."""
    from model import turn

    seen = []

    class Watched(Pointer):
        def moved(self, looked):
            seen.append((self.at, looked[list(self.words)].tolist()))
            return super().moved(looked)

    monkeypatch.setattr(turn, "Pointer", Watched)
    words = (
        Word(i, omni.tokenizer.piece(i).decode()) for i in omni.tokenizer.encode("one two " * 5)
    )
    list(turn.speak(omni, words, State(), Voice(), turn.Aria()))
    assert len(seen) > 10
    for at, shares in seen:
        reach = range(at, at + REACH + 1)
        assert all(share == 0 for i, share in enumerate(shares) if i not in reach)
