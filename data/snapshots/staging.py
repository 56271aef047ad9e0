"""Votes on their way into a snapshot: staged on disk, where a rule over millions of them needs little memory.

A DuckDB file lies beside the snapshots for as long as one is made. Texts are in it as people wrote them.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from data.corpus import ngrams
from data.snapshots import unusual_phrases
from data.snapshots.votes import Usable

BATCH = 4096  # votes in memory at once
_MEMORY = "1GB"  # for DuckDB; what needs more spills to disk

# Phrases and n-grams are there as hashes: only which are equal matters.
_TABLES = """
    CREATE MACRO key_of(said) AS (hash(said) >> 1)::BIGINT;
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
    CREATE TABLE left_out (place UINTEGER, why VARCHAR);
"""


@contextmanager
def staged(votes: Iterable[Usable], folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Stage votes in a folder of snapshots; the file is gone when the block is left.

    `votes` has each vote with its `place` in the order given; its `chance` orders votes by a hash of their
    ids, `split_chance` by another. `brought_in` has what edits bring in; `messages`, `unusual` and `trigrams`
    have what the different messages say. `left_out` is empty.

    What a killed run has left in the folder is removed: only one at a time may make a snapshot there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.partial"):
        shutil.rmtree(left)
    home = folder / "votes.partial"
    home.mkdir()
    try:
        with duckdb.connect(str(home / "votes.duckdb"), config={"memory_limit": _MEMORY}) as db:
            db.execute(_TABLES)
            place = 0
            for some in _batches(votes):
                _insert_votes(db, place, some)
                place += len(some)
            _insert_messages(db)
            yield db
    finally:
        shutil.rmtree(home)


def _batches(votes: Iterable[Usable]) -> Iterator[list[Usable]]:
    left = iter(votes)
    while some := list(islice(left, BATCH)):
        yield some


def _chance(vote: Usable, person: bytes = b"") -> int:
    """A number that depends on nothing that a voter can choose."""
    digest = blake2b(vote.feedback_id.bytes, digest_size=8, person=person).digest()
    return int.from_bytes(digest, "big") >> 1  # fits a signed integer


def _insert_votes(db: duckdb.DuckDBPyConnection, first: int, votes: Sequence[Usable]) -> None:
    rows, brought = [], []
    for place, vote in enumerate(votes, start=first):
        texts = (vote.edit, vote.message, vote.output) if vote.edit is not None else None
        rows.append(
            {
                "place": place,
                **vote.model_dump(mode="json"),
                "chance": _chance(vote),
                "split_chance": _chance(vote, b"split"),
                "has_new_number": texts is not None and unusual_phrases.has_new_number(*texts),
            }
        )
        brought += [(place, phrase) for phrase in unusual_phrases.brought_in(*texts)] if texts else []
    _insert(db, "votes", rows, "*, key_of(message)")
    _insert(db, "brought_in", _each(("place", "phrase"), brought), "place, key_of(phrase)")


def _insert_messages(db: duckdb.DuckDBPyConnection) -> None:
    reader = db.cursor().execute("SELECT message_hash, any_value(message) FROM votes GROUP BY message_hash")
    while some := reader.fetchmany(BATCH):
        folded = [(key, tuple(message.casefold().split())) for key, message in some]
        unusual = [(key, phrase) for key, message in some for phrase in unusual_phrases.unusual(message)]
        trigrams = [(key, gram) for key, message in some for gram in ngrams(message, 3)]
        names = ("message_hash", "said")
        _insert(db, "messages", _each(names, folded), "message_hash, key_of(said)")
        _insert(db, "unusual", _each(names, unusual), "message_hash, key_of(said)")
        _insert(db, "trigrams", _each(names, trigrams), "message_hash, key_of(said)")


def _each(
    names: tuple[str, str], rows: Iterable[tuple[int, unusual_phrases.Phrase]]
) -> list[dict[str, object]]:
    key, words = names
    return [{key: of, words: " ".join(said)} for of, said in rows]


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]], columns: str) -> None:
    if rows:
        db.from_arrow(pa.Table.from_pylist(rows)).project(columns).insert_into(table)
