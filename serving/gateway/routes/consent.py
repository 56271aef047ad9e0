"""Whether feedback may train models: what a person says for themselves, and what an owner decides."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from data.people import consent
from data.people.identities import Role
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import UserId, check_speaks_for
from serving.gateway.problems import ForbiddenError, InvalidError

router = APIRouter(prefix="/api/v1", tags=["consent"])

UserName = Annotated[UserId | None, Field(description="your name for the person; a token leaves it out")]


class NewConsent(BaseModel):
    """What a person says."""

    model_config = ConfigDict(extra="forbid")

    training: Annotated[bool, Field(strict=True, description="my feedback may train models")]
    user_id: UserName = None


class Consent(BaseModel):
    """What holds for a person."""

    training: bool
    said_by: Annotated[
        Literal["person", "organisation"],
        Field(description="organisation: the person was never asked, so its default holds"),
    ]


class NewTerms(BaseModel):
    """What an owner decides; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    trains_across: Annotated[
        bool | None,
        Field(strict=True, description="your people's feedback may train other organisations' models"),
    ] = None
    trains_by_default: Annotated[
        bool | None, Field(strict=True, description="people who were never asked are taken to consent")
    ] = None


class Terms(BaseModel):
    """What an organisation has decided."""

    trains_across: bool
    trains_by_default: bool


async def owner(caller: Authenticated) -> Caller:
    """The caller, if they may decide for their organisation; ForbiddenError if not."""
    if not caller.identity.may_act_as(Role.OWNER):
        raise ForbiddenError("only an owner may see and change what the organisation decides")
    return caller


Owner = Annotated[Caller, Depends(owner)]


def _named(caller: Caller, user_id: str | None) -> str | None:
    """The name that a caller speaks for; InvalidError when a key names nobody, or a token somebody else."""
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": "an API key speaks for many people; say whose consent this is"})
    return user_id


@router.get("/consent")
async def get_consent(caller: Authenticated, connection: Connection, user_id: UserName = None) -> Consent:
    """Whether a person's feedback may train models: the subject of a token, or the person whom a request with
    an API key names.
    """
    person, _ = caller.user(_named(caller, user_id))
    decision = await consent.find(connection, caller.identity.organisation_id, person)
    return Consent(**decision._asdict())


@router.put("/consent")
async def put_consent(caller: Authenticated, connection: Connection, body: NewConsent) -> Consent:
    """Say whether a person's feedback may train models, before or after they have given any.

    It holds from the next snapshot on, for all of their feedback, old and new. What a model has learned
    before, and the snapshots made before, are not changed by it: that takes erasure.
    """
    person, name = caller.user(_named(caller, body.user_id))
    await consent.store(
        connection, caller.identity.organisation_id, person, name, caller.key_id, body.training
    )
    return Consent(training=body.training, said_by="person")


@router.get("/organisation")
async def get_organisation(caller: Owner, connection: Connection) -> Terms:
    """What your organisation has decided about training."""
    terms = await consent.find_terms(connection, caller.identity.organisation_id)
    return Terms(**terms._asdict())


@router.put("/organisation")
async def put_organisation(caller: Owner, connection: Connection, body: NewTerms) -> Terms:
    """Decide whether your people's feedback may train other organisations' models, and what holds for people
    who were never asked. Each person's own word goes before your default.

    It holds from the next snapshot on; what models have learned before stays in them.
    """
    terms = await consent.change_terms(
        connection, caller.identity.organisation_id, body.trains_across, body.trains_by_default
    )
    return Terms(**terms._asdict())
