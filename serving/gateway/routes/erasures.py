"""Erasures that people ask for themselves: everything that they wrote, got and voted is forgotten."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from data.database import transaction_of
from data.erasure import work_orders
from data.erasure.work_orders import OwnErasure, State
from data.fields import Id, Time
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import AskedPerson, UserName, name_person
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts

router = APIRouter(prefix="/api/v1/erasures", tags=["erasures"])

Count = Annotated[int, Field(ge=0, examples=[12])]


class NewErasure(BaseModel):
    """A person's request to be forgotten."""

    model_config = ConfigDict(extra="forbid")

    erase: Annotated[
        Literal["everything"],
        Field(description="always `everything`, so that no request erases by accident"),
    ]
    user_id: UserName = None


class ErasureCounts(BaseModel):
    """What an erasure has removed so far."""

    answers: Annotated[Count, Field(description="rewrites that the person got, in their history")]
    texts: Annotated[Count, Field(description="messages with their rewrites that nobody else got")]
    votes: Annotated[Count, Field(description="votes, edits and comments")]
    comparisons: Annotated[Count, Field(description="pairs of rewrites that were shown to the person")]
    jobs: Annotated[Count, Field(description="messages of batches")]
    terms: Annotated[Count, Field(description="terms of the person's own dictionary")]
    snapshots: Annotated[Count, Field(description="sets of training data that the person was in")]


class Erasure(BaseModel):
    """An erasure, and how far it is."""

    id: Annotated[Id, Field(description="its id")]
    state: Annotated[
        State,
        Field(
            description="`waiting`: nothing is removed yet; `history_removed`: the person's history is gone,"
            " and copies in training data are still to be removed; `finished`: nothing is left",
            examples=["finished"],
        ),
    ]
    requested_at: Annotated[
        Time, Field(description="from then on no vote is accepted, and no model learns from the person")
    ]
    finished_at: Annotated[
        datetime | None,
        Field(description="from then on all is new; null before", examples=["2026-11-28T09:30:04Z"]),
    ]
    removed: Annotated[ErasureCounts, Field(description="what was removed so far")]
    versions_left: Annotated[
        int,
        Field(
            ge=0,
            description="models that learned from the person and still have to be replaced or deleted",
            examples=[0],
        ),
    ]


def _find_person(caller: Caller, user_id: str | None) -> uuid.UUID:
    person, _ = caller.user(name_person(caller, user_id, reason("erasure_person_missing")))
    return person


def _describe(erasure: OwnErasure) -> Erasure:
    counts = erasure.counts
    return Erasure(
        id=erasure.id,
        state=erasure.state,
        requested_at=erasure.requested_at,
        finished_at=erasure.finished_at,
        removed=ErasureCounts(
            answers=counts.get("answers", 0),
            texts=counts.get("outputs", 0),
            votes=counts.get("feedback", 0),
            comparisons=counts.get("comparisons", 0),
            jobs=counts.get("jobs", 0),
            terms=counts.get("dictionary_terms", 0),
            snapshots=counts.get("snapshots", 0),
        ),
        versions_left=erasure.versions_left,
    )


@router.post("", status_code=202)
async def request_erasure(parts: InjectedParts, caller: Authenticated, body: NewErasure) -> Erasure:
    """Erase everything that a person wrote, got and voted: the subject of a token, or the person whom a
    request with an API key names. It cannot be undone.

    From the answer on no vote of the person is accepted and no model learns from them; their consent to
    training is withdrawn. Their history is gone within seconds. Copies in training data follow, after a
    training that is running. What the person writes before the erasure is finished goes with it; after that
    all is new. Account and sessions stay. A request while one is not finished gets that one.
    """
    person = _find_person(caller, body.user_id)
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        await work_orders.request(connection, person, caller.key_id)
        [erasure] = await work_orders.list_own(connection, person, before=None, most=1)
    return _describe(erasure)


@router.get("", responses=LINKED)
async def list_erasures(
    caller: Authenticated, connection: Connection, page: PageOfEvents, user_id: AskedPerson = None
) -> list[Erasure]:
    """List a person's own erasures, the newest first: how far each is, and what it has removed."""
    person = _find_person(caller, user_id)
    async with transaction_of(connection, caller.identity.organisation_id):
        erasures = await work_orders.list_own(connection, person, before=page.before, most=page.most)
    return page.show([_describe(erasure) for erasure in erasures])
