"""What an answer rests on: how much each piece of what was given raised its log-probability.

    AttributionView(values=shares, labels=names, t0=begins, t1=ends, full=[-1.2], empty=[-9.8],
                    answer=["eleven"], audio=wave, sr=16000, method="shapley", absent="silence")

Letters: N pieces, J targets (tokens of the answer, or frames of its speech), W tokens of the
answer, S samples, H W pixels of a picture, P positions.

Pieces of sound lie on a time axis, moments (timestamps) are pins on it, cells lie on their picture,
and words stand in a row. A positive share speaks for the target, a negative one against it; the
bar's side says so as well as its colour. Where the shares must add up to what all pieces together
are worth, the view shows that they do; where they need not, by how much they miss it.

Shares say what a change of the input does to a number, not how the model came to it.

Left out: several pictures at once; playing what is left when pieces are taken away.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from widgets.align import peaks_of, sound_of
from widgets.view import MODALITIES, Table, View, floats, shaped, shown, strings

MOST_PIECES, MOST_TARGETS = 2000, 400
PICTURE = 320  # pixels of the longer side of a picture that a page carries
STRONGEST = 12  # pieces that are listed


class AttributionView(View):
    """Signed shares of pieces, on a time axis, a picture or words; and how they add up.

    values f32[N]: shares of all targets together, in nats; error f32[N]: their standard error
    each f32[J, N]: shares of each target alone
    labels: N strings; kind u8[N]: index into `modalities`
    t0, t1 f32[N]: seconds of each piece; equal = a moment, NaN = none
    full, empty f32[J]: log-probability of each target with all pieces and without any
    answer: W strings, the tokens of the answer (or the frames that are targets);
    target i32[W]: which target each is, -1 = none (default: the first J)
    answer_position i32[W], members (N lists): positions in the run's table of tokens, what
        `Selection.tokens` counts
    method: how the shares were found; absent: how a piece was taken away ("replaced by silence")
    adds_up: must the shares add up to the change?
    audio f32[S], sr: what was heard; start: its time in seconds on the axis
    image u8[H, W, 3], cells i[H, W]: what was seen, and which piece each pixel is
    """

    module = "attribution"
    height = 620

    def __init__(
        self,
        *,
        values: np.ndarray,
        labels: Sequence[str],
        full: np.ndarray,
        empty: np.ndarray,
        answer: Sequence[str],
        each: np.ndarray | None = None,
        error: np.ndarray | None = None,
        kind: np.ndarray | None = None,
        t0: np.ndarray | None = None,
        t1: np.ndarray | None = None,
        target: np.ndarray | None = None,
        answer_position: np.ndarray | None = None,
        members: Sequence[Sequence[int]] | None = None,
        method: str = "",
        absent: str = "taken away",
        adds_up: bool = False,
        audio: np.ndarray | None = None,
        sr: int | None = None,
        start: float = 0.0,
        image: np.ndarray | None = None,
        cells: np.ndarray | None = None,
        modalities: Sequence[str] = MODALITIES,
        title: str = "What the answer rests on",
        link: str = "",
    ):
        values = shaped(values, "values", "N", "float32")
        N = len(values)
        if not 1 <= N <= MOST_PIECES:
            raise ValueError(f"values has {N} pieces, expected 1 to {MOST_PIECES}")
        if not np.isfinite(values).all():
            raise ValueError(f"values holds {np.isfinite(values).sum()} finite shares of {N}")
        names = strings(labels, N, "labels")
        full = shaped(full, "full", "J", "float32")
        J = len(full)
        empty = shaped(empty, "empty", "J", "float32", J=J)
        if not 1 <= J <= MOST_TARGETS:
            raise ValueError(f"full has {J} targets, expected 1 to {MOST_TARGETS}")
        if each is not None:
            each = shaped(each, "each", "J N", "float32", J=J, N=N)
        if error is not None:
            error = shaped(error, "error", "N", "float32", N=N)
        kinds = np.zeros(N, np.uint8) if kind is None else shaped(kind, "kind", "N", "uint8", N=N)
        if kinds.max() >= len(modalities):
            raise ValueError(f"kind holds {kinds.max()}, there are {len(modalities)} modalities")
        none = np.full(N, np.nan, np.float32)
        t0 = none if t0 is None else shaped(t0, "t0", "N", "float32", N=N)
        t1 = t0 if t1 is None else shaped(t1, "t1", "N", "float32", N=N)
        timed = bool(np.isfinite(t0).all() and np.isfinite(t1).all())
        if timed and (t1 < t0).any():
            raise ValueError(f"piece {int(np.argmax(t1 < t0))} ends before it begins")
        said = strings(answer, len(list(answer)), "answer")
        W = len(said)
        which = np.where(np.arange(W) < J, np.arange(W), -1) if target is None else target
        which = shaped(which, "target", "W", "int32", W=W)
        if sorted(which[which >= 0].tolist()) != list(range(J)):
            raise ValueError(f"target must name each of the {J} targets once, it is {which}"[:200])
        place = np.full(W, -1) if answer_position is None else answer_position
        place = shaped(place, "answer_position", "W", "int32", W=W)
        groups = [[int(p) for p in group] for group in (members or [()] * N)]
        if len(groups) != N:
            raise ValueError(f"members has {len(groups)} lists, expected {N}")
        arrays: dict[str, Any] = {}
        sound, note = None, ""
        if audio is not None:
            audio = shaped(audio, "audio", "S", "float32")
            if not sr:
                raise ValueError("audio needs its sample rate: sr=16000")
            arrays["peaks"] = peaks_of(audio, sr)
            sound, sent, note = sound_of(audio, sr)
            arrays |= sent
        if (image is None) != (cells is None):
            raise ValueError("a picture needs its cells, and cells their picture: image=, cells=")
        if image is not None:
            image = shaped(image, "image", "H W 3", "uint8")
            H, wide, _ = image.shape
            cells = shaped(cells, "cells", "H W", "int32", H=H, W=wide)
            if cells.max() >= N:
                raise ValueError(f"cells holds {cells.max()}, there are {N} pieces")
            by = max(1, -(-max(H, wide) // PICTURE))
            arrays["image"], small = image[::by, ::by], cells[::by, ::by]
            arrays["cells"] = small.astype(np.int16)
        ends = [t1.max()] if timed else []
        if audio is not None:
            ends.append(start + len(audio) / sr)
        begins = [t0.min()] * timed + [start] * (audio is not None)
        lo, hi = (float(min(begins)), float(max(ends))) if timed else (0.0, 0.0)

        self.change = float(full.sum() - empty.sum())
        self.gap = float(values.sum() - self.change)
        goal = "".join(said[i] for i in np.flatnonzero(which >= 0)).strip()
        if J > 1 and (which < 0).any():
            goal = " … ".join(said[i].strip() for i in np.flatnonzero(which >= 0))
        top = int(np.argmax(np.abs(values)))
        subtitle = (
            f"{shown(goal, 60)!r} by {N} pieces, {method or 'shares'}."
            f" Log-probability {full.sum():.2f} with everything, {empty.sum():.2f} with all pieces"
            f" {absent}: {self.change:+.2f}. The shares add up to {values.sum():+.2f}"
            + ("" if abs(self.gap) < 0.005 else f", off by {self.gap:+.2f}")
            + ("." if adds_up else " (they need not).")
        )
        most = f"Most: {shown(names[top].strip(), 40)} {values[top]:+.2f}."
        arrays |= {
            "values": values, "t0": t0, "t1": t1, "kind": kinds, "full": full, "empty": empty,
            "target": which, "position": place,
            "member": np.array([p for group in groups for p in group], np.int32),
            "member_of": np.repeat(np.arange(N), [len(g) for g in groups]).astype(np.int32),
        }  # fmt: skip
        if each is not None:
            arrays["each"] = each
        if error is not None:
            arrays["error"] = error
        self.values, self.each, self.error, self.labels = values, each, error, names
        self.t0, self.t1, self.full, self.empty, self.timed = t0, t1, full, empty, timed
        self.image, self.cells, self.audio, self.sr, self.start = image, cells, audio, sr, start
        self.answer, self.which = said, which
        head = ["piece", "seconds from", "to", "share"]
        columns: list[Sequence[Any]] = [names, floats(t0, 3), floats(t1, 3), floats(values, 4)]
        if error is not None:
            head.append("standard error")
            columns.append(floats(error, 4))
        if each is not None and 1 < J <= 12:
            for i in np.flatnonzero(which >= 0):
                head.append(f"of {shown(said[i], 20)!r}")
                columns.append(floats(each[which[i]], 4))
        super().__init__(
            title=title,
            subtitle=f"{subtitle} {most}",
            alt=f"{title}: {subtitle} {most}",
            meta={
                "N": N, "J": J, "labels": [shown(name, 40) for name in names],
                "answer": [shown(word, 40) for word in said], "timed": timed, "lo": lo, "hi": hi,
                "start": start, "sound": sound, "method": method, "absent": shown(absent, 40),
                "adds_up": adds_up, "modalities": list(modalities), "listed": min(N, STRONGEST),
                "pieces": {"image": "cells", "text": "words"}.get(modalities[kinds[0]], "pieces"),
                "notes": [note] if note else [],
            },
            arrays=arrays,
            table=Table(
                tuple(head), list(zip(*columns, strict=True)), "Pieces and their shares, in nats"
            ),
            link=link,
            data={
                "values": values, "error": error, "each": each, "labels": names, "kind": kinds,
                "t0": t0, "t1": t1, "full": full, "empty": empty, "answer": said,
                "target": which, "answer_position": place, "members": groups, "audio": audio,
                "image": image, "cells": cells,
            },
        )  # fmt: skip

    def ranking(self) -> list[tuple[int, str, float]]:
        """(piece, label, share), the largest first, whatever its sign."""
        order = np.argsort(-np.abs(self.values), kind="stable")
        return [(int(i), self.labels[i], float(self.values[i])) for i in order]

    def figure(self, colors):
        from matplotlib.colors import LinearSegmentedColormap, Normalize
        from matplotlib.figure import Figure

        scale = LinearSegmentedColormap.from_list("", [colors[c] for c in ("low", "mid", "high")])
        most = float(np.abs(self.values).max()) or 1.0
        shade = [scale(v) for v in Normalize(-most, most)(self.values)]
        bars = [colors["high"] if v > 0 else colors["low"] for v in self.values]
        rows = self.each is not None and len(self.full) > 1
        figure = Figure(figsize=(9.6, 5.0 if rows and self.timed else 4.2))
        grid = figure.add_gridspec(
            1, 2, left=0.07, right=0.985, top=0.8, bottom=0.1, wspace=0.36, width_ratios=(2.4, 1)
        )
        if self.timed:
            tall = (1, 1.8, 1.8) if rows else (1, 1.8)
            parts = grid[0, 0].subgridspec(len(tall), 1, hspace=0.16, height_ratios=tall)
            wave, share = figure.add_subplot(parts[0]), figure.add_subplot(parts[1])
            self._wave(wave, shade, colors)
            wide = np.maximum(self.t1 - self.t0, 0.012 * (self.meta["hi"] - self.meta["lo"]))
            share.bar((self.t0 + self.t1) / 2, self.values, wide * 0.92, color=bars,
                      yerr=self.error, ecolor=colors["soft"], error_kw={"lw": 0.8})  # fmt: skip
            share.axhline(0, color=colors["soft"], lw=0.6)
            share.set_ylabel("share (nats)")
            axes = [wave, share]
            if rows:
                each = figure.add_subplot(parts[2])
                self._each(each, scale, colors)
                axes.append(each)
            for one in axes:
                one.set_xlim(self.meta["lo"], self.meta["hi"])
            for one in axes[:-1]:
                one.set_xticklabels([])
            axes[-1].set_xlabel("seconds heard")
        elif self.image is not None:
            self._picture(figure.add_subplot(grid[0, 0]), scale, most)
        elif rows:
            parts = grid[0, 0].subgridspec(2, 1, hspace=0.3, height_ratios=(1, 2))
            self._words(figure.add_subplot(parts[0]), shade, colors)
            self._each(figure.add_subplot(parts[1]), scale, colors)
        else:
            self._words(figure.add_subplot(grid[0, 0]), shade, colors)
        best = self.ranking()[:STRONGEST]
        list_ = figure.add_subplot(grid[0, 1])
        list_.barh(range(len(best)), [v for *_, v in best], 0.7, color=[bars[i] for i, *_ in best])
        list_.axvline(0, color=colors["soft"], lw=0.6)
        list_.set(
            yticks=range(len(best)), ylim=(max(7, len(best)) - 0.4, -0.6), xlabel="share (nats)"
        )
        list_.set_yticklabels([shown(name.strip(), 18) for _, name, _ in best], fontsize=7.5)
        list_.set_title(f"Strongest {self.meta['pieces']}", size=8)
        return figure

    def _wave(self, axes, shade, colors):
        for a, b, color in zip(self.t0, self.t1, shade, strict=True):
            axes.axvspan(a, b, color=color, lw=0)
        if "peaks" in self.arrays:
            peaks = self.arrays["peaks"] / max(1.0, float(np.abs(self.arrays["peaks"]).max())) * 0.9
            at = self.start + (np.arange(len(peaks)) + 0.5) / len(peaks) * len(self.audio) / self.sr
            axes.fill_between(at, peaks[:, 0], peaks[:, 1], color=colors["ink"], lw=0)
        axes.set(yticks=[], ylim=(-1, 1))
        axes.spines["left"].set_visible(False)

    def _each(self, axes, scale, colors):
        most = float(np.abs(self.each).max()) or 1.0
        edges = np.r_[self.t0, self.t1[-1]]
        if not self.timed:  # a column a word
            edges = np.arange(len(self.values) + 1)
            some = np.arange(0, len(self.values), -(-len(self.values) // 10))
            axes.set_xticks(some + 0.5, [shown(self.labels[i].strip(), 9) for i in some])
        elif (np.diff(edges) <= 0).any():  # moments: halfway between them
            middle = (self.t0[1:] + self.t0[:-1]) / 2
            edges = np.r_[self.meta["lo"], middle, self.meta["hi"]]
        names = [shown(self.answer[i].strip(), 12) for i in np.flatnonzero(self.which >= 0)]
        order = self.which[self.which >= 0]
        axes.pcolormesh(edges, np.arange(len(order) + 1), self.each[order], cmap=scale,
                        vmin=-most, vmax=most)  # fmt: skip
        step = -(-len(names) // 14)
        axes.set(yticks=np.arange(0, len(names), step) + 0.5, ylim=(len(names), 0))
        axes.set_yticklabels(names[::step], fontsize=7)

    def _picture(self, axes, scale, most):
        cells = self.arrays["cells"]
        axes.imshow(self.arrays["image"].mean(-1), cmap="gray", vmin=0, vmax=255)
        shares = np.where(cells >= 0, self.values[cells], 0)
        axes.imshow(shares, cmap=scale, vmin=-most, vmax=most, alpha=0.55)
        axes.axis("off")

    def _words(self, axes, shade, colors):
        x, y = 0.0, 0.0
        for name, color, value in list(zip(self.labels, shade, self.values, strict=True))[:60]:
            text = shown(name.strip(), 20) or "\u2205"
            wide = 0.1 + 0.013 * max(len(text), 5)
            if x + wide > 1 and x:
                x, y = 0.0, y - 1
            low = sum(c * w for c, w in zip(color[:3], (0.3, 0.59, 0.11), strict=True)) < 0.5
            box = {"boxstyle": "round,pad=0.35", "fc": color, "ec": colors["grid"]}
            told = f"{text}\n{value:+.2f}"
            axes.text(x, y, told, va="top", fontsize=8, linespacing=1.5, bbox=box,
                      color="white" if low else "#1c2127")  # fmt: skip
            x += wide
        axes.set(xlim=(0, 1), ylim=(min(y - 1, -2), 0.2))
        axes.axis("off")
