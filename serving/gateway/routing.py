"""What this gateway knows from Postgres: the routing in force and the API keys in use, renewed by a
heartbeat.

The heartbeat also acknowledges the epoch, which is how a promotion knows that it is done. When Postgres is
gone the last snapshot stays in force for `_STALE_S`.
"""

import asyncio
import logging
import time
import uuid

import psycopg
from cachetools import LRUCache
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data import identities, routing
from data.identities import Identity
from data.routing import Routing
from data.tables import new_id
from serving.gateway.problems import UnavailableError, UnknownKeyError

log = logging.getLogger(__name__)

_BEAT_S = 0.25
_STALE_S = 60.0
_AWAY = (psycopg.Error, PoolTimeout, OSError)


class Directory:
    """Routing and identities, as fresh as the last heartbeat."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._id: uuid.UUID = new_id()
        self._epoch: int = 0
        self._routing: Routing | None = None
        self._keys: LRUCache[str, Identity] = LRUCache(10_000)
        self._beat_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def age_s(self) -> float:
        """Seconds since Postgres was last heard."""
        return time.monotonic() - self._beat_at

    @property
    def is_ready(self) -> bool:
        """Whether there is a release, and the epoch in force is surely the newest."""
        return self._routing is not None and self.age_s < routing.LIVE_S

    def current(self) -> tuple[int, Routing]:
        """Epoch and routing in force; UnavailableError before the first release, or when they are too old to
        trust.
        """
        if self._routing is None or self.age_s > _STALE_S:
            raise UnavailableError(
                "no version has been released yet" if self.age_s < _STALE_S else "routing is stale"
            )
        return self._epoch, self._routing

    async def identify(self, key: str | None) -> Identity:
        """Who a key stands for; UnknownKeyError when it opens nothing, UnavailableError when that cannot be
        known now.
        """
        parsed = identities.parse_key(key) if key else None
        if parsed is None:
            raise UnknownKeyError("send an API key in X-API-Key, or in Authorization: Bearer tb_...")
        key_id, secret = parsed
        identity = self._keys.get(key_id) if self.age_s < _STALE_S else None
        if identity is None:
            try:
                async with self._pool.connection() as connection:
                    identity = (await identities.find_keys(connection, [key_id])).get(key_id)
            except _AWAY as error:
                raise UnavailableError("keys cannot be checked at the moment") from error
            if identity is not None:
                self._keys[key_id] = identity
        if identity is None or not identity.opens_with(secret):
            raise UnknownKeyError("this API key is unknown or revoked")
        return identity

    async def beat(self) -> None:
        """Renew everything from Postgres and acknowledge the epoch.

        The acknowledgement is committed before the newest epoch is read: a promotion that came between sees a
        gateway that is behind, and waits for it.
        """
        async with self._pool.connection() as connection:
            await routing.acknowledge(connection, self._id, self._epoch)
            found = await routing.fetch(connection)
            if found is not None and found[0] != self._epoch:
                self._epoch, self._routing = found
                await routing.acknowledge(connection, self._id, self._epoch)
            live = await identities.find_keys(connection, list(self._keys))
        for key_id in list(self._keys):
            if key_id in live:
                self._keys[key_id] = live[key_id]
            else:
                del self._keys[key_id]
        self._beat_at = time.monotonic()

    def start(self) -> None:
        """Begin to beat in the background."""
        self._task = asyncio.create_task(self._run(), name="directory")

    async def stop(self) -> None:
        """End, and tell promotions not to wait for this gateway."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with self._pool.connection() as connection:
                await routing.leave(connection, self._id)
        except _AWAY as error:
            log.warning("left without saying so: %s", error)

    async def _run(self) -> None:
        while True:
            try:
                await self.beat()
            except _AWAY as error:
                log.warning("no heartbeat for %.1f s: %s", min(self.age_s, 1e6), error)
            await asyncio.sleep(_BEAT_S)
