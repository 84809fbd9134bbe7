"""How text and speech run side by side: what was emitted when, and what can be heard where.

    AlignView(units=..., tokens=..., frame_s=0.08, audio=wave, sr=24000, mel=mel, hop_s=0.01)

Letters: U units in emission order (text tokens and speech frames of one answer, as ARIA interleaves
them), N text tokens, M speech frames, S samples, P peaks, F mel bands, Tm mel frames, Q codebooks.

Two clocks are kept apart. *Audio time* is where something is in the sound: frame m lies at
m * frame_s. *Wall time* is when a unit was emitted. A text token that was emitted when m frames
were out stands at m * frame_s in audio time, so its distance to its own sound is how far text runs
ahead.

ARIA's law: for every prefix of an item (a sentence, where `units` tell sentences), speech / text is
at most what it is in the whole item. The mark that ends a text counts as text, as it does for the
Talker; the law is checked in integers. Times that come from attention or a recogniser are
estimates: `method` says which, `confidence` how sure.

With `beside`, the view of a second run B of the same text or another, B's lanes lie underneath on
the same time axis. Left out: using spans that were corrected by hand (the page exports them).
"""

from typing import Any

import numpy as np

from widgets.view import Table, View, column, floats, shaped, shown, strings

TEXT, SPEECH, END = range(3)  # kinds of units
PCM_BYTES = 300_000  # a sound up to this is sent with 16 bits, a longer one as mu-law
SOUND_BYTES = 1_500_000  # sound that a page carries at most
MEL_COLUMNS, MEL_ROWS = 2400, 80  # a mel strip larger than this is averaged down
PEAKS_A_SECOND, MOST_PEAKS = 200, 12_000


