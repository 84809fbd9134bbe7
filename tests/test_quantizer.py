"""What the codebooks of a frame do for each other."""

import torch

from model.speech.quantizer import Quantizer, mending


def test_later_codebooks_mend_what_earlier_ones_got_wrong():
    torch.manual_seed(0)
    quantizer = Quantizer(4, 32, 6)
    sizes = torch.tensor([4.0, 2.0, 1.0, 0.5])[:, None, None]
    quantizer.codebooks.copy_(torch.randn(4, 32, 6) * sizes)
    books = quantizer.codebooks
    true = quantizer.encode(torch.randn(1, 50, 6) * 4)[0].T  # [N, K]
    taken = true.clone()
    taken[:, 0] = torch.randint(32, (50,))
    mended = taken.clone()
    for q in range(3):  # as MTP chooses: one after the other
        mended[:, q + 1] = mending(books, true, mended)[:, q]

    def missed(codes):
        return (quantizer.embed(codes.T[None]) - quantizer.embed(true.T[None])).square().sum()

    assert missed(mended) < 0.8 * missed(taken)


def test_nothing_is_mended_where_all_is_true():
    torch.manual_seed(0)
    quantizer = Quantizer(3, 64, 8)
    quantizer.codebooks *= torch.tensor([9.0, 3.0, 1.0])[:, None, None]
    true = torch.randint(64, (20, 3))
    true = quantizer.encode(quantizer.embed(true.T[None]))[0].T
    assert (mending(quantizer.codebooks, true, true) == true[:, 1:]).float().mean() > 0.9
