"""The command as a person uses it: what goes where, and that commands fit together."""

import io
import json
import struct
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import soundfile

from model import transcribe
from model.omni import Omni, OmniConfig
from workbench import cli
from workbench.cli import main
from workbench.waveform import pieces, wav


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("models") / "nano"
    Omni(OmniConfig.nano()).save(folder)
    return str(folder)


@pytest.fixture
def question(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000)
    soundfile.write("question.wav", noise, 16_000)
    return "question.wav"


def test_talk_answers_on_standard_output_and_in_the_file(question, model, capsys):
    ask = ["talk", question, "Louder, please.", "--most", "6", "-o", "a.wav", "--model", model]
    assert main(ask) == 0
    out, err = capsys.readouterr()
    assert out.endswith("\n") and out.strip()
    assert err.startswith("a.wav: ") and "first chunk after" in err and "real-time factor" in err
    sound = soundfile.info("a.wav")
    assert (sound.samplerate, sound.channels, sound.subtype) == (24_000, 1, "PCM_16")
    assert sound.frames % 1920 == 0 and not list(Path(".").glob(".*"))


def test_text_streams_while_the_sound_is_written(question, model, monkeypatch):
    """While words are shown the WAV is not there yet, but it grows under another name."""
    seen = []

    class Screen(io.StringIO):
        def write(self, text):
            grown = [p.stat().st_size for p in Path(".").glob(".a.wav.*")]
            seen.append((text, Path("a.wav").exists(), sum(grown)))
            return len(text)

    monkeypatch.setattr(sys, "stdout", Screen())
    assert main(["talk", question, "--most", "6", "-o", "a.wav", "--model", model]) == 0
    assert not any(whole for text, whole, _ in seen if text.strip())
    sizes = [size for text, _, size in seen if text.strip()]
    assert sizes == sorted(sizes) and sizes[-1] > 44


