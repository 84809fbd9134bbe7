"""Losses: the formulas of torch, with fewer walks through memory."""

import pytest
import torch
import torch.nn.functional as F

from model.train.losses import IGNORE, cross_entropy


@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_cross_entropy_is_that_of_torch(smooth, kind):
    torch.manual_seed(0)
    logits = (4 * torch.randn(3, 7, 11)).to(kind)
    targets = torch.randint(0, 11, (3, 7))
    targets[0, :3] = IGNORE
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = cross_entropy(ours, targets, smooth)
    wide = theirs.flatten(0, 1).to(torch.promote_types(kind, torch.float32))
    expected = F.cross_entropy(wide, targets.flatten(), label_smoothing=smooth, ignore_index=IGNORE)
    (3 * loss).backward()
    (3 * expected).backward()
    assert loss.dtype == wide.dtype
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_nothing_to_score_costs_nothing():
    logits = torch.randn(2, 5, requires_grad=True)
    loss = cross_entropy(logits, torch.full((2,), IGNORE))
    loss.backward()
    assert loss == 0 and not logits.grad.any()
    assert cross_entropy(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)) == 0
