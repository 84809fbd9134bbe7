"""What the ear is trained on, made once: log-mel frames and phone classes of every clip.

Shard by shard of the data, a memory-mapped f16 array of frames beside a small table, so that a clip
costs nothing to fetch and what exists can be used while more speech is still being made.

    features = Features.build(Store(), "train", Path("runs/features"))
    copies = Features.build(Store(), "train", Path("runs/copies"), codec, most=25)
    features[7].mel, features[7].phones, features.frames      # lengths of all, for bucketing

Copies are clips as they sound after the codec: what the model's own voice sounds like at best.

Letters: F mel frames (10 ms), P phone steps (40 ms). Left out: augmentation (batch.py).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from model.data.phones import frames as phone_frames
from model.data.store import Clips, Store
from model.layers.mel import log_mel_16k
from model.senses.message import Audio
from model.speech.codec import RATE, Codec
from model.train.spelling import word_spans

STEP = 4  # mel frames a phone step: 40 ms


class Heard(NamedTuple):
    """One clip, ready for the ear."""

    id: str
    text: str
    voice: str
    source: str
    mel: np.ndarray  # f16[F, 128]
    phones: np.ndarray  # i64[P], -1 where unknown
    spans: list[tuple[float, float]]  # start and end of each word in ms, empty where unknown


@dataclass(frozen=True)
class Features:
    rows: list[dict]  # id, text, voice, source, part, start, frames, spans
    frames: np.ndarray  # i64[clips]
    mels: list[np.ndarray]  # per part, f16[F, 128], mapped
    phones: list[np.ndarray]  # per part, i16[P], mapped

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Heard:
        row = self.rows[i]
        start, count = row["start"], row["frames"]
        mel = self.mels[row["part"]][start : start + count]
        phones = self.phones[row["part"]][start // STEP : (start + count) // STEP]
        texts = (row[name] for name in ("id", "text", "voice", "source"))
        return Heard(*texts, mel, phones.astype(np.int64), row["spans"])

    @classmethod
    def build(
        cls, store: Store, split: str, out: Path, codec: Codec | None = None,
        most: int | None = None,
    ) -> "Features":  # fmt: skip
        """Make what is missing, of the first `most` shards, then map it all. With `codec`, of the
        clips' copies."""
        out.mkdir(parents=True, exist_ok=True)
        rows, mels, phones = [], [], []
        shards = store.spoken(split).shards[:most]
        for shard in tqdm(shards, desc=f"features {split}", unit="shard", mininterval=10):
            base = out / shard.stem
            if not base.with_suffix(".json").exists():
                _make(shard, base, codec)
            clips = Clips([shard])
            timings = zip(clips.column("phones"), clips.column("units"), strict=True)
            known = json.loads(base.with_suffix(".json").read_text())
            for row, (sounds, units) in zip(known, timings, strict=True):
                rows.append(row | {"part": len(mels), "spans": word_spans(sounds, units)})
            mels.append(np.load(base.with_suffix(".mel.npy"), mmap_mode="r"))
            phones.append(np.load(base.with_suffix(".phones.npy"), mmap_mode="r"))
        return cls(rows, np.array([row["frames"] for row in rows], np.int64), mels, phones)


@torch.inference_mode()
def _make(shard: Path, base: Path, codec: Codec | None = None) -> None:
    rows, mels, phones, start = [], [], [], 0
    for clip in Clips([shard]):
        audio = Audio(clip.samples, clip.rate)
        if codec:
            original = torch.from_numpy(audio.at(RATE).samples)[None]
            copy = codec.decode(codec.encode(original))[0, : original.shape[1]]
            audio = Audio(copy.float().numpy(), RATE)
        wave = torch.from_numpy(audio.at(16_000).samples)
        mel = log_mel_16k(wave[None])[0].T.numpy().astype(np.float16)
        mel = np.pad(mel, ((0, -len(mel) % STEP), (0, 0)), mode="edge")
        classes = phone_frames(clip.phones, clip.units, 40.0, len(mel) // STEP)
        rows.append({"id": clip.id, "text": clip.text, "voice": clip.voice,
                     "source": clip.source, "start": start, "frames": len(mel)})  # fmt: skip
        mels.append(mel)
        phones.append(classes.astype(np.int16))
        start += len(mel)
    for suffix, value in ((".mel.npy", mels), (".phones.npy", phones)):
        part = base.with_suffix(f"{suffix}.{os.getpid()}.part")  # another stage may do the same
        with part.open("wb") as file:
            np.save(file, np.concatenate(value))
        os.replace(part, base.with_suffix(suffix))
    part = base.with_suffix(f".json.{os.getpid()}.part")
    part.write_text(json.dumps(rows))
    os.replace(part, base.with_suffix(".json"))
