"""Signing in: accounts of the caller's organisation, and sessions with refresh tokens that are used once.

An access token is valid for ten minutes, and only while its session lasts: after the session ends, the
gateway refuses it within a quarter of a second. `serving.gateway.guessing` limits guesses of passwords.
"""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.people import accounts, identities
from data.people.accounts import ListedAccount, Opened
from data.people.identities import Role
from serving.gateway.auth import ACCESS_S
from serving.gateway.dependencies import Authenticated, Connection
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, NotFoundError, UnknownKeyError
from serving.gateway.routes.keys import Administrator, check_gives

router = APIRouter(prefix="/api/v1/auth", tags=["accounts"])  # for callers without credentials
account_router = APIRouter(prefix="/api/v1", tags=["accounts"])

Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
NewPassword = Annotated[str, StringConstraints(min_length=12, max_length=200, pattern=r"^[^\x00]*$")]
# Accounts may have an older, shorter password. None is longer, and hashing a longer one would only take time.
Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewAccount(BaseModel):
    """A person who may sign in."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    role: Role = Role.MEMBER


class NewRole(BaseModel):
    """Another role for a person."""

    model_config = ConfigDict(extra="forbid")

    role: Role


class MadeAccount(BaseModel):
    """A new account."""

    id: uuid.UUID


class Credentials(BaseModel):
    """The address and password of an account."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password


class NewPasswords(BaseModel):
    """The current password, and the new one."""

    model_config = ConfigDict(extra="forbid")

    password: Password
    new_password: NewPassword


class ToRefresh(BaseModel):
    """The newest refresh token of a session."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: RefreshToken


class Tokens(BaseModel):
    """The tokens of a session (RFC 6749, 5.1). A refresh token is used once: the next one comes with the next
    access token.
    """

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (the name of a scheme)
    expires_in: Annotated[int, Field(description="seconds until the access token expires")] = ACCESS_S
    refresh_token: str


class Me(BaseModel):
    """The caller, and their role."""

    name: Annotated[str, Field(description="in the audit trail")]
    user_id: Annotated[
        uuid.UUID | None,
        Field(description="the person whose answers and votes are yours; null for an API key"),
    ]
    organisation_id: uuid.UUID
    organisation: str
    role: str
    runs_this: Annotated[
        bool, Field(description="the organisation runs the installation: its people may see experiments")
    ]


def _tokens(parts: Parts, response: Response, opened: Opened) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    access_token = parts.authenticator.access_token(opened.session_id, opened.account_id)
    return Tokens(access_token=access_token, refresh_token=opened.refresh_token)


@router.post("/login")
async def login(request: Request, response: Response, parts: InjectedParts, body: Credentials) -> Tokens:
    """Sign in: start a session, with its first access and refresh token."""
    source = parts.guard.source(request)
    pair = parts.guard.pair(body.email, source)
    async with parts.pool.connection() as connection:
        account = await accounts.find(connection, body.email, pair)
    is_known = account is not None and account.knows_source
    await parts.guard.admit(body.email, source, is_known)
    if not await parts.passwords.opens_with(body.password, account, is_known) or account is None:
        raise UnknownKeyError("no_such_login")
    async with parts.pool.connection() as connection:
        opened = await accounts.open_session(connection, account.id, pair)
    return _tokens(parts, response, opened)


@router.post("/refresh")
async def refresh_session(response: Response, parts: InjectedParts, body: ToRefresh) -> Tokens:
    """Exchange a refresh token for the next one and an access token. A token that was used before ends the
    session: somebody else may have a copy.
    """
    async with parts.pool.connection() as connection:
        opened = await accounts.refresh(connection, body.refresh_token)
    return _tokens(parts, response, opened)


@router.post("/logout", status_code=204, response_class=Response)
async def logout(parts: InjectedParts, body: ToRefresh) -> None:
    """End the session of a refresh token, the newest or a former one. Its access tokens are refused within a
    second.
    """
    async with parts.pool.connection() as connection:
        await accounts.sign_out(connection, body.refresh_token)


@account_router.post("/auth/register", status_code=201)
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
    """The caller: name, organisation and role."""
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


@account_router.put("/auth/password", status_code=204, response_class=Response)
async def change_password(parts: InjectedParts, body: NewPasswords, caller: Authenticated) -> None:
    """Change your password. All your sessions end: sign in again."""
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


@account_router.get("/accounts")
async def list_accounts(administrator: Administrator, connection: Connection) -> list[ListedAccount]:
    """All accounts of your organisation, by address, without passwords."""
    return await accounts.list_all(connection, administrator.identity.organisation_id)


@account_router.patch("/accounts/{account_id}", status_code=204, response_class=Response)
async def change_role(
    parts: InjectedParts, account_id: uuid.UUID, body: NewRole, administrator: Administrator
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


@account_router.delete("/accounts/{account_id}", status_code=204, response_class=Response)
async def remove_account(account_id: uuid.UUID, administrator: Administrator, connection: Connection) -> None:
    """Remove an account: within a second its sessions are refused."""
    roles = Role(administrator.identity.role).included
    if not await accounts.remove(connection, administrator.identity.organisation_id, account_id, roles):
        raise NotFoundError("unknown_account")
