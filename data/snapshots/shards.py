"""The files of a snapshot: Parquet shards, written and read row by row in bounded memory.

    <snapshot>/demonstrations/00000.parquet ...   pairs/...   labels/...   sources/...

Each row has the ids of the votes that it is made of (`votes`); each source has a vote, its person, and what
it says. Any reader of Parquet can read them, for example
`datasets.load_dataset("parquet", data_files="<snapshot>/pairs/*.parquet", streaming=True)`.
"""

import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data.records import Demonstration, Label, PreferencePair, TransformType

SHARD_ROWS = 100_000
GROUP_ROWS = 8_192  # rows of a file in memory at once: a row group of Parquet
_SHARD_COUNT = b"shards"  # key in the footer of the last shard, to notice missing shards

Row = Demonstration | PreferencePair | Label
R = TypeVar("R", bound=Row)
_Record = TypeVar("_Record", bound=BaseModel)

KINDS: Mapping[str, type[Row]] = {"demonstrations": Demonstration, "pairs": PreferencePair, "labels": Label}
_NAMES: Mapping[type, str] = {kind: name for name, kind in KINDS.items()}


class Source(BaseModel):
    """A vote that counts, with the id of its person, and what it says.

    `unit` is the number of what was judged: votes of a kind with the same number are on the same rewrite of a
    message, or on the same two. `value` is 0 or 1 for a thumb, 1 to 5 for stars; for a comparison it is 1 if
    the text that is later in the order of characters was preferred. `first` and `longer` say whether a
    comparison preferred the text that was shown first, and the longer one; None for texts of equal length.
    All four are None for an edit, for a comparison of equal texts, and in snapshots of earlier releases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: uuid.UUID
    user: uuid.UUID
    kind: str
    transform_type: TransformType
    version: str
    unit: int | None = None
    value: int | None = None
    first: bool | None = None
    longer: bool | None = None


VALUES = ("unit", "value", "first", "longer")  # of a source; earlier releases did not write them


def _make_schema(*fields: tuple[str, pa.DataType], nullable: Collection[str] = ()) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name in nullable) for name, kind in fields])


_TASK = (("text", pa.string()), ("transform_type", pa.string()), ("intensity", pa.int8()))
_ORIGIN = (("split", pa.string()), ("votes", pa.list_(pa.field("element", pa.string(), nullable=False))))
SCHEMAS: Mapping[str, pa.Schema] = {
    "demonstrations": _make_schema(*_TASK, ("rewrite", pa.string()), *_ORIGIN),
    "pairs": _make_schema(
        *_TASK,
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("chosen_version", pa.string()),
        ("rejected_version", pa.string()),
        ("stars", pa.float64()),
        *_ORIGIN,
        nullable=("stars",),
    ),
    "labels": _make_schema(
        *_TASK, ("rewrite", pa.string()), ("good", pa.bool_()), ("version", pa.string()), *_ORIGIN
    ),
    "sources": _make_schema(
        ("feedback", pa.string()),
        ("user", pa.string()),
        ("kind", pa.string()),
        ("transform_type", pa.string()),
        ("version", pa.string()),
        ("unit", pa.int32()),
        ("value", pa.int8()),
        ("first", pa.bool_()),
        ("longer", pa.bool_()),
        nullable=VALUES,
    ),
}

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class _File:
    """The shards of one kind of row, written one after the other, and the hash of the rows."""

    def __init__(self, folder: Path, schema: pa.Schema, shard_rows: int, group_rows: int) -> None:
        folder.mkdir()  # FileExistsError instead of a mixture with the shards of another snapshot
        self.folder, self.schema = folder, schema
        self._shard_rows, self._group_rows = shard_rows, group_rows
        self.hash = blake2b(digest_size=16)
        self._buffer: list[dict[str, Any]] = []
        self._shard: parquet.ParquetWriter | None = None
        self._shards = self._in_shard = 0

    def add(self, row: dict[str, Any]) -> None:
        self._buffer.append(row)
        if len(self._buffer) == min(self._group_rows, self._shard_rows - self._in_shard % self._shard_rows):
            self._write()

    def _write(self) -> None:
        if self._in_shard == self._shard_rows:
            self.close()
        shard = self._shard or self._open()
        for row in self._buffer:
            self.hash.update(f"{_canonical(row)}\n".encode())
        shard.write_batch(pa.RecordBatch.from_pylist(self._buffer, schema=self.schema))
        self._in_shard += len(self._buffer)
        self._buffer.clear()

    def _open(self) -> parquet.ParquetWriter:
        file = self.folder / f"{self._shards:05}.parquet"
        self._shard = parquet.ParquetWriter(file, self.schema, compression="zstd")
        self._shards += 1
        return self._shard

    def finish(self) -> None:
        """Write the buffered rows and close. Without any rows there is one shard, which has the columns."""
        if self._buffer:
            self._write()
        # No empty row group is written: `datasets` cannot read one.
        last = self._shard or self._open()
        last.add_key_value_metadata({_SHARD_COUNT: str(self._shards).encode()})
        self.close()

    def close(self) -> None:
        if self._shard is not None:
            self._shard.close()
        self._shard, self._in_shard = None, 0


class Writer:
    """Writes the files of a snapshot row by row, with one row group of each in memory.

    As a context manager it finishes the files. After an error it closes them unfinished.
    """

    def __init__(self, folder: Path, shard_rows: int = SHARD_ROWS, group_rows: int = GROUP_ROWS) -> None:
        """`shard_rows` and `group_rows` are the most rows of a shard and of a row group."""
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {
            name: _File(folder / name, schema, shard_rows, group_rows) for name, schema in SCHEMAS.items()
        }
        self._digest = ""
        self.counts = Counter(
            {**{key: 0 for name in KINDS for key in (name, f"{name}_validation")}, "votes": 0}
        )

    def add(self, row: Row, votes: Iterable[uuid.UUID] = ()) -> None:
        """Write a row with the ids of the votes that it is made of."""
        name = _NAMES[type(row)]
        self._put(name, {**row.model_dump(mode="json"), "votes": sorted({str(vote) for vote in votes})})
        self.counts[name] += 1
        self.counts[f"{name}_validation"] += row.split == "validation"

    def add_source(self, source: Source) -> None:
        """Write a vote that counts."""
        # What a source lacks is no part of the digest, so those of earlier releases keep theirs.
        self._put("sources", source.model_dump(mode="json", exclude_none=True))
        self.counts["votes"] += 1

    def _put(self, name: str, row: dict[str, Any]) -> None:
        assert not self._digest, f"{self._digest} is closed"
        self._files[name].add(row)

    def close(self) -> str:
        """Finish all files; the digest of their rows.

        It is blake2b-128 over each file's hash of its rows as JSON with sorted keys. It does not depend on
        Parquet's bytes, which may change with the version of the writer.
        """
        if not self._digest:
            for file in self._files.values():
                file.finish()
            hashes = "".join(f"{name} {file.hash.hexdigest()}\n" for name, file in self._files.items())
            self._digest = blake2b(hashes.encode(), digest_size=16).hexdigest()
        return self._digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            for file in self._files.values():
                file.close()  # without the number of shards, so the snapshot is invalid


def write(
    folder: Path, rows: Iterable[Row], shard_rows: int = SHARD_ROWS, group_rows: int = GROUP_ROWS
) -> Path:
    """Write a snapshot of rows without votes; the folder."""
    with Writer(folder, shard_rows, group_rows) as writer:
        for row in rows:
            writer.add(row)
    return folder


def read(folder: Path, kind: type[R], group_rows: int = GROUP_ROWS) -> Iterator[R]:
    """Read the rows of one kind, in order; ValueError with shard, row and fault of the first invalid row.

    `group_rows` are in memory at once.
    """
    for rows, _ in _read_batches(folder, _NAMES[kind], kind, group_rows=group_rows):
        yield from rows


def read_with_votes(folder: Path, kind: type[R]) -> Iterator[tuple[R, frozenset[uuid.UUID]]]:
    """Read the rows of one kind, each with the ids of the votes that it is made of; errors as in `read`."""
    for rows, votes in _read_batches(folder, _NAMES[kind], kind, with_votes=True):
        for row, ids in zip(rows, votes, strict=True):
            yield row, frozenset(map(uuid.UUID, ids))


def read_sources(folder: Path) -> Iterator[Source]:
    """Read the votes that a snapshot is made of; errors as in `read`."""
    for rows, _ in _read_batches(folder, "sources", Source):
        yield from rows


def has_values(folder: Path) -> bool:
    """Whether the sources of a snapshot have what their votes say. Those of earlier releases do not."""
    shard = _find_shards(folder, "sources")[0]
    return set(VALUES) <= set(parquet.read_schema(shard).names)


def count(folder: Path) -> dict[str, int]:
    """Count the rows of each kind, by the footers of the shards."""
    return {
        name: sum(parquet.read_metadata(shard).num_rows for shard in _find_shards(folder, name))
        for name in KINDS
    }


def is_snapshot(folder: Path) -> bool:
    """Whether a folder has all files of this format, with all their shards."""
    try:
        return all(_find_shards(folder, name) for name in SCHEMAS)
    except ValueError:
        return False


def _find_shards(folder: Path, name: str) -> list[Path]:
    """The shards of one kind of row, in order; ValueError when some are missing."""
    shards = sorted((folder / name).glob("*.parquet"))
    if not shards:
        raise ValueError(
            f"{folder / name} has no shards. Older snapshots are jsonl files: make a new one with the flow"
            " `collect`. If this is a newer one, get all of its files (`dvc pull`)"
        )
    with _open_shard(shards[-1]) as last:
        expected = (last.metadata.metadata or {}).get(_SHARD_COUNT, b"more").decode()
    if expected != str(len(shards)):
        raise ValueError(
            f"{folder / name} has {len(shards)} shards of {expected}: get all of its files (`dvc pull`)"
        )
    return shards


def _read_batches(
    folder: Path, name: str, kind: type[_Record], with_votes: bool = False, group_rows: int = GROUP_ROWS
) -> Iterator[tuple[list[_Record], list[list[str]]]]:
    """Read validated rows, `group_rows` at a time; with `with_votes` also the ids of each row's votes."""
    adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
    columns = SCHEMAS[name].names
    for shard in _find_shards(folder, name):
        rows_before = 0
        with _open_shard(shard) as file:
            present = file.schema_arrow.names
            if present not in (columns, [column for column in columns if column not in VALUES]):
                raise ValueError(f"{shard}: the columns are {present}, and not {columns}")
            selected = [column for column in present if with_votes or column != "votes"]
            for batch in file.iter_batches(group_rows, columns=selected):
                raw = batch.to_pylist()
                votes = [row.pop("votes") for row in raw] if with_votes else []
                try:
                    rows = adapter.validate_python(raw)
                except ValidationError as error:
                    first = error.errors()[0]
                    place, *field = first["loc"]
                    raise ValueError(
                        f"{shard}: row {rows_before + int(place) + 1}: {'.'.join(map(str, field))}:"
                        f" {first['msg']}"
                    ) from error
                yield rows, votes
                rows_before += len(rows)


def _open_shard(shard: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(shard)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{shard}: {error}; get all of its files (`dvc pull`)") from error
