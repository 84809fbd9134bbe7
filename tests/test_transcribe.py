"""Writing down: what beam search finds, and what it costs to find."""

import numpy as np
import pytest
import torch

from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.transcribe import TRANSCRIBE, Path, hear, likeliest
from model.turn import State, answer, take_in


def small() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def sound(seconds: float) -> Audio:
    rng = np.random.default_rng(0)
    return Audio(rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32), 16_000)


def asked(omni) -> tuple[Path, int]:
    state = State()
    prompt = omni.read([Message.of("user", sound(0.4), TRANSCRIBE)], Clock(), 0)
    hidden = take_in(omni, prompt, state)
    return Path(0.0, (), state.thinker, hidden), state.place


def ending_at(omni, likely: float):
    """The same model, more or less inclined to end."""
    with torch.no_grad():
        omni.thinker.embed.weight[omni.tokenizer.im_end] *= likely
    return omni


@torch.inference_mode()
def log_probability(omni, tokens: tuple[int, ...], ended: bool) -> float:
    """Of an answer, when the model reads all of it at once."""
    start, place = asked(omni)
    ids = torch.tensor([[*tokens]])
    places = torch.arange(place, place + len(tokens)).expand(3, 1, -1)
    thought, _ = omni.thinker(omni.thinker.embed(ids), places, start.past)
    hidden = torch.cat([start.hidden[None], thought.hidden[0]])
    shares = omni.thinker.logits(hidden).float().log_softmax(-1)
    score = sum(float(shares[i, token]) for i, token in enumerate(tokens))
    return score + (float(shares[-1, omni.tokenizer.im_end]) if ended else 0.0)


@pytest.mark.parametrize("beams", [1, 3, 8])
def test_the_score_is_the_probability_of_the_text(beams):
    omni = ending_at(small(), 3.0)
    best = likeliest(omni, *asked(omni), most=5, beams=beams)
    ended = len(best.tokens) < 5
    assert best.tokens, "something to compare"
    assert best.score == pytest.approx(log_probability(omni, best.tokens, ended), abs=1e-3)


def test_one_beam_is_greedy():
    omni = small()
    said = "".join(chunk.text for chunk in answer(
        omni, [Message.of("user", sound(0.4), TRANSCRIBE)], aloud=False, most=12))  # fmt: skip
    assert hear(omni, sound(0.4), most=12, beams=1) == said.strip()


@torch.inference_mode()
def test_two_tokens_are_the_best_of_all_pairs():
    omni = small()
    (_, _, past, hidden), place = asked(omni)
    ends = {omni.tokenizer.im_end, omni.tokenizer.endoftext}
    likely = omni.thinker.logits(hidden).log_softmax(-1)
    pairs = {}
    for one in set(likely.topk(40).indices.tolist()) - ends:
        x = omni.thinker.embed(torch.tensor([[one]]))
        thought, _ = omni.thinker(x, torch.full((3, 1, 1), place), past)
        scores = likely[one] + omni.thinker.logits(thought.hidden[0, -1]).log_softmax(-1)
        two = int(scores.argmax())
        assert two not in ends
        pairs[one, two] = float(scores[two])
    found = likeliest(omni, Path(0.0, (), past, hidden), place, most=2, beams=40)
    assert found.tokens == max(pairs, key=pairs.__getitem__)
    assert found.score == pytest.approx(max(pairs.values()), abs=1e-4)


def test_more_beams_find_a_likelier_text():
    omni = ending_at(small(), 3.0)
    one, many = (likeliest(omni, *asked(omni), most=6, beams=beams) for beams in (1, 8))
    assert many.score > one.score


def test_a_text_ends_where_the_model_ends_it():
    omni = ending_at(small(), 200.0)
    scores = [likeliest(omni, *asked(omni), most=64, beams=beams) for beams in (1, 4)]
    assert all(len(path.tokens) < 64 for path in scores)


def test_the_longest_text_and_the_fewest_beams():
    omni = small()
    assert len(likeliest(omni, *asked(omni), most=3, beams=4).tokens) <= 3
    with pytest.raises(ValueError, match="0 beams, expected 1 or more"):
        hear(omni, sound(0.4), beams=0)
