"""Where attention lies in time: mass over seconds, timestamps as pins, heads that tell time.

    AttentionView(attn=maps, layers=[3, 7], layer_kind=kinds, tok_kind=..., tok_time=..., ...)

Letters: L layers of the model, A recorded layers, H recorded heads, Q queries (generated tokens),
T tokens (keys), M timestamp tokens, B bins of seconds, N linear layers, D their heads.

A cell is the attention of one query to one stretch of seconds. Tokens without a time (text and
markers) are not in the map but in the shares beside it; timestamp tokens stand apart as pins;
sinks, tokens that draw attention from everywhere, are never in the map, and on demand the rest is
scaled to 1.
Layers without softmax (Gated DeltaNet) have no map: of those the view shows what every token lets
the memory keep (decay) and how strongly it writes.

Attention says where a head looked, not why the answer came out as it did.

With `beside`, the view of a second run B, B's map of a head lies under A's, in the same seconds.

Left out: raw T x T maps (bins of seconds are what is sent); attention within a picture.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from widgets.align import peaks_of
from widgets.view import MODALITIES, Table, View, floats, shaped, shown, strings

SOFTMAX, LINEAR = 0, 1  # kinds of layers
GROUPS = ("timestamp", "heard or seen", "speech", "text", "control", "sink")
COLORS = ("timestamp", "audio", "speech", "text", "control", "sink")
TOLD = {"timestamp": "timestamps", "heard or seen": "what was heard or seen"}
AXES = {"heard": "heard or seen", "spoken": "speech"}  # which group is laid out in seconds
MOST_BINS, MOST_QUERIES, MOST_CELLS = 256, 400, 1_200_000  # of the map that a page carries
MOST_COLUMNS = 400  # of the strips of linear layers
THUMB, MOST_FRAMES = 48, 32  # pixels of a thumbnail's height; thumbnails of a page
SINK = 0.1  # a token with more than this share of all recorded attention is a sink


class AttentionView(View):
    """Heads by layer, mass over seconds by query, shares of token kinds, decay of linear layers.

    attn: u8[A, H, Q, T], round(255 * sqrt(share)), or the shares themselves as floats
    layers i32[A], heads i32[H]: their numbers in the model (default 0..)
    layer_kind u8[L]: 0 softmax, 1 linear
    tok_kind u8[T]: index into `modalities`; tok_time f32[T, 2]: seconds, NaN = none
    ts_pos i32[M], ts_value f32[M]: positions and seconds of timestamp tokens
    ref_time f32[Q]: the seconds that a query is about, where known (NaN)
    query_pos i32[Q]: positions of the queries (default: the last Q); tokens: T strings
    queries: Q strings that name the rows (default: the tokens at query_pos)
    log_decay f32[T, N, D] (<= 0), write f32[T, N, D]: of the linear layers, in order
    sinks: positions of sinks (default: found by their share)
    axis: seconds of what was "heard" (or seen) or of what was "spoken", two clocks that are never
        mixed (default: heard, where there is something heard)
    audio f32[S], sr: what was heard, drawn above the map
    frames: N pictures u8[h, w, 3] that were seen, drawn above the map as thumbnails
    frame_time f32[N]: their seconds, NaN = a still picture, which has none
    position i32[T]: in the run's table of tokens, what `Selection.tokens` counts
    """

    module = "attention"
    height = 820

    def __init__(
        self,
        *,
        attn: np.ndarray,
        layer_kind: np.ndarray,
        tok_kind: np.ndarray,
        tok_time: np.ndarray,
        ts_pos: np.ndarray = (),
        ts_value: np.ndarray = (),
        ref_time: np.ndarray | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        query_pos: np.ndarray | None = None,
        queries: Sequence[str] | None = None,
        tokens: Sequence[str] | None = None,
        log_decay: np.ndarray | None = None,
        write: np.ndarray | None = None,
        sinks: Sequence[int] | None = None,
        axis: str | None = None,
        audio: np.ndarray | None = None,
        sr: int | None = None,
        frames: Sequence[np.ndarray] = (),
        frame_time: np.ndarray | None = None,
        position: np.ndarray | None = None,
        modalities: Sequence[str] = MODALITIES,
        title: str = "Attention over time",
        link: str = "",
        beside: "AttentionView | None" = None,
    ):
        kind = shaped(tok_kind, "tok_kind", "T", "uint8")
        T = len(kind)
        time = shaped(tok_time, "tok_time", "T 2", "float32", T=T)
        attn = np.asarray(attn)
        if attn.ndim != 4 or attn.shape[3] != T or 0 in attn.shape:
            raise ValueError(f"attn has shape {attn.shape}, expected (A, H, Q, T={T})")
        if attn.dtype != np.uint8 and attn.dtype.kind != "f":
            raise ValueError(f"attn holds {attn.dtype}, expected uint8 roots or float shares")
        A, H, Q, _ = attn.shape
        layer_kind = shaped(layer_kind, "layer_kind", "L", "uint8")
        L = len(layer_kind)
        linear = np.flatnonzero(layer_kind == LINEAR).tolist()
        layers = _numbers(layers, A, "layers", np.flatnonzero(layer_kind == SOFTMAX)[:A])
        heads = _numbers(heads, H, "heads", range(H))
        for layer in layers:
            if not 0 <= layer < L or layer_kind[layer] != SOFTMAX:
                raise ValueError(f"layer {layer} has no softmax: layer_kind says so")
        stamps = shaped(np.asarray(ts_pos, np.int32), "ts_pos", "M", "int32")
        values = shaped(np.asarray(ts_value, np.float32), "ts_value", "M", "float32", M=len(stamps))
        if len(stamps) and (stamps.max() >= T or stamps.min() < 0):
            raise ValueError(f"ts_pos holds {stamps.max()}, there are {T} tokens")
        ref = np.full(Q, np.nan, np.float32)
        if ref_time is not None:
            ref = shaped(ref_time, "ref_time", "Q", "float32", Q=Q)
        asked = np.arange(T - Q, T) if query_pos is None else query_pos
        asked = shaped(asked, "query_pos", "Q", "int32", Q=Q)
        words = strings(tokens, T, "tokens") if tokens is not None else [f"#{i}" for i in range(T)]
        names = [words[i] for i in asked] if queries is None else strings(queries, Q, "queries")
        where = np.arange(T) if position is None else position
        where = shaped(where, "position", "T", "int32", T=T)

        if audio is not None:
            audio = shaped(audio, "audio", "S", "float32")
            if not sr:
                raise ValueError("audio needs its sample rate: sr=16000")

        frame_time = np.full(len(frames), np.nan) if frame_time is None else frame_time
        seen = shaped(frame_time, "frame_time", "N", "float32", N=len(frames))

        received = np.zeros(T)
        for a in range(A):
            for b in range(H):
                received += _shares(attn[a, b]).mean(0)
        received /= A * H
        if sinks is None:
            found = [i for i in np.flatnonzero(received > SINK).tolist() if i not in stamps]
        else:
            found = sorted({int(i) for i in sinks})
            if found and not 0 <= found[0] <= found[-1] < T:
                raise ValueError(f"sinks holds {found[-1]}, there are {T} tokens")

        group = np.full(T, GROUPS.index("control"))
        for name, members in (
            ("text", ("text",)), ("heard or seen", ("audio", "image", "video")),
            ("speech", ("speech",)), ("timestamp", ("timestamp",)),
        ):  # fmt: skip
            group[np.isin(kind, [i for i, m in enumerate(modalities) if m in members])] = (
                GROUPS.index(name)
            )
        group[stamps] = GROUPS.index("timestamp")
        group[found] = GROUPS.index("sink")
        known = np.isfinite(time).all(1)
        if axis is None:
            heard = (group == GROUPS.index("heard or seen")) & known
            axis = (
                "heard" if heard.any() or not (group == GROUPS.index("speech")).any() else "spoken"
            )
        if axis not in AXES:
            raise ValueError(f'axis is "heard" or "spoken", not {axis!r}')
        timed = (group == GROUPS.index(AXES[axis])) & known

        ends = np.r_[time[timed, 1], values, 0.0 if audio is None else len(audio) / sr]
        ends = np.r_[ends, seen[np.isfinite(seen)] if axis == "heard" else ()]
        seconds = float(max(np.nanmax(ends, initial=0), 1e-3))
        B, by = _sizes(A * H, Q, time[timed], seconds)
        edges = np.linspace(0, seconds, B + 1)
        spread = _spread(time, timed, edges)
        rows = -(-Q // by)
        mass = np.empty((A, H, rows, B), np.float32)
        pins = np.empty((A, H, rows, len(stamps)), np.float32)
        shares = np.empty((A, H, Q, len(GROUPS)), np.float32)
        off = np.full((A, H, Q), np.nan, np.float32)
        member = np.eye(len(GROUPS), dtype=np.float32)[group]
        middle = (edges[1:] + edges[:-1]) / 2
        for a in range(A):
            for b in range(H):
                p = _shares(attn[a, b])
                shares[a, b] = p @ member
                binned = p @ spread
                some = binned.sum(1) > 0
                off[a, b, some] = middle[binned[some].argmax(1)]
                mass[a, b] = _grouped(binned, by)
                pins[a, b] = _grouped(p[:, stamps], by)
        # heads are ranked by their share on timestamps; without any, on what is laid out in time
        ranked = "timestamp" if (group == 0).any() else AXES[axis]
        looked = shares[..., GROUPS.index(ranked)]
        self.stamp_share = looked.mean(-1)
        miss = np.abs(off - ref)
        known = np.isfinite(miss).any(-1)
        self.miss = np.full((A, H), np.nan)
        self.miss[known] = np.nanmedian(miss[known], axis=-1)
        free = 1 - shares[..., -1]
        self.stamp_share_free = (looked / np.maximum(free, 1e-6)).mean(-1)

        strips = {}
        for name, values_ in (("log_decay", log_decay), ("write", write)):
            if values_ is not None:
                v = shaped(values_, name, "T N D", "float32", T=T, N=len(linear))
                strips[name] = np.exp(v) if name == "log_decay" else v
        step = max(1, -(-T // MOST_COLUMNS))
        arrays = {
            "mass": _roots(mass), "pins": _roots(pins), "shares": _roots(_grouped4(shares, by)),
            "stamp": self.stamp_share.astype(np.float32),
            "stamp_free": self.stamp_share_free.astype(np.float32),
            "miss": self.miss.astype(np.float32),
            "peak": _grouped4(np.nan_to_num(off, nan=-1)[..., None], by)[..., 0].astype(np.float32)
            if by == 1 else np.full((A, H, rows), -1, np.float32),
            "ref": ref[::by].copy(), "ts_value": values, "query": asked[::by].copy(),
            "position": where[asked[::by]], "kind": kind[::step].copy(),
        }  # fmt: skip
        for name, v in strips.items():  # [N, D, columns] in 1/255
            arrays["keep" if name == "log_decay" else "write"] = np.round(
                255 * np.clip(np.moveaxis(_grouped(v.reshape(T, -1), step), 0, 1), 0, 1)
            ).astype(np.uint8)
        if audio is not None:
            arrays["peaks"] = peaks_of(audio, sr)
        notes = [f"Bins of {seconds / B:.3g} s."]
        if axis != "heard":
            seen = np.full(len(seen), np.nan, np.float32)  # another clock
        picked = np.unique(np.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int))
        picked = picked if len(frames) > MOST_FRAMES else np.arange(len(frames))
        if len(picked):
            arrays["film"] = _thumbs([frames[i] for i in picked])
            arrays["film_at"] = seen[picked]
            if np.isnan(seen).any():
                notes.append("A picture on the left has no second: its share stands on the right.")
            if len(frames) > len(picked):
                notes.append(f"{len(picked)} of {len(frames)} frames are shown.")
        if by > 1:
            notes.append(f"A row is the mean of {by} queries, {Q:,} in all.")
        if strips and step > 1:
            notes.append(f"Strips of linear layers: means of {step} tokens.")

        best = np.unravel_index(self.stamp_share.argmax(), (A, H))
        said = [
            f"{Q:,} queries over {T:,} tokens and {seconds:.1f} s;"
            f" {A} of {(layer_kind == SOFTMAX).sum()} softmax layers recorded,"
            f" {len(linear)} linear."
        ]
        if len(stamps):
            said.append(
                f"Most on timestamps: layer {layers[best[0]]} head {heads[best[1]]},"
                f" {self.stamp_share[best]:.0%}."
            )
        if known.any():
            near = np.unravel_index(np.nanargmin(self.miss), (A, H))
            said.append(
                f"Nearest to the reference time: layer {layers[near[0]]} head {heads[near[1]]},"
                f" median {self.miss[near]:.2f} s off."
            )
        if found:
            plural = "s" if len(found) > 1 else ""
            said.append(
                f"{len(found)} sink{plural} with {received[found].sum():.0%} of all attention."
            )
        subtitle = " ".join(said)
        compared = ""
        if beside is not None:
            self.alike(beside)
            if (beside.layers, beside.heads) != (layers, heads):
                raise ValueError("beside has other layers or heads; record the same ones")
            change = beside.stamp_share - self.stamp_share
            most = np.unravel_index(np.abs(change).argmax(), change.shape)
            compared = (
                f"A: {Q:,} queries over {T:,} tokens; B: {beside.meta['Q']:,} over"
                f" {beside.meta['T']:,}. On {TOLD.get(ranked, ranked)}:"
                f" {self.stamp_share.mean():.0%} of attention in A,"
                f" {beside.stamp_share.mean():.0%} in B; layer"
                f" {layers[most[0]]} head {heads[most[1]]} changes most,"
                f" {self.stamp_share[most]:.0%} to {beside.stamp_share[most]:.0%}."
            )
        order = np.argsort(-self.stamp_share.ravel(), kind="stable")
        self.mass, self.edges, self.shares = mass, edges, shares
        self.layers, self.heads, self.linear, self.sinks = layers, heads, linear, found
        mean = shares.mean(2)
        super().__init__(
            title=title,
            subtitle=subtitle,
            alt=f"Attention over time: {subtitle}",
            meta={
                "L": L, "kinds": layer_kind.tolist(), "layers": layers, "heads": heads,
                "axis": axis, "ranked": TOLD.get(ranked, ranked),
                "rank_color": COLORS[GROUPS.index(ranked)], "linear": linear,
                "seconds": round(seconds, 4),
                "heard": round(seconds if audio is None else len(audio) / sr, 4),
                "bins": B, "by": by, "rows": rows,
                "Q": Q, "T": T, "groups": list(GROUPS), "colors": list(COLORS),
                "queries": [shown(name, 24) for name in names[::by]],
                "sinks": [[i, shown(words[i], 24)] for i in found],
                "stamps": [shown(words[i], 24) for i in stamps], "has_ref": bool(known.any()),
                "modalities": list(modalities), "step": step,
                "linear_heads": int(next(iter(strips.values())).shape[2]) if strips else 0,
                "told": f"{Q:,} queries over {T:,} tokens",
                "notes": notes,
            },
            arrays=arrays,
            table=Table(
                ("layer", "head", *(f"{g} share" for g in GROUPS), "median miss s"),
                [
                    (layers[i // H], heads[i % H], *floats(mean.reshape(-1, len(GROUPS))[i], 4),
                     *floats([self.miss.ravel()[i]], 3))
                    for i in order
                ],
                f"Heads by their share of attention on {ranked} tokens",
            ),
            link=link,
            beside=beside,
            compared=compared,
            data={
                "attn": attn, "mass": mass, "edges": edges, "shares": shares, "groups": GROUPS,
                "tokens": words, "tok_kind": kind, "tok_time": time, "ts_pos": stamps,
                "ts_value": values, "ref_time": ref, "query_pos": asked, "peak_time": off,
                "log_decay": log_decay, "write": write, "sinks": found,
                "frames": list(frames), "frame_time": seen,
            },
        )  # fmt: skip

    def ranking(self, by: str = "timestamp") -> list[tuple[int, int, float]]:
        """(layer, head, value), best first: share on timestamps, or seconds off the reference."""
        if by not in ("timestamp", "reference"):
            raise ValueError(f'rank by "timestamp" or "reference", not {by!r}')
        value = self.stamp_share if by == "timestamp" else self.miss
        if not np.isfinite(value).any():
            raise ValueError("no reference times were given: ref_time")
        key = -value if by == "timestamp" else np.nan_to_num(value, nan=np.inf)
        H = len(self.heads)
        return [
            (self.layers[i // H], self.heads[i % H], float(value.ravel()[i]))
            for i in np.argsort(key.ravel(), kind="stable")
        ]

    def figure(self, colors):
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure

        A, H = self.stamp_share.shape
        best = np.argsort(-self.stamp_share.ravel(), kind="stable")
        maps = [(self, int(i), "") for i in best[:4]]
        if self.beside is not None:  # the first two heads, A above B
            runs = (self, "A, "), (self.beside, "B, ")
            maps = [(one, int(i), name) for one, name in runs for i in best[:2]]
        films = any(np.isfinite(one.arrays.get("film_at", np.nan)).any() for one, *_ in maps)
        figure = Figure(figsize=(9.6, 5.6))
        grid = figure.add_gridspec(
            2, 3, left=0.07, right=0.985, top=0.77 if films else 0.83, bottom=0.09, hspace=0.42,
            wspace=0.22,
            width_ratios=(1, 1, 0.8),
        )  # fmt: skip
        map_ = LinearSegmentedColormap.from_list("", [colors[f"seq-{i}"] for i in range(3)])
        seconds = max(one.meta["seconds"] for one, *_ in maps)
        for k, (one, i, name) in enumerate(maps):
            a, b = divmod(i, H)
            axes = figure.add_subplot(grid[k // 2, k % 2])
            shown_ = np.sqrt(one.mass[a, b])
            axes.imshow(
                shown_, aspect="auto", cmap=map_, interpolation="nearest", vmin=0,
                vmax=float(np.quantile(shown_, 0.998)) or 1,
                extent=(0, one.meta["seconds"], len(shown_), 0),
            )  # fmt: skip
            stamps, ref = one.arrays["ts_value"], one.arrays["ref"]
            axes.plot(
                stamps, np.zeros(len(stamps)), "v", color=colors["timestamp"], ms=4, clip_on=False
            )
            axes.plot(ref, np.arange(len(ref)) + 0.5, ".", color=colors["speech"], ms=2.5)
            axes.set(xlim=(0, seconds), ylim=(len(shown_), 0))
            film = k < 2 and np.isfinite(one.arrays.get("film_at", np.nan)).any()
            axes.set_title(
                f"{name}layer {one.layers[a]} head {one.heads[b]}:"
                f" {one.stamp_share[a, b]:.0%} on {one.meta['ranked']}",
                size=8, pad=30 if film else 6,
            )  # fmt: skip
            if film:
                one._film(axes.inset_axes((0, 1.02, 1, 0.15)), seconds)
            if k % 2 == 0:
                axes.set_ylabel("query")
            if k >= len(maps) - 2:
                axes.set_xlabel(f"seconds {self.meta['axis']}")
        bars = figure.add_subplot(grid[:, 2])
        mean = self.shares.mean(2).reshape(A * H, -1)
        rank = best[:16]
        low = np.zeros(len(rank))
        for c, color in enumerate(COLORS):
            bars.barh(range(len(rank)), mean[rank, c], 0.72, low, color=colors[color])
            low += mean[rank, c]
        bars.legend(
            GROUPS, fontsize=6.5, ncols=3, frameon=False, loc="lower left",
            bbox_to_anchor=(-0.25, 1.0), handlelength=1, columnspacing=0.8,
        )  # fmt: skip
        if self.beside is not None:
            theirs = self.beside.shares.mean(2).reshape(A * H, -1)[rank, 0]
            bars.plot(theirs, range(len(rank)), "|", color=colors["ink"], ms=12, mew=1.5)
        bars.set(
            yticks=range(len(rank)),
            yticklabels=[f"{self.layers[i // H]}.{self.heads[i % H]}" for i in rank],
            ylim=(len(rank) - 0.4, -0.6), xlim=(0, 1), ylabel="layer.head",
            xlabel="share of attention" + (" (mark: timestamps in B)" if self.beside else ""),
        )  # fmt: skip
        return figure

    def _film(self, axes, seconds: float) -> None:
        """The frames that were seen, each at its second where there is room for it."""
        box = axes.get_position()
        width, height = axes.figure.get_size_inches()
        high, wide = self.arrays["film"].shape[1:3]
        each = seconds * (wide / high) * box.height * height / (box.width * width)
        free = -np.inf
        for picture, at in zip(self.arrays["film"], self.arrays["film_at"], strict=True):
            left = float(np.clip(at - each / 2, 0, seconds - each))
            if np.isfinite(at) and left >= free:
                axes.imshow(picture, extent=(left, left + each, 0, 1), aspect="auto")
                free = left + 1.06 * each
        axes.set(xlim=(0, seconds), ylim=(0, 1))
        axes.axis("off")


def _thumbs(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """All pictures as high as THUMB and as wide as the widest, u8[N, THUMB, W, 3]."""
    from PIL import Image

    small = []
    for i, picture in enumerate(pictures):
        picture = shaped(picture, f"frames[{i}]", "h w 3", "uint8")
        wide = int(np.clip(round(THUMB * picture.shape[1] / picture.shape[0]), 8, 3 * THUMB))
        small.append(np.asarray(Image.fromarray(picture).resize((wide, THUMB), Image.BOX)))
    most = max(one.shape[1] for one in small)
    sides = [(most - one.shape[1]) // 2 for one in small]
    return np.stack(
        [
            np.pad(one, ((0, 0), (side, most - one.shape[1] - side), (0, 0)), constant_values=128)
            for one, side in zip(small, sides, strict=True)
        ]
    )


def _numbers(values: Any, count: int, name: str, default: Any) -> list[int]:
    out = [int(v) for v in (default if values is None else values)]
    if len(out) != count:
        raise ValueError(f"{name} names {len(out)}, attn has {count}")
    return out


def _shares(attn: np.ndarray) -> np.ndarray:
    """Shares [Q, T] that sum to one, from roots in bytes or from floats."""
    p = attn.astype(np.float32)
    if attn.dtype == np.uint8:
        p = (p / 255) ** 2
    return p / np.maximum(p.sum(-1, keepdims=True), 1e-12)


def _sizes(maps: int, Q: int, time: np.ndarray, seconds: float) -> tuple[int, int]:
    """How many bins of seconds, and how many queries a row."""
    width = float(np.median(time[:, 1] - time[:, 0])) if len(time) else seconds
    B = int(np.clip(np.ceil(seconds / max(width, 1e-3) - 1e-6), 1, MOST_BINS))
    rows = min(Q, MOST_QUERIES)
    if maps * rows * B > MOST_CELLS:
        B = min(B, MOST_BINS // 2)
        rows = max(1, min(rows, MOST_CELLS // (maps * B)))
    return B, -(-Q // rows)


def _spread(time: np.ndarray, timed: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How much of each token falls into each bin [T, B]; a moment falls into one."""
    out = np.zeros((len(time), len(edges) - 1), np.float32)
    t0, t1 = time[timed, :1], time[timed, 1:]
    over = np.clip(np.minimum(t1, edges[1:]) - np.maximum(t0, edges[:-1]), 0, None)
    total = over.sum(1, keepdims=True)
    place = np.clip(np.searchsorted(edges, t0[:, 0], "right") - 1, 0, out.shape[1] - 1)
    moment = np.eye(out.shape[1], dtype=np.float32)[place]
    out[timed] = np.where(total > 0, over / np.maximum(total, 1e-12), moment)
    return out


def _grouped(x: np.ndarray, by: int) -> np.ndarray:
    """Means of `by` rows."""
    if by == 1:
        return x
    starts = np.arange(0, len(x), by)
    sizes = np.diff(np.r_[starts, len(x)])
    return np.add.reduceat(x, starts, axis=0) / sizes[:, None]


def _grouped4(x: np.ndarray, by: int) -> np.ndarray:
    flat = x.reshape(-1, *x.shape[2:])
    return np.stack([_grouped(part, by) for part in flat]).reshape(*x.shape[:2], -1, x.shape[3])


def _roots(p: np.ndarray) -> np.ndarray:
    return np.round(255 * np.sqrt(np.clip(p, 0, 1))).astype(np.uint8)
