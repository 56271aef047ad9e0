"""Who tried dead jobs again, cancelled batches, and took exports: the audit of the queue.

The jobs themselves are deleted days after their end; these rows stay. A change is recorded in the transaction
that makes it, which names the organisation (`data.database.speak_for`).
"""

import uuid
from enum import StrEnum

from psycopg import AsyncConnection

from data.tables import new_id


class JobAction(StrEnum):
    """What was done."""

    REPLAYED = "replayed"
    CANCELLED = "cancelled"
    EXPORT_REQUESTED = "export_requested"
    EXPORT_READ = "export_read"


async def record(
    connection: AsyncConnection,
    changed_by: str,
    action: JobAction,
    kind: str,
    jobs: int,
    *,
    job_id: uuid.UUID | None = None,
    batch_id: uuid.UUID | None = None,
    webhook_id: uuid.UUID | None = None,
) -> None:
    """Record what somebody did with so many jobs of a kind: one job, those of a batch, those of a webhook, or
    without any of these ids all of the kind.
    """
    await connection.execute(
        "INSERT INTO job_changes"
        " (id, organisation_id, action, kind, jobs, job_id, batch_id, webhook_id, changed_by)"
        " VALUES (%s, current_setting('tonebridge.organisation')::uuid, %s, %s, %s, %s, %s, %s, %s)",
        (new_id(), action.value, kind, jobs, job_id, batch_id, webhook_id, changed_by),
    )
