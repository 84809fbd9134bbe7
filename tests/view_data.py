"""A turn as a run would record it, made of fixed formulas: what the tests of the views look at.

Not a test. The views themselves never make data; this file does, so that they need no model here.
"""

import numpy as np

FRAME, RATE, HOP = 0.08, 24000, 0.01
SENTENCE = [
    "The",
    " little",
    " har",
    "bour",
    " lies",
    " be",
    "low",
    " the",
    " hill",
    ",",
    " and",
    " when",
    " the",
    " wind",
    " turns",
    " north",
    ",",
    " the",
    " fish",
    "ing",
    " boats",
    " come",
    " home",
    " be",
    "fore",
    " dark",
    ";",
    " you",
    " can",
    " hear",
    " their",
    " bells",
    " from",
    " the",
    " old",
    " light",
    "house",
    ".",
]


def turn(repeat: int = 1, broken: bool = False, sound: bool = True) -> dict:
    """Arguments of AlignView: about 10 s of speech per repeat, one token unspoken."""
    words = SENTENCE * repeat
    n = len(words)
    silent = {25 + len(SENTENCE) * r for r in range(repeat)}
    long = [
        0 if i in silent else (1 if w.strip() in ",.;" else 2) + round(0.45 * len(w.strip()))
        for i, w in enumerate(words)
    ]
    pause = [3 if w in ",;." else 0 for w in words]
    speaks = [i for i in range(n) for i in [i] * long[i] + [-1] * pause[i]]
    m = len(speaks)
    kind, text_idx, frame_idx, spoken = [], [], [], 0
    for i in range(n):
        kind.append(0), text_idx.append(i), frame_idx.append(-1)
        allowed = (i + 1 - (0 if i == n - 1 else 2)) * m // n + (9 if broken and i == 12 else 0)
        while spoken < min(m, allowed):
            kind.append(1), text_idx.append(speaks[spoken]), frame_idx.append(spoken)
            spoken += 1
    while spoken < m:
        kind.append(1), text_idx.append(speaks[spoken]), frame_idx.append(spoken)
        spoken += 1
    kind = np.array(kind, np.uint8)
    step = np.where(kind == 0, 0.013, 0.034)
    audio = _voice(speaks) if sound else np.zeros(0, np.float32)
    return dict(
        units={
            "step": np.arange(len(kind), dtype=np.int32),
            "kind": kind,
            "token_id": np.arange(len(kind), dtype=np.int32) % 4096,
            "text_idx": np.array(text_idx, np.int32),
            "frame_idx": np.array(frame_idx, np.int32),
            "codes": (np.arange(len(kind))[:, None] * np.arange(1, 9) % 512).astype(np.uint16),
            "t_emit": np.cumsum(step) + 0.234,
        },
        tokens={"id": np.arange(n, dtype=np.int32), "str": words, "position": np.arange(n) + 40},
        frame_s=FRAME,
        audio=audio,
        sr=RATE,
        mel=_mel(audio) if sound else None,
        hop_s=HOP,
        method="emission",
    )


def _voice(speaks: list[int]) -> np.ndarray:
    """A buzz whose pitch and colour follow the tokens, silent in pauses."""
    size = round(FRAME * RATE)
    token = np.repeat(np.array(speaks), size)
    t = np.arange(len(token)) / RATE
    pitch = 120 + 25 * np.sin(2 * np.pi * t / 2.6) + 9 * np.cos(token * 1.7)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(
        np.sin(k * phase) * np.exp(-(((k * pitch - 400 - 260 * (token % 6)) / 500) ** 2))
        for k in range(1, 16)
    )
    edge = np.minimum(1, np.abs(np.sin(np.pi * t / FRAME / 3)) + 0.25)
    loud = np.convolve((token >= 0).astype(float), np.hanning(size) / (size / 2), "same")
    return (0.09 * tone * edge * loud).astype(np.float32)


