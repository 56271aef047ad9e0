"""Consent to training with feedback: a person's own choice, and the decisions of an organisation's owner."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from data.database import transaction_of
from data.people import consent, identities
from data.people.identities import Role
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.online.bodies import AskedPerson, UserName, name_person
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError

router = APIRouter(prefix="/api/v1", tags=["consent"])


class NewConsent(BaseModel):
    """A person's choice."""

    model_config = ConfigDict(extra="forbid")

    training: Annotated[bool, Field(strict=True, description="my feedback may train models", examples=[True])]
    user_id: UserName = None


class Consent(BaseModel):
    """The consent in force for a person."""

    training: Annotated[bool, Field(description="the person's feedback may train models", examples=[True])]
    said_by: Annotated[
        Literal["person", "organisation"],
        Field(description="organisation: the person has not chosen, so its default applies"),
    ]


class NewTerms(BaseModel):
    """An owner's decisions; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid")

    trains_across: Annotated[
        bool | None,
        Field(
            strict=True,
            description="your people's feedback may train other organisations' models",
            examples=[False],
        ),
    ] = None
    trains_by_default: Annotated[
        bool | None,
        Field(strict=True, description="people who have not chosen are taken to consent", examples=[True]),
    ] = None


class Terms(BaseModel):
    """The decisions of an organisation."""

    trains_across: Annotated[
        bool, Field(description="your people's feedback may train other organisations' models")
    ]
    trains_by_default: Annotated[
        bool, Field(description="people who have not chosen are taken to consent", examples=[True])
    ]


async def owner(caller: Authenticated) -> Caller:
    """The caller, if they may decide for their organisation; ForbiddenError if not."""
    if not caller.identity.may_act_as(Role.OWNER):
        raise ForbiddenError("owner_needed")
    return caller


Owner = Annotated[Caller, Depends(owner)]


def _named(caller: Caller, user_id: str | None) -> str | None:
    return name_person(caller, user_id, reason("consent_person_missing"))


@router.get("/consent")
async def get_consent(caller: Authenticated, connection: Connection, user_id: AskedPerson = None) -> Consent:
    """Read whether a person's feedback may train models: the subject of a token, or the person whom a request
    with an API key names.
    """
    person, _ = caller.user(_named(caller, user_id))
    decision = await consent.find(connection, caller.identity.organisation_id, person)
    return Consent(**decision._asdict())


@router.put("/consent")
async def put_consent(
    parts: InjectedParts, caller: Authenticated, expected: Expected, body: NewConsent
) -> Consent:
    """Set whether a person's feedback may train models, before or after they give any.

    It applies from the next snapshot on, to all of their feedback, old and new. It does not change earlier
    snapshots, and models that were trained on them: only erasure does.
    """
    person, name = caller.user(_named(caller, body.user_id))
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if expected.is_given:
            await identities.lock_person(connection, organisation_id, person, name, caller.key_id)
            decision = await consent.find(connection, organisation_id, person)
            expected.check(Consent(**decision._asdict()))
        await consent.store(connection, organisation_id, person, name, caller.key_id, body.training)
    return Consent(training=body.training, said_by="person")


@router.get("/organisation")
async def get_organisation(caller: Owner, connection: Connection) -> Terms:
    """Read your organisation's decisions about training."""
    terms = await consent.find_terms(connection, caller.identity.organisation_id)
    return Terms(**terms._asdict())


@router.put("/organisation")
async def put_organisation(parts: InjectedParts, caller: Owner, expected: Expected, body: NewTerms) -> Terms:
    """Decide whether your people's feedback may train other organisations' models. Set the default for people
    who have not chosen, too. A person's own choice takes precedence over your default.

    It applies from the next snapshot on, and does not change models that were trained before.
    """
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, connection.transaction():
        if expected.is_given:
            await identities.lock_organisation(connection, organisation_id)
            former = await consent.find_terms(connection, organisation_id)
            expected.check(Terms(**former._asdict()))
        terms = await consent.change_terms(
            connection, organisation_id, body.trains_across, body.trains_by_default
        )
    return Terms(**terms._asdict())
