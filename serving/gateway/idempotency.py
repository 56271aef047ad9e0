"""Idempotency-Key: a repeated request has the first answer, even if a gateway was killed in between.

The first request claims the key with a row, and stores its answer there. A repetition with the same key and
body gets that answer; while the first request is in progress, 409. A claim whose gateway was killed is taken
over after `_ABANDONED_S`. Failures are not stored: they may be tried again.

A claim belongs to one person: an answer carries a receipt, and colleagues may choose the same key.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import blake2b
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.database import speak_for
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.problems import InProgressError, InvalidError, ReusedKeyError, UnavailableError

_ABANDONED_S = 30
_T = TypeVar("_T")


class Idempotency:
    """Stores answers by organisation, person and key, in Postgres; the flow `retain` deletes them after a
    day.
    """

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def once(
        self,
        caller: Caller,
        user_id: str | None,
        key: bytes,
        request: bytes,
        do: Callable[[], Awaitable[tuple[int, bytes]]],
    ) -> tuple[int, bytes]:
        """Status and body of `do`, or those that it had when this person first sent this request.

        `user_id` is the person whom a request with an API key names, if any. `request` is what a repetition
        must have in common with the first request.

        Raises InProgressError; ReusedKeyError for another request under the same key; InvalidError for a key
        that is not 1 to 200 printable characters; and UnavailableError when Postgres is unavailable, since a
        repetition could then count twice.
        """
        text = key.decode("latin-1")
        if not (0 < len(text) <= 200 and text.isprintable()):
            raise InvalidError({"Idempotency-Key": reason("allowed_idempotency_key")})
        organisation_id, (person, _) = caller.identity.organisation_id, caller.user(user_id)
        name = f"{person}:{blake2b(key, digest_size=16).hexdigest()}"
        digest = blake2b(request, digest_size=16).digest()
        has_claimed = False

        async def claim() -> tuple[int, bytes] | None:
            nonlocal has_claimed
            stored = await self._claim(organisation_id, name, digest)
            has_claimed = stored is None
            return stored

        # The client of a stream may leave at any moment, and ask again. Only `do` is given up then: a claim
        # that is neither released nor answered would refuse the repetition until it counts as abandoned.
        try:
            try:
                stored = await _complete(claim())
                if stored is not None:
                    return stored
                status, body = await do()
            except BaseException:
                if has_claimed:
                    await _complete(
                        self._execute(
                            organisation_id,
                            "DELETE FROM idempotent_requests WHERE organisation_id = %s AND key = %s",
                            (organisation_id, name),
                        )
                    )
                raise
            await _complete(
                self._execute(
                    organisation_id,
                    "UPDATE idempotent_requests SET status = %s, body = %s"
                    " WHERE organisation_id = %s AND key = %s",
                    (status, body, organisation_id, name),
                )
            )
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise UnavailableError("idempotency_unverifiable") from error
        return status, body

    async def _claim(self, organisation_id: uuid.UUID, name: str, digest: bytes) -> tuple[int, bytes] | None:
        """The stored status and body; None when this request has claimed the key."""
        async with self._pool.connection() as connection, connection.transaction():
            await speak_for(connection, organisation_id)
            cursor = await connection.execute(
                "INSERT INTO idempotent_requests (organisation_id, key, request_digest) VALUES (%s, %s, %s)"
                " ON CONFLICT (organisation_id, key) DO UPDATE SET created_at = now()"
                " WHERE idempotent_requests.status IS NULL"
                " AND idempotent_requests.request_digest = excluded.request_digest"
                " AND idempotent_requests.created_at < now() - make_interval(secs => %s) RETURNING 1",
                (organisation_id, name, digest, _ABANDONED_S),
            )
            if await cursor.fetchone():
                return None
            cursor = await connection.execute(
                "SELECT request_digest, status, body FROM idempotent_requests"
                " WHERE organisation_id = %s AND key = %s",
                (organisation_id, name),
            )
            row = await cursor.fetchone()
        if row is None:
            raise InProgressError("first_request_failed")
        if row[0] != digest:
            raise ReusedKeyError("idempotency_key_reused")
        if row[1] is None:
            raise InProgressError("first_request_running")
        return row[1], bytes(row[2])

    async def _execute(self, organisation_id: uuid.UUID, statement: str, values: tuple[object, ...]) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            await speak_for(connection, organisation_id)
            await connection.execute(statement, values)


async def _complete(work: Coroutine[Any, Any, _T]) -> _T:
    """Do work to its end; a cancellation in the meantime is raised after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
