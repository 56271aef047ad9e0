"""From Postgres to every gateway: notices get their order in a stream of Redis, which all gateways read.

Postgres tells each gateway of each notice, at the commit. All of them offer it to the stream; the first one
adds it. So a notice is in the stream once, as long as one gateway listens. The stream gives it its position,
and keeps the last ones for gateways that start and for clients that come back. When notices may be missing
(Postgres was gone, Redis was gone for long, or its stream was lost), all subscribers get `reset`.

Without Redis a gateway gives the positions by itself: a client can resume only at the same one.
"""

import asyncio
import logging
import uuid
from collections import deque
from functools import partial
from typing import Any

import psycopg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from data import redis_meter
from data.redis_meter import Meter
from data.traffic import notices
from data.traffic.notices import Notice
from serving.gateway import tasks
from serving.gateway.realtime.connection import Position
from serving.gateway.realtime.hub import KEPT, Hub, parse_cursor, write_cursor

log = logging.getLogger(__name__)

_STREAM = "tonebridge:notices"
_ONCE = "tonebridge:notices:"  # a key for each notice in the stream, for so many seconds:
_ONCE_S = 120
_MOST_WAITING = 10_000  # notices that wait for Redis; past it they are dropped, and all start again
_TOGETHER = 500
# Each return of a blocked read is a command: 43,200 a day with two seconds. A Redis that hangs is noticed
# after `_READ_S`.
_BLOCK_MS = 20_000
_CONNECT_S, _READ_S = 2.0, 30.0
_RETRY_S = 0.5
_GAP = b"gap"  # in place of a notice: some may be missing before it
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)
_POSTGRES_ERRORS = (psycopg.Error, OSError)

