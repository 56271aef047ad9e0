"""Where a person is signed in, and how to end their sessions.

Ending one takes another session and no password, since it is done in a hurry: after a device is lost. Whoever
has stolen a session can sign its person out by it; a password ends that session, too.
"""

import uuid
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from data.fields import ID_EXAMPLES, Id
from data.people import sessions
from data.people.sessions import ListedSession
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.pages import LINKED, PageOfThings
from serving.gateway.problems import ForbiddenError, NotFoundError
from serving.gateway.refusals import refuses

router = APIRouter(prefix="/api/v1/auth/sessions", tags=["accounts"])


class EndedSessions(BaseModel):
    """What has ended."""

    ended: Annotated[int, Field(description="how many sessions this request has ended", examples=[2])]


class CurrentSession(NamedTuple):
    """The session of a request, and its account."""

    id: uuid.UUID
    account_id: uuid.UUID


async def signed_in(caller: Authenticated) -> CurrentSession:
    """The session that the caller's access token belongs to; ForbiddenError for keys and other tokens."""
    if caller.session_id is None or caller.account_id is None:
        raise ForbiddenError("no_session")
    return CurrentSession(caller.session_id, caller.account_id)


Current = Annotated[CurrentSession, Depends(signed_in)]


@router.get("", responses=LINKED)
async def list_sessions(current: Current, connection: Connection, page: PageOfThings) -> list[ListedSession]:
    """List your open sessions, the newest first: on which device, since when, and when it was last used."""
    listed = await sessions.list_some(
        connection, current.account_id, current.id, before=page.before, most=page.most
    )
    return page.show(listed)


@router.delete("")
async def end_other_sessions(current: Current, connection: Connection) -> EndedSessions:
    """End all your sessions but this one. Their access tokens are refused within a second."""
    return EndedSessions(ended=await sessions.end_others(connection, current.account_id, current.id))


@router.delete(
    "/{session_id}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_session")),
)
async def end_session(
    current: Current,
    connection: Connection,
    session_id: Annotated[Id, Path(description="the session", examples=ID_EXAMPLES)],
) -> None:
    """End one of your sessions, this one or another. Its access tokens are refused within a second."""
    if not await sessions.end(connection, current.account_id, session_id):
        raise NotFoundError("unknown_session")
