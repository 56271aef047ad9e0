"""The routing in force, read from Postgres at every heartbeat and when Postgres notifies of a new epoch.

The heartbeat also acknowledges the epoch, so that a promotion knows when every gateway has it. It renews
dictionaries, keys, tokens and usage, and after an erasure it clears outputs and people from memory. While
Postgres is unavailable the last routing stays in force for `_STALE_S`.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import ValidationError

from data.tables import new_id
from data.traffic import outputs, routing
from data.traffic.routing import Routing
from serving.gateway import tasks
from serving.gateway.auth import Authenticator
from serving.gateway.dictionaries import Dictionaries
from serving.gateway.problems import UnavailableError
from serving.gateway.rate import Limiter

log = logging.getLogger(__name__)

_BEAT_S = 0.25
_STALE_S = 60.0
_SILENT_S = 2.0  # without a heartbeat, while the connection is still open
_POSTGRES_ERRORS = (psycopg.Error, PoolTimeout, OSError)


class Directory:
    """The routing, as of the last heartbeat, and the heartbeat that renews the other parts."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        url: str,
        authenticator: Authenticator,
        limiter: Limiter,
        dictionaries: Dictionaries,
        forget: Callable[[], None],
    ) -> None:
        """`forget` is called after an erasure, to clear outputs and people from memory."""
        self._pool, self._url = pool, url
        self._authenticator, self._limiter, self._forget = authenticator, limiter, forget
        self._dictionaries = dictionaries
        self._purged_at: datetime | None = None
        self._id: uuid.UUID = new_id()
        self._epoch: int = 0
        self._routing: Routing | None = None
        self._beat_at = float("-inf")
        self._is_cut_off = False
        self._noticed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def age_s(self) -> float:
        """Seconds since the last heartbeat that reached Postgres; infinite before the first."""
        return time.monotonic() - self._beat_at

    @property
    def is_ready(self) -> bool:
        """Whether a version is released and the routing is recent enough for a promotion to rely on it."""
        return self._routing is not None and self.age_s < routing.LIVE_S

    def require_postgres(self) -> None:
        """UnavailableError while Postgres seems unavailable, before work whose result has to be stored."""
        if self._is_cut_off or self.age_s > _SILENT_S:
            raise UnavailableError("postgres_unavailable")

    def current(self) -> tuple[int, Routing]:
        """Epoch and routing in force; UnavailableError before the first release, or when they are too old to
        trust.
        """
        if self._routing is None or self.age_s > _STALE_S:
            raise UnavailableError("nothing_released" if self.age_s < _STALE_S else "routing_stale")
        return self._epoch, self._routing

    async def beat(self) -> None:
        """Renew everything from Postgres and acknowledge the epoch.

        The acknowledgement is committed before the newest epoch is read. So a promotion in between sees a
        gateway with an old epoch, and waits for it.
        """
        async with self._pool.connection() as connection:
            await routing.acknowledge(connection, self._id, self._epoch)
            # Before the first routing: until then nothing is answered without its dictionary.
            await self._dictionaries.renew(connection)
            newest = await routing.fetch(connection)
            if newest is not None and newest.number != self._epoch:
                self._epoch, self._routing = newest
                await routing.acknowledge(connection, self._id, self._epoch)
            purged_at = await outputs.find_purged_at(connection)
            if purged_at != self._purged_at:
                self._purged_at = purged_at
                self._forget()
            await self._authenticator.renew(connection)
            await self._limiter.renew(connection)
        self._beat_at = time.monotonic()
        self._is_cut_off = False

    def start(self) -> None:
        """Start the heartbeat and the listener, in the background."""
        self._tasks = [
            asyncio.create_task(self._beat_on(), name="directory"),
            asyncio.create_task(self._listen(), name="directory-notices"),
        ]

    async def stop(self) -> None:
        """Stop both, and deregister, so that no promotion waits for this gateway."""
        await tasks.end(self._tasks)
        try:
            async with self._pool.connection() as connection:
                await routing.deregister(connection, self._id)
        except _POSTGRES_ERRORS as error:
            log.warning("this gateway could not deregister: %s", error)

    async def _beat_on(self) -> None:
        while True:
            self._noticed.clear()
            try:
                await self.beat()
            except _POSTGRES_ERRORS as error:
                log.warning("no heartbeat for %.1f s: %s", min(self.age_s, 1e6), error)
                await asyncio.sleep(_BEAT_S)
            except ValidationError as error:
                # Of a newer release. A later routing may be readable again.
                log.error("this release cannot read the newest routing (faults: %d)", error.error_count())
                await asyncio.sleep(_BEAT_S)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_S):
                        await self._noticed.wait()

    async def _listen(self) -> None:
        """Beat as soon as an epoch is published, and notice as soon as Postgres stops. Without this the
        heartbeat notices both, a quarter of a second or a pool's timeout later.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=2
                ) as connection:
                    await connection.execute(f'LISTEN "{routing.CHANNEL}"')
                    async for _ in connection.notifies():
                        self._noticed.set()
            except _POSTGRES_ERRORS:
                self._is_cut_off = True
                self._noticed.set()
                await asyncio.sleep(_BEAT_S)
