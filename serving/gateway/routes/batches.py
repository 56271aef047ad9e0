"""Batches: up to ten thousand messages in one request, which a worker rewrites later, and their results."""

import asyncio
import csv
import io
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, Field

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id, Moment
from data.jobs import listing, queue
from data.jobs.listing import Batch, Outcome
from data.jobs.queue import NewJob, State
from data.reasons import reason, render
from serving.gateway import message_files, rate
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.message_files import CSV, JSON, JSON_LINES
from serving.gateway.online import queued
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import InvalidError, NotFoundError, TooManyRequestsError
from serving.gateway.refusals import LOCATION, refuses
from serving.gateway.routes.jobs import check_room, find_requester
from serving.observability import spans
from serving.observability.spans import Thing

router = APIRouter(prefix="/api/v1/jobs/batches", tags=["jobs"])

_LATEST = timedelta(days=30)  # that a batch may wait for its time


class Cancelled(BaseModel):
    """How many messages will not be rewritten."""

    cancelled: Annotated[int, Field(description="number of messages", examples=[1])]


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="1 to 200 characters of your choice, which make sending the same batch again harmless, as"
        " long as the batch is kept",
        examples=["monday"],
    ),
]

_LINES = """{"text": "Fix the login page before Monday.", "transform_type": "soften", "intensity": 2}
{"text": "Why did nobody test it?", "transform_type": "soften", "intensity": 3, "user_id": "bob"}
"""
_TABLE = """text,transform_type,intensity,user_id
"Fix the login page before Monday.",soften,2,ann
"Why did nobody test it?",soften,3,bob
"""
_RESULT_LINES = """{"place": 0, "state": "done", "answer": {"transformed_text": "Please."}, "reason": null}
{"place": 1, "state": "waiting", "answer": null, "reason": null}
"""
_RESULT_TABLE = """place,state,transformed_text,version,facts_missing,receipt,reason
0,done,Please.,v2,,TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4,
1,waiting,,,,,
"""
BatchId = Annotated[Id, Path(description="the batch", examples=ID_EXAMPLES)]
_UNKNOWN = (NotFoundError, "unknown_batch")

_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/Messages"}},
            JSON_LINES: {
                "schema": {"type": "string", "description": "a message of `items` in each line"},
                "example": _LINES,
            },
            CSV: {
                "schema": {"type": "string", "description": "a header with the names of the fields"},
                "example": _TABLE,
            },
        },
    }
}


@router.post("", status_code=202, openapi_extra=_UPLOAD, responses={202: {"headers": LOCATION}})
async def create_batch(
    request: Request,
    response: Response,
    parts: InjectedParts,
    caller: Authenticated,
    run_at: Annotated[
        Moment | None,
        Query(
            description="not before this time, at most 30 days from now; null: now",
            examples=["2026-11-28T09:30:00Z"],
        ),
    ] = None,
    content_type: Annotated[str, Header(include_in_schema=False)] = JSON,  # the request body names them
    idempotency_key: IdempotencyKey = None,
) -> Batch:
    """Rewrite up to 10,000 messages later. Send them as JSON, as JSON Lines or as CSV, 12 MB at most;
    `Location` is where their progress is. A file with a mistake changes nothing. How many may wait depends
    on the plan.
    """
    body = await request.body()
    if run_at is not None and run_at > datetime.now(UTC) + _LATEST:
        raise InvalidError({"run_at": reason("run_at_too_late", days=_LATEST.days)})

    def make_jobs() -> tuple[list[NewJob], bytes]:
        """The jobs of the messages, and a digest of the request."""
        messages = message_files.read_messages(content_type, body)
        made = [queued.make_job(caller, message.message(caller), run_at) for message in messages]
        digested = json.dumps([str(run_at and run_at.astimezone(UTC)), [job.payload for job in made]])
        return made, blake2b(digested.encode(), digest_size=16).digest()

    # A thread: ten thousand messages would keep everyone else waiting.
    made, digest = await asyncio.to_thread(make_jobs)
    organisation_id = caller.identity.organisation_id
    key = None
    if idempotency_key is not None:
        key = blake2b(f"{caller.name}\0{idempotency_key}".encode(), digest_size=16).hexdigest()
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if key is None or not await listing.list_batches(connection, key=key):
            open_jobs = await check_room(connection, parts, caller, len(made))
            await _check_month(connection, parts, caller, len(made), open_jobs)
        batch_id = await queue.enqueue_batch(connection, organisation_id, caller.name, made, digest, key)
        (batch,) = await listing.list_batches(connection, batch_id=batch_id)
    spans.record(Thing.BATCH, str(batch_id), messages=batch.messages)
    response.headers["Location"] = f"{router.prefix}/{batch_id}"
    return batch


async def _check_month(
    connection: AsyncConnection, parts: Parts, caller: Caller, new: int, open_jobs: int
) -> None:
    """TooManyRequestsError when the month has too few answers left; the worker checks it again."""
    plan_name = caller.identity.plan
    limit = parts.plans[plan_name].answers_a_month
    if limit is None:
        return
    _, used = await rate.fetch_usage(connection, caller.identity.organisation_id)
    left = max(0, limit - used - open_jobs)
    if new > left:
        error = TooManyRequestsError("plan_quota", plan=plan_name, limit=limit, left=left)
        raise error.until(rate.until_next_month_s())


