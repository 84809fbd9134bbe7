"""Runs as files: the same again, nothing executed, everything hostile refused in one line."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Message, Text, ToolCall
from workbench import omnirun
from workbench.edits import ban_expert, fixed_ratio
from workbench.omnirun import open_run, pack, unpack
from workbench.record import Recording
from workbench.run import Inputs, Run

HOUSE = Path(__file__).parents[1]
HOSTILE = "<img onerror=alert(1)></script>\u202e" + "x" * 100


@pytest.fixture(scope="module")
def run() -> Run:
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    sound = Audio(np.linspace(-0.1, 0.1, 8000, dtype=np.float32), 16_000, start=1.5)
    call = ToolCall("look", {"is": "array", "name": "run.audio", "deep": [1, {"is": "Message"}]})
    inputs = Inputs(
        (Message("assistant", (call,)), Message("user", (sound, Text(HOSTILE)))),
        most=3,
        voice_codes=np.arange(16, dtype=np.int16).reshape(2, 8),
        voice_colour=np.eye(1, 8, dtype=np.float32)[0],
        speech_temperature=1.0,
    )
    edits = (ban_expert(1, [0]), fixed_ratio(1, 2))
    recording = Recording(
        omni, inputs, ["router-logits", "attn", "align", "codes", "logits", "latency"], edits=edits
    )
    list(recording)
    return recording.run()


@pytest.fixture
def saved(run, tmp_path) -> Path:
    return run.save(tmp_path / "turn.omnirun")


def same(one, other) -> bool:
    mine, yours = {}, {}
    if pack(one, mine) != pack(other, yours):
        return False
    return all(
        mine[k].dtype == yours[k].dtype and np.array_equal(mine[k], yours[k], equal_nan=True)
        for k in mine
    )


def test_a_file_brings_the_same_run_back(run, saved):
    again = open_run(saved)
    assert same(run, again)
    assert again.edits == run.edits and again.inputs.pace == run.inputs.pace
    call = again.inputs.messages[0].parts[0]
    assert call.arguments["is"] == "array" and call.arguments["deep"][1] == {"is": "Message"}
    assert saved.read_bytes() == run.save(saved.with_name("b.omnirun")).read_bytes()


def test_numpy_reads_it_too(run, saved):
    with np.load(saved, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["run.audio"], run.audio)


def test_opening_a_run_without_edits_needs_no_torch(run, tmp_path):
    plain = Run(**{f: getattr(run, f) for f in run.__dataclass_fields__} | {"edits": ()})
    path = plain.save(tmp_path / "plain.omnirun")
    code = (
        "import sys, time; start = time.process_time(); import workbench as wb\n"
        "spent = time.process_time() - start; assert spent < 1, spent\n"
        "assert not {'torch', 'numpy', 'model'} & set(sys.modules)\n"
        "wb.open(sys.argv[1]); assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_shown_is_escaped_and_short(run):
    html = run._repr_html_()
    assert html.count("<img") == html.count('<img alt="') and "<script" not in html
    assert "seed 0" in repr(run) and len(repr(run)) < 2000


def test_tables(run):
    assert {"stage", "modality", "t0", "t1", "text"} <= set(run.tokens.columns)
    assert len(run.emission) == len(run.units)
    assert run.routing.load(by="modality").shape[1] == run.routing.thinker.count
    with pytest.raises(ValueError, match="by must be"):
        run.routing.load(by="colour")
    with pytest.raises(ValueError, match="no stage"):
        run.stage("thinkers")


def test_what_was_not_recorded_says_how_to_record_it(run):
    empty = Run(**{f: getattr(run, f) for f in run.__dataclass_fields__} | {"routed": {}})
    with pytest.raises(ValueError, match=r"record=\['routing'\]"):
        _ = empty.routing.thinker


def rewritten(path: Path, change=None, members=None, drop=()) -> Path:
    """The file with another run.json or other members."""
    with zipfile.ZipFile(path) as old:
        data = {n: old.read(n) for n in old.namelist() if n not in drop}
    if change:
        head = json.loads(data["run.json"])
        data["run.json"] = json.dumps(change(head) or head).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in {**data, **(members or {})}.items():
            new.writestr(name, content)
    return path


def npy(array) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


AUDIO = "run.audio.npy"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"drop": ["run.json"]}, "run.json is missing"),
        ({"drop": [AUDIO]}, "run.audio.npy is missing"),
        ({"change": lambda h: h.update(format="other")}, "says nothing of an omnirun"),
        ({"change": lambda h: h.update(version=2)}, "made by a newer workbench .format 2"),
        ({"change": lambda h: h.update(version="1")}, "version is '1'"),
        ({"change": lambda h: h.pop("arrays") and None}, "lacks 'arrays'"),
        ({"change": lambda h: h["run"].update({"is": "Popen"})}, "'Popen', which is not known"),
        ({"change": lambda h: h["run"].update({"is": "Meta"})}, "unknown fields"),
        ({"change": lambda h: h["run"]["fields"].update(text=5)}, "Run.text can't be 5"),
        ({"change": lambda h: h["run"]["fields"].update(text={"a": 1})}, "means nothing here"),
        ({"change": lambda h: [1]}, "says nothing"),
        ({"members": {"run.json": "{" * 99999}}, "can't be opened"),
        ({"members": {"run.json": b"\xff"}}, "can't be opened"),
        ({"members": {"../evil.npy": b""}}, "expected run.json and .npy"),
        ({"members": {"/etc/passwd": b""}}, "expected run.json and .npy"),
        ({"members": {AUDIO: npy(np.zeros(3, np.float32))}}, "is not the float32"),
        ({"members": {AUDIO: npy(np.array([Bomb()], object))}}, "run.audio.npy"),
        ({"members": {AUDIO: pickle.dumps(Bomb())}}, "can't be opened"),
        ({"members": {AUDIO: b"\0" * 50_000_000}}, "expected at most"),
        (
            {"change": lambda h: h["arrays"]["run.audio"].update(shape=[2**60])},
            "is not the float32",
        ),
        ({"change": lambda h: h["arrays"]["run.audio"].update(dtype="|O")}, "claims"),
    ],
)  # fmt: skip
def test_hostile_and_damaged_files_are_refused(saved, capsys, how, told):
    rewritten(saved, **how)
    with pytest.raises(ValueError, match=told) as error:
        open_run(saved)
    assert "executed" not in capsys.readouterr().out
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_a_zip_bomb_is_refused_before_it_unfolds(saved):
    rewritten(saved, members={f"{i}.npy": b"\0" * 20_000_000 for i in range(2)})
    with pytest.raises(ValueError, match="unfolds to .* MB, more than 30 MB"):
        open_run(saved, largest=30)


def test_members_twice_or_encrypted_are_refused(saved):
    with zipfile.ZipFile(saved, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("run.json", "{}")
    with pytest.raises(ValueError, match="twice"):
        open_run(saved)


def test_cut_off_foreign_and_missing_files(saved, tmp_path):
    whole = saved.read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 5):
        saved.write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=r"turn.omnirun is no .omnirun"):
            open_run(saved)
    turned = bytearray(whole)
    turned[len(whole) // 3] ^= 0xFF
    saved.write_bytes(turned)
    with pytest.raises(ValueError, match="damaged|can't be opened"):
        open_run(saved)
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_run(tmp_path / "none.omnirun")
    with pytest.raises(ValueError, match="is no .omnirun"):
        open_run(tmp_path)


def test_saving_leaves_nothing_half_written(run, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="ends in .omnirun"):
        run.save(tmp_path / "turn.zip")
    with pytest.raises(OSError, match="could not save"):
        run.save(tmp_path / "nowhere" / "turn.omnirun")
    path = run.save(tmp_path / "turn.omnirun")
    before = path.read_bytes()
    monkeypatch.setattr(omnirun.np.lib.format, "write_array", full_disk)
    with pytest.raises(OSError, match="disk full"):
        run.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


def full_disk(*_args, **_kwargs):
    raise OSError("disk full")


def test_inputs_are_checked():
    question = (Message.of("user", "Hello"),)
    for wrong, told in [
        ({}, "either messages"),
        ({"messages": question, "aloud": "Hi"}, "either messages"),
        ({"aloud": "Hi", "speak": False}, "speak=True"),
        ({"messages": question, "most": 0}, "at least 1"),
        ({"messages": question, "seed": 1.5}, "Inputs.seed must be int"),
        ({"messages": list(question)}, "Inputs.messages"),
        ({"messages": question, "voice_codes": np.zeros((2, 8))}, "voice_codes"),
    ]:
        with pytest.raises(ValueError, match=told):
            Inputs(**wrong)


def test_only_plain_values_are_packed():
    assert unpack(pack({"a": (1, None, "x"), "is": True})) == {"a": (1, None, "x"), "is": True}
    assert np.array_equal(unpack(pack(np.arange(3.0))), np.arange(3.0))
    with pytest.raises(ValueError, match="can't be saved"):
        pack(object())
    with pytest.raises(ValueError, match="means nothing"):
        unpack({"is": "array", "name": "x"})
