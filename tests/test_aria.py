"""ARIA: every path that is trained on keeps the law, and every pace that speaks comes to an end."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.aria import (
    Aria,
    Audit,
    FixedRatio,
    Learned,
    Pace,
    Standing,
    TextFirst,
    ahead,
    chunked,
    draw,
    lawful,
    pace,
    text_first,
)

SMALL = list(product(range(1, 9), range(9)))  # all (T, S) up to 8
PACES = [Aria(), Aria(0), Aria(1), Aria(9), FixedRatio(1, 3), FixedRatio(4, 1), TextFirst(),
         Learned(), Learned(1)]  # fmt: skip
unhurried = settings(max_examples=50, deadline=None)
items = st.tuples(st.integers(1, 60), st.integers(0, 300))


def paths(text: int, speech: int):
    """Every interleaving of so many tokens and frames."""
    for places in combinations(range(text + speech), text):
        yield tuple(i in places for i in range(text + speech))


def plainly_lawful(path) -> bool:
    """The law as the report words it, in fractions: cumulative ratio <= global ratio."""
    text, speech = sum(path), len(path) - sum(path)
    for end in range(1, len(path) + 1):
        heard, spoken = sum(path[:end]), end - sum(path[:end])
        if heard == 0:
            return False  # the first element must be text: the ratio would be infinite
        if spoken / heard > speech / text + 1e-9:
            return False
    return True


def totals(path) -> tuple[int, int]:
    return sum(path), len(path) - sum(path)


# --- paths ----------------------------------------------------------------------------------------


def test_the_law_on_all_small_paths():
    counts = {}
    for text, speech in SMALL:
        if text + speech > 13:  # 1,287 paths each at most
            continue
        verdicts = [lawful(path) for path in paths(text, speech)]
        assert verdicts == [plainly_lawful(path) for path in paths(text, speech)]
        counts[text, speech] = sum(verdicts)
    for n in range(
        1, 7
    ):  # with as many frames as tokens they are the ballot paths: Catalan numbers
        assert counts[n, n] == [1, 2, 5, 14, 42, 132][n - 1]


@pytest.mark.parametrize(("text", "speech"), SMALL)
def test_made_paths_are_lawful_and_whole(text, speech):
    made = [ahead(text, speech, lead) for lead in range(10)]
    made += [chunked(text, speech, w, f) for w in range(1, 10) for f in range(1, 10)]
    made += [text_first(text, speech)]
    rng = np.random.default_rng(0)
    made += [draw(text, speech, rng) for _ in range(30)]
    for path in made:
        assert totals(path) == (text, speech)
        assert lawful(path)


@unhurried
@given(items, st.integers(0, 10), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_made_paths_are_lawful_at_any_size(item, lead, words, frames, seed):
    text, speech = item
    drawn = draw(text, speech, np.random.default_rng(seed))
    for path in (ahead(text, speech, lead), chunked(text, speech, words, frames), drawn):
        assert totals(path) == item
        assert lawful(path)
        assert path[0], "speech before any text"
        assert not speech or not path[-1], "text after the last frame"


@unhurried
@given(items)
def test_the_tightest_path_speaks_as_soon_as_it_may(item):
    """One frame more at any moment would break the law."""
    text, speech = item
    path = ahead(text, speech)
    for i, is_text in enumerate(path):
        if is_text and i and totals(path[:i])[1] < speech:
            assert not lawful((*path[:i], False), text, speech)


@unhurried
@given(items, st.integers(0, 10))
def test_a_lead_waits_for_that_many_tokens(item, lead):
    text, speech = item
    heard = spoken = 0
    for is_text in ahead(text, speech, lead):
        heard, spoken = heard + is_text, spoken + (not is_text)
        if heard < text:
            assert spoken * text <= max(0, heard - lead) * speech


def test_drawing_shows_every_kind_of_path():
    rng = np.random.default_rng(1)
    drawn = {draw(10, 30, rng) for _ in range(200)}
    assert text_first(10, 30) in drawn
    assert {ahead(10, 30, lead) for lead in range(1, 6)} <= drawn
    assert len(drawn) > 8
    same = [draw(10, 30, np.random.default_rng(7)) for _ in range(2)]
    assert same[0] == same[1]


def test_one_word_and_no_frames():
    assert ahead(1, 4) == (True, False, False, False, False)
    assert ahead(3, 0) == (True, True, True)
    assert lawful(()) and lawful((True,)) and not lawful((False, True))


@pytest.mark.parametrize(("text", "speech"), [(0, 3), (-1, 0), (2, -1)])
def test_impossible_items(text, speech):
    for make in (ahead, text_first, lambda t, s: chunked(t, s, 1, 1)):
        with pytest.raises(ValueError, match="at least 1 text token"):
            make(text, speech)


# --- paces ----------------------------------------------------------------------------------------


def spoken_by(chosen: Pace, rates: list[float], wish=lambda heard, spoken: False):
    """What a Talker does at this pace: words come one by one, the speech ends after what they
    are worth. Returns the path and, for every frame, where the stream stood."""
    path, stood = [], []
    heard = spoken = 0
    expected = 0.0
    for _ in range(10 * (len(rates) + int(sum(rates)) + 1)):
        now = Standing(heard, spoken, expected, wish(heard, spoken))
        if heard < len(rates) and chosen.wants_word(now):
            expected, heard = expected + rates[heard], heard + 1
            path.append(True)
        elif heard == len(rates) and spoken >= int(sum(rates)):
            return tuple(path), stood
        else:
            stood.append(now)
            spoken += 1
            path.append(False)
    raise AssertionError(f"{chosen} does not come to an end")


rates = st.lists(st.floats(0.2, 9.0), min_size=1, max_size=40)


@pytest.mark.parametrize("chosen", PACES, ids=str)
@unhurried
@given(rates=rates, seed=st.integers(0, 99))
def test_every_pace_comes_to_an_end_and_hears_every_word(chosen, rates, seed):
    rng = np.random.default_rng(seed)
    path, _ = spoken_by(chosen, rates, lambda heard, spoken: bool(rng.integers(2)))
    assert sum(path) == len(rates)
    assert path[0], "spoke before hearing anything"
    assert isinstance(chosen, Pace)


@unhurried
@given(rates=rates, lead=st.integers(0, 6))
def test_aria_keeps_the_law_online(rates, lead):
    """While words may still come, speech never exceeds what `heard - lead` words are worth."""
    _, stood = spoken_by(Aria(lead), rates)
    for now in stood:
        if now.heard < len(rates):
            assert (now.spoken + 1) * now.heard <= (now.heard - lead) * now.expected + 1e-6


@unhurried
@given(rate=st.integers(1, 9), text=st.integers(1, 30), lead=st.integers(0, 4))
def test_with_a_true_steady_rate_the_path_is_lawful_offline(rate, text, lead):
    path, _ = spoken_by(Aria(lead), [float(rate)] * text)
    assert lawful(path)
    assert path == ahead(text, rate * text, lead)


@unhurried
@given(rates=rates, most=st.integers(1, 10))
def test_learned_stays_inside_the_bound_and_within_reach(rates, most):
    """A greedy wish takes words early, but never runs more than `most` tokens ahead."""
    path, stood = spoken_by(Learned(most), rates, lambda heard, spoken: True)
    for now in stood:
        if now.heard < len(rates):
            assert now.spoken + 1 <= now.expected + 1e-6, "spoke ahead of the words heard"
    heard = spoken = 0
    for is_text in path:
        worth = sum(rates[:heard])
        if is_text and heard > most:  # it was still allowed to take one
            assert (spoken + 1) * heard > (heard - most) * worth or spoken + 1 > worth
        heard, spoken = heard + is_text, spoken + (not is_text)
    patient, _ = spoken_by(Learned(most), rates)
    assert spoken_by(Aria(0), rates)[0] == patient, "without a wish it is Aria(0)"


def test_a_wish_is_granted():
    """Ahead of its estimate by less than `most`, the Talker gets the word it asks for."""
    now = Standing(heard=5, spoken=0, expected=13.0, wish=True)
    assert Learned(8).wants_word(now)
    assert not Learned(8).wants_word(Standing(5, 0, 13.0, wish=False))
    assert not Learned(2).wants_word(now)


def test_fixed_ratio_is_words_then_frames():
    path, _ = spoken_by(FixedRatio(2, 3), [1.5] * 6)
    assert path == (True, True, False, False, False) * 3
    path, _ = spoken_by(FixedRatio(2, 3), [1.0] * 5)  # the words run out in the middle of a round
    assert path[:5] == (True, True, False, False, False)
    assert sum(path) == 5


def test_text_first_hears_everything():
    path, _ = spoken_by(TextFirst(), [2.0] * 4)
    assert path == text_first(4, 8)


@pytest.mark.parametrize("chosen", PACES, ids=str)
def test_a_one_word_item_speaks_at_once(chosen):
    path, _ = spoken_by(chosen, [5.0])
    assert path == (True, False, False, False, False, False)


def test_specs():
    assert pace("aria") == Aria(3)
    assert pace("aria:2") == Aria(2)
    assert pace("fixed:1:3") == FixedRatio(1, 3)
    assert pace("text-first") == TextFirst()
    assert pace("learned") == Learned()
    wrong = ["", "fast", "fixed", "fixed:1", "fixed:0:3", "fixed:1:x", "aria:1:2", "text-first:1"]
    for spec in wrong:
        with pytest.raises(ValueError, match="unknown pace"):
            pace(spec)


def test_an_audit_tells():
    assert Audit(ahead(3, 7), 7.2, ended=True).lawful
    assert not Audit((True, False, False, True), 2.0, ended=True).lawful
