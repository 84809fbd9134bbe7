"""Log-mel spectra: causal, n // hop frames, the same in pieces, and librosa's bands."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.layers import mel
from model.layers.mel import CODEC, HEARING, LogMel, log_mel_16k


@pytest.mark.parametrize("config", [HEARING, CODEC])
@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 2999), max_size=5), length=st.integers(1, 3000))
def test_pieces_equal_the_whole(config, cuts, length):
    torch.manual_seed(0)
    front, wave = LogMel(config), torch.randn(1, length)
    whole, rest = front(wave)
    assert whole.shape == (1, config.bands, length // config.hop)
    past, out = None, []
    ends = sorted(cut for cut in cuts if cut < length)
    for begin, end in zip([0, *ends], [*ends, length], strict=True):
        mel, past = front(wave[:, begin:end], past)
        out.append(mel)
    assert torch.allclose(torch.cat(out, dim=2), whole, atol=1e-5)
    assert torch.equal(past, rest)


def test_hearing_has_100_frames_a_second_and_never_looks_ahead():
    torch.manual_seed(0)
    wave = torch.randn(2, 16_000) * 0.1
    mel = log_mel_16k(wave)
    assert mel.shape == (2, 128, 100)
    longer = log_mel_16k(torch.cat([wave, torch.randn(2, 5_000)], dim=1))
    assert torch.allclose(longer[:, :, :100], mel, atol=1e-5) and longer.shape[2] == 131
    other = wave.clone()
    other[:, 8_000:] = 0
    assert torch.allclose(log_mel_16k(other)[:, :, :50], mel[:, :, :50], atol=1e-5)


def test_bands_are_those_of_librosa():
    rng = np.random.default_rng(0)
    wave = rng.standard_normal(1600).astype(np.float32) * 0.1
    window = np.hanning(HEARING.window + 1)[:-1]
    filters = librosa.filters.mel(sr=16_000, n_fft=HEARING.fft, n_mels=128, norm=None)
    frame = wave[10 * 160 - 400 : 10 * 160] * window / np.sqrt((window**2).sum())
    power = filters @ np.abs(np.fft.rfft(frame, HEARING.fft)) ** 2
    mel = log_mel_16k(torch.from_numpy(wave)[None])[0, :, 9]
    assert np.allclose(mel, np.log10(np.maximum(power, HEARING.floor)) / 2 + 1.5, atol=1e-4)


@pytest.mark.parametrize("config", [HEARING, CODEC])
def test_no_band_is_empty_and_silence_is_the_floor(config):
    front = LogMel(config)
    assert (front.filters.sum(dim=1) > 0).all()
    silence = front(torch.zeros(1, 4 * config.hop))[0]
    assert torch.allclose(silence, torch.full_like(silence, -1.5))
    assert not list(front.state_dict())  # nothing of it is saved


def test_what_is_kept_for_all_serves_those_who_want_gradients():
    mel._hearing.cache_clear()
    with torch.inference_mode():
        mel.log_mel_16k(torch.zeros(1, 1600))
    wave = torch.randn(1, 1600, requires_grad=True)
    mel.log_mel_16k(wave).sum().backward()
    assert wave.grad.abs().max() > 0
