"""FastAPI dependencies of the routes: the caller, a connection to Postgres, Idempotency-Keys, and clients who
leave.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from psycopg import AsyncConnection
from pydantic import BaseModel

from serving.gateway import cors, rate, signatures
from serving.gateway.auth import Caller, credential
from serving.gateway.cors import OriginError
from serving.gateway.online.turns import Turn, watched
from serving.gateway.parts import InjectedParts
from serving.gateway.rate import Limiter

_API_KEY = APIKeyHeader(
    name="X-API-Key",
    description="An API key, `tb_...`. Admins make them by `POST /api/v1/keys`.",
    auto_error=False,
)
_BEARER = HTTPBearer(
    description="An API key, the access token of `POST /api/v1/auth/login`, or a JWT that your"
    " organisation signs for one of its people (`POST /api/v1/signing-keys`).",
    auto_error=False,
)


async def authenticated(
    request: Request,
    parts: InjectedParts,
    _key: Annotated[Any, Security(_API_KEY)],
    _bearer: Annotated[Any, Security(_BEARER)],
) -> Caller:
    """The caller, by the key or token in the headers. The origin of a page is checked, and a signature if
    there is one. The hot path does the same with the same functions; `_key` and `_bearer` only document the
    headers.
    """
    scope = request.scope
    caller = await parts.authenticator.identify(credential(dict(scope["headers"])))
    try:
        parts.cors.check(caller, scope["route"].path, scope["headers"])
    except OriginError:
        scope[cors.IS_REFUSED] = True
        raise
    signature = parts.signatures.verify(signatures.head_of(scope), caller)
    if signature is not None:
        await parts.signatures.accept(signature, await request.body())
    return caller


Authenticated = Annotated[Caller, Depends(authenticated)]


async def own_page(request: Request, parts: InjectedParts) -> None:
    """OriginError when a page of another origin than the gateway's own sends a request without a caller."""
    try:
        parts.cors.check_own(request.scope["headers"])
    except OriginError:
        request.scope[cors.IS_REFUSED] = True
        raise


@asynccontextmanager
async def admission(limiter: Limiter, caller: Caller, route: str, cost: int = 1) -> AsyncIterator[None]:
    """Context manager: a request that the plan allows. It takes tokens of the route's rate now, and one of
    the places for concurrent requests until it ends.
    """
    await limiter.take(caller, route, cost)
    limiter.enter(caller)
    try:
        yield
    finally:
        limiter.leave(caller)


async def admitted(
    request: Request, response: Response, parts: InjectedParts, caller: Authenticated
) -> AsyncIterator[Caller]:
    """The caller, if their plan allows one more request: it takes tokens of the route's rate now, and one of
    the places for concurrent requests until the response is sent.
    """
    route = request.scope["route"].path
    async with admission(parts.limiter, caller, route, rate.cost(route)):
        policy, remaining = parts.limiter.headers(caller, route)
        response.headers["RateLimit-Policy"] = policy.decode()
        response.headers["RateLimit"] = remaining.decode()
        yield caller


Admitted = Annotated[Caller, Depends(admitted)]


async def _connection(parts: InjectedParts) -> AsyncIterator[AsyncConnection]:
    async with parts.pool.connection() as connection:
        yield connection


# FastAPI ends a dependency after the response is sent, unless its scope is "function": then it ends when the
# handler has returned, before the first byte. So a client that reads slowly holds no connection, and what the
# response reports is committed. (FastAPI reads the request's body before it calls any dependency.)
#
# A connection is taken before the handler begins and kept until it ends. Two kinds of handlers use
# `parts.pool.connection()` where they need one instead:
# - A handler with a body. FastAPI validates the body after it has called the dependencies, so while Postgres
#   is unavailable an invalid body would be answered with 503, and the client would send it again and again.
# - A handler that hashes a password, calls the inference service, or takes a second connection (`AnswerOnce`,
#   a lookup of a key): ten such handlers would hold the whole pool and wait for each other.
# Parameters are resolved in their order: the caller comes first, so strangers take no connection.
Connection = Annotated[AsyncConnection, Depends(_connection, scope="function")]


async def _turn(request: Request) -> AsyncIterator[Turn]:
    turn = Turn()
    with watched(request.receive, turn):
        yield turn


# Of a route with a body, which FastAPI has read by then: `unless_left` ends what only this client waits for.
Waiting = Annotated[Turn, Depends(_turn, scope="function")]


@dataclass(frozen=True)
class AnswerOnce:
    """Answers a request; under an Idempotency-Key, as it was answered when this caller first sent it."""

    request: Request
    response: Response  # FastAPI adds these headers only to a response that it makes itself
    parts: InjectedParts
    caller: Authenticated

    async def __call__(
        self, key: str | None, body: BaseModel | None, do: Callable[[], Awaitable[tuple[int, bytes]]]
    ) -> Response:
        """Status and JSON of `do`, or those stored under `key`. Errors as `Idempotency.once`."""
        if key is None:
            status, content = await do()
        else:
            digested = self.request.scope["path"].encode() + b"\0"
            if body is not None:
                digested += body.model_dump_json().encode()
            status, content = await self.parts.idempotency.once(
                self.caller, None, key.encode("latin-1", "replace"), digested, do
            )
        return Response(content, status, dict(self.response.headers), "application/json")


AnsweredOnce = Annotated[AnswerOnce, Depends()]