class AlignView(View):
    """Waveform, mel, emission lane, span lane, ratio curve, lattice and coverage on one time axis.

    units: table of U rows in emission order
        kind u8      0 text, 1 speech frame, 2 the end of a text
        text_idx i32 of a text unit: which text token it is (0..N-1); of a speech frame: the token
                     that it speaks, -1 if none
        frame_idx i32 of a speech frame: which frame (0..M-1); -1 otherwise (default: counted)
        t_emit f64   seconds, wall clock, when the unit was emitted (default: unknown)
        t0, t1 f32   seconds of audio; of a text unit its own sound, NaN if it has none
                     (default: from the frames that speak it)
        sentence i32 items of ARIA's law, -1: none (default: the whole answer is one)
        step i32, token_id i32, codes u16[U, Q]: kept in `.data`
    tokens: table of N rows: str; optional: id i32, position i32 (in the run's table of tokens, what
        `Selection.tokens` counts), method (str), confidence f32 in 0..1
    frame_s: seconds of one speech frame
    audio f32[S] and sr; peaks i8[P, 2] (made from audio if absent)
    entropy f16[M, Q]: nats of the distribution that each code of a frame was chosen from
    mel u8[F, Tm] and hop_s; align_attn f16[N, M] is kept in `.data`
    method: how the spans were found, where `tokens` does not say it ("emission", "CTC", ...)
    """

    module = "align"
    height = 760

    def __init__(
        self,
        *,
        units: Any,
        tokens: Any,
        frame_s: float,
        audio: np.ndarray | None = None,
        sr: int | None = None,
        peaks: np.ndarray | None = None,
        mel: np.ndarray | None = None,
        hop_s: float | None = None,
        align_attn: np.ndarray | None = None,
        entropy: np.ndarray | None = None,
        method: str = "emission",
        title: str = "Text and speech",
        link: str = "",
        beside: "AlignView | None" = None,
    ):
        if frame_s <= 0:
            raise ValueError(f"frame_s is {frame_s}, expected the seconds of one speech frame")
        if audio is not None:
            audio = shaped(audio, "audio", "S", "float32")
            if not sr:
                raise ValueError("audio needs its sample rate: sr=24000")
        if mel is not None:
            mel = shaped(mel, "mel", "F Tm", "uint8")
            if not hop_s:
                raise ValueError("mel needs the seconds between its frames: hop_s=0.01")
        kind = column(units, "kind", "uint8", of="units")
        count = len(kind)
        if kind.size and kind.max() > END:
            raise ValueError(f"units['kind'] holds {kind.max()}, expected 0 text, 1 speech, 2 end")
        text = column(units, "text_idx", "int32", count, "units")
        frame = _frames(units, kind)
        emitted = column(units, "t_emit", "float64", count, "units", default=np.nan)
        words = strings(tokens["str"], len(list(tokens["str"])), "tokens['str']")
        n, m = len(words), int((kind == SPEECH).sum())
        if n and ((kind == TEXT).sum() != n or set(text[kind == TEXT]) != set(range(n))):
            raise ValueError(
                f"units name text tokens other than 0..{n - 1}, each once: see text_idx"
            )
        if text.size and text[kind == SPEECH].max(initial=-1) >= n:
            raise ValueError(f"a frame speaks token {text.max()}, there are {n}")

        spoken = np.bincount(text[(kind == SPEECH) & (text >= 0)], minlength=n)
        t0, t1 = _spans(units, kind, text, frame, frame_s, n)
        length = max(
            m * frame_s, 0 if audio is None else len(audio) / sr, float(np.nanmax(t1, initial=0))
        )
        before = np.cumsum(kind == SPEECH) - (kind == SPEECH)  # frames out when the unit came
        rows = np.full(n, -1)
        rows[text[kind == TEXT]] = np.flatnonzero(kind == TEXT)
        at = before[rows] * frame_s  # where in the audio text had been emitted
        wall = emitted - np.nanmin(emitted) if np.isfinite(emitted).any() else emitted
        taken = np.cumsum(kind != SPEECH)
        out = np.cumsum(kind == SPEECH)
        sentence = column(units, "sentence", "int32", count, "units", default=0)
        items, n_text, n_speech = [], np.zeros(count, np.int32), np.zeros(count, np.int32)
        broken = []
        for item in np.unique(sentence[sentence >= 0]).tolist():
            own = np.flatnonzero(sentence == item)
            n_text[own], n_speech[own] = (
                np.cumsum(kind[own] != SPEECH),
                np.cumsum(kind[own] == SPEECH),
            )
            n_item, m_item = int(n_text[own[-1]]), int(n_speech[own[-1]])
            broken += own[n_speech[own] * n_item > n_text[own] * m_item].tolist()
            n0 = int(taken[own[0]] - n_text[own[0]])
            m0 = int(out[own[0]] - n_speech[own[0]])
            items.append({"n": n_item, "m": m_item, "n0": n0, "m0": m0})
        broken = np.array(sorted(broken), np.int32)
        lead = t0 - at
        methods = [str(x) for x in tokens["method"]] if "method" in _names(tokens) else [method] * n
        position = column(tokens, "position", "int32", n, "tokens", default=0)
        if "position" not in _names(tokens):
            position = np.arange(n, dtype=np.int32)
        confidence = column(tokens, "confidence", "float32", n, "tokens", default=np.nan)

        unspoken = (spoken == 0) & ~np.isfinite(t0)
        silent = int(unspoken.sum())
        free = int(((kind == SPEECH) & (text < 0)).sum())
        law = "the prefix law holds throughout" if not len(broken) else (
            f"the prefix law breaks at {len(broken)} of {count} units"
        )  # fmt: skip
        subtitle = (
            f"{n} text tokens, {m} frames, {length:.1f} s. "
            + ("Every token is spoken" if not silent else f"{silent} of them never spoken")
            + f"; {law}."
        )
        arrays = {
            "kind": kind, "text": text, "frame": frame,
            "wall": wall.astype(np.float32),
            "t0": t0.astype(np.float32), "t1": t1.astype(np.float32), "at": at.astype(np.float32),
            "wall_text": wall[rows].astype(np.float32), "spoken": spoken.astype(np.int32),
            "unspoken": unspoken.astype(np.uint8), "broken": broken,
            "n_text": n_text, "n_speech": n_speech, "position": position, "confidence": confidence,
        }  # fmt: skip
        notes = []
        if audio is not None and peaks is None:
            peaks = peaks_of(audio, sr)
        if peaks is not None:
            arrays["peaks"] = shaped(peaks, "peaks", "P 2", "int8")
        strip = None
        if mel is not None:
            small, (by_band, by_frame) = _smaller(mel, MEL_ROWS, MEL_COLUMNS)
            arrays["mel"] = small
            strip = {"seconds": mel.shape[1] * hop_s, "bands": mel.shape[0]}
            if by_frame > 1:
                notes.append(
                    f"mel: means of {by_frame} frames ({1000 * by_frame * hop_s:.0f} ms)"
                    + (f" and {by_band} bands" if by_band > 1 else "")
                )
        doubt = None
        if entropy is not None:
            entropy = shaped(entropy, "entropy", "M Q", "float32", M=m)
            doubt = {"books": entropy.shape[1], "most": round(float(entropy.max(initial=0)), 2)}
            scaled = 255 * entropy.T / max(1e-6, entropy.max(initial=0))
            arrays["entropy"] = np.round(scaled).astype(np.uint8)
        sound = None
        if audio is not None:
            sound, arrays_sound, note = sound_of(audio, sr)
            arrays |= arrays_sound
            notes += [note] if note else []
        table = Table(
            ("token", "text", "from s", "to s", "frames", "text ahead s", "method", "confidence"),
            [
                (i, words[i], *floats([t0[i], t1[i]], 3), int(spoken[i]), *floats([lead[i]], 3),
                 methods[i], *floats([confidence[i]], 2))
                for i in range(n)
            ],
            "Text tokens of the answer and where they are heard",
        )  # fmt: skip
        self.unspoken, self.lead = unspoken, lead
        super().__init__(
            title=title,
            subtitle=subtitle,
            alt=f"Alignment of text and speech: {subtitle}",
            meta={
                "tokens": [shown(w) for w in words],
                "methods": methods if len(set(methods)) > 1 else methods[:1],
                "seconds": round(float(length), 4), "frame_s": frame_s, "frames": m,
                "unspoken": silent, "free": free, "items": items,
                "mel": strip, "entropy": doubt, "sound": sound, "notes": notes,
            },
            arrays=arrays,
            table=table,
            link=link,
            beside=beside,
            data={
                "units": {
                    **{name: np.asarray(units[name]) for name in _names(units)},
                    "kind": kind, "text_idx": text, "frame_idx": frame,
                },
                "tokens": {
                    "str": words, "t0": t0, "t1": t1, "emitted_at": at, "lead": lead,
                    "frames": spoken, "method": methods, "position": position,
                },
                "law": {
                    "n_text": n_text, "n_speech": n_speech, "items": items, "broken": broken,
                    "taken": taken, "out": out,
                },
                "align_attn": align_attn, "entropy": entropy, "audio": audio, "sr": sr,
                "mel": mel, "hop_s": hop_s,
            },
        )  # fmt: skip

    def coverage(self) -> dict[str, Any]:
        """Which text tokens have no sound at all, and how many frames speak no token."""
        words = self.data["tokens"]["str"]
        unspoken = np.flatnonzero(self.unspoken)
        return {
            "tokens": len(words),
            "unspoken": [(int(i), words[i]) for i in unspoken],
            "frames": self.meta["frames"],
            "frames_without_text": self.meta["free"],
        }

    def figure(self, colors):
        from matplotlib.figure import Figure

        sides = [self] if self.beside is None else [self, self.beside]
        head, lane = (0.7, 3.15) if self.beside is None else (1.0, 3.1)  # inches
        figure = Figure(figsize=(9.6, head + (lane + 0.75) * len(sides) + 2.2))
        tall = figure.get_figheight()
        seconds = max(one.meta["seconds"] for one in sides) or 1
        peaks = [np.abs(one.arrays["peaks"].astype(int)) for one in sides if "peaks" in one.arrays]
        loud = max([0.06, *(p.max(initial=0) / 127 for p in peaks)])
        for k, one in enumerate(sides):
            top = 1 - (head + k * (lane + 0.75)) / tall
            low = top - lane / tall
            place = {"left": 0.085, "right": 0.985, "top": top, "bottom": low}
            one._lanes(figure, place, colors, seconds, loud, "AB"[k] if self.beside else "")
        below = figure.add_gridspec(
            1, 2, wspace=0.2, top=2.15 / tall, bottom=0.5 / tall, left=0.085, right=0.985
        )
        lattice = figure.add_subplot(below[0])
        for item in self.meta["items"]:
            x, y = (item["n0"], item["n0"] + item["n"]), (item["m0"], item["m0"] + item["m"])
            lattice.fill_between(x, y, [0, 0], color=colors["raise"])
            lattice.plot(x, y, color=colors["ink"], lw=0.8, ls=(0, (4, 3)))
        for one, color, name in zip(sides, ("speech", "image"), "AB", strict=False):
            law = one.data["law"]
            taken, out = law["taken"], law["out"]
            told = {"label": name} if self.beside else {}
            lattice.plot(np.r_[0, taken], np.r_[0, out], color=colors[color], lw=1.3, **told)
            broken = law["broken"]
            lattice.plot(taken[broken], out[broken], "x", color=colors["bad"], ms=4)
        lattice.text(
            0.97, 0.08, "admissible", transform=lattice.transAxes, ha="right", color=colors["soft"]
        )
        lattice.set(
            xlabel="text tokens taken, with the end",
            ylabel="frames spoken",
            title="Path of the answer",
        )
        ahead = figure.add_subplot(below[1])
        leads = [one.lead[np.isfinite(one.lead)] for one in sides]
        every, frame_s = np.concatenate(leads), self.meta["frame_s"]
        if len(every):
            step = frame_s * max(1, np.ceil(np.ptp(every) / frame_s / 40))
            bins = np.arange(round(every.min() / step) - 0.5, every.max() / step + 1.5) * step
            ahead.hist(leads[0], bins=bins, color=colors["text"], rwidth=0.9)
            for lead in leads[1:]:
                ahead.hist(lead, bins=bins, color=colors["image"], histtype="step", lw=1.3)
        spoken = [
            f"{len(one.unspoken) - one.meta['unspoken']} of {len(one.unspoken)}" for one in sides
        ]
        free = " and ".join(str(one.meta["free"]) for one in sides)
        ahead.set(
            xlabel="text ahead of its sound (s)", ylabel="tokens",
            title=f"{' and '.join(spoken)} tokens spoken, {free} frames speak none",
        )  # fmt: skip
        if self.beside:
            lattice.legend(frameon=False, fontsize=7)
        return figure

    def _lanes(self, figure, place, colors, seconds: float, loud: float, name: str) -> None:
        """Wave, mel, words and ratio of one run."""
        from matplotlib.colors import LinearSegmentedColormap

        a, meta = self.arrays, self.meta
        grid = figure.add_gridspec(4, 1, height_ratios=(0.8, 1, 1.3, 1), hspace=0.25, **place)
        lanes = [figure.add_subplot(grid[0])]
        lanes += [figure.add_subplot(grid[i], sharex=lanes[0]) for i in (1, 2, 3)]
        wave, mel, words, ratio = lanes
        if name:
            wave.set_title(f"{name}: {len(meta['tokens'])} tokens, {meta['frames']} frames", size=8)
        if "peaks" in a:
            x = np.linspace(0, meta["seconds"], len(a["peaks"]))
            wave.fill_between(x, *(a["peaks"].T / 127.0), color=colors["soft"], lw=0.2)
        wave.set(ylim=(-loud, loud), yticks=[], xlim=(0, seconds))
        wave.set_ylabel("wave", rotation=0, ha="right", va="center")
        if "mel" in a:
            seq = [colors[f"seq-{i}"] for i in range(3)]
            mel.imshow(
                a["mel"], origin="lower", aspect="auto", interpolation="nearest",
                cmap=LinearSegmentedColormap.from_list("", seq),
                extent=(0, meta["mel"]["seconds"], 0, 1),
            )  # fmt: skip
        mel.set(yticks=[])
        mel.set_ylabel("mel", rotation=0, ha="right", va="center")
        heard = np.isfinite(a["t0"])
        words.vlines(a["at"], 1.25, 1.75, color=colors["text"], lw=1)
        words.broken_barh(
            list(zip(a["t0"][heard], (a["t1"] - a["t0"])[heard], strict=True)), (0.1, 0.6),
            facecolor=colors["raise"], edgecolor=colors["text"], lw=0.6,
        )  # fmt: skip
        many = len(heard) > 90
        for i in np.flatnonzero(heard):
            if not many:
                middle = (a["t0"][i] + a["t1"][i]) / 2
                words.plot(
                    (a["at"][i], middle), (1.2, 0.72), color=colors["text"], lw=0.35, alpha=0.7
                )
                if (a["t1"][i] - a["t0"][i]) / seconds > 0.0066 * len(meta["tokens"][i].strip()):
                    words.text(
                        middle, 0.4, meta["tokens"][i].strip(), ha="center", va="center", size=6
                    )
        words.plot(
            a["at"][~heard], np.full((~heard).sum(), 0.95), "x", color=colors["bad"], ms=5, mew=1.4
        )
        words.set(ylim=(0, 1.8), yticks=(0.4, 1.5), yticklabels=("heard", "emitted"))
        out = self.data["law"]["out"]
        speech, items = a["kind"] == SPEECH, meta["items"]
        dashed = {"color": colors["ink"], "lw": 0.8, "ls": (0, (4, 3))}
        bound = max([i["m"] / max(1, i["n"]) for i in items], default=1)
        ratio.step(
            out[speech] * meta["frame_s"],
            a["n_speech"][speech] / np.maximum(1, a["n_text"][speech]),
            color=colors["speech"], lw=1,
        )  # fmt: skip
        for i in items:
            ends = np.array([i["m0"], i["m0"] + i["m"]]) * meta["frame_s"]
            ratio.plot(ends, [i["m"] / max(1, i["n"])] * 2, **dashed)
        ratio.set(ylim=(0, max(1, bound * 1.5)), xlabel="audio time (s)")
        ratio.set_ylabel("frames\n/ token", rotation=0, ha="right", va="center")
        for lane in lanes[:-1]:
            lane.tick_params(labelbottom=False)


