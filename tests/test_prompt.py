import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.senses.message import Audio, Image, Message, Text, ToolCall, ToolResult, Video
from model.senses.prompt import Clock, Modality, audio_tokens, plan
from model.senses.tokenizer import Tokenizer

TOKENIZER = Tokenizer(Path(__file__).parents[1] / "model/checkpoints/micro")


def sound(seconds: float, rate: int = 16_000, start: float = 0.0) -> Audio:
    return Audio(np.zeros(max(1, round(seconds * rate)), np.float32), rate, start)


def film(frames: int, period: float, audio: Audio | None = None, size=(64, 96)) -> Video:
    times = np.arange(frames, dtype=np.float32) * np.float32(period)
    return Video(np.zeros((frames, *size, 3), np.uint8), times, audio)


def look(height: int, width: int) -> tuple[int, int]:
    return height // 32, width // 32


def written(p) -> str:
    return b"".join(TOKENIZER.piece(id) for id in p.ids.tolist()).decode()


def lay(*messages, clock=None, **more):
    return plan(messages, TOKENIZER, clock or Clock(), look=look, **more)


def test_the_chat_format():
    p = lay(Message.of("system", "Be brief."), Message.of("user", sound(0.4), "What was said?"))
    assert written(p) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
        "<|audio_start|><|audio_pad|><|audio_pad|><|audio_pad|><|audio_end|>What was said?"
        "<|im_end|>\n<|im_start|>assistant\n"
    )
    assert p.places.tolist() == [list(range(len(p)))] * 3 and p.next == len(p)
    assert not written(lay(Message.of("user", "hi"), answer=False)).endswith("assistant\n")


def test_tools():
    p = lay(
        Message.of("assistant", ToolCall("search", {"query": "größe", "limit": 3})),
        Message.of("tool", ToolResult("search", "nothing <|im_end|>")),
    )
    assert '<tool_call>\n{"name": "search", "arguments": {"query": "größe"' in written(p)
    assert "<|im_start|>user\n<tool_response>\nnothing <|im_end|>\n</tool_response>" in written(p)
    assert (p.ids == TOKENIZER.im_end).sum() == 2  # the one in the content is text


def test_timestamps_in_sound():
    p = lay(Message.of("user", sound(1.0, start=2.0)), clock=Clock(interval=0.5), answer=False)
    pads = "<|audio_pad|>"
    assert written(p) == (
        f"<|im_start|>user\n<|audio_start|><2.0 seconds>{pads * 4}<2.6 seconds>{pads * 3}"
        "<|audio_end|><|im_end|>"
    )
    slots = p.slots(0, Modality.AUDIO)
    assert torch.allclose(p.spans.time[slots, 0], 2 + 0.16 * torch.arange(7))
    with pytest.raises(ValueError, match="at least 0.16 s"):
        Clock(interval=0.1)


def test_picture_places():
    p = lay(Message.of("user", Image(np.zeros((64, 96, 3), np.uint8)), "a"), answer=False)
    slots = p.slots(0, Modality.IMAGE)
    begin = int(slots[0])
    assert len(slots) == 6
    assert p.places[:, slots].T.tolist() == [
        [begin, begin + row, begin + column] for row in range(2) for column in range(3)
    ]
    assert p.places[:, slots[-1] + 1].tolist() == [begin + 3] * 3  # the largest place plus one
    with pytest.raises(ValueError, match="Vision.grid"):
        plan([Message.of("user", Image(np.zeros((64, 96, 3), np.uint8)))], TOKENIZER)


def test_video_follows_the_clock():
    p = lay(Message.of("user", film(4, 1.0)), answer=False)
    pads = "<|vision_start|>" + "<|video_pad|>" * 6 + "<|vision_end|>"
    body = f"<0.5 seconds>{pads}<2.5 seconds>{pads}"
    assert written(p) == f"<|im_start|>user\n{body}<|im_end|>"
    slots = p.slots(0, Modality.VIDEO).view(2, 6)
    text = len(TOKENIZER.encode("<2.5 seconds>")) + 2
    assert (p.places[0, slots[1]] - p.places[0, slots[0]]).tolist() == [12 + text] * 6  # 2 s
    compact = lay(Message.of("user", film(4, 1.0)), clock=Clock(compact=True), answer=False)
    slots = compact.slots(0, Modality.VIDEO).view(2, 6)
    assert (compact.places[0, slots[1]] - compact.places[0, slots[0]]).tolist() == [3 + text] * 6
    assert compact.ids.equal(p.ids)


def test_sound_and_pictures_interleave_by_time():
    """Frames at 0.1 s and so on: patches at 0.05, 0.25, 0.45 s are ticks 0, 1, 2, each before
    the audio token of its tick."""
    p = lay(Message.of("user", film(6, 0.1, sound(0.8))), answer=False)
    kinds = p.spans.modality
    order = "".join("av"[k == Modality.VIDEO] for k in kinds.tolist() if k in (1, 3))
    assert order == "vvvvvva" * 3 + "aa"
    assert written(p).count("<|audio_start|>") == written(p).count("<|audio_end|>") == 3
    media = (kinds == Modality.AUDIO) | (kinds == Modality.VIDEO)
    late = film(2, 1.0, sound(0.3, start=5.0))  # the sound begins long after
    p = lay(Message.of("user", late), answer=False)
    media = p.slots(0, Modality.VIDEO)[-1], p.slots(0, Modality.AUDIO)[0]
    assert p.places[0, media[1]] - p.places[0, media[0]] == 28 + 2  # 4.5 s, two marks between