def _mel(audio: np.ndarray, bands: int = 80) -> np.ndarray:
    """Log power in `bands` bands, 10 ms apart, as bytes."""
    hop, width = round(HOP * RATE), 600
    padded = np.pad(audio, (width // 2, width))
    count = len(audio) // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: count * hop : hop]
    power = np.empty((count, width // 2 + 1), np.float32)
    for i in range(0, count, 2000):
        power[i : i + 2000] = np.abs(np.fft.rfft(frames[i : i + 2000] * np.hanning(width))) ** 2
    edges = np.unique(np.round(np.geomspace(2, 200, bands + 1)).astype(int))
    band = np.add.reduceat(power, edges, axis=1)
    log = np.log10(band + 1e-3)
    return np.round(255 * np.clip((log + 2) / 6, 0, 1)).astype(np.uint8).T


def latency(repeats: int = 24, frames: int = 125) -> dict:
    """Arguments of LatencyView: requests of one warm process, the first one cold."""
    rng = np.random.default_rng(7)
    rows, per, marks = [], [], []
    base = 1_700_000_000_000
    for req in range(repeats):
        cold = 2.1 if req == 0 else 1.0
        jitter = cold * rng.lognormal(0, 0.09)
        t = {"preprocess": 9.0, "audio encoder": 21.0, "prefill": 38.0, "first token": 16.0,
             "first frame": 24.0, "mtp": 11.0, "code2wav": 5.5}  # fmt: skip
        t = {k: v * jitter * rng.lognormal(0, 0.07) for k, v in t.items()}
        clock, origin = 0.0, base + req * 30_000_000_000

        def span(stage, name, start, length, chunk=0, n_in=0, n_out=0, req=req, origin=origin):
            rows.append((req, stage, name, origin + int(start * 1e6),
                         origin + int((start + length) * 1e6), chunk, n_in, n_out, -1))  # fmt: skip

        span("preprocess", "mel", 0, t["preprocess"], n_in=48000, n_out=300)
        span("audio encoder", "AuT, 1st half", 4, t["audio encoder"] * 0.6, n_in=160, n_out=10)
        clock = 4 + t["audio encoder"] * 0.6
        span("audio encoder", "AuT, 2nd half", clock, t["audio encoder"] * 0.4, 1, 140, 9)
        span("thinker", "prefill, 1st half", clock, t["prefill"] * 0.55, n_in=40)
        clock += max(t["prefill"] * 0.55, t["audio encoder"] * 0.4)
        span("thinker", "prefill, 2nd half", clock, t["prefill"] * 0.45, 1, 36)
        clock += t["prefill"] * 0.45
        span("thinker", "first token", clock, t["first token"], n_out=1)
        clock += t["first token"]
        ttft = clock
        span("thinker", "next tokens", clock, 22, n_out=2)
        span("talker", "prefill", clock - 10, 22 * jitter)
        clock += 12 * jitter
        span("talker", "first frame", clock, t["first frame"], n_out=1)
        clock += t["first frame"]
        span("mtp", "codebooks 2-8", clock, t["mtp"], n_out=7)
        clock += t["mtp"]
        ttfc = clock
        span("code2wav", "1920 samples", clock, t["code2wav"], n_out=1920)
        clock += t["code2wav"]
        ttfp = clock
        span("transport", "to the player", clock, 3.0)
        ttfs = clock + 3 + 11 * rng.lognormal(0, 0.2)
        marks += [(req, "TTFT", ttft / 1e3), (req, "TTFC", ttfc / 1e3), (req, "TTFP", ttfp / 1e3),
                  (req, "TTFS", ttfs / 1e3)]  # fmt: skip
        ready, heard = ttfp / 1e3, ttfs / 1e3
        for i in range(frames):
            slow = 2.6 if i in (40, 41, 42, 43, 44) and req % 5 == 1 else 1.0
            ms = np.array([22, 12, 6]) * slow * rng.lognormal(0, 0.12, 3) * min(1.3, jitter)
            if i:
                ready += ms.sum() / 1e3
                heard = max(heard + FRAME, ready + 0.003)
            per.append((req, i, ready, heard, FRAME, *ms))
    names = ("req", "stage", "name", "t0_ns", "t1_ns", "chunk", "n_in", "n_out", "parent")
    spans = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    cols = list(zip(*per, strict=True))
    return dict(
        spans=spans,
        frames={"req": cols[0], "idx": cols[1], "t_ready": cols[2], "t_played": cols[3],
                "dur_s": cols[4], "stage_ms": np.array(cols[5:]).T},
        marks=dict(zip(("req", "name", "t"), map(list, zip(*marks, strict=True)), strict=True)),
        meta={"device": "cpu, 2 cores", "dtype": "float32", "threads": 2, "seed": 0,
              "warm": "from request 1", "model": "micro model, trained here"},
    )  # fmt: skip


def routing(T: int = 1000, L: int = 10, E: int = 16, K: int = 2, logits: bool = True) -> dict:
    """Arguments of RoutingView: a heard question, its answer in text, and the speech of it."""
    rng = np.random.default_rng(3)
    heard, typed, said = int(T * 0.3), int(T * 0.1), int(T * 0.2)
    modality = np.concatenate(
        [np.full(4, 5), np.full(heard, 1), np.full(typed, 0), np.full(said, 0)]
    )
    modality = np.concatenate([modality, np.full(T - len(modality), 6)]).astype(np.uint8)
    answer = 4 + heard + typed
    stage = (np.arange(T) >= answer + said).astype(np.uint8)
    phase = (np.arange(T) >= answer).astype(np.uint8)
    liking = rng.normal(0, 0.5, (2, 7, L, E))
    liking[:, :, : L // 2, E // 3] -= 6  # an expert that is hardly used
    score = (
        liking[stage, modality]
        + 0.7 * np.cumsum(rng.normal(0, 0.25, (T, 1, E)), 0) / np.sqrt(T / 50)
        + rng.normal(0, 1.0, (T, L, E))
    ).astype(np.float32)
    ids = np.argsort(-score, axis=-1)[:, :, :K]
    top = np.take_along_axis(score, ids, -1)
    weight = np.exp(top - top.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    words = [SENTENCE[i % len(SENTENCE)] for i in range(T)]
    strings = [
        w if m == 0 else "<audio>" if m == 1 else "<|im_start|>" if m == 5 else f"f{i}"
        for i, (m, w) in enumerate(zip(modality, words, strict=True))
    ]
    t0 = np.full(T, np.nan, np.float32)
    t0[modality == 1] = np.arange(heard) * 0.16
    t0[modality == 6] = np.arange((modality == 6).sum()) * FRAME
    long = np.where(modality == 1, 0.16, FRAME).astype(np.float32)
    return dict(
        topk_ids=ids.astype(np.int16), topk_w=weight.astype(np.float16),
        logits=score.astype(np.float16) if logits else None,
        shared_gate=rng.uniform(0.2, 0.7, (T, L)).astype(np.float16),
        modality=modality, stage=stage, phase=phase, t0=t0, t1=t0 + long, tokens=strings,
        E=E, K=K,
    )  # fmt: skip


def sounds(turn: dict) -> dict:
    """What the tokens of `routing` have heard and spoken."""
    out = {}
    for name, kind, step in (("audio", 1, 2), ("speech", 6, 1)):
        count = step * int((turn["modality"] == kind).sum())
        out[name] = (_voice((np.arange(count) % 9 - 1).tolist()), RATE)
    return out


def film(frames: int = 11) -> dict:
    """A film to the 20 s of `attention`, a ball that crosses it, and one still picture."""
    y, x = np.mgrid[:60, :100]
    pictures = [
        np.stack([2 * x, 3 * y, np.where((x - 10 * i) ** 2 + (y - 30) ** 2 < 200, 255, 60)], -1)
        for i in range(frames)
    ]
    return {
        "frames": [picture.astype(np.uint8) for picture in [*pictures, pictures[0]]],
        "frame_time": np.r_[np.arange(frames) * 2.0, np.nan],
    }


def attention(Q: int = 48, heard: int = 130, L: int = 8, H: int = 4, Lsel=(3, 7)) -> dict:
    """Arguments of AttentionView: a question about 20 s of sound with a timestamp every 2 s."""
    rng = np.random.default_rng(5)
    kinds, times, text = [5], [(np.nan, np.nan)], ["<|im_start|>"]
    ts_pos, ts_value = [], []
    for i in range(heard):
        if i % 13 == 0:
            ts_pos.append(len(kinds)), ts_value.append(i * 0.16)
            kinds.append(4), times.append((i * 0.16, i * 0.16)), text.append(f"<{i * 0.16:.1f} s>")
        kinds.append(1), times.append((i * 0.16, (i + 1) * 0.16)), text.append("<audio>")
    for w in [" When", " did", " the", " bell", " ring", "?"]:
        kinds.append(0), times.append((np.nan, np.nan)), text.append(w)
    base = len(kinds)
    words = [SENTENCE[i % len(SENTENCE)] for i in range(Q)]
    kinds += [0] * Q
    times += [(np.nan, np.nan)] * Q
    text += words
    T = len(kinds)
    kind, time = np.array(kinds, np.uint8), np.array(times, np.float32)
    ref = np.linspace(1.0, heard * 0.16 - 1.5, Q).astype(np.float32)
    ref[::9] = np.nan
    score = rng.normal(0, 0.6, (len(Lsel), H, Q, T))
    mid = (time[:, 0] + time[:, 1]) / 2
    now = np.linspace(1.0, heard * 0.16 - 1.5, Q)
    near = np.nan_to_num(-(((mid[None] - now[:, None]) / 0.9) ** 2), nan=-9.0).clip(-9)
    for a in range(len(Lsel)):
        for b in range(H):
            clock_head = (a, b) in ((1, 2), (0, 1))
            score[a, b] += near * (0.75 if clock_head else 0.12 * b)
            score[a, b, :, ts_pos] += 3.2 if (a, b) == (1, 2) else 1.3 if (a, b) == (1, 0) else 0
            score[a, b, :, 0] += 5.5 - b
            score[a, b, :, base - 6 : base] += 1.5 if b == 3 else 0
    later = np.arange(T)[None] > base + np.arange(Q)[:, None]
    score[:, :, later] = -np.inf
    p = np.exp(score - score.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    layer_kind = np.array([0 if i in Lsel else 1 for i in range(L)], np.uint8)
    linear = np.flatnonzero(layer_kind == 1)
    beat = 0.5 + 0.5 * np.sin(np.arange(T) / 6.0)
    return dict(
        attn=np.round(255 * np.sqrt(p)).astype(np.uint8), layers=np.array(Lsel),
        layer_kind=layer_kind, tok_kind=kind, tok_time=time, ts_pos=np.array(ts_pos),
        ts_value=np.array(ts_value, np.float32), ref_time=ref, tokens=text,
        query_pos=base + np.arange(Q),
        log_decay=-(0.01 + 0.5 * rng.random((1, len(linear), H)) * beat[:, None, None]),
        write=rng.random((1, len(linear), H)) * beat[:, None, None],
    )  # fmt: skip


def attribution(N: int = 14, J: int = 6) -> dict:
    """Arguments of AttributionView: a question heard for 2.8 s and the words of its answer; each
    word rests on one stretch of it, and the shares add up."""
    rng = np.random.default_rng(11)
    edges = np.linspace(0, N * 0.2, N + 1).astype(np.float32)
    place = np.arange(N)
    each = np.stack(
        [2.2 * np.exp(-(((place - 1.5 - 2 * j) / 1.1) ** 2)) - 0.25 for j in range(J)]
    ) + rng.normal(0, 0.12, (J, N))
    each = each.astype(np.float32)
    empty = -np.linspace(1, 5, J).astype(np.float32)
    speaks = np.repeat(np.arange(N * 5 // 2) % 9 - 1, 1)
    return dict(
        values=each.sum(0), each=each, error=np.full(N, 0.2, np.float32), kind=np.full(N, 1),
        labels=[f"{a:.2f}\u2013{b:.2f} s" for a, b in zip(edges[:-1], edges[1:], strict=True)],
        t0=edges[:-1], t1=edges[1:], full=empty + each.sum(1), empty=empty,
        answer=SENTENCE[:J], answer_position=np.arange(J) + 40,
        members=[(3 + i,) for i in range(N)], method="shapley, 16 samples",
        absent="replaced by silence", adds_up=True,
        audio=_voice(speaks.tolist()), sr=RATE,
    )  # fmt: skip
