"""Clips: what is in their bytes, what is refused, and that they reach the model as frames."""

import io
import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from model.senses.message import Audio, Image, Video
from workbench.chat.files import pictures, told
from workbench.chat.settings import Settings
from workbench.chat.talk import Talk
from workbench.clips import KEPT, clip
from workbench.uploads import upload

av = pytest.importorskip("av", reason="needs PyAV: pip install -e '.[app]'")
DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, desk, png, sound = (DATA[name] for name in ("lab", "desk", "png", "sound"))


def film(seconds=1.6, size=(64, 48), rate=10, loud: float | None = 0.3, kind="mp4", seen=True,
         heard: float | None = None):  # fmt: skip
    """A clip that gets lighter, with a tone in it."""
    out = io.BytesIO()
    with av.open(out, "w", format=kind) as file:
        if seen:
            stream = file.add_stream("mpeg4" if kind == "mp4" else "libvpx", rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if loud is not None:
            tone = file.add_stream("aac" if kind == "mp4" else "libopus", rate=48_000)
            tone.layout = "mono"
        for i in range(round(seconds * rate) if seen else 0):
            light = np.full((size[1], size[0], 3), 255 * i / (seconds * rate), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(light, "rgb24")))
        if seen:
            file.mux(stream.encode())
        if loud is not None:
            wave = loud * np.sin(np.arange(round(48_000 * (heard or seconds))) / 30)
            for start in range(0, len(wave), 960):
                piece = wave[None, start : start + 960].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(piece, "flt", "mono")
                frame.sample_rate, frame.pts = 48_000, start
                file.mux(tone.encode(frame))
            file.mux(tone.encode())
    return out.getvalue()


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_clip_is_frames_with_times_and_sound(kind):
    seen = clip(film(kind=kind))
    assert isinstance(seen, Video) and seen.frames.shape == (4, 48, 64, 3)
    assert seen.times == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.06)
    light = seen.frames.mean(axis=(1, 2, 3))
    assert (np.diff(light) > 20).all()
    assert seen.audio.rate == 16_000 and seen.audio.seconds == pytest.approx(1.6, abs=0.15)
    assert seen.audio.start < 0.1 and 0.1 < seen.audio.samples.std() < 0.3
    assert told(seen).startswith("a clip: 4 frames, 1.") and len(pictures(seen)) == 4


def test_frames_are_made_smaller_and_silence_is_no_sound():
    seen = clip(film(size=(1280, 720), seconds=0.4, loud=0.0))
    assert seen.frames.shape[0] == 1 and seen.audio is None
    assert np.prod(seen.frames.shape[1:3]) <= 1.01 * KEPT
    heard = clip(film(seen=False))
    assert isinstance(heard, Audio) and heard.seconds == pytest.approx(1.6, abs=0.15)
    assert clip(sound()) is clip(png()) is clip(b"") is None


def test_frames_keep_their_own_times():
    """A clip whose frames come when they like: none for a second, then many."""
    out, moments = io.BytesIO(), [0, 40, 80, 1200, 1240, 1900]
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, moment in enumerate(moments):
            light = np.full((48, 64, 3), 40 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(light, "rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    seen = clip(out.getvalue())
    assert seen.times == pytest.approx([0, 1.2, 1.9], abs=0.03)


def test_sound_goes_on_after_the_picture():
    seen = clip(film(0.6, heard=2.4))
    assert isinstance(seen, Video) and seen.times[-1] < 0.7
    assert seen.audio.seconds == pytest.approx(2.4, abs=0.15)


def test_a_clip_without_frames_is_refused():
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.start_encoding()
    with pytest.raises(ValueError, match="^this is a clip"):
        clip(out.getvalue(), "this")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (film(31, rate=1, loud=None), "31 s, 30 s are the most"),
        (film()[:300], "damaged|nothing in it|without picture"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 400, "damaged|without picture"),
        (b"\x1a\x45\xdf\xa3<script>", "damaged"),
        (film(seen=False, loud=0.0), "silent|too short"),
    ],
)
def test_bad_clips_are_refused_in_a_sentence(data, why):
    with pytest.raises(ValueError, match=why) as error:
        clip(data, "this")
    assert str(error.value).startswith("this") and "\n" not in str(error.value)
    with pytest.raises(ValueError, match="neither a recording"):
        upload(data)


def test_several_files_reach_the_model_in_the_order_of_its_training(desk, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.chat.settings.MOST", 2)
    files = {"a.wav": sound(), "b.png": png(40, 30), "c.wav": film()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    talk = Talk(desk, "a")
    *_, shown = talk.ask("What is it?", [tmp_path / name for name in files], Settings(speak=False))
    (exchange,) = shown["exchanges"]
    assert [name.split(" ")[1] for name in exchange["files"]] == ["clip:", "picture", "recording"]
    assert len(exchange["pictures"]) == 5
    assert all(a.startswith("data:image/jpeg;base64,") for a, _ in exchange["pictures"])
    assert exchange["answers"][0]["state"] == "done"
    kinds = [type(part) for part in talk.exchanges[0].parts]
    assert kinds[:3] == [Video, Image, Audio]
    turn = talk.record(exchange["answers"][0]["id"])
    for _ in turn.follow():
        pass
    modality = turn.run.thinker.modality.tolist()
    assert {2, 3} <= set(modality)  # a picture and a film were read
