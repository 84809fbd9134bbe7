"""Writing down: what beam search finds, and what it costs to find."""

import numpy as np
import pytest
import torch

from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Message
from model.senses.spell import on, sounding
from model.transcribe import (
    ELSE,
    TRANSCRIBE,
    Path,
    begin,
    clear,
    hear,
    likeliest,
    safest,
    spelled_out,
    texts,
    wrong,
)
from model.turn import answer


def small() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def sound(seconds: float) -> Audio:
    rng = np.random.default_rng(0)
    return Audio(rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32), 16_000)


def asked(omni, views: int = 1, ask: str = TRANSCRIBE) -> Path:
    return begin(omni, sound(0.4), ask, views)


def ending_at(omni, likely: float):
    """The same model, more or less inclined to end."""
    with torch.no_grad():
        omni.thinker.embed.weight[omni.tokenizer.im_end] *= likely
    return omni


@torch.inference_mode()
def log_probability(omni, tokens: tuple[int, ...], ended: bool, views: int) -> float:
    """Of an answer, when the model reads all of it at once; mean of the views."""
    total = 0.0
    for heard in asked(omni, views).heard:
        places = torch.arange(heard.place, heard.place + len(tokens)).expand(3, 1, -1)
        embeds = omni.thinker.embed(torch.tensor([[*tokens]]))
        thought, _ = omni.thinker(embeds, places, heard.past)
        hidden = torch.cat([heard.hidden[None], thought.hidden[0]])
        shares = omni.thinker.logits(hidden).float().log_softmax(-1)
        total += sum(float(shares[i, token]) for i, token in enumerate(tokens))
        total += float(shares[-1, omni.tokenizer.im_end]) if ended else 0.0
    return total / views


@torch.inference_mode()
def by_ear(omni, tokens: tuple[int, ...], ended: bool, views: int) -> float:
    """What the ear says to a text, laid on the sound token by token; mean of the views."""
    total = 0.0
    for heard in asked(omni, views).heard:
        sound, laid = heard.spelled
        for token in tokens:
            if sounding(omni.tokenizer.piece(token)):
                laid = on(sound, laid, token)
        total += laid.whole if ended else laid.score
    return total / views


@pytest.mark.parametrize("ear", [0.0, 0.5])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("beams", [1, 3, 8])
def test_the_score_is_the_probability_of_the_text(beams, views, ear):
    omni = ending_at(small(), 3.0)
    best = likeliest(omni, asked(omni, views), most=5, beams=beams, ear=ear, strange=0.0)
    ended = len(best.tokens) < 5
    assert best.tokens, "something to compare"
    whole = log_probability(omni, best.tokens, ended, views)
    assert best.thought == pytest.approx(whole, abs=1e-3)
    agreed = by_ear(omni, best.tokens, ended, views)
    assert best.score == pytest.approx(whole + ear * agreed, abs=1e-3)


@pytest.mark.parametrize("views", [1, 3])
def test_what_is_clear_is_likelier_than_anything_else(views):
    omni, text = ending_at(small(), 3.0), "Two words."
    tokens = tuple(omni.tokenizer.encode(text))
    best = likeliest(omni, asked(omni, views), most=2 * len(tokens) + 8, beams=4)
    whole = log_probability(omni, tokens, True, views) - ELSE * best.thought
    found = clear(omni, sound(0.4), text, views)
    assert found == pytest.approx(whole / (len(tokens) + 1), abs=1e-4)
    assert clear(omni, sound(0.4), omni.tokenizer.decode(best.tokens), views) > found


def test_words_to_expect_to_be_wrong():
    sure, torn = ((0.0, "He ate."), (-100.0, "She ate.")), ((0.0, "He ate."), (0.0, "She ate."))
    assert wrong("He ate.", sure) == pytest.approx(0.0)
    assert wrong("he ate", torn) == wrong("She ate!", torn) == pytest.approx(0.5)
    assert wrong("They have eaten.", torn) == pytest.approx(3.0)
    assert wrong("", sure) == pytest.approx(2.0)


@torch.inference_mode()
def test_an_ear_that_is_sure_decides():
    """The speller is made to name one token all the time: then that is what was said."""
    omni = small()
    (token,) = omni.tokenizer.encode(" house")
    omni.speller.weight.zero_()
    omni.speller.bias.copy_(30 * omni.thinker.embed.weight[token].repeat(4))
    texts = (" house", " house house", " horse", " the house", " no")
    agreed = [by_ear(omni, tuple(omni.tokenizer.encode(text)), True, views=1) for text in texts]
    assert max(agreed) == agreed[0]


def test_words_that_were_never_read_cost():
    omni, cost = small(), 5.0
    free = likeliest(omni, asked(omni), most=6, ear=0.0, strange=0.0)
    dear = likeliest(omni, asked(omni), most=6, ear=0.0, strange=cost)
    free_text, text = (omni.tokenizer.decode(path.tokens) for path in (free, dear))
    strange = [omni.lexicon.strange(one, ended=len(path.tokens) < 6)
               for one, path in ((free_text, free), (text, dear))]  # fmt: skip
    assert strange[0] > strange[1], "random weights make up words"
    cheap = likeliest(omni, asked(omni), most=6, ear=0.0, strange=1e-3)
    assert cheap.tokens == free.tokens and cheap.score == pytest.approx(free.score - 1e-3, abs=1e-4)
    other = [likeliest(omni, asked(omni, ask="Who was it?"), most=6, ear=0.0, strange=c).tokens
             for c in (0.0, cost)]  # fmt: skip
    assert other[0] == other[1], "another question is answered in any words"