@router.get("", responses=LINKED)
async def list_batches(
    caller: Authenticated,
    connection: Connection,
    page: PageOfEvents,
    state: Annotated[
        list[State],
        Query(
            max_length=len(State),
            description="with a message in one of these states; all without it",
            examples=[["dead"]],
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
    since: Annotated[
        Moment | None,
        Query(description="accepted from this time on", examples=["2026-11-28T00:00:00Z"]),
    ] = None,
    until: Annotated[
        Moment | None, Query(description="accepted before this time", examples=["2026-12-28T00:00:00Z"])
    ] = None,
) -> list[Batch]:
    """List batches, the newest first. You see what you requested; admins see all of their organisation."""
    async with transaction_of(connection, caller.identity.organisation_id):
        listed = await listing.list_batches(
            connection,
            requested_by=find_requester(caller),
            states=state,
            since=since,
            until=until,
            before=page.before,
            most=page.most,
        )
    return page.show(listed)


async def _find_batch(connection: AsyncConnection, caller: Caller, batch_id: uuid.UUID) -> Batch:
    """A batch that the caller may see, in a transaction that names the organisation; NotFoundError."""
    batches = await listing.list_batches(connection, batch_id=batch_id, requested_by=find_requester(caller))
    if not batches:
        raise NotFoundError("unknown_batch")
    return batches[0]


@router.get("/{batch_id}", responses=refuses(_UNKNOWN))
async def get_batch(caller: Authenticated, connection: Connection, batch_id: BatchId) -> Batch:
    """Read the progress of a batch: how many of its messages wait, run, are done, dead or cancelled."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find_batch(connection, caller, batch_id)


@router.post("/{batch_id}/cancel", responses=refuses(_UNKNOWN))
async def cancel_batch(caller: Authenticated, connection: Connection, batch_id: BatchId) -> Cancelled:
    """Cancel the messages of a batch that are not rewritten yet. What is rewritten stays."""
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find_batch(connection, caller, batch_id)
        return Cancelled(cancelled=await queue.cancel(connection, batch_id, caller.name))


@router.get(
    "/{batch_id}/results",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A line for each message, in the order of the batch",
            "content": {
                JSON_LINES: {"schema": {"type": "string"}, "example": _RESULT_LINES},
                CSV: {"schema": {"type": "string"}, "example": _RESULT_TABLE},
            },
        },
        **refuses(_UNKNOWN),
    },
)
async def get_batch_results(
    response: Response,
    parts: InjectedParts,
    caller: Authenticated,
    batch_id: BatchId,
    format: Annotated[
        Literal["jsonl", "csv"], Query(description="JSON Lines, or a table for spreadsheets")
    ] = "jsonl",
) -> Response:
    """Download the results of a batch so far: for each message its place, its state, and the answer or the
    reason. In CSV, a cell that would be a formula begins with `'`.
    """
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await _find_batch(connection, caller, batch_id)
    lines = _read_results(parts, organisation_id, batch_id, _to_csv if format == "csv" else _to_json_lines)
    name = f"batch-{batch_id}.{format}"
    return StreamingResponse(
        lines,
        media_type=CSV if format == "csv" else JSON_LINES,
        headers={
            **response.headers,  # FastAPI adds them only to a response that it makes itself
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def list_batch_results(
    caller: Caller, connection: AsyncConnection, batch_id: uuid.UUID, after: int, most: int
) -> list[Outcome]:
    """The results of a batch in the order of its messages, after the message at a place; for GraphQL.
    NotFoundError when the caller may see no such batch.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find_batch(connection, caller, batch_id)
        return await listing.read_outcomes(connection, batch_id, after, most)


async def _read_results(
    parts: Parts,
    organisation_id: uuid.UUID,
    batch_id: uuid.UUID,
    write: Callable[[Sequence[Outcome], bool], str],
) -> AsyncIterator[str]:
    """Pages of results. A client that reads slowly holds no connection to Postgres."""
    after, is_first = -1, True
    while True:
        async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
            outcomes = await listing.read_outcomes(connection, batch_id, after)
        if outcomes or is_first:
            yield write(outcomes, is_first)
        if not outcomes:
            return
        after, is_first = outcomes[-1].place, False


def _to_json_lines(outcomes: Sequence[Outcome], is_first: bool) -> str:
    lines = (
        {
            "place": outcome.place,
            "state": outcome.state,
            "answer": outcome.result,
            "reason": render(outcome.reasons) or None,
        }
        for outcome in outcomes
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


_COLUMNS = ("place", "state", "transformed_text", "version", "facts_missing", "receipt", "reason")


def _to_csv(outcomes: Sequence[Outcome], is_first: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if is_first:
        writer.writerow(_COLUMNS)
    for outcome in outcomes:
        answer = outcome.result or {}
        facts = " | ".join(answer.get("facts_missing", ()))
        cells = [
            answer.get("transformed_text", ""),
            answer.get("version", ""),
            facts,
            answer.get("receipt", ""),
        ]
        writer.writerow([outcome.place, outcome.state, *map(_harmless, cells), render(outcome.reasons)])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula (OWASP, CSV Injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
