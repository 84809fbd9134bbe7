"""The eye: pictures and films in, one embedding for every 32 x 32 pixels of two frames out.

    frames u8 [N, H, W, 3] -> resize -> patches 2 x 16 x 16 -> linear -> + learned position
        -> pre-norm transformer, 2-D rotary, inside each pair of frames -> merge 2 x 2 -> linears

The block structure of Qwen3.5's vision encoder. A picture is a film of one frame, shown twice.
Nothing is shared between pairs of frames, so a film is a batch of pairs, and a batch of pictures
of one size is one too. Positions are a learned square grid, stretched over whatever shape comes.

Left out: deepstack (Qwen3.5 has none), packing pictures of different size into one row.

    eye = Vision(VisionConfig.micro())
    states, grid = eye.look(pixels[None])         # one picture u8 [H, W, 3]
    states = eye(patches, rows, columns)          # patches of `eye.patches`

Letters: N frames, H W pixels, T pairs of frames, P patches, V values of a patch, D width,
R C rows and columns of patches, r c rows and columns of tokens (2 x 2 patches).
"""

from dataclasses import dataclass
from math import floor, pi, sqrt
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from model.layers.bidirectional import BidirectionalBlock, Rotation

FRAMES, PATCH, MERGE = 2, 16, 2  # a patch is 2 x 16 x 16 pixels, a token 2 x 2 patches
Pixels = Tensor | np.ndarray
CELL = PATCH * MERGE  # pixels of a token, each way
VALUES = 3 * FRAMES * PATCH * PATCH
PIECE = 16  # frames that `look` takes at once: a long film needs no more memory than these


@dataclass(frozen=True)
class VisionConfig:
    width: int = 96
    heads: int = 3
    hidden: int = 384
    layers: int = 4
    side: int = 16  # of the learned grid of positions
    out: int = 256
    pixels: int = 256 * 256  # at most, after resizing: 64 tokens

    @classmethod
    def micro(cls) -> "VisionConfig":
        return cls()

    @classmethod
    def nano(cls) -> "VisionConfig":
        return cls(width=16, heads=2, hidden=32, layers=1, side=4, out=32, pixels=128 * 128)


class Patches(NamedTuple):
    """Patches of one film, the four of a token beside each other."""

    values: Float[Tensor, "pairs patches values"]  # [T, R * C, V]
    rows: int  # R
    columns: int  # C


class Seen(NamedTuple):
    states: Float[Tensor, "tokens out"]  # pair by pair, row by row
    grid: tuple[int, int, int]  # pairs, rows, columns of tokens


def places(side: int, width: int) -> Float[Tensor, "side side width"]:
    """A grid of positions to begin with: rows and columns, and their squares, along four directions
    (of a cosine transform, like any others to new patches), and a little noise.

    From noise alone a small eye learns names and never where things are: rotary attention does not
    need it, and nothing else tells the Thinker.
    """
    at = torch.linspace(-1, 1, side)
    row, column = torch.meshgrid(at, at, indexing="ij")
    curves = torch.stack((row, column, 1.5 * row**2 - 0.5, 1.5 * column**2 - 0.5), dim=-1)
    waves = (torch.arange(width) + 0.5)[:, None] * torch.arange(1, 5) * (pi / width)
    directions = waves.cos() * sqrt(2 / width)  # f[W, 4], orthogonal, of length one
    return curves @ directions.T + 0.02 * torch.randn(side, side, width)


