"""What was built, on disk: clips of speech with text and timings, and turns of question and answer.

    datasets/spoken/{train,valid,test}-00000.parquet ...   some hundred clips each, FLAC inside
    datasets/turns/{train,valid,test}.parquet              text; audio is named by the id of a clip

Shards are written under a temporary name and renamed, so every shard one can see is whole, and what
exists can be read while the rest is being built; `Store.spoken` lists the shards anew each time.
A clip is decoded when asked for; of a shard only the rows around it are read.

Left out: shuffling, batching, resampling, augmentation (`model.train.batch`), any cache of samples.

    clips = Store().spoken("train")
    clips[0].samples, clips.column("text")
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile
from jaxtyping import Float32

SPLITS = ("train", "valid", "test")
GROUP = 16  # clips in a row group: what is read to get at one


@dataclass(frozen=True)
class Spoken:
    """A clip of speech. `phones[i]` lasts `units[i]` x 25 ms; both are empty without timings."""

    id: str
    text: str
    source: str  # where the text is from: wordnet, chatterbot, template, words, question, answer
    voice: str
    samples: Float32[np.ndarray, " time"]
    rate: int
    phones: tuple[str, ...]
    units: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Turn:
    """A question and its answer. The answer is right if it holds the words of `key`."""

    id: str
    task: str
    question: str
    answer: str
    key: str
    question_audio: str = ""  # id of a clip, or nothing: a written question
    answer_audio: str = ""


CLIPS = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("text", pyarrow.string()),
        ("source", pyarrow.string()),
        ("voice", pyarrow.string()),
        ("speed", pyarrow.float32()),
        ("rate", pyarrow.int32()),
        ("flac", pyarrow.binary()),
        ("seconds", pyarrow.float32()),
        ("phones", pyarrow.list_(pyarrow.string())),
        ("units", pyarrow.list_(pyarrow.int16())),
        ("sha256", pyarrow.string()),
    ]
)
TURNS = pyarrow.schema([(field.name, pyarrow.string()) for field in fields(Turn)])


class Clips:
    """The clips of a split that exist now. `clips[i]` decodes one; `column` decodes nothing."""

    def __init__(self, shards: list[Path]):
        self.shards = shards
        self._files = [_opened(shard) for shard in shards]
        counts = [file.metadata.num_rows for file in self._files]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        self._last = (-1, -1, None)  # the row group read last: neighbours cost nothing

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[Spoken]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Spoken:
        if not 0 <= i < len(self):
            raise IndexError(f"clip {i} of {len(self)}")
        shard = int(np.searchsorted(self._starts, i, side="right")) - 1
        row = i - int(self._starts[shard])
        number = 0
        while row >= (rows := self._files[shard].metadata.row_group(number).num_rows):
            row, number = row - rows, number + 1
        if self._last[:2] != (shard, number):
            self._last = (shard, number, self._files[shard].read_row_group(number))
        values = self._last[2].slice(row, 1).to_pylist()[0]
        samples, rate = soundfile.read(io.BytesIO(values["flac"]), dtype="float32")
        return Spoken(
            values["id"],
            values["text"],
            values["source"],
            values["voice"],
            samples,
            rate,
            tuple(values["phones"]),
            tuple(values["units"]),
            values["seconds"],
        )

    def column(self, name: str) -> list[Any]:
        """One value a clip of a column such as text, source, voice, seconds, units."""
        if name not in CLIPS.names:
            raise ValueError(f"no column {name!r}; there are {', '.join(CLIPS.names)}")
        return [
            value
            for file in self._files
            for value in file.read(columns=[name]).column(0).to_pylist()
        ]

    @cached_property
    def ids(self) -> list[str]:
        return self.column("id")

    @cached_property
    def index(self) -> dict[str, int]:
        """Where the clip with this id is; turns name their audio so."""
        return {clip: i for i, clip in enumerate(self.ids)}


class Store:
    """The data sets below one folder."""

    def __init__(self, root: str | Path = "datasets"):
        self.root = Path(root)

    def spoken(self, split: str) -> Clips:
        """The clips of a split, as far as they are built."""
        return Clips(sorted((self.root / "spoken").glob(f"{_split(split)}-*.parquet")))

    def turns(self, split: str) -> list[Turn]:
        """The turns of a split. Is their audio built yet? Look into `spoken(split).index`."""
        path = self.root / "turns" / f"{_split(split)}.parquet"
        if not path.exists():
            raise ValueError(f"{path} is not there; `omni data build micro` makes it")
        return [Turn(**row) for row in _opened(path).read().to_pylist()]


def write(path: Path, rows: list[dict[str, Any]], schema: pyarrow.Schema) -> None:
    """Write a table whole or not at all. Opens in Hugging Face `datasets` as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(rows, schema)
    part = path.with_suffix(".part")
    try:
        pyarrow.parquet.write_table(
            table, part, row_group_size=GROUP if schema is CLIPS else None, compression="zstd"
        )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def encode(samples: Float32[np.ndarray, " time"], rate: int) -> bytes:
    """16-bit FLAC."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _split(split: str) -> str:
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; expected one of {', '.join(SPLITS)}")
    return split


def _opened(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(path, memory_map=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({str(error).splitlines()[0][:60]}); building again replaces it"
        ) from error
