"""`Run`: one recorded turn as a value, and its file, `.omnirun`.

    run = lab.run(audio="question.wav", record=["routing", "latency"])
    run.text, run.audio, run.tokens                # what was said, what it went through
    run.save("question.omnirun"); again = wb.open("question.omnirun")

A Run knows no model and no view: NumPy arrays, plain values, nothing that runs. Everything that
was not recorded is empty or None, and asking for it says how to record it.

An `.omnirun` is a zip of `.npy` members (so `numpy.load` reads it too) and `run.json`. Opening one
executes nothing: no pickles, names and classes from closed lists, sizes compared with what was
announced before anything is decompressed, a newer version refused. It is written to a temporary
name and renamed when it is whole.

Letters: T tokens of a stage, L layers, K chosen experts, E experts, W words of the answer, F frames
of speech, B codebooks, U units in order of emission, S samples, Q queries, H heads, V vocabulary.
Left out: several turns in one file.
"""

import io
import json
import os
import re
import types
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int16, Int32, Int64, UInt8, jaxtyped

from model.aria import Aria, Audit, FixedRatio, Learned, Pace, TextFirst
from model.senses.message import Audio, Image, Message, Text, ToolCall, ToolResult, Video

FORMAT, VERSION = "omnirun", 1
LARGEST = 2048  # MB that a file may unfold to, unless `wb.open` is told otherwise
STAGES = ("thinker", "talker")
MODALITIES = ("text", "audio", "image", "video", "timestamp", "control", "speech")
PHASES = ("prompt", "answer")
UNITS = ("text", "speech", "control")
SPEECH = MODALITIES.index("speech")


class Checked:
    """A dataclass whose fields must be what their annotations say, shapes included."""

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        with jaxtyped("context"):  # a letter means the same size in all fields
            for f in fields(self):
                value = getattr(self, f.name)
                if not _fits(value, hints[f.name]):
                    shown = getattr(hints[f.name], "__name__", hints[f.name])
                    raise ValueError(
                        f"{type(self).__name__}.{f.name} must be {shown}, not {_form(value)}"
                    )


@dataclass(frozen=True, eq=False)
class Inputs(Checked):
    """All that a turn depends on besides the model: the same inputs give the same turn."""

    messages: tuple[Message, ...] = ()
    aloud: str = ""  # a text to read aloud, in place of messages to answer
    speak: bool = True
    voice: str = "heart"
    voice_codes: Int16[np.ndarray, "F B"] | None = None  # speech of the voice to imitate
    pace: Pace = Aria()
    interval: float | None = None  # seconds between timestamps inside audio
    compact: bool = False  # places of a video without gaps
    temperature: float = 0.0  # of the words; 0 = the likeliest
    speech_temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    most: int = 256  # text tokens of the answer
    words: tuple[int, ...] = ()  # tokens that the answer begins with, not chosen
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.messages) == bool(self.aloud.strip()):
            raise ValueError("expected either messages to answer or a text to read aloud")
        if self.aloud and not self.speak:
            raise ValueError("a text that is read aloud needs speak=True")
        if self.most < 1:
            raise ValueError(f"most must be at least 1 text token, not {self.most}")


