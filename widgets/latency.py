"""Where the milliseconds of a streaming turn go, and whether sound keeps up with time.

    LatencyView(spans=..., frames=..., marks=..., meta={"device": "cpu", ...})

Letters: N spans, F speech frames, R requests (repeats of the same turn), C stages of a frame.

Three rules that the view keeps. Spans overlap, so their lengths are never added: a stage's time is
the union of its spans. Percentiles are of requests end to end: p95s of stages do not add up to the
p95 of the whole. Figures reported by others are ghosts with their source, never equals of ours.

Where the client did not measure when a frame was heard (t_played NaN), playback is assumed to start
with the first frame and to go on as soon as there is something to play; the view says so.

With `beside`, the view of a second run B, B's waterfall lies under A's on the same clock, and its
frames and curves beside A's.

Left out: editing of traces; for those `chrome_trace()` opens in Perfetto.
"""

import csv
import io
import json
from typing import Any

import numpy as np

from widgets.view import Table, View, column, floats, shaped, shown, strings

MARKS = {
    "TTFT": "first text token",
    "TTFC": "first codec frame",
    "TTFP": "first audio packet",
    "TTFS": "first sound",
}
REPORTED = {
    "label": "Qwen3-Omni-30B-A3B, reported, other hardware",
    "source": "Qwen3-Omni technical report, first-packet latency, 1 request, audio",
    "rtf": 0.47,
    "spans": (
        ("preprocess", 72),
        ("thinker", 88),
        ("talker", 57),
        ("mtp", 14),
        ("code2wav", 3),
    ),
}
SPANS_SHIPPED = 3000  # of one request
ORDER = (  # of stages, by the first that a stage's name holds
    "mic", "vad", "pre", "audio", "ear", "vis", "eye", "think", "talk", "mtp", "wav", "render",
    "transport", "play",
)  # fmt: skip
COLORS = (  # the first that a stage's name holds
    ("transport", "control"),
    ("play", "control"),
    ("vad", "control"),
    ("audio", "audio"),
    ("ear", "audio"),
    ("vis", "image"),
    ("eye", "image"),
    ("think", "text"),
    ("talk", "speech"),
    ("mtp", "timestamp"),
    ("wav", "video"),
    ("render", "video"),
    ("pre", "control"),
)


