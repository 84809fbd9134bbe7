import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from model.senses import message
from model.senses.message import Audio, Image, Message, Text, Video, load_audio, stream_audio


def tone(seconds: float, rate: int, pitch: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_every_kind_of_file(tmp_path, kind):
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, tone(1.0, 44_100), 44_100)
    audio = load_audio(path)
    assert audio.rate == 16_000 and abs(audio.seconds - 1.0) < 0.1  # mp3 pads to its frames
    middle = audio.samples[4000:12_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * 16_000 / len(middle) - 440) <= 2
    assert abs(np.abs(middle).max() - 0.5) < 0.02


def test_stereo_and_eight_bit_and_awkward_names(tmp_path):
    path = tmp_path / "a name; with 'quotes' $(and) ünïcode.wav"
    both = np.stack([tone(0.5, 8000), np.zeros(4000)], 1)
    soundfile.write(path, both, 8000, subtype="PCM_U8")
    audio = load_audio(path, 8000)
    assert audio.samples.shape == (4000,)
    assert np.abs(audio.samples - both.mean(1)).max() < 0.01


@pytest.mark.parametrize("old, new", [(44_100, 16_000), (8000, 16_000), (48_000, 24_000)])
def test_blocks_equal_the_whole(tmp_path, monkeypatch, old, new):
    monkeypatch.setattr(message, "BLOCK", 0.05)
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, int(old * 1.037)).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", wave, old, subtype="FLOAT")
    blocks = list(stream_audio(tmp_path / "x.wav", new))
    common = np.gcd(old, new)
    whole = resample_poly(wave, new // common, old // common)
    joined = np.concatenate(blocks)
    assert len(blocks) > 10 and joined.shape == whole.shape
    assert np.abs(joined - whole).max() < 1e-6


def test_same_rate_is_bit_exact(tmp_path):
    wave = np.random.default_rng(0).uniform(-1, 1, 300_000).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", wave, 16_000, subtype="FLOAT")
    assert np.array_equal(load_audio(tmp_path / "x.wav").samples, wave)


def test_silence_is_fine(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(16_000), 16_000)
    assert not load_audio(tmp_path / "x.wav").samples.any()


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_audio(tmp_path / "nothing.wav")
    with pytest.raises(ValueError, match="a folder"):
        load_audio(tmp_path)


def test_not_sound(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(ValueError, match="the file is empty"):
        load_audio(tmp_path / "empty.wav")
    for name in ["text.wav", "text.raw", "text"]:
        (tmp_path / name).write_text("This is no sound at all.\n" * 100)
        with pytest.raises(ValueError, match="not a sound file") as caught:
            load_audio(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_nan_and_too_short_and_too_long(tmp_path):
    wave = tone(1.0, 16_000).astype(np.float32)
    wave[5000] = np.nan
    soundfile.write(tmp_path / "nan.wav", wave, 16_000, subtype="FLOAT")
    with pytest.raises(ValueError, match="NaN"):
        load_audio(tmp_path / "nan.wav")
    soundfile.write(tmp_path / "one.wav", np.zeros(1), 16_000)
    with pytest.raises(ValueError, match="too short, need 0.025 s"):
        load_audio(tmp_path / "one.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    with pytest.raises(ValueError, match="too short"):
        load_audio(tmp_path / "none.wav")
    soundfile.write(tmp_path / "long.wav", np.zeros(80_000), 16_000)
    with pytest.raises(ValueError, match="longer than 4 s"):
        load_audio(tmp_path / "long.wav", longest=4.0)


def test_cut_off_file_gives_what_is_there(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(1.0, 16_000), 16_000)
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "x.wav").write_bytes(data[: len(data) // 2])
    assert 0.4 < load_audio(tmp_path / "x.wav").seconds < 0.6


def test_types_refuse_what_is_wrong():
    with pytest.raises(ValueError, match="float32"):
        Audio(np.zeros(10), 16_000)
    with pytest.raises(ValueError, match="empty"):
        Audio(np.zeros(0, np.float32), 16_000)
    with pytest.raises(ValueError, match="NaN"):
        Audio(np.full(9, np.nan, np.float32), 16_000)
    with pytest.raises(ValueError, match=r"uint8 \[height, width, 3\], not float64\[4, 4, 3\]"):
        Image(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="not uint8"):
        Image(np.zeros((4, 4), np.uint8))
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="2 frames but 3 times"):
        Video(frames, np.arange(3, dtype=np.float32))
    with pytest.raises(ValueError, match="increasing"):
        Video(frames, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="role must be"):
        Message("robot", ())
    assert Message.of("user", "hello").parts == (Text("hello"),)


def test_audio_at_another_rate():
    audio = Audio(tone(1.0, 24_000).astype(np.float32), 24_000, start=2.0)
    assert audio.at(24_000) is audio
    there = audio.at(16_000)
    assert there.samples.shape == (16_000,) and there.start == 2.0
