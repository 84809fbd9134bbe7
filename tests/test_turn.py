"""The whole turn on nano: order of calls, streaming law, forks, stopping, short answers."""

from itertools import islice

import numpy as np
import pytest
import torch

from model.aria import Aria, FixedRatio, Learned, TextFirst
from model.omni import Omni, OmniConfig
from model.sampling import Sampling
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.turn import (
    Frame,
    State,
    Voice,
    Word,
    answer,
    first,
    imitated,
    render,
    sample,
    say,
    speak,
    think,
)

FRAME = 1920


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def sound(seconds: float = 1.0) -> Audio:
    rng = np.random.default_rng(0)
    return Audio(rng.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32), 16_000)


def written(omni: Omni, text: str, log: list[str] | None = None):
    for token in omni.tokenizer.encode(text):
        if log is not None:
            log.append("word")
        yield Word(token, omni.tokenizer.piece(token).decode())


TEN = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize("lead", [0, 1, 3])
def test_first_chunk_needs_only_the_words_the_pace_asks_for(omni, lead):
    log: list[str] = []
    state = State()
    stream = speak(omni, written(omni, TEN, log), state, Voice(), Aria(lead))
    for chunk in render(omni, stream, state):
        if len(chunk.audio):
            break
    assert len(chunk.audio) == FRAME
    assert log.count("word") == lead + 1  # at 2.6 frames a token, so before training


@pytest.mark.parametrize("pace", [Aria(), Aria(0), FixedRatio(1, 3), TextFirst(), Learned()])
def test_every_word_is_taken_and_the_law_holds_online(omni, pace):
    state = State()
    items = list(speak(omni, written(omni, TEN), state, Voice(), pace, Sampling(1.0)))
    said = "".join(item.text for item in items if isinstance(item, Word))
    assert said == TEN
    (audit,) = state.audits
    assert sum(audit.path) == len(omni.tokenizer.encode(TEN)) + 1  # the end of text counts
    assert len(audit.path) - sum(audit.path) == sum(isinstance(i, Frame) for i in items)


def test_speech_cannot_end_while_words_are_pending(omni):
    end = torch.tensor([omni.config.talker.end])
    hook = omni.talker.head.register_forward_hook(
        lambda _part, _args, out: out.index_fill(-1, end, 100.0)
    )  # the head wants the end above all
    try:
        items = list(speak(omni, written(omni, TEN), State(), Voice(), Aria()))
    finally:
        hook.remove()
    assert "".join(item.text for item in items if isinstance(item, Word)) == TEN
    assert any(isinstance(item, Frame) for item in items), "it spoke, though it wanted to end"


def test_a_one_word_answer_is_spoken(omni):
    chunks = list(say(omni, "Yes", how=Sampling(1.0)))
    assert "".join(chunk.text for chunk in chunks) == "Yes"
    assert chunks[0].text, "text comes before sound"


def test_sentences_are_spoken_one_by_one_and_nothing_is_lost(omni):
    state = State()
    text = "One is one. Pi is 3.14 or so! Is it? Yes"
    chunks = list(say(omni, text, state=state, how=Sampling(1.0)))
    assert "".join(chunk.text for chunk in chunks) == text
    assert len(state.audits) == 4


def test_a_sentence_sounds_the_same_wherever_it_stands(omni):
    parts = ["Not one.", "Two not.", "A cat."]
    whole = np.concatenate([chunk.audio for chunk in say(omni, " ".join(parts))])
    alone = [np.concatenate([chunk.audio for chunk in say(omni, part)]) for part in parts]
    np.testing.assert_array_equal(whole, np.concatenate(alone))


@pytest.mark.parametrize(("text", "bare"), [(" N", "N"), ("N", "N"), (" ", " ")])
def test_a_sentence_begins_without_a_space_if_there_is_such_a_token(omni, text, bare):
    (token,) = omni.tokenizer.encode(text)
    assert omni.tokenizer.piece(first(omni, token)).decode() == bare


def test_text_that_is_empty_is_refused(omni):
    with pytest.raises(ValueError, match="no text"):
        list(say(omni, "  \n "))


def test_same_seed_same_sound(omni):
    def once(seed):
        return np.concatenate([c.audio for c in say(omni, TEN, how=Sampling(1.0), seed=seed)])

    assert np.array_equal(once(1), once(1))
    assert not np.array_equal(once(1)[: 5 * FRAME], once(2)[: 5 * FRAME])


