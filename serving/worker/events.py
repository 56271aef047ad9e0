"""What an event says: the body of its deliveries, as it is when one is sent.

Texts of messages are read here and not stored in the queue. So nothing of a person leaves after an erasure.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from data.jobs import listing
from data.jobs.listing import Batch, ListedJob
from data.reasons import Reason, dump, load, render
from data.webhooks import subscriptions
from data.webhooks.events import Event, EventType
from serving.gateway.online.answering import explain
from serving.observability.spans import Thing

_DOCUMENT: TypeAdapter[Batch | ListedJob] = TypeAdapter(Batch | ListedJob)

# `-` is a person whom no request has named (`gateway.auth`). The order of the ids is that of the answers. An
# output that an erasure deleted has no answer either.
_ANSWERS = """
    SELECT a.id AS answer_id, a.user_id, nullif(u.external_id, '-') AS external_id, u.key_id,
        a.experiment_id, a.variant, a.epoch, a.cache, a.fell_back AS fallback, a.locale, a.channel,
        o.id AS output_id, o.version, o.transform_type, o.intensity, o.message, o.text AS transformed_text,
        o.facts_missing, o.unchanged
    FROM own_answers a JOIN outputs o ON o.id = a.output_id JOIN users u ON u.id = a.user_id
    WHERE a.id = ANY(%s) ORDER BY a.id
"""

_VOTE = """
    SELECT f.id AS vote_id, f.kind, f.thumb_up, f.rating, f.text, f.reason, f.preferred_output_id,
        f.comparison_id, f.user_id, nullif(u.external_id, '-') AS external_id, u.key_id, f.experiment_id,
        f.variant, f.epoch, f.created_at, f.updated_at, o.id AS output_id, o.version, o.transform_type,
        o.intensity, o.message, o.text AS transformed_text
    FROM feedback f JOIN outputs o ON o.id = f.output_id JOIN users u ON u.id = f.user_id WHERE f.id = %s
"""


class Body(NamedTuple):
    """The body of an event's deliveries, JSON, and what it is `about`, for links of spans."""

    content: bytes
    about: Sequence[tuple[Thing, str]]


async def read(connection: AsyncConnection, event: Event) -> Body | None:
    """The body of an event's deliveries; None when nothing is left that it is about. For a transaction that
    names the organisation.
    """
    data = await _read_data(connection, event)
    if data is None:
        return None
    content = msgspec.json.encode({"type": event.type.value, "timestamp": event.at, "data": data})
    return Body(content, _find_things(event, data))


def _find_things(event: Event, data: Mapping[str, Any]) -> Sequence[tuple[Thing, str]]:
    """What an event is about, as far as it has spans."""
    subject = event.subject
    match event.type:
        case EventType.ANSWER_CREATED:
            return [(Thing.OUTPUT, str(answer["output_id"])) for answer in data["answers"]]
        case EventType.FEEDBACK_GIVEN:
            return [(Thing.VOTE, subject["vote_id"])]
        case EventType.JOB_DONE if subject["batch_id"] is not None:
            return [(Thing.BATCH, subject["batch_id"])]
        case EventType.JOB_DONE:
            return [(Thing.JOB, subject["job_id"])]
        case EventType.VERSION_RELEASED | EventType.VERSION_REFUSED:
            return [(Thing.VERSION, subject["version"])]
        case EventType.SNAPSHOT_REFUSED:
            return [(Thing.SNAPSHOT, subject["snapshot"])]
        case _:
            return []


async def _read_data(connection: AsyncConnection, event: Event) -> Mapping[str, Any] | None:
    subject = event.subject
    match event.type:
        case EventType.ANSWER_CREATED:
            return await _read_answers(connection, subject["answer_ids"])
        case EventType.FEEDBACK_GIVEN:
            return await _read_vote(connection, subject["vote_id"])
        case EventType.JOB_DONE:
            return await _read_job(connection, subject["batch_id"], subject["job_id"])
        case EventType.WEBHOOK_DISABLED:
            return await _read_webhook(connection, uuid.UUID(subject["webhook_id"]))
        case _:
            return {name: value for name, value in subject.items() if name not in ("reasons", "failure")} | {
                field: value
                for name in ("reasons", "failure")
                if name in subject
                for field, value in _explain(name, load(subject[name])).items()
            }


def _explain(name: str, reasons: Sequence[Reason]) -> dict[str, Any]:
    """Reasons as codes and values, and in English as one text."""
    if name == "failure":
        return {"failure": render(reasons) or None, "failure_reasons": dump(reasons)}
    return {"reason": render(reasons), "reasons": dump(reasons)}


async def _read_answers(connection: AsyncConnection, answer_ids: Sequence[str]) -> Mapping[str, Any] | None:
    cursor = await connection.cursor(row_factory=dict_row).execute(_ANSWERS, (list(answer_ids),))
    answers = [
        {**row, "unchanged": explain(Reason.model_validate(row["unchanged"]) if row["unchanged"] else None)}
        for row in await cursor.fetchall()
    ]
    return {"answers": answers} if answers else None


async def _read_vote(connection: AsyncConnection, vote_id: str) -> Mapping[str, Any] | None:
    cursor = await connection.cursor(row_factory=dict_row).execute(_VOTE, (vote_id,))
    return await cursor.fetchone()


async def _read_job(
    connection: AsyncConnection, batch_id: str | None, job_id: str | None
) -> Mapping[str, Any] | None:
    rows: Sequence[Batch | ListedJob]
    if batch_id is not None:
        kind, rows = "batch", await listing.list_batches(connection, batch_id=uuid.UUID(batch_id))
    else:
        assert job_id is not None, "a job without a batch"
        kind, rows = "job", await listing.list_jobs(connection, job_id=uuid.UUID(job_id))
    return {kind: _DOCUMENT.dump_python(rows[0], mode="json")} if rows else None


async def _read_webhook(connection: AsyncConnection, webhook_id: uuid.UUID) -> Mapping[str, Any] | None:
    rows = await subscriptions.list_some(connection, webhook_id=webhook_id)
    if not rows or rows[0].disabled_reason is None:
        return None
    (webhook,) = rows
    return {
        "webhook_id": webhook.id,
        "url": webhook.url,
        "disabled_at": webhook.disabled_at,
        **_explain("reasons", [rows[0].disabled_reason]),
    }
