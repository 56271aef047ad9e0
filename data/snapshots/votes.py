"""Usable votes: those that models may be trained on.

A vote is usable if its person consents and its organisation is in scope. Votes are ordered by transaction,
not by time: a vote is usable only when every transaction that is as old as its own has ended, so that no late
commit is skipped. A text that may have wordings of a dictionary is not learned from: they are the taste, and
the knowledge, of one organisation.
"""

import uuid
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, text

from data.records import Intensity, TransformType

_ROWS_A_FETCH = 2_000


class Usable(BaseModel):
    """A usable vote with its message and outputs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)  # Prefect stores errors

    feedback_id: uuid.UUID
    user_id: uuid.UUID
    key_id: str | None  # the person's API key; None for a person with a token or an account
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


# The votes that a stage can learn from: no comments, and no comparisons without a preferred output.
_USABLE = """
    FROM feedback f
    JOIN organisations g ON g.id = f.organisation_id AND (g.id = :organisation OR g.trains_across)
    JOIN users u ON u.id = f.user_id AND coalesce(u.consents_to_training, g.trains_by_default)
    JOIN outputs o ON o.id = f.output_id AND NOT o.has_dictionary_words
    LEFT JOIN comparisons c ON c.id = f.comparison_id
    LEFT JOIN outputs o2 ON o2.id = c.second_output_id
    WHERE f.transaction < (:high_water)::text::xid8
      AND (f.kind IN ('thumb', 'rating', 'edit')
           OR (f.kind = 'comparison' AND f.preferred_output_id IS NOT NULL))
"""
# Comparisons of a challenger with another version are evidence, and teach nothing.
_TEACHING = "AND (c.policy IS NULL OR c.policy = 'two_samples')"
_COLUMNS = """
    f.id AS feedback_id, f.user_id, u.key_id, f.kind, f.thumb_up, f.rating,
    CASE WHEN f.kind = 'edit' THEN f.text END AS edit,
    o.id AS output_id, o.message, o.transform_type, o.intensity, o.text AS output, o.version,
    o2.id AS other_id, o2.text AS other, o2.version AS other_version,
    f.preferred_output_id = o.id AS first_is_preferred
"""


def find_high_water(connection: Connection) -> int:
    """The transaction id below which all transactions have ended, so no new rows can appear."""
    return int(connection.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one())


def count_new(connection: Connection, organisation_id: uuid.UUID, since: int) -> int:
    """The number of usable votes that were cast or changed since an earlier high-water mark. Comparisons of a
    challenger do not count, since hardly any of them is part of a snapshot.
    """
    query = text(f"SELECT count(*) {_USABLE} {_TEACHING} AND f.transaction >= (:since)::text::xid8")
    params = {"organisation": organisation_id, "high_water": find_high_water(connection), "since": since}
    return int(connection.execute(query, params).scalar_one())


def fetch(connection: Connection, organisation_id: uuid.UUID, until: int) -> Iterator[Usable]:
    """All usable votes below a high-water mark, by id, from a server-side cursor."""
    query = text(f"SELECT {_COLUMNS} {_USABLE} ORDER BY f.id")
    params = {"organisation": organisation_id, "high_water": until}
    # The rows stay in Postgres until they are fetched, because there may be millions.
    result = connection.execution_options(yield_per=_ROWS_A_FETCH).execute(query, params)
    for row in result.mappings():
        yield Usable.model_validate(row)
