"""A clip as the model takes it: frames with their times and its sound, out of the bytes of a file.

    part = clip(data)                  # Video; Audio where it has no picture; None: no such file
    part = opened(path)                # a clip, a recording or a picture

mp4, mov, m4a, webm and mkv, by their first bytes; those alone are named to the decoder (PyAV),
which gets no file name and so opens nothing else. Length, size and codecs are checked before
decoding, and decoding ends at the same limits, whatever was announced. Two frames a second are
kept, no larger than the eye takes them.
Left out: several tracks, subtitles, streams from a network.
"""

import io
from math import sqrt
from pathlib import Path

import numpy as np

from model.senses.message import SHORTEST, Audio, Image, Video
from workbench.uploads import HEARING, read, upload
from workbench.waveform import SILENCE, audible

LONGEST = 30.0  # seconds
RATE = 2.0  # frames a second that are kept
PIXELS = 9e6  # of a frame, before it is made smaller
KEPT = 384 * 216  # pixels of a frame that is kept
DECODED = 4000  # frames at most
PICTURES = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")
SOUNDS = ("aac", "opus", "vorbis", "mp3", "flac", "pcm_s16le", "pcm_s16be")


def container(data: bytes) -> str:
    """Which demuxer these bytes ask for, "" for none of ours."""
    if data[4:8] == b"ftyp":
        return "mov"
    return "matroska" if data[:4] == b"\x1a\x45\xdf\xa3" else ""


def clip(data: bytes, name: str = "the file") -> Video | Audio | None:
    """The clip that these bytes are."""
    kind = container(data)
    if not kind:
        return None
    try:
        import av
    except ImportError:
        raise ValueError(f"{name} is a clip, which needs PyAV: pip install av") from None
    try:
        with av.open(io.BytesIO(data), format=kind, metadata_errors="ignore") as file:
            return _decoded(file, name)
    except av.error.FFmpegError:
        raise ValueError(f"{name} is a clip, but a damaged one") from None


def opened(path: str | Path, name: str = "the file") -> Audio | Image | Video:
    """What a file holds, whatever its name."""
    data = read(path, name)
    found = clip(data, name)
    return upload(data, name) if found is None else found


def _decoded(file, name: str) -> Video | Audio:
    streams = [*file.streams.video[:1], *file.streams.audio[:1]]
    if not streams:
        raise ValueError(f"{name} is a clip without picture or sound")
    _check(file, streams, name)
    begin = (file.start_time or 0) / 1e6
    frames, times, heard = [], [], _Heard()
    for count, frame in enumerate(file.decode(*streams)):
        at = (frame.time or 0.0) - begin
        if at > LONGEST or count > DECODED:
            raise ValueError(f"{name} is longer than {LONGEST:g} s; cut it")
        if hasattr(frame, "sample_rate"):
            heard.take(frame, at)
        elif not times or at >= times[-1] + 1 / RATE - 1e-3:
            frames.append(_pixels(frame, frames, name))
            times.append(at)
    sound = heard.audio()
    if frames:
        return Video(np.stack(frames), np.array(times, np.float32), sound)
    if not file.streams.video and heard.samples:
        if sound is None:
            audible(Audio(heard.joined, HEARING), name)
            raise ValueError(f"{name} is too short to be heard")
        return sound
    raise ValueError(f"{name} is a clip, but nothing in it can be shown")


def _check(file, streams: list, name: str) -> None:
    """What the file says of itself."""
    if (file.duration or 0) / 1e6 > LONGEST:
        raise ValueError(f"{name} has {file.duration / 1e6:.0f} s, {LONGEST:g} s are the most")
    for stream in streams:
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        seen = stream.type == "video"
        if codec not in (PICTURES if seen else SOUNDS):
            raise ValueError(f"{name} is coded as {codec}, which is not decoded here")
        if seen:
            _small(stream.codec_context.width, stream.codec_context.height, name)


def _small(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= PIXELS:
        most = f"{PIXELS / 1e6:g} million are the most"
        raise ValueError(f"{name} has frames of {width} x {height} pixels, {most}")


def _pixels(frame, before: list[np.ndarray], name: str) -> np.ndarray:
    """A frame, upright, as large as those before it. u8 [H, W, 3]."""
    _small(frame.width, frame.height, name)
    turns = round(frame.rotation / 90)
    if before:
        height, width = before[0].shape[:2]
        width, height = (height, width) if turns % 2 else (width, height)
    else:
        scale = min(1.0, sqrt(KEPT / (frame.width * frame.height)))
        width, height = (max(8, round(scale * side)) for side in (frame.width, frame.height))
    seen = frame.to_ndarray(width=width, height=height, format="rgb24")
    return np.ascontiguousarray(np.rot90(seen, turns))


class _Heard:
    """The sound of a clip, as one channel at the rate of hearing."""

    def __init__(self):
        self.start, self.samples, self.resampler = 0.0, [], None

    def take(self, frame, at: float) -> None:
        if self.resampler is None:
            from av import AudioResampler

            self.resampler = AudioResampler(format="flt", layout="mono", rate=HEARING)
            self.start = max(0.0, at)
        self._put(frame)

    def _put(self, frame) -> None:
        self.samples += [one.to_ndarray()[0] for one in self.resampler.resample(frame)]

    @property
    def joined(self) -> np.ndarray:
        return np.concatenate(self.samples)

    def audio(self) -> Audio | None:
        """None where there is none, or nothing to hear in it."""
        if self.resampler is None:
            return None
        self._put(None)
        samples = self.joined if self.samples else np.zeros(0, np.float32)
        if len(samples) < SHORTEST * HEARING or not np.isfinite(samples).all():
            return None
        return Audio(samples, HEARING, self.start) if samples.std() >= SILENCE else None
