"""Comparisons on a page: the two rewrites that a person judges next. The vote itself is feedback, by receipt.

Every role may compare.
"""

import random
import uuid
from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Path, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from data.fields import ID_EXAMPLES, Id
from data.reasons import reason
from data.records import Intensity, TransformType
from data.tables import new_id
from data.traffic import comparisons, evidence_messages, outputs
from data.traffic.comparisons import (
    Offered,
    Policy,
    Shown,
    TooManyOpenError,
    UnknownComparisonError,
    VotedError,
    choose_task,
)
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection, Waiting
from serving.gateway.online.answering import Compared, Online, make_side
from serving.gateway.online.bodies import Text, UserId, check_speaks_for
from serving.gateway.online.placement import Message
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import InvalidError, NothingToCompareError
from serving.gateway.refusals import refuses

_TRIES = 4  # messages, until one has two different rewrites

router = APIRouter(prefix="/api/v1/comparisons", tags=["comparisons"])

UserName = Annotated[
    UserId | None, Field(description="your name for the person; a token leaves it out", examples=["ann"])
]


ComparisonId = Annotated[Id, Path(description="the comparison", examples=ID_EXAMPLES)]


class WantedComparison(BaseModel):
    """The message to compare rewrites of: your own, or if you leave it out, a shipped one."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[Text | None, Field(description="your message; null: a shipped one")] = None
    transform_type: Annotated[
        TransformType | None, Field(description="with a message of your own: the purpose of the rewrites")
    ] = None
    intensity: Annotated[
        Intensity | None, Field(description="with a message of your own: how far the rewrites go, 0 to 3")
    ] = None
    user_id: UserName = None


class Judge(BaseModel):
    """The person who compares."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserName = None


class NextComparison(Compared):
    """Two rewrites in random order, and their message. Vote with the receipt."""

    message: Annotated[
        str, Field(description="the message that was rewritten", examples=["Fix the login page."])
    ]
    transform_type: TransformType
    intensity: Annotated[int, Field(description="how far the rewrites go, 0 to 3", examples=[2])]


class Progress(BaseModel):
    """The number of comparisons that a person has judged."""

    today: Annotated[int, Field(description="votes since midnight UTC", examples=[3])]
    all: Annotated[int, Field(description="votes", examples=[41])]
    skipped: Annotated[int, Field(description="comparisons that the person skipped", examples=[1])]
    waiting_for_overlap: Annotated[
        int, Field(description="pairs that others have judged, and this person has not", examples=[5])
    ]


def _person(caller: Caller, user_id: str | None) -> uuid.UUID:
    """The person who compares; InvalidError when a request with a key names nobody, or one with a token
    somebody else.
    """
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": reason("person_missing")})
    return caller.user(user_id)[0]


@router.post(
    "/next",
    responses=refuses(
        (NothingToCompareError, "own_rewrites_same"),
        (TooManyOpenError, "own_comparisons_open", {"comparisons": 50}),
    ),
)
async def get_next_comparison(
    parts: InjectedParts, caller: Authenticated, turn: Waiting, body: WantedComparison | None = None
) -> NextComparison:
    """Get the newest comparison that the person has neither voted on nor skipped; if there is none, a new
    one.

    A new one is a pair that others have judged, if one needs more judges. With your own message it is a pair
    for that message, which nobody else sees. The number of such comparisons without a vote is limited.
    """
    body = body or WantedComparison()
    own = _own(body)
    parts.directory.require_postgres()
    organisation_id, user_id = caller.identity.organisation_id, _person(caller, body.user_id)
    candidates: list[tuple[Message, Policy | None]]
    if own is None:
        async with parts.pool.connection() as connection:
            waiting = await _find_waiting(parts, connection, organisation_id, user_id)
            if waiting is not None:
                return _next(parts.online, caller, user_id, waiting)
            seen = await comparisons.find_seen(connection, organisation_id, user_id)
        candidates = [
            (Message(text, *choose_task(user_id, text), body.user_id), None)
            for text in _sample_unseen(parts, seen)
        ]
    else:
        async with parts.pool.connection() as connection:
            await comparisons.check_room(connection, organisation_id, user_id, parts.compare)
        # Where two versions write the same text, two samples of the champion may still differ.
        candidates = [(own, None), (own, "two_samples")]
    for message, policy in candidates:
        offered = await turn.unless_left(
            _make_pair(parts, organisation_id, user_id, message, policy, is_own=own is not None)
        )
        if offered is not None:
            return _next(parts.online, caller, user_id, offered)
    if own is not None:
        raise NothingToCompareError("own_rewrites_same")
    raise NothingToCompareError("rewrites_same", messages=len(candidates))


