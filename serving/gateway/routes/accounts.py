"""Signing in: accounts of the caller's organisation, and sessions with refresh tokens that are used once.

An access token is valid for ten minutes, and only while its session lasts: after the session ends, the
gateway refuses it within a quarter of a second. `serving.gateway.guessing` limits guesses of passwords.
"""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.fields import ID_EXAMPLES, Id
from data.people import accounts, identities
from data.people.accounts import EndedSessionError, LastOwnerError, ListedAccount, Opened, TakenError
from data.people.identities import Role
from serving.gateway.auth import ACCESS_S
from serving.gateway.dependencies import Authenticated, Connection, own_page
from serving.gateway.pages import LINKED, PageOfThings
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, NotFoundError, UnknownKeyError
from serving.gateway.refusals import TRIED_TOO_OFTEN, WITHOUT_POSTGRES, refuses
from serving.gateway.routes.keys import Administrator, Roles, check_gives

# For callers without credentials. Other sites could let their visitors guess passwords.
router = APIRouter(prefix="/api/v1/auth", tags=["accounts"], dependencies=[Depends(own_page)])
account_router = APIRouter(prefix="/api/v1", tags=["accounts"])

Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
    Field(description="the address to sign in with", examples=["ann@example.com"]),
]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=12, max_length=200, pattern=r"^[^\x00]*$"),
    Field(description="a new password, of 12 to 200 characters", examples=["two horses read slowly"]),
]
# Accounts may have an older, shorter password. None is longer, and hashing a longer one would only take time.
Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="the present password", examples=["two horses read slowly"]),
]
RefreshToken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(
        description="the newest refresh token of the session",
        examples=["01a22303-92fd-74fc-b4f4-074280c0308c.5Vd3kq0cXn8r2yTtq7b1"],
    ),
]
AccountId = Annotated[Id, Path(description="the account", examples=ID_EXAMPLES)]


class NewAccount(BaseModel):
    """A person who may sign in."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    name: Annotated[
        str,
        StringConstraints(max_length=200, pattern=r"^[^\x00]*$"),
        Field(description="the person's name", examples=["Ann"]),
    ] = ""
    role: Annotated[Role, Field(description="what the person may do: at most what you may")] = Role.MEMBER


class NewRole(BaseModel):
    """Another role for a person."""

    model_config = ConfigDict(extra="forbid")

    role: Annotated[Role, Field(description="what the person may do: at most what you may")]


class MadeAccount(BaseModel):
    """A new account."""

    id: Annotated[Id, Field(description="the account")]


class Credentials(BaseModel):
    """The address and password of an account, and where the person signs in."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password
    device: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00]*$")] | None,
        Field(
            description="the device, coarsely: by it the person recognises the session in the list of theirs",
            examples=["Firefox on Linux"],
        ),
    ] = None


class NewPasswords(BaseModel):
    """The current password, and the new one."""

    model_config = ConfigDict(extra="forbid")

    password: Password
    new_password: Annotated[NewPassword, Field(examples=["three cows sing at dawn"])]


