"""Residual vector quantisation: a latent is the sum of one entry of each codebook.

Codebook 0 takes the entry nearest to the latent, each next codebook the entry nearest to what is
still missing. The entries are no parameters: in training they follow the running mean of the
vectors they were chosen for, and an entry that is hardly chosen moves to a vector of the batch.

- `encode` and `embed` are all that use needs; `forward` is what training needs.
- Gradients pass straight through to the latents ("vectors" and "first").
- Dropping: `keep` says how many codebooks each item of the batch is rebuilt from, so that the first
  few carry most.

Left out: FSQ, projections per codebook, a codebook-diversity loss (the moves keep > 90 % in use).

Letters: B batch, S frames, K codebooks, V entries of a codebook, D size of a latent, N = B * S.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

RARE = 0.05  # an entry chosen less than this share of the average is moved


class Quantized(NamedTuple):
    vectors: Float[Tensor, "batch frames dim"]  # sum over the codebooks kept
    first: Float[Tensor, "batch frames dim"]  # codebook 0 alone
    codes: Int64[Tensor, "batch codebooks frames"]
    commitment: Float[Tensor, ""]  # how far the latents lie from what replaced them


class Quantizer(nn.Module):
    """The codebooks, [K, V, D]."""

    def __init__(self, codebooks: int = 8, entries: int = 512, dim: int = 64, memory: float = 0.98):
        super().__init__()
        self.memory = memory  # of the running means, a step
        self.register_buffer("codebooks", torch.randn(codebooks, entries, dim))
        self.register_buffer("counts", torch.zeros(codebooks, entries))  # 0: never seen a batch

    def embed(
        self,
        codes: Int64[Tensor, "batch books frames"],
        keep: Int64[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames dim"]:
        """The sum of the entries of the codebooks given: all, or the first few (of each item)."""
        books = codes.shape[1]
        if not 1 <= books <= len(self.codebooks):
            raise ValueError(f"{books} codebooks given; expected 1 to {len(self.codebooks)}")
        which = torch.arange(books, device=codes.device)[:, None]
        entries = self.codebooks[which, codes]  # [B, K, S, D]
        if keep is not None:
            entries = entries * (which < keep[:, None, None])[..., None]
        return entries.sum(dim=1)

    def encode(
        self, latents: Float[Tensor, "batch frames dim"]
    ) -> Int64[Tensor, "batch codebooks frames"]:
        """The codes of latents."""
        rest = latents.detach().float().flatten(0, 1)
        codes = []
        for book in self.codebooks:
            codes.append(nearest(rest, book))
            rest = rest - book[codes[-1]]
        return torch.stack(codes).unflatten(1, latents.shape[:2]).transpose(0, 1)

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(
        self,
        latents: Float[Tensor, "batch frames dim"],
        keep: Int64[Tensor, " batch"] | None = None,
    ) -> Quantized:
        rest = latents.float()
        total = torch.zeros_like(rest)
        first, codes, missed = total, [], []
        for k in range(len(self.codebooks)):
            if self.training and not self.counts[k].any():
                self._begin(k, rest.detach().flatten(0, 1))
            chosen = nearest(rest.detach().flatten(0, 1), self.codebooks[k])
            entry = self.codebooks[k][chosen].view_as(rest)
            if self.training:
                self._follow(k, rest.detach().flatten(0, 1), chosen)
            codes.append(chosen.view(rest.shape[:2]))
            missed.append((rest - entry).square().mean())
            rest = rest - entry
            kept = 1.0 if keep is None else (keep > k).to(rest.dtype)[:, None, None]
            total = total + entry * kept
            first = entry if k == 0 else first
        straight = latents.float() - latents.detach().float()  # zero, but with a gradient
        return Quantized(
            total + straight, first + straight, torch.stack(codes, 1), torch.stack(missed).mean()
        )

    @torch.no_grad()
    def _begin(self, k: int, vectors: Float[Tensor, "n dim"]) -> None:
        """Entries taken from the first batch, a little apart from each other."""
        drawn = torch.randint(len(vectors), (self.codebooks.shape[1],), device=vectors.device)
        noise = torch.randn_like(self.codebooks[k]) * vectors.std() * 0.1
        self.codebooks[k] = vectors[drawn] + noise
        self.counts[k] = len(vectors) / self.codebooks.shape[1]

    @torch.no_grad()
    def _follow(self, k: int, vectors: Float[Tensor, "n dim"], chosen: Int64[Tensor, " n"]) -> None:
        """Move each entry towards the mean of the vectors that chose it, weighed by how many do."""
        book, counts = self.codebooks[k].clone(), self.counts[k]
        now = torch.bincount(chosen, minlength=len(book)).to(vectors.dtype)
        sums = torch.zeros_like(book).index_add_(0, chosen, vectors)
        total = self.memory * counts + (1 - self.memory) * now
        book = (self.memory * counts[:, None] * book + (1 - self.memory) * sums) / total[:, None]
        average = len(vectors) / len(book)
        rare = total < RARE * average
        drawn = vectors[torch.randint(len(vectors), (len(book),), device=vectors.device)]
        self.codebooks[k] = torch.where(rare[:, None], drawn, book)
        self.counts[k] = torch.where(rare, torch.full_like(total, 0.5 * average), total)


def nearest(
    vectors: Float[Tensor, "n dim"], book: Float[Tensor, "entries dim"]
) -> Int64[Tensor, " n"]:
    """For each vector the entry closest to it."""
    return (book.square().sum(1) - 2 * vectors @ book.T).argmin(1)


def mending(
    books: Float[Tensor, "books entries dim"],
    true: Int64[Tensor, "n books"],
    taken: Int64[Tensor, "n books"],
) -> Int64[Tensor, "n rest"]:
    """For each codebook but the first the entry that comes nearest to the true frame, given what
    the codebooks before it have `taken`. Where all they took is true, it is about the true code."""
    which = torch.arange(len(books), device=books.device)
    wanted, made = books[which, true].sum(1), books[which, taken].cumsum(1)  # [N, D], [N, K, D]
    return torch.stack(
        [nearest(wanted - made[:, k], book) for k, book in enumerate(books[1:])], dim=1
    )
