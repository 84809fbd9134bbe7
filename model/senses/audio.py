"""AuT, the ear: mel frames in, one embedding every 160 ms out.

    mel [B, M, F] -> chunks -> 4 x (Conv2d 3x3, stride 2, GELU) -> linear -> + position in the chunk
                  -> pre-norm transformer inside windows -> LayerNorm -> linear, GELU, linear

Chunks are convolved on their own (the last one filled up with silence), so what was heard later
never changes a chunk. Attention stays inside a window of some seconds, drawn at random in training
and chosen at run time. In it a chunk sees itself and what came before (`causal`), so that sound can
be encoded as it arrives, with a past; pieces equal the whole at any cut between chunks, and
`listen` takes samples cut anywhere. `causal=False` lets a window see all of itself, as the audio
tower of Qwen3-Omni does; that form needs a whole window at once.

Left out: dropout; the decoder that AuT is first trained with (see model/train).

    aut = AuT(AuTConfig())
    heard, past = aut(mel)                        # whole
    heard, ear = listen(aut, samples, ear)        # as it arrives

Letters: B batch, M mel bands, F mel frames, C chunks, N tokens, D width, S samples.
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, log
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from model.layers.bidirectional import BidirectionalBlock, Remembered
from model.layers.mel import HEARING, LogMel

FRAMES_PER_SECOND = HEARING.rate // HEARING.hop
TOGETHER = 256  # chunks convolved at a time, so that an hour of sound fits into memory


@dataclass(frozen=True)
class AuTConfig:
    mels: int = 128
    channels: tuple[int, ...] = (16, 32, 48, 64)  # each convolution halves time and bands:
    # four make 16 frames one token. The first ones see the most, so they are narrow.
    chunk: int = 160  # mel frames convolved together
    width: int = 256
    heads: int = 4
    hidden: int = 1024
    layers: int = 4
    out: int = 256
    causal: bool = True  # later chunks of a window are not seen
    fill: float = -1.5  # beyond the end of a sound: the log-mel of silence

    @classmethod
    def micro(cls) -> "AuTConfig":
        return cls()

    @classmethod
    def nano(cls) -> "AuTConfig":
        return cls(channels=(4, 4, 4, 4), chunk=32, width=32, heads=2, hidden=64, layers=2, out=32)

    @property
    def stride(self) -> int:
        """Mel frames a token."""
        return 2 ** len(self.channels)

    @property
    def chunk_tokens(self) -> int:
        return ceil(self.chunk / self.stride)


class AuTPast(NamedTuple):
    """The window that is still open: what each layer remembers of it."""

    chunks: int  # heard in this window
    valid: Bool[Tensor, "batch remembered"]
    layers: tuple[Remembered, ...]
    ended: bool  # the last chunk was not full: nothing can follow


class AuT(nn.Module):
    def __init__(self, config: AuTConfig):
        super().__init__()
        self.config = c = config
        sizes = (1, *c.channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(sizes, sizes[1:], strict=False)
        )
        bands = ceil(c.mels / c.stride)
        self.conv_out = nn.Linear(c.channels[-1] * bands, c.width, bias=False)
        self.blocks = nn.ModuleList(
            BidirectionalBlock(c.width, c.heads, c.hidden, eps=1e-5) for _ in range(c.layers)
        )
        self.norm = nn.LayerNorm(c.width)
        self.proj1 = nn.Linear(c.width, c.width)
        self.proj2 = nn.Linear(c.width, c.out)
        positions = sinusoids(c.chunk_tokens, c.width)
        self.register_buffer("positions", positions, persistent=False)

    def tokens(self, samples: int) -> int:
        """Tokens that so many samples at 16 kHz become."""
        return self.frames_to_tokens(samples // HEARING.hop)

    def frames_to_tokens(self, frames: int) -> int:
        chunks, rest = divmod(frames, self.config.chunk)
        return chunks * self.config.chunk_tokens + ceil(rest / self.config.stride)

    def forward(
        self,
        mel: Float[Tensor, "batch mels frames"],
        past: AuTPast | None = None,
        window: float = 8.0,
        lengths: Int64[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens out"], AuTPast | None]:
        """Embeddings of the frames, and what is needed to go on.

        Args:
            mel: log-mel frames; a multiple of the chunk unless the sound ends here.
            past: what came before of the same stream.
            window: seconds of attention, rounded down to whole chunks, at least one.
            lengths: true frames of each item of a batch padded at the right; tokens beyond an
                item's own are to be ignored.
        """
        c, frames = self.config, mel.shape[2]
        if frames == 0:  # less than 10 ms of sound
            return mel.new_zeros(len(mel), 0, c.out), past
        if past is not None and past.ended:
            raise ValueError("the sound had ended in the middle of a chunk, nothing can follow it")
        if lengths is not None:
            here = torch.arange(frames, device=mel.device) < lengths[:, None]
            mel = torch.where(here[:, None], mel, c.fill)
        x = self.embed(mel)  # [B, C * n, D]
        true = [frames] * len(x) if lengths is None else lengths.tolist()
        count = torch.tensor([self.frames_to_tokens(n) for n in true], device=x.device)
        valid = torch.arange(x.shape[1], device=x.device) < count[:, None]

        span = max(1, int(window * FRAMES_PER_SECOND / c.chunk + 1e-6))  # chunks in a window
        if past is not None and not c.causal and past.chunks < span:
            raise ValueError("this encoder is not causal: a window must be given at once")
        pieces, chunks, done = [], x.shape[1] // c.chunk_tokens, 0
        while done < chunks:
            if past is not None and past.chunks >= span:  # full: a new window begins
                past = None
            take = min(span - (past.chunks if past else 0), chunks - done)
            part = slice(done * c.chunk_tokens, (done + take) * c.chunk_tokens)
            y, past = self.attend(x[:, part], valid[:, part], past)
            pieces.append(y)
            done += take
        y = torch.cat(pieces, dim=1)[:, : self.frames_to_tokens(frames)]
        if frames % c.chunk:
            past = AuTPast(0, valid[:, :0], (), ended=True)
        return self.proj2(F.gelu(self.proj1(self.norm(y)))), past

    def embed(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch tokens width"]:
        """Every chunk through the convolutions, with the position inside the chunk added."""
        c = self.config
        mel = F.pad(mel, (0, -mel.shape[2] % c.chunk), value=c.fill)
        x = mel.unflatten(2, (-1, c.chunk)).transpose(1, 2).flatten(0, 1)[:, None]  # [BC, 1, M, f]
        x = x.contiguous(memory_format=torch.channels_last)
        for conv in self.convs:
            x = F.gelu(conv(x))
        x = self.conv_out(x.permute(0, 3, 1, 2).flatten(2)) + self.positions  # [BC, n, D]
        return x.unflatten(0, (len(mel), -1)).flatten(1, 2)

    def attend(
        self,
        x: Float[Tensor, "batch tokens width"],
        valid: Bool[Tensor, "batch tokens"],
        past: AuTPast | None,
    ) -> tuple[Float[Tensor, "batch tokens width"], AuTPast]:
        """Whole chunks of one window through the blocks.

        A token sees the true tokens of its own chunk and of earlier ones (all of the window if
        not `causal`), and always itself, so that padding has something to look at:

              chunk   1 1 2 2 3 3
                  1   x x . . . .
                  2   x x x x . .
                  3   x x x x x x
        """
        size = self.config.chunk_tokens
        heard = 0 if past is None else past.chunks
        if past is not None:
            valid = torch.cat([past.valid, valid], dim=1)
        key = torch.arange(valid.shape[1], device=x.device)
        query = key[heard * size :, None]
        seen = valid[:, None] & (key // size <= query // size if self.config.causal else True)
        mask = None if seen.all() else (seen | (key == query))[:, None]
        layers = []
        for i, block in enumerate(self.blocks):
            before = past.layers[i] if past is not None else None
            x, now = block(x, mask, past=before)
            layers.append(now)
        chunks = heard + x.shape[1] // size
        return x, AuTPast(chunks, valid, tuple(layers), ended=False)


def sinusoids(length: int, width: int) -> Float[Tensor, "length width"]:
    """Whisper's positions: sines of every speed, then cosines."""
    speeds = torch.exp(-log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ListenPast(NamedTuple):
    """What `listen` holds between pieces."""

    samples: Float[Tensor, "batch kept"]  # not yet a frame
    frames: Float[Tensor, "batch mels fewer"]  # not yet a chunk
    aut: AuTPast | None


def listen(
    aut: AuT,
    samples: Float[Tensor, "batch samples"],
    past: ListenPast | None = None,
    *,
    end: bool = False,
    window: float = 8.0,
) -> tuple[Float[Tensor, "batch tokens out"], ListenPast]:
    """Embeddings of sound at 16 kHz as it arrives, in pieces of any length.

    A chunk is encoded as soon as it is full; `end` says that the sound is over, and gives the rest.
    """
    mel, kept = _mel().to(samples.device)(samples, past.samples if past else None)
    mel = torch.cat([past.frames, mel], dim=2) if past else mel
    ready = mel.shape[2] if end else mel.shape[2] // aut.config.chunk * aut.config.chunk
    before = past.aut if past else None
    if not ready:
        return mel.new_zeros(len(mel), 0, aut.config.out), ListenPast(kept, mel, before)
    heard, now = aut(mel[:, :, :ready], before, window)
    return heard, ListenPast(kept, mel[:, :, ready:], now)


@cache
def _mel() -> LogMel:
    return LogMel(HEARING)