class Vision(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        self.config = c = config
        self.embed = nn.Linear(VALUES, c.width)
        self.positions = nn.Parameter(places(c.side, c.width))
        self.blocks = nn.ModuleList(
            BidirectionalBlock(c.width, c.heads, c.hidden, eps=1e-6, gelu="tanh")
            for _ in range(c.layers)
        )
        self.norm = nn.LayerNorm(c.width, eps=1e-6)
        self.proj1 = nn.Linear(c.width * MERGE**2, c.width * MERGE**2)
        self.proj2 = nn.Linear(c.width * MERGE**2, c.out)

    def forward(
        self, values: Float[Tensor, "pairs patches values"], rows: int, columns: int
    ) -> Float[Tensor, "pairs tokens out"]:
        x = self.embed(values) + self._position(rows, columns)
        rotation = self._rotation(rows, columns, x.device)
        for block in self.blocks:
            x, _ = block(x, rotation=rotation)
        x = self.norm(x).unflatten(1, (-1, MERGE**2)).flatten(2)
        return self.proj2(F.gelu(self.proj1(x)))

    def look(self, frames: UInt8[Pixels, "frames height width 3"]) -> Seen:
        """What is in these frames; a picture is one frame."""
        states = []
        for start in range(0, len(frames), PIECE):
            values, rows, columns = self.patches(frames[start : start + PIECE])
            states.append(self(values, rows, columns))
        grid = sum(map(len, states)), rows // MERGE, columns // MERGE
        return Seen(torch.cat(states).flatten(0, 1), grid)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tokens of a picture: its shape kept as far as the budget allows."""
        rows, columns = max(1, round(height / CELL)), max(1, round(width / CELL))
        budget = self.config.pixels // CELL**2
        if rows * columns > budget:
            scale = sqrt(self.config.pixels / (height * width)) / CELL
            rows = min(budget, max(1, floor(height * scale + 1e-6)))
            columns = min(budget // rows, max(1, floor(width * scale + 1e-6)))
        return rows, columns

    def patches(self, frames: UInt8[Pixels, "frames height width 3"]) -> Patches:
        """Resize, bring to [-1, 1], pair the frames in time (the last stands twice if odd)."""
        if isinstance(frames, np.ndarray):
            frames = torch.from_numpy(frames.copy())  # decoded pictures are often read-only
        rows, columns = self.grid(*frames.shape[1:3])
        x = frames.permute(0, 3, 1, 2).to(self.embed.weight.device, torch.float32)
        size = (rows * CELL, columns * CELL)
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)
        x = x.clamp(0, 255) / 127.5 - 1
        if len(x) % FRAMES:
            x = torch.cat([x, x[-1:]])
        values = rearrange(
            x,
            "(t f) ch (r m1 h) (c m2 w) -> t (r c m1 m2) (ch f h w)",
            f=FRAMES, m1=MERGE, m2=MERGE, h=PATCH, w=PATCH,
        )  # fmt: skip
        return Patches(values, rows * MERGE, columns * MERGE)

    def _position(self, rows: int, columns: int) -> Float[Tensor, "patches width"]:
        """The learned grid stretched so that its corners lie on the picture's corner patches."""
        grid = self.positions.permute(2, 0, 1)[None]
        grid = F.interpolate(grid, (rows, columns), mode="bilinear", align_corners=True)[0]
        return _by_token(grid.permute(1, 2, 0))

    def _rotation(self, rows: int, columns: int, device: torch.device) -> Rotation:
        """A quarter of a head's dimensions tells the row, the next the column, then again."""
        size = self.config.width // self.config.heads
        speeds = 10_000.0 ** -(torch.arange(0, size // 2, 2, device=device) / (size // 2))
        row = torch.arange(rows, device=device)[:, None, None] * speeds
        column = torch.arange(columns, device=device)[None, :, None] * speeds
        shape = (rows, columns, len(speeds))
        angles = torch.cat([row.expand(shape), column.expand(shape)], dim=2).repeat(1, 1, 2)
        angles = _by_token(angles)
        return Rotation(angles.cos(), angles.sin())


def _by_token(grid: Float[Tensor, "rows columns width"]) -> Float[Tensor, "patches width"]:
    """The order of patches: the four of a token beside each other."""
    return rearrange(grid, "(r m1) (c m2) d -> (r c m1 m2) d", m1=MERGE, m2=MERGE)
