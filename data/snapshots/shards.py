"""The files of a snapshot: Parquet in shards, written and read row by row in bounded memory.

    <snapshot>/demonstrations/00000.parquet ...   pairs/...   labels/...   sources/...

Each row says of which votes it is made (`votes`), each source whose vote it is. Any reader of Parquet takes
them, such as `datasets.load_dataset("parquet", data_files="<snapshot>/pairs/*.parquet", streaming=True)`.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data.records import Demonstration, Label, PreferencePair, TransformType

SHARD_ROWS = 100_000
_GROUP_ROWS = 8_192  # of a file are in memory at once; a row group in Parquet's words
_HOW_MANY = b"shards"  # key in the footer of a last shard: a lost one is missed

Row = Demonstration | PreferencePair | Label
R = TypeVar("R", bound=Row)
_Record = TypeVar("_Record", bound=BaseModel)

KINDS: Mapping[str, type[Row]] = {"demonstrations": Demonstration, "pairs": PreferencePair, "labels": Label}
_NAMES: Mapping[type, str] = {kind: name for name, kind in KINDS.items()}


class Source(BaseModel):
    """A vote that counts, and whose it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: uuid.UUID
    user: uuid.UUID
    kind: str
    transform_type: TransformType
    version: str


def _schema(*fields: tuple[str, pa.DataType], nullable: str = "") -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name == nullable) for name, kind in fields])


_ABOUT = (("text", pa.string()), ("transform_type", pa.string()), ("intensity", pa.int8()))
_END = (("split", pa.string()), ("votes", pa.list_(pa.field("element", pa.string(), nullable=False))))
SCHEMAS: Mapping[str, pa.Schema] = {
    "demonstrations": _schema(*_ABOUT, ("rewrite", pa.string()), *_END),
    "pairs": _schema(
        *_ABOUT,
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("chosen_version", pa.string()),
        ("rejected_version", pa.string()),
        ("stars", pa.float64()),
        *_END,
        nullable="stars",
    ),
    "labels": _schema(
        *_ABOUT, ("rewrite", pa.string()), ("good", pa.bool_()), ("version", pa.string()), *_END
    ),
    "sources": _schema(
        ("feedback", pa.string()),
        ("user", pa.string()),
        ("kind", pa.string()),
        ("transform_type", pa.string()),
        ("version", pa.string()),
    ),
}

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class _File:
    """One file of a snapshot: its shards one after the other, and the hash of its rows."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()  # FileExistsError: shards of another snapshot would stay beside
        self.folder, self.schema = folder, schema
        self.hash = blake2b(digest_size=16)
        self._held: list[dict[str, Any]] = []
        self._shard: parquet.ParquetWriter | None = None
        self._shards = self._in_shard = 0

    def add(self, row: dict[str, Any]) -> None:
        self._held.append(row)
        if len(self._held) == min(_GROUP_ROWS, SHARD_ROWS - self._in_shard % SHARD_ROWS):
            self._write()

    def _write(self) -> None:
        if self._in_shard == SHARD_ROWS:
            self.close()
        shard = self._shard or self._open()
        for row in self._held:
            self.hash.update(f"{_canonical(row)}\n".encode())
        shard.write_batch(pa.RecordBatch.from_pylist(self._held, schema=self.schema))
        self._in_shard += len(self._held)
        self._held.clear()

    def _open(self) -> parquet.ParquetWriter:
        file = self.folder / f"{self._shards:05}.parquet"
        self._shard = parquet.ParquetWriter(file, self.schema, compression="zstd")
        self._shards += 1
        return self._shard

    def finish(self) -> None:
        """Write what is held; a file without rows gets one shard, for its columns."""
        if self._held:
            self._write()
        # No row group without rows: `datasets` cannot read one.
        last = self._shard or self._open()
        last.add_key_value_metadata({_HOW_MANY: str(self._shards).encode()})
        self.close()

    def close(self) -> None:
        if self._shard is not None:
            self._shard.close()
        self._shard, self._in_shard = None, 0


class Writer:
    """Writes the files of a snapshot row by row; holds one row group of each in memory.

    As a context it finishes them, or closes them as they are when it is left by an error.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: _File(folder / name, schema) for name, schema in SCHEMAS.items()}
        self._digest = ""
        self.counts = Counter(
            {**{key: 0 for name in KINDS for key in (name, f"{name}_validation")}, "votes": 0}
        )

    def add(self, row: Row, votes: Iterable[uuid.UUID] = ()) -> None:
        """Write a row, made of these votes."""
        name = _NAMES[type(row)]
        self._put(name, {**row.model_dump(mode="json"), "votes": sorted({str(vote) for vote in votes})})
        self.counts[name] += 1
        self.counts[f"{name}_validation"] += row.split == "validation"

    def add_source(self, source: Source) -> None:
        """Write a vote that counts."""
        self._put("sources", source.model_dump(mode="json"))
        self.counts["votes"] += 1

    def _put(self, name: str, row: dict[str, Any]) -> None:
        assert not self._digest, f"{self._digest} is closed"
        self._files[name].add(row)

    def close(self) -> str:
        """Finish all files; the digest of what they say.

        Blake2b-128 of each row as JSON with sorted keys, file by file: Parquet's bytes may change with its
        writer, and the name of a snapshot may not.
        """
        if not self._digest:
            for file in self._files.values():
                file.finish()
            said = "".join(f"{name} {file.hash.hexdigest()}\n" for name, file in self._files.items())
            self._digest = blake2b(said.encode(), digest_size=16).hexdigest()
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
                file.close()  # without the number of shards: not whole


