"""What a layer remembers: keys and values of attention, the two states of DeltaNet.

State is a value: a layer returns a new past and never changes the one it was given. `KeyValues`
keeps that promise without copying: pasts share one buffer that grows by doubling, and only a past
that ends where the buffer's writing ends may write on in place; a fork that falls behind copies.
Letters: B batch, H heads, T time so far, D head size.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class _Shelf:
    """A buffer shared by pasts of one stream; `filled` positions are taken."""

    def __init__(self, keys: Tensor, values: Tensor, filled: int):
        self.keys, self.values, self.filled = keys, values, filled


class KeyValues:
    """Keys and values f[B, H, T, D] heard so far. Appending costs amortised O(1) a position."""

    def __init__(self, shelf: _Shelf, length: int):
        self._shelf, self.length = shelf, length

    @classmethod
    def start(cls, keys: Tensor, values: Tensor) -> "KeyValues":
        """The first piece of a stream: nothing is copied (training stays here)."""
        return cls(_Shelf(keys, values, keys.shape[2]), keys.shape[2])

    @property
    def keys(self) -> Tensor:
        return self._shelf.keys[:, :, : self.length]

    @property
    def values(self) -> Tensor:
        return self._shelf.values[:, :, : self.length]

    def append(self, keys: Tensor, values: Tensor) -> "KeyValues":
        """A past with these positions added; `self` stays as it was."""
        after = self.room(keys.shape[2])
        after.keys[:, :, self.length :] = keys
        after.values[:, :, self.length :] = values
        return after

    def room(self, count: int) -> "KeyValues":
        """A past with so many positions more, still to be written; `self` stays as it was."""
        end = self.length + count
        shelf = self._shelf
        if shelf.filled != self.length or end > shelf.keys.shape[2]:
            shelf = self._copy(max(end, 2 * self.length, 64))
        shelf.filled = end
        return KeyValues(shelf, end)

    @property
    def buffers(self) -> tuple[Tensor, Tensor]:
        """Keys and values f[B, H, room, D], of which the first `length` positions are heard."""
        return self._shelf.keys, self._shelf.values

    def _copy(self, room: int) -> _Shelf:
        def roomy(x: Tensor) -> Tensor:
            wide = x.new_empty(*x.shape[:2], room, x.shape[3])
            wide[:, :, : self.length] = x
            return wide

        return _Shelf(roomy(self.keys), roomy(self.values), self.length)


class DeltaPast(NamedTuple):
    """Gated DeltaNet's memory: constant in size, whatever the length."""

    conv: Tensor  # f32[B, kernel - 1, channels]: the last inputs of the short convolution
    state: Tensor  # f32[B, value heads, key size, value size]


def positions(start: int, count: int, batch: int = 1, device: torch.device | None = None) -> Tensor:
    """Places i64[3, B, T] of plain text: the same running number on all three axes."""
    return torch.arange(start, start + count, device=device).expand(3, batch, count)