class LatencyView(View):
    """Waterfall of one request, deadline bars and buffer of its frames, percentiles over requests.

    spans: table of N rows: stage (str), name (str), t0_ns i64, t1_ns i64 (one clock for all);
        optional: req i32 (request, default 0), chunk i32, n_in i32, n_out i32, parent i32
    frames: table of F rows: t_ready f64 and dur_s f32; optional: idx i32, t_played f64 (NaN: not
        measured), stage_ms f32[F, C], req i32. Times in seconds since the request began, which is
        the first t0_ns of its spans.
    marks: table: name (str; TTFT, TTFC, TTFP, TTFS are explained), t f64 in seconds since the
        request began; optional: req i32
    meta: what was measured on what, shown in the view: device, dtype, threads, seed, versions, ...
    frame_stages: names of the C columns of stage_ms
    cold: so many first requests are warm-up; they are left out of percentiles until asked for
    reported: figures of others drawn as ghosts (see REPORTED); None for none
    """

    module = "latency"
    height = 860

    def __init__(
        self,
        *,
        spans: Any,
        frames: Any = None,
        marks: Any = None,
        meta: dict[str, Any] | None = None,
        frame_stages: tuple[str, ...] = ("talker", "mtp", "code2wav"),
        cold: int = 0,
        reported: dict[str, Any] | None = REPORTED,
        title: str = "Streaming latency",
        link: str = "",
        beside: "LatencyView | None" = None,
    ):
        t0 = column(spans, "t0_ns", "int64", of="spans")
        count = len(t0)
        if not count:
            raise ValueError("spans has no rows: nothing was timed")
        t1 = column(spans, "t1_ns", "int64", count, "spans")
        if (t1 < t0).any():
            raise ValueError(f"a span ends before it begins: row {int(np.argmax(t1 < t0))}")
        stage = strings(spans["stage"], count, "spans['stage']")
        name = strings(spans["name"], count, "spans['name']")
        req = column(spans, "req", "int32", count, "spans", default=0)
        extra = {
            key: column(spans, key, "int32", count, "spans", default=-1)
            for key in ("chunk", "n_in", "n_out", "parent")
        }
        requests = np.unique(req)
        begin = {r: t0[req == r].min() for r in requests.tolist()}
        zero = np.array([begin[r] for r in req.tolist()])
        start, end = (t0 - zero) / 1e6, (t1 - zero) / 1e6  # ms
        stages = sorted(dict.fromkeys(stage), key=_place)
        of_stage = np.array([stages.index(s) for s in stage])

        mark = _marks(marks, requests)
        mark_names = [m for m in (*MARKS, *dict.fromkeys(mark)) if m in mark]
        mark_names = list(dict.fromkeys(mark_names))
        final = next((m for m in ("TTFS", "TTFP", "TTFC") if m in mark), None)
        if final is None and mark_names:
            final = max(mark_names, key=lambda m: np.nanmedian(mark[m]))
        until = (
            mark[final] * 1e3
            if final
            else np.array([end[req == r].max() for r in requests.tolist()])
        )
        until = np.where(
            np.isfinite(until), until, [end[req == r].max() for r in requests.tolist()]
        )
        busy = np.full((len(requests), len(stages)), np.nan)
        for i, r in enumerate(requests.tolist()):
            for s in range(len(stages)):
                own = (req == r) & (of_stage == s) & (start < until[i])
                if own.any():
                    busy[i, s] = _union(start[own], np.minimum(end[own], until[i]))
        warm = np.arange(len(requests)) >= cold
        if not warm.any():
            raise ValueError(f"cold={cold}, but there are only {len(requests)} requests")

        frame = _frames(frames, requests, frame_stages)
        rank = np.argsort(np.where(warm, until, np.nan))[: int(warm.sum())]
        picks = {"typical": rank[(len(rank) - 1) // 2], "fastest": rank[0], "slowest": rank[-1]}
        if cold:
            picks = {**picks, "cold": 0}
        shipped = list(dict.fromkeys(int(i) for i in picks.values()))
        notes, rows = [], []
        for place, i in enumerate(shipped):
            own = np.flatnonzero(req == requests[i])
            own = own[np.argsort(start[own], kind="stable")]
            if len(own) > SPANS_SHIPPED:
                notes.append(
                    f"request {requests[i]}: the first {SPANS_SHIPPED} of {len(own)} spans"
                )
            rows += [(place, j) for j in own[:SPANS_SHIPPED]]
        place, row = (np.array(x) for x in zip(*rows, strict=True))
        name_list = list(dict.fromkeys(name[j] for j in row))
        arrays = {
            "s_req": place.astype(np.uint8),
            "s_stage": of_stage[row].astype(np.uint8),
            "s_name": np.array([name_list.index(name[j]) for j in row], np.uint16),
            "s_t0": start[row].astype(np.float32),
            "s_t1": end[row].astype(np.float32),
            **{
                f"s_{k}": v[row].astype(np.int32)
                for k, v in extra.items()
                if k in ("chunk", "n_in", "n_out")
            },
            "busy": busy.astype(np.float32),
            "marks": np.stack([mark[m] * 1e3 for m in mark_names], 1).astype(np.float32)
            if mark_names
            else np.zeros((len(requests), 0), np.float32),
            "warm": warm.astype(np.uint8),
        }
        parts = [frame[int(requests[i])] for i in shipped if int(requests[i]) in frame]
        held = [p for p, i in enumerate(shipped) if int(requests[i]) in frame]
        if parts:
            arrays["f_req"] = np.repeat(held, [len(p["ms"]) for p in parts]).astype(np.uint8)
            arrays["f_ms"] = np.concatenate([p["ms"] for p in parts]).astype(np.float32)
            for key in ("ready", "played", "dur", "buffer", "gap"):
                arrays[f"f_{key}"] = np.concatenate([p[key] for p in parts]).astype(np.float32)
        assumed = any(p["assumed"] for p in frame.values())
        if assumed:
            part = any(p["measured"] for p in frame.values())
            notes.append(
                "some playback times were not measured: there it goes on as soon as it can"
                if part
                else "playback times were not measured: assumed to start with the first frame"
            )

        typical = shipped[0]
        steady = frame.get(int(requests[typical]))
        said = []
        if final:
            best = until[warm]
            said.append(
                f"{MARKS.get(final, final).capitalize()} after {_told(np.median(best))}"
                + (f" (p95 {_told(np.quantile(best, 0.95))})" if len(best) > 1 else "")
            )
        if steady is not None and steady["ms"].size:
            rtf = steady["rtf"]
            under = int((steady["gap"] > 0).sum())
            said.append(
                f"real-time factor {rtf:.2f}, "
                + (f"{under} underrun{'s' if under > 1 else ''}" if under else "no underrun")
                + (" in the typical request" if len(requests) > 1 else "")
            )
        number = f"{len(requests)} request{'s' if len(requests) > 1 else ''}" + (
            f", {cold} of them cold" if cold else ""
        )
        subtitle = "; ".join(said + [number]) + "."
        self.requests, self.stages, self.busy, self.until = requests, stages, busy, until
        self.marks, self.frames = mark, frame
        self._spans = {
            "req": req,
            "stage": stage,
            "name": name,
            "t0_ns": t0,
            "t1_ns": t1,
            **extra,
        }
        self.final, self.warm, self.typical = final, warm, typical
        self.reported = reported
        quantiles = self.percentiles()
        super().__init__(
            title=title,
            subtitle=subtitle,
            alt=f"Streaming latency: {subtitle}",
            meta={
                "stages": [shown(s) for s in stages],
                "colors": [stage_color(s) for s in stages],
                "names": [shown(s) for s in name_list],
                "marks": [shown(m) for m in mark_names],
                "explained": [MARKS.get(m, "") for m in mark_names],
                "final": final,
                "requests": [int(requests[i]) for i in shipped],
                "rows": shipped,
                "picks": {k: shipped.index(int(i)) for k, i in picks.items()},
                "frame_stages": list(frame_stages),
                "frame_colors": [stage_color(s) for s in frame_stages],
                "has_frames": bool(parts),
                "facts": {str(k): shown(str(v)) for k, v in (meta or {}).items()},
                "reported": reported
                and {
                    **reported,
                    "spans": [[stage, ms] for stage, ms in reported["spans"]],
                },
                "cold": cold,
                "notes": notes,
            },
            arrays=arrays,
            table=Table(
                ("stage or mark", "p50 ms", "p95 ms", "p99 ms", "requests"),
                [(k, *floats(np.array(v[:3]), 2), v[3]) for k, v in quantiles.items()],
                "Busy time of each stage until the first sound, and milestones, over requests",
            ),
            link=link,
            beside=beside,
            data={
                "spans": self._spans,
                "frames": frame,
                "marks": mark,
                "meta": meta or {},
                "busy_ms": busy,
                "stages": stages,
                "requests": requests,
            },
        )

    def percentiles(self, cold: bool = False) -> dict[str, tuple[float, float, float, int]]:
        """p50, p95, p99 in ms and the number of requests, of each stage and each milestone."""
        keep = np.ones(len(self.requests), bool) if cold else self.warm
        columns = {s: self.busy[keep, i] for i, s in enumerate(self.stages)}
        columns |= {m: t[keep] * 1e3 for m, t in self.marks.items()}
        out = {}
        for key, values in columns.items():
            values = values[np.isfinite(values)]
            if len(values):
                out[key] = (*np.quantile(values, (0.5, 0.95, 0.99)).tolist(), len(values))
        return out

    def chrome_trace(self) -> dict[str, Any]:
        """All spans and marks in the Trace Event format, which Perfetto and Chrome open. A process
        is a request; those of B come after those of A, on a clock that begins anew."""
        if self.beside is None:
            return {"traceEvents": self._events("", 0), "displayTimeUnit": "ms"}
        after = 1 + int(self.requests.max())
        events = self._events("A, ", 0) + self.beside._events("B, ", after)
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def _events(self, run: str, after: int) -> list[dict[str, Any]]:
        """Those of one run; its requests are the processes from `after` on."""
        s, events = self._spans, []
        first = int(s["t0_ns"].min())
        for i in range(len(s["stage"])):
            events.append(
                {
                    "name": s["name"][i],
                    "cat": s["stage"][i],
                    "ph": "X",
                    "ts": (int(s["t0_ns"][i]) - first) / 1e3,
                    "dur": int(s["t1_ns"][i] - s["t0_ns"][i]) / 1e3,
                    "pid": after + int(s["req"][i]),
                    "tid": self.stages.index(s["stage"][i]),
                    "args": {k: int(s[k][i]) for k in ("chunk", "n_in", "n_out")},
                }
            )
        for i, r in enumerate(self.requests.tolist()):
            begin = int(s["t0_ns"][s["req"] == r].min()) - first
            for name, t in self.marks.items():
                if np.isfinite(t[i]):
                    at = begin / 1e3 + float(t[i]) * 1e6
                    told = {"name": name, "ph": "i", "s": "p", "ts": at}
                    events.append({**told, "pid": after + r, "tid": 0})
            told = {"name": "process_name", "ph": "M", "pid": after + r}
            events.append({**told, "args": {"name": f"{run}request {r}"}})
            for k, stage in enumerate(self.stages):
                told = {"name": "thread_name", "ph": "M", "pid": after + r, "tid": k}
                events.append({**told, "args": {"name": stage}})
        return events

    def trace_json(self) -> str:
        return json.dumps(self.chrome_trace())

    def csv(self) -> str:
        """All spans, one a line; of two runs, the first column says whose."""
        out = io.StringIO()
        write = csv.writer(out, lineterminator="\n")
        both = [("A", self), ("B", self.beside)] if self.beside is not None else [("", self)]
        write.writerow([*(["run"] if self.beside is not None else []), *self._spans])
        for name, one in both:
            for row in zip(*one._spans.values(), strict=True):
                write.writerow([*([name] if name else []), *row])
        return out.getvalue()

    def figure(self, colors):
        from matplotlib.figure import Figure

        sides = [self] if self.beside is None else [self, self.beside]
        fall = [
            0.34 * (one._lanes() + bool(one.reported and k == 0)) for k, one in enumerate(sides)
        ]
        figure = Figure(figsize=(9.6, 1.4 + sum(fall) + 0.65 * len(sides) + 3.2))
        tall, at = figure.get_figheight(), 1.05
        until = max(float(one.until[one.typical]) * 1.08 for one in sides)
        if self.reported:
            until = max(until, 1.04 * sum(ms for _, ms in self.reported["spans"]))
        for k, one in enumerate(sides):
            place = {"top": 1 - at / tall, "bottom": 1 - (at + fall[k]) / tall}
            axes = figure.add_subplot(figure.add_gridspec(1, 1, left=0.12, right=0.97, **place)[0])
            one._waterfall(axes, colors, until, ghosts=k == 0)
            name = f"{'AB'[k]}: " if self.beside else ""
            axes.set_xlabel(f"{name}ms since the request began (typical request)")
            at += fall[k] + 0.72
        rest = figure.add_gridspec(
            2, 2, left=0.12, right=0.97, top=1 - (at + 0.2) / tall, bottom=0.5 / tall,
            hspace=0.5, wspace=0.3, width_ratios=(1.6, 1),
        )  # fmt: skip
        self._frames(figure.add_subplot(rest[0, 0]), figure.add_subplot(rest[1, 0]), colors)
        self._curves(figure.add_subplot(rest[0, 1]), colors)
        strip = figure.add_subplot(rest[1, 1])
        shares = [(s, v) for s, v in self.percentiles().items() if s in self.stages]
        theirs = {} if self.beside is None else self.beside.percentiles()
        for i, (s, quantiles) in enumerate(shares):
            color = colors[stage_color(s)]
            rows = [(quantiles, i)] + ([(theirs[s], i + 0.25)] if s in theirs else [])
            for (p50, p95, p99, _), y in rows:
                strip.plot((p50, p99), (y, y), color=color, lw=1)
                strip.plot((p50, p95, p99), (y, y, y), "o" if y == i else "x", color=color, ms=3)
        strip.set(
            yticks=range(len(shares)), yticklabels=[shown(s) for s, _ in shares],
            ylim=(len(shares) - 0.5, -0.5),
            xlabel="busy ms until first sound: p50, p95, p99" + (" (x: B)" if theirs else ""),
        )  # fmt: skip
        strip.tick_params(axis="y", labelsize=7)
        return figure

    def _lanes(self) -> int:
        """How many stages the typical request has."""
        own = self.arrays["s_req"] == 0
        return len(np.unique(self.arrays["s_stage"][own]))

    def _waterfall(self, fall, colors, until: float, ghosts: bool) -> None:
        a, meta = self.arrays, self.meta
        own = a["s_req"] == 0
        lanes = [s for s in range(len(self.stages)) if (own & (a["s_stage"] == s)).any()]
        for i in np.flatnonzero(own & (a["s_t0"] < until)):
            s = int(a["s_stage"][i])
            fall.barh(
                lanes.index(s), a["s_t1"][i] - a["s_t0"][i], 0.62, a["s_t0"][i],
                color=colors[meta["colors"][s]], alpha=0.85, edgecolor=colors["bg"], lw=0.6,
            )  # fmt: skip
        names = [meta["stages"][s] for s in lanes]
        if self.reported and ghosts:
            at = 0.0
            for _, ms in self.reported["spans"]:
                fall.barh(
                    len(lanes), ms, 0.5, at, fill=False, edgecolor=colors["soft"], lw=0.6,
                    hatch="////",
                )  # fmt: skip
                at += ms
            names.append("reported")
            fall.text(
                at / 2, len(lanes), f"{self.reported['label']}: {at:.0f} ms", ha="center",
                va="center", size=7, color=colors["soft"],
                bbox={"fc": colors["bg"], "ec": "none", "pad": 1},
            )  # fmt: skip
        for k, m in enumerate(meta["marks"]):
            t = float(a["marks"][self.typical, k])
            if np.isfinite(t):
                fall.axvline(t, color=colors["ink"], lw=0.7, ls=(0, (3, 2)))
                fall.annotate(
                    f"{m} {t:.0f}",
                    (t, 1),
                    (0, 2 + 9 * (k % 2)),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    ha="center",
                    size=7,
                )
        fall.set(
            yticks=range(len(names)), yticklabels=names, xlim=(0, until),
            ylim=(len(names) - 0.4, -0.6),
        )  # fmt: skip

    def _frames(self, bars, buffer, colors) -> None:
        meta = self.meta
        steady = self.frames.get(int(self.requests[self.typical]))
        if steady is not None and steady["ms"].size:
            x, low = np.arange(len(steady["ms"])), np.zeros(len(steady["ms"]))
            for k, stage in enumerate(meta["frame_stages"]):
                color = colors[meta["frame_colors"][k]]
                high = low + steady["ms"][:, k]
                bars.fill_between(x, low, high, step="mid", color=color, label=stage, lw=0)
                low = high
            bars.plot(x, steady["dur"] * 1e3, color=colors["ink"], lw=1, ls=(0, (4, 3)))
            bars.legend(
                ncols=3, frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 0.98)
            )
            bars.set(ylabel="ms per frame", xlim=(-0.5, len(x) - 0.5))
            buffer.fill_between(x, steady["buffer"], step="mid", color=colors["audio"], alpha=0.35)
            gaps = np.flatnonzero(steady["gap"] > 0)
            buffer.plot(gaps, np.zeros(len(gaps)), "^", color=colors["bad"], ms=5, clip_on=False)
            buffer.set(ylabel="audio in hand (s)", xlabel="speech frame", xlim=bars.get_xlim())
        if self.beside is not None:  # as lines over A's
            other = self.beside.frames.get(int(self.beside.requests[self.beside.typical]))
            if other is not None and other["ms"].size:
                x = np.arange(len(other["ms"]))
                told = {"color": colors["ink"], "lw": 1, "drawstyle": "steps-mid", "label": "B"}
                bars.plot(x, other["ms"].sum(1), **told)
                buffer.plot(x, other["buffer"], **told)
                bars.legend(
                    ncols=4, frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 0.98)
                )

    def _curves(self, ecdf, colors) -> None:
        a, meta = self.arrays, self.meta
        for k, m in enumerate(meta["marks"]):
            t = np.sort(a["marks"][self.warm, k])
            t = t[np.isfinite(t)]
            ecdf.step(
                np.r_[t[:1], t], np.arange(len(t) + min(1, len(t))) / max(1, len(t)), where="post",
                label=m,
                color=colors["speech" if m == self.final else "faint"],
                lw=1.6 if m == self.final else 0.9,
            )  # fmt: skip
            if len(t):
                share = (k + 1) / (len(meta["marks"]) + 1)
                at = (np.quantile(t, share), share)
                ecdf.annotate(m, at, (3, -7), textcoords="offset points", size=6)
        ecdf.set(ylabel="share of requests", xlabel="ms, end to end", ylim=(0, 1.02))
        if self.beside is not None and self.beside.final:
            t = np.sort(self.beside.marks[self.beside.final][self.beside.warm] * 1e3)
            t = t[np.isfinite(t)]
            ecdf.step(
                np.r_[t[:1], t], np.arange(len(t) + min(1, len(t))) / max(1, len(t)), where="post",
                color=colors["image"], lw=1.6, ls=(0, (3, 2)),
            )  # fmt: skip


