"""Answers: rows of ids, written by COPY in batches at most a second late, in daily partitions.

A kill -9 of the gateway loses the answers of its last batch, but no output and no feedback. While Postgres is
unavailable, answers wait in memory up to a bound. Past the bound `add` raises FullError, and the gateway
replies 503: it sends no answer that it cannot record.
"""

import asyncio
import json
import logging
import struct
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data import database
from data.tables import new_id

log = logging.getLogger(__name__)


# Exposures of a person that are remembered as stored. Storing an older one again changes nothing.
_MOST_EXPOSURES = 8


class Placement:
    """The arm of an experiment and epoch that a user is assigned to, or no experiment."""

    __slots__ = ("columns", "epoch", "experiment_id", "exposure", "variant")

    def __init__(self, experiment_id: uuid.UUID | None, variant: str, epoch: int) -> None:
        self.experiment_id, self.variant, self.epoch = experiment_id, variant, epoch
        self.exposure = (experiment_id, epoch) if experiment_id else None
        experiment = _encode_field(experiment_id.bytes) if experiment_id else _NULL
        self.columns = experiment + _encode_field(variant.encode()) + _encode_field(epoch.to_bytes(4))


class Person:
    """A user in the gateway's memory: their ids, and which of their rows are stored already."""

    __slots__ = (
        "columns", "exposures", "external_id", "id", "ids", "is_stored", "key_id", "organisation_id",
    )  # fmt: skip

    def __init__(self, id: uuid.UUID, organisation_id: uuid.UUID, key_id: str | None, external_id: str):
        self.id, self.organisation_id = id, organisation_id
        self.key_id, self.external_id = key_id, external_id
        self.ids = organisation_id.bytes + id.bytes
        self.columns = _encode_field(organisation_id.bytes) + _encode_field(id.bytes)
        self.is_stored = False
        self.exposures: tuple[tuple[uuid.UUID, int], ...] = ()  # stored: experiment and epoch


class NewAnswer(NamedTuple):
    """One reply to one person. `id` and `output_id` are the bytes of UUIDs."""

    id: bytes
    output_id: bytes
    person: Person
    placement: Placement
    cache: str
    fell_back: bool
    total_ms: float
    locale: str | None = None
    channel: str | None = None


class FullError(RuntimeError):
    """As many answers wait for Postgres as may wait, so no more are accepted."""


def floor(moment: date) -> uuid.UUID:
    """The smallest UUIDv7 of a moment, or of the start of a day (UTC); before 1970 that of its beginning.

    The first 48 bits are milliseconds since 1970 (RFC 9562, 5.7).
    """
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


# A function of the tables' owner (migration 0017): the gateway can create partitions in no other way.
_ENSURE_PARTITIONS = "SELECT ensure_answer_partitions(%s, %s)"


async def ensure_partitions(url: str, today: date, days: int = 3) -> None:
    """Create missing partitions for `days` days, from today on."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=2) as connection:
        await connection.execute(_ENSURE_PARTITIONS, (today, days))


async def drop_partitions_before(url: str, day: date) -> list[str]:
    """Drop the partitions of all days before `day`; the names of the dropped partitions."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree('answers') WHERE isleaf ORDER BY 1"
        )
        old = [name for (name,) in await cursor.fetchall() if name < f"answers_{day:%Y%m%d}"]
        for name in old:
            await connection.execute(f"DROP TABLE {name}")
    return old


async def find_exposures(connection: psycopg.AsyncConnection, person: Person) -> dict[uuid.UUID, str]:
    """The arm of a person's first exposure, by experiment."""
    async with connection.transaction():
        await database.speak_for(connection, person.organisation_id)
        cursor = await connection.execute(
            "SELECT DISTINCT ON (experiment_id) experiment_id, variant FROM exposures WHERE user_id = %s"
            " ORDER BY experiment_id, exposed_at, answer_id",
            (person.id,),
        )
        return dict(await cursor.fetchall())


