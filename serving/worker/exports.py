"""Exports the votes of an organisation with their messages and rewrites, as compressed JSON Lines."""

import asyncio
import uuid
import zlib
from collections.abc import Collection, Sequence

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from data.database import speak_for
from data.jobs import queue
from data.jobs.queue import ClaimedJob, Kind
from serving.observability import job_spans
from serving.worker.loop import Work

_ROWS_AT_ONCE = 1000
_GZIP = 31  # zlib's `wbits` for the format of gzip
_PART_BYTES = 1 << 20

_VOTES = """
    SELECT json_build_object('vote_id', f.id, 'kind', f.kind, 'thumb_up', f.thumb_up, 'rating', f.rating,
        'text', f.text, 'comparison_id', f.comparison_id, 'preferred_output_id', f.preferred_output_id,
        'reason', f.reason, 'created_at', f.created_at, 'updated_at', f.updated_at, 'user_id', f.user_id,
        'experiment_id', f.experiment_id, 'variant', f.variant, 'output_id', o.id, 'message', o.message,
        'transform_type', o.transform_type, 'intensity', o.intensity, 'rewrite', o.text,
        'facts_missing', o.facts_missing, 'version', o.version)::text
    FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = %(organisation)s
        AND (%(since)s::timestamptz IS NULL OR f.created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR f.created_at < %(until)s)
    ORDER BY f.id
"""


class Exports:
    """The handler of jobs of kind `export`. Its payload has `since` and `until`: times, or None."""

    most = lists_at_once = 1  # a file is in memory until it is stored
    is_ready = True

    def __init__(self, pool: AsyncConnectionPool, most_attempts: int) -> None:
        self._pool, self.most_attempts = pool, most_attempts

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """Write the file of a job, as the votes were at one moment."""
        (job,) = claimed
        with job_spans.attempt(Kind.EXPORT, claimed) as span:
            parts, votes = await self._write(job)
            job_spans.conclude(span, [votes])

        async def store(connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
            if held:
                await queue.store_file(connection, job, parts)

        result = {"votes": votes, "bytes": sum(map(len, parts))}
        return Work([(job, result)], [], store, lambda _: None)

    async def _write(self, job: ClaimedJob) -> tuple[list[bytes], int]:
        """The parts of the compressed file, and the number of its lines."""
        compressor = zlib.compressobj(wbits=_GZIP)
        parts, part, votes = [], b"", 0
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await speak_for(connection, job.organisation_id)
            async with connection.cursor(name="votes") as cursor:
                await cursor.execute(_VOTES, {"organisation": job.organisation_id, **job.payload})
                while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
                    lines = "".join(f"{line}\n" for (line,) in rows).encode()
                    part += await asyncio.to_thread(compressor.compress, lines)
                    votes += len(rows)
                    if len(part) >= _PART_BYTES:
                        parts.append(part)
                        part = b""
        return [*parts, part + compressor.flush()], votes
