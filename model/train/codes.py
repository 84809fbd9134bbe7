"""The codes of every clip, as `model.train.codec.tokenise` wrote them.

codes = Codes(Path("runs/codes/train.npz"))
codes.draw("heart-000123", rng)          # one of its copies
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.speech.codec import RATE


class Copy(NamedTuple):
    codes: np.ndarray  # i64[S, K]
    lead: float  # ms of silence before the clip begins


class Codes:
    """Copies of each clip's codes; they differ in the silence before the first sound."""

    def __init__(self, path: Path):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: train the codec, then write its codes")
        with np.load(path) as file:
            self._codes, self._start = file["codes"], file["start"]
            names, clip, self._lead = file["ids"], file["clip"], file["lead"]
            if "books" not in file:
                raise ValueError(
                    f"{path} has no codebooks: write the codes again (omni train codec)"
                )
            self.books = file["books"]  # f32[K, V, D]: what the codes stand for
        self._items: dict[str, list[int]] = {}
        for item, index in enumerate(clip):
            self._items.setdefault(str(names[index]), []).append(item)

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def frames(self, name: str) -> int:
        """Frames of the first copy."""
        item = self._items[name][0]
        return int(self._start[item + 1] - self._start[item])

    def draw(self, name: str, rng: np.random.Generator) -> Copy:
        items = self._items[name]
        item = items[int(rng.integers(0, len(items)))]
        codes = self._codes[self._start[item] : self._start[item + 1]].astype(np.int64)
        return Copy(codes, float(self._lead[item]) * 1000 / RATE)