async def store(
    connection: psycopg.AsyncConnection,
    answers: Sequence[NewAnswer],
    failed: Mapping[tuple[Person, Placement], int] = {},
    drafted: Collection[tuple[Person, Placement]] = (),
    written: Mapping[uuid.UUID, int] = {},
    *,
    quotas: Mapping[str, int | None],
) -> None:
    """Store answers with their users, exposures and usage, in the caller's transaction; the partitions of
    their days exist. `failed`, `drafted` and `written` are those of `_Batch`. `quotas` has the answers that a
    plan allows in a month; None: any number.
    """
    async with connection.cursor() as cursor:
        people = list({a.person.id: a.person for a in answers if not a.person.is_stored}.values())
        if people:
            await cursor.execute(
                "INSERT INTO users (id, organisation_id, key_id, external_id)"
                " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[])"
                " ON CONFLICT DO NOTHING",
                (
                    [p.id for p in people],
                    [p.organisation_id for p in people],
                    [p.key_id for p in people],
                    [p.external_id for p in people],
                ),
            )
        placed = [(a.person, a.placement, uuid.UUID(bytes=a.id)) for a in answers]
        placed += [(person, placement, new_id()) for person, placement in (*failed, *drafted)]
        exposed = [
            (person, placement, answer_id)
            for person, placement, answer_id in placed
            if placement.exposure is not None and placement.exposure not in person.exposures
        ]
        if exposed:
            await cursor.execute(
                "INSERT INTO exposures"
                " (experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at)"
                " SELECT e, u, v, p, o, a, uuid_extract_timestamp(a)"
                " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int[], %s::uuid[], %s::uuid[])"
                " AS t(e, u, v, p, o, a) ORDER BY a ON CONFLICT DO NOTHING",
                (
                    [placement.experiment_id for _, placement, _ in exposed],
                    [person.id for person, _, _ in exposed],
                    [placement.variant for _, placement, _ in exposed],
                    [placement.epoch for _, placement, _ in exposed],
                    [person.organisation_id for person, _, _ in exposed],
                    [answer_id for _, _, answer_id in exposed],
                ),
            )
        if failed:
            await cursor.executemany(
                "INSERT INTO failures"
                " (id, experiment_id, variant, epoch, organisation_id, user_id, failures)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        new_id(),
                        placement.experiment_id,
                        placement.variant,
                        placement.epoch,
                        person.organisation_id,
                        person.id,
                        count,
                    )
                    for (person, placement), count in failed.items()
                ],
            )
        used = Counter(a.person.organisation_id for a in answers) + Counter(written)
        await cursor.execute(
            "INSERT INTO usage (organisation_id, month, answers, quota)"
            " SELECT o, date_trunc('month', now() AT TIME ZONE 'UTC')::date, n, (%s::jsonb ->> plan)::bigint"
            " FROM unnest(%s::uuid[], %s::bigint[]) AS t(o, n) JOIN organisations ON organisations.id = o"
            " ORDER BY o ON CONFLICT (organisation_id, month)"
            " DO UPDATE SET answers = usage.answers + excluded.answers, quota = excluded.quota",
            (json.dumps(quotas), list(used), list(used.values())),
        )
        if not answers:
            return
        async with cursor.copy(
            "COPY answers (id, output_id, organisation_id, user_id, experiment_id, variant, epoch, cache,"
            " fell_back, total_ms, locale, channel) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            await copy.write(_COPY_BEGIN + b"".join(map(_encode_row, answers)) + _COPY_END)


class _Batch(NamedTuple):
    """What one transaction stores: answers; the number of failed requests; people who only saw a draft; and
    the number of texts that are no answers, by organisation.
    """

    answers: list[NewAnswer]
    failed: Counter[tuple[Person, Placement]]
    drafted: set[tuple[Person, Placement]]
    written: Counter[uuid.UUID]


class AnswerWriter:
    """Collects answers and writes them every `interval_s` seconds, with users, exposures and usage.

    `quotas` are those of `store`; `bound` is how many answers may wait for Postgres.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool,
        quotas: Mapping[str, int | None],
        bound: int = 50_000,
        interval_s: float = 0.2,
    ) -> None:
        self.quotas = dict(quotas)
        self._pool = pool
        self._bound, self._interval_s = bound, interval_s
        self._waiting: list[NewAnswer] = []
        self._failed: Counter[tuple[Person, Placement]] = Counter()
        self._drafted: set[tuple[Person, Placement]] = set()
        self._written: Counter[uuid.UUID] = Counter()  # texts of comparisons, and drafts, by organisation
        self._unsure: _Batch | None = None  # its transaction has not ended, or failed, maybe after the commit
        self._flushing = asyncio.Lock()
        self._partitions_until = date.min
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of answers that are not stored yet."""
        return len(self._waiting) + (len(self._unsure.answers) if self._unsure else 0)

    @property
    def is_full(self) -> bool:
        """Whether the next `add` would raise FullError."""
        return self.waiting >= self._bound

    def add(self, answer: NewAnswer) -> None:
        """Add an answer to the next batch; FullError past the bound."""
        if self.is_full:
            raise FullError(f"{self._bound} answers wait for Postgres")
        self._waiting.append(answer)

    def add_failure(self, person: Person, placement: Placement) -> None:
        """Count a failed request of a person in an experiment for their arm."""
        if placement.exposure is not None:
            self._failed[person, placement] += 1

    def add_draft(self, person: Person, placement: Placement) -> None:
        """Count a draft that a person saw and whose answer they did not wait for: as usage of their
        organisation, and in an experiment as an exposure.
        """
        self._written[person.organisation_id] += 1
        if placement.exposure is not None:
            self._drafted.add((person, placement))

    def add_written(self, organisation_id: uuid.UUID, texts: int) -> None:
        """Count texts that are no answers as an organisation's usage."""
        self._written[organisation_id] += texts

    def start(self) -> None:
        """Start writing in the background."""
        self._task = asyncio.create_task(self._run(), name="answers")

    async def stop(self) -> None:
        """Write the waiting answers and stop. Those that Postgres does not accept within 5 s are lost; a log
        line gives their number.
        """
        if self._task is None:
            return
        while not self._task.done():
            self._task.cancel()
            # `asyncio.wait_for` of Python 3.11, which the pool calls, may lose a cancellation.
            await asyncio.wait([self._task], timeout=self._interval_s)
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(5):
                await self.flush()
        except (psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
            log.error("answers lost at stop: %d (%s)", self.waiting, error)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.flush()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("answers wait for Postgres: %d (%s)", self.waiting, error)

    async def flush(self) -> None:
        """Store the waiting answers in one transaction; if it fails, they keep waiting.

        A connection that breaks at the end of a transaction leaves open whether it was committed. So a batch
        that failed is stored again alone and as it was: where its answers are stored already, all of it is.
        """
        async with self._flushing:
            if self._unsure is not None:
                await self._store(self._unsure)
            if self._waiting or self._failed or self._written:
                batch = _Batch(self._waiting, self._failed, self._drafted, self._written)
                self._waiting, self._failed, self._drafted = [], Counter(), set()
                self._written = Counter()
                await self._store(batch)

    async def _store(self, batch: _Batch) -> None:
        is_again, self._unsure = batch is self._unsure, batch
        try:
            await self.ensure_partitions()
            async with self._pool.connection() as connection, connection.transaction():
                await store(connection, *batch, quotas=self.quotas)
        except psycopg.errors.UniqueViolation:
            if not is_again:
                raise
        self._unsure = None
        for answer in batch.answers:
            answer.person.is_stored = True
        answered = ((answer.person, answer.placement) for answer in batch.answers)
        for person, placement in (*answered, *batch.failed, *batch.drafted):
            if placement.exposure is not None and placement.exposure not in person.exposures:
                person.exposures = (*person.exposures[1 - _MOST_EXPOSURES :], placement.exposure)

    async def ensure_partitions(self) -> None:
        """Create the partitions that the next answers need, unless this writer knows that they exist."""
        today = datetime.now(UTC).date()
        if self._partitions_until <= today:
            async with self._pool.connection() as connection:
                await connection.execute(_ENSURE_PARTITIONS, (today, 3))
            self._partitions_until = today + timedelta(days=2)


# COPY's binary format (PostgreSQL manual, "COPY", "Binary Format"), encoded here: `write_row` takes several
# times as long, and a gateway writes tens of thousands of these rows a second.
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_HEAD = struct.Struct(">hi16si16s")  # twelve columns follow; id, output_id
_TAIL = struct.Struct(">i?id")  # fell_back, total_ms


def _encode_field(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value


_CACHE = {level: _encode_field(level.encode()) for level in ("l1", "l2", "miss")}


def _encode_row(answer: NewAnswer) -> bytes:
    id, output_id, person, placement, cache, fell_back, total_ms, locale, channel = answer
    return b"".join(
        (
            _HEAD.pack(12, 16, id, 16, output_id),
            person.columns,
            placement.columns,
            _CACHE[cache],
            _TAIL.pack(1, fell_back, 8, total_ms),
            _NULL if locale is None else _encode_field(locale.encode()),
            _NULL if channel is None else _encode_field(channel.encode()),
        )
    )