async def _find_waiting(
    parts: Parts, connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID
) -> Offered | None:
    """A stored pair for the person: one of theirs, or one of others that needs more judges."""
    offered = await comparisons.find_open(connection, organisation_id, user_id)
    if offered is None:
        offered = await comparisons.join(
            connection, organisation_id, user_id, parts.online.compared, parts.compare.days
        )
    return offered


def _sample_unseen(parts: Parts, seen: Collection[str]) -> list[str]:
    """Up to `_TRIES` shipped messages that a person has not seen; NothingToCompareError when there is none.

    While there is a challenger, messages for evidence, otherwise those that models may train on. A random
    sample: messages whose two rewrites were the same would otherwise come first each time.
    """
    messages = evidence_messages.list_shipped(
        parts.compare.evidence_share,
        for_evidence="two_samples" not in parts.online.compared.policies,
    )
    unseen = [message for message in messages if message not in seen]
    if not unseen:
        raise NothingToCompareError("messages_seen", messages=len(messages))
    return random.sample(unseen, min(_TRIES, len(unseen)))


async def _make_pair(
    parts: Parts,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    message: Message,
    wanted: Policy | None,
    is_own: bool,
) -> Offered | None:
    """A new pair of rewrites, stored; None when both texts are the same. Only its author judges a message of
    their own.
    """
    # Colleagues may judge a shipped message, too, so no term of this person's own is in its pair.
    whose = user_id if is_own else None
    policy, outputs_made = await parts.online.rewrite_twice(organisation_id, whose, message, wanted)
    if outputs_made[0].text == outputs_made[1].text:
        return None
    id = new_id()
    first, second = random.sample(outputs_made, 2)
    people = 1 if is_own else comparisons.draw_people(id, parts.compare)
    async with parts.pool.connection() as connection, connection.transaction():
        if is_own:
            await comparisons.check_room(connection, organisation_id, user_id, parts.compare)
        await outputs.store_comparison(connection, id, user_id, policy, first, second, people, is_own)
    sides = (Shown(side.id, side.text, side.facts_missing, side.unchanged) for side in (first, second))
    return Offered(id, policy, message.text, message.transform_type, message.intensity, *sides)


def _own(body: WantedComparison) -> Message | None:
    """The person's own message; InvalidError when it is not whole."""
    if body.text is not None and body.transform_type is not None and body.intensity is not None:
        return Message(body.text, body.transform_type, body.intensity, body.user_id)
    given = {"text": body.text, "transform_type": body.transform_type, "intensity": body.intensity}
    if any(value is not None for value in given.values()):
        missing = (name for name, value in given.items() if value is None)
        raise InvalidError(dict.fromkeys(missing, reason("own_message_incomplete")))
    return None


def _next(online: Online, caller: Caller, user_id: uuid.UUID, offered: Offered) -> NextComparison:
    receipt = online.sign_comparison(caller, user_id, offered.id, offered.policy, offered.first.id)
    return NextComparison(
        comparison_id=offered.id,
        receipt=receipt,
        policy=offered.policy,
        first=make_side(offered.first),
        second=make_side(offered.second),
        message=offered.message,
        transform_type=offered.transform_type,
        intensity=offered.intensity,
    )


@router.post(
    "/{comparison_id}/skip",
    status_code=204,
    responses=refuses(
        (
            UnknownComparisonError,
            "unknown_comparison",
            {"comparison": "01a22303-92fd-74fc-b4f4-074280c0308c"},
        ),
        (VotedError, "already_voted"),
    ),
)
async def skip_comparison(
    parts: InjectedParts, comparison_id: ComparisonId, caller: Authenticated, body: Judge | None = None
) -> None:
    """Skip a comparison: the person is not offered it again."""
    user_id = _person(caller, body.user_id if body else None)
    async with parts.pool.connection() as connection:
        await comparisons.skip(connection, caller.identity.organisation_id, user_id, comparison_id)


@router.get("/progress")
async def get_comparison_progress(
    parts: InjectedParts,
    caller: Authenticated,
    connection: Connection,
    user_id: Annotated[
        UserId | None,
        Query(description="your name for the person; a token leaves it out", examples=["ann"]),
    ] = None,
) -> Progress:
    """Count the comparisons that a person has judged and skipped, and the pairs that wait for them."""
    person = _person(caller, user_id)
    counts = await comparisons.count_progress(
        connection,
        caller.identity.organisation_id,
        person,
        parts.online.compared,
        parts.compare.days,
    )
    return Progress(**counts._asdict())
