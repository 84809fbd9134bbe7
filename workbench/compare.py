"""Two runs side by side: what was changed, and what came of it.

    change = wb.diff(run, alt)
    change                       # both in one layout: texts, sounds, spectra, codes, experts
    change.view.align()          # a view of both; also .routing() .attention() .latency()
    change.summary(); change.words()      # DataFrames
    change.export("ab.html")     # all of it as one offline page

What was not recorded, or can't be compared, is left out of the table and is None here; the
measures are those of metrics.py. Left out: more than two runs (workbench/sweep/ has many).
"""

from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from widgets.pair import ONLY_A, ONLY_B, SAME, PairView
from workbench import metrics
from workbench.omnirun import pack
from workbench.run import STAGES, Run, tables
from workbench.views import LINK, Views, export


class Passage(NamedTuple):
    """A piece of both texts; where they are the same, `same` is true."""

    same: bool
    run: str
    alt: str


class Measure(NamedTuple):
    """One line of the summary."""

    name: str
    run: Any
    alt: Any
    change: float | None  # what the two differ by, in `unit`
    unit: str


@dataclass(frozen=True, eq=False)
class Diff:
    run: Run
    alt: Run
    changed: tuple[str, ...]  # edits and inputs that differ
    text: tuple[Passage, ...]
    same_words: int  # both answers begin with so many
    kl: Float[np.ndarray, " n"] | None  # nats, of words that have the same words before them
    mel_db: float | None
    codes: Float[np.ndarray, " books"] | None  # share of frames that differ, by codebook
    flips: dict[str, Float[np.ndarray, " layers"]]  # share of tokens with other experts, by stage

    def measures(self) -> list[Measure]:
        run, alt = self.run, self.alt
        rows = [Measure("words", len(run.words), len(alt.words), None, "")]
        changed = metrics.words_changed(run, alt)
        rows.append(Measure("words changed", None, None, changed, "share"))
        if self.kl is not None:
            rows.append(Measure("KL, mean", None, None, float(self.kl.mean()), "nats a word"))
            rows.append(Measure("KL, largest", None, None, float(self.kl.max()), "nats"))
        for stage, share in self.flips.items():
            name = f"expert flips, {stage}"
            rows.append(Measure(name, None, None, float(share.mean()), "share of tokens"))
        if len(run.audio) or len(alt.audio):
            change = alt.seconds - run.seconds
            rows.append(Measure("speech", run.seconds, alt.seconds, change, "s"))
        if self.mel_db is not None:
            rows.append(Measure("mel distance", None, None, self.mel_db, "dB"))
        if self.codes is not None:
            rows += [
                Measure(f"codebook {book}", None, None, float(share), "share of frames")
                for book, share in enumerate(self.codes)
            ]
        first = [r.marks.get("first audio", r.marks.get("first word")) for r in (run, alt)]
        if None not in first:
            a, b = (t / 1e6 for t in first)
            rows.append(Measure("first output", a, b, b - a, "ms"))
        return rows

    def summary(self):
        """The measures as a DataFrame."""
        return tables().DataFrame(self.measures()).set_index("name")

    def words(self):
        """Word by word as a DataFrame: both texts, when each was given out, and the KL."""
        columns = {}
        count = max(len(self.run.words), len(self.alt.words))
        for name, run in (("run", self.run), ("alt", self.alt)):
            texts = [run.pieces[str(i)] for i in run.words.tolist()]
            given = run.units.emitted[run.units.text >= 0].tolist()
            columns[name] = texts + [""] * (count - len(texts))
            columns[f"{name} after s"] = given + [np.nan] * (count - len(given))
        rest = count - (0 if self.kl is None else len(self.kl))
        columns["kl"] = [*([] if self.kl is None else self.kl.tolist()), *[np.nan] * rest]
        return tables().DataFrame(columns).rename_axis("word")

    def __repr__(self) -> str:
        lines = [f"changed: {', '.join(self.changed) or 'nothing'}"]
        for passage in self.text:
            mark = "=" if passage.same else "~"
            lines.append(
                f"{mark} {passage.run!r}" + ("" if passage.same else f" -> {passage.alt!r}")
            )
        for row in self.measures():
            pair = "" if row.run is None else f" {_short(row.run)} -> {_short(row.alt)}"
            change = "" if row.change is None else f" {_short(row.change)} {row.unit}"
            lines.append(f"{row.name}:{pair}{change}")
        return "\n".join(lines)

    @property
    def view(self) -> Views:
        """The views of both runs, B beside A: `.align()`, `.routing()`, `.attention()`,
        `.latency()`."""
        return Views(self.run, self.alt)

    @cached_property
    def layout(self) -> PairView:
        """Texts, sounds and what differs between them, in one view."""
        run, alt, spoken = self.run, self.alt, self.codes is not None
        count = min(len(run.codes), len(alt.codes))
        return PairView(
            words=self._rows(),
            changed=self.changed,
            sounds=(run.audio, alt.audio),
            rate=run.meta.rate,
            frame_s=run.meta.frame_s,
            spans=(run.spans, alt.spans),
            mel=metrics.mel_steps(run, alt) if spoken else None,
            hop_s=metrics.HOP,
            codes=(run.codes[:count] != alt.codes[:count]).T if spoken else None,
            flips={stage: metrics.token_flips(run, alt, stage) for stage in self.flips},
            flip_tokens={
                stage: [run.pieces.get(str(i), "") for i in run.stage(stage).id.tolist()]
                for stage in self.flips
            },
            flip_layers={stage: run.routing.of(stage).layers for stage in self.flips},
            measures=self.measures(),
            link=LINK,
        )

    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write the layout and all views that both runs have as one offline page."""
        return export(self.run, path, force, [self.layout, *self.view])

    def _rows(self) -> dict[str, Any]:
        """The text diff word by word: those of A before those of B where they differ."""
        run, alt = self.run, self.alt
        rows: list[tuple[int, int, int]] = []
        for kind, a, b, c, d in _opcodes(run, alt):
            if kind == "equal":
                rows += [(SAME, i, c + i - a) for i in range(a, b)]
            else:
                rows += [(ONLY_A, i, -1) for i in range(a, b)]
                rows += [(ONLY_B, -1, i) for i in range(c, d)]
        kinds, mine, yours = np.array(rows, np.int32).reshape(-1, 3).T
        place = Views(run).rows_of_words()
        known = np.zeros(0) if self.kl is None else self.kl
        texts = [
            run.pieces[str(run.words[i])] if i >= 0 else alt.pieces[str(alt.words[j])]
            for i, j in zip(mine, yours, strict=True)
        ]
        return {
            "kind": kinds.astype(np.uint8),
            "str": texts,
            "a": mine,
            "b": yours,
            "kl": np.array([known[i] if 0 <= i < len(known) else np.nan for i in mine]),
            "position": np.array([place[i] if i >= 0 else -1 for i in mine], np.int32),
        }

    def _repr_html_(self) -> str:
        """What is left where scripts are stripped: text diff, players, picture, table."""
        return self.layout.snapshot()

    def _repr_mimebundle_(self, include=None, exclude=None) -> Any:
        bundle = self.layout._repr_mimebundle_(include, exclude)
        return bundle | {"text/plain": repr(self)} if isinstance(bundle, dict) else bundle


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def diff(run: Run, alt: Run) -> Diff:
    """Compare two runs; `alt` is what came of a change."""
    for one in (run, alt):
        if not isinstance(one, Run):
            raise ValueError(f"expected two runs, got a {type(one).__name__}")
    logits = run.logits is not None and alt.logits is not None and len(run.words) * len(alt.words)
    spoken = len(run.audio) and len(alt.audio)
    routed = [s for s in STAGES if s in run.routed and s in alt.routed]
    return Diff(
        run,
        alt,
        _changed(run, alt),
        _passages(run, alt),
        metrics.same_words(run, alt),
        metrics.word_kl(run, alt) if logits else None,
        metrics.mel_distance(run, alt) if spoken else None,
        metrics.codes_changed(run, alt) if spoken else None,
        {stage: metrics.layer_flips(run, alt, stage) for stage in routed},
    )


def _changed(run: Run, alt: Run) -> tuple[str, ...]:
    """Edits that only one of them has, and inputs that differ."""
    mine, yours = [repr(e) for e in run.edits], [repr(e) for e in alt.edits]
    changed = [f"without {e}" for e in mine if e not in yours] + [e for e in yours if e not in mine]
    for f in fields(run.inputs):
        a, b = getattr(run.inputs, f.name), getattr(alt.inputs, f.name)
        if _same(a, b):
            continue
        plain = isinstance(a, str | int | float | None) and isinstance(b, str | int | float | None)
        changed.append(f"{f.name}: {a!r} -> {b!r}" if plain else f"{f.name} differ")
    if run.meta.fingerprint != alt.meta.fingerprint:
        changed.append(f"model: {run.meta.model} -> {alt.meta.model}")
    return tuple(changed)


def _same(a: Any, b: Any) -> bool:
    """Equal all the way down, arrays by value."""
    mine: dict[str, np.ndarray] = {}
    yours: dict[str, np.ndarray] = {}
    trees = pack(a, mine) == pack(b, yours)
    return trees and all(np.array_equal(mine[name], yours[name]) for name in mine)


def _passages(run: Run, alt: Run) -> tuple[Passage, ...]:
    texts = [[r.pieces[str(i)] for i in r.words.tolist()] for r in (run, alt)]
    return tuple(
        Passage(kind == "equal", "".join(texts[0][a:b]), "".join(texts[1][c:d]))
        for kind, a, b, c, d in _opcodes(run, alt)
    )


def _opcodes(run: Run, alt: Run) -> list[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, run.words.tolist(), alt.words.tolist(), False).get_opcodes()
