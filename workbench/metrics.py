"""How far two runs lie apart, each measure as a number or an array.

    kl(run, alt)             mean KL divergence a word, nats; needs record=["logits"] in both
    mel_distance(run, alt)   mean difference of the log-mel spectra, dB
    flips(run, alt)          share of tokens whose experts differ; needs record=["routing"]
    words_changed(run, alt)  share of the words that had to be changed
    codes_changed(run, alt)  share of codes that differ, by codebook

Only what can be compared is compared: words have the same words before them, tokens are matched in
their order, frames and spectra step by step as far as both runs go. What is not the same by then
(another pace, another text) shows in the measures of time and text, not in those of sound.

Letters: W words, V vocabulary, M mel bands, N frames of 10 ms, L layers, B codebooks, F frames.
Left out: measures by judges that listen (evidence/ has them).
"""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher

import numpy as np

from workbench.run import SPEECH, Run

HOP, WINDOW, BANDS, FLOOR = 0.01, 0.025, 80, 1e-8  # seconds, seconds, mel bands, power
UNKNOWN = 255  # in a map of flips
LONGEST = 2000  # tokens between the same beginning and the same end that are matched one by one


def kl_rows(logits: np.ndarray, other: np.ndarray) -> np.ndarray:
    """KL(softmax(logits) || softmax(other)) of each row, nats: f64[W] from f[W, V] twice."""
    if logits.shape != other.shape:
        raise ValueError(f"logits of the same shape expected, got {logits.shape}, {other.shape}")
    p, q = _log_softmax(logits), _log_softmax(other)
    return (np.exp(p) * (p - q)).sum(-1)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def same_words(run: Run, alt: Run) -> int:
    """How many words both answers begin with."""
    both = zip(run.words.tolist(), alt.words.tolist(), strict=False)
    return next((i for i, (a, b) in enumerate(both) if a != b), min(len(run.words), len(alt.words)))


def word_kl(run: Run, alt: Run) -> np.ndarray:
    """KL of each word that has the same words before it in both runs: f64[n], from run to alt."""
    if run.logits is None or alt.logits is None:
        raise ValueError("KL needs the logits of both runs: record=['logits']")
    count = min(same_words(run, alt) + 1, len(run.words), len(alt.words))
    return kl_rows(run.logits[:count], alt.logits[:count])


def kl(run: Run, alt: Run) -> float:
    """Mean KL divergence a word, nats."""
    return float(word_kl(run, alt).mean())


def mel_db(wave: np.ndarray, rate: int, bands: int = BANDS) -> np.ndarray:
    """Log-mel spectrum in dB, f32[M, N], one column each 10 ms."""
    import librosa

    hop, width = round(HOP * rate), round(WINDOW * rate)
    count = len(wave) // hop
    padded = np.pad(wave, (width // 2, width))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: count * hop : hop]
    fft = 1 << (width - 1).bit_length()
    power = (
        np.abs(np.fft.rfft(frames * np.hanning(width), fft)) ** 2 / (np.hanning(width) ** 2).sum()
    )
    filters = librosa.filters.mel(sr=rate, n_fft=fft, n_mels=bands)
    return (10 * np.log10(np.maximum(power @ filters.T, FLOOR))).T.astype(np.float32)


def mel_steps(run: Run, alt: Run) -> np.ndarray:
    """Mean absolute difference of the log-mel spectra at each step of 10 ms of their common
    length, dB, f32[N]."""
    count = min(len(run.audio), len(alt.audio))
    if not count:
        raise ValueError("mel distance needs the sound of both runs: speak=True")
    rate = run.meta.rate
    return np.abs(mel_db(run.audio[:count], rate) - mel_db(alt.audio[:count], rate)).mean(0)


def mel_distance(run: Run, alt: Run) -> float:
    """Mean absolute difference of the log-mel spectra over their common length, dB."""
    return float(mel_steps(run, alt).mean())


def codes_changed(run: Run, alt: Run) -> np.ndarray:
    """Share of the common frames whose code differs, f64[B]."""
    count = min(len(run.codes), len(alt.codes))
    if not count:
        raise ValueError("codes can only be compared where both runs speak: speak=True")
    return (run.codes[:count] != alt.codes[:count]).mean(0)


def words_changed(run: Run, alt: Run) -> float:
    """Share of words that are not in both answers, in their order; 0 = the same text."""
    return 1 - SequenceMatcher(None, run.words.tolist(), alt.words.tolist(), False).ratio()


def flips(run: Run, alt: Run, stage: str = "thinker") -> float:
    """Share of (token, layer) whose set of experts differs."""
    return float(layer_flips(run, alt, stage).mean())


def layer_flips(run: Run, alt: Run, stage: str = "thinker") -> np.ndarray:
    """Share of the matched tokens whose set of experts differs, f64[L]."""
    flips = token_flips(run, alt, stage)
    known = (flips[0] != UNKNOWN) if len(flips) else np.zeros(0, bool)
    if not known.any():
        raise ValueError(f"the {stage}'s tokens have nothing in common")
    return flips[:, known].mean(1)


def token_flips(run: Run, alt: Run, stage: str = "thinker") -> np.ndarray:
    """For every layer and token of `run`, u8[L, T]: 1 where its set of experts differs, 0 where it
    does not, 255 where `alt` has no such token."""
    one, other = run.routing.of(stage), alt.routing.of(stage)
    if one.layers != other.layers:
        raise ValueError(f"the runs have other layers: {one.layers}, {other.layers}")
    mine, yours = matched(run, alt, stage)
    flips = np.full((len(one.layers), len(one.experts)), UNKNOWN, np.uint8)
    most = max(one.experts.shape[2], other.experts.shape[2])
    a, b = _sets(one.experts[mine], most), _sets(other.experts[yours], most)
    flips[:, mine] = (a != b).any(-1).T
    return flips


def _sets(experts: np.ndarray, most: int) -> np.ndarray:
    """Sets of up to `most` experts, in order; -1 fills up."""
    fill = np.full((*experts.shape[:2], most - experts.shape[2]), -1, experts.dtype)
    return np.sort(np.concatenate((experts, fill), -1), -1)


def matched(run: Run, alt: Run, stage: str = "thinker") -> tuple[np.ndarray, np.ndarray]:
    """Positions of the same tokens, in their order, in both runs."""
    mine, yours = _keys(run, stage), _keys(alt, stage)
    both = min(len(mine), len(yours))
    begin = next((i for i in range(both) if mine[i] != yours[i]), both)
    rest = both - begin
    end = next((i for i in range(rest) if mine[-1 - i] != yours[-1 - i]), rest)
    pairs = [(i, i) for i in range(begin)]
    middle = mine[begin : len(mine) - end], yours[begin : len(yours) - end]
    if max(map(len, middle)) <= LONGEST:
        for block in SequenceMatcher(None, *middle, False).get_matching_blocks():
            pairs += [(begin + block.a + i, begin + block.b + i) for i in range(block.size)]
    pairs += [(len(mine) - end + i, len(yours) - end + i) for i in range(end)]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _keys(run: Run, stage: str) -> Sequence[Hashable]:
    """What makes a token the same token: its id, or the codes of a frame."""
    tokens = run.stage(stage)
    keys: list[Hashable] = list(zip(tokens.id.tolist(), tokens.modality.tolist(), strict=True))
    spoken = np.flatnonzero((tokens.modality == SPEECH) & (tokens.phase == 1))
    for i in spoken:
        keys[i] = tuple(run.codes[round(float(tokens.time[i, 0]) / run.meta.frame_s)].tolist())
    return keys
