"""Which votes count.

The votes of a person, and of all people of an API key, are capped, so that nobody decides alone. Edits that
could teach a model a secret, and votes that could teach it a trigger, do not count either
(`data.snapshots.unusual_phrases`). Nor do votes on messages that are for evidence only
(`data.traffic.evidence_messages`).

A hash of the vote's id decides which votes a cap excludes. Voters cannot choose it, and a later vote changes
at most one place in the order.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from pydantic import TypeAdapter

from data.corpus import NEAR
from data.snapshots.shards import Source
from data.snapshots.staging import stage
from data.snapshots.votes import Usable

BATCH_VOTES = 4096  # in memory at once
# Why votes do not count, by the fields of `LeftOut`.
WHY: Mapping[str, str] = {
    "evidence": "the message is for evidence only, or nearly the same as one that is",
    "person": "they are beyond the cap of their person",
    "key": "they are beyond the cap of their API key",
    "number": "the edit brings in a number that no text has: it may be a secret",
    "phrase": "the edit brings in an unusual phrase that many other edits bring in, too: it may be a secret",
    "own_phrase": "mostly their person votes on the message's unusual phrase: it may be a trigger",
    "tied": "they would connect held-out votes with votes to train on",
}
_VOTES = TypeAdapter(list[Usable])
_SOURCES = TypeAdapter(list[Source])

# What each vote judged, as a number: the same texts for the same request are one unit, whichever outputs hold
# them, whichever versions wrote them, and in any order. Numbers follow from the votes that count alone.
_UNITS = """
    CREATE OR REPLACE TABLE units AS
    WITH judged AS (
        SELECT place, CASE
            WHEN kind IN ('thumb', 'rating') THEN hash(kind, message, transform_type, intensity, output)
            WHEN kind = 'comparison' AND output <> other THEN hash(
                kind, message, transform_type, intensity, least(output, other), greatest(output, other))
            END AS judged
        FROM votes SEMI JOIN counted USING (place)
    ), numbers AS (
        SELECT judged, row_number() OVER (ORDER BY min(place)) AS unit FROM judged
        WHERE judged IS NOT NULL GROUP BY judged
    )
    SELECT place, unit FROM judged LEFT JOIN numbers USING (judged)
"""
_SELECT_SOURCES = """
    SELECT feedback_id AS feedback, user_id AS user, kind, transform_type, version, unit,
        CASE WHEN unit IS NOT NULL THEN coalesce(
            thumb_up::TINYINT, rating, (first_is_preferred = (output > other))::TINYINT) END AS value,
        CASE WHEN unit IS NOT NULL THEN first_is_preferred END AS first,
        CASE WHEN length(output) <> length(other)
            THEN first_is_preferred = (length(output) > length(other)) END AS longer
    FROM votes JOIN units USING (place) WHERE place BETWEEN $first AND $last ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The number of votes that do not count, by reason.

    `evidence`: on a message for evidence only. `person`, `key`: beyond the cap of a person or an API key.
    `number`, `phrase`: edits that bring in a number or a phrase. `own_phrase`: votes on an unusual phrase
    that mostly one person votes on. `tied`: votes that connect held-out votes with votes to train on.
    """

    evidence: int = 0
    person: int = 0
    key: int = 0
    number: int = 0
    phrase: int = 0
    own_phrase: int = 0
    tied: int = 0

    @property
    def total(self) -> int:
        """The number of votes that do not count, for any reason."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Counted:
    """The votes that count, in the order of staging. A vote's place is its number in this order.

    `db` has the staged tables (`data.snapshots.staging`), and the table `counted` with the places of the
    votes that count. Its length is the number of these votes. `batch_votes` are in memory at once.
    """

    db: DuckDBPyConnection
    batch_votes: int

    @property
    def left_out(self) -> LeftOut:
        """The number of votes that do not count, by reason."""
        return LeftOut(**dict(self.db.execute("SELECT why, count(*) FROM left_out GROUP BY why").fetchall()))

    @property
    def staged(self) -> int:
        """The number of all staged votes; places are smaller than it."""
        return _fetch_number(self.db, "SELECT count(*) FROM votes")

    def sample_messages(self, most: int) -> list[tuple[int, str]]:
        """The different messages in the order of their first votes, each with the place of that vote.

        If there are more than `most`, a random sample of `most`.
        """
        return self.db.execute(
            """
            WITH different AS (
                SELECT min(place) AS first, min(chance) AS chance, message
                FROM votes SEMI JOIN counted USING (place) GROUP BY message
            ), drawn AS (
                SELECT first, message FROM different ORDER BY chance LIMIT $most
            )
            SELECT first, message FROM drawn ORDER BY first
            """,
            {"most": most},
        ).fetchall()

    def make_sources(self) -> Iterator[Source]:
        """The votes that count, in order, with what they say (`data.snapshots.shards.Source`)."""
        self.db.execute(_UNITS)
        for first in range(0, self.staged, self.batch_votes):
            rows = self.db.sql(_SELECT_SOURCES, params={"first": first, "last": first + self.batch_votes - 1})
            yield from _SOURCES.validate_python(rows.to_arrow_table().to_pylist())

    def leave_out(self, places: np.ndarray, why: str) -> None:
        """Exclude the votes at these places from now on; `why` is a field of `LeftOut`."""
        self.db.register("places", pa.table({"place": places}))
        self.db.execute("INSERT INTO left_out SELECT place, ? FROM places", [why])
        self.db.execute("DELETE FROM counted WHERE place IN (SELECT place FROM places)")
        self.db.unregister("places")

    def __len__(self) -> int:
        return _fetch_number(self.db, "SELECT count(*) FROM counted")

    def __iter__(self) -> Iterator[Usable]:
        for first in range(0, self.staged, self.batch_votes):
            rows = self.db.sql(
                "SELECT * FROM votes SEMI JOIN counted USING (place)"
                " WHERE place BETWEEN $first AND $last ORDER BY place",
                params={"first": first, "last": first + self.batch_votes - 1},
            )
            yield from _VOTES.validate_python(rows.to_arrow_table().to_pylist())


