"""The optimizer, held against torch's own two."""

import pytest
import torch
from torch import nn

from model.train import muon
from model.train.muon import Muon, orthogonal


def pair(*shape: int) -> tuple[nn.Parameter, nn.Parameter]:
    torch.manual_seed(0)
    value = torch.randn(shape)
    return nn.Parameter(value.clone()), nn.Parameter(value.clone())


def walk(optimizers, parameters, steps: int = 4) -> None:
    for step in range(steps):
        torch.manual_seed(step)
        for p in parameters:
            torch.manual_seed(step)
            p.grad = torch.randn(p.shape)
        for optimizer in optimizers:
            optimizer.step()


@pytest.mark.parametrize("shape", [(64, 48), (48, 64), (32, 32)])
def test_a_matrix_moves_as_with_torchs_muon(shape, monkeypatch):
    monkeypatch.setattr(muon, "has_bf16", lambda device: True)  # torch's computes in bf16 always
    ours, theirs = pair(*shape)
    both = (
        Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.01),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    walk(both, (ours, theirs))
    assert (ours - theirs).abs().max() < 2e-3 * ours.abs().max()  # NS runs in bf16


def test_stacked_experts_move_each_by_itself():
    stack, _ = pair(3, 64, 48)
    alone = [nn.Parameter(expert.clone()) for expert in stack.detach()]
    grads = torch.randn(3, 64, 48) * torch.tensor([1.0, 10.0, 0.1]).view(3, 1, 1)
    stack.grad = grads
    for p, grad in zip(alone, grads, strict=True):
        p.grad = grad.clone()
    Muon([{"params": [stack]}], lr=0.1).step()
    Muon([{"params": alone}], lr=0.1).step()
    torch.testing.assert_close(stack.detach(), torch.stack([p.detach() for p in alone]))


@pytest.mark.parametrize("shape", [(7,), (4, 64), (64, 3), (64, 64, 3, 3)])
def test_all_else_moves_as_with_torchs_adamw(shape):
    ours, theirs = pair(*shape)
    both = (
        Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.01, betas=(0.9, 0.98)),
        torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), weight_decay=0.1),
    )
    walk(both, (ours, theirs))
    torch.testing.assert_close(ours.detach(), theirs.detach())


def test_a_table_of_words_is_adamws():
    table = nn.Parameter(torch.randn(64, 64))
    optimizer = Muon([{"params": [table]}], lr=0.1, tables=[table])
    walk([optimizer], [table], 1)
    assert "exp_avg" in optimizer.state[table]


@pytest.mark.parametrize("bf16", [True, False])
def test_singular_values_come_near_one(bf16, monkeypatch):
    """In half the digits, and in all of them where the processor would be slow with half."""
    monkeypatch.setattr(muon, "has_bf16", lambda device: bf16)
    torch.manual_seed(0)
    x = torch.randn(2, 40, 90) @ torch.diag(torch.logspace(-1, 1, 90))
    values = torch.linalg.svdvals(orthogonal(x))
    assert values.min() > 0.4 and values.max() < 1.4
    assert orthogonal(torch.zeros(32, 32)).abs().max() == 0
