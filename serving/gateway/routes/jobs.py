"""The jobs of the queue: lists, replays of dead ones, and exports of votes.

People and keys see what they requested; admins see all of their organisation. `batches` has the routes of
batches.
"""

import itertools
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id, Moment
from data.jobs import changes, listing, queue
from data.jobs.changes import JobAction
from data.jobs.listing import ListedJob
from data.jobs.queue import Kind, NewJob, State
from data.people.identities import Role
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import (
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
)
from serving.gateway.refusals import LOCATION, refuses
from serving.observability import job_spans

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

_GZIP = "application/gzip"
_RETRY_AFTER_S = 60  # when the queue of an organisation is full


class NewExport(BaseModel):
    """The votes to export: those from `since` on and before `until`; all without them."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[
        Moment | None,
        Field(description="votes from this time on; null: from the first", examples=["2026-11-01T00:00:00Z"]),
    ] = None
    until: Annotated[
        Moment | None,
        Field(description="votes before this time; null: to the last", examples=["2026-12-01T00:00:00Z"]),
    ] = None


class Replay(BaseModel):
    """Which dead jobs to try again: all of a kind."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[Kind, Field(description="the kind of the jobs")]


class Replayed(BaseModel):
    """The new jobs that repeat the dead ones."""

    jobs: Annotated[list[Id], Field(description="the new jobs, in the order of the dead ones")]


States = Annotated[
    list[State],
    Query(max_length=len(State), description="in these states; in any without it", examples=[["dead"]]),
]
JobId = Annotated[Id, Path(description="the job", examples=ID_EXAMPLES)]
_UNKNOWN = (NotFoundError, "unknown_job")
_FOR_ADMINS = (ForbiddenError, "admin_needed")


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


@router.post(
    "/exports",
    status_code=202,
    responses={202: {"headers": LOCATION}, **refuses(_FOR_ADMINS)},
)
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
        await changes.record(
            connection, caller.name, JobAction.EXPORT_REQUESTED, Kind.EXPORT, 1, job_id=job_id
        )
        (listed,) = await listing.list_jobs(connection, job_id=job_id)
    job_spans.record_request(Kind.EXPORT, [job_id])
    response.headers["Location"] = f"{router.prefix}/{job_id}"
    return listed


@router.get(
    "/{job_id}/file",
    response_class=StreamingResponse,
    responses={
        200: {"description": "JSON Lines, compressed", "content": {_GZIP: {}}},
        **refuses(_UNKNOWN, (NotFoundError, "no_file"), _FOR_ADMINS),
    },
)
async def get_export_file(
    response: Response, parts: InjectedParts, caller: Authenticated, job_id: JobId
) -> Response:
    """Download the file of an export: a vote in each line, with the message and the rewrite; for admins. An
    erasure in the organisation deletes it.
    """
    _check_admin(caller)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await _find_job(connection, caller, job_id)
        first = await listing.read_file(connection, job_id, 0)
        if first is None:
            raise NotFoundError("no_file")
        await changes.record(connection, caller.name, JobAction.EXPORT_READ, Kind.EXPORT, 1, job_id=job_id)

    async def read_parts() -> AsyncIterator[bytes]:
        part: bytes | None = first
        for number in itertools.count(1):
            if part is None:
                return
            yield part
            async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
                part = await listing.read_file(connection, job_id, number)

    headers = {
        **response.headers,  # FastAPI adds them only to a response that it makes itself
        "Content-Disposition": f'attachment; filename="{job_id}.jsonl.gz"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(read_parts(), media_type=_GZIP, headers=headers)


@router.get("", responses=LINKED)
async def list_jobs(
    caller: Authenticated,
    connection: Connection,
    page: PageOfEvents,
    state: States = [],  # noqa: B006 (FastAPI copies it)
    kind: Annotated[
        list[Kind],
        Query(max_length=len(Kind), description="of these kinds; of all without it", examples=[["export"]]),
    ] = [],  # noqa: B006
    batch_id: Annotated[uuid.UUID | None, Query(description="of this batch", examples=ID_EXAMPLES)] = None,
) -> list[ListedJob]:
    """List jobs, the newest first; `state=dead` for those that were given up, with the reason of every
    attempt. You see what you requested; admins see all of their organisation.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        jobs = await listing.list_jobs(
            connection,
            requested_by=find_requester(caller),
            states=state or tuple(State),
            kinds=kind or tuple(Kind),
            batch_id=batch_id,
            before=page.before,
            most=page.most,
        )
    return page.show(jobs)


@router.get("/{job_id}", responses=refuses(_UNKNOWN))
async def get_job(caller: Authenticated, connection: Connection, job_id: JobId) -> ListedJob:
    """Read a job, with the reason of every failed attempt."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find_job(connection, caller, job_id)


@router.post(
    "/{job_id}/replay", status_code=202, responses=refuses(_UNKNOWN, (NotFoundError, "job_not_dead"))
)
async def replay_job(caller: Authenticated, connection: Connection, job_id: JobId) -> Replayed:
    """Try a dead job again. The new job names the dead one, which is `replayed` from then on."""
    async with transaction_of(connection, caller.identity.organisation_id):
        dead = await _find_job(connection, caller, job_id)
        replayed = await queue.replay(connection, caller.name, job_id=job_id)
    if not replayed:
        raise NotFoundError("job_not_dead")
    job_spans.record_request(dead.kind, replayed)
    return Replayed(jobs=replayed)


@router.post("/replay", status_code=202, responses=refuses(_FOR_ADMINS))
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