class ToRefresh(BaseModel):
    """The newest refresh token of a session."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: RefreshToken


class Tokens(BaseModel):
    """The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
    access token.
    """

    access_token: Annotated[
        str,
        Field(
            description="a JWT for the header `Authorization: Bearer`",
            examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.0rXJ0aV5n4TiN0uSel66AzQ2Zl1Ybd9w"],
        ),
    ]
    token_type: Annotated[Literal["Bearer"], Field(description="how it is sent")] = "Bearer"  # noqa: S105 (a scheme)
    expires_in: Annotated[int, Field(description="seconds until the access token expires")] = ACCESS_S
    refresh_token: RefreshToken


class Me(BaseModel):
    """The caller, and their role."""

    name: Annotated[
        str, Field(description="your name in the audit trail", examples=["api_key:ef2d1c1413919698"])
    ]
    user_id: Annotated[
        uuid.UUID | None,
        Field(
            description="the person whose answers and votes are yours; null for an API key", examples=[None]
        ),
    ]
    organisation_id: Annotated[Id, Field(description="your organisation")]
    organisation: Annotated[str, Field(description="name of your organisation", examples=["first"])]
    role: Annotated[str, Field(description="what you may do, one of `Role`", examples=["owner"])]
    runs_this: Annotated[
        bool, Field(description="the organisation runs the installation: its people may see experiments")
    ]


def _tokens(parts: Parts, response: Response, opened: Opened) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    access_token = parts.authenticator.access_token(opened.session_id, opened.account_id)
    return Tokens(access_token=access_token, refresh_token=opened.refresh_token)


@router.post(
    "/login", responses=refuses((UnknownKeyError, "no_such_login"), TRIED_TOO_OFTEN, WITHOUT_POSTGRES)
)
async def login(request: Request, response: Response, parts: InjectedParts, body: Credentials) -> Tokens:
    """Sign in: start a session, with its first access and refresh token. Tries are limited by address and by
    source, so that nobody can guess a password.
    """
    source = parts.guard.source(request)
    pair = parts.guard.pair(body.email, source)
    async with parts.pool.connection() as connection:
        account = await accounts.find(connection, body.email, pair)
    is_known = account is not None and account.knows_source
    await parts.guard.admit(body.email, source, is_known)
    if not await parts.passwords.opens_with(body.password, account, is_known) or account is None:
        raise UnknownKeyError("no_such_login")
    async with parts.pool.connection() as connection:
        opened = await accounts.open_session(connection, account.id, pair, body.device)
    return _tokens(parts, response, opened)


@router.post("/refresh", responses=refuses((EndedSessionError, "refresh_token_used"), WITHOUT_POSTGRES))
async def refresh_session(response: Response, parts: InjectedParts, body: ToRefresh) -> Tokens:
    """Exchange a refresh token for the next one and an access token. A token that was used before ends the
    session: somebody else may have a copy.
    """
    async with parts.pool.connection() as connection:
        opened = await accounts.refresh(connection, body.refresh_token)
    return _tokens(parts, response, opened)


@router.post(
    "/logout",
    status_code=204,
    response_class=Response,
    responses=refuses((EndedSessionError, "refresh_token_malformed"), WITHOUT_POSTGRES),
)
async def logout(parts: InjectedParts, body: ToRefresh) -> None:
    """End the session of a refresh token, the newest or a former one. Its access tokens are refused within a
    second.
    """
    async with parts.pool.connection() as connection:
        await accounts.sign_out(connection, body.refresh_token)


@account_router.post("/auth/register", status_code=201, responses=refuses((TakenError, "address_taken")))
async def register_account(
    parts: InjectedParts, body: NewAccount, administrator: Administrator
) -> MadeAccount:
    """Make an account for a person of your organisation. Tell them the password, and to change it."""
    check_gives(administrator, body.role)
    # It waits with strangers: an organisation that makes many accounts must not keep people from signing in.
    hashed = await parts.passwords.hash(body.password, is_known=False)
    async with parts.pool.connection() as connection:
        account_id = await accounts.add(
            connection, administrator.identity.organisation_id, body.email, body.name, body.role, hashed
        )
    return MadeAccount(id=account_id)


@account_router.get("/auth/me")
async def get_me(parts: InjectedParts, caller: Authenticated, connection: Connection) -> Me:
    """Tell who you are: name, organisation and role."""
    identity = caller.identity
    organisation = await identities.find_name(connection, identity.organisation_id)
    return Me(
        name=caller.name,
        user_id=caller.user(None)[0] if caller.subject is not None else None,
        organisation_id=identity.organisation_id,
        organisation=organisation,
        role=identity.role,
        runs_this=organisation == parts.settings.organisation,
    )


@account_router.put(
    "/auth/password",
    status_code=204,
    response_class=Response,
    responses=refuses((ForbiddenError, "no_password"), (ForbiddenError, "password_wrong")),
)
async def change_password(parts: InjectedParts, body: NewPasswords, caller: Authenticated) -> None:
    """Change your password. All your sessions end: sign in again. It is for people with an account."""
    account_id = caller.account_id
    if account_id is None:
        raise ForbiddenError("no_password")
    await parts.guard.admit_change(account_id)
    async with parts.pool.connection() as connection:
        account = await accounts.get(connection, account_id)
    if not await parts.passwords.opens_with(body.password, account, is_known=True) or account is None:
        raise ForbiddenError("password_wrong")
    hashed = await parts.passwords.hash(body.new_password, is_known=True)
    async with parts.pool.connection() as connection:
        await accounts.change_password(connection, account_id, hashed)


@account_router.get("/accounts", responses=LINKED)
async def list_accounts(
    administrator: Administrator,
    connection: Connection,
    page: PageOfThings,
    role: Roles = [],  # noqa: B006 (FastAPI copies it)
    q: Annotated[
        str,
        Query(
            max_length=254,
            pattern=r"^[^\x00]*$",
            description="a part of the address or the name, in upper or lower case",
            examples=["ann@"],
        ),
    ] = "",
) -> list[ListedAccount]:
    """List the accounts of your organisation, the newest first, without passwords."""
    listed = await accounts.list_some(
        connection,
        administrator.identity.organisation_id,
        roles=role or tuple(Role),
        part=q,
        before=page.before,
        most=page.most,
    )
    return page.show(listed)


@account_router.patch(
    "/accounts/{account_id}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_account"), (LastOwnerError, "last_owner")),
)
async def change_role(
    parts: InjectedParts, account_id: AccountId, body: NewRole, administrator: Administrator
) -> None:
    """Give a person another role, at most your own. It holds within a second, in their open sessions, too."""
    check_gives(administrator, body.role)
    identity = administrator.identity
    roles = Role(identity.role).included
    async with parts.pool.connection() as connection:
        is_known = await accounts.change_role(
            connection, identity.organisation_id, account_id, body.role, roles
        )
    if not is_known:
        raise NotFoundError("unknown_account")


@account_router.delete(
    "/accounts/{account_id}",
    status_code=204,
    response_class=Response,
    responses=refuses((NotFoundError, "unknown_account"), (LastOwnerError, "last_owner")),
)
async def remove_account(account_id: AccountId, administrator: Administrator, connection: Connection) -> None:
    """Remove an account: within a second its sessions are refused."""
    roles = Role(administrator.identity.role).included
    if not await accounts.remove(connection, administrator.identity.organisation_id, account_id, roles):
        raise NotFoundError("unknown_account")
