"""What people really hand over, by the real command: a sensible answer, or one line and a 2."""

import json
import os
import resource
import shutil
import signal
import struct
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.omni import Omni, OmniConfig
from workbench.cli import main

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def omni():
    import torch

    torch.manual_seed(1)
    return Omni(OmniConfig.nano())


@pytest.fixture(scope="module")
def model(omni, tmp_path_factory):
    """The folder of a model with random weights: it babbles, but it takes part in everything."""
    folder = tmp_path_factory.mktemp("models") / "nano"
    omni.save(folder)
    return str(folder)


@pytest.fixture
def omni_says(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        try:
            code = main(args)
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def refused(result: tuple[int, str, str], why: str) -> None:
    code, out, err = result
    assert code == 2 and out == "" and err.startswith("omni: ") and err.count("\n") == 1, result
    assert why in err, err


def noise(seconds: float, rate: int) -> np.ndarray:
    return RNG.uniform(-0.3, 0.3, int(seconds * rate))


def left() -> list[str]:
    """What lies in the folder, hidden files too."""
    return sorted(p.name for p in Path(".").iterdir())


# --- recordings -----------------------------------------------------------------------------------

BAD = {
    "empty file": (lambda p: p.write_bytes(b""), "empty"),
    "no samples": (lambda p: soundfile.write(p, np.zeros(0), 16_000), "too short"),
    "one sample": (lambda p: soundfile.write(p, np.ones(1), 16_000), "too short"),
    "silence": (lambda p: soundfile.write(p, np.zeros(16_000), 16_000), "silent"),
    "silence, 8 bit": (
        lambda p: soundfile.write(p, np.full(8000, 1 / 128), 8000, subtype="PCM_U8"),
        "silent",
    ),
    "minutes of silence": (lambda p: soundfile.write(p, np.zeros(2_000_000), 8000), "silent"),
    "NaN": (
        lambda p: soundfile.write(p, np.full(16_000, np.nan), 16_000, subtype="FLOAT"),
        "NaN",
    ),
    "absurd rate": (lambda p: soundfile.write(p, noise(1, 8000), 3), "3 Hz"),
    "text named wav": (lambda p: p.write_text("This is not a sound.\n" * 100), "not a sound file"),
    "picture named wav": (
        lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(999)),
        "not a sound",
    ),
    "folder": (lambda p: p.mkdir(), "folder"),
    "missing": (lambda p: None, "no such file"),
}


@pytest.mark.parametrize("command", ["hear", "copy", "talk"])
@pytest.mark.parametrize("case", BAD)
def test_bad_recordings(omni_says, model, command, case):
    make, why = BAD[case]
    make(Path("bad.wav"))
    before = left()
    if command != "hear" and case == "minutes of silence":
        why = "longer than"
    refused(omni_says(command, "bad.wav", "--model", model), why)
    assert left() == before


FINE = {
    "8 kHz": (noise(1, 8000), 8000, "PCM_16"),
    "44.1 kHz": (noise(1, 44_100), 44_100, "PCM_24"),
    "192 kHz": (noise(0.5, 192_000), 192_000, "FLOAT"),
    "stereo": (noise(2, 16_000).reshape(-1, 2), 16_000, "PCM_16"),
    "six channels": (noise(3, 16_000).reshape(-1, 6), 16_000, "PCM_16"),
    "8 bit": (noise(1, 11_025), 11_025, "PCM_U8"),
    "clipped": (np.sign(noise(1, 16_000)), 16_000, "PCM_16"),
    "30 ms": (noise(0.03, 16_000), 16_000, "PCM_16"),
}


@pytest.mark.parametrize("case", FINE)
def test_unusual_recordings_are_heard(omni_says, model, case):
    samples, rate, form = FINE[case]
    soundfile.write("x.wav", samples, rate, subtype=form)
    code, out, err = omni_says("hear", "x.wav", "--most", "4", "--model", model)
    assert (code, err) == (0, "") and out.endswith("\n")


def test_an_hour_is_heard_in_pieces_and_not_answered(omni_says, model):
    """Only what is not silent is heard, so this hour is quick."""
    hour = np.zeros(3600 * 8000, np.float32)
    hour[8000 * 5 : 8000 * 7] = noise(2, 8000)
    hour[8000 * 3590 : 8000 * 3593] = noise(3, 8000)
    soundfile.write("hour.wav", hour, 8000, subtype="PCM_U8")
    code, out, err = omni_says("hear", "hour.wav", "--json", "--most", "4", "--model", model)
    heard = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "") and len(heard) >= 2
    assert heard[0]["start"] < 7 and heard[-1]["start"] + heard[-1]["seconds"] > 3590
    refused(omni_says("talk", "hour.wav", "--model", model), "longer than 60 s")
    assert left() == ["hour.wav"]


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["say", "talk"])
@pytest.mark.parametrize("text", ["", " \n\t ", "\udcff"], ids=["empty", "blank", "not UTF-8"])
def test_bad_texts(omni_says, model, command, text):
    why = "UTF-8" if text == "\udcff" else "empty"
    refused(omni_says(command, text, "--model", model), why)
    assert left() == []


STRANGE = ["?!", "\0", "\x1b[2J", "<|im_end|>", "日本語 🎉", "a" * 20, "../../etc", "%s {x} \\n"]


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_strange_texts_are_said(omni_says, model, text):
    code, out, _ = omni_says("say", text, "-o", "x.wav", "--tries", "1", "--model", model)
    assert (code, out) == (0, "") and left() == ["x.wav"]


