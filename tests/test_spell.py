"""The ear spells: a text laid on a sound, against all ways written out."""

import itertools

import pytest
import torch

from model.senses import spell
from model.senses.spell import Named, Speller, further, lay, named, on, sounding

NOTHING = 0


def heard(steps: int, tokens: int = 4, seed: int = 0) -> Named:
    """Some probabilities for every step."""
    draw = torch.Generator().manual_seed(seed)
    table = torch.eye(tokens)
    logits = torch.randn(steps, tokens, generator=draw).mul(2).double()
    shares = logits.softmax(-1)
    return Named(logits, logits.logsumexp(-1), table.double(), (shares[:, 0] + spell.DOUBT).log())


def laid(sound: Named, text: tuple[int, ...]):
    now = lay(sound)
    for token in text:
        now = on(sound, now, token)
    return now


def all_ways(sound: Named, text: tuple[int, ...]) -> tuple[float, float]:
    """Probability that the sound is the text, and that it begins with it: labels of every step
    written out."""
    each = (sound.steps.softmax(-1) + spell.DOUBT).tolist()
    whole = begins = 0.0
    for length in range(1, len(each) + 1):
        for cut in itertools.product(range(2 * len(text) + 1), repeat=length):
            # states: even ones are silence, odd ones tokens; silence may be left out but between
            # a token and itself
            legal = cut[0] in (0, 1) and all(
                b - a in (0, 1) or (b - a == 2 and a % 2 and text[a // 2] != text[b // 2])
                for a, b in itertools.pairwise(cut)
            )
            if not legal:
                continue
            chance = 1.0
            for step, state in zip(each, cut, strict=False):
                chance *= step[text[state // 2]] if state % 2 else step[NOTHING]
            if length == len(each) and cut[-1] >= 2 * len(text) - 1:
                whole += chance
            just_begun = cut[-1] == 2 * len(text) - 1 and (length == 1 or cut[-2] != cut[-1])
            if just_begun:
                begins += chance
    return whole, begins


@pytest.mark.parametrize("text", [(1,), (2, 3), (1, 1), (3, 2, 1)])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_text_is_laid_in_all_ways(text, steps):
    sound = heard(steps)
    whole, begins = all_ways(sound, text)
    found = laid(sound, text)
    if len(text) + (text == (1, 1)) > steps:
        assert found.whole < -1e8 and found.score < -1e8
        return
    assert found.whole == pytest.approx(torch.tensor(whole).log().item(), abs=1e-6)
    assert found.score == pytest.approx(torch.tensor(begins).log().item(), abs=1e-6)


def test_no_text_is_silence():
    sound = heard(5)
    assert lay(sound).whole == pytest.approx(float(sound.nothing.sum()))
    assert lay(sound).score == 0


def test_candidates_are_scored_as_if_each_came_next():
    sound = heard(6)
    before = laid(sound, (2,))
    scores = further(sound, before, torch.tensor([1, 2, 3]))
    for token, score in zip((1, 2, 3), scores.tolist(), strict=True):
        assert score == pytest.approx(on(sound, before, token).score)


def test_what_is_named_loudly_is_found():
    """Two tokens with a pause between: the right text beats each wrong one."""
    labels = torch.tensor([0, 1, 1, 1, 0, 2, 2, 0])
    logits = torch.nn.functional.one_hot(labels, 4) * 8.0
    table = torch.eye(4)
    sound = Named(logits, logits.logsumexp(-1), table, (logits.softmax(-1)[:, 0] + 0.01).log())
    texts = [t for n in (1, 2, 3) for t in itertools.product((1, 2, 3), repeat=n)]
    assert max(texts, key=lambda text: laid(sound, text).whole) == (1, 2)


def test_no_step_alone_rules_a_text_out():
    logits = torch.full((3, 4), -50.0)
    logits[:, 1] = 50.0
    shares = (logits.softmax(-1)[:, 0] + spell.DOUBT).log()
    sound = Named(logits, logits.logsumexp(-1), torch.eye(4), shares)
    assert laid(sound, (2,)).whole > 3 * torch.tensor(spell.DOUBT).log() - 1e-3


def test_states_become_steps():
    torch.manual_seed(0)
    speller, table = Speller(8, 6), torch.randn(11, 6)
    with torch.no_grad():
        states = torch.randn(5, 8)
        sound = named(speller, states, table, NOTHING)
        shares = torch.stack([sound.of(torch.arange(11))[:, f] for f in range(20)])
    assert sound.steps.shape == (20, 6)
    probabilities = shares.exp() - spell.DOUBT
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(20))
    torch.testing.assert_close(shares[:, NOTHING], sound.nothing)
    state = speller.weight.reshape(4, 6, 8)[2] @ states[3] + speller.bias.reshape(4, 6)[2]
    torch.testing.assert_close(sound.steps[14], state)  # third step of the fourth state


def test_marks_are_not_heard_and_parts_of_letters_are():
    assert [sounding(piece) for piece in (b" the", b".", b" ", b"7", b"\xe3\x81", b"'s")] == [
        True, False, False, True, True, True]  # fmt: skip
