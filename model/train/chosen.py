"""Codes as the Talker chooses them, for the renderer to learn from.

A Talker never finds quite the codes of the true sound, and a renderer that has only met those blurs
what it is given. So it is tuned on both: the Talker hears the true past of a clip and chooses every
frame ("ground-truth aligned", as the vocoder of Tacotron 2 is tuned, arXiv 1712.05884), and the
renderer learns to make the true sound of what was chosen.

    choose(omni, books, readings, codes, Path("runs/chosen.npz"))
    pool = Chosen(Path("runs/chosen.npz"), clips, crop=20)
    wave, codes = pool.draw(4, rng)

Left out: Talkers that hear their own past (then frames and the true sound part ways in time).
Letters: B clips, N samples, S frames of 80 ms, K codebooks.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.data.store import Clips
from model.omni import Omni
from model.speech.codec import AHEAD, FRAME
from model.train.batch import Reading, speak_batch, speak_item
from model.train.codes import Codes


@torch.inference_mode()
def choose(
    omni: Omni, readings: Sequence[Reading], codes: Codes, out: Path, most: int = 4000,
    size: int = 32, seed: int = 0,
) -> None:  # fmt: skip
    """Write what the Talker chooses for each frame of up to `most` clips.

    `out` is an .npz: ids [n], start i64[n + 1] and codes u16[total, K]; clip i has the codes
    codes[start[i]:start[i + 1]], one row for each of its frames.
    """
    talker, end = omni.talker.eval(), omni.config.talker.end
    rng = np.random.default_rng(seed)
    drawn = [readings[i] for i in rng.permutation(len(readings))[:most]]
    drawn.sort(key=lambda reading: codes.frames(reading.id))
    rows: list[np.ndarray] = []
    for begin in tqdm(range(0, len(drawn), size), desc="codes chosen", mininterval=5):
        items = [
            speak_item(omni.tokenizer, reading, codes.first(reading.id), end, rng)
            for reading in drawn[begin : begin + size]
        ]
        batch = speak_batch(items)
        x = torch.where(
            batch.frame.unsqueeze(-1), talker.embed_frames(batch.heard), talker.words(batch.words)
        )
        hidden, _ = talker(x * batch.keep.unsqueeze(-1))
        row, at = batch.frame.nonzero(as_tuple=True)
        state = hidden[row, at - 1]  # the position before a frame predicts it
        first = talker.head(state)[:, :end].argmax(-1)
        rest = talker.mtp.best(state, talker.codes(first))
        frames = torch.cat((first[:, None], rest), dim=1)
        rows += [frames[row == i].numpy().astype(np.uint16) for i in range(len(items))]
    part = out.with_suffix(".part.npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        np.savez_compressed(
            part,
            ids=np.asarray([reading.id for reading in drawn]),
            start=np.cumsum([0, *map(len, rows)]),
            codes=np.concatenate(rows),
        )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


class Chosen:
    """Clips of `choose` in memory, as 16-bit samples, with the codes that were chosen."""

    def __init__(self, path: Path, clips: Clips, crop: int):
        self.crop = crop
        with np.load(path) as file:
            ids, start, codes = file["ids"], file["start"], file["codes"]
        self.codes, self.waves = [], []
        where = [clips.index[str(name)] for name in ids]
        for i in tqdm(np.argsort(where), desc="reading clips", mininterval=5):  # as they are stored
            chosen = codes[start[i] : start[i + 1]]
            if len(chosen) >= crop:
                samples = clips[where[i]].samples
                wave = np.zeros(len(chosen) * FRAME + AHEAD, np.int16)
                wave[: len(samples)] = samples[: len(wave)] * 32767
                self.codes.append(chosen)
                self.waves.append(wave)
        if not self.waves:
            raise ValueError(f"{path} has no clip of {crop} frames or more")

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crops f32[B, S * 1920 + AHEAD] and the codes i64[B, K, S] chosen for them."""
        waves, codes = [], []
        for i in rng.integers(0, len(self.waves), count):
            begin = int(rng.integers(0, len(self.codes[i]) - self.crop + 1))
            codes.append(self.codes[i][begin : begin + self.crop].astype(np.int64).T)
            piece = self.waves[i][begin * FRAME :][: self.crop * FRAME + AHEAD]
            waves.append(piece.astype(np.float32) / 32767)
        return torch.from_numpy(np.stack(waves)), torch.from_numpy(np.stack(codes))
