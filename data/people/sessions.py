"""A person's own sessions: where they are signed in, and the end of sessions there.

The queries take the account, never a session's id alone: the id is in every access token and so is no secret.
"""

import uuid
from dataclasses import dataclass
from typing import Annotated

from psycopg import AsyncConnection
from pydantic import Field

from data.fields import Id, Time
from data.tables import LAST_ID


@dataclass(frozen=True, slots=True)
class ListedSession:
    """An open session, in the list for its person."""

    id: Annotated[Id, Field(description="the session")]
    device: Annotated[
        str | None,
        Field(
            description="the device, as the client described it at sign-in; null: it did not",
            examples=["Firefox on Linux"],
        ),
    ]
    signed_in_at: Annotated[Time, Field(description="when the person signed in")]
    last_used_at: Annotated[
        Time, Field(description="when its tokens were last renewed: in use, every ten minutes at least")
    ]
    is_current: Annotated[bool, Field(description="it is the session of this request", examples=[True])]


# Ids are UUIDv7, so their order is that of the sign-ins.
_OPEN = """
    SELECT id, device, created_at, refreshed_at, id = %(current)s FROM account_sessions
    WHERE account_id = %(account)s AND ended_at IS NULL AND expires_at > now()
        AND id < coalesce(%(before)s, %(last)s)
    ORDER BY id DESC LIMIT %(most)s
"""


async def list_some(
    connection: AsyncConnection,
    account_id: uuid.UUID,
    current: uuid.UUID,
    *,
    before: uuid.UUID | None = None,
    most: int,
) -> list[ListedSession]:
    """An account's open sessions older than `before`, the newest first; `current` is the caller's own."""
    cursor = await connection.execute(
        _OPEN,
        {"account": account_id, "current": current, "before": before, "last": LAST_ID, "most": most},
    )
    return [ListedSession(*row) for row in await cursor.fetchall()]


_END = (
    "UPDATE account_sessions SET ended_at = now(), ended_because = 'ended_elsewhere'"
    " WHERE account_id = %s AND ended_at IS NULL AND expires_at > now()"
)


async def end(connection: AsyncConnection, account_id: uuid.UUID, session_id: uuid.UUID) -> bool:
    """End an open session of an account; False when it has none with this id."""
    cursor = await connection.execute(f"{_END} AND id = %s", (account_id, session_id))
    return bool(cursor.rowcount)


async def end_others(connection: AsyncConnection, account_id: uuid.UUID, current: uuid.UUID) -> int:
    """End all open sessions of an account but the current one; how many."""
    cursor = await connection.execute(f"{_END} AND id <> %s", (account_id, current))
    return cursor.rowcount
