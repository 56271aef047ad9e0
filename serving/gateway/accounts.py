"""Signing in: accounts of one's own organisation, and sessions with refresh tokens that are used once.

An access token lives ten minutes, and no longer than its session: a session that ended opens nothing within a
quarter of a second. Guessing is slow: an address has a bucket of sign-ins of its own, shared by all gateways,
and a gateway hashes two passwords at a time.
"""

import asyncio
import uuid
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data import accounts, identities
from data.accounts import EndedSessionError, KnownAccount, ListedAccount, Opened, TakenError
from data.identities import Identity, Role
from serving.gateway.administration import Administrator, check_gives, up_to
from serving.gateway.auth import ACCESS_S, Authenticator, Caller, caller
from serving.gateway.problems import (
    ForbiddenError,
    TooManyRequestsError,
    UnavailableError,
    UnknownKeyError,
)
from serving.gateway.rate import Limiter, Plan

SIGNING_IN = "sign in"  # the plan that sign-ins of an address are held to
LIMITS = Plan(requests_per_s=0.1, burst=10, concurrent=1000, answers_a_month=None)

_MOST_WAITING = 100  # passwords to hash, in a gateway
_LOGIN = "/api/v1/auth/login"

T = TypeVar("T")

router = APIRouter(prefix="/api/v1/auth", tags=["accounts"])  # asked by nobody known yet
account_router = APIRouter(prefix="/api/v1", tags=["accounts"])

Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
NewPassword = Annotated[str, StringConstraints(min_length=12, max_length=200, pattern=r"^[^\x00]*$")]
# A signer-in may have an older, shorter one; no longer one, which would only cost time.
Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewAccount(BaseModel):
    """A person who may sign in."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    role: Role = "member"


class MadeAccount(BaseModel):
    """A new account."""

    id: uuid.UUID


class Credentials(BaseModel):
    """Who signs in."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password


class NewPasswords(BaseModel):
    """One's password, and the one to take its place."""

    model_config = ConfigDict(extra="forbid")

    password: Password
    new_password: NewPassword


class ToRefresh(BaseModel):
    """The newest refresh token of a session."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: RefreshToken


class Tokens(BaseModel):
    """What a session opens with (RFC 6749, 5.1). The refresh token is used once: the next one comes with the
    next access token.
    """

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (the name of a scheme)
    expires_in: Annotated[int, Field(description="seconds that the access token lives")] = ACCESS_S
    refresh_token: str


class Me(BaseModel):
    """Who asks, and what they may do."""

    name: Annotated[str, Field(description="in the audit trail")]
    organisation_id: uuid.UUID
    organisation: str
    role: str
    runs_this: Annotated[
        bool, Field(description="the organisation runs the installation: its people may see experiments")
    ]


class Passwords:
    """Hashes passwords beside the event loop, two at a time; UnavailableError when too many wait."""

    def __init__(self) -> None:
        self._two = asyncio.Semaphore(2)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """As it is stored."""
        return await self._do(accounts.hash_password, password)

    async def opens_with(self, password: str, account: KnownAccount | None) -> bool:
        """Whether it is the account's; as slow without one."""
        return await self._do(accounts.opens_with, password, account.password_hash if account else None)

    async def _do(self, work: Callable[..., T], *arguments: str | None) -> T:
        if self._waiting >= _MOST_WAITING:
            raise UnavailableError("too many people sign in at once")
        self._waiting += 1
        try:
            async with self._two:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1


def _answer(request: Request, response: Response, opened: Opened) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    authenticator: Authenticator = request.app.state.authenticator
    access_token = authenticator.access_token(opened.session_id, opened.account_id)
    return Tokens(access_token=access_token, refresh_token=opened.refresh_token)


async def _refuse_guessing(request: Request, email: str) -> None:
    """TooManyRequestsError when an address has been tried too often, whether it has an account or not."""
    name = blake2b(accounts.normalised(email).encode(), digest_size=16).hexdigest()
    trying = Caller(Identity(uuid.UUID(int=0), f"sign-in:{name}", "member", b"", SIGNING_IN))
    limiter: Limiter = request.app.state.limiter
    try:
        await limiter.take(trying, _LOGIN)
    except TooManyRequestsError as error:
        raise TooManyRequestsError(
            "this address was tried too often; wait a little before the next try",
            int(error.headers["Retry-After"]),
            {},
        ) from error


