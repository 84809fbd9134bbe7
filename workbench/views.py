"""From a Run to the arrays of the views: `run.view.align()`, `.routing()`, `.attention()`, ...

    run.view.attention(stage="talker").png()
    run.export("turn.html")                           # all that was recorded, one offline page
    wb.diff(run, alt).view.align()                    # two runs in one layout

Nothing is computed here but the bookkeeping: every number comes from the Run. What the Run did not
record has no view, and the error says how to record it. The views of a run share one selection.

Letters: T tokens, L layers, K chosen experts, H heads, Q queries, F frames.
Left out: views of more than two runs at once (but for `latency`, which takes repeats of a turn).
"""

import base64
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from model.senses.message import Audio, Image, Video
from widgets.align import AlignView
from widgets.attention import AttentionView
from widgets.latency import LatencyView
from widgets.routing import RoutingView
from widgets.view import View, escape, page
from workbench.metrics import HOP, matched, mel_db
from workbench.run import MODALITIES, STAGES, UNITS, Routing, Run, missing

LINK = "run"
RANGE = 70  # dB of the mel strip, below its loudest moment
STAMP = re.compile(r"<(-?[\d.]+) seconds>")
MARKS = {"first word": "TTFT", "first frame": "TTFC", "first audio": "TTFP"}
PER = ("token", "word", "sentence", "second")  # rows of a view of attention
STEPS = ("talker", "mtp", "code2wav")  # what makes a frame


