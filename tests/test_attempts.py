"""Many attempts at once are those made one by one; the ear's verdict is the Thinker's."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest
import torch

from model.aria import Aria
from model.omni import Omni, OmniConfig
from model.senses.message import Audio
from model.speech.codec import RATE
from model.train.attempts import Attempts, along, say, sounds, understood
from model.train.attempts import spelled as spells
from model.train.losses import IGNORE
from model.train.stages import Ear
from model.transcribe import begin
from model.turn import Frame, State, Voice, speak, spelled

TEXTS = ("Hello there.", "One two three four five.", "No.")


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def tokens(omni: Omni, texts=TEXTS) -> list[list[int]]:
    return [omni.tokenizer.encode(text) for text in texts]


def one(omni: Omni, text: str, voice: Voice, lead: int) -> list[list[int]]:
    """Frames of a sentence as it is spoken to somebody."""
    stream = speak(omni, spelled(omni, text), State(), voice, Aria(lead))
    return [item.codes.tolist() for item in stream if isinstance(item, Frame)]


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:2], TEXTS[1:2]], ids=len)
@pytest.mark.parametrize("name, lead", [("heart", 3), ("male, fast, loud", 0), ("male, slow", 5)])
def test_together_they_say_what_each_would_say(omni, texts, name, lead):
    made = say(omni, tokens(omni, texts), Voice(name), lead, 0.0)
    for row, text in enumerate(texts):
        assert made.frames(row).tolist() == one(omni, text, Voice(name), lead)


def test_streams_hold_what_was_chosen_where(omni):
    torch.manual_seed(1)
    made = say(omni, tokens(omni), Voice("heart"), 2, 1.0)
    end = omni.config.talker.end
    for row, text in enumerate(made.texts):
        here = made.targets[row] != IGNORE
        chosen, frames = made.targets[row][here], made.frames(row)
        assert chosen[: len(frames)].tolist() == frames[:, 0].tolist()
        assert len(chosen) in (len(frames), len(frames) + 1)
        assert not (made.pending[row][here] & (chosen == end)).any(), "no end while words come"
        taken = made.words[row][~made.frame[row] & (made.words[row] > 0)].tolist()
        assert taken == [*text, omni.tokenizer.tts_text_eod]
        said = made.spoken[row][here].tolist()
        assert all(a <= b for a, b in pairwise(said)) and set(said) <= set(range(len(text)))


def test_chance_is_torchs_own(omni):
    def drawn(seed: int) -> Attempts:
        torch.manual_seed(seed)
        return say(omni, tokens(omni) * 2, Voice("heart"), 3, 1.0)

    one, again, other = drawn(1), drawn(1), drawn(2)
    assert torch.equal(one.codes, again.codes)
    assert one.codes.shape != other.codes.shape or not torch.equal(one.codes, other.codes)
    assert one.frames(0).tolist() != one.frames(3).tolist(), "two attempts at one text differ"


def test_each_is_heard_as_it_is_rendered(omni):
    made = say(omni, tokens(omni), Voice("heart"), 3, 0.0)
    for row, wave in enumerate(sounds(omni, made)):
        alone = omni.codec.decode(made.frames(row).T[None])[0].detach().numpy()
        np.testing.assert_allclose(wave, alone, atol=1e-5)


@pytest.mark.parametrize("speed", [1.0, 0.95])
def test_the_ear_says_what_the_thinker_would_write(omni, speed):
    rng, texts = np.random.default_rng(0), tokens(omni)
    waves = [0.1 * rng.normal(size=RATE * (n + 1) // 3).astype(np.float32) for n in range(3)]
    for wave, ids, found in zip(waves, texts, understood(omni, waves, texts, speed), strict=True):
        with torch.no_grad():
            (heard,) = begin(omni, Audio(wave, round(RATE * speed)), views=1).heard
            state, past, place, likely = heard.hidden, heard.past, heard.place, []
            for token in [*ids, omni.tokenizer.im_end]:
                shares = omni.thinker.logits(state).float().log_softmax(-1)
                likely.append(float(shares[token]))
                places = torch.full((3, 1, 1), place)
                x = omni.thinker.embed(torch.tensor([[token]]))
                thought, past = omni.thinker(x, places, past)
                state, place = thought.hidden[0, -1], place + 1
        np.testing.assert_allclose(found.numpy(), likely, atol=2e-3)


def test_text_and_sound_are_laid_together_as_is_likeliest():
    """Against all ways, one by one."""
    rng, steps, count = np.random.default_rng(0), 6, 3
    for _ in range(30):
        tokens = np.log(rng.uniform(0.01, 1, (steps, count))).astype(np.float32)
        silence = np.log(rng.uniform(0.01, 1, steps)).astype(np.float32)
        ways = [way for way in product(range(-1, count), repeat=steps)
                if [n for n, _ in groupby(n for n in way if n >= 0)] == [0, 1, 2]]  # fmt: skip
        worth = [sum(silence[t] if n < 0 else tokens[t, n] for t, n in enumerate(way))
                 for way in ways if _together(way)]  # fmt: skip
        path = along(tokens, silence)
        assert _together(path)
        found = sum(silence[t] if n < 0 else tokens[t, n] for t, n in enumerate(path))
        assert found == pytest.approx(max(worth), abs=1e-5)


def _together(way) -> bool:
    """Each token is spoken once, without a pause in it."""
    return [n for n, _ in groupby(way) if n >= 0] == sorted({n for n in way if n >= 0})


def test_a_sound_may_be_shorter_than_its_text_and_a_text_empty():
    assert along(np.zeros((2, 5), np.float32), np.zeros(2, np.float32)).tolist() == [0, 1]
    assert along(np.zeros((3, 0), np.float32), np.zeros(3, np.float32)).tolist() == [-1, -1, -1]


def test_another_ear_spells_what_is_said(omni):
    """An ear that is sure of the second token in all steps, with a text that has it or not."""
    ear, marks = Ear(Omni(OmniConfig.nano())).eval(), omni.tokenizer
    yes, no = marks.encode("Yes.")[0], marks.encode("No.")[0]
    with torch.no_grad():
        ear.spell.weight.zero_()
        ear.spell.bias.copy_((10 * ear.words[0].weight[yes]).repeat(4))
        ear.words[0].weight.mul_(3)
    waves = [0.1 * np.random.default_rng(0).normal(size=RATE).astype(np.float32)] * 2
    right, wrong = spells(ear, waves, [[yes, *marks.encode(".")], [no]], marks)
    assert len(right) == 3 and len(wrong) == 2
    assert float(right[1]) == 0, "a full stop is not heard"
    assert 0.01 > float(right[0]) > float(wrong[0]) + 1


def test_who_says_nothing_is_heard_as_silence(omni):
    waves, texts = [np.zeros(0, np.float32), np.zeros(RATE, np.float32)], tokens(omni)[:2]
    other = spells(Ear(Omni(OmniConfig.nano())).eval(), waves, texts, omni.tokenizer)
    for nothing, silence in (understood(omni, waves, texts), other):
        assert len(nothing) == len(texts[0]) + 1 and torch.isfinite(nothing).all()
        assert torch.isfinite(silence).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_mtp_completes_many_frames_as_it_does_one(omni, rows):
    torch.manual_seed(rows)
    mtp, width = omni.talker.mtp, omni.config.talker.stack.width
    state, first = torch.randn(2, rows, width)
    with torch.no_grad():
        together = mtp.best(state, first).tolist()
        each = [mtp.complete(state[i : i + 1], first[i : i + 1]) for i in range(rows)]
    assert together == each