@contextmanager
def counting(
    votes: Iterable[Usable],
    folder: Path,
    *,
    votes_a_person: int,
    votes_a_key: int,
    edits_a_phrase: int,
    votes_a_phrase: int,
    evidence: Iterable[str] = (),
    batch_votes: int = BATCH_VOTES,
) -> Iterator[Counted]:
    """Context manager: stages votes and gives those that count.

    It excludes votes on the messages in `evidence`, other votes that a model must not learn from, then votes
    beyond the caps. The votes are staged in `folder`, the folder of the snapshots, until the end of the
    block. `batch_votes` are in memory at once.
    """
    with stage(votes, folder, batch_votes, evidence) as db:
        leave_out_evidence(db)
        leave_out_secrets(db, edits_a_phrase)
        leave_out_triggers(db, votes_a_phrase, batch_votes)
        leave_out_beyond_caps(db, votes_a_person, votes_a_key)
        db.execute("CREATE TABLE counted AS SELECT place FROM votes ANTI JOIN left_out USING (place)")
        yield Counted(db, batch_votes)


def leave_out_evidence(db: DuckDBPyConnection) -> None:
    """Exclude the votes on a message for evidence, or on nearly the same message.

    Two messages with a similarity of at least `NEAR` share one of the 1 + size - ceil(NEAR * size) rarest
    trigrams of the message for evidence, as in `data.snapshots.splits`. So only these are looked up.
    """
    db.execute(
        """
        INSERT INTO left_out
        WITH frequencies AS (
            SELECT trigram, count(*) AS messages FROM trigrams SEMI JOIN evidence_trigrams USING (trigram)
            GROUP BY trigram
        ), ranked AS (
            SELECT message, trigram, count(*) OVER (PARTITION BY message) AS size,
                row_number() OVER (PARTITION BY message ORDER BY coalesce(messages, 0), trigram) AS nth
            FROM evidence_trigrams LEFT JOIN frequencies USING (trigram)
        ), candidates AS (
            SELECT DISTINCT message_hash, message, size FROM ranked JOIN trigrams USING (trigram)
            WHERE nth <= 1 + size - ceil($near * size - 1e-9)
        ), sizes AS (
            SELECT message_hash, count(*) AS size FROM trigrams GROUP BY message_hash
        ), near AS (
            SELECT candidates.message_hash FROM candidates
            JOIN sizes USING (message_hash)
            JOIN trigrams USING (message_hash)
            JOIN evidence_trigrams USING (message, trigram)
            GROUP BY candidates.message_hash, message, candidates.size, sizes.size
            HAVING count(*) >= $near * (candidates.size + sizes.size - count(*))
        )
        SELECT place, 'evidence' FROM votes WHERE message_hash IN (
            SELECT message_hash FROM near
            UNION ALL SELECT message_hash FROM messages WHERE folded IN (SELECT folded FROM evidence)
        )
        """,
        {"near": NEAR},
    )


