"""Keys, secrets and tokens of the caller's organisation: make, list, revoke, and who did so. For its owners
and admins.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from data.database import transaction_of
from data.people import identities, key_changes, origins, request_secrets
from data.people.identities import (
    KID_PATTERN,
    MOST_KEYS,
    MOST_OF_A_KID,
    MOST_REWRITES_A_DAY,
    Algorithm,
    ListedKey,
    ListedSigningKey,
    RefusedKeyError,
    Role,
    Wanted,
)
from data.people.key_changes import KeyAction, KeyChange
from data.people.request_secrets import MOST as MOST_SECRETS
from data.people.request_secrets import ListedRequestSecret
from data.reasons import reason
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.pages import LINKED, PageOfEvents, PageOfNamedThings
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError, UnknownKeyError
from serving.gateway.refusals import Refusal, refuses

router = APIRouter(prefix="/api/v1", tags=["administration"])

KeyId = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]*$"),
    Path(description="the id of the key", examples=["ef2d1c1413919698"]),
]
SecretId = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]*$"),
    Path(description="the id of the secret, the `keyid` of signatures", examples=["rs_0123456789abcdef"]),
]
_KID: dict[str, Any] = {"description": "your name for the signing key", "examples": ["2026-11"]}
Kid = Annotated[str, StringConstraints(pattern=rf"^{KID_PATTERN}$")]
Origin = Annotated[
    str,
    AfterValidator(origins.check),
    Field(
        description="as browsers send it, such as `https://app.example.org`; `https://*.example.org` for all"
        " subdomains; `http://localhost:3000` for development",
        examples=["https://app.example.org"],
        json_schema_extra={"maxLength": origins.LONGEST},
    ),
]
OriginList = Annotated[list[Origin], Field(max_length=origins.MOST)]
Roles = Annotated[
    list[Role],
    Query(max_length=len(Role), description="with these roles; with any without it", examples=[["member"]]),
]
IsRevoked = Annotated[
    bool | None, Query(description="only revoked ones, or only those in force", examples=[False])
]
RewritesADay = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MOST_REWRITES_A_DAY,
        description="rewrites that a key for web pages may ask for in a day (UTC)",
        examples=[1000],
    ),
]
UNKNOWN_KEY: Refusal = (NotFoundError, "unknown_key")


class NewKey(BaseModel):
    """An API key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
        Field(description="your name for it", examples=["the reporting server"]),
    ]
    browser: Annotated[
        bool,
        Field(
            strict=True,
            description="it will be in a web page, where everybody reads it: it may only rewrite and vote,"
            " from pages of its origins, and its role is member (docs/browsers.md)",
            examples=[False],
        ),
    ] = False
    role: Annotated[Role, Field(description="what it may do: at most what you may")] = Role.MEMBER
    origins: Annotated[
        OriginList | None,
        Field(
            description="of the web pages that may use it; empty: none; without: those of the organisation",
            examples=[["https://app.example.org"]],
        ),
    ] = None

    rewrites_a_day: Annotated[
        RewritesADay | None,
        Field(
            description="the quota of a key for web pages; 1,000 without. Keys for programs have none",
            examples=[None],
        ),
    ] = None

    @field_validator("role")
    @classmethod
    def _fits(cls, role: Role, info: ValidationInfo) -> Role:
        if info.data.get("browser") and role is not Role.MEMBER:
            raise RefusedKeyError("browser_key_role")
        return role

    @field_validator("rewrites_a_day")
    @classmethod
    def _is_for_pages(cls, rewrites_a_day: int | None, info: ValidationInfo) -> int | None:
        if rewrites_a_day is not None and not info.data.get("browser"):
            raise RefusedKeyError("quota_of_other_key")
        return rewrites_a_day


class KeyQuota(BaseModel):
    """What a key for web pages may use up."""

    model_config = ConfigDict(extra="forbid")

    rewrites_a_day: RewritesADay


