"""The critic beside the renderer: what it learns, and what it lets the renderer learn."""

import pytest
import torch

from model.train.critic import PIECE, Critic


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return Critic(points=(512, 256), width=4)


def sounds(seed: int, samples: int = PIECE + 500):
    """Noise, and the same dull, as a renderer that is content with the mean makes it."""
    true = 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(seed))
    made = torch.nn.functional.avg_pool1d(true[:, None], 9, 1, 4)[:, 0]
    return made, true


def test_each_learns_from_its_own_losses_alone(critic):
    made, true = sounds(0)
    made.requires_grad_()
    judged = critic.judged(made, true)
    (judged.adversarial + judged.matching).backward()
    assert made.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in critic.parameters())
    made.grad = None
    critic.judged(made, true).critic.backward()
    assert made.grad is None
    grads = [parameter.grad for parameter in critic.parameters() if parameter.ndim > 1]
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_it_learns_to_tell_what_is_made(critic):
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    for step in range(60):
        optimizer.zero_grad()
        critic.judged(*sounds(step)).critic.backward()
        optimizer.step()
    judged = critic.judged(*sounds(1000))
    assert judged.right > 0.9
    made, true = sounds(1001)
    assert critic.judged(true, true).adversarial < judged.adversarial  # recordings please it
    assert critic.judged(true, true).matching == 0 < critic.judged(made, true).matching


def test_crops_shorter_than_a_piece_are_judged_whole(critic):
    made, true = sounds(0, samples=2000)
    assert all(value.isfinite() for value in critic.judged(made, true))
    assert critic.judged(0 * made, 0 * true).matching == 0  # silence
