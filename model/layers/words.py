"""How a word piece enters the Talker: a row of a table, plus what its letters say about its sound.

    words = Words(vocab=4096, width=256)
    words.spell([tokenizer.piece(i) for i in range(4096)])     # Omni does this once
    x = words(ids)                                             # f[*, D]

A table alone has to learn the sound of every piece for itself, the rare ones from a handful of
sentences; letters are shared by all. A marker has no letters and is its row alone.

Letters: V pieces, D width, L letters kept of a piece.
Left out: letters across pieces (the Talker's stack reads those).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

LONGEST = 12  # letters of a piece that are read, with the space before it
NONE = 0  # no letter
LETTER = 32  # size of a letter's embedding


class Words(nn.Embedding):
    def __init__(self, vocab: int, width: int):
        super().__init__(vocab, width)
        self.letter = nn.Embedding(256, LETTER)
        self.sound = nn.Linear(LONGEST * LETTER, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.register_buffer(
            "letters", torch.full((vocab, LONGEST), NONE, dtype=torch.uint8), persistent=False
        )
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.out.weight)

    def spell(self, pieces: Sequence[bytes]) -> None:
        """Tell it how the pieces are written; an empty one has no letters."""
        if len(pieces) != self.num_embeddings:
            raise ValueError(f"expected {self.num_embeddings} pieces, got {len(pieces)}")
        rows = [list(piece.lower()[:LONGEST]) for piece in pieces]
        padded = [row + [NONE] * (LONGEST - len(row)) for row in rows]
        self.letters = torch.tensor(padded, dtype=torch.uint8, device=self.letters.device)

    def forward(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        letters = self.letters[ids].long()
        known = (letters != NONE).unsqueeze(-1)
        spelled = (self.letter(letters) * known).flatten(-2)
        return super().forward(ids) + self.out(F.silu(self.sound(spelled)))
