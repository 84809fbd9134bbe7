"""The chat without a browser: order of the stream, Stop, what was heard, the line, files."""

import base64
import json
import runpy
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import workbench as wb
from model.senses.message import Audio, Image
from model.turn import Voice
from workbench.chat.files import received, told, write
from workbench.chat.settings import CHANGES, Settings
from workbench.chat.talk import KEPT, WINDOW, Answer, Talk, _unspoken

DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, desk, png, sound, HOSTILE = (DATA[name] for name in ("lab", "desk", "png", "sound", "HOSTILE"))


@pytest.fixture
def short(monkeypatch):
    """Answers of three tokens."""
    monkeypatch.setattr("workbench.chat.settings.MOST", 3)


def last(shown: dict) -> dict:
    return shown["exchanges"][-1]["answers"][-1]


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
    heard, picture = tmp_path / "<b>.png", tmp_path / "etc.wav"
    heard.write_bytes(sound())
    picture.write_bytes(png(40, 30))
    talk = Talk(desk, "a")
    *_, shown = talk.ask(HOSTILE, [heard, picture], Settings(speak=False))
    exchange = shown["exchanges"][0]
    assert exchange["files"] == ["a picture of 40 \u00d7 30 pixels", "a recording of 0.5 s"]
    assert exchange["text"] == HOSTILE and last(shown)["frames"] == 0
    for text, files, why in (
        ("", [], "no question yet"),
        ("a" * 2001, [], "2001 characters"),
        ("Hi", [__file__], "neither a recording"),
        ("Hi", [heard] * 5, "4 are the most"),
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
        ({"voice": "described"}, "tell in words"),
        ({"voice": "described", "described": "a" * 201}, "more than 200 characters"),
        ({"voice": "sampled"}, "no recording of a voice yet"),
        ({"speed": "sad"}, "no speed is named"),
        ({"mood": HOSTILE}, "no mood is named"),
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


def test_a_voice_is_a_name_or_words_or_a_recording_in_a_manner(desk, short):
    voice = Voice("", torch.zeros(30, 8, dtype=torch.long), torch.eye(1, 8)[0])
    for given, words in (
        ({"voice": "male", "mood": "sad", "speed": "slow"}, "male, slow, sad"),
        ({"voice": "described", "described": " a  low voice ", "volume": "loud"},
         "a low voice, loud"),
        ({"voice": "sampled", "sample": voice, "speed": "fast"}, "fast"),
    ):  # fmt: skip
        settings = Settings(**given)
        assert settings.told() == words
        *_, shown = Talk(desk, "a").ask("Hi", [], settings)
        assert last(shown)["state"] == "done", last(shown)["error"]
    assert Settings(sample=voice).how()["voice_codes"] is None
    found = Settings(voice="sampled", sample=voice).how()
    assert found["voice_codes"].shape == (30, 8) and found["voice_colour"].shape == (8,)


def test_uploads_are_what_their_bytes_are(tmp_path):
    path = tmp_path / "..%2f..%2fpasswd.png"
    path.write_bytes(sound())
    (heard,) = received([path])
    assert isinstance(heard, Audio) and told(heard) == "a recording of 0.5 s"
    path.write_bytes(png(40, 30))
    (seen,) = received([path])
    assert isinstance(seen, Image)
    with path.open("r+b") as file:
        file.truncate(30_000_000)
    with pytest.raises(ValueError, match="30.0 MB, 20 MB are the most") as error:
        received([path])
    assert "passwd" not in str(error.value)


def again(talk: Talk, id: str):
    """The run of an answer that is recorded once more."""
    turn = talk.record(id)
    for _ in turn.follow():
        pass
    return talk.as_given(id, turn.run)


def test_an_answer_is_recorded_again_word_for_word_and_kept(desk, short, tmp_path):
    talk = Talk(desk, "a")
    *_, shown = talk.ask("Hi", [], Settings(change="one expert a token"))
    answer = last(shown)
    run = again(talk, answer["id"])
    assert run.text == answer["text"] and len(run.codes) == answer["frames"]
    assert len(list(run.view)) == 4 and len(run.edits) == 1
    files = write([run], talk.transcript(answer["id"]), tmp_path, 0.5)
    assert [file.rpartition(".")[2] for file in files] == ["omnirun", "wav", "txt", "html"]
    assert wb.open(files[0]).text == run.text
    quiet, _ = soundfile.read(files[1])
    assert quiet == pytest.approx(0.5 * run.audio, abs=1e-4)
    with pytest.raises(ValueError, match="no answer like that"):
        talk.record("../../etc")


def test_what_is_opened_tells_when_the_answer_was_made_and_played(desk, short):
    talk = Talk(desk, "a")
    for shown in talk.ask("Hi", [], Settings()):
        if last(shown)["frames"] == 1:
            time.sleep(0.2)  # its own pace, which a recording does not have
    answer, now = last(shown), talk.clock()
    asked, live = shown["exchanges"][0]["asked"], talk.answer(answer["id"])
    played = [now + 0.08 * i for i in range(answer["frames"])]
    played[2] = None
    talk.heard(answer["id"], 9.0, False, {}, [*played, 1.0, 2.0])  # more than there are
    run = again(talk, answer["id"])
    told = run.latency.played / 1e9
    began = live.turn.began - talk.epoch
    assert asked < began < now and np.isnan(told[2]) and len(told) == len(run.codes)
    assert told[0] == pytest.approx(now - began) and told[-1] == pytest.approx(played[-1] - began)
    frames = run.units.emitted[run.units.kind == 1]
    assert len(frames) == len(told) and (np.delete(told, 2) > np.delete(frames, 2)).all()
    assert run.latency is not live.times.latency and run.marks == live.times.marks
    shown = run.view.latency().data["frames"][0]["played"]
    assert shown[0] == pytest.approx(told[0], abs=0.5)
    assert live.turn.run is None, "nothing but times is kept"


@pytest.mark.parametrize("beside", ["experts shuffled", "text only"])
def test_two_answers_are_kept_in_one_layout(desk, short, tmp_path, beside):
    talk = Talk(desk, "a")
    *_, shown = talk.ask("Hi", [], Settings(beside=beside))
    ids = [answer["id"] for answer in shown["exchanges"][0]["answers"]]
    runs = [again(talk, id) for id in ids]
    files = write(runs, "\n".join(map(talk.transcript, ids)), tmp_path)
    names = [Path(file).name for file in files]
    assert {"a.omnirun", "a.wav", "b.omnirun"} <= set(names) and ("b.wav" in names) == (
        beside != "text only"
    )
    html = Path(files[-1]).read_text()
    assert names[-2:] == ["answers.txt", "answers.html"] and '"pair"' in html
    assert Path(files[-2]).read_text().count("Answered (") == 2