class MadeKey(BaseModel):
    """A new API key. No other response has it."""

    id: Annotated[str, Field(description="the key's id", examples=["ef2d1c1413919698"])]
    key: Annotated[
        str,
        Field(
            description="the key, for the header `X-API-Key`",
            examples=["tb_ef2d1c1413919698_0rXJ0aV5n4TiN0uSel66AzQ2Zl1Ybd9w"],
        ),
    ]


class MadeRequestSecret(BaseModel):
    """A new secret. No other response has it. The bytes of its text are the key of HMAC."""

    id: Annotated[str, Field(description="the `keyid` of signatures", examples=["rs_0123456789abcdef"])]
    secret: Annotated[
        str, Field(description="what signs requests", examples=["0rXJ0aV5n4TiN0uSel66AzQ2Zl1Ybd9w-VnXc2s"])
    ]


class SignaturePolicy(BaseModel):
    """Whether a key accepts signed requests only."""

    model_config = ConfigDict(extra="forbid")

    required: Annotated[
        bool,
        Field(description="true: unsigned requests are refused; the key needs a secret", examples=[False]),
    ]


class NewSigningKey(BaseModel):
    """A key to sign tokens with. A `kid` is your own, and stays taken when its key is revoked."""

    model_config = ConfigDict(extra="forbid")

    kid: Annotated[Kid, Field(**_KID)]
    algorithm: Annotated[Algorithm, Field(description="how tokens are signed")]
    key: Annotated[
        str,
        Field(
            max_length=1024,
            description="base64url: the secret of HS256 (`k` of its JWK), at least 32 bytes;"
            " or the Ed25519 public key of EdDSA (`x` of its JWK)",
            examples=["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"],
        ),
    ]
    role: Annotated[Role, Field(description="what its tokens may do: at most what you may")] = Role.MEMBER

    @field_validator("key")
    @classmethod
    def _fits(cls, key: str, info: ValidationInfo) -> str:
        if "algorithm" in info.data:
            identities.check_signing_key(info.data["algorithm"], _from_base64url(key))
        return key


class AddedSigningKey(BaseModel):
    """A signing key that is in force now."""

    kid: Annotated[str, Field(**_KID)]


class TokenToRevoke(BaseModel):
    """A token that must not be accepted any more."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[
        str,
        StringConstraints(max_length=4096, pattern=r"^[A-Za-z0-9._=-]+$"),
        Field(
            description="the token",
            examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.0rXJ0aV5n4TiN0uSel66AzQ2Zl1Ybd9w"],
        ),
    ]


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


@router.post(
    "/keys",
    status_code=201,
    responses=refuses(
        (RefusedKeyError, "too_many_keys", {"most": MOST_KEYS}),
        (RefusedKeyError, "browser_key_without_origins"),
    ),
)
async def create_key(
    response: Response, parts: InjectedParts, body: NewKey, caller: Administrator
) -> MadeKey:
    """Make an API key. Store it: it is shown only once."""
    check_gives(caller, body.role)
    response.headers["Cache-Control"] = "no-store"
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        key_id, key = await identities.create_key(
            connection,
            organisation_id,
            body.name,
            body.role,
            body.browser,
            body.origins,
            body.rewrites_a_day,
        )
        await key_changes.record(
            connection,
            organisation_id,
            caller.name,
            KeyAction.KEY_CREATED,
            key_id=key_id,
            origins=body.origins,
            rewrites_a_day=body.rewrites_a_day,
        )
    return MadeKey(id=key_id, key=key)


@router.get("/keys", responses=LINKED)
async def list_keys(
    caller: Administrator,
    connection: Connection,
    page: PageOfNamedThings,
    role: Roles = [],  # noqa: B006 (FastAPI copies it)
    revoked: IsRevoked = None,
) -> list[ListedKey]:
    """List API keys, the newest first, without their secrets; revoked ones too, unless `revoked` is false."""
    wanted = Wanted(page.most, page.before, role or tuple(Role), revoked)
    return page.show(await identities.list_keys(connection, caller.identity.organisation_id, wanted))


@router.get("/keys/changes", responses=LINKED)
async def list_key_changes(
    caller: Administrator,
    connection: Connection,
    page: PageOfEvents,
    action: Annotated[
        list[KeyAction],
        Query(
            max_length=len(KeyAction),
            description="of these kinds; of all without it",
            examples=[["key_created", "key_revoked"]],
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
    key_id: Annotated[
        str | None,
        Query(
            max_length=64, pattern=r"^[^\x00]*$", description="of this API key", examples=["ef2d1c1413919698"]
        ),
    ] = None,
) -> list[KeyChange]:
    """List who made, changed and revoked keys, the newest first: API keys and their origins, secrets, signing
    keys, tokens, and the origins of the organisation. No row has a secret.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        changes = await key_changes.list_some(
            connection,
            actions=action or tuple(KeyAction),
            key_id=key_id,
            before=page.before,
            most=page.most,
        )
    return page.show(changes)