def write(folder: Path, rows: Iterable[Row]) -> Path:
    """Write a snapshot of rows that are made of no votes; the folder."""
    with Writer(folder) as writer:
        for row in rows:
            writer.add(row)
    return folder


def read(folder: Path, kind: type[R]) -> Iterator[R]:
    """The rows of one kind, in order; ValueError names shard, row and fault of the first bad one."""
    for rows, _ in _batches(folder, _NAMES[kind], kind):
        yield from rows


def read_with_votes(folder: Path, kind: type[R]) -> Iterator[tuple[R, frozenset[uuid.UUID]]]:
    """As `read`, each row with the votes that it is made of."""
    for rows, votes in _batches(folder, _NAMES[kind], kind, with_votes=True):
        for row, ids in zip(rows, votes, strict=True):
            yield row, frozenset(map(uuid.UUID, ids))


def sources(folder: Path) -> Iterator[Source]:
    """The votes that a snapshot is made of; errors as those of `read`."""
    for found, _ in _batches(folder, "sources", Source):
        yield from found


def count(folder: Path) -> dict[str, int]:
    """How many rows there are of each kind, by the footers of the shards."""
    return {
        name: sum(parquet.read_metadata(shard).num_rows for shard in _shards(folder, name)) for name in KINDS
    }


def is_snapshot(folder: Path) -> bool:
    """Whether a folder has all files of this format, whole."""
    try:
        return all(_shards(folder, name) for name in SCHEMAS)
    except ValueError:
        return False


def _shards(folder: Path, name: str) -> list[Path]:
    """The shards of a file, in order; ValueError when they are not all there."""
    found = sorted((folder / name).glob("*.parquet"))
    if not found:
        raise ValueError(
            f"{folder / name} has no shards. Older snapshots are jsonl files: make a new one with the flow"
            " `collect`. If this is a newer one, bring all of it here (`dvc pull`)"
        )
    with _opened(found[-1]) as last:
        how_many = (last.metadata.metadata or {}).get(_HOW_MANY, b"more").decode()
    if how_many != str(len(found)):
        raise ValueError(
            f"{folder / name} has {len(found)} shards of {how_many}: bring all of it here (`dvc pull`)"
        )
    return found


def _batches(
    folder: Path, name: str, kind: type[_Record], with_votes: bool = False
) -> Iterator[tuple[list[_Record], list[list[str]]]]:
    """Checked rows, a row group at a time, with the ids of their votes where these are asked for."""
    adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
    columns = SCHEMAS[name].names
    for shard in _shards(folder, name):
        at = 0
        with _opened(shard) as file:
            if file.schema_arrow.names != columns:
                raise ValueError(f"{shard}: it has the columns {file.schema_arrow.names}, and not {columns}")
            wanted = [column for column in columns if with_votes or column != "votes"]
            for batch in file.iter_batches(_GROUP_ROWS, columns=wanted):
                found = batch.to_pylist()
                votes = [row.pop("votes") for row in found] if with_votes else []
                try:
                    rows = adapter.validate_python(found)
                except ValidationError as error:
                    first = error.errors()[0]
                    place, *field = first["loc"]
                    raise ValueError(
                        f"{shard}: row {at + int(place) + 1}: {'.'.join(map(str, field))}: {first['msg']}"
                    ) from error
                yield rows, votes
                at += len(rows)


def _opened(shard: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(shard)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{shard}: {error}; bring all of it here (`dvc pull`)") from error
