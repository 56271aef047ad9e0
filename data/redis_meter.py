"""Clients of Redis that count the commands that they send, and keep to a daily budget of the installation.

Commands are counted as Upstash bills them: each command of a pipeline, and a script as one command more than
it calls (https://upstash.com/docs/redis/sdks/ratelimit-ts/costs). `INFO commandstats` counts in the same way.
What a connection sends before its first command (HELLO, AUTH, SELECT) counts, too.

With a budget no command is sent that was not leased. A process leases a block of commands by one INCRBY of
the day's counter in Redis, and spends them by itself. When the counter has reached the budget, every command
fails with BudgetSpentError until the next day (UTC), without a connection: for callers that is a Redis that
is unavailable. What a killed process has leased and not spent is lost until the next day.

The counter may reach 95 % of the budget. The rest is for what is not leased: a process that starts when the
budget is used up connects and asks before it knows, and an erasure waits for no other day. Days begin by the
clock of each process.

Rejected: a lease by a script, which would cost four commands; a counter in Postgres, which the web app does
not know; and one command of Redis for each command that is counted.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import connection as async_connection
from redis.asyncio.connection import BlockingConnectionPool
from redis.connection import AbstractConnection, parse_url
from redis.exceptions import RedisError
from redis.lock import Lock
from redis.maint_notifications import MaintNotificationsConfig

log = logging.getLogger(__name__)

_KEY = "tonebridge:commands:"  # and the day
_KEPT_S = 2 * 86_400
_BLOCKS, _RESERVE = 200, 20  # parts of a budget: a block that is leased, and what is never leased
_LEAST_BLOCK = 20  # since a lease is a command, too
# What a command is for, by the second part of its key.
_PURPOSES = {
    "output": "cache",
    "rate": "rates",
    "pace": "rates",
    "nonce": "nonces",
    "nonces-known-since": "nonces",
    "notices": "notices",
    "session": "sessions",
    "commands": "budget",
}
_CONNECTION = "connection"  # what has no key: HELLO, AUTH, PING
PURPOSES = (*dict.fromkeys(_PURPOSES.values()), _CONNECTION)
_KEY_AT = {"EVAL": 3, "EVALSHA": 3, "XREAD": 2}  # the place of the first key; 1 in other commands
_CALLS: dict[str, int] = {}  # the commands that a script calls at most, by its SHA-1

# By default redis-py begins each connection with three more commands: its name, its version, and a question
# about a service of Redis Enterprise.
_QUIET: dict[str, Any] = {
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


class BudgetSpentError(RedisError):
    """The installation has used up its Redis commands of the day."""


def note_script(script: str | bytes) -> int:
    """The commands that a script calls at most; it is remembered for EVALSHA. A script has no loops here, so
    each call in its text is made at most once.
    """
    text = script.encode() if isinstance(script, str) else script
    calls = text.count(b"redis.call(")
    _CALLS[hashlib.sha1(text, usedforsecurity=False).hexdigest()] = calls
    return calls


def _bill(command: Sequence[Any]) -> tuple[str, int]:
    """What a command is for, and how many commands it counts as."""
    name = command[0]
    calls = 0
    if name == "EVAL":
        calls = note_script(command[1])
    elif name == "EVALSHA":
        calls = _CALLS.get(command[1], 0)
    at = _KEY_AT.get(name, 1)
    if name == "XREAD":
        at = 1 + next((i for i, part in enumerate(command) if part in (b"STREAMS", "STREAMS")), at)
    key = command[at] if len(command) > at else b""
    text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
    return _PURPOSES.get(text.split(":", 2)[1], _CONNECTION) if ":" in text else _CONNECTION, 1 + calls


class Meter:
    """The commands of one process, and what it has leased of the budget. Safe to use from any thread."""

    def __init__(
        self,
        commands_a_day: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without `commands_a_day` it only counts. `clock` gives the time in epoch seconds."""
        self.sent = dict.fromkeys(PURPOSES, 0)  # commands by purpose, since the process started
        self.has_budget = commands_a_day is not None
        budget = commands_a_day or 0
        self._limit, self._block = budget - budget // _RESERVE, max(_LEAST_BLOCK, budget // _BLOCKS)
        self._clock = clock
        self._lock = threading.Lock()
        self._day = ""
        self._leased = self._owed = 0  # commands that may be sent; those that were sent without a lease
        self._seen = self._forgotten = 0  # the day's counter, and what Redis has lost of it
        self._is_spent = False

    @property
    def is_spent(self) -> bool:
        """Whether no command is sent any more today, as far as this process knows."""
        return self._is_spent and self._today() == self._day

    def check(self) -> None:
        """BudgetSpentError when the budget is used up."""
        if self.is_spent:
            raise BudgetSpentError(
                "the Redis commands of this day are used up (TONEBRIDGE_REDIS_COMMANDS_A_DAY)"
            )

    def count(self, bill: Iterable[tuple[str, int]]) -> None:
        """Count commands that are sent without a lease: all of them without a budget, else those that a
        connection begins with, which the next lease pays for.
        """
        with self._lock:
            self._owed += self._add(bill)

    def try_spend(self, bill: Iterable[tuple[str, int]]) -> bool:
        """Count commands that are sent now, if enough are leased."""
        bill = list(bill)
        with self._lock:
            self._begin_day()
            amount = sum(commands for _, commands in bill)
            if amount > self._leased:
                return False
            self._leased -= self._add(bill)
            return True

    def question(self, bill: Iterable[tuple[str, int]]) -> tuple[str, int]:
        """The day's counter and by how much to raise it, to lease what `bill` takes, at least a block.
        BudgetSpentError when the budget is used up.
        """
        self.check()
        with self._lock:
            self._begin_day()
            self._owed += self._add([("budget", 1)])
            first = 1 if self._seen == 0 else 0  # for EXPIRE
            need = self._owed + sum(commands for _, commands in bill) + first
            return _KEY + self._day, max(self._block, need) + self._forgotten

    def learn(self, amount: int, total: int) -> None:
        """The counter is `total` since it was raised by `amount`. BudgetSpentError when nothing is left."""
        with self._lock:
            before = total - (amount - self._forgotten)
            if before < self._seen:
                # Redis was emptied, or restarted without its data: the count goes on where it was.
                self._forgotten = self._seen - before
                return
            granted = min(amount - self._forgotten, self._limit - before) - self._owed
            self._forgotten, self._seen = 0, total
            if granted > 0:
                self._leased, self._owed = self._leased + granted, 0
                return
            self._is_spent, self._leased, self._owed = True, 0, 0
        log.warning(
            "the installation has used up its Redis commands of %s; until midnight UTC this process does"
            " without Redis",
            self._day,
        )
        self.check()

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    def _begin_day(self) -> None:
        today = self._today()
        if today == self._day:
            return
        if self._is_spent:
            log.info("a new day: this process uses Redis again")
        self._day, self._is_spent = today, False
        self._leased = self._owed = self._seen = self._forgotten = 0

    def _add(self, bill: Iterable[tuple[str, int]]) -> int:
        amount = 0
        for purpose, commands in bill:
            self.sent[purpose] += commands
            amount += commands
        return amount


