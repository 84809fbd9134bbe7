"""The codec: strictly causal, 1,920 samples a frame, trained by its loss, codes written whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.store import CLIPS, Store, encode, write
from model.speech.code2wav import HOP, WINDOW, overlap_add
from model.speech.codec import AHEAD, FRAME, Codec, CodecConfig
from model.speech.quantizer import Quantizer
from model.speech.search import attempts, search
from model.speech.spectra import Power, cut
from model.train.codec import (
    CodecStage,
    load_codec,
    tokenise,
    train_codec,
    train_renderer,
)
from model.train.loop import Run


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return Codec(CodecConfig.nano()).eval().requires_grad_(False)


def clips(root, split, count, seed):
    """Whistled clips of half a second to a second, in the store's own form."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        units = draw.integers(4, 9, 5)
        time = np.arange(units.sum() * 600) / 24_000
        wave = 0.3 * np.sin(2 * np.pi * draw.uniform(100, 400) * time).astype(np.float32)
        rows.append(
            {
                "id": f"{split}-{i}",
                "text": "a tone",
                "source": "test",
                "voice": "heart" if i % 2 else "warp-1.10-1.00",
                "speed": 1.0,
                "rate": 24_000,
                "flac": encode(wave, 24_000),
                "seconds": len(wave) / 24_000,
                "phones": list("_tOn_"),
                "units": units.tolist(),
                "sha256": "",
            }
        )
    write(Path(root) / "spoken" / f"{split}-00000.parquet", rows, CLIPS)


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 11), max_size=11), books=st.integers(1, 8))
def test_speaking_in_pieces_equals_speaking_at_once(codec, cuts, books):
    codes = torch.randint(16, (2, books, 12), generator=torch.Generator().manual_seed(books))
    whole = codec.decode(codes)
    assert whole.shape == (2, 12 * FRAME)
    past, out = None, []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True):
        wave, past = codec.renderer(codes[:, :, begin:end], past)
        assert wave.shape == (2, (end - begin) * FRAME)
        out.append(wave)
    assert (torch.cat(out, dim=1) - whole).abs().max() < 1e-5


def test_a_frame_is_final_at_once(codec):
    codes = torch.randint(16, (1, 8, 10))
    other = codes.clone()
    other[:, :, 6:] = (other[:, :, 6:] + 1) % 16
    a, b = codec.decode(codes), codec.decode(other)
    assert torch.equal(a[:, : 6 * FRAME], b[:, : 6 * FRAME]) and not torch.equal(a, b)


@settings(max_examples=10, deadline=None)
@given(cuts=st.sets(st.integers(1, 7), max_size=7))
def test_encoding_in_pieces_equals_encoding_at_once(codec, cuts):
    wave = torch.randn(2, 8 * FRAME, generator=torch.Generator().manual_seed(1))
    whole, _ = codec.encoder(wave)
    past, out = None, []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 8], strict=True):
        latents, past = codec.encoder(wave[:, begin * FRAME : end * FRAME], past)
        out.append(latents)
    assert (torch.cat(out, dim=1) - whole).abs().max() < 1e-5


def test_the_encoder_sees_30_ms_beyond_a_frame_and_no_more(codec):
    torch.manual_seed(0)
    wave = torch.randn(1, 6 * FRAME)
    later, sooner = wave.clone(), wave.clone()
    later[:, 3 * FRAME + AHEAD :] = 0
    sooner[:, 3 * FRAME + AHEAD - 200 :] = 0
    latents = codec.latents(wave)
    assert torch.equal(codec.latents(later)[:, :3], latents[:, :3])
    assert not torch.equal(codec.latents(sooner)[:, :3], latents[:, :3])
    assert WINDOW - HOP == AHEAD == 720


