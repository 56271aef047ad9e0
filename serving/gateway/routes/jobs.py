"""The jobs of the queue: lists, replays of dead ones, and exports of votes.

People and keys see what they requested; admins see all of their organisation. `batches` has the routes of
batches.
"""

import itertools
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from pydantic import AwareDatetime, BaseModel, ConfigDict

from data.database import transaction_of
from data.jobs import listing, queue
from data.jobs.listing import ListedJob
from data.jobs.queue import Kind, NewJob, State
from data.people.identities import Role
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import (
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
)

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

_MOST_LISTED = 200
_GZIP = "application/gzip"
_RETRY_AFTER_S = 60  # when the queue of an organisation is full


class NewExport(BaseModel):
    """The votes to export: those from `since` on and before `until`; all without them."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Replay(BaseModel):
    """Which dead jobs to try again: all of a kind."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind


class Replayed(BaseModel):
    """The new jobs that repeat the dead ones."""

    jobs: list[uuid.UUID]


Before = Annotated[uuid.UUID | None, Query(description="the last id of the page before this one")]
Limit = Annotated[int, Query(ge=1, le=_MOST_LISTED)]


async def check_room(connection: AsyncConnection, parts: Parts, caller: Caller, new: int) -> int:
    """The number of the organisation's open jobs; TooManyRequestsError when there is no room for new ones.
    Two requests that are checked at the same moment may exceed the limit together.
    """
    plan_name = caller.identity.plan
    open_jobs = await queue.count_open(connection, caller.identity.organisation_id)
    most = dict(parts.jobs.plans)[plan_name].open
    if open_jobs + new > most:
        raise TooManyRequestsError("plan_jobs", plan=plan_name, most=most, open=open_jobs).until(
            _RETRY_AFTER_S
        )
    return open_jobs


def find_requester(caller: Caller) -> str | None:
    """Whose jobs a caller may see; None: those of the whole organisation."""
    return None if caller.identity.may_act_as(Role.ADMIN) else caller.name


def _check_admin(caller: Caller) -> None:
    """ForbiddenError when the caller is no admin of the organisation."""
    if not caller.identity.may_act_as(Role.ADMIN):
        raise ForbiddenError("admin_needed")


@router.post("/exports", status_code=202)
async def create_export(
    response: Response, parts: InjectedParts, body: NewExport, caller: Authenticated
) -> ListedJob:
    """Write the votes of the organisation into a file, with their messages and rewrites; for admins. When the
    job is done, `GET /api/v1/jobs/{job_id}/file` has the file.
    """
    _check_admin(caller)
    organisation_id = caller.identity.organisation_id
    job = NewJob(Kind.EXPORT, body.model_dump(mode="json"), str(uuid.uuid4()))
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await check_room(connection, parts, caller, 1)
        (job_id,) = await queue.enqueue(connection, organisation_id, caller.name, [job])
        (listed,) = await listing.list_jobs(connection, job_id=job_id)
    response.headers["Location"] = f"{router.prefix}/{job_id}"
    return listed


@router.get(
    "/{job_id}/file",
    response_class=StreamingResponse,
    responses={200: {"description": "JSON Lines, compressed", "content": {_GZIP: {}}}},
)
async def get_export_file(parts: InjectedParts, caller: Authenticated, job_id: uuid.UUID) -> Response:
    """The file of an export: a vote in each line, with the message and the rewrite; for admins. An erasure in
    the organisation deletes it.
    """
    _check_admin(caller)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await _find_job(connection, caller, job_id)
        first = await listing.read_file(connection, job_id, 0)
    if first is None:
        raise NotFoundError("no_file")

    async def read_parts() -> AsyncIterator[bytes]:
        part: bytes | None = first
        for number in itertools.count(1):
            if part is None:
                return
            yield part
            async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
                part = await listing.read_file(connection, job_id, number)

    headers = {
        "Content-Disposition": f'attachment; filename="{job_id}.jsonl.gz"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(read_parts(), media_type=_GZIP, headers=headers)


@router.get("")
async def list_jobs(
    caller: Authenticated,
    connection: Connection,
    state: Annotated[list[State], Query(max_length=len(State))] = [],  # noqa: B006 (FastAPI copies it)
    batch_id: uuid.UUID | None = None,
    before: Before = None,
    limit: Limit = 50,
) -> list[ListedJob]:
    """Jobs, the newest first; `state=dead` for those that were given up, with the reason of every attempt."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await listing.list_jobs(
            connection,
            requested_by=find_requester(caller),
            states=state or tuple(State),
            batch_id=batch_id,
            before=before,
            most=limit,
        )


@router.get("/{job_id}")
async def get_job(caller: Authenticated, connection: Connection, job_id: uuid.UUID) -> ListedJob:
    """A job, with the reason of every failed attempt."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find_job(connection, caller, job_id)


@router.post("/{job_id}/replay", status_code=202)
async def replay_job(caller: Authenticated, connection: Connection, job_id: uuid.UUID) -> Replayed:
    """Try a dead job again. The new job names the dead one, which is `replayed` from then on."""
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find_job(connection, caller, job_id)
        replayed = await queue.replay(connection, caller.name, job_id=job_id)
    if not replayed:
        raise NotFoundError("job_not_dead")
    return Replayed(jobs=replayed)


@router.post("/replay", status_code=202)
async def replay_jobs(parts: InjectedParts, caller: Authenticated, body: Replay) -> Replayed:
    """Try all dead jobs of a kind again, for admins: at most 10,000 in one request, the oldest first."""
    _check_admin(caller)
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        return Replayed(jobs=await queue.replay(connection, caller.name, kind=body.kind))


async def _find_job(connection: AsyncConnection, caller: Caller, job_id: uuid.UUID) -> ListedJob:
    rows = await listing.list_jobs(connection, job_id=job_id, requested_by=find_requester(caller))
    if not rows:
        raise NotFoundError("unknown_job")
    return rows[0]
