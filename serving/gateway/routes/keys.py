"""Keys, secrets and tokens of the caller's organisation: make, list, revoke. For its owners and admins."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from data.people import identities, request_secrets
from data.people.identities import KID_PATTERN, Algorithm, ListedKey, RefusedKeyError, Role
from data.people.request_secrets import ListedRequestSecret
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError, UnknownKeyError

router = APIRouter(prefix="/api/v1", tags=["administration"])

KeyId = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Kid = Annotated[str, StringConstraints(pattern=rf"^{KID_PATTERN}$")]


class NewKey(BaseModel):
    """An API key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    role: Role = Role.MEMBER


class MadeKey(BaseModel):
    """A new API key. No other response has it."""

    id: str
    key: str


class MadeRequestSecret(BaseModel):
    """A new secret. No other response has it. The bytes of its text are the key of HMAC."""

    id: Annotated[str, Field(description="the `keyid` of signatures")]
    secret: str


class SignaturePolicy(BaseModel):
    """Whether a key accepts signed requests only."""

    model_config = ConfigDict(extra="forbid")

    required: bool


class NewSigningKey(BaseModel):
    """A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked."""

    model_config = ConfigDict(extra="forbid")

    kid: Kid
    algorithm: Algorithm
    key: Annotated[
        str,
        Field(
            max_length=1024,
            description="base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes;"
            " or the Ed25519 public key of EdDSA (`x` of its JWK)",
        ),
    ]
    role: Role = Role.MEMBER

    @field_validator("key")
    @classmethod
    def _fits(cls, key: str, info: ValidationInfo) -> str:
        if "algorithm" in info.data:
            identities.check_signing_key(info.data["algorithm"], _from_base64url(key))
        return key


class AddedSigningKey(BaseModel):
    """A signing key that is in force now."""

    kid: str


class TokenToRevoke(BaseModel):
    """A token that must not be accepted any more."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, StringConstraints(max_length=4096, pattern=r"^[A-Za-z0-9._=-]+$")]


def _from_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise RefusedKeyError("not_base64url") from error


async def administrator(caller: Authenticated) -> Caller:
    """The caller, if they may administer their organisation; ForbiddenError if not."""
    if not caller.identity.may_act_as(Role.ADMIN):
        raise ForbiddenError("admin_needed")
    return caller


Administrator = Annotated[Caller, Depends(administrator)]


def check_gives(caller: Caller, role: Role) -> None:
    """ForbiddenError when a role is above the caller's."""
    if not caller.identity.may_act_as(role):
        raise ForbiddenError("role_not_givable", role=caller.identity.role, given=role.value)


@router.post("/keys", status_code=201)
async def create_key(
    response: Response, parts: InjectedParts, body: NewKey, caller: Administrator
) -> MadeKey:
    """Make an API key. Store it: it is shown only once."""
    check_gives(caller, body.role)
    response.headers["Cache-Control"] = "no-store"
    async with parts.pool.connection() as connection:
        key_id, key = await identities.create_key(
            connection, caller.identity.organisation_id, body.name, body.role
        )
    return MadeKey(id=key_id, key=key)


@router.get("/keys")
async def list_keys(caller: Administrator, connection: Connection) -> list[ListedKey]:
    """All API keys, the newest first, without their secrets."""
    return await identities.list_keys(connection, caller.identity.organisation_id)


@router.delete("/keys/{key_id}", status_code=204, response_class=Response)
async def delete_key(key_id: KeyId, caller: Administrator, connection: Connection) -> None:
    """Revoke an API key: within a second no gateway accepts it."""
    roles = Role(caller.identity.role).included
    if not await identities.revoke_key(connection, caller.identity.organisation_id, key_id, roles):
        raise NotFoundError("unknown_key")