@dataclass(frozen=True, eq=False)
class Tokens(Checked):
    """What one stage read and wrote, position by position; `sentence` counts spoken sentences."""

    id: Int32[np.ndarray, " T"]  # -1 where a frame or a Thinker state stands
    modality: UInt8[np.ndarray, " T"]  # index into MODALITIES
    phase: UInt8[np.ndarray, " T"]  # index into PHASES
    time: Float32[np.ndarray, "T 2"]  # seconds of what was heard, seen or spoken; NaN = none
    part: Int16[np.ndarray, " T"]  # of the messages' parts in order, -1 = none
    sentence: Int16[np.ndarray, " T"]  # -1 in the Thinker
    place: Int32[np.ndarray, "T 3"]  # time, row, column; the Talker has running numbers

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Units(Checked):
    """The interleaved stream in order of emission: words taken, frames spoken, ends of text."""

    kind: UInt8[np.ndarray, " U"]  # index into UNITS
    token: Int32[np.ndarray, " U"]  # -1 for frames
    text: Int32[np.ndarray, " U"]  # which word of the answer, -1 = none
    frame: Int32[np.ndarray, " U"]  # which frame, -1 = none
    sentence: Int16[np.ndarray, " U"]
    emitted: Float64[np.ndarray, " U"]  # seconds after the turn began
    time: Float32[np.ndarray, "U 2"]  # seconds of the sound that it takes; words: `Run.spans`

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, eq=False)
class Routing(Checked):
    """Which experts every token went to, in one stage (vLLM's shape)."""

    experts: Int16[np.ndarray, "T L K"]  # best first
    weights: Float16[np.ndarray, "T L K"]  # sum to one
    shared: Float16[np.ndarray, "T L"] | None  # gate of the shared expert
    logits: Float16[np.ndarray, "T L E"] | None
    layers: tuple[int, ...]  # which blocks of the stage
    count: int  # E

    def load(self, where: np.ndarray | None = None) -> Float32[np.ndarray, "L E"]:
        """Share of the routed weight over the fair share, 1/E: one is fair, zero is idle."""
        here = slice(None) if where is None else where
        experts, weights = self.experts[here], self.weights[here].astype(np.float32)
        sums = np.zeros((len(self.layers), self.count), np.float32)
        for layer in range(len(self.layers)):
            np.add.at(sums[layer], experts[:, layer].astype(np.int64), weights[:, layer])
        return sums * self.count / max(1, len(experts))

    def margin(self) -> Float32[np.ndarray, "T L"]:
        """How far the last chosen expert's logit lies above the best one left out."""
        if self.logits is None:
            raise ValueError("margins need logits: record 'router-logits'")
        ranked = -np.sort(-self.logits.astype(np.float32), axis=-1)
        k = self.experts.shape[2]
        if k == self.count:
            raise ValueError("every expert is chosen, there is no margin")
        return ranked[..., k - 1] - ranked[..., k]


@dataclass(frozen=True)
class Routings:
    """Routing of a run, by stage."""

    run: "Run" = field(repr=False)

    @property
    def thinker(self) -> Routing:
        return self.of("thinker")

    @property
    def talker(self) -> Routing:
        return self.of("talker")

    def of(self, stage: str) -> Routing:
        if stage not in self.run.routed:
            raise ValueError(missing(f"routing of the {stage}", "routing"))
        return self.run.routed[stage]

    def load(self, stage: str = "thinker", by: str = ""):
        """Load of every layer and expert; `by` is "", "modality", "phase" or "sentence". A
        DataFrame: rows (group, layer), a column an expert; 1 = the fair share."""
        pd, routing, tokens = tables(), self.of(stage), self.run.stage(stage)
        names = {"modality": MODALITIES, "phase": PHASES}.get(by)
        if by not in ("", "modality", "phase", "sentence"):
            raise ValueError(f"by must be modality, phase or sentence, not {by!r}")
        groups = getattr(tokens, by) if by else np.zeros(len(tokens), np.int64)
        loads = {}
        for group in np.unique(groups):
            name = (names[group] if names else int(group)) if by else "all"
            load = routing.load(groups == group)
            loads[name] = pd.DataFrame(load, index=pd.Index(routing.layers, name="layer"))
        return pd.concat(loads, names=[by or "tokens"])


@dataclass(frozen=True, eq=False)
class Attention(Checked):
    """Maps of some layers, heads and queries; row q sees the keys `start[q] .. query[q]`."""

    stage: str
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    maps: Float16[np.ndarray, "L H Q N"]  # shares; a row sums to one, zeros after its own place
    query: Int32[np.ndarray, " Q"]  # position in the stage's tokens
    start: Int32[np.ndarray, " Q"]  # position of key 0: where the stream of this query begins


@dataclass(frozen=True, eq=False)
class Delta(Checked):
    """What Gated DeltaNet layers forget and write at every token."""

    decay: Float16[np.ndarray, "T L H"]  # log of the factor on the memory, <= 0
    write: Float16[np.ndarray, "T L H"]  # 0..1
    layers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Odds(Checked):
    """How sure the speech heads were, frame by frame and codebook by codebook; temperature 1."""

    entropy: Float16[np.ndarray, "F B"]  # nats
    chosen: Float16[np.ndarray, "F B"]  # probability of the code that was spoken
    end: Float16[np.ndarray, " F"]  # probability that speech would end here


@dataclass(frozen=True, eq=False)
class Latency(Checked):
    """When each part ran, in nanoseconds after the turn began; spans may overlap or nest."""

    names: tuple[str, ...]
    name: UInt8[np.ndarray, " N"]  # index into `names`
    start: Int64[np.ndarray, " N"]
    end: Int64[np.ndarray, " N"]
    chunk: Int32[np.ndarray, " N"]  # the frame being made
    n_in: Int32[np.ndarray, " N"]  # positions that went in
    parent: Int32[np.ndarray, " N"]  # the span around it, -1 = none


