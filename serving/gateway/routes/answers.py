"""The answers that a person got, for that person: the subject of a token, or whom an API key names."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from data.database import transaction_of
from data.erasure import work_orders
from data.fields import ID_EXAMPLES, Moment
from data.reasons import reason
from data.records import TransformType
from data.traffic import own_answers
from data.traffic.own_answers import OwnAnswer
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import AskedPerson, name_person
from serving.gateway.own_answers import ShownAnswer, describe
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import NotFoundError
from serving.gateway.refusals import refuses

router = APIRouter(prefix="/api/v1/answers", tags=["answers"])

# Messages stay in no browser's store: an erasure does not reach it.
_NOT_STORED = "no-store"


@router.get("", responses=LINKED)
async def list_answers(
    response: Response,
    parts: InjectedParts,
    caller: Authenticated,
    connection: Connection,
    page: PageOfEvents,
    transform_type: Annotated[
        list[TransformType],
        Query(
            max_length=len(TransformType),
            description="of these types; of all without it",
            examples=[["soften"]],
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
    since: Annotated[
        Moment | None, Query(description="from this time on", examples=["2026-11-28T00:00:00Z"])
    ] = None,
    until: Annotated[
        Moment | None, Query(description="before this time", examples=["2026-12-28T00:00:00Z"])
    ] = None,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00]*$",
            description="a part of the message or of the rewrite, in any case and without wildcards",
            examples=["login page"],
        ),
    ] = None,
    user_id: AskedPerson = None,
) -> list[ShownAnswer]:
    """List a person's own answers with their messages and what the person said about them, the newest first.
    A new one is there within a second, the oldest ones are removed after the time that the installation keeps
    them, and all by an erasure.

    With `q`, a page looks through 10,000 answers at most: it may have fewer rows than `limit`, or none, and
    `Link` goes on where it has stopped.
    """
    person, _ = caller.user(_named(caller, user_id))
    types = transform_type or tuple(TransformType)
    async with transaction_of(connection, caller.identity.organisation_id):
        if q is None:
            answers = await own_answers.list_some(
                connection, person, types=types, since=since, until=until, before=page.before, most=page.most
            )
        else:
            answers, last = await own_answers.search(
                connection,
                person,
                q,
                types=types,
                since=since,
                until=until,
                before=page.before,
                most=page.most,
            )
            if last is not None:
                page.go_on_after(last)
    response.headers["Cache-Control"] = _NOT_STORED
    return page.show([_describe(parts, caller, person, answer) for answer in answers], "answer_id")


@router.get("/{answer_id}", responses=refuses((NotFoundError, "unknown_answer")))
async def get_answer(
    response: Response,
    parts: InjectedParts,
    caller: Authenticated,
    connection: Connection,
    answer_id: Annotated[uuid.UUID, Path(description="the id of the answer", examples=ID_EXAMPLES)],
    user_id: AskedPerson = None,
) -> ShownAnswer:
    """Read one of a person's own answers, with its message and what the person said about it."""
    person, _ = caller.user(_named(caller, user_id))
    async with transaction_of(connection, caller.identity.organisation_id):
        answer = await own_answers.find(connection, person, answer_id)
    if answer is None:
        raise NotFoundError("unknown_answer")
    response.headers["Cache-Control"] = _NOT_STORED
    return _describe(parts, caller, person, answer)


@router.delete(
    "/{answer_id}",
    status_code=202,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_answer")),
)
async def delete_answer(
    caller: Authenticated,
    connection: Connection,
    answer_id: Annotated[uuid.UUID, Path(description="the id of the answer", examples=ID_EXAMPLES)],
    user_id: AskedPerson = None,
) -> None:
    """Delete one of a person's own rewrites: its message, its text, and what the person said about it. It
    cannot be undone.

    From the answer on it is not listed, and no vote on it is accepted; the same rewrite goes wherever the
    person got it. Within seconds it is gone from tables, caches, the queue and exports, and from training
    data after a training that is running. Other rewrites of the same message stay. Versions that learned from
    it stay, too: an erasure of everything reaches these.
    """
    person, _ = caller.user(_named(caller, user_id))
    async with transaction_of(connection, caller.identity.organisation_id):
        if not await work_orders.request_one(connection, person, answer_id):
            raise NotFoundError("unknown_answer")


def _named(caller: Caller, user_id: str | None) -> str | None:
    return name_person(caller, user_id, reason("answers_person_missing"))


def _describe(parts: Parts, caller: Caller, person: uuid.UUID, answer: OwnAnswer) -> ShownAnswer:
    is_personal = caller.key_id is None
    return describe(answer, caller.identity.organisation_id, person, is_personal, parts.receipt_secret)