@router.post("/keys/{key_id}/secrets", status_code=201)
async def create_request_secret(
    response: Response, key_id: KeyId, caller: Administrator, connection: Connection
) -> MadeRequestSecret:
    """Make a secret that signs requests with an API key (docs/signatures.md). Store it: it is shown only
    once. A key has at most two, so that they rotate without a gap.
    """
    response.headers["Cache-Control"] = "no-store"
    roles = Role(caller.identity.role).included
    made = await request_secrets.create(connection, caller.identity.organisation_id, key_id, roles)
    if made is None:
        raise NotFoundError("unknown_key")
    return MadeRequestSecret(id=made[0], secret=made[1])


@router.get("/keys/{key_id}/secrets")
async def list_request_secrets(
    key_id: KeyId, caller: Administrator, connection: Connection
) -> list[ListedRequestSecret]:
    """The secrets of an API key, the newest first, with the revoked ones, without what they sign with."""
    listed = await request_secrets.list_secrets(connection, caller.identity.organisation_id, key_id)
    if listed is None:
        raise NotFoundError("unknown_key")
    return listed


@router.delete("/keys/{key_id}/secrets/{secret_id}", status_code=204, response_class=Response)
async def delete_request_secret(
    key_id: KeyId, secret_id: KeyId, caller: Administrator, connection: Connection
) -> None:
    """Revoke a secret: within a second no gateway accepts its signatures. The last one of a key that requires
    signatures stays.
    """
    roles = Role(caller.identity.role).included
    organisation_id = caller.identity.organisation_id
    if not await request_secrets.revoke(connection, organisation_id, key_id, secret_id, roles):
        raise NotFoundError("unknown_secret")


@router.put("/keys/{key_id}/signatures", status_code=204, response_class=Response)
async def require_signatures(
    parts: InjectedParts, key_id: KeyId, body: SignaturePolicy, caller: Administrator
) -> None:
    """Let an API key accept signed requests only, or unsigned ones, too: within a second on all gateways."""
    roles = Role(caller.identity.role).included
    async with parts.pool.connection() as connection:
        known = await request_secrets.require(
            connection, caller.identity.organisation_id, key_id, body.required, roles
        )
    if not known:
        raise NotFoundError("unknown_key")


@router.post("/signing-keys", status_code=201)
async def add_signing_key(
    parts: InjectedParts, body: NewSigningKey, caller: Administrator
) -> AddedSigningKey:
    """Accept tokens that are signed with a key. They need `kid`, `exp` (at most 24 hours ahead) and `sub`.
    They identify people of your application, not people with an account.
    """
    check_gives(caller, body.role)
    async with parts.pool.connection() as connection:
        await identities.add_signing_key(
            connection,
            caller.identity.organisation_id,
            body.kid,
            body.algorithm,
            _from_base64url(body.key),
            body.role,
        )
    return AddedSigningKey(kid=body.kid)


@router.delete("/signing-keys/{kid}", status_code=204, response_class=Response)
async def delete_signing_key(kid: Kid, caller: Administrator, connection: Connection) -> None:
    """Revoke a signing key: within a second no gateway accepts its tokens."""
    roles = Role(caller.identity.role).included
    if not await identities.revoke_signing_key(connection, caller.identity.organisation_id, kid, roles):
        raise NotFoundError("unknown_signing_key")


@router.post("/tokens/revoke", status_code=204, response_class=Response)
async def revoke_token(parts: InjectedParts, body: TokenToRevoke, caller: Administrator) -> None:
    """Revoke one token of the organisation: within a second no gateway accepts it."""
    try:
        token = await parts.authenticator.read_token(body.token)
    except UnknownKeyError as error:
        raise InvalidError({"token": error.reasons[0]}) from error
    if token.identity.organisation_id != caller.identity.organisation_id:
        raise InvalidError({"token": reason("token_foreign")})
    assert token.jti is not None, "a token has a jti or a digest"
    async with parts.pool.connection() as connection:
        await identities.revoke_token(
            connection,
            caller.identity.organisation_id,
            token.jti,
            datetime.fromtimestamp(token.expires_at, UTC),
        )