_ADD = f"""
if redis.call('SET', KEYS[2], 1, 'NX', 'EX', {_ONCE_S}) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', {KEPT}, '*', 'notice', ARGV[1])
end
"""
# The first entry is no notice: a client whose cursor is of an empty stream can resume, too.
_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XADD', KEYS[1], '*', 'notice', '')
end
"""
Entry = tuple[bytes, dict[bytes, bytes]]


class Feed:
    """Reads the notices of Postgres into a hub, by way of Redis. Belongs to one event loop."""

    def __init__(self, url: str, redis_url: str | None, hub: Hub, meter: Meter) -> None:
        """`url` is that of Postgres; `meter` counts the commands of Redis."""
        self._url, self._redis_url, self._hub, self._meter = url, redis_url, hub, meter
        self._waiting: deque[tuple[str, bytes]] = deque()  # id and payload, for the stream
        self._has_waiting = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._redis: Redis | None = None
        self.is_listening = asyncio.Event()  # to Postgres
        self.is_reading = False  # of Redis: the hub has what the stream has
        self._has_read = False

    def start(self) -> None:
        """Start to read."""
        works = [tasks.keep(self._listen, "notices from Postgres")]
        if self._redis_url is not None:
            # The gateway's other connections wait for milliseconds; this one for news.
            self._redis = redis_meter.connect_async(
                self._redis_url, self._meter, socket_connect_timeout=_CONNECT_S, socket_timeout=_READ_S
            )
            works += [
                tasks.keep(partial(self._add_all, self._redis), "notices for Redis"),
                tasks.keep(partial(self._read_all, self._redis), "notices from Redis"),
            ]
        self._tasks = [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """Stop."""
        await tasks.end(self._tasks)
        if self._redis is not None:
            await self._redis.aclose()

    async def _listen(self) -> None:
        was_cut_off = self.is_listening.is_set()  # it ended by an error that nobody expected
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=2
                ) as connection:
                    await connection.execute(f'LISTEN "{notices.CHANNEL}"')
                    self.is_listening.set()
                    if was_cut_off:
                        self._offer_gap()
                    async for sent in connection.notifies():
                        self._offer(sent.payload)
            except _POSTGRES_ERRORS as error:
                log.warning("no notices from Postgres: %s", error)
            self.is_listening.clear()
            was_cut_off = True
            await asyncio.sleep(_RETRY_S)

    def _offer(self, payload: str) -> None:
        notice = _parse(payload)
        if notice is None:
            return
        if self._redis_url is None:
            self._hub.take(self._next(), notice)
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
            self._offer_gap()
        self._waiting.append((notice.id, payload.encode()))
        self._has_waiting.set()

    def _offer_gap(self) -> None:
        if self._redis_url is None:
            self._hub.reset(self._next())
        else:
            self._waiting.append((str(uuid.uuid4()), _GAP))
            self._has_waiting.set()

    def _next(self) -> Position:
        milliseconds, number = self._hub.position
        return milliseconds, number + 1

    async def _add_all(self, redis: Redis) -> None:
        """Add what waits to the stream; tried again until Redis has it."""
        add = redis.register_script(_ADD)
        while True:
            await self._has_waiting.wait()
            together = list(self._waiting)[:_TOGETHER]
            try:
                async with redis.pipeline(transaction=False) as pipeline:
                    for id, payload in together:
                        await add([_STREAM, _ONCE + id], [payload], client=pipeline)
                    await pipeline.execute()
            except _REDIS_ERRORS as error:
                log.warning("%d notices wait for Redis: %s", len(self._waiting), error)
                await asyncio.sleep(_RETRY_S)
                continue
            for entry in together:
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
            if not self._waiting:
                self._has_waiting.clear()

    async def _read_all(self, redis: Redis) -> None:
        # If it ended by an error that nobody expected, entries may have been taken in part.
        is_unsure, self.is_reading = self.is_reading, False
        while True:
            try:
                await redis.eval(_BEGIN, 1, _STREAM)
                newest: Any = await redis.xrevrange(_STREAM, count=KEPT)
                if not newest:
                    log.warning("no notices from Redis: the stream was deleted when it had just begun")
                    await asyncio.sleep(_RETRY_S)
                    continue
                self._catch_up(newest[::-1], is_unsure)
                is_unsure, self.is_reading, self._has_read = False, True, True
                while True:
                    last = write_cursor(self._hub.position)
                    read: Any = await redis.xread({_STREAM: last}, block=_BLOCK_MS)
                    for _, entries in read:
                        self._take(entries)
            except _REDIS_ERRORS as error:
                self.is_reading = False
                log.warning("no notices from Redis: %s", error)
                await asyncio.sleep(_RETRY_S)

    def _catch_up(self, entries: list[Entry], is_unsure: bool) -> None:
        """Take the entries of the stream that are new, all at the first time. If the last known one is not
        among them, or the hub may not have all before it, some may be missing.
        """
        positions = [_position(entry) for entry in entries]
        if not self._has_read:
            known = [
                (position, notice)
                for position, entry in zip(positions, entries, strict=True)
                if (notice := _parse(entry[1][b"notice"].decode())) is not None
            ]
            self._hub.load(positions[0], known)
            self._hub.position = positions[-1]
        elif not is_unsure and self._hub.position in positions:
            self._take(entries[positions.index(self._hub.position) + 1 :])
        else:
            self._hub.reset(positions[-1])

    def _take(self, entries: list[Entry]) -> None:
        for entry in entries:
            payload = entry[1][b"notice"]
            if payload == _GAP:
                self._hub.reset(_position(entry))
            elif (notice := _parse(payload.decode())) is not None:
                self._hub.take(_position(entry), notice)
            else:
                self._hub.position = _position(entry)


def _position(entry: Entry) -> Position:
    position = parse_cursor(entry[0].decode())
    assert position is not None, entry[0]
    return position


def _parse(payload: str) -> Notice | None:
    """The notice in a payload; None for what this release does not know."""
    try:
        return notices.parse(payload)
    except (ValueError, KeyError):
        return None