def test_ten_thousand_characters(omni_says, model):
    text = ("All circuits are busy now, please try again. " * 250)[:10_000]
    code, out, _ = omni_says("talk", text, "--text-only", "--most", "4", "--model", model)
    assert code == 0 and out
    assert left() == []


# --- checkpoints ----------------------------------------------------------------------------------


def _truncated(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _foreign_weights(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"lm_head.weight": np.ones((2, 2))}, folder / "model.safetensors")


def _lying_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _edit_config(**fields):
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return edit


def _other_width(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"width": 32', '"width": 48'))


CHECKPOINTS = {
    "empty folder": lambda f: (shutil.rmtree(f), f.mkdir()),
    "no folder": shutil.rmtree,
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "no tokenizer": lambda f: (f / "tokenizer.json").unlink(),
    "text for weights": lambda f: (f / "model.safetensors").write_text("weights"),
    "cut weights": _truncated,
    "lying header": _lying_header,
    "foreign weights": _foreign_weights,
    "foreign config": lambda f: (f / "config.json").write_text('{"model_type": "llama"}'),
    "config is a list": lambda f: (f / "config.json").write_text("[1, 2]"),
    "config is binary": lambda f: (f / "config.json").write_bytes(bytes(range(256))),
    "config lacks a part": lambda f: (f / "config.json").write_text("{}"),
    "config of wrong types": _edit_config(ear=7, thinker="no"),
    "config of other sizes": _other_width,
    "broken tokenizer": lambda f: (f / "tokenizer.json").write_text("{}"),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_bad_checkpoints(omni_says, model, case):
    shutil.copytree(model, "copy")
    CHECKPOINTS[case](Path("copy"))
    before = left()
    refused(omni_says("say", "Hello.", "--model", "copy"), "copy")
    assert left() == before


def test_an_unknown_model_names_the_known(omni_says):
    refused(omni_says("hear", str(_recording()), "--model", "mikro"), "micro")


def _recording() -> Path:
    soundfile.write("x.wav", noise(1, 16_000), 16_000)
    return Path("x.wav")


# --- the disk -------------------------------------------------------------------------------------


@contextmanager
def full_disk():
    """No file can grow beyond 6,000 bytes: writing fails as on a full disk.

    Not a fixture: pytest writes its own progress, perhaps to a file, before a fixture ends.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_while_speaking(omni_says, model):
    long = "One two three four five six seven eight nine ten."
    with full_disk():
        result = omni_says("say", long, "--tries", "1", "--model", model)
    refused(result, "out.wav could not be written")
    assert left() == []


def test_full_disk_while_saving(omni, tmp_path):
    with full_disk(), pytest.raises(OSError, match="could not save"):
        omni.save(tmp_path / "new")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_full_disk_leaves_the_old_checkpoint(omni, model, tmp_path):
    folder = tmp_path / "nano"
    shutil.copytree(model, folder)
    with full_disk(), pytest.raises(OSError, match="could not save"):
        omni.save(folder)
    assert Omni.load(folder) and [p.name for p in tmp_path.iterdir()] == ["nano"]


BAD_OUT = {
    "nowhere/out.wav": "no folder",
    "out.mp3": "ends in .wav",
    "here.wav": "folder",
    "out": "ends in .wav",
}


@pytest.mark.parametrize("command", ["say", "talk"])
@pytest.mark.parametrize("out", BAD_OUT)
def test_bad_places_for_the_sound(omni_says, model, command, out):
    Path("here.wav").mkdir()
    refused(omni_says(command, "Hello.", "-o", out, "--model", model), BAD_OUT[out])
    assert left() == ["here.wav"]


@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle(omni_says, model, sign, code):
    """Ctrl-C while the sound is being written: no file, the file of before stays."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it
    Path("out.wav").write_text("of before")

    def stop():
        while not any(part.stat().st_size for part in Path(".").glob(".out.wav.*")):
            time.sleep(0.002)  # opened and begun: between the two, Python itself would warn
        os.kill(os.getpid(), sign)

    threading.Thread(target=stop, daemon=True).start()
    long = "One two three four five six seven eight nine ten. " * 20
    try:
        assert omni_says("say", long, "--tries", "1", "--model", model)[0] == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert left() == ["out.wav"] and Path("out.wav").read_text() == "of before"


# --- words that are no command --------------------------------------------------------------------

WRONG = {
    "pace": (["say", "Hello.", "--pace", "allegro"], "unknown pace"),
    "ratio": (["say", "Hello.", "--pace", "fixed:0:3"], "unknown pace"),
    "temperature": (["say", "Hello.", "--temperature", "-1"], "temperature"),
    "tries": (["say", "Hello.", "--tries", "0"], "0 tries, expected 1 or more"),
    "nothing asked": (["talk"], "nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words(omni_says, model, case):
    args, why = WRONG[case]
    refused(omni_says(*args, "--model", model), why)


@pytest.mark.parametrize("args", [["sing"], ["say"], ["hear", "a", "b", "--loud"], []], ids=str)
def test_what_the_command_line_does_not_know(omni_says, args):
    code, out, err = omni_says(*args)
    assert code == 2 and out == "" and err