class _Metered(AbstractConnection):
    """A connection of a client for threads."""

    def __init__(self, *, meter: Meter, asking: threading.Lock, **kwargs: Any) -> None:
        """`asking` is held by the one connection that leases commands for all."""
        self._meter, self._asking = meter, asking
        self._bill: list[tuple[str, int]] = []  # of the commands that are packed, and not sent
        self._is_greeting = False
        super().__init__(**kwargs)

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        self._meter.check()
        super().connect_check_health(check_health, retry_socket_connect)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        self._is_greeting = True
        try:
            super().on_connect_check_health(check_health)
        finally:
            self._is_greeting = False

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        self._bill = [_bill(args)]
        super().send_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> Any:
        commands = list(commands)
        self._bill = [_bill(command) for command in commands]
        return super().pack_commands(commands)  # type: ignore[no-untyped-call]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        bill, self._bill = self._bill, []
        if self._is_greeting or not self._meter.has_budget:
            self._meter.count(bill)
        elif not self._meter.try_spend(bill):
            with self._asking:
                while not self._meter.try_spend(bill):
                    self._lease(bill)
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def _lease(self, bill: list[tuple[str, int]]) -> None:
        key, amount = self._meter.question(bill)
        total = self._call("INCRBY", key, amount)
        if total == amount:
            self._meter.count([("budget", 1)])
            self._call("EXPIRE", key, _KEPT_S)
        self._meter.learn(amount, total)

    def _call(self, *command: Any) -> int:
        packed = self.pack_command(*command)  # type: ignore[no-untyped-call]
        super().send_packed_command(packed, check_health=False)  # type: ignore[no-untyped-call]
        return int(self.read_response())