@dataclass(frozen=True)
class Meta(Checked):
    """Where a run comes from."""

    model: str
    fingerprint: str  # of config and weights, sha256
    parameters: int
    made: str  # UTC
    rate: int  # samples a second
    frame_s: float  # seconds of a frame of speech
    layers: dict[str, str]  # of each stage, a letter a layer: "a" attention, "d" DeltaNet
    threads: int
    dtype: str
    device: str
    versions: dict[str, str]


@dataclass(frozen=True, eq=False)
class Run(Checked):
    """One turn: what went in, what came out, and what was recorded on the way."""

    inputs: Inputs
    edits: tuple[Any, ...]  # what was changed in the model or the inputs
    text: str
    audio: Float32[np.ndarray, " S"]
    codes: Int16[np.ndarray, "F B"]
    words: Int32[np.ndarray, " W"]  # tokens of the answer
    spans: Float32[np.ndarray, "W 2"]  # seconds of the sound that each word takes; NaN = unspoken
    spanned: str  # how `spans` were found: "attention", "rate" or ""
    thinker: Tokens
    talker: Tokens
    units: Units
    audits: tuple[Audit, ...]  # one per spoken sentence
    pieces: dict[str, str]  # text of every token id that occurs
    recorded: tuple[str, ...]
    marks: dict[str, int]  # nanoseconds after the turn began
    meta: Meta
    routed: dict[str, Routing] = field(default_factory=dict)  # by stage
    attention: tuple[Attention, ...] = ()
    align: Float16[np.ndarray, "W F"] | None = None  # the Talker's attention from frame to word
    delta: dict[str, Delta] = field(default_factory=dict)  # by stage
    odds: Odds | None = None
    logits: Float32[np.ndarray, "W V"] | None = None  # from which each word was chosen
    states: dict[str, Float32[np.ndarray, "..."]] = field(default_factory=dict)  # by part, [T, ...]
    latency: Latency | None = None

    @property
    def routing(self) -> Routings:
        return Routings(self)

    @property
    def seconds(self) -> float:
        """Of speech."""
        return len(self.audio) / self.meta.rate

    def stage(self, name: str) -> Tokens:
        if name not in STAGES:
            raise ValueError(f"no stage {name!r}, expected {' or '.join(STAGES)}")
        return getattr(self, name)

    @property
    def tokens(self):
        """Every position of both stages as a DataFrame."""
        pd = tables()
        rows = []
        for stage in STAGES:
            t = self.stage(stage)
            texts = [self.pieces.get(str(i), "") for i in t.id.tolist()]
            table = {
                "stage": stage,
                "phase": [PHASES[i] for i in t.phase],
                "modality": [MODALITIES[i] for i in t.modality],
                "sentence": t.sentence,
                "id": t.id,
                "text": texts,
                "t0": t.time[:, 0],
                "t1": t.time[:, 1],
                "part": t.part,
            }
            rows.append(pd.DataFrame(table).rename_axis("position").reset_index())
        return pd.concat(rows, ignore_index=True)

    @property
    def emission(self):
        """The stream in order of emission as a DataFrame; codes of frames as tuples."""
        pd, u = tables(), self.units
        spoken = [tuple(self.codes[i].tolist()) if i >= 0 else () for i in u.frame]
        table = {
            "kind": [UNITS[i] for i in u.kind],
            "text": [self.pieces.get(str(i), "") for i in u.token.tolist()],
            "word": u.text,
            "frame": u.frame,
            "sentence": u.sentence,
            "emitted": u.emitted,
            "t0": u.time[:, 0],
            "t1": u.time[:, 1],
            "codes": spoken,
        }
        return pd.DataFrame(table).rename_axis("step")

    def save(self, path: str | Path) -> Path:
        """Write the `.omnirun`, all of it or nothing."""
        return save(self, path)

    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write all views of what was recorded as one page that needs no kernel and no network."""
        from workbench.views import export

        return export(self, path, force)

    @property
    def view(self):
        """The views: `run.view.align()`, `.routing()`, `.attention()`, `.latency()`."""
        from workbench.views import Views

        return Views(self)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._summary().items())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        return f"<table>{rows}</table>"

    def _summary(self) -> dict[str, str]:
        said = self.text if len(self.text) <= 200 else self.text[:199] + "…"
        summary = {"text": repr(said)}
        summary["tokens"] = f"{len(self.thinker)} in the Thinker, {len(self.talker)} in the Talker"
        if len(self.codes):
            frames = f"{len(self.codes)} frames, {len(self.audits)} sentences"
            summary["speech"] = f"{self.seconds:.2f} s, {frames}, pace {self.inputs.pace}"
        if "first audio" in self.marks:
            summary["first audio"] = f"after {self.marks['first audio'] / 1e6:.0f} ms"
        summary["recorded"] = ", ".join(self.recorded) or "nothing besides"
        summary["edits"] = ", ".join(map(repr, self.edits)) or "none"
        summary["model"] = f"{self.meta.model} {self.meta.fingerprint[:8]}, seed {self.inputs.seed}"
        return summary


def missing(what: str, kind: str) -> str:
    return f"this run has no {what}: record it, lab.run(..., record=[{kind!r}])"


def tables():
    """The package pandas, which only tables need."""
    try:
        import pandas
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "tables need pandas, which `pip install -e '.[lab]'` installs", name="pandas"
        ) from None
    return pandas


# --- the file -------------------------------------------------------------------------------------

_PLAIN = (Inputs, Tokens, Units, Routing, Attention, Delta, Odds, Latency, Meta, Run, Audit)
_PARTS = (Message, Text, Audio, Image, Video, ToolCall, ToolResult)
_PACES = (Aria, FixedRatio, TextFirst, Learned)
_DTYPES = {np.dtype(t).str for t in (*"?bhiqBHIefd",)}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.npy")
_HEADER = 4096  # bytes of an .npy header, at most
_WRONG = (ValueError, TypeError, AttributeError, RecursionError, NotImplementedError)
_JSON = 64 << 20  # bytes of run.json, at most


def save(run: Run, path: str | Path) -> Path:
    """Write a run, all of it or nothing."""
    path = Path(path)
    if path.suffix != ".omnirun":
        raise ValueError(f"{path}: a run is saved under a name that ends in .omnirun")
    arrays: dict[str, np.ndarray] = {}
    tree = pack(run, arrays)
    forms = {name: {"dtype": a.dtype.str, "shape": list(a.shape)} for name, a in arrays.items()}
    head = {"format": FORMAT, "version": VERSION, "arrays": forms, "run": tree}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file:
            file.writestr(_entry("run.json"), json.dumps(head, allow_nan=False).encode())
            for name, array in arrays.items():
                data = io.BytesIO()
                np.lib.format.write_array(data, np.ascontiguousarray(array), allow_pickle=False)
                file.writestr(_entry(f"{name}.npy"), data.getbuffer())
        os.replace(part, path)
    except OSError as error:
        raise OSError(f"could not save {path} (is the disk full?): {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    """A member without the time of day, so that the same run gives the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def open_run(path: str | Path, largest: float = LARGEST) -> Run:
    """Read an `.omnirun`; `largest` is what it may unfold to, in MB."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked(archive, largest)
            head = json.loads(_read(archive, entries.pop("run.json", None), _JSON))
            return _run(head, archive, entries)
    except (zipfile.BadZipFile, zlib.error, EOFError, IsADirectoryError) as error:
        raise ValueError(f"{path} is no .omnirun, or a damaged one ({error})") from None
    except KeyError as error:
        raise ValueError(f"{path} can't be opened: it lacks {error}") from None
    except _WRONG as error:
        raise ValueError(f"{path} can't be opened: {error}") from None


def _checked(archive: zipfile.ZipFile, largest: float) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        if name != "run.json" and not _NAME.fullmatch(name):
            raise ValueError(f"it holds {name!r}, expected run.json and .npy members")
        if name in entries:
            raise ValueError(f"it holds {name!r} twice")
        if entry.flag_bits & 1:
            raise ValueError(f"{name} is encrypted")
        entries[name] = entry
    unfolded = sum(entry.file_size for entry in entries.values()) / 1e6
    if unfolded > largest:
        raise ValueError(
            f"it unfolds to {unfolded:.0f} MB, more than {largest:g} MB; if it comes from a source"
            f" that you trust, say largest={int(unfolded) + 1}"
        )
    return entries


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None, most: int) -> bytes:
    if entry is None:
        raise ValueError("run.json is missing, it is no .omnirun")
    if entry.file_size > most:
        raise ValueError(f"{entry.filename} has {entry.file_size} bytes, expected at most {most}")
    with archive.open(entry) as file:
        return file.read(most + 1)


def _run(head: Any, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> Run:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError("run.json says nothing of an omnirun")
    if not isinstance(head["version"], int) or head["version"] < 1:
        raise ValueError(f"its version is {head['version']!r}, expected a number")
    if head["version"] > VERSION:
        raise ValueError(
            f"it was made by a newer workbench (format {head['version']}, this one reads"
            f" {VERSION}); update the workbench"
        )
    arrays = {name: _array(archive, entries, name, claim) for name, claim in head["arrays"].items()}
    run = unpack(head["run"], arrays)
    if not isinstance(run, Run):
        raise ValueError(f"it holds a {type(run).__name__}, not a run")
    for stage, routing in run.routed.items():
        if len(routing.experts) != len(run.stage(stage)):
            raise ValueError(f"routing and tokens of the {stage} differ in length")
    return run


def _array(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, claim: Any
) -> np.ndarray:
    """One member, if it is exactly what run.json announces."""
    member, shape = f"{name}.npy", tuple(claim["shape"])
    if member not in entries:
        raise ValueError(f"{member} is missing")
    if claim["dtype"] not in _DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"{member} claims {claim['dtype']}{list(shape)}")
    dtype = np.dtype(claim["dtype"])
    size = dtype.itemsize
    for n in shape:  # Python's integers don't overflow
        size *= n
    data = _read(archive, entries[member], size + _HEADER)
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{member} is no .npy of version 1.0")
    found, fortran, kind = np.lib.format.read_array_header_1_0(file)
    if (found, fortran, kind) != (shape, False, dtype) or len(data) - file.tell() != size:
        raise ValueError(f"{member} is not the {dtype}{list(shape)} that run.json announces")
    return np.ndarray(shape, dtype, data, offset=file.tell()).copy()


def pack(value: Any, arrays: dict[str, np.ndarray] | None = None, path: str = "run") -> Any:
    """A value as JSON; arrays go to `arrays` under their path, or become lists where it is None."""
    if isinstance(value, np.ndarray):
        if arrays is None:
            return {"is": "list", "dtype": value.dtype.str, "items": value.tolist()}
        arrays[path] = value
        return {"is": "array", "name": path}
    if is_dataclass(value):
        items = {f.name: getattr(value, f.name) for f in fields(value)}
        packed = {name: pack(item, arrays, f"{path}.{name}") for name, item in items.items()}
        return {"is": type(value).__name__, "fields": packed}
    if isinstance(value, Mapping):
        items = {str(k): pack(v, arrays, f"{path}.{k}") for k, v in value.items()}
        return {"is": "dict", "items": items}
    if isinstance(value, tuple | list):
        return [pack(item, arrays, f"{path}.{i}") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"a {type(value).__name__} can't be saved")


def unpack(tree: Any, arrays: Mapping[str, np.ndarray] | None = None) -> Any:
    """The value that `pack` made JSON of; only classes from a closed list are made."""
    if isinstance(tree, list):
        return tuple(unpack(item, arrays) for item in tree)
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {"is": "array", "name": str(name)} if arrays is not None:
            if name not in arrays:
                raise ValueError(f"array {name!r} is missing")
            return arrays[name]
        case {"is": "list", "dtype": str(kind), "items": list(items)} if kind in _DTYPES:
            return np.array(items, kind)
        case {"is": "dict", "items": dict(items)}:
            return {name: unpack(item, arrays) for name, item in items.items()}
        case {"is": str(name), "fields": dict(items)}:
            kind, hints = _class(name), _hints(_class(name))
            unknown = set(items) - {f.name for f in fields(kind)}
            if unknown:
                raise ValueError(f"{name} has unknown fields {sorted(unknown)}")
            made = {key: unpack(item, arrays) for key, item in items.items()}
            for key, item in made.items():
                if not _fits(item, hints[key]):
                    raise ValueError(f"{name}.{key} can't be {_form(item)}")
            return kind(**made)
    raise ValueError(f"it holds {str(tree)[:60]!r}, which means nothing here")


def _class(name: str) -> type:
    known = {kind.__name__: kind for kind in (*_PLAIN, *_PARTS, *_PACES)}
    if name not in known:
        from workbench import edits  # only where there are some: this needs torch

        known = {kind.__name__: kind for kind in edits.EDITS}
    if name not in known:
        raise ValueError(f"it holds a {name[:60]!r}, which is not known here")
    return known[name]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Is a value what an annotation says?"""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if args[-1] is Ellipsis:
            return all(_fits(item, args[0]) for item in value)
        return len(value) == len(args) and all(map(_fits, value, args))
    if origin in (dict, Mapping):
        pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
        return all(_fits(k, args[0]) and _fits(v, args[1]) for k, v in pairs)
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)[:60]