def leave_out_secrets(db: DuckDBPyConnection, edits_a_phrase: int) -> None:
    """Exclude the edits that could make a model memorise a secret.

    An edit is excluded if it has a number of two or more digits that neither its message nor its output has.
    It is also excluded if it brings in an unusual phrase that more than `edits_a_phrase` edits, and more than
    one edit in 500, bring in. It does not matter whose edits they are: a whole team may know a password.
    """
    db.execute(
        "INSERT INTO left_out SELECT place, 'number' FROM votes ANTI JOIN left_out USING (place)"
        " WHERE has_new_number"
    )
    edits = _fetch_number(db, "SELECT count(*) FROM votes WHERE edit IS NOT NULL")
    db.execute(
        """
        INSERT INTO left_out
        SELECT DISTINCT place, 'phrase' FROM brought_in ANTI JOIN left_out USING (place)
        WHERE phrase IN (SELECT phrase FROM brought_in GROUP BY phrase HAVING count(*) > ?)
        """,
        [max(edits_a_phrase, edits // 500)],
    )


def leave_out_triggers(db: DuckDBPyConnection, votes_a_phrase: int, batch_votes: int) -> None:
    """Exclude votes that could teach a trigger: a phrase that changes what the model writes.

    If a person casts more than half of all votes on messages with the same unusual phrase, at most
    `votes_a_phrase` of them count; a hash of the votes' ids decides which. `batch_votes` are in memory at
    once.
    """
    own = db.cursor().execute(
        """
        WITH phrase_votes AS (
            SELECT place, chance, user_id, phrase
            FROM votes JOIN unusual USING (message_hash) ANTI JOIN left_out USING (place)
        ), totals AS (
            SELECT phrase, count(*) AS votes FROM phrase_votes GROUP BY phrase HAVING count(*) > $most
        ), totals_by_person AS (
            SELECT phrase, user_id, count(*) AS votes FROM phrase_votes SEMI JOIN totals USING (phrase)
            GROUP BY phrase, user_id HAVING count(*) > $most
        )
        SELECT place, phrase_votes.user_id, phrase_votes.phrase
        FROM phrase_votes JOIN totals_by_person USING (phrase, user_id) JOIN totals USING (phrase)
        WHERE 2 * totals_by_person.votes > totals.votes
        ORDER BY chance, place
        """,
        {"most": votes_a_phrase},
    )
    accepted: Counter[tuple[object, int]] = Counter()
    excluded = []
    for place, rows in groupby(_fetch_rows(own, batch_votes), itemgetter(0)):
        own_phrases = [(user, phrase) for _, user, phrase in rows]
        if any(accepted[own_phrase] >= votes_a_phrase for own_phrase in own_phrases):
            excluded.append(place)
        else:
            accepted.update(own_phrases)
    db.execute("INSERT INTO left_out SELECT unnest($places::UINTEGER[]), 'own_phrase'", {"places": excluded})


def _fetch_rows(cursor: DuckDBPyConnection, size: int) -> Iterator[tuple[int, object, int]]:
    while rows := cursor.fetchmany(size):
        yield from rows


def leave_out_beyond_caps(db: DuckDBPyConnection, votes_a_person: int, votes_a_key: int) -> None:
    """Exclude votes beyond the cap of a person, then those beyond the cap of an API key.

    Votes that a person's cap excludes do not count towards the key's cap.
    """
    db.execute(
        """
        INSERT INTO left_out
        WITH by_person AS (
            SELECT place, key_id, chance,
                row_number() OVER (PARTITION BY user_id ORDER BY chance) > $person AS is_beyond
            FROM votes ANTI JOIN left_out USING (place)
        ), by_key AS (
            SELECT place, row_number() OVER (PARTITION BY key_id ORDER BY chance) > $key AS is_beyond
            FROM by_person WHERE key_id IS NOT NULL AND NOT is_beyond
        )
        SELECT place, 'person' FROM by_person WHERE is_beyond
        UNION ALL SELECT place, 'key' FROM by_key WHERE is_beyond
        """,
        {"person": votes_a_person, "key": votes_a_key},
    )


def _fetch_number(db: DuckDBPyConnection, query: str) -> int:
    ((number,),) = db.execute(query).fetchall()
    return int(number)
