"""Stages votes in a DuckDB file while a snapshot is made: rules over millions of them need little memory.

The file is in the folder of the snapshots until the snapshot is finished. Its texts are not redacted.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from data.corpus import ngrams
from data.snapshots import teachers, unusual_phrases
from data.snapshots.votes import Usable

T = TypeVar("T")

_MEMORY = "1GB"  # DuckDB's limit; beyond it, DuckDB uses the disk

# Phrases and n-grams are stored as hashes, because they are only compared.
_TABLES = """
    CREATE MACRO key_of(words) AS (hash(words) >> 1)::BIGINT;
    CREATE TABLE votes (
        place UINTEGER, feedback_id UUID, user_id UUID, key_id VARCHAR, kind VARCHAR, thumb_up BOOLEAN,
        rating UTINYINT, edit VARCHAR, output_id UUID, message VARCHAR, transform_type VARCHAR,
        intensity UTINYINT, output VARCHAR, version VARCHAR, other_id UUID, other VARCHAR,
        other_version VARCHAR, first_is_preferred BOOLEAN,
        chance BIGINT, split_chance BIGINT, has_new_number BOOLEAN, message_hash BIGINT
    );
    CREATE TABLE brought_in (place UINTEGER, phrase BIGINT);
    CREATE TABLE messages (message_hash BIGINT, folded BIGINT);
    CREATE TABLE unusual (message_hash BIGINT, phrase BIGINT);
    CREATE TABLE trigrams (message_hash BIGINT, trigram BIGINT);
    CREATE TABLE evidence (message UINTEGER, folded BIGINT);
    CREATE TABLE evidence_trigrams (message UINTEGER, trigram BIGINT);
    CREATE TABLE left_out (place UINTEGER, why VARCHAR);
"""


@contextmanager
def stage(
    votes: Iterable[Usable], folder: Path, batch_votes: int, evidence: Iterable[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Context manager: stages votes in a folder of snapshots and removes the file at the end of the block.

    Table `votes` has each vote with its `place` in the order given. `chance` and `split_chance` are two
    different hashes of its id, which order votes randomly. `brought_in` has the unusual phrases that edits
    bring in. `messages`, `unusual` and `trigrams` have the words, unusual phrases and word trigrams of the
    different messages, `evidence` and `evidence_trigrams` the words and word trigrams of the messages in
    `evidence`. `left_out` is empty.

    `batch_votes` are in memory at once. It also removes what a killed run left in the folder, so only one
    process may make a snapshot there. It does not touch what a teacher has not finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob("*.partial"):
        if unfinished.name not in teachers.UNFINISHED:
            shutil.rmtree(unfinished)
    partial = folder / "votes.partial"
    partial.mkdir()
    try:
        with duckdb.connect(str(partial / "votes.duckdb"), config={"memory_limit": _MEMORY}) as db:
            db.execute(_TABLES)
            place = 0
            for batch in _split_into_batches(votes, batch_votes):
                _insert_votes(db, place, batch)
                place += len(batch)
            _insert_messages(db, batch_votes)
            _insert_evidence(db, evidence, batch_votes)
            yield db
    finally:
        shutil.rmtree(partial)


def _split_into_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _draw(vote: Usable, person: bytes = b"") -> int:
    """A pseudo-random number of 63 bits that a voter cannot choose: a hash of the vote's id."""
    digest = blake2b(vote.feedback_id.bytes, digest_size=8, person=person).digest()
    return int.from_bytes(digest, "big") >> 1  # fits a signed integer


def _insert_votes(db: duckdb.DuckDBPyConnection, first: int, votes: Sequence[Usable]) -> None:
    rows, brought_in = [], []
    for place, vote in enumerate(votes, start=first):
        texts = (vote.edit, vote.message, vote.output) if vote.edit is not None else None
        rows.append(
            {
                "place": place,
                **vote.model_dump(mode="json"),
                "chance": _draw(vote),
                "split_chance": _draw(vote, b"split"),
                "has_new_number": texts is not None and unusual_phrases.has_new_number(*texts),
            }
        )
        phrases = unusual_phrases.find_brought_in(*texts) if texts else ()
        brought_in += [(place, phrase) for phrase in phrases]
    _insert(db, "votes", rows, "*, key_of(message)")
    _insert(db, "brought_in", _make_rows(("place", "phrase"), brought_in), "place, key_of(phrase)")


def _insert_messages(db: duckdb.DuckDBPyConnection, size: int) -> None:
    reader = db.cursor().execute("SELECT message_hash, any_value(message) FROM votes GROUP BY message_hash")
    while batch := reader.fetchmany(size):
        folded = [(key, tuple(message.casefold().split())) for key, message in batch]
        unusual = [(key, phrase) for key, text in batch for phrase in unusual_phrases.find_unusual(text)]
        trigrams = [(key, gram) for key, message in batch for gram in ngrams(message, 3)]
        columns = ("message_hash", "words")
        _insert(db, "messages", _make_rows(columns, folded), "message_hash, key_of(words)")
        _insert(db, "unusual", _make_rows(columns, unusual), "message_hash, key_of(words)")
        _insert(db, "trigrams", _make_rows(columns, trigrams), "message_hash, key_of(words)")


def _insert_evidence(db: duckdb.DuckDBPyConnection, messages: Iterable[str], size: int) -> None:
    for batch in _split_into_batches(enumerate(messages), size):
        folded = [(number, tuple(message.casefold().split())) for number, message in batch]
        trigrams = [(number, gram) for number, message in batch for gram in ngrams(message, 3)]
        columns = ("message", "words")
        _insert(db, "evidence", _make_rows(columns, folded), "message, key_of(words)")
        _insert(db, "evidence_trigrams", _make_rows(columns, trigrams), "message, key_of(words)")


def _make_rows(
    columns: tuple[str, str], pairs: Iterable[tuple[int, unusual_phrases.Phrase]]
) -> list[dict[str, object]]:
    number_column, words_column = columns
    return [{number_column: number, words_column: " ".join(words)} for number, words in pairs]


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]], columns: str) -> None:
    if rows:
        db.from_arrow(pa.Table.from_pylist(rows)).project(columns).insert_into(table)
