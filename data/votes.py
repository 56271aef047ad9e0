"""Votes that may be learned from, and which of them count.

Usable is a vote of a person who consents, in an organisation in scope. Order is by transaction, not by time:
a vote is usable when every transaction as old as its own has ended, so that no late commit is ever skipped.

Nobody decides alone: beyond a number of votes, of one person or of all people whom one API key vouches for,
the rest do not count. Nor do edits that would teach a secret by heart, and votes that would teach a trigger
(`data.phrases`).
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, text

from data import phrases
from data.records import Intensity, TransformType


class Usable(BaseModel):
    """One vote with what it is about: consent given, the organisation in scope, the transaction ended."""

    model_config = ConfigDict(frozen=True)

    feedback_id: uuid.UUID
    user_id: uuid.UUID
    key_id: str | None  # the API key that vouches for the person; None: a token does
    kind: str
    thumb_up: bool | None
    rating: int | None
    edit: str | None
    output_id: uuid.UUID
    message: str
    transform_type: TransformType
    intensity: Intensity
    output: str
    version: str
    other_id: uuid.UUID | None
    other: str | None
    other_version: str | None
    first_is_preferred: bool | None


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes that count, and how many do not: beyond the cap of a person or of an API key, edits that
    bring in a number or a phrase (`learnable`), and those on a phrase of one person's own (`untriggered`).
    """

    counted: list[Usable]
    beyond_person: int = 0
    beyond_key: int = 0
    new_numbers: int = 0
    new_phrases: int = 0
    own_phrases: int = 0

    @property
    def left_out(self) -> int:
        """Votes that do not count."""
        caps = self.beyond_person + self.beyond_key
        return caps + self.new_numbers + self.new_phrases + self.own_phrases

    def uncounted(self) -> dict[str, int]:
        """How many votes do not count, in all and for being what a model must not learn."""
        return {
            "votes_left_out": self.left_out,
            "edits_with_new_numbers": self.new_numbers,
            "edits_with_new_phrases": self.new_phrases,
            "votes_on_own_phrases": self.own_phrases,
        }


# What a stage can learn from; a comparison that chose neither and a comment teach nothing yet.
_USABLE = """
    FROM feedback f
    JOIN organisations g ON g.id = f.organisation_id AND (g.id = :organisation OR g.trains_across)
    JOIN users u ON u.id = f.user_id AND coalesce(u.consents_to_training, g.trains_by_default)
    JOIN outputs o ON o.id = f.output_id
    LEFT JOIN comparisons c ON c.id = f.comparison_id
    LEFT JOIN outputs o2 ON o2.id = c.second_output_id
    WHERE f.transaction < (:high_water)::text::xid8
      AND (f.kind IN ('thumb', 'rating', 'edit')
           OR (f.kind = 'comparison' AND f.preferred_output_id IS NOT NULL))
"""
_COLUMNS = """
    f.id AS feedback_id, f.user_id, u.key_id, f.kind, f.thumb_up, f.rating,
    CASE WHEN f.kind = 'edit' THEN f.text END AS edit,
    o.id AS output_id, o.message, o.transform_type, o.intensity, o.text AS output, o.version,
    o2.id AS other_id, o2.text AS other, o2.version AS other_version,
    f.preferred_output_id = o.id AS first_is_preferred
"""


def high_water(connection: Connection) -> int:
    """The transaction id below which nothing can appear any more."""
    return int(connection.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one())


def count_new(connection: Connection, organisation_id: uuid.UUID, since: int) -> int:
    """Usable votes cast or changed since an earlier high-water mark."""
    query = text(f"SELECT count(*) {_USABLE} AND f.transaction >= (:since)::text::xid8")
    marks = {"organisation": organisation_id, "high_water": high_water(connection), "since": since}
    return int(connection.execute(query, marks).scalar_one())


def fetch(connection: Connection, organisation_id: uuid.UUID, until: int) -> list[Usable]:
    """All usable votes below a high-water mark, in a fixed order."""
    query = text(f"SELECT {_COLUMNS} {_USABLE} ORDER BY f.id")
    rows = connection.execute(query, {"organisation": organisation_id, "high_water": until}).mappings()
    return [Usable.model_validate(dict(row)) for row in rows]