@dataclass(frozen=True)
class Views:
    """The views of one run, or of a run and a second one, B, in the same layout."""

    run: Run
    beside: Run | None = None

    def __iter__(self) -> Iterator[View]:
        """Every view that the run has recorded enough for (or both of them have)."""
        runs = [self.run] if self.beside is None else [self.run, self.beside]
        if all(len(run.audio) for run in runs):
            yield self.align()
        if any(all(stage in run.routed for run in runs) for stage in STAGES):
            yield self.routing()
        for maps in self.run.attention:
            if all(maps.stage in [other.stage for other in run.attention] for run in runs):
                yield self.attention(maps.stage)
        if all(run.latency is not None for run in runs):
            yield self.latency()

    def _other(self, view: str, *how: Any) -> Any:
        """The same view of the second run, if there is one."""
        return None if self.beside is None else getattr(Views(self.beside), view)(*how)

    def align(self, title: str = "Text and speech") -> AlignView:
        """Emission, spans and coverage of what was spoken."""
        run, units = self.run, self.run.units
        if not len(run.audio):
            raise ValueError("this run was not spoken: lab.run(..., speak=True)")
        mel = mel_db(run.audio, run.meta.rate)
        strip = np.clip((mel - mel.max()) / RANGE + 1, 0, 1) * 255
        return AlignView(
            units={
                "kind": units.kind,
                "text_idx": np.where(units.frame >= 0, self._spoken(), units.text),
                "frame_idx": units.frame,
                "t_emit": units.emitted,
                "t0": units.time[:, 0],
                "t1": units.time[:, 1],
                "sentence": units.sentence,
                "token_id": units.token,
                "codes": run.codes[units.frame].astype(np.uint16),
            },
            tokens={
                "str": self._texts(run.words),
                "id": run.words,
                "position": self.rows_of_words(),
                "confidence": self._confidence(),
            },
            frame_s=run.meta.frame_s,
            audio=run.audio,
            sr=run.meta.rate,
            mel=strip.astype(np.uint8),
            hop_s=HOP,
            align_attn=run.align,
            entropy=None if run.odds is None else run.odds.entropy,
            method=run.spanned,
            title=title,
            link=LINK,
            beside=self._other("align"),
        )

    def routing(self, stage: str = "", title: str = "Expert routing") -> RoutingView:
        """Load of the experts of a stage, or of both where they have the same shape."""
        run = self.run
        both = run if self.beside is None else self.beside
        recorded = [name for name in STAGES if name in run.routed and name in both.routed]
        stages = [stage] if stage else recorded
        routed = [run.routing.of(name) for name in stages or ["thinker"]]
        forms = {_form(one.routing.of(name)) for one in (run, both) for name in stages}
        if len(routed) > 1 and len(forms) > 1:
            stages, routed = stages[:1], routed[:1]
        tokens = [run.stage(name) for name in stages]

        def joined(rows: list[np.ndarray | None]) -> np.ndarray | None:
            return None if any(row is None for row in rows) else np.concatenate(rows)

        return RoutingView(
            topk_ids=joined([r.experts for r in routed]),
            topk_w=joined([r.weights for r in routed]),
            E=routed[0].count,
            K=routed[0].experts.shape[2],
            modality=joined([t.modality for t in tokens]),
            phase=joined([t.phase for t in tokens]),
            stage=np.repeat([STAGES.index(s) for s in stages], [len(t) for t in tokens]).astype(
                "u1"
            ),
            t0=joined([t.time[:, 0] for t in tokens]),
            t1=joined([t.time[:, 1] for t in tokens]),
            sounds=self._sounds(),
            tokens=self._texts(joined([t.id for t in tokens])),
            position=joined([self._positions(name) for name in stages]),
            logits=joined([r.logits for r in routed]),
            shared_gate=joined([r.shared for r in routed]),
            layers=routed[0].layers,
            title=title,
            link=LINK,
            beside=self._other("routing", stages[0] if len(stages) == 1 else ""),
            same=None if self.beside is None else self._same(stages),
        )

    def _same(self, stages: list[str]) -> np.ndarray:
        """For every token of these stages the row of the same token of B, -1 where there is none;
        rows count through the stages, as in the view."""
        rows, start = [], 0
        for stage in stages:
            row = np.full(len(self.run.stage(stage)), -1, np.int32)
            mine, yours = matched(self.run, self.beside, stage)
            row[mine] = yours + start
            rows.append(row)
            start += len(self.beside.stage(stage))
        return np.concatenate(rows)

    def attention(
        self,
        stage: str = "thinker",
        title: str = "",
        per: str = "token",
        about: Sequence[float] | None = None,
    ) -> AttentionView:
        """Where the recorded heads of a stage look, in seconds. A row is a query, or the mean of
        those of a "word", a "sentence" or a "second" of what they have heard or spoken; `about`
        tells for each row which second it is about (NaN: unknown), where somebody knows that."""
        run = self.run
        recorded = [maps for maps in run.attention if maps.stage == stage]
        if not recorded:
            raise ValueError(missing(f"attention of the {stage}", f"attn:{stage}"))
        maps, tokens = recorded[0], run.stage(stage)
        shares = np.zeros((*maps.maps.shape[:3], len(tokens)), np.float32)
        for row, (query, start) in enumerate(zip(maps.query, maps.start, strict=True)):
            shares[:, :, row, start : query + 1] = maps.maps[:, :, row, : query + 1 - start]
        groups = self._rows(stage, maps.query, per)
        shares = np.stack([shares[:, :, group].mean(2) for group in groups], 2)
        texts, seconds = self._texts(tokens.id), self._seconds(stage, maps.query)
        names = ["".join(texts[i] for i in maps.query[group]) for group in groups]
        if per == "second" and seconds.max() >= 0:
            firsts = (seconds[group[0]] for group in groups)
            names = [f"{second} s" if second >= 0 else "before" for second in firsts]
        pins, told = self._stamps(stage)
        heard, rate = self._sounds().get("audio", (None, None))
        frames, moments = self._pictures()
        delta = run.delta.get(stage)
        return AttentionView(
            attn=shares,
            layers=maps.layers,
            heads=maps.heads,
            layer_kind=np.array([kind == "d" for kind in run.meta.layers[stage]], np.uint8),
            tok_kind=tokens.modality,
            tok_time=tokens.time,
            ts_pos=pins,
            ts_value=told,
            ref_time=None if about is None else np.asarray(about, np.float32),
            query_pos=maps.query[[group[0] for group in groups]],
            queries=names,
            tokens=texts,
            position=self._positions(stage),
            log_decay=None if delta is None else delta.decay.astype(np.float32),
            write=None if delta is None else delta.write.astype(np.float32),
            audio=heard,
            sr=rate,
            frames=frames,
            frame_time=moments,
            title=title or f"Attention of the {stage} over time",
            link=LINK,
            beside=self._other("attention", stage, title, per),
        )

    def latency(
        self, title: str = "Streaming latency", repeats: Sequence[Run] = (), cold: int = 0
    ) -> LatencyView:
        """When each part ran, and whether the sound kept up.

        Args:
            title: of the view
            repeats: more recordings of the same turn, for percentiles and curves over requests
            cold: so many first ones of all were warm-up
        """
        runs = [self.run, *repeats]
        spans, frames, marks = zip(*(_timed(run) for run in runs), strict=True)
        meta = self.run.meta
        return LatencyView(
            spans=_stacked(spans),
            frames=_stacked(frames) if any(len(frame["t_ready"]) for frame in frames) else None,
            marks=_stacked(marks),
            meta={
                "model": meta.model, "device": meta.device, "dtype": meta.dtype,
                "threads": meta.threads, "seed": self.run.inputs.seed, **meta.versions,
            },
            frame_stages=STEPS,
            cold=cold,
            title=title,
            link=LINK,
            beside=self._other("latency"),
        )  # fmt: skip

    # --- what the views ask for ---------------------------------------------------------------

    def _sounds(self) -> dict[str, tuple[np.ndarray, int]]:
        """What was heard, where it was one sound from second 0 on, and what was spoken."""
        parts = [part for message in self.run.inputs.messages for part in message.parts]
        parts = [part.audio if isinstance(part, Video) else part for part in parts]
        heard = [part for part in parts if isinstance(part, Audio)]
        one = len(heard) == 1 and heard[0].start == 0
        sounds = {"audio": (heard[0].samples, heard[0].rate)} if one else {}
        spoken = {"speech": (self.run.audio, self.run.meta.rate)} if len(self.run.audio) else {}
        return sounds | spoken

    def _confidence(self) -> np.ndarray:
        """How much of the attention that a word gets from the frames lies in its span, 0..1; NaN
        where spans were not found by attention."""
        run = self.run
        if run.align is None or run.spanned != "attention":
            return np.full(len(run.words), np.nan, np.float32)
        middle = (np.arange(run.align.shape[1]) + 0.5) * run.meta.frame_s
        inside = (run.spans[:, :1] <= middle) & (middle < run.spans[:, 1:])
        given = run.align.astype(np.float32)
        return (given * inside).sum(1) / np.maximum(given.sum(1), 1e-9)

    def _pictures(self) -> tuple[list[np.ndarray], np.ndarray]:
        """The pictures that were seen, and their seconds; a still one has none (NaN)."""
        frames: list[np.ndarray] = []
        moments: list[float] = []
        for part in (part for message in self.run.inputs.messages for part in message.parts):
            if isinstance(part, Video):
                frames += list(part.frames)
                moments += part.times.tolist()
            elif isinstance(part, Image):
                frames.append(part.pixels)
                moments.append(np.nan)
        return frames, np.array(moments, np.float32)

    def _texts(self, ids: np.ndarray) -> list[str]:
        return [self.run.pieces.get(str(i), "") for i in ids.tolist()]

    def _positions(self, stage: str) -> np.ndarray:
        """Rows of `run.tokens`, which has the Thinker's tokens first."""
        run = self.run
        return np.arange(len(run.stage(stage)), dtype=np.int32) + (
            len(run.thinker) if stage == "talker" else 0
        )

    def _rows(self, stage: str, query: np.ndarray, per: str) -> list[np.ndarray]:
        """Which queries make a row each, in their order."""
        if per not in PER:
            raise ValueError(f"per must be {', '.join(PER)}, not {per!r}")
        tokens = self.run.stage(stage)
        texts = self._texts(tokens.id[query])
        begins = np.ones(len(query), bool)
        if per == "word":
            begins = np.array([not text.strip() or text[:1].isspace() for text in texts])
        elif per == "sentence":
            ends = [text.rstrip()[-1:] in (".", "?", "!") if text else False for text in texts]
            begins = np.array([True, *ends[:-1]])
        elif per == "second":
            begins = np.diff(self._seconds(stage, query), prepend=-2) != 0
        begins[0] = True
        return np.split(np.arange(len(query)), np.flatnonzero(begins)[1:])

    def _seconds(self, stage: str, query: np.ndarray) -> np.ndarray:
        """The second that each query is in; a word is where the frame before it is, -1: none."""
        start = np.nan_to_num(self.run.stage(stage).time[query, 0], nan=-1)
        return np.floor(np.maximum.accumulate(start)).astype(int)

    def rows_of_words(self) -> np.ndarray:
        """Rows of `run.tokens` where the words of the answer stand."""
        run = self.run
        if len(run.thinker):
            return np.flatnonzero(run.thinker.phase == 1)[: len(run.words)].astype(np.int32)
        said = (run.talker.phase == 1) & (run.talker.modality == MODALITIES.index("text"))
        rows = np.flatnonzero(said)[: len(run.words)].astype(np.int32)
        return np.pad(rows, (0, len(run.words) - len(rows)), constant_values=-1)

    def _spoken(self) -> np.ndarray:
        """For every unit the word whose span holds the middle of its time, -1 where none does."""
        run = self.run
        begin, end = run.spans.T
        out = np.full(len(run.units), -1, np.int32)
        for unit, (t0, t1) in enumerate(run.units.time):
            inside = np.flatnonzero((begin <= (t0 + t1) / 2) & ((t0 + t1) / 2 < end))
            if len(inside):
                out[unit] = inside[-1]
        return out

    def _stamps(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """Where timestamps begin among the tokens of a stage, and the seconds that they tell."""
        tokens = self.run.stage(stage)
        texts = self._texts(tokens.id)
        stamp = tokens.modality == MODALITIES.index("timestamp")
        starts = [i for i in np.flatnonzero(stamp) if texts[i].startswith("<")]
        found = []
        for i in starts:
            told = STAMP.match("".join(texts[i : i + 16]))
            if told:
                found.append((i, float(told[1])))
        places, seconds = zip(*found, strict=True) if found else ((), ())
        return np.array(places, np.int32), np.array(seconds, np.float32)


def thumbnails(run: Run) -> str:
    """Small pictures of what was recorded, as HTML that needs no script; none without matplotlib,
    which a terminal can do without."""
    if find_spec("matplotlib") is None:
        return ""
    images = (
        f'<figure style="margin:0;width:210px"><img alt="{escape(view.alt)}" style="width:100%"'
        f' src="data:image/png;base64,{base64.b64encode(view.png(dpi=56)).decode()}">'
        f"<figcaption>{escape(view.title)}</figcaption></figure>"
        for view in Views(run)
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(images)}</div>'


def _timed(run: Run) -> tuple[dict[str, Any], ...]:
    """Spans, frames and marks of one request, as the view of latency wants them."""
    lat = run.latency
    if lat is None:
        raise ValueError(missing("latency", "latency"))
    names = [lat.names[i] for i in lat.name]
    start, end, chunk = lat.start, lat.end, lat.chunk
    count, parent = lat.n_in, lat.parent
    if "prompt" in run.marks:  # all that was done before the Thinker began
        names = ["preprocess", *names]
        inside = [name in ("audio encoder", "vision encoder") for name in names[1:]]
        parent = np.r_[-1, np.where(parent >= 0, parent + 1, np.where(inside, 0, -1))]
        start, end = np.r_[0, start], np.r_[run.marks["prompt"], end]
        chunk, count = np.r_[0, chunk], np.r_[0, count]
    begin = start.min()
    spans = {
        "stage": names, "name": names, "t0_ns": start, "t1_ns": end, "chunk": chunk,
        "n_in": count, "parent": parent,
    }  # fmt: skip
    ms = np.zeros((len(run.codes), len(STEPS)))
    for name, frame, took in zip(names, chunk, (end - start) / 1e6, strict=True):
        if name in STEPS and frame < len(ms):
            ms[frame, STEPS.index(name)] += took
    ready = run.units.emitted[run.units.kind == UNITS.index("speech")] - begin / 1e9
    played = np.full(len(ready), np.nan) if lat.played is None else (lat.played - begin) / 1e9
    frames = {
        "t_ready": ready,
        "t_played": played,
        "dur_s": np.full(len(ready), run.meta.frame_s),
        "stage_ms": ms,
    }
    marks = {name: run.marks[mark] - begin for mark, name in MARKS.items() if mark in run.marks}
    times = {name: t / 1e9 for name, t in marks.items()}
    if len(played) and np.isfinite(played[0]):
        times["TTFS"] = float(played[0])
    return spans, frames, {"name": list(times), "t": np.array(list(times.values()))}


def _stacked(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same table of several requests as one; `req` says which."""
    sizes = [len(next(iter(table.values()))) for table in tables]
    joined = {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}
    return {**joined, "req": np.repeat(np.arange(len(tables)), sizes)}


def _form(routing: Routing) -> tuple:
    return routing.layers, routing.count, routing.experts.shape[2]


def export(
    run: Run, path: str | Path, force: bool = False, views: Sequence[View] | None = None
) -> Path:
    """Write all views of a run (or these) as one offline page, all of it or nothing."""
    path = Path(path)
    if path.suffix != ".html":
        raise ValueError(f"{path}: a page is written under a name that ends in .html")
    views = list(Views(run)) if views is None else views
    if not views:
        raise ValueError("this run has nothing to show: record something, or let it speak")
    text = page(views, f"{run.meta.model}, seed {run.inputs.seed}", force)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
