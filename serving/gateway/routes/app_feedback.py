"""Feedback on the app itself, of the subject of a token or of whom an API key names, for the admins of their
organisation. It is no vote on a rewrite: that is `feedback`.
"""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id, Time
from data.people import app_feedback
from data.people.app_feedback import About, Author, ListedAppFeedback, TooOftenError
from data.reasons import reason
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import UserName, name_person
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import NotFoundError, TooManyRequestsError
from serving.gateway.refusals import refuses
from serving.gateway.routes.keys import Administrator

router = APIRouter(prefix="/api/v1/app-feedback", tags=["app-feedback"])

_LONGEST = 2000  # characters

SaidAbout = Annotated[About, Field(description="what it is about", examples=["idea"])]
Comment = Annotated[
    str,
    Field(
        description="in the person's words, at most 2,000 characters; nothing else is stored with it",
        examples=["A button to copy the rewrite as a quotation would help."],
    ),
]
MayAnswer = Annotated[
    bool,
    Field(description="whether the admins see who wrote it, and may answer", examples=[True]),
]
FeedbackId = Annotated[uuid.UUID, Path(description="the id of a feedback on the app", examples=ID_EXAMPLES)]


class NewAppFeedback(BaseModel):
    """What a person says about the app."""

    model_config = ConfigDict(extra="forbid")

    about: SaidAbout
    comment: Annotated[
        Comment,
        StringConstraints(min_length=1, max_length=_LONGEST, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"),
    ]
    may_answer: Annotated[MayAnswer, Field(strict=True)] = False
    user_id: UserName = None


class AppFeedback(BaseModel):
    """What a person said about the app."""

    id: Annotated[Id, Field(description="its id")]
    about: SaidAbout
    comment: Comment
    may_answer: MayAnswer
    author: Annotated[
        str | None,
        Field(
            description="the person's address or name; null unless `may_answer`, and when the account is"
            " gone",
            examples=["ann@example.org"],
        ),
    ]
    created_at: Annotated[Time, Field(description="when it was sent")]


def _show(listed: ListedAppFeedback) -> AppFeedback:
    return AppFeedback(
        id=listed.id,
        about=listed.about,
        comment=listed.comment,
        may_answer=listed.may_answer,
        author=listed.author,
        created_at=listed.created_at,
    )


@router.post(
    "",
    status_code=201,
    responses=refuses((TooManyRequestsError, "app_feedback_too_often", {"most": app_feedback.MOST_A_DAY})),
)
async def give_app_feedback(parts: InjectedParts, caller: Authenticated, body: NewAppFeedback) -> AppFeedback:
    """Say something about the app to the admins: one a minute and twenty a day for each person. No message,
    rewrite or address of a page is stored with it.
    """
    name = name_person(caller, body.user_id, reason("app_feedback_person_missing"))
    person, external_id = caller.user(name)
    author = Author(person, caller.key_id, external_id)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        try:
            added = await app_feedback.add(
                connection, organisation_id, author, body.about, body.comment.strip(), body.may_answer
            )
        except TooOftenError as error:
            refusal = TooManyRequestsError("app_feedback_too_often", most=app_feedback.MOST_A_DAY)
            raise refusal.until(error.retry_after_s) from error
    return _show(added)


@router.get("", responses=LINKED)
async def list_app_feedback(
    caller: Administrator, connection: Connection, page: PageOfEvents
) -> list[AppFeedback]:
    """List what people said about the app, the newest first. Who wrote it is shown only of people who may be
    answered.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        rows = await app_feedback.list_some(connection, before=page.before, most=page.most)
    return page.show([_show(row) for row in rows])


@router.delete(
    "/{feedback_id}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_app_feedback")),
)
async def delete_app_feedback(caller: Administrator, connection: Connection, feedback_id: FeedbackId) -> None:
    """Delete what a person said about the app, as one does when it is dealt with."""
    async with transaction_of(connection, caller.identity.organisation_id):
        if not await app_feedback.delete(connection, feedback_id):
            raise NotFoundError("unknown_app_feedback")
