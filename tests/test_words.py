import pytest
import torch

from model.layers.words import LONGEST, Words


def spelled() -> Words:
    torch.manual_seed(0)
    words = Words(5, 16)
    words.spell([b" cat", b" Cat", b"cat", b"", b"x" * 40])
    torch.nn.init.normal_(words.out.weight)
    return words


def test_a_new_table_is_only_a_table():
    words = Words(5, 16)
    ids = torch.tensor([[0, 4], [2, 2]])
    assert torch.equal(words(ids), words.weight[ids])
    words.spell([b"a", b"b", b"c", b"d", b"e"])
    assert torch.equal(words(ids), words.weight[ids]), "letters begin without a say"


def test_letters_are_shared():
    words = spelled()
    heard = words(torch.arange(5)) - words.weight
    torch.testing.assert_close(heard[0], heard[1])  # capitals sound alike
    assert not torch.allclose(heard[0], heard[2]), "a piece inside a word is another"
    assert heard[3].abs().max() == 0, "a marker has no letters"
    words.spell([b"", b"", b"", b"", b"x" * LONGEST])
    torch.testing.assert_close(heard[4], (words(torch.arange(5)) - words.weight)[4])


def test_what_it_learns_of_one_piece_serves_another():
    words = spelled()
    words(torch.tensor([0])).sum().backward()
    assert words.weight.grad[1].abs().max() == 0
    assert words.letter.weight.grad[ord("c")].abs().max() > 0


def test_wrong_number_of_pieces():
    with pytest.raises(ValueError, match="expected 5 pieces, got 1"):
        Words(5, 16).spell([b"a"])
