"""Comparing on a page: which two rewrites a person is shown next. The vote itself is feedback, by receipt.

Everybody of an organisation may compare, whatever their role.
"""

import random
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from data.records import Intensity, TransformType
from data.tables import new_id
from data.traffic import comparisons, outputs
from data.traffic.comparisons import Offered, Shown, choose_task
from serving.gateway.auth import Caller, caller
from serving.gateway.online.answering import Compared, Online, Policy, Side
from serving.gateway.online.bodies import Text, UserId, check_speaks_for
from serving.gateway.online.placement import Message
from serving.gateway.problems import InvalidError, NothingToCompareError

_TRIES = 4  # messages whose two rewrites are the same, before that is said

router = APIRouter(prefix="/api/v1/comparisons", tags=["comparisons"])

UserName = Annotated[UserId | None, Field(description="your name for the person; a token leaves it out")]


class Wanted(BaseModel):
    """What to compare rewrites of: one's own message, or without any one that is shipped."""

    model_config = ConfigDict(extra="forbid")

    text: Text | None = None
    transform_type: TransformType | None = None
    intensity: Intensity | None = None
    user_id: UserName = None


class Who(BaseModel):
    """Who compares."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserName = None


class Next(Compared):
    """Two outputs, in random order, with the message that they are of; the receipt takes the vote."""

    message: str
    transform_type: TransformType
    intensity: int


class Progress(BaseModel):
    """How far a person has come."""

    today: Annotated[int, Field(description="votes since midnight UTC")]
    all: Annotated[int, Field(description="votes")]
    skipped: int
    waiting_for_overlap: Annotated[int, Field(description="pairs that others have judged, and they have not")]


def _person(caller: Caller, user_id: str | None) -> uuid.UUID:
    """Who compares; InvalidError when a key names nobody, or a token somebody else."""
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": "an API key speaks for many people; say who compares"})
    return caller.user(user_id)[0]


@router.post("/next")
async def get_next(
    request: Request, caller: Annotated[Caller, Depends(caller)], body: Wanted | None = None
) -> Next:
    """The comparison that the person has neither voted on nor skipped, the newest first; or else a new one.

    A new one is a pair that others judge, too, when one waits for them. With a message of one's own it is
    of that, and nobody else is ever shown it; so many may wait for a choice, and no more.
    """
    body = body or Wanted()
    own = _own(body)
    online: Online = request.app.state.online
    request.app.state.directory.must_hear()
    organisation_id, user_id = caller.identity.organisation_id, _person(caller, body.user_id)
    in_force = online.compared
    if own is None:
        async with request.app.state.pool.connection() as connection:
            offered = await comparisons.find_open(connection, organisation_id, user_id)
            if offered is None:
                offered = await comparisons.join(connection, organisation_id, user_id, *in_force)
            if offered is not None:
                return _next(online, caller, user_id, offered)
            seen = await comparisons.find_seen(connection, organisation_id, user_id)
        unseen = [message for message in comparisons.read_messages() if message not in seen]
        if not unseen:
            raise NothingToCompareError(
                f"you have seen all {len(seen)} messages that are shipped; type one of your own"
            )
        # At random: those whose rewrites were the same are not in the way of the others.
        drawn = random.sample(unseen, min(_TRIES, len(unseen)))
        tries: list[tuple[Message, Policy | None]] = [
            (Message(text, *choose_task(user_id, text), body.user_id), None) for text in drawn
        ]
    else:
        async with request.app.state.pool.connection() as connection:
            await comparisons.check_room(connection, organisation_id, user_id)
        # What champion and challenger write alike, the champion may still write in two ways.
        tries = [(own, None), (own, "two_samples")]
    for message, wanted in tries:
        policy, made = await online.rewrite_twice(organisation_id, message, wanted)
        if made[0].text == made[1].text:
            continue
        id = new_id()
        first, second = random.sample(made, 2)
        # One's own words are for oneself.
        people = 1 if own else comparisons.draw_people(id, comparisons.load())
        async with request.app.state.pool.connection() as connection, connection.transaction():
            if own is not None:
                await comparisons.check_room(connection, organisation_id, user_id)
            await outputs.store_comparison(
                connection, id, user_id, policy, first, second, people, own is not None
            )
        sides = (Shown(side.id, side.text, side.facts_missing) for side in (first, second))
        offered = Offered(id, policy, message.text, message.transform_type, message.intensity, *sides)
        return _next(online, caller, user_id, offered)
    raise NothingToCompareError(
        "both rewrites of your message are the same, so there is nothing to choose; change it, or ask for"
        " more intensity"
        if own
        else f"of {len(tries)} messages both rewrites were the same, so there is nothing to choose; ask"
        " again, or type a message of your own"
    )


def _own(body: Wanted) -> Message | None:
    """The person's own message; InvalidError when it is not whole."""
    if body.text is not None and body.transform_type is not None and body.intensity is not None:
        return Message(body.text, body.transform_type, body.intensity, body.user_id)
    given = {"text": body.text, "transform_type": body.transform_type, "intensity": body.intensity}
    if any(value is not None for value in given.values()):
        missing = (name for name, value in given.items() if value is None)
        raise InvalidError(
            dict.fromkeys(missing, "a message of your own needs text, transform_type and intensity")
        )
    return None


def _next(online: Online, caller: Caller, user_id: uuid.UUID, offered: Offered) -> Next:
    receipt = online.sign_comparison(caller, user_id, offered.id, offered.policy, offered.first.id)
    first, second = (
        Side(transformed_text=side.text, facts_missing=side.facts_missing)
        for side in (offered.first, offered.second)
    )
    return Next(
        comparison_id=offered.id,
        receipt=receipt,
        policy=offered.policy,
        first=first,
        second=second,
        message=offered.message,
        transform_type=offered.transform_type,
        intensity=offered.intensity,
    )


@router.post("/{comparison_id}/skip", status_code=204)
async def skip(
    request: Request,
    comparison_id: uuid.UUID,
    caller: Annotated[Caller, Depends(caller)],
    body: Who | None = None,
) -> None:
    """Choose nothing: the person is not offered this comparison again."""
    user_id = _person(caller, body.user_id if body else None)
    async with request.app.state.pool.connection() as connection:
        await comparisons.skip(connection, caller.identity.organisation_id, user_id, comparison_id)


@router.get("/progress")
async def get_progress(
    request: Request,
    caller: Annotated[Caller, Depends(caller)],
    user_id: Annotated[UserId | None, Query(description="your name for the person")] = None,
) -> Progress:
    """How many comparisons a person has judged and skipped, and how many of others' wait for them."""
    online: Online = request.app.state.online
    person = _person(caller, user_id)
    async with request.app.state.pool.connection() as connection:
        found = await comparisons.count_progress(
            connection, caller.identity.organisation_id, person, *online.compared
        )
    return Progress(**found._asdict())