def test_figures_as_json(question, model, capsys):
    assert main(["talk", question, "--most", "6", "-o", "a.wav", "--json", "--model", model]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["wav"] == "a.wav" and figures["text"]
    assert figures["first_chunk_ms"] > 0 and figures["real_time_factor"] > 0
    assert figures["seconds"] == pytest.approx(soundfile.info("a.wav").duration, abs=1e-3)


def test_text_only_writes_no_file(question, model, capsys):
    assert main(["talk", "Hello.", "--most", "6", "--text-only", "--model", model]) == 0
    out, err = capsys.readouterr()
    assert out.strip() and not err and not Path("out.wav").exists()


def test_hear_pipes_into_say(question, model, capsys, monkeypatch):
    assert main(["hear", question, "--most", "6", "--model", model]) == 0
    heard = capsys.readouterr()
    assert heard.err == ""
    monkeypatch.setattr(sys, "stdin", io.StringIO(heard.out or "nothing"))
    assert main(["say", "-", "-o", "again.wav", "--model", model]) == 0
    said = capsys.readouterr()
    assert said.out == "" and Path("again.wav").exists()


def test_other_languages_are_spelled_by_the_ear(question, model, capsys):
    omni = Omni.load(model)
    said = transcribe.spelled_out(omni, next(pieces(question)))
    assert main(["hear", question, "--foreign", "--json", "--model", model]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["text"] == said and told.err == ""


def test_it_hears_as_the_model_does_by_itself():
    shown = signature(cli.hear).parameters
    for name, usual in signature(transcribe.hear).parameters.items():
        assert name not in shown or shown[name].default == usual.default, name


@pytest.mark.parametrize("pace", ["aria", "aria:1", "fixed:1:3", "text-first", "learned"])
def test_every_pace_speaks(question, model, capsys, pace):
    how = ["--pace", pace, "--tries", "2"]
    assert main(["say", "One.", "-o", "a.wav", *how, "--model", model]) == 0
    assert soundfile.info("a.wav").frames > 0


def test_same_seed_same_sound(question, model):
    sounds = []
    for seed in ("1", "1", "2"):
        ask = ["say", "One two three.", "-o", "a.wav", "--temperature", "1", "--tries", "2"]
        assert main([*ask, "--seed", seed, "--model", model]) == 0
        sounds.append(Path("a.wav").read_bytes())
    assert sounds[0] == sounds[1] != sounds[2]


def test_control_characters_do_not_reach_the_terminal(question, model, capsys, monkeypatch):
    from model import turn

    said = [turn.Chunk(np.zeros(0, np.float32), "a\x1b[2Jb\x07\n")]
    monkeypatch.setattr(turn, "answer", lambda *_, **__: iter(said))
    assert main(["talk", "Hello.", "--most", "6", "--text-only", "--model", model]) == 0
    assert capsys.readouterr().out == "a[2Jb\n\n"


def test_info_counts_every_parameter(model, capsys):
    assert main(["info", model, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    whole = sum(p.numel() for p in Omni.load(model).parameters())
    assert told["parameters"] == whole == sum(part["parameters"] for part in told["parts"])
    assert main(["info"]) == 0
    assert "nano" in capsys.readouterr().out
    assert main(["info", "qwen3-omni-30b-a3b"]) == 0
    assert "counted" in capsys.readouterr().out


def test_copy_keeps_the_length_and_gets_nearer(question, model, capsys):
    assert main(["copy", str(question), "-o", "copy.wav", "--steps", "3", "--codebooks", "4",
                 "--json", "--model", model]) == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    samples, rate = soundfile.read("copy.wav")
    length = round(soundfile.info(question).duration * 24_000)
    assert (
        rate == 24_000
        and len(samples) == length
        and told["seconds"] == pytest.approx(length / rate, abs=1e-3)
    )
    assert told["apart"] <= told["at_once"] and told["bits"] == -(-length // 1920) * 4 * 4
    for wrong in (["--codebooks", "9"], ["--codebooks", "0"], ["--steps", "-1"]):
        Path("copy.wav").unlink(missing_ok=True)
        assert main(["copy", str(question), "-o", "copy.wav", *wrong, "--model", model]) == 2
        assert "expected" in capsys.readouterr().err and not Path("copy.wav").exists()


def test_picture(question, model):
    assert main(["picture", "One <two> three.", "-o", "a.svg", "--model", model]) == 0
    from xml.etree import ElementTree

    assert ElementTree.parse("a.svg").getroot().tag.endswith("svg")


COMMANDS = "hear|say|talk|picture|info|bench|eval|data build|train codec|train talk|train pack"
COMMANDS += "|dashboard"


@pytest.mark.parametrize("command", ["", *COMMANDS.split("|")])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0 and "usage: omni" in capsys.readouterr().out


def test_wav_is_what_was_written(tmp_path):
    wave = np.random.default_rng(0).uniform(-1.2, 1.2, 4000).astype(np.float32)
    with wav(tmp_path / "x.wav", 24_000) as write:
        write(wave[:1500])
        write(wave[1500:])
    samples, rate = soundfile.read(tmp_path / "x.wav")
    assert rate == 24_000 and np.abs(samples - wave.clip(-1, 1)).max() < 1e-4
    data = (tmp_path / "x.wav").read_bytes()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_pieces_lose_nothing(tmp_path):
    """Joined, the pieces of a recording without silence are the recording."""
    rng = np.random.default_rng(0)
    speech = rng.uniform(-0.5, 0.5, 16_000 * 47) * np.repeat(rng.uniform(0.01, 1, 470), 1600)
    soundfile.write(tmp_path / "x.wav", speech, 16_000, subtype="FLOAT")
    heard = list(pieces(tmp_path / "x.wav"))
    assert len(heard) >= 5 and max(piece.seconds for piece in heard) <= 10
    assert np.array_equal(np.concatenate([p.samples for p in heard]), speech.astype(np.float32))
    ends = np.cumsum([piece.seconds for piece in heard])
    assert np.allclose([piece.start for piece in heard], [0, *ends[:-1]])


def test_a_voice_is_a_name_words_or_a_recording(question, model, capsys):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 72_000)
    soundfile.write("me, myself.wav", noise, 24_000)
    sounds, once = {}, ("--tries", "1")
    for voice in ("heart", "heart, loud", "a man with a deep voice", "me, myself.wav"):
        assert main(["say", "Hi", "--voice", voice, "-o", "a.wav", "--model", model, *once]) == 0
        sounds[voice] = Path("a.wav").read_bytes()
        assert "no voice was trained" not in capsys.readouterr().err
    assert len(set(sounds.values())) == 4
    Path("me, myself.wav").rename("me.wav")
    fast = ["--voice", "me.wav, fast", "-o", "a.wav", "--model", model, *once]
    assert main(["say", "Hi", *fast]) == 0
    assert Path("a.wav").read_bytes() != sounds["me, myself.wav"]
    capsys.readouterr()
    assert main(["say", "Hi", "--voice", "bob", "-o", "a.wav", "--model", model, *once]) == 0
    assert "no voice was trained as 'bob'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("samples", "why"),
    [(np.zeros(72_000), "silent"), (np.full(9_000, 0.1), "0.4 s of a voice, expected 2 to 10 s"),
     (np.full(61 * 24_000, 0.1), "longer than 60 s")],
)  # fmt: skip
def test_recordings_that_are_no_voice(question, model, capsys, samples, why):
    soundfile.write("me.wav", samples, 24_000)
    assert main(["say", "Hi", "--voice", "me.wav, fast", "--model", "none"]) == 2
    assert why in capsys.readouterr().err


def test_files_that_are_no_voice(question, model, capsys):
    Path("broken.wav").write_bytes(b"RIFF....")
    for voice in ("broken.wav", "missing.wav", " ", ""):
        assert main(["say", "Hi", "--voice", voice, "--model", "none"]) == 2
        err = capsys.readouterr().err
        assert err.startswith("omni: ") and err.count("\n") == 1