def test_the_ear_is_asked_what_was_said_and_nothing_else():
    omni = small()
    assert all(heard.spelled is None for heard in asked(omni, ask="Who was it?").heard)
    assert begin(omni, sound(61.0), views=1).heard[0].spelled is None, "a minute at most"


@torch.inference_mode()
def test_the_ear_alone_spells():
    """The speller is made to name a token, another, and nothing, in the steps of every state."""
    omni = small()
    table, nothing = omni.thinker.embed.weight, omni.tokenizer.tts_pad
    one, two = (omni.tokenizer.encode(text)[0] for text in (" ou", "a"))
    omni.speller.weight.zero_()
    names = torch.stack([30 * table[token] for token in (one, one, two, nothing)])
    omni.speller.bias.copy_(names.flatten())
    states = omni.ear.tokens(round(0.4 * 16_000))
    assert spelled_out(omni, sound(0.4), views=1) == ("oua" if states == 1 else " ".join(
        ["oua"] * states))  # fmt: skip
    omni.speller.bias.copy_(names[[3, 3, 3, 3]].flatten())
    assert spelled_out(omni, sound(0.4)) == ""
    with pytest.raises(ValueError, match="0 views, expected 1 or more"):
        spelled_out(omni, sound(0.4), views=0)


def test_views_are_the_same_sound_at_other_speeds():
    """A sound that is faster already is heard as the faster view of the slower one."""
    omni, rate = small(), 16_000
    slow = begin(omni, sound(0.8), views=3).heard
    fast = begin(omni, Audio(sound(0.8).samples, round(rate * 1.06)), views=1).heard
    torch.testing.assert_close(slow[2].hidden, fast[0].hidden)
    assert [heard.place for heard in slow] == sorted((h.place for h in slow), reverse=True)


def test_one_beam_is_greedy():
    omni = small()
    said = "".join(chunk.text for chunk in answer(
        omni, [Message.of("user", sound(0.4), TRANSCRIBE)], aloud=False, most=12))  # fmt: skip
    plain = {"beams": 1, "views": 1, "ear": 0.0, "strange": 0.0, "behind": 0.0}
    assert hear(omni, sound(0.4), most=12, **plain) == said.strip()


@torch.inference_mode()
def test_two_tokens_are_the_best_of_all_pairs():
    omni = small()
    start = asked(omni)
    past, hidden, place, _ = start.heard[0]
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
    found = likeliest(omni, start, most=2, beams=40, ear=0.0, strange=0.0)
    assert found.tokens == max(pairs, key=pairs.__getitem__)
    assert found.score == pytest.approx(max(pairs.values()), abs=1e-4)


def test_more_beams_find_a_likelier_text():
    omni = ending_at(small(), 3.0)
    one, many = (likeliest(omni, asked(omni), 6, beams, 0.0, 0.0) for beams in (1, 8))
    assert many.score > one.score


def test_a_text_ends_where_the_model_ends_it():
    omni = ending_at(small(), 200.0)
    scores = [likeliest(omni, asked(omni), most=64, beams=beams) for beams in (1, 4)]
    assert all(len(path.tokens) < 64 for path in scores)


def test_texts_that_ended_are_told_apart_and_in_order():
    omni = ending_at(small(), 30.0)
    few, many = (texts(omni, asked(omni), 8, beams=4, behind=behind) for behind in (0.0, 30.0))
    assert many[0].score >= few[0].score, "who looks further finds no worse"
    assert len({path.tokens for path in many}) == len(many) > len(few)
    scores = [path.score for path in many]
    assert scores == sorted(scores, reverse=True)
    for path in many[:6]:
        whole = log_probability(omni, path.tokens, len(path.tokens) < 8, 1)
        assert path.thought == pytest.approx(whole, abs=1e-3)


def test_the_safest_text_has_the_words_that_most_have():
    likeliest, *others = (
        (0.0, "He ate a bread."),
        (-0.2, "She ate the bread."),
        (-0.4, "She ate the red."),
    )
    assert safest([likeliest]) == likeliest[1]
    assert safest([likeliest, *others]) == "She ate the bread."
    far = [(score - 20, text) for score, text in others]
    assert safest([likeliest, *far]) == likeliest[1]
    assert safest([(0.0, ""), (-9.0, "No.")]) == ""


def test_another_question_is_answered_with_what_is_likeliest():
    omni = ending_at(small(), 3.0)
    found = likeliest(omni, asked(omni, 1, "Who was it?"), most=6)
    said = omni.tokenizer.decode(found.tokens).strip()
    assert hear(omni, sound(0.4), "Who was it?", most=6, views=1) == said


def test_the_longest_text_and_the_fewest_beams():
    omni = small()
    assert len(likeliest(omni, asked(omni), most=3, beams=4).tokens) <= 3
    with pytest.raises(ValueError, match="0 beams, expected 1 or more"):
        hear(omni, sound(0.4), beams=0)
    with pytest.raises(ValueError, match="0 views, expected 1 or more"):
        hear(omni, sound(0.4), views=0)