@router.post("/login")
async def login(request: Request, response: Response, body: Credentials) -> Tokens:
    """Sign in: a session with its first access and refresh token."""
    await _refuse_guessing(request, body.email)
    async with request.app.state.pool.connection() as connection:
        account = await accounts.find(connection, body.email)
    passwords: Passwords = request.app.state.passwords
    if not await passwords.opens_with(body.password, account) or account is None:
        raise UnknownKeyError("there is no account with this address and password")
    async with request.app.state.pool.connection() as connection:
        opened = await accounts.open_session(connection, account.id)
    return _answer(request, response, opened)


@router.post("/refresh")
async def refresh(request: Request, response: Response, body: ToRefresh) -> Tokens:
    """Exchange a refresh token for the next one and an access token. One that was used before ends the
    session: somebody else may have it.
    """
    async with request.app.state.pool.connection() as connection:
        try:
            opened = await accounts.refresh(connection, body.refresh_token)
        except EndedSessionError as error:
            raise UnknownKeyError(str(error)) from error
    return _answer(request, response, opened)


@router.post("/logout", status_code=204, response_class=Response)
async def logout(request: Request, body: ToRefresh) -> None:
    """End the session of a refresh token; its access tokens open nothing within a second."""
    async with request.app.state.pool.connection() as connection:
        try:
            await accounts.sign_out(connection, body.refresh_token)
        except EndedSessionError as error:
            raise UnknownKeyError(str(error)) from error


@account_router.post("/auth/register", status_code=201)
async def register(request: Request, body: NewAccount, administrator: Administrator) -> MadeAccount:
    """Let a person of one's organisation sign in. Tell them the password, and to change it."""
    check_gives(administrator, body.role)
    hashed = await request.app.state.passwords.hash(body.password)
    async with request.app.state.pool.connection() as connection:
        try:
            account_id = await accounts.add(
                connection, administrator.identity.organisation_id, body.email, body.name, body.role, hashed
            )
        except TakenError as error:
            raise HTTPException(409, str(error)) from error
    return MadeAccount(id=account_id)


@account_router.get("/auth/me")
async def me(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Me:
    """Who asks."""
    identity = caller.identity
    async with request.app.state.pool.connection() as connection:
        organisation = await identities.find_name(connection, identity.organisation_id)
    return Me(
        name=caller.name,
        organisation_id=identity.organisation_id,
        organisation=organisation,
        role=identity.role,
        runs_this=organisation == request.app.state.organisation,
    )


@account_router.put("/auth/password", status_code=204, response_class=Response)
async def change_password(
    request: Request, body: NewPasswords, caller: Annotated[Caller, Depends(caller)]
) -> None:
    """Take another password. Every session ends: sign in again."""
    account_id = caller.account_id
    if account_id is None:
        raise ForbiddenError("a key or token has no password; sign in to change yours")
    async with request.app.state.pool.connection() as connection:
        account = await accounts.get(connection, account_id)
    if account is not None:
        await _refuse_guessing(request, account.email)
    passwords: Passwords = request.app.state.passwords
    if not await passwords.opens_with(body.password, account) or account is None:
        raise ForbiddenError("this is not your password")
    hashed = await passwords.hash(body.new_password)
    async with request.app.state.pool.connection() as connection:
        await accounts.change_password(connection, account_id, hashed)


@account_router.get("/accounts")
async def list_accounts(request: Request, administrator: Administrator) -> list[ListedAccount]:
    """Who may sign in, by address, without passwords."""
    async with request.app.state.pool.connection() as connection:
        return await accounts.list_all(connection, administrator.identity.organisation_id)


@account_router.delete("/accounts/{account_id}", status_code=204, response_class=Response)
async def remove_account(request: Request, account_id: uuid.UUID, administrator: Administrator) -> None:
    """Remove an account: within a second its sessions open nothing."""
    roles = up_to(administrator.identity.role)
    async with request.app.state.pool.connection() as connection:
        if not await accounts.remove(connection, administrator.identity.organisation_id, account_id, roles):
            raise HTTPException(404, "no account has this id, among those that you may remove")
