"""Origins of the web pages that may use an organisation's keys and tokens. For its owners and admins."""

from typing import Annotated

from fastapi import APIRouter, Response
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field

from data.database import transaction_of
from data.people import allowed_origins, identities, key_changes
from data.people.identities import Role
from data.people.key_changes import KeyAction
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Connection
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import NotFoundError
from serving.gateway.refusals import refuses
from serving.gateway.routes.keys import UNKNOWN_KEY, Administrator, KeyId, OriginList

router = APIRouter(prefix="/api/v1", tags=["administration"])


class Origins(BaseModel):
    """The pages that may use the organisation's tokens, and its keys without a list of their own."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"origins": ["https://app.example.org"]}]}
    )

    origins: Annotated[OriginList, Field(description="at most 50; empty: pages cannot use them")]


class NewKeyOrigins(BaseModel):
    """The pages that may use a key."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"origins": ["https://*.example.org"]}]}
    )

    origins: Annotated[
        OriginList | None,
        Field(description="a list of the key's own; empty: no page; null: the list of the organisation"),
    ]


class KeyOrigins(BaseModel):
    """The pages that may use a key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"origins": ["https://app.example.org"], "in_force": ["https://app.example.org"]}]
        }
    )

    origins: Annotated[
        list[str] | None,
        Field(description="a list of the key's own; null: it has that of the organisation"),
    ]
    in_force: Annotated[
        list[str],
        Field(description="the entries that hold for the key: of its list, or of the organisation's"),
    ]


@router.get("/origins")
async def get_origins(caller: Administrator, connection: Connection) -> Origins:
    """Read the origins of your organisation. They are those of the web pages that may use its tokens, and its
    keys without a list of their own (docs/browsers.md).
    """
    return Origins(origins=await identities.find_origins(connection, caller.identity.organisation_id))


@router.put("/origins", status_code=204, response_class=Response)
async def put_origins(parts: InjectedParts, body: Origins, caller: Administrator, expected: Expected) -> None:
    """Replace the origins of your organisation: within a second on all gateways."""
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if expected.is_given:
            await identities.lock_organisation(connection, organisation_id)
            expected.check(Origins(origins=await identities.find_origins(connection, organisation_id)))
        await allowed_origins.change(connection, organisation_id, body.origins)
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.ORIGINS_CHANGED, origins=body.origins
        )


@router.get("/keys/{key_id}/origins", responses=refuses(UNKNOWN_KEY))
async def get_key_origins(key_id: KeyId, caller: Administrator, connection: Connection) -> KeyOrigins:
    """Read the origins of the web pages that may use an API key."""
    return await _find_of_key(connection, caller, key_id)


async def _find_of_key(connection: AsyncConnection, caller: Caller, key_id: str) -> KeyOrigins:
    """The origins of an API key; NotFoundError when the organisation has no such key in force."""
    of_key = await allowed_origins.find_of_key(connection, caller.identity.organisation_id, key_id)
    if of_key is None:
        raise NotFoundError("unknown_key")
    return KeyOrigins(origins=of_key.own, in_force=of_key.in_force)


@router.put(
    "/keys/{key_id}/origins",
    status_code=204,
    response_class=Response,
    responses=refuses(UNKNOWN_KEY),
)
async def put_key_origins(
    parts: InjectedParts, key_id: KeyId, body: NewKeyOrigins, caller: Administrator, expected: Expected
) -> None:
    """Replace the origins of an API key: within a second on all gateways."""
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if expected.is_given:
            await allowed_origins.lock_key(connection, organisation_id, key_id)
            expected.check(await _find_of_key(connection, caller, key_id))
        if not await allowed_origins.change_of_key(connection, organisation_id, key_id, body.origins, roles):
            raise NotFoundError("unknown_key")
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.KEY_ORIGINS_CHANGED, key_id=key_id,
            origins=body.origins,
        )  # fmt: skip
