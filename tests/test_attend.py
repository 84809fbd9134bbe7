"""Listening: cut anywhere it is the same, hours cost no memory, and the rules do what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attend import (
    BACKCHANNEL,
    DONE,
    IDLE,
    INTERRUPT,
    LONGEST,
    SPEAKING,
    TOKEN,
    WINDOW,
    Floor,
    Moment,
    Native,
    Silero,
)
from model.omni import Omni, OmniConfig
from model.senses.message import load_audio
from model.thinker import TURNS

SECONDS = 10.0  # more than a window


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """A token of nano is too little work for two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def nano() -> Omni:
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    torch.nn.init.normal_(omni.thinker.turns.names.weight)
    torch.nn.init.zeros_(omni.thinker.turns.names.bias)
    return omni


@pytest.fixture(scope="module")
def native():
    return Native(nano(), over=0.45, barge=0.3, opens=0.3)


@pytest.fixture(scope="module")
def silero():
    return Silero()


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.3, 50), round(SECONDS * 16_000 / 50))
    return (loud * rng.normal(size=len(loud))).astype(np.float32)


@pytest.fixture(scope="module")
def question() -> np.ndarray:
    spoken = load_audio("datasets/samples/question.wav").samples
    return np.concatenate([np.zeros(16_000), spoken, np.zeros(24_000)]).astype(np.float32)


def streamed(listener, samples, cuts, talking=lambda at: False):
    """Events, moments and the state at the end; the rule is asked as `hear` asks it."""
    state, events, moments, before = listener.begin(), [], [], 0
    for cut in [*sorted(cuts), len(samples)]:
        some, state = listener.follow(samples[before:cut], state, talking(cut))
        for moment in some:
            event, floor = listener.judge(moment, state.floor)
            state = state._replace(floor=floor)
            events += [event] if event else []
        moments += some
        before = cut
    return events, moments, state


def alike(one, other) -> bool:
    return len(one) == len(other) and all(
        a.kind == b.kind
        and a.time == b.time
        and (a.audio is None or np.array_equal(a.audio.samples, b.audio.samples))
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def whole(native, sound):
    return streamed(native, sound, [])


@pytest.mark.parametrize("seed", range(2))
def test_cut_anywhere_is_the_whole(native, sound, whole, seed):
    cuts = np.random.default_rng(seed).integers(0, len(sound), 2 + 6 * seed).tolist()
    at_once, moments, _ = whole
    events, pieces, state = streamed(native, sound, cuts)
    assert len(moments) == len(pieces) == len(sound) // TOKEN and alike(at_once, events)
    for a, b in zip(moments, pieces, strict=True):
        assert a.time == b.time and np.allclose(a.probabilities, b.probabilities, atol=1e-5)
        assert a.state in TURNS and a.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert len(state.samples) < TOKEN


@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, 80_000), max_size=8))
def test_so_is_the_baseline(silero, question, cuts):
    assert alike(*(streamed(silero, question, c)[0] for c in ([], cuts)))


def test_a_state_is_a_value(native, sound):
    _, state = native.hear(sound[:40_000], native.begin(), False)
    one = native.hear(sound[40_000:], state, False)
    native.hear(sound[:90_000], state, True)  # another future of the same moment
    again = native.hear(sound[40_000:], state, False)
    assert alike(one[0], again[0])
    assert torch.equal(one[1].past.head, again[1].past.head)


def test_hours_cost_no_memory(native, sound):
    lengths, state = [], native.begin()
    for i in range(4):
        _, state = native.hear(sound, state, i % 2 == 0)
        lengths.append(state.past.thinker.length)
        assert state.past.tokens <= WINDOW and state.past.frames.shape[2] < 32
        assert sum(map(len, state.floor.sound)) <= 16_000 * LONGEST + TOKEN
    assert max(lengths) <= WINDOW + 8 and state.heard == 4 * len(sound) // TOKEN * TOKEN


def test_a_turn_that_never_ends_is_cut(native):
    state, events = native.begin(), []
    floor = state.floor
    for i in range(round(LONGEST / 0.16) + 20):
        event, floor = native.judge(moment(i, SPEAKING), floor)
        events += [event] if event else []
    assert [event.kind for event in events] == ["turn"]
    assert events[0].audio.seconds == pytest.approx(LONGEST, abs=0.2)


