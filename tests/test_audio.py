from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.layers.mel import log_mel_16k
from model.senses.audio import AuT, AuTConfig, listen
from model.senses.prompt import audio_tokens

NANO = AuTConfig.nano()  # chunks of 32 frames, 2 tokens


def make(config: AuTConfig = NANO) -> AuT:
    torch.manual_seed(0)
    return AuT(config).eval()


AUT = make()
WINDOWS = [0.1, 0.64, 1.0, 8.0]  # 1, 2, 3 and 25 chunks of 0.32 s


def close(a: torch.Tensor, b: torch.Tensor, limit: float = 1e-5) -> bool:
    return a.shape == b.shape and (not a.numel() or float((a - b).abs().max()) < limit)


@torch.inference_mode()
@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.integers(0, 31),
    st.sampled_from(WINDOWS),
)
def test_pieces_equal_the_whole(chunks, tail, window):
    sizes = [32 * n for n in chunks] + [tail] * (tail > 0)
    mel = torch.randn(2, 128, sum(sizes))
    whole, _ = AUT(mel, window=window)
    past, pieces = None, []
    for piece in mel.split(sizes, dim=2):
        heard, past = AUT(piece, past, window)
        pieces.append(heard)
    assert close(torch.cat(pieces, dim=1), whole)


@torch.inference_mode()
@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=6), st.sampled_from(WINDOWS))
def test_samples_cut_anywhere(sizes, window):
    wave = torch.randn(1, sum(sizes))
    whole, _ = AUT(log_mel_16k(wave), window=window)
    ear, pieces = None, []
    for i, piece in enumerate(wave.split(sizes, dim=1)):
        heard, ear = listen(AUT, piece, ear, end=i == len(sizes) - 1, window=window)
        pieces.append(heard)
    assert close(torch.cat(pieces, dim=1), whole)
    assert whole.shape[1] == AUT.tokens(sum(sizes)) == audio_tokens(sum(sizes))


@torch.inference_mode()
def test_a_chunk_is_encoded_as_soon_as_it_is_full():
    wave = torch.randn(1, 32 * 160)
    heard, ear = listen(AUT, wave[:, :-1])
    assert heard.shape[1] == 0
    heard, ear = listen(AUT, wave[:, -1:], ear)
    assert heard.shape[1] == 2


@torch.inference_mode()
def test_less_than_a_frame_is_nothing():
    heard, _ = AUT(log_mel_16k(torch.randn(1, 100)))
    assert heard.shape[1] == AUT.tokens(100) == 0
    assert listen(AUT, torch.randn(1, 100), end=True)[0].shape[1] == 0


@torch.inference_mode()
def test_a_forked_stream_goes_on_independently():
    mel = torch.randn(3, 1, 128, 64)
    _, past = AUT(mel[0])
    left, _ = AUT(mel[1], past)
    AUT(mel[2], past)
    again, _ = AUT(mel[1], past)
    assert left.equal(again)


@torch.inference_mode()
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", WINDOWS)
def test_right_padding_changes_nothing(causal, window):
    aut = make(replace(NANO, causal=causal))
    lengths = torch.tensor([200, 1, 96, 33, 170])
    mel = torch.randn(5, 128, 200)
    batch, _ = aut(mel, window=window, lengths=lengths)
    assert batch.isfinite().all()
    for i, length in enumerate(lengths.tolist()):
        alone, _ = aut(mel[i : i + 1, :, :length], window=window)
        assert alone.shape[1] == aut.frames_to_tokens(length)
        assert close(batch[i : i + 1, : alone.shape[1]], alone)


@torch.inference_mode()
def test_what_a_token_sees():
    """Earlier chunks of its window and its own; the whole window when not causal."""
    mel = torch.randn(1, 128, 6 * 32)
    changed = mel.clone()
    changed[:, :, 3 * 32 : 4 * 32] += 1  # the fourth chunk, tokens 6 and 7

    def touched(aut: AuT, window: float) -> list[bool]:
        difference = (aut(mel, window=window)[0] - aut(changed, window=window)[0]).abs()
        return (difference.amax(-1)[0] > 1e-4).tolist()

    past, future = [False] * 6, [True] * 6
    assert touched(AUT, 8.0) == past + future
    assert touched(AUT, 0.32) == past + [True] * 2 + [False] * 4
    assert touched(AUT, 0.64) == past + [True] * 2 + [False] * 4  # second half of its window
    both = make(replace(NANO, causal=False))
    assert touched(both, 8.0) == [True] * 12
    assert touched(both, 0.64) == [False] * 4 + [True] * 4 + [False] * 4


@torch.inference_mode()
def test_the_window_may_change_between_pieces():
    mel = torch.randn(1, 128, 128)
    _, past = AUT(mel[:, :, :96], window=8.0)
    short, _ = AUT(mel[:, :, 96:], past, window=0.32)  # the open window is too long already
    fresh, _ = AUT(mel[:, :, 96:])
    assert close(short, fresh)


def test_nothing_follows_the_end():
    _, past = AUT(torch.randn(1, 128, 40))
    with pytest.raises(ValueError, match="nothing can follow"):
        AUT(torch.randn(1, 128, 32), past)
    _, past = make(replace(NANO, causal=False))(torch.randn(1, 128, 32))
    with pytest.raises(ValueError, match="not causal"):
        make(replace(NANO, causal=False))(torch.randn(1, 128, 32), past)


def test_it_learns_under_bf16():
    aut = make()
    with torch.autocast("cpu", torch.bfloat16):
        heard, _ = aut(torch.randn(2, 128, 90), lengths=torch.tensor([90, 20]), window=0.64)
    heard.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in aut.parameters())


def test_micro_is_small():
    aut = AuT(AuTConfig.micro())
    assert sum(p.numel() for p in aut.parameters()) <= 3_800_000
    assert aut.config.chunk_tokens == 10 and aut.tokens(16_000 * 8) == 50  # 6.25 a second
