import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.senses.vision import CELL, Vision, VisionConfig

NANO = VisionConfig.nano()
torch.manual_seed(0)
EYE = Vision(NANO).eval()


def film(frames: int, height: int, width: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    pixels.flags.writeable = False
    return pixels


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_grid_keeps_shape_within_the_budget(height, width):
    rows, columns = EYE.grid(height, width)
    budget = NANO.pixels // CELL**2
    assert rows >= 1 and columns >= 1 and rows * columns <= budget
    if height == width and height >= 128:
        assert rows == columns == 4


@torch.inference_mode()
@pytest.mark.parametrize("frames, height, width", [(1, 64, 96), (3, 33, 40), (4, 700, 20)])
def test_tokens_are_as_many_as_the_grid_says(frames, height, width):
    states, grid = EYE.look(film(frames, height, width))
    assert grid == ((frames + 1) // 2, *EYE.grid(height, width))
    assert states.shape == (np.prod(grid), NANO.out) and states.isfinite().all()


def test_patches_hold_the_pixels_of_their_place():
    pixels = film(3, 64, 96)
    values, rows, columns = EYE.patches(pixels)
    assert values.shape == (2, 24, 3 * 2 * 16 * 16) and (rows, columns) == (4, 6)
    scaled = torch.from_numpy(pixels.copy()) / 127.5 - 1
    blocks = values.view(2, 2, 3, 2, 2, 3, 2, 16, 16)  # pair, row, column, two in two, ...
    for row, column in [(0, 0), (1, 2), (1, 0)]:
        for below, right in [(0, 0), (0, 1), (1, 0)]:
            y, x = 32 * row + 16 * below, 32 * column + 16 * right
            patch = blocks[1, row, column, below, right]  # frame 2 stands twice
            expected = scaled[2, y : y + 16, x : x + 16].permute(2, 0, 1)
            assert torch.allclose(patch[:, 0], expected) and torch.allclose(patch[:, 1], expected)


@torch.inference_mode()
def test_a_film_is_a_batch_of_pairs():
    pixels = film(37, 64, 64)  # more than are looked at at once
    whole = EYE.look(pixels).states
    pieces = torch.cat([EYE.look(pixels[i : i + 2]).states for i in range(0, 37, 2)])
    assert torch.allclose(whole, pieces, atol=1e-6)


@torch.inference_mode()
def test_a_new_eye_tells_where_a_cell_is():
    """By a linear map of its state, whatever is to be seen there."""
    rng = np.random.default_rng(0)
    seen = [EYE.look(rng.integers(0, 256, (1, 128, 128, 3), np.uint8)).states for _ in range(80)]
    states = torch.cat((torch.stack(seen), torch.ones(80, 16, 1)), dim=2)
    for where in (torch.arange(16) // 8, torch.arange(16) % 4 // 2):  # upper half, left half
        wanted = torch.eye(2)[where].repeat(60, 1)
        probe = torch.linalg.lstsq(states[:60].flatten(0, 1), wanted).solution
        told = (states[60:] @ probe).argmax(-1)
        assert (told == where).float().mean() > 0.75  # by chance 0.5


@torch.inference_mode()
def test_place_matters():
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    pixels[:, :32, :32] = 255
    there = EYE.look(pixels).states
    moved = EYE.look(pixels[:, ::-1].copy()).states
    assert (there - moved[[2, 3, 0, 1]]).abs().max() > 1e-3


def test_it_learns_under_bf16():
    eye = Vision(NANO)
    with torch.autocast("cpu", torch.bfloat16):
        eye.look(film(2, 64, 64)).states.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in eye.parameters())


def test_micro_is_small():
    assert sum(p.numel() for p in Vision(VisionConfig.micro()).parameters()) <= 1_000_000
