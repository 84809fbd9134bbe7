"""The codec stage: waveforms in, the same waveforms out, and codebook 0 taught what is being said.

    train_codec("datasets", Run(out=Path("runs/codec"), minutes=40))
    codec = load_codec("runs/codec/last.safetensors")
    train_renderer("datasets", Run(out=Path("runs/render"), minutes=40), codec)
    tokenise(Store().spoken("train"), codec, Path("runs/codes/train.npz"), copies=3)

Loss = log-mel L1 and spectral convergence at four resolutions + waveform L1 + commitment
     + cross-entropy of a small teacher that must name the two phones (40 ms each) of a frame from
       codebook 0's entry alone: the first code says *what* is spoken, the others say *how*.
Half of the items are rebuilt from all codebooks, the others from a random number of the first ones.
Crops begin anywhere from 80 ms before a clip, at a random loudness; nothing else is augmented.

Left out: adversarial training.

Letters: B batch, N samples, S frames of 80 ms, K codebooks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from joblib import Parallel, delayed
from torch import Tensor, nn
from tqdm import tqdm

from model.data.phones import PHONES, frames
from model.data.store import Clips, Store
from model.data.voices import NAMED
from model.speech.codec import AHEAD, FRAME, RATE, Codec, CodecConfig
from model.speech.quantizer import Quantized
from model.speech.spectra import MultiScale, apart
from model.train.loop import Recipe, Result, Run, train, weights

SLOT = FRAME // 2  # samples: the teacher names one phone per 40 ms
TICK_MS = 5  # grid of the labels of a clip, fine enough for crops that begin anywhere
TICK = RATE * TICK_MS // 1000


@dataclass(frozen=True)
class CodecStage:
    """What to train on and how much each part of the loss counts."""

    crop: int = 20  # frames: 1.6 s
    batch: int = 12
    lr: float = 1e-3
    clips: int = 8000  # at most, drawn at random; they are kept in memory
    named: float = 0.9  # this share of the crops is of the voices that will speak
    kokoro: float = 0.0  # and this one of Kokoro's, all of whose clips are taken
    all_codebooks: float = 0.5  # this share of the items keeps every codebook
    commitment: float = 0.25
    phones: float = 0.3
    listener: float = 0.5

    @classmethod
    def later(cls, lr: float = 8e-4) -> "CodecStage":
        """For `train_renderer`."""
        return cls(lr=lr, clips=12_000, named=0.6, kokoro=0.25, all_codebooks=0.85, listener=1.0)


def train_codec(
    root: str | Path,
    run: Run,
    stage: CodecStage | None = None,
    config: CodecConfig | None = None,
    start: str | Path | None = None,
) -> Result:
    """Train a codec on the clips below `root`, new or from a checkpoint `start` of this stage; its
    checkpoint is opened by `load_codec`."""
    stage, config = stage or CodecStage(), config or CodecConfig.micro()
    torch.manual_seed(run.seed)
    codec, teacher = Codec(config), Teacher(config.renderer.latent)
    modules = nn.ModuleDict({"codec": codec, "teacher": teacher})
    if start:
        modules.load_state_dict(weights(start))
    spectra = MultiScale()
    return _train(
        modules,
        lambda batch: codec_loss(codec, teacher, spectra, batch, stage),
        root,
        run,
        stage,
    )


def train_renderer(
    root: str | Path,
    run: Run,
    codec: Codec,
    stage: CodecStage | None = None,
    listener: nn.Module | None = None,
) -> Result:
    """Go on with the renderer alone: encoder and codebooks stay, so codes keep their meaning, and a
    Talker can be trained on them at the same time. A `listener` (listener.py) adds to the loss
    whether the sound is understood."""
    stage = stage or CodecStage.later()
    codec.requires_grad_(False)
    codec.renderer.requires_grad_(True)
    spectra = MultiScale()
    return _train(
        nn.ModuleDict({"codec": codec}),
        lambda batch: renderer_loss(codec, spectra, batch, stage, listener),
        root,
        run,
        stage,
    )


def _train(modules: nn.ModuleDict, loss, root: str | Path, run: Run, stage: CodecStage):
    store = Store(root)
    pool = Pool(store.spoken("train"), stage)
    held = Pool(store.spoken("valid"), stage, most=200)
    return train(
        modules,
        loss,
        lambda step: pool.batch(np.random.default_rng([run.seed, step])),
        run,
        Recipe(lr=stage.lr),
        held_out=[held.batch(np.random.default_rng([run.seed, i])) for i in range(4)],
    )


def load_codec(checkpoint: str | Path, config: CodecConfig | None = None) -> Codec:
    """The codec of a checkpoint, ready for use."""
    codec = Codec(config or CodecConfig.micro())
    of_codec = {
        name.removeprefix("codec."): value
        for name, value in weights(checkpoint).items()
        if name.startswith("codec.")
    }
    codec.load_state_dict(of_codec)
    return codec.eval().requires_grad_(False)


# --- batches -------------------------------------------------------------------------------------


class Pool:
    """Clips in memory as 16-bit samples, and their phones every 5 ms."""

    def __init__(self, clips: Clips, stage: CodecStage, most: int | None = None):
        self.stage = stage
        self.waves: list[np.ndarray] = []
        self.phones: list[np.ndarray] = []
        kinds, lengths = [], []
        most = min(most or stage.clips, len(clips))
        chosen = set(np.random.default_rng(0).permutation(len(clips))[:most].tolist())
        if stage.kokoro:
            sources = clips.column("source")
            chosen |= {i for i, source in enumerate(sources) if source == "kokoro"}
        for i in tqdm(sorted(chosen), desc="reading clips", mininterval=5):
            clip = clips[i]
            self.waves.append((clip.samples * 32767).astype(np.int16))
            ticks = -(-len(clip.samples) // TICK)
            self.phones.append(
                frames(clip.phones, clip.units, float(TICK_MS), ticks).astype(np.int8)
            )
            of = "kokoro" if clip.source == "kokoro" else "other"
            kinds.append("named" if clip.voice in NAMED else of)
            lengths.append(len(clip.samples))
        if not self.waves:
            raise ValueError("there are no clips to train on; `omni data build micro` makes them")
        chances = np.asarray(lengths, np.float64)
        shares = {"named": stage.named, "kokoro": stage.kokoro}
        shares["other"] = 1 - sum(shares.values())
        for kind in set(kinds):
            here = np.asarray(kinds) == kind
            chances[here] *= shares[kind] / chances[here].sum()
        self.chances = np.cumsum(chances / chances.sum())

    def batch(self, draw: np.random.Generator) -> dict[str, Tensor]:
        """Random crops: "wave" f32[B, N + AHEAD], "phones" i64[B, 2 S] (-1 where not known)."""
        length = self.stage.crop * FRAME + AHEAD
        waves = np.zeros((self.stage.batch, length), np.float32)
        phones = np.zeros((self.stage.batch, 2 * self.stage.crop), np.int64)
        for wave, phone in zip(waves, phones, strict=True):
            i = min(int(np.searchsorted(self.chances, draw.random())), len(self.waves) - 1)
            clip = self.waves[i].astype(np.float32) / 32767
            start = int(draw.integers(-FRAME, max(1, len(clip) - length + FRAME)))
            piece = clip[max(0, start) : start + length]
            wave[max(0, -start) : max(0, -start) + len(piece)] = piece
            loudest = max(0.01, float(np.abs(piece).max(initial=0)))
            wave *= min(10 ** draw.uniform(-0.5, 0.2), 0.99 / loudest)
            centres = start + SLOT // 2 + SLOT * np.arange(len(phone))
            ticks = np.floor_divide(centres, TICK)
            inside = (ticks >= 0) & (ticks < len(self.phones[i]))
            phone[:] = -1 if self.phones[i][0] < 0 else 0
            phone[inside] = self.phones[i][ticks[inside]]
        return {"wave": torch.from_numpy(waves), "phones": torch.from_numpy(phones)}


# --- losses --------------------------------------------------------------------------------------


class Teacher(nn.Module):
    """Names the phones of a frame from one vector. Used in training only."""

    def __init__(self, dim: int, slots: int = 2, hidden: int = 192):
        super().__init__()
        self.slots = slots
        # normed, or the latents would grow just to make the teacher surer of itself
        self.net = nn.Sequential(
            nn.LayerNorm(dim, elementwise_affine=False),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Linear(hidden, slots * len(PHONES)),
        )

    def forward(
        self, first: Float[Tensor, "batch frames dim"]
    ) -> Float[Tensor, "batch slots classes"]:
        """[B, S, D] -> [B, 2 S, classes], slots in time order."""
        return self.net(first).unflatten(2, (self.slots, -1)).flatten(1, 2)


def codec_loss(
    codec: Codec,
    teacher: Teacher,
    spectra: MultiScale,
    batch: Mapping[str, Tensor],
    stage: CodecStage,
) -> tuple[Tensor, dict[str, Tensor]]:
    wave, phones = batch["wave"], batch["phones"]
    latents = codec.encoder(wave[:, AHEAD:])[0]
    keep = draw_keep(len(wave), stage.all_codebooks) if codec.training else None
    quantized: Quantized = codec.quantizer(latents, keep)
    rebuilt = codec.renderer.render(quantized.vectors)[0]
    sound, metrics = sound_loss(rebuilt, wave, spectra.train(codec.training))
    logits = teacher(quantized.first).float()
    known = phones >= 0
    named = F.cross_entropy(
        logits.flatten(0, 1), phones.flatten(), ignore_index=-1, reduction="sum"
    )
    named = named / known.sum().clamp(min=1)
    total = sound + stage.commitment * quantized.commitment + stage.phones * named
    with torch.no_grad():
        heard = known & (phones > 0)
        right = ((logits.argmax(-1) == phones) & heard).sum() / heard.sum().clamp(min=1)
        size = latents.float().square().mean().sqrt()
    return total, metrics | {
        "commitment": quantized.commitment,
        "phones": named,
        "phones_right": right,  # of the sounds, silence not counted
        "latent_size": size,
    }


def renderer_loss(
    codec: Codec,
    spectra: MultiScale,
    batch: Mapping[str, Tensor],
    stage: CodecStage,
    listener: nn.Module | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    wave = batch["wave"]
    with torch.no_grad(), torch.autocast(wave.device.type, enabled=False):
        codes = codec.quantizer.encode(codec.encoder(wave[:, AHEAD:])[0])
        keep = draw_keep(len(wave), stage.all_codebooks) if codec.training else None
        vectors = codec.quantizer.embed(codes, keep)
    rebuilt = codec.renderer.render(vectors)[0]
    total, metrics = sound_loss(rebuilt, wave, spectra.train(codec.training))
    if listener:
        understood = listener(rebuilt[:, AHEAD:], wave[:, AHEAD:-AHEAD])
        total, metrics = total + stage.listener * understood, metrics | {"listener": understood}
    return total, metrics


def sound_loss(
    rebuilt: Float[Tensor, "batch samples"],
    wave: Float[Tensor, "batch longer"],
    spectra: MultiScale,
) -> tuple[Tensor, dict[str, Tensor]]:
    """How a crop was rebuilt; its first 30 ms fade in (they have fewer windows): not judged."""
    return apart(rebuilt[:, AHEAD:].float(), wave[:, AHEAD:-AHEAD], spectra)


def draw_keep(items: int, everything: float) -> Int64[Tensor, " items"]:
    """How many codebooks each item keeps: all 8, or 1 to 7."""
    some = torch.randint(1, 8, (items,))
    return torch.where(torch.rand(items) < everything, torch.full_like(some, 8), some)


# --- codes for the Talker ------------------------------------------------------------------------

BLOCK = 512  # clips a worker takes at once


def tokenise(
    clips: Clips,
    codec: Codec,
    out: Path,
    copies: int = 3,
    seed: int = 0,
    jobs: int = 1,
) -> None:
    """Write the codes of all clips, several times over: every copy but the first begins up to 80 ms
    later and a bit louder or softer, so that a Talker cannot learn the exact codes of a sentence by
    heart.

    `out` is an .npz: ids [n], copy u8[m], clip i32[m] (row of ids), lead i32[m] (samples of silence
    put in front), start i64[m + 1], codes u16[total, K]: item i is codes[start[i]:start[i + 1]],
    and books f32[K, V, D], the entries that the codes stand for.
    """
    count = len(clips)
    if not count:
        raise ValueError("there are no clips to write the codes of")
    blocks = [list(range(begin, min(begin + BLOCK, count))) for begin in range(0, count, BLOCK)]
    made = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_codes)(clips.shards, block, codec, copies, seed) for block in blocks
    )
    by_copy: list[list[tuple[int, int, np.ndarray]]] = [[] for _ in range(copies)]
    for items in tqdm(made, total=len(blocks), desc=f"codes of {out.stem}", mininterval=5):
        for copy, lead, i, codes in items:
            by_copy[copy].append((lead, i, codes))
    items = [item for copy in by_copy for item in sorted(copy, key=lambda item: item[1])]
    part = out.with_suffix(".part.npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        np.savez_compressed(
            part,
            ids=np.asarray(clips.ids),
            copy=np.repeat(np.arange(copies, dtype=np.uint8), count),
            clip=np.asarray([i for _, i, _ in items], np.int32),
            lead=np.asarray([lead for lead, _, _ in items], np.int32),
            start=np.cumsum([0, *(len(codes) for _, _, codes in items)]),
            codes=np.concatenate([codes for _, _, codes in items]),
            books=codec.quantizer.codebooks.float().numpy(),
        )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _codes(
    shards: list[Path], block: list[int], codec: Codec, copies: int, seed: int, batch: int = 16
) -> list[tuple[int, int, int, np.ndarray]]:
    """(copy, lead, clip, u16[S, K]) for each copy of each clip of a block."""
    torch.set_num_threads(1)
    clips = Clips(shards)
    waves = sorted(((i, clips[i].samples) for i in block), key=lambda item: len(item[1]))
    made = []
    for begin in range(0, len(waves), batch):
        for copy in range(copies):
            items = []
            for i, wave in waves[begin : begin + batch]:
                draw = np.random.default_rng([seed, copy, i])
                lead, gain = int(draw.integers(FRAME)), 10 ** draw.uniform(-0.1, 0.1)
                if copy == 0:
                    lead, gain = 0, 1.0
                gain = min(gain, 0.99 / max(0.01, float(np.abs(wave).max(initial=0))))
                items.append((lead, i, np.pad(wave * np.float32(gain), (lead, 0))))
            padded = np.zeros((len(items), max(len(item[2]) for item in items)), np.float32)
            for row, (_, _, wave) in zip(padded, items, strict=True):
                row[: len(wave)] = wave
            with torch.inference_mode():
                codes = codec.encode(torch.from_numpy(padded)).numpy().astype(np.uint16)
            made += [
                (copy, lead, i, code[:, : -(-len(wave) // FRAME)].T)
                for (lead, i, wave), code in zip(items, codes, strict=True)
            ]
    return made
