"""Consent to training with feedback: a person's own choice, and the decisions of an organisation's owner."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from data.people import consent
from data.people.identities import Role
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import UserId, check_speaks_for
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError, InvalidError

router = APIRouter(prefix="/api/v1", tags=["consent"])

UserName = Annotated[UserId | None, Field(description="your name for the person; a token leaves it out")]


class NewConsent(BaseModel):
    """A person's choice."""

    model_config = ConfigDict(extra="forbid")

    training: Annotated[bool, Field(strict=True, description="my feedback may train models")]
    user_id: UserName = None


class Consent(BaseModel):
    """The consent in force for a person."""

    training: bool
    said_by: Annotated[
        Literal["person", "organisation"],
        Field(description="organisation: the person has not chosen, so its default applies"),
    ]


class NewTerms(BaseModel):
    """An owner's decisions; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid")

    trains_across: Annotated[
        bool | None,
        Field(strict=True, description="your people's feedback may train other organisations' models"),
    ] = None
    trains_by_default: Annotated[
        bool | None, Field(strict=True, description="people who have not chosen are taken to consent")
    ] = None


class Terms(BaseModel):
    """The decisions of an organisation."""

    trains_across: bool
    trains_by_default: bool


async def owner(caller: Authenticated) -> Caller:
    """The caller, if they may decide for their organisation; ForbiddenError if not."""
    if not caller.identity.may_act_as(Role.OWNER):
        raise ForbiddenError("owner_needed")
    return caller


Owner = Annotated[Caller, Depends(owner)]


def _named(caller: Caller, user_id: str | None) -> str | None:
    """The name of the person; InvalidError when a request with a key names nobody, or one with a token
    somebody else.
    """
    check_speaks_for(caller, user_id)
    if caller.subject is None and user_id is None:
        raise InvalidError({"user_id": reason("consent_person_missing")})
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
async def put_consent(parts: InjectedParts, caller: Authenticated, body: NewConsent) -> Consent:
    """Set whether a person's feedback may train models, before or after they give any.

    It applies from the next snapshot on, to all of their feedback, old and new. It does not change earlier
    snapshots, and models that were trained on them: only erasure does.
    """
    person, name = caller.user(_named(caller, body.user_id))
    async with parts.pool.connection() as connection:
        await consent.store(
            connection, caller.identity.organisation_id, person, name, caller.key_id, body.training
        )
    return Consent(training=body.training, said_by="person")


@router.get("/organisation")
async def get_organisation(caller: Owner, connection: Connection) -> Terms:
    """Your organisation's decisions about training."""
    terms = await consent.find_terms(connection, caller.identity.organisation_id)
    return Terms(**terms._asdict())


@router.put("/organisation")
async def put_organisation(parts: InjectedParts, caller: Owner, body: NewTerms) -> Terms:
    """Decide whether your people's feedback may train other organisations' models, and set the default for
    people who have not chosen. A person's own choice takes precedence over your default.

    It applies from the next snapshot on, and does not change models that were trained before.
    """
    async with parts.pool.connection() as connection:
        terms = await consent.change_terms(
            connection, caller.identity.organisation_id, body.trains_across, body.trains_by_default
        )
    return Terms(**terms._asdict())
