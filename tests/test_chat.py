"""The chat without a browser: order of the stream, Stop, what was heard, the line, files."""

import base64
import io
import json
import threading
import time

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Pillow

import workbench as wb
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Image
from workbench.chat.desk import LONGEST_LINE, Ask, Desk
from workbench.chat.files import received, told, write
from workbench.chat.settings import CHANGES, Settings
from workbench.chat.talk import KEPT, WINDOW, Answer, Talk, _unspoken

HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>${hacked}{{hacked}}\u202e"


@pytest.fixture(scope="module")
def lab():
    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))


@pytest.fixture
def desk(lab):
    desk = Desk(lab)
    yield desk
    desk.close()


@pytest.fixture
def short(monkeypatch):
    """Answers of three tokens."""
    monkeypatch.setattr("workbench.chat.settings.MOST", 3)


def last(shown: dict) -> dict:
    return shown["exchanges"][-1]["answers"][-1]


def wav(seconds: float = 0.5) -> bytes:
    out = io.BytesIO()
    wave = 0.3 * np.sin(np.arange(round(seconds * 8000)) / 5)
    soundfile.write(out, wave, 8000, format="WAV")
    return out.getvalue()


# --- the stream -----------------------------------------------------------------------------------


def test_text_comes_before_its_sound_and_sound_is_whole(desk, short):
    told, frames = [], {}
    for shown in Talk(desk, "a").ask("Hi", [], Settings()):
        json.dumps(shown, allow_nan=False)
        told.append((shown["version"], last(shown)["text"], last(shown)["frames"]))
        if shown["sound"]:
            assert len(shown["sound"]["frames"]) <= WINDOW
            frames |= shown["sound"]["frames"]
    versions, texts, counts = zip(*told, strict=True)
    assert list(versions) == sorted(set(versions))
    assert texts[counts.index(0)] == "" and any(t and not n for _, t, n in told)
    answer = last(shown)
    assert answer["state"] == "done" and answer["words"] == 3 and answer["factor"] > 0
    assert [int(number) for number in frames] == list(range(answer["frames"]))
    pulses = np.frombuffer(base64.b64decode("".join(frames.values())), "<i2") / 32768
    run = desk.lab.run("Hi", most=3)
    assert len(pulses) == len(run.audio) == round(24_000 * answer["seconds"], -1)
    assert np.abs(pulses - np.clip(run.audio, -1, 1)).max() < 2e-4


def test_a_question_of_all_kinds_and_a_wrong_one(desk, short, tmp_path):
    sound, picture = tmp_path / "<b>.png", tmp_path / "etc.wav"
    sound.write_bytes(wav())
    Pillow.new("RGB", (40, 30)).save(picture, "png")
    talk = Talk(desk, "a")
    *_, shown = talk.ask(HOSTILE, [sound, picture], Settings(speak=False))
    exchange = shown["exchanges"][0]
    assert exchange["files"] == ["a picture of 40 \u00d7 30 pixels", "a recording of 0.5 s"]
    assert exchange["text"] == HOSTILE.strip() and last(shown)["frames"] == 0
    for text, files, why in (
        ("", [], "no question yet"),
        ("a" * 2001, [], "2001 characters"),
        ("Hi", [__file__], "neither a recording"),
        ("Hi", [sound] * 5, "4 are the most"),
    ):
        (shown,) = talk.ask(text, files, Settings())
        assert why in shown["exchanges"][-1]["error"] and not shown["exchanges"][-1]["answers"]


def test_two_answers_side_by_side_differ_by_one_change(desk, short):
    talk = Talk(desk, "a")
    *_, shown = talk.ask("Hi", [], Settings(beside="experts shuffled", pace="text-first"))
    one, two = shown["exchanges"][0]["answers"]
    assert (one["name"], two["name"], two["change"]) == ("A", "B", "experts shuffled")
    assert one["state"] == two["state"] == "done" and one["text"] != two["text"]
    assert desk.lab.edits == () and desk.lab.run("Hi", most=3).text == one["text"]


def test_every_change_can_be_made_of_a_recording(desk, short):
    heard = Audio(np.sin(np.arange(32_000) / 9).astype(np.float32), 16_000)
    for name in CHANGES:
        *_, shown = Talk(desk, "a").ask("Hi", [heard], Settings(speak=False, beside=name))
        assert not last(shown)["error"], name


def test_words_without_speech_are_whole_words():
    text = ["Y", "es", ",", " I", " he", "ar", " \u2014", "."]
    ends = np.cumsum([len(piece) for piece in text]).tolist()
    answer = Answer("", CHANGES["as it is"], text="".join(text), ends=ends)
    said = [False, False, True, True, False, True, False, False]
    assert _unspoken(answer, said) == 1  # "Yes"; its comma has no letters
    assert _unspoken(answer, [False] * 8) == 3


# --- interrupted ----------------------------------------------------------------------------------


