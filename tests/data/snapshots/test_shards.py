"""What is written is read again, in order, in bounded memory; the digest is of the content."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import IterableDataset, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards
from data.snapshots.shards import KINDS, SCHEMAS, Row, Source, Writer

ABOUT = {"text": "Fix it.", "transform_type": TransformType.SOFTEN, "intensity": 2}
DEMONSTRATION = Demonstration(**ABOUT, rewrite="Would you fix it?")
PAIR = PreferencePair(
    **ABOUT, chosen="Please.", rejected="Now.", chosen_version="human", rejected_version="v1", stars=1.5
)
LABEL = Label(**ABOUT, rewrite="Now.", good=False, version="v1", split="validation")
SOURCE = Source(
    feedback=uuid.UUID(int=1), user=uuid.UUID(int=2), kind="edit", transform_type="soften", version="v1"
)


def pairs(number: int) -> list[PreferencePair]:
    return [PAIR.model_copy(update={"text": f"Message {i}.", "stars": None}) for i in range(number)]


def digest_of(
    folder: Path,
    *rows: Row,
    votes: tuple[uuid.UUID, ...] = (),
    sources: tuple[Source, ...] = (),
    shard_rows: int = shards.SHARD_ROWS,
) -> str:
    with Writer(folder, shard_rows) as writer:
        for row in rows:
            writer.add(row, votes)
        for source in sources:
            writer.add_source(source)
        return writer.close()


def rewrite(shard: Path, **columns: list[object]) -> None:
    """Put other values into columns of a shard; a column of None leaves."""
    table = parquet.read_table(shard)
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.remove_column(place) if not values else table.set_column(place, name, [values])
    metadata = parquet.read_metadata(shard).metadata or {}
    without_schema = {key: value for key, value in metadata.items() if key != b"ARROW:schema"}
    parquet.write_table(table.replace_schema_metadata(without_schema), shard)


@pytest.mark.parametrize("name", KINDS)
def test_the_schemas_have_the_fields_of_the_records(name: str) -> None:
    assert SCHEMAS[name].names == [*KINDS[name].model_fields, "votes"]
    assert SCHEMAS["sources"].names == [*Source.model_fields]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
abouts = {
    "text": texts,
    "transform_type": st.sampled_from(TransformType),
    "intensity": st.integers(0, 3),
    "split": st.sampled_from(["train", "validation"]),
}
any_row = st.one_of(
    st.builds(Demonstration, **abouts, rewrite=texts),
    st.builds(
        PreferencePair,
        **abouts,
        chosen=texts,
        rejected=texts,
        chosen_version=texts,
        rejected_version=texts,
        stars=st.none() | st.floats(0, 4, exclude_min=True),
    ),
    st.builds(Label, **abouts, rewrite=texts, good=st.booleans(), version=texts),
)


@settings(max_examples=50)
@given(st.lists(st.tuples(any_row, st.frozensets(st.uuids(), max_size=3)), max_size=8))
def test_rows_and_their_votes_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Row, frozenset[uuid.UUID]]]
) -> None:
    folder = tmp_path_factory.mktemp("rows") / "snapshot"
    with Writer(folder) as writer:
        for row, votes in rows:
            writer.add(row, votes)
    for name, kind in KINDS.items():
        of_kind = [(row, votes) for row, votes in rows if isinstance(row, kind)]
        assert list(shards.read_with_votes(folder, kind)) == of_kind
        assert list(shards.read(folder, kind)) == [row for row, _ in of_kind]
        assert writer.counts[name] == shards.count(folder)[name] == len(of_kind)
        assert writer.counts[f"{name}_validation"] == sum(row.split == "validation" for row, _ in of_kind)


def test_sources_come_back_and_are_counted(tmp_path: Path) -> None:
    other = SOURCE.model_copy(update={"feedback": uuid.UUID(int=3)})
    with Writer(tmp_path / "deep" / "one") as writer:
        writer.add_source(SOURCE)
        writer.add_source(other)
    assert list(shards.read_sources(tmp_path / "deep" / "one")) == [SOURCE, other]
    assert writer.counts["votes"] == 2


def test_sources_of_an_earlier_release_are_read_without_values(tmp_path: Path) -> None:
    valued = SOURCE.model_copy(update={"unit": 1, "value": 5, "first": True, "longer": False})
    digest = digest_of(tmp_path / "new", sources=(valued,))
    assert list(shards.read_sources(tmp_path / "new")) == [valued]
    assert shards.has_values(tmp_path / "new")
    assert digest_of(tmp_path / "same", sources=(valued.model_copy(update={"value": 4}),)) != digest
    absent: dict[str, list[object]] = {name: [] for name in ("unit", "value", "first", "longer")}
    rewrite(tmp_path / "new" / "sources" / "00000.parquet", **absent)
    assert list(shards.read_sources(tmp_path / "new")) == [SOURCE]
    assert not shards.has_values(tmp_path / "new")
    rewrite(tmp_path / "new" / "sources" / "00000.parquet", version=[])
    with pytest.raises(ValueError, match=r"sources/00000\.parquet: the columns are \["):
        next(shards.read_sources(tmp_path / "new"))


def test_rows_are_split_into_shards_and_row_groups(tmp_path: Path) -> None:
    folder = shards.write(tmp_path, pairs(24), shard_rows=10, group_rows=4)
    files = sorted((folder / "pairs").iterdir())
    assert [file.name for file in files] == ["00000.parquet", "00001.parquet", "00002.parquet"]
    of_shards = [parquet.ParquetFile(file).metadata for file in files]
    assert [of.num_rows for of in of_shards] == [10, 10, 4]
    assert [of.row_group(i).num_rows for of in of_shards[:1] for i in range(of.num_row_groups)] == [4, 4, 2]
    assert of_shards[0].row_group(0).column(0).compression == "ZSTD"
    assert list(shards.read(folder, PreferencePair)) == pairs(24)
    assert shards.count(folder) == {"demonstrations": 0, "pairs": 24, "labels": 0}
    assert digest_of(tmp_path / "other", *pairs(24)) == digest_of(tmp_path / "same", *pairs(24))


@pytest.mark.parametrize("number", [9, 10, 20])
def test_a_full_last_shard_is_not_followed_by_an_empty_one(tmp_path: Path, number: int) -> None:
    folder = shards.write(tmp_path, pairs(number), shard_rows=10)
    assert len(list((folder / "pairs").iterdir())) == -(-number // 10)


def test_only_a_row_group_is_held(tmp_path: Path) -> None:
    """What was added is on disk before the end, and what is read first does not wait for the last shard."""
    with Writer(tmp_path, shard_rows=10, group_rows=5) as writer:
        for row in pairs(32):
            writer.add(row)
        assert parquet.read_metadata(tmp_path / "pairs" / "00001.parquet").num_rows == 10
    (tmp_path / "pairs" / "00002.parquet").write_bytes(b"cut off")
    reading = shards.read(tmp_path, PreferencePair)
    assert [next(reading) for _ in range(20)] == pairs(20)
    with pytest.raises(ValueError, match=r"00002\.parquet: .*get all of its files"):
        next(reading)


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    shards.write(tmp_path, [])
    for name, schema in SCHEMAS.items():
        assert parquet.read_schema(tmp_path / name / "00000.parquet").equals(schema), name
    assert list(shards.read(tmp_path, Label)) == []


def test_the_digest_is_of_rows_votes_sources_and_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    other = PAIR.model_copy(update={"text": "Other."})
    folders = (tmp_path / str(number) for number in range(100))
    digest = digest_of(next(folders), PAIR, other, LABEL, votes=(first, second), sources=(SOURCE,))
    # A snapshot's name is in lineage and in tables: this one may not change.
    assert digest == "88e98e5c4d7f0d99dd773104dd2d8874"
    assert digest_of(next(folders), LABEL, PAIR, other, votes=(second, first), sources=(SOURCE,)) == digest
    different = {
        digest_of(next(folders), other, PAIR, LABEL, votes=(first, second), sources=(SOURCE,)),
        digest_of(next(folders), PAIR, LABEL, votes=(first, second), sources=(SOURCE,)),
        digest_of(next(folders), PAIR, other, LABEL, votes=(first,), sources=(SOURCE,)),
        digest_of(next(folders), PAIR, other, LABEL, votes=(first, second)),
    }
    assert len(different - {digest}) == 4
    # Neither the layout nor the writer's version is content.
    monkeypatch.setattr(parquet, "ParquetWriter", _older)
    rows, sources = (PAIR, other, LABEL), (SOURCE,)
    assert digest_of(next(folders), *rows, votes=(first, second), sources=sources, shard_rows=1) == digest


_writer = parquet.ParquetWriter


def _older(file: Path, schema: pa.Schema, compression: str) -> parquet.ParquetWriter:
    return _writer(file, schema, compression="snappy", version="1.0")


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    folder = shards.write(tmp_path, pairs(8), shard_rows=4)
    rewrite(folder / "pairs" / "00001.parquet", transform_type=["soften", "soften", "shout", "soften"])
    reading = shards.read(folder, PreferencePair, group_rows=2)
    assert [next(reading) for _ in range(6)] == pairs(6)
    with pytest.raises(
        ValueError, match=r"pairs/00001\.parquet: row 3: transform_type: Input should be 'soft"
    ):
        next(reading)


@pytest.mark.parametrize("column", ["text", "votes"])
def test_a_column_that_is_not_there_is_named(tmp_path: Path, column: str) -> None:
    folder = shards.write(tmp_path, [LABEL])
    rewrite(folder / "labels" / "00000.parquet", **{column: []})
    with pytest.raises(ValueError, match=r"labels/00000\.parquet: the columns are \["):
        next(shards.read(folder, Label))


def test_a_folder_of_jsonl_files_is_no_snapshot(tmp_path: Path) -> None:
    for name in (*KINDS, "sources"):
        (tmp_path / f"{name}.jsonl").write_text("")
    assert not shards.is_snapshot(tmp_path)
    for reading in (shards.read(tmp_path, Demonstration), shards.read_sources(tmp_path)):
        with pytest.raises(ValueError, match=r"has no shards.* make a new one with the flow `collect`"):
            next(reading)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_snapshot_has_all_files(tmp_path: Path, name: str) -> None:
    folder = shards.write(tmp_path, [DEMONSTRATION])
    assert shards.is_snapshot(folder)
    (folder / name / "00000.parquet").unlink()
    assert not shards.is_snapshot(folder)


@pytest.mark.parametrize(("lost", "expected"), [(0, "3"), (1, "3"), (2, "more")])
def test_a_lost_shard_is_missed(tmp_path: Path, lost: int, expected: str) -> None:
    folder = shards.write(tmp_path, pairs(6), shard_rows=2)
    assert shards.is_snapshot(folder)
    (folder / "pairs" / f"{lost:05}.parquet").unlink()
    assert not shards.is_snapshot(folder)
    for broken in (lambda: next(shards.read(folder, PreferencePair)), lambda: shards.count(folder)):
        with pytest.raises(ValueError, match=f"pairs has 2 shards of {expected}: get all of its files"):
            broken()


def test_a_writer_that_is_left_by_an_error_closes_its_files(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield from pairs(5)
        yield LABEL
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shards.write(tmp_path, rows(), group_rows=5)
    assert parquet.read_metadata(tmp_path / "pairs" / "00000.parquet").num_rows == 5
    assert not shards.is_snapshot(tmp_path), "what is unfinished is not taken for a snapshot"


def test_a_snapshot_is_not_written_into_another(tmp_path: Path) -> None:
    shards.write(tmp_path, [PAIR])
    with pytest.raises(FileExistsError):
        Writer(tmp_path)
    assert list(shards.read(tmp_path, PreferencePair)) == [PAIR]


def test_datasets_streams_the_rows(tmp_path: Path) -> None:
    vote = uuid.UUID(int=7)
    with Writer(tmp_path / "snapshot", shard_rows=2) as writer:
        for row in (*pairs(4), PAIR):
            writer.add(row, [vote])

    def stream(name: str) -> IterableDataset:
        files = str(tmp_path / "snapshot" / name / "*.parquet")
        return load_dataset(
            "parquet", data_files=files, split="train", streaming=True, cache_dir=str(tmp_path / "cache")
        )

    rows = list(stream("pairs"))
    assert {tuple(row.pop("votes")) for row in rows} == {(str(vote),)}
    assert [PreferencePair.model_validate(row) for row in rows] == [*pairs(4), PAIR]
    assert stream("labels").column_names == SCHEMAS["labels"].names
    assert list(stream("labels")) == []