def test_the_sound_of_a_film_has_timestamps_too():
    p = lay(Message.of("user", film(2, 1.0, sound(0.8))), clock=Clock(0.4), answer=False)
    text = re.sub(r"((<.(audio|video)_pad.>))+", lambda m: m[0][2], written(p))
    assert text == (
        "<|im_start|>user\n<|audio_start|><0.0 seconds>a<|audio_end|><0.5 seconds><|vision_start|>v"
        "<|vision_end|><|audio_start|><0.5 seconds>a<|audio_end|><|im_end|>"
    )


part = st.one_of(
    st.text(max_size=20).map(Text),
    st.builds(sound, st.floats(0.001, 3), st.sampled_from([8000, 16_000, 24_000])),
    st.builds(
        lambda h, w: Image(np.zeros((32 * h, 32 * w, 3), np.uint8)),
        st.integers(1, 3),
        st.integers(1, 4),
    ),
    st.builds(
        film,
        st.integers(1, 5),
        st.floats(0.05, 3),
        st.none() | st.builds(sound, st.floats(0.1, 2), start=st.floats(0, 2)),
    ),
    st.builds(ToolCall, st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.integers())),
)
message = st.builds(
    lambda role, parts: Message(role, tuple(parts)),
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.lists(part, max_size=3),
)
clock = st.builds(Clock, st.none() | st.floats(0.16, 4), st.booleans())


@settings(deadline=None, max_examples=60)
@given(st.lists(message, max_size=4), clock)
def test_laws_of_every_plan(messages, clock):
    p = lay(*messages, clock=clock)
    total = len(p)
    spans = p.spans
    assert spans.modality.shape == spans.part.shape == (total,) and spans.time.shape == (total, 2)
    assert p.places.shape == (3, total) and p.ids.shape == (total,)
    # places: time never runs back, nothing shares a place, what follows is above everything
    assert (p.places[0].diff() >= 0).all()
    assert len({tuple(place) for place in p.places.T.tolist()}) == total
    assert p.next == 1 + int(p.places.max())
    # pads: as many as the encoders return, and no other token is one
    pads = {
        TOKENIZER.audio_pad: Modality.AUDIO,
        TOKENIZER.image_pad: Modality.IMAGE,
        TOKENIZER.video_pad: Modality.VIDEO,
    }
    for id, modality in pads.items():
        assert ((p.ids == id) == (spans.modality == modality)).all()
    for i, piece in enumerate(p.parts):
        if isinstance(piece, Audio | Video):
            audio = piece if isinstance(piece, Audio) else piece.audio
            count = audio_tokens(len(audio.at(16_000).samples)) if audio else 0
            assert len(p.slots(i, Modality.AUDIO)) == count
        if isinstance(piece, Video):
            pairs = (len(piece.frames) + 1) // 2
            assert len(p.slots(i, Modality.VIDEO)) == 6 * pairs
            told = len(spans.time[p.slots(i, Modality.TIMESTAMP), 0].unique())
            assert told == pairs or (told >= pairs and count and clock.interval)
        if isinstance(piece, Image):
            height, width = look(*piece.pixels.shape[:2])
            assert len(p.slots(i, Modality.IMAGE)) == height * width
    # spans: markers and roles belong to no part, media and timestamps have a time
    assert ((spans.part == -1) == (spans.modality == Modality.CONTROL)).all()
    timed = torch.isin(spans.modality, torch.tensor([1, 3, 4], dtype=torch.uint8))
    assert (timed == ~spans.time.isnan().any(1)).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(message, min_size=1, max_size=4), st.data(), clock)
def test_a_chat_turn_by_turn_is_the_chat_at_once(messages, data, clock):
    cut = data.draw(st.integers(1, len(messages)))
    reply = data.draw(st.text(max_size=10))
    first = lay(*messages[:cut], clock=clock)
    at_once = lay(*messages[:cut], Message.of("assistant", reply), *messages[cut:], clock=clock)
    said = [*TOKENIZER.encode(reply), TOKENIZER.im_end]  # what the model generates
    rest = lay(*messages[cut:], clock=clock, start=first.next + len(said))
    assert [*first.ids.tolist(), *said, *rest.ids.tolist()] == at_once.ids.tolist()
    places = first.next + torch.arange(len(said)).expand(3, -1)
    assert torch.cat([first.places, places, rest.places], 1).equal(at_once.places)
    assert rest.next == at_once.next


def test_plans_join():
    one, two = Message.of("user", "hi", sound(0.3)), Message.of("user", sound(0.2), "there")
    first = lay(one, answer=False)
    joined = first.then(lay(two, start=first.next))
    whole = lay(one, two)
    assert joined.ids.equal(whole.ids) and joined.places.equal(whole.places)
    assert joined.spans.part.equal(whole.spans.part) and joined.parts == whole.parts