def test_stop_ends_the_answer_and_only_what_was_heard_is_remembered(desk):
    talk = Talk(desk, "a")
    for shown in talk.ask("Hi", [], Settings()):
        if last(shown)["frames"] >= 8:
            talk.stop()
    answer = last(shown)
    assert answer["state"] == "stopped" and 8 <= answer["frames"] < 24 and not desk.lab.edits
    talk.heard(answer["id"], 0.3, True, {"first_text": 0.1})
    answer = last(talk.shown())
    assert answer["text"].startswith(answer["heard"]) and len(answer["heard"]) < len(answer["text"])
    _, said = talk.history()
    assert "".join(part.text for part in said.parts) == answer["heard"]
    assert f"Heard of it (0.30 s): {answer['heard']}" in talk.transcript(answer["id"])
    talk.heard(answer["id"], 1e9, True, {})
    assert talk.answer(answer["id"]).heard == pytest.approx(answer["seconds"], abs=0.01)


def test_a_new_question_interrupts_the_answer(desk):
    talk = Talk(desk, "a")
    first = talk.ask("Hi", [], Settings(beside="text only"))
    while not last(next(first))["text"] and talk.exchanges[0].answers[0].total < 1:
        pass
    *_, shown = talk.ask("You", [], Settings(speak=False))
    assert last(shown)["state"] == "done"
    for _ in first:
        pass
    assert [a.state for a in talk.exchanges[0].answers] == ["stopped", "stopped"]


def test_leaving_the_stream_frees_the_model(desk):
    stream = Talk(desk, "a").ask("Hi", [], Settings())
    while desk.running is None:
        next(stream)
    stream.close()
    end = time.monotonic() + 2
    while desk.running is not None:
        assert time.monotonic() < end
        time.sleep(0.01)


# --- several at once ------------------------------------------------------------------------------


def test_the_line_is_fair_and_tells_its_places(desk):
    first = desk.put(Ask({"text": "Hi", "most": 40}), "a")
    while desk.running is None:
        time.sleep(0.01)
    greedy = [desk.put(Ask({"text": "Hi", "most": 1, "speak": False}), "b") for _ in range(3)]
    late = desk.put(Ask({"text": "Hi", "most": 1, "speak": False}), "c")
    assert [turn.place for turn in (*greedy, late)] == [1, 3, 4, 2]
    for _ in range(LONGEST_LINE - 4):
        desk.put(Ask({"text": "Hi"}), "d")
    with pytest.raises(ValueError, match="waiting already"):
        desk.put(Ask({"text": "Hi"}), "e")
    assert next(late.follow()) == 2  # and left: it is out of the line
    assert late.state == "stopped"
    desk.stop(first)
    *_, chunk = greedy[0].follow()
    assert chunk.text and greedy[0].state == "done"


def test_conversations_are_separate_and_bounded(desk, short):
    talks = [Talk(desk, name) for name in "abcdefgh"]
    shown = {}

    def ask(talk):
        *_, shown[talk.owner] = talk.ask(f"I am {talk.owner}", [], Settings(speak=False))

    threads = [threading.Thread(target=ask, args=[talk]) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, one in shown.items():
        (exchange,) = one["exchanges"]
        assert exchange["text"] == f"I am {name}" and last(one)["state"] == "done"
    with pytest.raises(ValueError, match="no answer like that"):
        talks[0].answer(last(shown["b"])["id"])
    for _ in range(KEPT + 2):
        *_, one = talks[0].ask("", [], Settings())
    assert len(one["exchanges"]) == KEPT


# --- settings and files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"voice": "nobody"}, "no voice is named"),
        ({"pace": "fast"}, "unknown pace"),
        ({"temperature": float("nan")}, "0 to 2"),
        ({"seed": -1}, "a whole number"),
        ({"seed": 1.5}, "a whole number"),
        ({"system": "a" * 2001}, "2001 characters"),
        ({"change": HOSTILE}, "no change"),
        ({"beside": "?"}, "no change"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(given, told):
    with pytest.raises(ValueError, match=told) as error:
        Settings(**given)
    assert "\n" not in str(error.value)


def test_uploads_are_what_their_bytes_are(tmp_path):
    path = tmp_path / "..%2f..%2fpasswd.png"
    path.write_bytes(wav())
    (heard,) = received([path])
    assert isinstance(heard, Audio) and told(heard) == "a recording of 0.5 s"
    Pillow.new("RGB", (40, 30)).save(path, "png")
    (seen,) = received([path])
    assert isinstance(seen, Image)
    with path.open("r+b") as file:
        file.truncate(30_000_000)
    with pytest.raises(ValueError, match="30.0 MB, 20 MB are the most") as error:
        received([path])
    assert "passwd" not in str(error.value)


def test_an_answer_is_recorded_again_word_for_word_and_kept(desk, short, tmp_path):
    talk = Talk(desk, "a")
    *_, shown = talk.ask("Hi", [], Settings(change="one expert a token"))
    answer = last(shown)
    turn = talk.record(answer["id"])
    for _ in turn.follow():
        pass
    run = turn.run
    assert run.text == answer["text"] and len(run.codes) == answer["frames"]
    assert len(list(run.view)) == 4 and len(run.edits) == 1
    files = write(run, talk.transcript(answer["id"]), tmp_path)
    assert [file.rpartition(".")[2] for file in files] == ["omnirun", "wav", "txt", "html"]
    assert wb.open(files[0]).text == run.text
    assert soundfile.info(files[1]).frames == len(run.audio)
    with pytest.raises(ValueError, match="no answer like that"):
        talk.record("../../etc")