def test_answer_streams_text_and_sound_and_remembers(omni):
    state = State()
    first = list(answer(omni, [Message.of("user", sound(), "What is it?")], state, aloud=False))
    assert "".join(chunk.text for chunk in first) == state.said
    place = state.place
    list(islice(answer(omni, [Message.of("user", "And now?")], state), 5))
    assert state.place > place


def test_long_prompt_in_pieces_equals_the_prompt_at_once(omni, monkeypatch):
    message = [Message.of("user", "word " * 60, sound(3.0), "end")]

    def first_words():
        state = State()
        words = list(islice(think(omni, omni.read(message, Clock()), state), 8))
        return [word.token for word in words], state.middle

    whole, states = first_words()
    monkeypatch.setattr("model.turn.PIECE", 7)
    pieces, parts = first_words()
    assert whole == pieces
    assert torch.allclose(states, parts, atol=2e-4)  # rounding, after layers of random weights


def test_a_fork_goes_on_alone(omni):
    def go_on(state, text):
        chunks = answer(omni, [Message.of("user", text)], state, aloud=False)
        return "".join(chunk.text for chunk in islice(chunks, 20))

    state = State()
    go_on(state, "Hello there")
    left, right = state.fork(), state.fork()
    one = go_on(left, "first way")
    two = go_on(right, "second way, which is longer")
    assert go_on(state.fork(), "first way") == one
    assert go_on(state.fork(), "second way, which is longer") == two


def test_stopping_closes_the_turn_and_keeps_what_was_said(omni):
    state = State()
    stream = answer(omni, [Message.of("user", "Talk")], state)
    taken = [next(stream) for _ in range(4)]
    stream.close()
    assert state.said.startswith("".join(chunk.text for chunk in taken))
    list(islice(answer(omni, [Message.of("user", "Go on")], state), 3))  # history is whole


@pytest.mark.parametrize("samples", [400, 2559, 2560, 2561, 2700, 2719, 2720, 8001])
def test_sound_of_any_length_fits_its_tokens(omni, samples):
    rng = np.random.default_rng(0)
    for rate in (8_000, 16_000, 24_000):
        audio = Audio(rng.normal(0, 0.1, samples).astype(np.float32), rate)
        prompt = omni.read([Message.of("user", audio)], Clock(), 0)
        assert prompt.senses.sum() == omni.listen(audio).shape[0]


def test_voice_codes_change_the_voice(omni):
    codes = torch.randint(0, omni.config.codec.renderer.entries, (12, 8))

    def once(voice):
        return np.concatenate([c.audio for c in say(omni, "Yes it is", voice)])

    assert not np.array_equal(once(Voice()), once(Voice(codes=codes)))


def test_a_voice_is_imitated_from_a_recording(omni):
    voice = imitated(omni, sound(3.0), "fast")
    assert voice.codes.shape == (38, 8) and voice.tempo < 1
    assert len(imitated(omni, sound(14.0)).codes) == 125, "the first 10 seconds"
    named, like = (
        np.concatenate([c.audio for c in say(omni, "hello", v)]) for v in (Voice("fast"), voice)
    )
    assert len(named) != len(like) or not np.array_equal(named, like)


def test_how_loud_a_recording_is_does_not_matter(omni):
    quiet = sample(Audio(sound(3.0).samples * np.float32(0.1), 16_000))
    assert torch.allclose(quiet, sample(sound(3.0)), atol=1e-5)
    click = np.zeros(48_000, np.float32)
    click[100] = 0.5
    assert sample(Audio(click, 24_000)).abs().max() < 1


@pytest.mark.parametrize(
    ("audio", "why"),
    [(lambda: sound(0.5), "0.5 s of a voice, expected 2 to 10 s"),
     (lambda: Audio(np.zeros(72_000, np.float32), 24_000), "silent"),
     (lambda: Audio(np.full(72_000, np.nan, np.float32), 24_000), "NaN")],
)  # fmt: skip
def test_recordings_that_are_no_voice(audio, why):
    with pytest.raises(ValueError, match=why):
        sample(audio())


def test_a_slow_voice_expects_more_frames(omni):
    def expected(name: str) -> float:
        state = State()
        list(say(omni, "one two three", Voice(name), state=state))
        return state.audits[0].expected

    assert expected("heart, slow") > 1.3 * expected("heart") > 1.7 * expected("heart, fast")