@router.delete("/keys/{key_id}", status_code=204, response_class=Response, responses=refuses(UNKNOWN_KEY))
async def delete_key(key_id: KeyId, caller: Administrator, connection: Connection) -> None:
    """Revoke an API key: within a second no gateway accepts it."""
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        if not await identities.revoke_key(connection, organisation_id, key_id, roles):
            raise NotFoundError("unknown_key")
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.KEY_REVOKED, key_id=key_id
        )


@router.put(
    "/keys/{key_id}/quota",
    status_code=204,
    response_class=Response,
    responses=refuses(UNKNOWN_KEY, (RefusedKeyError, "quota_of_other_key")),
)
async def put_key_quota(parts: InjectedParts, key_id: KeyId, body: KeyQuota, caller: Administrator) -> None:
    """Change the quota of an API key for web pages: within a second on all gateways. What the key has used
    today counts.
    """
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if not await identities.change_quota(connection, organisation_id, key_id, body.rewrites_a_day, roles):
            raise NotFoundError("unknown_key")
        await key_changes.record(
            connection,
            organisation_id,
            caller.name,
            KeyAction.KEY_QUOTA_CHANGED,
            key_id=key_id,
            rewrites_a_day=body.rewrites_a_day,
        )


@router.post(
    "/keys/{key_id}/secrets",
    status_code=201,
    responses=refuses(
        UNKNOWN_KEY,
        (RefusedKeyError, "too_many_secrets", {"most": MOST_SECRETS}),
        (RefusedKeyError, "browser_key_unsigned"),
    ),
)
async def create_request_secret(
    response: Response, key_id: KeyId, caller: Administrator, connection: Connection
) -> MadeRequestSecret:
    """Make a secret that signs requests with an API key (docs/signatures.md). Store it: it is shown only
    once. A key has at most two, so that they rotate without a gap.
    """
    response.headers["Cache-Control"] = "no-store"
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        made = await request_secrets.create(connection, organisation_id, key_id, roles)
        if made is None:
            raise NotFoundError("unknown_key")
        secret_id, secret = made
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.SECRET_CREATED, key_id=key_id,
            secret_id=secret_id,
        )  # fmt: skip
    return MadeRequestSecret(id=secret_id, secret=secret)


@router.get("/keys/{key_id}/secrets", responses=LINKED | refuses(UNKNOWN_KEY))
async def list_request_secrets(
    key_id: KeyId, caller: Administrator, connection: Connection, page: PageOfNamedThings
) -> list[ListedRequestSecret]:
    """List the secrets of an API key, the newest first, also revoked ones, without what they sign with."""
    listed = await request_secrets.list_secrets(
        connection, caller.identity.organisation_id, key_id, before=page.before, most=page.most
    )
    if listed is None:
        raise NotFoundError("unknown_key")
    return page.show(listed)


