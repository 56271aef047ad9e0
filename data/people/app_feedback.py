"""What people say about the app itself: an idea, a problem or praise, for the admins of their organisation.

It is no vote on a rewrite, and nothing is trained on it. Functions need a transaction that names the
organisation (`data.database.speak_for`).
"""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString, NamedTuple

from psycopg import AsyncConnection

from data.tables import LAST_ID, new_id

MOST_A_DAY, BETWEEN_S = 20, 60  # of a person


class About(StrEnum):
    """What it is about."""

    IDEA = "idea"
    PROBLEM = "problem"
    PRAISE = "praise"


class TooOftenError(Exception):
    """A person has said something a moment ago, or often today."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the next one is accepted in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Author(NamedTuple):
    """A person; `key_id` and `external_id` are the columns of `users`."""

    id: uuid.UUID
    key_id: str | None
    external_id: str


@dataclass(frozen=True, slots=True)
class ListedAppFeedback:
    """What a person said; `author` is an address or a name. It is None unless they may be answered, and when
    their account is gone.
    """

    id: uuid.UUID
    about: About
    comment: str
    may_answer: bool
    author: str | None
    created_at: datetime


# A person with an account has its id as a name, which tells nobody who it was once the account is gone.
_LIST = """
    SELECT f.id, f.about, f.comment, f.may_answer,
        CASE WHEN f.may_answer THEN coalesce(a.email, nullif(u.external_id, f.user_id::text)) END,
        f.created_at
    FROM app_feedback f LEFT JOIN users u ON u.id = f.user_id
    LEFT JOIN accounts a ON a.user_id = f.user_id AND a.organisation_id = f.organisation_id
"""
# The seconds until neither limit is reached; NULL without a row of the last day.
_WAIT = """
    SELECT greatest(
        extract(epoch FROM max(created_at) - now()) + %(between_s)s,
        extract(epoch FROM (array_agg(created_at ORDER BY created_at DESC))[%(most)s] - now()) + 86400
    ) FROM app_feedback WHERE user_id = %(user_id)s AND created_at > now() - interval '1 day'
"""


async def add(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    author: Author,
    about: About,
    comment: str,
    may_answer: bool,
) -> ListedAppFeedback:
    """Store what a person says. Raises TooOftenError."""
    # Held until the commit: of two requests of a person at the same moment the second one sees the first.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"app:{author.id}",))
    limits = {"user_id": author.id, "between_s": BETWEEN_S, "most": MOST_A_DAY}
    [wait_s] = await _fetch_one(connection, _WAIT, limits)
    if wait_s is not None and wait_s > 0:
        raise TooOftenError(math.ceil(wait_s))
    # Who has no row cannot be erased.
    await connection.execute(
        "INSERT INTO users (id, organisation_id, key_id, external_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING",
        (author.id, organisation_id, author.key_id, author.external_id),
    )
    feedback_id = new_id()
    await connection.execute(
        "INSERT INTO app_feedback (id, organisation_id, user_id, about, comment, may_answer)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (feedback_id, organisation_id, author.id, about.value, comment, may_answer),
    )
    row = await _fetch_one(connection, _LIST + " WHERE f.id = %(id)s", {"id": feedback_id})
    return _make(*row)


async def list_some(
    connection: AsyncConnection, *, before: uuid.UUID | None, most: int
) -> list[ListedAppFeedback]:
    """What the people of the organisation said, the newest first; of a page what is before an id."""
    cursor = await connection.execute(
        _LIST + " WHERE f.id < coalesce(%s, %s) ORDER BY f.id DESC LIMIT %s", (before, LAST_ID, most)
    )
    return [_make(*row) for row in await cursor.fetchall()]


async def delete(connection: AsyncConnection, feedback_id: uuid.UUID) -> bool:
    """Delete what a person said; False when the organisation has nothing with this id."""
    cursor = await connection.execute("DELETE FROM app_feedback WHERE id = %s", (feedback_id,))
    return bool(cursor.rowcount)


async def _fetch_one(
    connection: AsyncConnection, query: LiteralString, values: Mapping[str, Any]
) -> tuple[Any, ...]:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    assert row is not None
    return row


def _make(
    id: uuid.UUID, about: str, comment: str, may_answer: bool, author: str | None, created_at: datetime
) -> ListedAppFeedback:
    return ListedAppFeedback(id, About(about), comment, may_answer, author, created_at)
