"""The colour of a voice: a filter that puts back what the codec took, piece by piece."""

import numpy as np
import pytest
import torch
from scipy.signal import firwin2, lfilter

from model.omni import Omni, OmniConfig
from model.senses.message import Audio
from model.speech.colour import MOST, TAPS, colour, tint
from model.turn import Voice, imitated, say

RATE = 24_000


def noise(seconds: float = 3.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.05, round(seconds * RATE)).astype(np.float32)


def test_what_was_taken_is_put_back():
    """The copy is duller than the recording by 4 dB above 3 kHz; twice as much is put back."""
    wave = noise()
    dull = firwin2(255, [0, 2600, 3400, 12_000], [1, 1, 0.631, 0.631], fs=RATE)
    copy = lfilter(dull, 1, wave).astype(np.float32)
    taps = colour(torch.from_numpy(wave), torch.from_numpy(copy))
    gain = 20 * torch.fft.rfft(taps, n=1024).abs().log10()
    hertz = torch.arange(513) * RATE / 1024
    assert gain[(hertz > 200) & (hertz < 2000)].abs().max() < 1.5
    assert gain[(hertz > 4500) & (hertz < 11_000)].sub(8).abs().max() < 1.5
    energy = taps.square()
    assert energy[: TAPS // 8].sum() > 0.95 * energy.sum(), "it does not wait"


def test_no_band_is_changed_by_more_than_it_may():
    wave = noise()
    gone = lfilter(firwin2(255, [0, 2600, 3400, 12_000], [1, 1, 1e-3, 1e-3], fs=RATE), 1, wave)
    taps = colour(torch.from_numpy(wave), torch.from_numpy(gone.astype(np.float32)))
    assert 20 * torch.fft.rfft(taps, n=4096).abs().max().log10() < MOST + 1


@pytest.mark.parametrize("cuts", [(1, 2), (500, 511), (511, 5000), (1920, 3840)])
def test_pieces_equal_the_whole(cuts):
    wave, taps = torch.from_numpy(noise(0.3))[None], torch.randn(TAPS)
    whole, _ = tint(wave, taps)
    pieces, past = [], None
    for part in wave.tensor_split(cuts, dim=1):
        piece, past = tint(part, taps, past)
        pieces.append(piece)
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-5)
    assert torch.allclose(whole[0, :1], wave[0, :1] * taps[0], atol=1e-6), "no delay"


@pytest.mark.parametrize("samples", [0, 1, 100, 1024])
def test_short_or_silent_sounds_have_no_colour_of_their_own(samples):
    for sound in (np.zeros(samples, np.float32), noise()[:samples]):
        taps = colour(torch.from_numpy(sound), torch.from_numpy(sound))
        assert torch.allclose(taps, torch.eye(1, TAPS)[0], atol=1e-4)


def test_an_imitated_voice_is_heard_through_its_colour():
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    like = imitated(omni, Audio(noise(), RATE))
    plain = Voice(like.name, like.codes)
    with_it, without = (
        np.concatenate([c.audio for c in say(omni, "Yes it is", voice)]) for voice in (like, plain)
    )
    expected, _ = tint(torch.from_numpy(without)[None], like.colour)
    assert np.allclose(with_it, expected[0].numpy(), atol=1e-5)
    assert not np.allclose(with_it, without, atol=1e-5)