def _told(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


def _place(stage: str) -> int:
    parts = [i for i, part in enumerate(ORDER) if part in stage.lower().split(" prefill")[0]]
    return parts[0] if parts else len(ORDER)


def stage_color(stage: str) -> str:
    return next((color for part, color in COLORS if part in stage.lower()), "control")


def _union(start: np.ndarray, end: np.ndarray) -> float:
    """The length of what intervals cover together."""
    order = np.argsort(start)
    start, end = start[order], end[order]
    reach = np.maximum.accumulate(np.r_[-np.inf, end[:-1]])
    return float(np.maximum(0, end - np.maximum(start, reach)).sum())


def _marks(marks: Any, requests: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds of each milestone by request, NaN where it was not reached."""
    out: dict[str, np.ndarray] = {}
    if marks is None:
        return out
    t = column(marks, "t", "float64", of="marks")
    name = strings(marks["name"], len(t), "marks['name']")
    req = column(marks, "req", "int32", len(t), "marks", default=int(requests[0]))
    place = {r: i for i, r in enumerate(requests.tolist())}
    for when, what, r in zip(t, name, req.tolist(), strict=True):
        if r not in place:
            raise ValueError(f"marks name request {r}, which has no spans")
        out.setdefault(what, np.full(len(requests), np.nan))[place[r]] = when
    return out


def _frames(frames: Any, requests: np.ndarray, stages: tuple[str, ...]) -> dict[int, dict]:
    """By request: ms of each stage, when frames were ready and heard, sound in hand, gaps."""
    if frames is None:
        return {}
    ready = column(frames, "t_ready", "float64", of="frames")
    count = len(ready)
    dur = column(frames, "dur_s", "float64", count, "frames")
    played = column(frames, "t_played", "float64", count, "frames", default=np.nan)
    req = column(frames, "req", "int32", count, "frames", default=int(requests[0]))
    ms = np.zeros((count, len(stages)))
    if "stage_ms" in _keys(frames):
        ms = shaped(frames["stage_ms"], "frames['stage_ms']", "F C", "float64", F=count)
        if ms.shape[1] != len(stages):
            raise ValueError(f"stage_ms has {ms.shape[1]} columns, frame_stages {len(stages)}")
    out = {}
    for r in np.unique(req).tolist():
        own = req == r
        when, heard, long = ready[own], played[own].copy(), dur[own]
        measured = np.isfinite(heard)
        free = -np.inf
        for i in np.arange(len(when)):
            if not measured[i]:
                heard[i] = max(free, when[i])
            free = heard[i] + long[i]
        made = np.cumsum(long)
        # sound heard by the time that frame i was ready
        k = np.searchsorted(heard, when, side="right") - 1
        done = np.r_[0.0, made]
        since = np.minimum(long[np.maximum(k, 0)], when - heard[np.maximum(k, 0)])
        listened = np.where(k < 0, 0, done[np.maximum(k, 0)] + since)
        gap = np.r_[0.0, heard[1:] - (heard[:-1] + long[:-1])]
        total = ms[own].sum()
        out[r] = {
            "ms": ms[own],
            "ready": when,
            "played": heard,
            "dur": long,
            "buffer": np.maximum(0, made - listened),
            "gap": np.where(gap > 1e-3, gap, 0),
            "assumed": not measured.all(),
            "measured": bool(measured.any()),
            "rtf": float(total / 1e3 / long.sum()) if long.sum() else float("nan"),
        }
    return out


def _keys(table: Any) -> list[str]:
    return list(getattr(getattr(table, "dtype", None), "names", None) or list(table))
