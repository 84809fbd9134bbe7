"""`.omnirun`: a recorded turn as a file, and values as JSON.

    run.save("question.omnirun"); again = wb.open("question.omnirun")

A zip of `.npy` members (so `numpy.load` reads it too) and `run.json`. Opening one executes
nothing: no pickles, names and classes from closed lists, sizes compared with what was announced
before anything is decompressed, a newer version refused. It is written to a temporary name and
renamed when it is whole. Left out: several turns in one file.
"""

import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.aria import Aria, Audit, FixedRatio, Learned, TextFirst
from model.senses.message import Audio, Image, Message, Text, ToolCall, ToolResult, Video
from workbench.checked import fits, form, hints_of
from workbench.run import Attention, Delta, Inputs, Latency, Meta, Odds, Routing, Run, Tokens, Units

FORMAT, VERSION = "omnirun", 1
LARGEST = 2048  # MB that a file may unfold to, unless `wb.open` is told otherwise
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
            kind, hints = _class(name), hints_of(_class(name))
            unknown = set(items) - {f.name for f in fields(kind)}
            if unknown:
                raise ValueError(f"{name} has unknown fields {sorted(unknown)}")
            made = {key: unpack(item, arrays) for key, item in items.items()}
            for key, item in made.items():
                if not fits(item, hints[key]):
                    raise ValueError(f"{name}.{key} can't be {form(item)}")
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
