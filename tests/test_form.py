"""What begins as JSON ends as JSON, whatever the model would like to write."""

import json
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.form import Form, choose
from model.omni import Omni, OmniConfig
from model.sampling import Sampling
from model.senses.message import Message
from model.turn import answer

OMNI = Omni(OmniConfig.nano())
MARKS = OMNI.tokenizer
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3)
)


def whole(text: str) -> bool:
    """Is it a JSON object or array and nothing else?"""
    form = Form().after(text.encode())
    return form is not None and not form.free and not form.missing


def is_json(text: str) -> bool:
    def refuse(word: str):
        raise ValueError(word)  # NaN and Infinity are Python's

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(values, st.booleans())
@settings(max_examples=100, deadline=None)
def test_what_is_json_may_be_written(value, plain):
    assert whole(json.dumps([value], ensure_ascii=plain).replace("\x7f", ""))


@given(st.text('{}[]",:0123456789.-+eEtrufalsn\\ ', max_size=12), st.sampled_from("[{"))
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_a_parser(rest, bracket):
    text = bracket + rest
    if "  " not in text:  # one blank in a row: less than JSON allows
        assert whole(text) == is_json(text)


@given(values, st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_missing_is_missed(value, data):
    """A beginning is whole only where nothing is missing, and never needs more than is said."""
    raw = json.dumps([value]).encode()
    cut = data.draw(st.integers(1, len(raw)))
    form = Form().after(raw[:cut])
    assert (form.missing == 0) == (cut == len(raw))
    assert form.missing <= 8 + len(form.open)


@pytest.mark.parametrize("text", ["A dog.", "  yes", "3 [", '"a"', "", "true}"])
def test_any_other_answer_is_free(text):
    forms = list(accumulate(text.encode(), lambda f, b: f.after(bytes([b])), initial=Form()))
    assert all(form.free for form in forms)


@pytest.mark.parametrize("left", [2, 7, 25])
@pytest.mark.parametrize("temperature", [0.0, 3.0])
def test_an_answer_of_chance_is_closed_in_time(left, temperature):
    """Random logits that love brackets and quotes: it is JSON when its tokens are gone."""
    noise = torch.Generator().manual_seed(left)
    for _ in range(3):
        written, form = MARKS.encode("["), Form().after(b"[")
        while len(written) < left:
            logits = 3 * torch.randn(MARKS.vocab_size, generator=noise)
            logits[MARKS.encode('{"') + MARKS.encode(": [1,")] += 9
            how = Sampling(temperature)
            token = choose(logits, form, MARKS, left - len(written), how, noise)
            if token in (MARKS.im_end, MARKS.endoftext):
                break
            form = form.after(MARKS.piece(token))
            written.append(token)
        json.loads(MARKS.decode(written))


def test_a_turn_that_begins_as_json_is_json(monkeypatch):
    """An untrained Thinker that is made to want a bracket first, and then whatever it likes."""
    plain, brace = OMNI.thinker.logits, MARKS.encode("{")[0]
    asked = []

    def logits(hidden):
        asked.append(1)
        out = plain(hidden)
        return out.index_fill(-1, torch.tensor([brace]), 1e9) if len(asked) == 1 else out

    monkeypatch.setattr(OMNI.thinker, "logits", logits)
    chunks = answer(OMNI, [Message.of("user", "Tell me.")], aloud=False, most=30)
    text = "".join(chunk.text for chunk in chunks)
    assert isinstance(json.loads(text), dict) and len(asked) > 1
