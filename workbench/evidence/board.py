"""The board: every experiment, run on one model, into one table.

    omni eval --items 100                      # hearing and speaking
    omni eval world --items 200                # seeing, hearing and telling when
    board.run("micro", ["say", "codec-wer"], 100, Path("out/eval"))

`rows` are names of rows ("say-slips") or of experiments ("say"), and "say@fixed:1:3" is speaking at
another pace; none means all. In the folder `out` lie `results.json` (the figures, typed as
`Figure`), `results.md` (the table) and `items/*.jsonl` (what was heard for every single item, to be
read by people). A run that was stopped goes on where it was, as long as weights, code of the model
and items are the same; figures of other rows of the same weights stay on the board.

Left out: plots (`results.json` has what they need).
"""

import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import model
from workbench.evidence import answers, codec, hear, say, speed
from workbench.evidence.candidate import Candidate, Ours
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row
from workbench.evidence.items import Held
from workbench.evidence.turns import TURNS
from workbench.evidence.voices import VOICES
from workbench.evidence.world import WORLD

ITEMS = 100


def spoken() -> tuple[Experiment, ...]:
    """Hearing and speaking: what is measured if nothing else is asked for."""
    heard = (hear.SEEN, hear.KOKORO, hear.HUMAN)
    return (codec.CODEC, say.say(), *heard, answers.ANSWERS, speed.SPEED)


def experiments() -> tuple[Experiment, ...]:
    """All of them, in the order of the table."""
    return (*spoken(), *WORLD, *VOICES, *TURNS)