@router.delete(
    "/keys/{key_id}/secrets/{secret_id}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_secret"), (RefusedKeyError, "last_secret")),
)
async def delete_request_secret(
    key_id: KeyId, secret_id: SecretId, caller: Administrator, connection: Connection
) -> None:
    """Revoke a secret: within a second no gateway accepts its signatures. The last one of a key that requires
    signatures stays.
    """
    roles = Role(caller.identity.role).included
    organisation_id = caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        if not await request_secrets.revoke(connection, organisation_id, key_id, secret_id, roles):
            raise NotFoundError("unknown_secret")
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.SECRET_REVOKED, key_id=key_id,
            secret_id=secret_id,
        )  # fmt: skip


@router.put(
    "/keys/{key_id}/signatures",
    status_code=204,
    response_class=Response,
    responses=refuses(UNKNOWN_KEY, (RefusedKeyError, "no_secret"), (RefusedKeyError, "browser_key_unsigned")),
)
async def require_signatures(
    parts: InjectedParts, key_id: KeyId, body: SignaturePolicy, caller: Administrator
) -> None:
    """Let an API key accept signed requests only, or unsigned ones, too: within a second on all gateways."""
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    action = KeyAction.SIGNATURES_REQUIRED if body.required else KeyAction.SIGNATURES_NOT_REQUIRED
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        if not await request_secrets.require(connection, organisation_id, key_id, body.required, roles):
            raise NotFoundError("unknown_key")
        await key_changes.record(connection, organisation_id, caller.name, action, key_id=key_id)


@router.post(
    "/signing-keys",
    status_code=201,
    responses=refuses(
        (RefusedKeyError, "kid_taken", {"kid": "2026-11", "organisations": MOST_OF_A_KID, "most": MOST_KEYS})
    ),
)
async def add_signing_key(
    parts: InjectedParts, body: NewSigningKey, caller: Administrator
) -> AddedSigningKey:
    """Accept tokens that are signed with a key. They need `kid`, `exp` (at most 24 hours ahead) and `sub`.
    They identify people of your application, not people with an account.
    """
    check_gives(caller, body.role)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await identities.add_signing_key(
            connection, organisation_id, body.kid, body.algorithm, _from_base64url(body.key), body.role
        )
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.SIGNING_KEY_ADDED, kid=body.kid
        )
    return AddedSigningKey(kid=body.kid)


@router.get("/signing-keys", responses=LINKED)
async def list_signing_keys(
    caller: Administrator,
    connection: Connection,
    page: PageOfNamedThings,
    role: Roles = [],  # noqa: B006 (FastAPI copies it)
    revoked: IsRevoked = None,
) -> list[ListedSigningKey]:
    """List signing keys, the newest first, without what they sign with; also revoked ones, unless `revoked`
    is false.
    """
    wanted = Wanted(page.most, page.before, role or tuple(Role), revoked)
    listed = await identities.list_signing_keys(connection, caller.identity.organisation_id, wanted)
    return page.show(listed, "kid")


@router.delete(
    "/signing-keys/{kid}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_signing_key")),
)
async def delete_signing_key(
    kid: Annotated[Kid, Path(**_KID)], caller: Administrator, connection: Connection
) -> None:
    """Revoke a signing key: within a second no gateway accepts its tokens."""
    roles, organisation_id = Role(caller.identity.role).included, caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        if not await identities.revoke_signing_key(connection, organisation_id, kid, roles):
            raise NotFoundError("unknown_signing_key")
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.SIGNING_KEY_REVOKED, kid=kid
        )


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
    organisation_id = caller.identity.organisation_id
    kid = identities.kid_of(token.identity.key_id)
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await identities.revoke_token(
            connection, organisation_id, token.jti, datetime.fromtimestamp(token.expires_at, UTC)
        )
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.TOKEN_REVOKED, kid=kid, jti=token.jti
        )