def peaks_of(audio: np.ndarray, sr: int) -> np.ndarray:
    """The lowest and highest sample of each stretch, i8[P, 2]."""
    count = int(np.clip(len(audio) / sr * PEAKS_A_SECOND, 1, MOST_PEAKS))
    count = max(1, min(count, len(audio)))
    if not len(audio):
        return np.zeros((1, 2), np.int8)
    edges = np.linspace(0, len(audio), count + 1).astype(int)[:-1]
    pairs = np.minimum.reduceat(audio, edges), np.maximum.reduceat(audio, edges)
    return np.clip(np.round(np.stack(pairs, 1) * 127), -127, 127).astype(np.int8)


def mulaw(audio: np.ndarray) -> np.ndarray:
    """8-bit mu-law, 0..255: good speech at half the bytes of 16 bits."""
    x = np.clip(audio, -1, 1)
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    return np.round((y + 1) * 127.5).astype(np.uint8)


def sound_of(audio: np.ndarray, sr: int, most: int = SOUND_BYTES):
    """The best form of the sound that fits into a page, or none and a note."""
    if not len(audio):
        return None, {}, ""
    if 2 * len(audio) <= min(PCM_BYTES, most):
        pcm = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
        return {"rate": sr, "code": "pcm16"}, {"sound": pcm}, ""
    for by in (1, 2, 3):
        if len(audio) // by <= most:
            cut = len(audio) // by * by
            low = audio[:cut].reshape(-1, by).mean(1)
            note = f"sound: 8-bit mu-law at {sr // by} Hz"
            return {"rate": sr // by, "code": "mulaw"}, {"sound": mulaw(low)}, note
    seconds = len(audio) / sr
    return None, {}, f"sound left out of the page: {seconds / 60:.1f} minutes; it is in view.data"


def _smaller(image: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Means of blocks, so that at most rows x columns are left."""
    by = tuple(
        max(1, -(-have // want)) for have, want in zip(image.shape, (rows, columns), strict=True)
    )
    if image.shape[0] <= 128 and by[1] == 1:
        return image, (1, 1)
    pad = [(0, -size % step) for size, step in zip(image.shape, by, strict=True)]
    full = np.pad(image, pad, mode="edge").astype(np.float32)
    blocks = full.reshape(full.shape[0] // by[0], by[0], full.shape[1] // by[1], by[1])
    return np.round(blocks.mean((1, 3))).astype(np.uint8), by


def _names(table: Any) -> list[str]:
    return list(getattr(getattr(table, "dtype", None), "names", None) or list(table))


def _frames(units: Any, kind: np.ndarray) -> np.ndarray:
    counted = np.where(kind == SPEECH, np.cumsum(kind == SPEECH) - 1, -1).astype(np.int32)
    if "frame_idx" not in _names(units):
        return counted
    frame = column(units, "frame_idx", "int32", len(kind), "units")
    if (frame[kind == SPEECH] != counted[kind == SPEECH]).any():
        raise ValueError("units['frame_idx'] does not count 0, 1, 2, ... in emission order")
    return np.where(kind == SPEECH, frame, -1).astype(np.int32)


def _spans(units, kind, text, frame, frame_s, n) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each text token: as given, otherwise from the frames that speak it."""
    t0, t1 = np.full(n, np.nan), np.full(n, np.nan)
    if {"t0", "t1"} <= set(_names(units)):
        own = kind == TEXT
        t0[text[own]] = column(units, "t0", "float64", len(kind), "units")[own]
        t1[text[own]] = column(units, "t1", "float64", len(kind), "units")[own]
        if (t1 < t0).any():
            raise ValueError(f"a token ends before it begins: token {int(np.argmax(t1 < t0))}")
    t0[t1 <= t0] = np.nan  # a span without length is no sound
    t1[~np.isfinite(t0)] = np.nan
    spoken = (kind == SPEECH) & (text >= 0)
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, text[spoken], frame[spoken] * frame_s)
    np.maximum.at(last, text[spoken], (frame[spoken] + 1) * frame_s)
    missing = ~np.isfinite(t0) & np.isfinite(first)
    t0[missing], t1[missing] = first[missing], last[missing]
    return t0, t1