@dataclass(frozen=True)
class Board:
    """All figures of one model, and how they came about."""

    model: str
    weights: str  # first 16 digits of the SHA-256 of the weights
    command: str
    made: str  # date and time, UTC
    machine: str
    figures: tuple[Figure, ...]

    @property
    def missed(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures if figure.mark == "missed")

    def save(self, path: Path) -> None:
        _write(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Board":
        try:
            held = json.loads(Path(path).read_text())
            figures = tuple(Figure(**{**f, "row": Row(**f["row"])}) for f in held.pop("figures"))
            return cls(**held, figures=figures)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no board of figures: {error}") from error

    def markdown(self, before: "Board | None" = None, notes: bool = True) -> str:
        """The table, with the command that made it; beside it what was measured `before`, below it
        what else is to be said of a row."""
        old = {f.row.name: _number(f.value, f.row) for f in before.figures} if before else {}
        past = " before |" if before else ""
        lines = [
            f"| what | measured [95 %] |{past} floor | n | bar | stretch | | judge |",
            f"|---|---|{'---|' * bool(before)}---|---|---|---|---|---|",
        ]
        for f in self.figures:
            floor = "" if f.floor is None else f"{f.floor:.1f} %"
            past = f" {old.get(f.row.name, '')} |" if before else ""
            lines.append(
                f"| {f.row.what} | **{_number(f.value, f.row)}** "
                f"[{_number(f.low, f.row)}, {_number(f.high, f.row)}] |{past} {floor} | {f.items} "
                f"| {_wanted(f.row, f.row.bar)} | {_wanted(f.row, f.row.stretch)} "
                f"| {_verdict(f)} | {f.judge} |"
            )
        told = (
            f"Made by `{self.command}` on {self.made[:10]}, {self.machine}; weights "
            f"`{self.weights}`. Floor: what the judge gets wrong on the original voice."
        )
        if before:
            told += f" Before: weights `{before.weights}`, measured on {before.made[:10]}."
        lines += ["", told]
        if notes:
            lines += ["", *(f"- {f.row.name}: {f.note}" for f in self.figures if f.note)]
        return "\n".join(lines) + "\n"


def run(
    model: str | Path,
    rows: Sequence[str] = (),
    items: int = ITEMS,
    out: Path = Path("out/eval"),
    data: str = "datasets",
) -> Board:
    """Measure the rows on a shipped or a saved model."""
    from model.omni import Omni

    wanted = chosen(rows)
    omni = Omni.load(model)
    weights = digest(omni.tokenizer.folder)
    named = {name for e in experiments() for name in (e.name, *(row.name for row in e.rows))}
    group = not any(row in named or "@" in row for row in rows)  # what is not here is left out
    return measure(Ours(omni), str(model), weights, wanted, items, out, data, skip=group)


def measure(
    candidate: Candidate,
    name: str,
    weights: str,
    wanted: Sequence[tuple[Experiment, set[str]]],
    items: int,
    out: Path,
    data: str = "datasets",
    skip: bool = False,
) -> Board:
    """Measure anybody. `wanted` are experiments with the names of the rows asked for.

    `skip`: an experiment whose recordings are not on this machine is left out, and named.
    """
    if items < 1:
        raise ValueError(f"a figure needs at least 1 item, got {items}")
    held = Held(data)
    ready = []  # before anything long begins
    for experiment, asked in wanted:
        try:
            subjects = experiment.choose(held, items)
            if not subjects:
                raise ValueError(f"{experiment.name}: {data} holds no item for it yet")
            ready.append((experiment, asked, subjects))
        except ValueError as error:
            if not skip:
                raise
            tqdm.write(f"left out: {error}", file=sys.stderr)
    fresh: list[Figure] = []
    board = _board(name, weights, fresh, out)
    for experiment, asked, subjects in ready:
        ledger = Ledger(out / "items" / f"{experiment.name.replace(':', '-')}.jsonl", experiment)
        records = ledger.records(candidate, weights, subjects)
        fresh += [f for f in experiment.figures(records) if f.row.name in asked]
        board = _board(name, weights, fresh, out)
        board.save(out / "results.json")
        _write(out / "results.md", board.markdown())
    return board


def chosen(rows: Iterable[str]) -> list[tuple[Experiment, set[str]]]:
    """The experiments that the names ask for, with the names of the rows."""
    every = list(experiments())
    rows = list(rows) or [e.name for e in spoken()]
    every += [say.say(row.partition("@")[2]) for row in rows if row.startswith("say@")]
    asked: dict[str, set[str]] = {}
    for row in rows:
        found = [
            (e, {r.name for r in e.rows if row in (r.name, e.name) or r.name.startswith(f"{row}-")})
            for e in every
        ]
        if not any(names for _, names in found):
            known = ", ".join(r.name for e in experiments() for r in e.rows)
            raise ValueError(f"no row {row!r}; there are {known}, and say@PACE")
        for experiment, names in found:
            asked.setdefault(experiment.name, set()).update(names)
    return [(e, asked[e.name]) for e in every if asked[e.name]]


class Ledger:
    """The records of one experiment on disk, one JSON line an item."""

    def __init__(self, path: Path, experiment: Experiment):
        self.path, self.experiment = path, experiment

    def records(self, candidate: Candidate, weights: str, subjects: Sequence[Any]) -> list[Any]:
        """A record for every subject; those of the same weights and code are not made again."""
        known = self._read(weights) if self.experiment.keep else {}
        made = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8") as file:
            for line in (
                self._head(weights),
                *map(asdict, known.values()),
            ):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            for subject in tqdm(subjects, desc=self.experiment.name, unit="item", file=sys.stderr):
                record = known.get(_id(subject))
                if record is None:
                    record = self.experiment.measure(candidate, subject)
                    file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
                    file.flush()
                made.append(record)
        return made

    def _head(self, weights: str) -> dict[str, Any]:
        fields = list(self.experiment.record.__dataclass_fields__)
        return {"weights": weights, "code": code(), "fields": fields}

    def _read(self, weights: str) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        records = {}
        head, *lines = self.path.read_text(encoding="utf-8").splitlines() or ["{}"]
        if head != json.dumps(self._head(weights)):
            return {}
        for line in lines:
            try:
                record = self.experiment.record(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue  # cut off in the middle of a line
            records[record.id] = record
        return records


def _id(subject: Any) -> str:
    return subject[0].id if isinstance(subject, tuple) else subject.id


def _board(name: str, weights: str, fresh: Sequence[Figure], out: Path) -> Board:
    """The fresh figures, and those of other rows that the same weights had before."""
    path = out / "results.json"
    before = Board.load(path) if path.exists() else None
    kept = before.figures if before and before.weights == weights else ()
    figures = {figure.row.name: figure for figure in (*kept, *fresh)}
    names = [row.name for e in experiments() for row in e.rows]
    return Board(
        name,
        weights,
        shlex.join(["omni", *sys.argv[1:]]) if Path(sys.argv[0]).name == "omni" else "omni eval",
        datetime.now(UTC).isoformat(timespec="seconds"),
        machine(),
        tuple(sorted(figures.values(), key=lambda f: names.index(f.row.name.split("@")[0]))),
    )


def digest(checkpoint: Path) -> str:
    """What tells one set of weights from another."""
    file = checkpoint / "model.safetensors"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


@cache
def code() -> str:
    """What tells one state of the model's code from another; how it is trained does not count."""
    root, whole = Path(model.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if name.parts[0] != "train":
            whole.update(f"{name.as_posix()}\n".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def machine() -> str:
    return f"{os.cpu_count()} cores {platform.machine()}, torch {torch.__version__}"


def _number(value: float, row: Row) -> str:
    if row.unit == "%":
        return f"{value:.1f} %"
    if row.unit == "points":
        return f"{value:+.1f}"
    return f"{value:.0f} ms" if row.unit == "ms" else f"{value:.2f}"


def _wanted(row: Row, value: float | None) -> str:
    if value is None:
        return "report"
    unit = " %" if row.unit == "%" else " ms" if row.unit == "ms" else ""
    return f"{'>=' if row.more else '<='} {value:g}{unit}"


def _verdict(figure: Figure) -> str:
    words = {"stretch": "stretch reached", "bar": "bar reached", "reported": "reported"}
    return words.get(figure.mark) or f"missed by {figure.short:.2g}"


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