def moment(number: int, *likely: int, talking: bool = False) -> Moment:
    chance = np.full(5, 0.02, np.float32)
    chance[list(likely)] = 0.92 / len(likely)
    sound = np.full(TOKEN, number / 100, np.float32)
    return Moment((number + 1) * 0.16, TURNS[likely[0]], chance, sound, talking)


def judged(native, states, talking):
    floor, events = native.begin().floor, []
    for i, state in enumerate(states):
        event, floor = native.judge(moment(i, state, talking=talking), floor)
        events += [event] if event else []
    return events, floor


def test_a_turn_is_handed_over_with_its_beginning(native):
    events, floor = judged(native, [IDLE] * 10 + [SPEAKING] * 5 + [DONE] * 3, False)
    (turn,) = events
    assert turn.kind == "turn" and turn.time == pytest.approx(16 * 0.16) and not floor.open
    assert turn.audio.start == pytest.approx(8 * 0.16)  # 0.48 s from the first voice on back
    assert turn.audio.samples[0] == np.float32(0.08) and len(turn.audio.samples) == 8 * TOKEN


def test_mm_hm_is_no_interruption_and_wait_is_one(native):
    murmur = [IDLE] * 4 + [BACKCHANNEL] * 3 + [IDLE] * 3
    assert [event.kind for event in judged(native, murmur, True)[0]] == ["backchannel"]
    wait = [IDLE] * 4 + [INTERRUPT] * 2 + [SPEAKING] * 3 + [DONE] * 2
    assert [event.kind for event in judged(native, wait, True)[0]] == ["interrupt", "turn"]


def test_the_baseline_hears_a_question(silero, question):
    (turn,), state = silero.hear(question, silero.begin(), False)
    assert turn.kind == "turn" and 3.3 < turn.time < 4.3 and not state.open
    assert turn.audio.start < 1.1 and turn.audio.rate == 16_000
    events, _, _ = streamed(silero, question, [], talking=lambda at: True)
    assert [event.kind for event in events] == ["interrupt", "turn"]
    murmur = np.concatenate([question[:20_000], np.zeros(16_000, np.float32)])  # 0.25 s of voice
    events, _, _ = streamed(silero, murmur, [], talking=lambda at: True)
    assert [event.kind for event in events] == ["backchannel"]
    cough = np.concatenate([question[:19_000], np.zeros(16_000, np.float32)])
    events, moments, state = streamed(silero, cough, [])
    assert events == [] and not state.open
    assert "speaking" in [moment.state for moment in moments], "it was noticed"


def test_what_is_no_sound_is_refused(native, silero):
    for listener in (native, silero):
        begin = listener.begin()
        assert listener.hear(np.zeros(0, np.float32), begin, False)[0] == ()
        for bad, told in (
            (np.zeros((100, 2), np.float32), "one axis"),
            (np.zeros(100, np.int16), "float32"),
            (np.full(100, np.nan, np.float32), "NaN"),
        ):
            with pytest.raises(ValueError, match=told):
                listener.hear(bad, begin, False)
        with pytest.raises(ValueError, match="48000 Hz"):
            listener.hear(np.zeros(100, np.float32), begin, False, rate=48_000)


def test_a_head_without_training_is_refused():
    with pytest.raises(ValueError, match="omni train turns"):
        Native(Omni(OmniConfig.nano()))


@pytest.mark.parametrize(
    ("shares", "when"),
    [
        ([0.9], None),  # one moment is no interruption
        ([0.9, 0.9], 2),
        ([0.9, 0.0, 0.9], None),  # what comes between speaks against it
        ([0.7] * 5, 4),  # the less sure, the later
        ([0.5] * 40, None),  # as likely as not
    ],
)
def test_an_interruption_adds_up(native, shares, when):
    listener, floor, found = Native(native.omni, barge=1.5), Floor(), []
    for i, share in enumerate(shares):
        probabilities = np.array([0.0, 0.0, 1 - share, share, 0.0], np.float32)
        moment = Moment(0.16 * (i + 1), "", probabilities, np.zeros(TOKEN, np.float32), True)
        event, floor = listener.judge(moment, floor)
        found += [i + 1] if event and event.kind == "interrupt" else []
    assert found[:1] == ([when] if when else [])
