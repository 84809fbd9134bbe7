"""Hands-free without a browser: turns, interruptions, who may send sound, and the model's twin."""

import asyncio
import base64
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from model.omni import Omni, OmniConfig
from model.senses.message import load_audio
from workbench.chat.ear import Ears
from workbench.chat.settings import Settings
from workbench.chat.talk import Talk
from workbench.edits import shuffle_experts

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[app]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of packages in the server
DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, desk = DATA["lab"], DATA["desk"]
SAMPLES = Path(__file__).parents[1] / "datasets/samples"
QUIET = np.zeros(16_000, np.float32)
PIECE = 1280  # 80 ms, as a page sends them


@pytest.fixture
def ears(lab):
    ears = Ears(lab.omni)
    yield ears
    ears.close()


@pytest.fixture(scope="module")
def question():
    return load_audio(SAMPLES / "question.wav", 16_000).samples


def told(ears, ear, sound, talking=False) -> list[str]:
    """Events of a sound that comes in pieces."""
    pieces = np.split(sound, range(PIECE, len(sound), PIECE))
    heard = [ears.hear(ear, piece, talking).result() for piece in pieces]
    assert heard[-1].open is ear.state.open
    return [event for one in heard for event in one.events]


def test_a_turn_is_heard_and_taken_once(ears, question):
    ear = ears.open("silero")
    assert told(ears, ear, np.concatenate([QUIET, question, QUIET])) == ["turn"]
    turn = ear.take()
    assert turn.rate == 16_000 and 2 < turn.seconds < 4 and ear.take() is None


def test_a_voice_interrupts_and_a_short_one_does_not(ears, question):
    ear = ears.open("silero")
    short = np.concatenate([QUIET[:8000], question[12_000:15_000], QUIET])
    assert told(ears, ear, short, talking=True) in ([], ["backchannel"]) and not ear.state.open
    spoken = np.concatenate([QUIET[:8000], question])
    assert told(ears, ear, spoken[:24_000], talking=True) == ["interrupt"] and ear.state.open
    assert told(ears, ear, np.concatenate([spoken[24_000:], QUIET])) == ["turn"]


def test_who_goes_on_when_the_answer_begins_interrupts_it(ears, question):
    ear = ears.open("silero")
    assert told(ears, ear, question[:16_000]) == [] and ear.state.open
    assert told(ears, ear, question[16_000:26_000], talking=True) == ["interrupt"]


def test_the_model_listens_through_a_twin_that_edits_do_not_reach(question):
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    assert list(Ears(omni).detectors) == ["silero"], "an untrained head is not offered"
    torch.nn.init.normal_(omni.thinker.turns.names.weight)
    ears = Ears(omni)
    assert next(iter(ears.detectors)) == "native"
    listener = ears.open("native").listener
    moments, _ = listener.follow(question[:16_000], listener.begin(), False)
    with shuffle_experts().on(omni):
        again, _ = listener.follow(question[:16_000], listener.begin(), False)
    assert np.array_equal(moments[-1].probabilities, again[-1].probabilities)
    twin = dict(ears.omni.named_parameters())
    assert all(twin[name] is weight for name, weight in omni.named_parameters())
    with pytest.raises(ValueError, match="no detector of turns is named 'magic'"):
        ears.open("magic")


# --- the messages of a page -----------------------------------------------------------------------


@pytest.fixture
def room(desk, ears):
    """Two visitors, and what their pages can call."""
    from workbench.chat.page import Visitors, _microphone

    visitors = Visitors(desk, ears)
    one, two = visitors.talks["one"], visitors.talks["two"] = Talk(desk, "one"), Talk(desk, "two")
    calls = {call.__name__: call for call in _microphone(visitors)}
    return one, two, lambda name, said: asyncio.run(calls[name](said))


def pcm(sound) -> str:
    return base64.b64encode((32767 * sound).astype("<i2").tobytes()).decode()


def test_sound_reaches_its_own_conversation_only(room, question):
    one, two, call = room
    assert one.key != two.key and len(one.key) == 32
    for talk in (one, two):
        assert call("listen", {"key": talk.key, "detector": "silero"}) == {"error": ""}
    sound = pcm(np.concatenate([question, QUIET]))
    heard = call("hear", {"key": one.key, "pcm": sound, "talking": False})
    assert heard == {"error": "", "events": ["turn"], "speaking": False}
    assert one.ear.turn is not None and two.ear.turn is None
    *_, shown = one.ask("", [one.ear.take()], Settings(speak=False))
    assert shown["exchanges"][0]["files"][0].startswith("a recording of 2.5")
    assert call("listen", {"key": one.key, "detector": ""}) == {"error": ""} and one.ear is None


def test_an_interruption_ends_the_answer_at_once(room, question):
    one, _, call = room
    call("listen", {"key": one.key, "detector": "silero"})
    answer = one.ask("Hi", [], Settings())
    while not one.exchanges or not one.exchanges[0].answers[0].total:
        next(answer)
    call("hear", {"key": one.key, "pcm": pcm(question), "talking": True})
    *_, shown = answer
    assert shown["exchanges"][0]["answers"][0]["state"] == "stopped"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "load it again"),
        ({"key": "0" * 32}, "load it again"),
        ({}, "hands-free is off"),
        ({"detector": "magic"}, "no detector"),
        ({"detector": "silero", "pcm": 7}, "characters of sound"),
        ({"detector": "silero", "pcm": "A" * (2**20 + 4)}, "characters of sound"),
        ({"detector": "silero", "pcm": "no base64!"}, "base64"),
    ],
)
def test_bad_messages_are_refused_in_a_sentence(room, said, why):
    one, _, call = room
    if isinstance(said, dict):
        said = {"key": one.key, **said}
    error = call("listen", said)["error"] if isinstance(said, dict) else ""
    error = error or call("hear", said)["error"]
    assert why in error and "\n" not in error
    assert call("listen", {"key": one.key, "detector": "silero"})["error"] == ""
    assert call("hear", {"key": one.key, "pcm": ""}) == {
        "error": "", "events": [], "speaking": False
    }  # fmt: skip
