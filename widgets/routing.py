"""Which experts every token went to: load, margins, pairs, and the tokens behind each of them.

    RoutingView(topk_ids=ids, topk_w=weights, modality=..., stage=..., phase=..., E=16, K=2)

Letters: T tokens (of all stages, one after another), L layers, K chosen experts, E experts,
G facets (stage x phase x modality, and each stage as a whole).

Load is the share of routed weight over the fair share 1/E: 1 is fair, 0 idle. Experts of different
layers, and of different stages, have nothing in common but their number; nothing here is ever added
over layers or stages. Routing tells where a token went, not what an expert encodes or how much it
mattered: with `out_norm` the view can weigh by the length of what came out.

With `sounds`, tokens of sound lie where they are in the waveform, and can be heard.

With `beside`, the view of a second run B, the same layout shows B minus A, facet by facet.

`topk_ids` has vLLM's shape (int16[len, layers, top_k]), so its dumps can be shown too. Above
INSPECT entries only every so many tokens can be inspected; sums are always over all tokens.

Left out: running the model again with an expert banned or forced (that is the lab's part).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from widgets.align import peaks_of, sound_of
from widgets.view import MODALITIES, Table, View, floats, shaped, shown, strings

INSPECT = 300_000  # routed entries (T * L * K) that a page carries
MATRIX = 400_000  # entries of co-activation matrices that a page carries
TOP_TOKENS = 6  # tokens named for each cell
PAIRS, LEAST_COUNT = 10, 5  # pairs named for each layer, and how often they must occur
SCALE = 128  # loads travel as u16 in steps of 1/128
MISSING = 65535
HEARD_BYTES = 250_000  # of each sound that a page carries
NEAR_TIE = 0.02  # logits closer than this may swap in lower precision


class RoutingView(View):
    """Layer x expert load by facet, token strip with margins, pairs, and the tokens of a cell.

    topk_ids i16[T, L, K] (-1: this token has no such layer), topk_w f16[T, L, K]
    optional: logits f16[T, L, E] (margins, next best, z-loss), shared_gate f16[T, L],
        out_norm f16[T, L, K] (length of what each chosen expert returned)
    modality u8[T], stage u8[T], phase u8[T]: index into `modalities`, `stages`, `phases`
    t0, t1 f32[T]: seconds of what was heard or spoken, NaN = none
    sounds: by the name of a modality, the sound that t0 and t1 of its tokens are seconds of, and
        its rate: {"audio": (f32[S], 16000), "speech": (f32[S], 24000)}
    tokens: T strings; position i32[T] in the run's table of tokens (default 0..T-1)
    E, K: experts and chosen experts; layers: names of the L layers (default 0..L-1)
    beside: of a run B with the same layers and experts; same i32[T]: the row of the same token in
        it, -1 = none (default: the same row)
    """

    module = "routing"
    height = 880

    def __init__(
        self,
        *,
        topk_ids: np.ndarray,
        topk_w: np.ndarray,
        E: int,
        K: int | None = None,
        modality: np.ndarray | None = None,
        stage: np.ndarray | None = None,
        phase: np.ndarray | None = None,
        t0: np.ndarray | None = None,
        t1: np.ndarray | None = None,
        sounds: Mapping[str, tuple[np.ndarray, int]] | None = None,
        tokens: Sequence[str] | None = None,
        position: np.ndarray | None = None,
        logits: np.ndarray | None = None,
        shared_gate: np.ndarray | None = None,
        out_norm: np.ndarray | None = None,
        layers: Sequence[int] | None = None,
        modalities: Sequence[str] = MODALITIES,
        stages: Sequence[str] = ("thinker", "talker"),
        phases: Sequence[str] = ("prompt", "answer"),
        near_tie: float = NEAR_TIE,
        title: str = "Expert routing",
        link: str = "",
        beside: "RoutingView | None" = None,
        same: np.ndarray | None = None,
    ):
        ids = shaped(topk_ids, "topk_ids", "T L K", "int16", **({"K": K} if K else {}))
        T, L, K = ids.shape
        if not T:
            raise ValueError("topk_ids has no tokens")
        weights = shaped(topk_w, "topk_w", "T L K", "float32", T=T, L=L, K=K)
        if ids.max() >= E or ids.min() < -1:
            raise ValueError(f"topk_ids holds {ids.max()} and {ids.min()}, expected -1..{E - 1}")
        label = {}
        for name, values, names in (
            ("modality", modality, modalities),
            ("stage", stage, stages),
            ("phase", phase, phases),
        ):
            values = np.zeros(T, np.uint8) if values is None else values
            label[name] = shaped(values, name, "T", "uint8", T=T)
            if label[name].max() >= len(names):
                raise ValueError(f"{name} holds {label[name].max()}, there are {len(names)} names")
        time = [
            np.full(T, np.nan, np.float32) if t is None else shaped(t, n, "T", "float32", T=T)
            for n, t in (("t0", t0), ("t1", t1))
        ]
        words = strings(tokens, T, "tokens") if tokens is not None else [f"#{i}" for i in range(T)]
        where = np.arange(T) if position is None else position
        where = shaped(where, "position", "T", "int32", T=T)
        numbers = list(range(L)) if layers is None else [int(i) for i in layers]
        if len(numbers) != L:
            raise ValueError(f"layers names {len(numbers)} layers, topk_ids has {L}")
        if logits is not None:
            logits = shaped(logits, "logits", "T L E", np.asarray(logits).dtype, T=T, L=L, E=E)
        if shared_gate is not None:
            shared_gate = shaped(shared_gate, "shared_gate", "T L", "float32", T=T, L=L)

        facets, of_facet = _facets(label, modalities, stages, phases)
        used = ids >= 0
        load, count = _load(ids, weights, of_facet, len(facets), E)
        loads = {"load": load}
        if out_norm is not None:
            norms = shaped(out_norm, "out_norm", "T L K", "float32", T=T, L=L, K=K)
            weighed = np.where(used, weights * norms, 0)
            weighed /= np.maximum(weighed.sum(-1, keepdims=True), 1e-12)
            loads["load_out"], _ = _load(ids, weighed, of_facet, len(facets), E)
        margin, following = _margins(ids, weights, logits)
        stats = _stats(load, logits, of_facet)
        whole = [g for g, f in enumerate(facets) if f["phase"] is None]
        lift, pairs, alone = {}, {}, {}
        for g in whole:
            own = label["stage"] == facets[g]["stage"]
            lift[g], pairs[g], alone[g] = _pairs(ids[own], E)
        top = np.full((len(whole), L, E, TOP_TOKENS), -1, np.int32)
        for row, g in enumerate(whole):
            top[row] = _top_tokens(ids, weights, label["stage"] == facets[g]["stage"], E)

        stride = max(1, -(-T * L * K // INSPECT))
        ties = (
            np.where(used[..., 0], margin < near_tie, False).sum(1) if logits is not None else None
        )
        least = np.where(np.isfinite(margin), margin, np.inf).min(1)
        arrays = {
            **{
                k: np.where(np.isfinite(v), np.clip(np.round(v * SCALE), 0, MISSING - 1), MISSING)
                .astype(np.uint16)
                for k, v in loads.items()
            },
            "stats": stats.astype(np.float32),
            "modality": label["modality"], "stage": label["stage"], "phase": label["phase"],
            "t0": time[0], "t1": time[1], "position": where,
            "least": np.where(np.isfinite(least), least, np.nan).astype(np.float32),
            "ids": ids[::stride],
            "w": np.round(255 * np.clip(weights[::stride], 0, 1)).astype(np.uint8),
            "margin": margin[::stride].astype(np.float32), "top": top,
        }  # fmt: skip
        if ties is not None:
            arrays["ties"] = ties.astype(np.uint16)
            arrays["next"] = following[::stride].astype(np.int16)
        if shared_gate is not None:
            gate = np.clip(np.nan_to_num(shared_gate[::stride]), 0, 1)
            arrays["shared"] = np.round(255 * gate).astype(np.uint8)
        lanes, notes = [], []
        for name, (samples, rate) in (sounds or {}).items():
            if name not in modalities:
                raise ValueError(f"sounds has {name!r}, expected {' or '.join(modalities)}")
            samples = shaped(samples, f"sounds[{name!r}]", "S", "float32")
            own = (label["modality"] == modalities.index(name)) & np.isfinite(time[0])
            if not own.any() or not len(samples):
                continue
            form, sent, note = sound_of(samples, rate, HEARD_BYTES)
            arrays |= {f"{key}_{name}": a for key, a in sent.items()}
            arrays[f"peaks_{name}"] = peaks_of(samples, rate)
            notes += [f"{name} {note}."] if note else []
            seconds = max(len(samples) / rate, float(time[1][own].max()))
            lanes.append(
                {
                    "modality": modalities.index(name), "name": name, "sound": form,
                    "seconds": round(seconds, 4), "known": round(len(samples) / rate, 4),
                }
            )  # fmt: skip
        matrices = len(whole) * L * E * E <= MATRIX and K > 1
        if matrices:
            stacked = np.stack([lift[g] for g in whole])
            arrays["lift"] = np.where(
                np.isfinite(stacked), np.clip(np.round(stacked * SCALE), 0, MISSING - 1), MISSING
            ).astype(np.uint16)
        if stride > 1:
            notes.append(f"One token in {stride} can be inspected; sums are over all {T:,}.")
        if K > 1 and not matrices:
            notes.append("Co-activation: the strongest and weakest pairs of each layer.")
        if logits is None:
            notes.append("No logits were recorded: the margin is between chosen weights.")

        g = whole[0]
        names = [f["name"] for f in facets]
        idle = {
            facets[w]["name"]: (int(np.nansum(stats[w, :, 3])), int(E * (count[w] > 0).sum()))
            for w in whole
        }
        busiest = np.unravel_index(np.nanargmax(load[g]), load[g].shape)
        said = [
            f"{T:,} tokens, {L} layers, {K} of {E} experts.",
            f"Busiest in the {facets[g]['name']}: expert {busiest[1]} of layer"
            f" {numbers[busiest[0]]} at {np.nanmax(load[g]):.1f} × its fair share.",
            "Idle: " + ", ".join(f"{a} of {b} in the {n}" for n, (a, b) in idle.items()) + ".",
        ]
        if ties is not None:
            share = (ties > 0).mean()
            said.append(f"{share:.0%} of tokens have a near-tie in some layer.")
        against: dict[str, Any] = {}
        self.delta, compared = None, ""
        if beside is not None:
            self.alike(beside)
            if (beside.meta["E"], beside.meta["layers"]) != (E, numbers):
                raise ValueError("beside has other layers or another number of experts")
            names_b = beside.facets
            match = [names_b.index(n) if n in names_b else -1 for n in names]
            self.delta = np.stack(
                [
                    beside.load[b] - load[g] if b >= 0 else np.full((L, E), np.nan)
                    for g, b in enumerate(match)
                ]
            )
            flips = _flips(ids, beside.data["topk_ids"], same)
            arrays["flips"] = flips
            large = [f["tokens"] >= LEAST_COUNT for f in facets]
            known = np.abs(self.delta[large])
            known = known[np.isfinite(known)]
            span = float(max(0.1, np.quantile(known, 0.99))) if len(known) else 1.0
            against = {"match": match, "span": round(span, 2)}
            share = flips[flips < 255].mean() / L if (flips < 255).any() else 0
            first = np.nan_to_num(self.delta[whole[0]])
            most = np.unravel_index(np.abs(first).argmax(), first.shape)
            compared = (
                f"B minus A: {T:,} and {beside.meta['T']:,} tokens, {L} layers, {E} experts."
                f" Largest change in the {names[whole[0]]}: expert {most[1]} of layer"
                f" {numbers[most[0]]}, {first[most]:+.2f} fair shares. Of the choices for tokens"
                f" that both have, {share:.0%} differ."
            )
        subtitle = " ".join(said)
        self.load, self.stats, self.facets, self.pairs = load, stats, names, pairs
        self.colors = [m for m in modalities]
        table = Table(
            ("facet", "tokens", "layer", "entropy", "max / fair", "Gini", "idle experts", "z-loss"),
            [
                (names[i], facets[i]["tokens"], numbers[l], *floats(stats[i, l], 3))
                for i in whole + [i for i in range(len(facets)) if i not in whole]
                for l in range(L)
                if count[i, l]
            ],
            "How evenly experts are used (entropy 1 = perfectly even)",
        )
        super().__init__(
            title=title,
            subtitle=subtitle,
            alt=f"Expert routing: {subtitle}",
            meta={
                "T": T, "L": L, "E": E, "K": K, "stride": stride, "layers": numbers,
                "facets": [{**f, "name": shown(f["name"])} for f in facets], "whole": whole,
                "tokens": [shown(w, 24) for w in words], "modalities": list(modalities),
                "stages": list(stages), "phases": list(phases), "near_tie": near_tie,
                "scale": SCALE, "by_logits": logits is not None, "notes": notes,
                "sounds": lanes,
                "pairs": {str(row): pairs[g] for row, g in enumerate(whole)},
                **against,
            },
            arrays=arrays,
            table=table,
            link=link,
            beside=beside,
            compared=compared,
            data={
                "topk_ids": ids, "topk_w": weights, "logits": logits, "tokens": words, **label,
                "load": dict(zip(names, load, strict=True)), "stats": stats,
                "lift": {names[g]: lift[g] for g in whole}, "margin": margin, "t0": time[0],
                "t1": time[1], "sounds": dict(sounds or {}), "shared_gate": shared_gate,
                "out_norm": out_norm,
                "delta": None if self.delta is None else dict(zip(names, self.delta, strict=True)),
            },
        )  # fmt: skip

    def figure(self, colors):
        from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
        from matplotlib.figure import Figure

        meta = self.meta
        order = meta["whole"] + [i for i in range(len(self.facets)) if i not in meta["whole"]]
        show = order[:8]
        columns = min(4, len(show))
        rows = -(-len(show) // columns)
        low = 0.65 + 0.85 * len(meta["sounds"])  # inches for what is below the maps
        figure = Figure(figsize=(9.6, 1.25 + low + 1.9 * rows))
        tall = figure.get_figheight()
        grid = figure.add_gridspec(
            rows, columns, left=0.06, right=0.9, top=1 - 1.1 / tall, bottom=low / tall,
            hspace=0.55, wspace=0.14,
        )  # fmt: skip
        map_ = LinearSegmentedColormap.from_list("", [colors["low"], colors["mid"], colors["high"]])
        image = None
        for k, g in enumerate(show):
            axes = figure.add_subplot(grid[k // columns, k % columns])
            if self.delta is None:
                shade, most = np.log2(np.clip(self.load[g], 1 / 8, 8)), 3
            else:
                shade, most = self.delta[g], meta["span"]
            image = axes.imshow(
                shade, aspect="auto", interpolation="nearest", cmap=map_,
                norm=TwoSlopeNorm(0, -most, most),
            )  # fmt: skip
            count = meta["facets"][g]["tokens"]
            told = f"{count:,} token{'' if count == 1 else 's'}"
            axes.set_title(f"{self.facets[g]}\n{told}", size=7.5)
            if k % columns == 0:
                axes.set_ylabel("layer")
            else:
                axes.set_yticklabels([])
            if k // columns == rows - 1:
                axes.set_xlabel("expert")
        for k, lane in enumerate(meta["sounds"]):
            place = (0.06, (low - 1.15 - 0.85 * k) / tall, 0.84, 0.4 / tall)
            self._wave(figure.add_axes(place), lane, colors)
        bar = figure.add_axes((0.92, low / tall, 0.012, 1 - (1.1 + low) / tall))
        if self.delta is None:
            key = figure.colorbar(image, cax=bar, ticks=(-3, -1, 0, 1, 3))
            key.ax.set_yticklabels(["1/8", "1/2", "fair", "2 x", "8 x"], size=7)
        else:
            key = figure.colorbar(image, cax=bar, ticks=(-most, 0, most))
            key.ax.set_yticklabels([f"-{most:.2g}", "B = A", f"+{most:.2g}"], size=7)
        key.outline.set_visible(False)
        return figure

    def _wave(self, axes, lane: dict[str, Any], colors) -> None:
        """A sound, the closer the router's call for its token, the stronger."""
        from matplotlib.colors import LinearSegmentedColormap

        a = self.arrays
        peaks = a[f"peaks_{lane['name']}"][:: -(-len(a[f"peaks_{lane['name']}"]) // 1500)] / 127
        seconds = (np.arange(len(peaks)) + 0.5) * lane["known"] / len(peaks)
        own = np.flatnonzero((a["modality"] == lane["modality"]) & np.isfinite(a["t0"]))
        own = own[a["stage"][own] == a["stage"][own[0]]]
        own = own[np.argsort(a["t0"][own], kind="stable")]
        at = own[np.maximum(0, np.searchsorted(a["t0"][own], seconds, side="right") - 1)]
        known = a["least"][np.isfinite(a["least"])]
        most = float(np.quantile(known, 0.98)) if len(known) else 1.0
        close = np.nan_to_num(1 - np.sqrt(np.clip(a["least"][at] / max(most, 1e-9), 0, 1)))
        map_ = LinearSegmentedColormap.from_list("", [colors["faint"], colors["high"]])
        axes.vlines(seconds, *peaks.T, colors=map_(close), lw=max(1, 580 / len(peaks)))
        stage = self.meta["stages"][int(a["stage"][own[0]])]
        loud = max(0.06, float(np.abs(peaks).max()))
        axes.set(xlim=(0, lane["seconds"]), ylim=(-loud, loud), yticks=[])
        axes.set_title(
            f"{lane['name']}, {stage}: the stronger, the closer the router's call", size=7.5
        )
        axes.xaxis.set_major_formatter("{x:g} s")


def _flips(ids: np.ndarray, other: np.ndarray, same: np.ndarray | None) -> np.ndarray:
    """Layers in which a token of A has other experts than the same token of B, u8[T]; 255: B has
    no such token."""
    T = len(ids)
    row = np.where(np.arange(T) < len(other), np.arange(T), -1) if same is None else same
    row = shaped(row, "same", "T", "int32", T=T)
    if row.max(initial=-1) >= len(other):
        raise ValueError(f"same names row {row.max()}, beside has {len(other)} tokens")
    most = max(ids.shape[2], other.shape[2])
    mine, yours = (
        np.sort(np.pad(one, ((0, 0), (0, 0), (0, most - one.shape[2])), constant_values=-1), -1)
        for one in (ids, other[row])
    )
    differ = (mine != yours).any(-1)
    return np.where(row < 0, 255, np.minimum(differ.sum(1), 254)).astype(np.uint8)


def _facets(label, modalities, stages, phases):
    """Every stage as a whole, then every stage x phase x modality that occurs."""
    facets, of_facet = [], {}
    for s in np.unique(label["stage"]).tolist():
        own = label["stage"] == s
        told = {"stage": s, "phase": None, "modality": None, "tokens": int(own.sum())}
        of_facet[len(facets)] = own
        facets.append({"name": stages[s], **told})
    kinds = np.stack([label[k] for k in ("stage", "phase", "modality")], 1)
    for s, p, m in np.unique(kinds, axis=0).tolist():
        own = (label["stage"] == s) & (label["phase"] == p) & (label["modality"] == m)
        of_facet[len(facets)] = own
        facets.append(
            {
                "name": f"{stages[s]}, {phases[p]}, {modalities[m]}",
                "stage": s,
                "phase": p,
                "modality": m,
                "tokens": int(own.sum()),
            }
        )
    return facets, of_facet


def _load(ids, weights, of_facet, G, E):
    """Share of routed weight over the fair share [G, L, E] (NaN: no such layer), tokens [G, L]."""
    L = ids.shape[1]
    load, count = np.full((G, L, E), np.nan, np.float32), np.zeros((G, L), np.int64)
    for g, own in of_facet.items():
        for layer in range(L):
            i, w = ids[own, layer].ravel(), weights[own, layer].ravel()
            keep = i >= 0
            count[g, layer] = (ids[own, layer, 0] >= 0).sum()
            if count[g, layer]:
                total = w[keep].sum()
                share = np.bincount(i[keep], w[keep], E) / (total or 1)
                load[g, layer] = share * E
    return load, count


def _stats(load, logits, of_facet):
    """[G, L, 5]: entropy (1 = even), max / fair, Gini, idle experts, z-loss."""
    G, L, E = load.shape
    share = load / E
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(share > 0, share * np.log(share), 0 * share).sum(-1) / np.log(max(2, E))
    ranked = np.sort(share, -1)
    gini = (2 * ranked * np.arange(1, E + 1)).sum(-1) / E - (E + 1) / E
    idle = np.where(np.isfinite(load[..., 0]), (load == 0).sum(-1), np.nan)
    z = np.full((G, L), np.nan)
    if logits is not None:
        each = np.empty(logits.shape[:2])
        for i in range(0, len(logits), 512):
            part = logits[i : i + 512].astype(np.float32)
            top = part.max(-1, keepdims=True)
            each[i : i + 512] = (np.log(np.exp(part - top).sum(-1)) + top[..., 0]) ** 2
        for g, own in of_facet.items():
            z[g] = each[own].mean(0)
    return np.stack([entropy, load.max(-1), gini, idle, z], -1)


def _margins(ids, weights, logits):
    """How far the last chosen expert is above the best one left out [T, L], and which that is.

    In logits where there are some; otherwise between the largest and the smallest weight."""
    T, L, K = ids.shape
    if logits is None or logits.shape[-1] == K:
        spread = weights.max(-1) - weights.min(-1)
        return np.where(ids[..., 0] >= 0, spread, np.nan), np.full((T, L), -1)
    margin, following = np.empty((T, L), np.float32), np.empty((T, L), np.int64)
    for i in range(0, T, 512):
        part = logits[i : i + 512].astype(np.float32)
        chosen = ids[i : i + 512].astype(np.int64)
        chosen = np.maximum(np.where(chosen >= 0, chosen, chosen[..., :1]), 0)
        last = np.take_along_axis(part, chosen, -1)
        rest = part.copy()
        np.put_along_axis(rest, chosen, -np.inf, -1)
        following[i : i + 512] = rest.argmax(-1)
        margin[i : i + 512] = last.min(-1) - rest.max(-1)
    return np.where(ids[..., 0] >= 0, margin, np.nan), following


def _pairs(ids, E):
    """Lift P(i, j) / P(i)P(j) [L, E, E], the pairs worth naming by layer, and counts [L, E]."""
    T, L, K = ids.shape
    lift = np.full((L, E, E), np.nan, np.float32)
    named: list[list[list[float]]] = []
    single = np.zeros((L, E), np.int64)
    for layer in range(L):
        own = ids[:, layer][ids[:, layer, 0] >= 0].astype(np.int64)
        n = len(own)
        both = np.zeros(E * E, np.int64)
        for a in range(K):
            for b in range(a + 1, K):
                pair = own[own[:, b] >= 0][:, [a, b]]
                both += np.bincount(pair.min(1) * E + pair.max(1), minlength=E * E)
        single[layer] = np.bincount(own[own >= 0], minlength=E)
        both = both.reshape(E, E)
        expected = single[layer][:, None] * single[layer][None] / max(1, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(expected > 0, both / expected, np.nan)
        i, j = np.triu_indices(E, 1)
        enough = (both[i, j] >= LEAST_COUNT) | (expected[i, j] >= LEAST_COUNT)
        i, j = i[enough], j[enough]
        rank = np.argsort(-value[i, j], kind="stable")
        low = rank[::-1][: max(0, min(PAIRS // 3, len(rank) - PAIRS))][::-1]
        named.append(
            [
                [int(i[r]), int(j[r]), round(float(value[i[r], j[r]]), 3), int(both[i[r], j[r]])]
                for r in [*rank[: PAIRS - PAIRS // 3], *low]
            ]
        )
        upper = np.triu(np.ones((E, E), bool), 1)
        lift[layer] = np.where(upper, value, np.where(upper.T, value.T, np.nan))
    return lift, named, single


def _top_tokens(ids, weights, own, E):
    """The tokens that gave each expert the most weight, best first [L, E, TOP_TOKENS]."""
    rows = np.flatnonzero(own)
    L, K = ids.shape[1:]
    out = np.full((L, E, TOP_TOKENS), -1, np.int32)
    for layer in range(L):
        i, w = ids[rows, layer].ravel().astype(np.int64), weights[rows, layer].ravel()
        token = np.repeat(rows, K)
        order = np.lexsort((token, -w, i))
        order = order[i[order] >= 0]
        i, token = i[order], token[order]
        first = np.searchsorted(i, np.arange(E))
        rank = np.arange(len(i)) - first[i]
        keep = rank < TOP_TOKENS
        out[layer, i[keep], rank[keep]] = token[keep]
    return out


def facet_table(view: RoutingView) -> dict[str, Any]:
    """Load by facet as a long table: facet, layer, expert, load."""
    G, L, E = view.load.shape
    g, l, e = np.indices((G, L, E)).reshape(3, -1)
    layers = np.array(view.meta["layers"])
    return {
        "facet": [view.facets[i] for i in g],
        "layer": layers[l],
        "expert": e,
        "load": view.load.ravel(),
    }
