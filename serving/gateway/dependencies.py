"""FastAPI dependencies of the routes: the caller, a connection to Postgres, and Idempotency-Keys."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from psycopg import AsyncConnection
from pydantic import BaseModel

from serving.gateway import rate, signatures
from serving.gateway.auth import Caller, credential
from serving.gateway.parts import InjectedParts
from serving.gateway.rate import Limiter


async def authenticated(
    request: Request,
    parts: InjectedParts,
    _key: Annotated[Any, Security(APIKeyHeader(name="X-API-Key", auto_error=False))],
    _bearer: Annotated[Any, Security(HTTPBearer(auto_error=False))],
) -> Caller:
    """The caller, by the key or token in the headers, whose signature is checked if there is one. The hot
    path does the same with the same functions; `_key` and `_bearer` only document the headers.
    """
    caller = await parts.authenticator.identify(credential(dict(request.scope["headers"])))
    signature = parts.signatures.verify(signatures.head_of(request.scope), caller)
    if signature is not None:
        await parts.signatures.accept(signature, await request.body())
    return caller


Authenticated = Annotated[Caller, Depends(authenticated)]


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
