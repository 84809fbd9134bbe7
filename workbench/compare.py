"""Two runs side by side: what was changed, and what came of it.

    change = wb.diff(run, alt)
    change                       # a table in a notebook
    change.summary(); change.words()      # DataFrames

What was not recorded, or can't be compared, is left out of the table and is None here; the
measures are those of metrics.py. In a notebook both can be listened to. Left out: playing them in
step (stack `run.view.align()` and `alt.view.align()` for that).
"""

import base64
import io
import wave
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from html import escape
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from workbench import metrics
from workbench.omnirun import pack
from workbench.run import STAGES, Run, tables

LONGEST = 30.0  # seconds of each run that a page carries


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

    def _repr_html_(self) -> str:
        text = "".join(
            escape(p.run) if p.same else f"<del>{escape(p.run)}</del><ins>{escape(p.alt)}</ins>"
            for p in self.text
        )
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_short(cell))}</td>" for cell in row) + "</tr>"
            for row in self.measures()
        )
        head = "".join(f"<th>{name}</th>" for name in ("", "run", "alt", "change", ""))
        changed = escape(", ".join(self.changed) or "nothing")
        players = _player(self.run, "run") + _player(self.alt, "alt")
        table = f"<table><tr>{head}</tr>{rows}</table>"
        return f"<p>changed: {changed}</p><p>{text}</p>{players}{table}"


def _player(run: Run, name: str) -> str:
    """The sound of a run to listen to in a page, at most its first 30 seconds; "" if silent."""
    count = min(len(run.audio), round(LONGEST * run.meta.rate))
    if not count:
        return ""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, run.meta.rate, count, "NONE", ""))
        file.writeframes((run.audio[:count].clip(-1, 1) * 32767).astype("<i2").tobytes())
    sound = base64.b64encode(data.getvalue()).decode()
    cut = f", first {LONGEST:g} s" if count < len(run.audio) else ""
    return (
        f"<p>{name}{cut} <audio controls aria-label='the sound of {name}'"
        f" src='data:audio/wav;base64,{sound}'></audio></p>"
    )


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
    mine, yours = run.words.tolist(), alt.words.tolist()
    texts = [[r.pieces[str(i)] for i in words] for r, words in ((run, mine), (alt, yours))]
    return tuple(
        Passage(kind == "equal", "".join(texts[0][a:b]), "".join(texts[1][c:d]))
        for kind, a, b, c, d in SequenceMatcher(None, mine, yours, False).get_opcodes()
    )