@pytest.mark.parametrize("samples", [1, FRAME - 1, FRAME, FRAME + 1, 5 * FRAME])
def test_every_sample_gets_a_frame(codec, samples):
    codes = codec.encode(torch.randn(1, samples))
    assert codes.shape == (1, 8, -(-samples // FRAME)) and codes.dtype == torch.int64
    assert codec.decode(codes).shape[1] == codes.shape[2] * FRAME


def test_wrong_calls(codec):
    with pytest.raises(ValueError, match="waveform is empty"):
        codec.encode(torch.zeros(1, 0))
    with pytest.raises(ValueError, match="not whole frames of 1920"):
        codec.encoder(torch.zeros(1, 1000))
    with pytest.raises(ValueError, match="9 codebooks given; expected 1 to 8"):
        codec.decode(torch.zeros(1, 9, 2, dtype=torch.int64))


def test_windows_overlap_to_a_constant(codec):
    pieces = codec.renderer.head.window.expand(1, 20, WINDOW)
    wave, tail = overlap_add(pieces)
    assert wave.shape == (1, 20 * HOP) and tail.shape == (1, AHEAD)
    assert (wave[:, AHEAD:] - 1).abs().max() < 1e-6  # four windows on every sample
    assert (torch.diff(wave[:, :AHEAD]) > -1e-6).all()  # the start fades in


def test_the_sum_of_the_nearest_entries():
    torch.manual_seed(0)
    quantizer = Quantizer(codebooks=3, entries=16, dim=4).eval()
    latents = torch.randn(2, 5, 4)
    codes = quantizer.encode(latents)
    quantized = quantizer(latents)
    assert torch.equal(quantized.codes, codes)
    assert torch.allclose(quantizer.embed(codes), quantized.vectors, atol=1e-6)
    assert torch.allclose(quantizer.embed(codes[:, :1]), quantized.first, atol=1e-6)
    some = quantizer(latents, torch.tensor([1, 2]))
    assert torch.allclose(some.vectors[0], quantizer.embed(codes[:1, :1])[0], atol=1e-6)
    assert torch.allclose(some.vectors[1], quantizer.embed(codes[1:, :2])[0], atol=1e-6)
    for k in range(3):  # by hand: each entry is the nearest to what is left
        left = latents - (quantizer.embed(codes[:, :k]) if k else 0)
        distance = (left[..., None, :] - quantizer.codebooks[k]).square().sum(-1)
        assert torch.equal(distance.argmin(-1), codes[:, k])


def test_codebooks_follow_their_vectors_and_none_dies():
    torch.manual_seed(0)
    quantizer = Quantizer(codebooks=2, entries=16, dim=4, memory=0.9)
    centres = torch.randn(16, 4) * 5

    def vectors():
        return centres[torch.randint(16, (4, 32))] + 0.01 * torch.randn(4, 32, 4)

    before = quantizer(vectors()).commitment
    for _ in range(200):
        after = quantizer(vectors())
    assert after.commitment < 0.5 * before
    assert len(after.codes[:, 0].unique()) >= 9
    latents = vectors().requires_grad_()
    quantizer(latents).vectors.sum().backward()
    assert torch.equal(latents.grad, torch.ones_like(latents))  # straight through


def test_the_cheap_gradients_are_right():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Power.apply, x)
    wave = torch.randn(2, 100)
    assert torch.equal(cut(wave, 16), wave.unfold(1, 16, 4))


def test_training_learns_and_its_codes_are_written_whole(tmp_path):
    clips(tmp_path, "train", 12, seed=0)
    clips(tmp_path, "valid", 4, seed=1)
    config = CodecConfig.nano()
    stage = CodecStage(crop=8, batch=4, lr=3e-3)
    run = Run(out=tmp_path / "run", steps=40, valid_every=20, log_every=10, bf16=False)
    result = train_codec(tmp_path, run, stage, config)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    losses = [float(line.split('"loss": ')[1].split(",")[0]) for line in lines if '"loss"' in line]
    assert losses[-1] < 0.8 * losses[0]

    codec = load_codec(result.checkpoint, config)
    spoken = Store(tmp_path).spoken("train")
    tokenise(spoken, codec, tmp_path / "codes/train.npz", copies=2)
    codes = np.load(tmp_path / "codes/train.npz")
    assert codes["ids"].tolist() == spoken.ids
    assert codes["copy"].tolist() == [0] * 12 + [1] * 12
    for i in (0, 5, 11):  # a batch of unlike lengths gives what each clip alone gives
        alone = codec.encode(torch.from_numpy(spoken[i].samples)[None])[0].T.numpy()
        mine = codes["codes"][codes["start"][i] : codes["start"][i + 1]]
        assert mine.shape == alone.shape and (mine == alone).mean() > 0.95
    assert codes["lead"][:12].tolist() == [0] * 12 and (codes["lead"][12:] < FRAME).all()
    assert not list(tmp_path.glob("codes/*.part*"))
    assert codes["clip"].tolist() == [*range(12), *range(12)]
    # the renderer alone goes on: encoder, codebooks and so all codes stay as they were
    before = load_codec(result.checkpoint, config)
    run = Run(out=tmp_path / "render", steps=5, bf16=False)
    rest = train_renderer(tmp_path, run, load_codec(result.checkpoint, config), stage)
    later = load_codec(rest.checkpoint, config)
    wave = torch.from_numpy(spoken[0].samples)[None]
    codes = before.encode(wave)
    assert torch.equal(later.encode(wave), codes)
    assert not torch.equal(later.decode(codes), before.decode(codes))


def test_a_search_finds_codes_whose_sound_is_nearer(codec):
    time = torch.arange(FRAME * 6 - 500) / 24_000
    wave = 0.3 * torch.stack([torch.sin(2 * torch.pi * pitch * time) for pitch in (150, 260)])
    assert torch.equal(search(codec, wave, 0), codec.encode(wave))
    for one in wave[:, None]:
        found = list(attempts(codec, one, 12))
        assert len(found) == 13 and torch.equal(found[0].codes, codec.encode(one))
        best = min(found, key=lambda f: f.apart)
        assert best.apart < found[0].apart
        assert torch.equal(search(codec, one, 12), best.codes)
    assert torch.equal(search(codec, wave, 12)[1:], search(codec, wave[1:], 12))  # each by itself
    assert all(parameter.grad is None for parameter in codec.parameters())


def test_a_search_refuses_what_is_no_sound(codec):
    with pytest.raises(ValueError, match="empty"):
        search(codec, torch.zeros(1, 0))
    with pytest.raises(ValueError, match="no numbers"):
        search(codec, torch.full((1, FRAME), torch.nan))
    with pytest.raises(ValueError, match="expected 0 or more"):
        search(codec, torch.zeros(1, FRAME), -1)
    assert search(codec, torch.zeros(1, FRAME), 2).shape == (1, 8, 1)  # silence is a sound