class _Tcp(_Metered, Connection):
    pass


class _Tls(_Metered, SSLConnection):
    pass


class _Unix(_Metered, UnixDomainSocketConnection):
    pass


class _AsyncMetered(async_connection.AbstractConnection):
    """A connection of a client for an event loop."""

    def __init__(self, *, meter: Meter, asking: asyncio.Lock, **kwargs: Any) -> None:
        """`asking` is held by the one connection that leases commands for all."""
        self._meter, self._asking = meter, asking
        self._bill: list[tuple[str, int]] = []  # of the commands that are packed, and not sent
        self._is_greeting = False
        super().__init__(**kwargs)

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        self._meter.check()
        await super().connect_check_health(check_health, retry_socket_connect)

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        self._is_greeting = True
        try:
            await super().on_connect_check_health(check_health)
        finally:
            self._is_greeting = False

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        self._bill = [_bill(args)]
        await super().send_command(*args, **kwargs)

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        packed = [tuple(command) for command in commands]
        self._bill = [_bill(command) for command in packed]
        return super().pack_commands(packed)

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        bill, self._bill = self._bill, []
        if self._is_greeting or not self._meter.has_budget:
            self._meter.count(bill)
        elif not self._meter.try_spend(bill):
            async with self._asking:
                while not self._meter.try_spend(bill):
                    await self._lease(bill)
        await super().send_packed_command(command, check_health)

    async def _lease(self, bill: list[tuple[str, int]]) -> None:
        key, amount = self._meter.question(bill)
        total = await self._call("INCRBY", key, amount)
        if total == amount:
            self._meter.count([("budget", 1)])
            await self._call("EXPIRE", key, _KEPT_S)
        self._meter.learn(amount, total)

    async def _call(self, *command: Any) -> int:
        await super().send_packed_command(self.pack_command(*command), check_health=False)
        return int(await self.read_response())


class _AsyncTcp(_AsyncMetered, async_connection.Connection):
    pass


class _AsyncTls(_AsyncMetered, async_connection.SSLConnection):
    pass


class _AsyncUnix(_AsyncMetered, async_connection.UnixDomainSocketConnection):
    pass


class _MeteredRedis(AsyncRedis):
    def register_script(self, script: Any) -> Any:
        note_script(script)
        return super().register_script(script)


def connect(url: str, meter: Meter, **options: Any) -> Redis:
    """A client for threads, whose commands `meter` counts; `options` are those of redis-py's connections."""
    for script in (Lock.LUA_RELEASE_SCRIPT, Lock.LUA_EXTEND_SCRIPT, Lock.LUA_REACQUIRE_SCRIPT):
        note_script(script)
    parsed = {**options, **parse_url(url)}  # type: ignore[no-untyped-call]
    kinds: dict[Any, Any] = {SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}
    kind = kinds.get(parsed.pop("connection_class", None), _Tcp)
    pool = ConnectionPool(connection_class=kind, meter=meter, asking=threading.Lock(), **_QUIET, **parsed)
    return Redis.from_pool(pool)


def connect_async(url: str, meter: Meter, **options: Any) -> AsyncRedis:
    """A client for an event loop, whose commands `meter` counts; `options` are those of redis-py's
    connections and its blocking pool.
    """
    parsed: dict[str, Any] = {**options, **async_connection.parse_url(url)}
    kinds: dict[Any, Any] = {
        async_connection.SSLConnection: _AsyncTls,
        async_connection.UnixDomainSocketConnection: _AsyncUnix,
    }
    kind = kinds.get(parsed.pop("connection_class", None), _AsyncTcp)
    pool = BlockingConnectionPool(
        connection_class=kind, meter=meter, asking=asyncio.Lock(), **_QUIET, **parsed
    )
    return _MeteredRedis.from_pool(pool)