def learnable(rows: Sequence[Usable], edits_a_phrase: int) -> Votes:
    """The votes without the edits that a model could learn a secret from by heart.

    An edit is left out when it has a number of two digits or more that neither its message nor its output
    has; or when it brings in an unusual phrase that more than `edits_a_phrase` edits, and more than one in
    500, bring in. Who made them does not matter: a whole team may know a password.
    """
    edits = {row.feedback_id: (row.edit, row.message, row.output) for row in rows if row.edit is not None}
    brought = {name: phrases.brought_in(*texts) for name, texts in edits.items()}
    repeated = phrases.repeated(brought.values(), max(edits_a_phrase, len(edits) // 500))
    new_numbers = {name for name, texts in edits.items() if phrases.has_new_number(*texts)}
    new_phrases = {name for name, found in brought.items() if found & repeated} - new_numbers
    kept = [row for row in rows if row.feedback_id not in new_numbers | new_phrases]
    return Votes(kept, new_numbers=len(new_numbers), new_phrases=len(new_phrases))


def untriggered(rows: Sequence[Usable], votes_a_phrase: int) -> list[Usable]:
    """The votes without those that could teach a trigger, in their order: what to do when a phrase is there.

    Of a person's votes on messages that share an unusual phrase, so many are left, by a hash of their ids,
    where that person casts more than half of all votes on such messages.
    """
    said = {message: phrases.unusual(message) for message in {row.message for row in rows}}
    of_all = Counter(phrase for row in rows for phrase in said[row.message])
    of_person = Counter((row.user_id, phrase) for row in rows for phrase in said[row.message])
    taken: Counter[tuple[uuid.UUID, phrases.Phrase]] = Counter()
    left_out: set[uuid.UUID] = set()
    for row in _by_chance(rows):
        own = [(row.user_id, phrase) for phrase in said[row.message]]
        own = [one for one in own if 2 * of_person[one] > of_all[one[1]]]
        if any(taken[one] >= votes_a_phrase for one in own):
            left_out.add(row.feedback_id)
        else:
            taken.update(own)
    return [row for row in rows if row.feedback_id not in left_out]


def _by_chance(rows: Sequence[Usable]) -> list[Usable]:
    return sorted(rows, key=lambda row: blake2b(row.feedback_id.bytes, digest_size=8).digest())


def counting(
    rows: Sequence[Usable],
    *,
    votes_a_person: int,
    votes_a_key: int,
    edits_a_phrase: int,
    votes_a_phrase: int,
) -> Votes:
    """The votes that count: what a model may learn, then as many as each person and key may cast."""
    fit = learnable(rows, edits_a_phrase)
    free = untriggered(fit.counted, votes_a_phrase)
    return replace(
        capped(free, votes_a_person, votes_a_key),
        new_numbers=fit.new_numbers,
        new_phrases=fit.new_phrases,
        own_phrases=len(fit.counted) - len(free),
    )


def capped(rows: Sequence[Usable], votes_a_person: int, votes_a_key: int) -> Votes:
    """The votes that count, in their order: so many of a person, then so many of all people of an API key.

    Which ones is decided by a hash of the vote's id: it depends on nothing that a voter can choose, and a
    vote that comes later changes one place at most. A key's cap is not used up by votes that a person's has
    left out.
    """
    of_person: Counter[uuid.UUID] = Counter()
    of_key: Counter[str] = Counter()
    kept: set[uuid.UUID] = set()
    beyond_person = beyond_key = 0
    for row in _by_chance(rows):
        of_person[row.user_id] += 1
        if of_person[row.user_id] > votes_a_person:
            beyond_person += 1
            continue
        if row.key_id is not None:
            of_key[row.key_id] += 1
            if of_key[row.key_id] > votes_a_key:
                beyond_key += 1
                continue
        kept.add(row.feedback_id)
    return Votes([row for row in rows if row.feedback_id in kept], beyond_person, beyond_key)
