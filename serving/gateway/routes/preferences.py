"""What a person prefers in every client: of the subject of a token, or of whom an API key names.

Clients preselect it. `POST /api/v1/transform` does not read it: a request says what it wants, so the same
request has the same answer whatever its person prefers.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from data.database import transaction_of
from data.people import identities, preferences
from data.people.preferences import Preferred
from data.reasons import Language, reason
from data.records import Intensity, TransformType
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import AskedPerson, UserName, name_person
from serving.gateway.parts import InjectedParts

router = APIRouter(prefix="/api/v1/preferences", tags=["preferences"])


class Preferences(BaseModel):
    """What a person prefers; null: no preference."""

    language: Annotated[
        Language | None, Field(description="of pages and messages to the person", examples=["ja"])
    ] = None
    transform_type: Annotated[
        TransformType | None, Field(description="of a new rewrite", examples=["soften"])
    ] = None
    intensity: Annotated[Intensity | None, Field(description="of a new rewrite, 0 to 3", examples=[2])] = None
    tour_closed: Annotated[
        bool | None,
        Field(
            strict=True,
            description="whether the person has closed the tour that the web app shows to new people",
            examples=[True],
        ),
    ] = None


class NewPreferences(Preferences):
    """All preferences of a person: those that are left out are removed."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserName = None


def _named(caller: Caller, user_id: str | None) -> str | None:
    return name_person(caller, user_id, reason("preferences_person_missing"))


@router.get("")
async def get_preferences(
    caller: Authenticated, connection: Connection, user_id: AskedPerson = None
) -> Preferences:
    """Read what a person prefers: the subject of a token, or the person whom a request with an API key names.
    Without preferences, all are null.
    """
    person, _ = caller.user(_named(caller, user_id))
    preferred = await preferences.find(connection, caller.identity.organisation_id, person)
    return Preferences(**preferred._asdict())


@router.put("")
async def put_preferences(
    parts: InjectedParts, caller: Authenticated, expected: Expected, body: NewPreferences
) -> Preferences:
    """Replace what a person prefers. Fields that are left out become null. Clients preselect it; rewrites do
    not read it.
    """
    person, name = caller.user(_named(caller, body.user_id))
    preferred = Preferred(body.language, body.transform_type, body.intensity, body.tour_closed)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if expected.is_given:
            await identities.lock_person(connection, organisation_id, person, name, caller.key_id)
            former = await preferences.find(connection, organisation_id, person)
            expected.check(Preferences(**former._asdict()))
        await preferences.store(connection, organisation_id, person, name, caller.key_id, preferred)
    return Preferences(**preferred._asdict())
