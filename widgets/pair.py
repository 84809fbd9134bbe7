"""Two runs in one layout: what was said, how it sounds, and where the two part.

    PairView(words=rows, sounds=(a, b), rate=24000, mel=distance, hop_s=0.01, codes=changed, ...)

Letters: R rows of the text diff, W words of a run, S samples, N steps of the mel distance, B
codebooks, F frames, L layers, T tokens.

A is the run that one starts from, B what came of a change. Both sounds lie on one axis of seconds
and can be listened to in turn, also by changing over in the middle. What is compared step by step
(mel, codes) is compared at the same second; where the texts or paces differ, that tells how far the
sounds lie apart, not which one is better.

Without scripts there are the text diff, two ordinary players, a picture and the table.
Left out: more than two runs.
"""

import base64
import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np

from widgets.align import peaks_of, sound_of
from widgets.view import Table, View, escape, floats, shaped, shown, strings

SAME, ONLY_A, ONLY_B = range(3)  # kinds of rows of the text diff
LONGEST = 12.0  # seconds of each sound in the page that needs no script
MOST_STEPS = 4000  # of the mel distance that a page carries
MOST_CELLS = 400_000  # of a map of flips that a page carries
UNKNOWN = 255  # of flips: the other run has no such token


class PairView(View):
    """Text diff with KL, both sounds on one axis, mel distance, codes that differ, expert flips.

    words: table of R rows: kind u8 (0 in both, 1 only in A, 2 only in B), str; optional: a, b i32
        (which word of the run, -1 none), kl f32 (nats, NaN unknown), position i32 (in A's table of
        tokens, -1 none)
    changed: what was changed, in words
    sounds: f32[S] of A and of B (empty: silent), rate
    spans: f32[W, 2] of A and of B, seconds of each word, NaN = unspoken
    mel: f32[N], dB between the spectra, one each `hop_s`; codes: bool[B, F], of common frames
    flips: by stage, u8[L, T] over A's tokens: 1 other experts in B, 0 the same, 255 not in B
    flip_tokens: by stage, T strings
    measures: rows (name, A, B, change, unit), None where there is nothing
    """

    module = "pair"
    height = 720

    def __init__(
        self,
        *,
        words: Any,
        changed: Sequence[str] = (),
        sounds: tuple[np.ndarray, np.ndarray] | None = None,
        rate: int = 24_000,
        frame_s: float = 0.08,
        spans: tuple[np.ndarray, np.ndarray] | None = None,
        mel: np.ndarray | None = None,
        hop_s: float = 0.01,
        codes: np.ndarray | None = None,
        flips: dict[str, np.ndarray] | None = None,
        flip_tokens: dict[str, Sequence[str]] | None = None,
        flip_layers: dict[str, Sequence[int]] | None = None,
        measures: Sequence[tuple] = (),
        title: str = "Two runs",
        link: str = "",
    ):
        kind = shaped(words["kind"], "words['kind']", "R", "uint8")
        R = len(kind)
        if R and kind.max() > ONLY_B:
            raise ValueError(f"words['kind'] holds {kind.max()}, expected 0 both, 1 A, 2 B")
        texts = strings(words["str"], R, "words['str']")
        which = {
            name: shaped(words.get(name, np.full(R, -1)), name, "R", "int32", R=R)
            for name in ("a", "b", "position")
        }
        kl = shaped(words.get("kl", np.full(R, np.nan)), "words['kl']", "R", "float32", R=R)
        waves = [np.zeros(0, np.float32)] * 2 if sounds is None else list(sounds)
        waves = [
            shaped(w, f"sounds[{i}]", "S", "float32") for i, w in enumerate(waves)
        ]  # of A and B
        times = np.full((R, 4), np.nan, np.float32)  # from, to in A; from, to in B
        for i, name in enumerate("ab"):
            if spans is not None:
                own = shaped(spans[i], f"spans[{i}]", "W 2", "float32")
                known = which[name] >= 0
                times[known, 2 * i : 2 * i + 2] = own[which[name][known]]
        seconds = [len(w) / rate for w in waves]

        arrays: dict[str, np.ndarray] = {
            "kind": kind, "kl": kl, "times": times, "position": which["position"],
        }  # fmt: skip
        notes, players = [], []
        for name, one in zip("ab", waves, strict=True):
            sound = None
            if len(one):
                arrays[f"{name}.peaks"] = peaks_of(one, rate)
                sound, more, note = sound_of(one, rate)
                arrays |= {f"{name}.{key}": array for key, array in more.items()}
                notes += [f"{name.upper()}: {note}"] if note else []
            players.append(sound)
        if mel is not None:
            mel = shaped(mel, "mel", "N", "float32")
            by = max(1, -(-len(mel) // MOST_STEPS))
            starts = np.arange(0, len(mel), by)
            sizes = np.diff(np.r_[starts, len(mel)])
            arrays["mel"] = (np.add.reduceat(mel, starts) / sizes).astype(np.float32)
            notes += [f"mel distance: means of {1000 * by * hop_s:.0f} ms"] if by > 1 else []
        if codes is not None:
            codes = shaped(np.asarray(codes).astype(np.uint8), "codes", "B F", "uint8")
            arrays["codes"] = codes
        stages = []
        for stage, given in (flips or {}).items():
            maps = shaped(given, f"flips[{stage!r}]", "L T", "uint8")
            L, T = maps.shape
            known = maps != UNKNOWN
            share = np.where(known, maps, 0).sum(1) / np.maximum(1, known.sum(1))
            stride = max(1, -(-L * T // MOST_CELLS))
            tokens = strings((flip_tokens or {}).get(stage, [""] * T), T, "flip_tokens")
            stages.append(
                {
                    "name": stage, "L": L, "T": T, "stride": stride, "share": floats(share, 4),
                    "layers": [int(i) for i in (flip_layers or {}).get(stage, range(L))],
                    "tokens": [shown(t, 24) for t in tokens[::stride]],
                }
            )  # fmt: skip
            arrays[f"flips.{stage}"] = np.ascontiguousarray(maps[:, ::stride])
            if stride > 1:
                notes.append(f"flips of the {stage}: one token in {stride} is drawn")
        said = f"Changed: {', '.join(changed)}." if changed else "Nothing was changed."
        facts = {name: (a, b, change, unit) for name, a, b, change, unit in measures}
        for name, told in (
            ("words changed", "{:.0%} of the words differ"), ("KL, mean", "KL {:.2g} nats a word"),
            ("mel distance", "sounds {:.1f} dB apart"),
        ):  # fmt: skip
            if name in facts and facts[name][2] is not None:
                said += f" {told.format(facts[name][2])};"
        subtitle = said.rstrip(";") + ("." if said.endswith(";") else "")
        rows = [
            (name, *("" if v is None else v for v in (a, b, change)), unit)
            for name, a, b, change, unit in measures
        ]
        self.texts, self.kind, self.waves, self.rate = texts, kind, waves, rate
        self.changed, self.stages = tuple(changed), stages
        super().__init__(
            title=title,
            subtitle=subtitle,
            alt=f"Two runs, A and B: {subtitle}",
            meta={
                "words": [shown(t) for t in texts], "seconds": [round(s, 4) for s in seconds],
                "sounds": players, "mel": None if mel is None else {"seconds": len(mel) * hop_s},
                "frame_s": frame_s, "stages": stages, "notes": notes,
                "measures": [[str(cell) for cell in _told(row)] for row in rows],
                "kl": floats([np.nanmax(kl)], 5)[0] if np.isfinite(kl).any() else None,
            },
            arrays=arrays,
            table=Table(("measure", "A", "B", "change", "unit"), rows, "B beside A"),
            link=link,
            data={
                "words": {"kind": kind, "str": texts, "kl": kl, "times": times, **which},
                "sounds": waves, "rate": rate, "mel": mel, "hop_s": hop_s, "codes": codes,
                "flips": flips or {}, "measures": list(measures), "changed": self.changed,
            },
        )  # fmt: skip

    def snapshot(self) -> str:
        """Text diff, players, picture and table as plain HTML."""
        text = "".join(
            escape(word) if kind == SAME else f"<{tag}>{escape(word)}</{tag}>"
            for word, kind in zip(self.texts, self.kind, strict=True)
            for tag in (("", "del", "ins")[kind],)
        )
        changed = escape(", ".join(self.changed) or "nothing")
        named = zip("AB", self.waves, strict=True)
        players = "".join(_player(one, self.rate, name) for name, one in named)
        picture = super().snapshot().replace("<details>", "<details open>", 1)
        return f"<p>changed: {changed}</p><p><bdi>{text}</bdi></p>{players}{picture}"

    def figure(self, colors):
        from matplotlib.colors import ListedColormap
        from matplotlib.figure import Figure

        a = self.arrays
        sound = any(map(len, self.waves))
        lanes = [n for n in ("a.peaks", "b.peaks", "mel", "codes") if sound and n in a]
        kl, stages = np.isfinite(a["kl"]), self.stages
        below = int(kl.any()) + len(stages)
        high = 0.62 * len(lanes) + (0.5 if lanes else 0)
        figure = Figure(figsize=(9.6, max(1.6, 0.95 + high + (2.2 if below else 0))))
        tall = figure.get_figheight()
        seconds = max(*self.meta["seconds"], 1e-3)
        if lanes:
            place = {"left": 0.1, "right": 0.985, "top": 1 - 0.85 / tall, "hspace": 0.2}
            grid = figure.add_gridspec(
                len(lanes), 1, bottom=1 - (0.85 + high - 0.45) / tall, **place
            )
        known = [np.abs(a[n].astype(int)).max(initial=0) / 127 for n in lanes if "peaks" in n]
        loud = max([0.06, *known])
        for k, name in enumerate(lanes):
            axes = figure.add_subplot(grid[k])
            if name.endswith("peaks"):
                own = self.meta["seconds"]["ab".index(name[0])]
                x = np.linspace(0, own, len(a[name]))
                color = colors["speech" if name[0] == "a" else "image"]
                axes.fill_between(x, *(a[name].T / 127.0), color=color, lw=0.2)
                axes.set(ylim=(-loud, loud), yticks=[])
            elif name == "mel":
                x = np.linspace(0, self.meta["mel"]["seconds"], len(a["mel"]))
                axes.fill_between(x, a["mel"], color=colors["control"], lw=0)
                axes.set(ylim=(0, None))
            else:
                books, frames = a["codes"].shape
                axes.imshow(
                    a["codes"], aspect="auto", interpolation="nearest", vmin=0, vmax=1,
                    cmap=ListedColormap([colors["raise"], colors["high"]]),
                    extent=(0, frames * self.meta["frame_s"], books - 0.5, -0.5),
                )  # fmt: skip
            told = {"a.peaks": "A", "b.peaks": "B", "mel": "mel, dB", "codes": "codes"}[name]
            axes.set_ylabel(told, rotation=0, ha="right", va="center")
            axes.set(xlim=(0, seconds))
            if k < len(lanes) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("seconds")
        if below:
            grid = figure.add_gridspec(
                1, below, left=0.1, right=0.985, bottom=0.5 / tall, top=1.75 / tall, wspace=0.25
            )
        column = 0
        if kl.any():
            axes = figure.add_subplot(grid[0, 0])
            rows = np.flatnonzero(kl)
            axes.bar(range(len(rows)), a["kl"][rows], 0.7, color=colors["text"])
            axes.set_title("KL of each word, nats", size=8)
            if len(rows) <= 24:
                axes.set_xticks(
                    range(len(rows)), [self.meta["words"][i].strip() for i in rows],
                    rotation=60, ha="right", size=7,
                )  # fmt: skip
            column = 1
        for k, stage in enumerate(stages):
            axes = figure.add_subplot(grid[0, column + k])
            share = [v or 0 for v in stage["share"]]
            axes.barh(range(len(share)), share, 0.7, color=colors["high"])
            axes.set(
                xlim=(0, 1), ylim=(len(share) - 0.4, -0.6), yticks=range(len(share)),
                yticklabels=stage["layers"], ylabel="layer", xlabel="share of tokens",
            )  # fmt: skip
            axes.set_title(f"Other experts in B, {stage['name']}", size=8)
        return figure


def _player(samples: np.ndarray, rate: int, name: str) -> str:
    """A sound to listen to without scripts, at most its first seconds; "" if silent."""
    count = min(len(samples), round(LONGEST * rate))
    if not count:
        return ""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, rate, count, "NONE", ""))
        file.writeframes((samples[:count].clip(-1, 1) * 32767).astype("<i2").tobytes())
    sound = base64.b64encode(data.getvalue()).decode()
    cut = f", first {LONGEST:g} s" if count < len(samples) else ""
    return (
        f"<p>{name}{cut} <audio controls aria-label='the sound of {name}'"
        f" src='data:audio/wav;base64,{sound}'></audio></p>"
    )


def _told(row: tuple) -> list[str]:
    return ["" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in row]
