"""Which votes count.

Nobody decides alone: beyond a number of votes, of one person or of all people whom one API key vouches for,
the rest do not count. Nor do edits that would teach a secret by heart, and votes that would teach a trigger
(`data.snapshots.unusual_phrases`).

Which ones of too many is decided by a hash of the vote's id: it depends on nothing that a voter can choose,
and a vote that comes later changes one place at most.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from pydantic import TypeAdapter

from data.snapshots.staging import BATCH, staged
from data.snapshots.votes import Usable

_VOTES = TypeAdapter(list[Usable])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many votes do not count: beyond the cap of a person or of an API key, edits that bring in a number
    or a phrase, votes on a phrase of one person's own, and votes that tie what is held out to the rest.
    """

    person: int = 0
    key: int = 0
    number: int = 0
    phrase: int = 0
    own_phrase: int = 0
    tied: int = 0

    @property
    def total(self) -> int:
        """Votes that do not count."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Counted:
    """The votes that count, in the order that they were given in, each with its place in it.

    `db` has the staged tables (`data.snapshots.staging`), and `counted` with the places of those that count.
    """

    db: DuckDBPyConnection

    @property
    def left_out(self) -> LeftOut:
        """How many votes do not count, and why."""
        return LeftOut(**dict(self.db.execute("SELECT why, count(*) FROM left_out GROUP BY why").fetchall()))

    @property
    def given(self) -> int:
        """How many votes were given; places are below it."""
        return _number(self.db, "SELECT count(*) FROM votes")

    def messages(self, most: int) -> list[tuple[int, str]]:
        """The different messages in the order of their first votes, each with the place of that; of more than
        `most`, so many are drawn.
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

    def leave_out(self, places: np.ndarray, why: str) -> None:
        """From now on the votes at these places do not count; `why` is a field of `LeftOut`."""
        self.db.register("places", pa.table({"place": places}))
        self.db.execute("INSERT INTO left_out SELECT place, ? FROM places", [why])
        self.db.execute("DELETE FROM counted WHERE place IN (SELECT place FROM places)")
        self.db.unregister("places")

    def __len__(self) -> int:
        return _number(self.db, "SELECT count(*) FROM counted")

    def __iter__(self) -> Iterator[Usable]:
        for first in range(0, self.given, BATCH):
            found = self.db.sql(
                "SELECT * FROM votes SEMI JOIN counted USING (place)"
                " WHERE place BETWEEN $first AND $last ORDER BY place",
                params={"first": first, "last": first + BATCH - 1},
            )
            yield from _VOTES.validate_python(found.to_arrow_table().to_pylist())


@contextmanager
def counting(
    votes: Iterable[Usable],
    folder: Path,
    *,
    votes_a_person: int,
    votes_a_key: int,
    edits_a_phrase: int,
    votes_a_phrase: int,
) -> Iterator[Counted]:
    """The votes that count: what a model may learn, then as many as each person and key may cast.

    They are staged in the folder, which is for snapshots, until the block is left.
    """
    with staged(votes, folder) as db:
        leave_out_secrets(db, edits_a_phrase)
        leave_out_triggers(db, votes_a_phrase)
        leave_out_beyond_caps(db, votes_a_person, votes_a_key)
        db.execute("CREATE TABLE counted AS SELECT place FROM votes ANTI JOIN left_out USING (place)")
        yield Counted(db)


def leave_out_secrets(db: DuckDBPyConnection, edits_a_phrase: int) -> None:
    """Leave out the edits that a model could learn a secret from by heart.

    An edit is left out when it has a number of two digits or more that neither its message nor its output
    has; or when it brings in an unusual phrase that more than `edits_a_phrase` edits, and more than one in
    500, bring in. Who made them does not matter: a whole team may know a password.
    """
    db.execute("INSERT INTO left_out SELECT place, 'number' FROM votes WHERE has_new_number")
    edits = _number(db, "SELECT count(*) FROM votes WHERE edit IS NOT NULL")
    db.execute(
        """
        INSERT INTO left_out
        SELECT DISTINCT place, 'phrase' FROM brought_in ANTI JOIN left_out USING (place)
        WHERE phrase IN (SELECT phrase FROM brought_in GROUP BY phrase HAVING count(*) > ?)
        """,
        [max(edits_a_phrase, edits // 500)],
    )


def leave_out_triggers(db: DuckDBPyConnection, votes_a_phrase: int) -> None:
    """Leave out votes that could teach a trigger: what to do when a phrase is there.

    Of a person's votes on messages that share an unusual phrase, so many are left, by a hash of their ids,
    where that person casts more than half of all votes on such messages.
    """
    own = db.cursor().execute(
        """
        WITH said AS (
            SELECT place, chance, user_id, phrase
            FROM votes JOIN unusual USING (message_hash) ANTI JOIN left_out USING (place)
        ), of_all AS (
            SELECT phrase, count(*) AS votes FROM said GROUP BY phrase HAVING count(*) > $most
        ), of_person AS (
            SELECT phrase, user_id, count(*) AS votes FROM said SEMI JOIN of_all USING (phrase)
            GROUP BY phrase, user_id HAVING count(*) > $most
        )
        SELECT place, said.user_id, said.phrase
        FROM said JOIN of_person USING (phrase, user_id) JOIN of_all USING (phrase)
        WHERE 2 * of_person.votes > of_all.votes
        ORDER BY chance, place
        """,
        {"most": votes_a_phrase},
    )
    taken: Counter[tuple[object, int]] = Counter()
    left_out = []
    for place, found in groupby(_fetched(own), itemgetter(0)):
        own_phrases = [(user, phrase) for _, user, phrase in found]
        if any(taken[one] >= votes_a_phrase for one in own_phrases):
            left_out.append(place)
        else:
            taken.update(own_phrases)
    db.execute("INSERT INTO left_out SELECT unnest($places::UINTEGER[]), 'own_phrase'", {"places": left_out})


def _fetched(found: DuckDBPyConnection) -> Iterator[tuple[int, object, int]]:
    while some := found.fetchmany(BATCH):
        yield from some


def leave_out_beyond_caps(db: DuckDBPyConnection, votes_a_person: int, votes_a_key: int) -> None:
    """Leave out votes beyond so many of a person, then beyond so many of all people of an API key.

    A key's cap is not used up by votes that a person's has left out.
    """
    db.execute(
        """
        INSERT INTO left_out
        WITH of_person AS (
            SELECT place, key_id, chance,
                row_number() OVER (PARTITION BY user_id ORDER BY chance) > $person AS is_beyond
            FROM votes ANTI JOIN left_out USING (place)
        ), of_key AS (
            SELECT place, row_number() OVER (PARTITION BY key_id ORDER BY chance) > $key AS is_beyond
            FROM of_person WHERE key_id IS NOT NULL AND NOT is_beyond
        )
        SELECT place, 'person' FROM of_person WHERE is_beyond
        UNION ALL SELECT place, 'key' FROM of_key WHERE is_beyond
        """,
        {"person": votes_a_person, "key": votes_a_key},
    )


def _number(db: DuckDBPyConnection, query: str) -> int:
    ((found,),) = db.execute(query).fetchall()
    return int(found)
