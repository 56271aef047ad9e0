"""Rewrites: one message, two rewrites of one message, many messages in one request."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel

from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Admitted, AnsweredOnce, Authenticated
from serving.gateway.online.answering import Answer, Compared, EncodedAnswer, Online
from serving.gateway.online.bodies import (
    BatchRequest,
    CompareRequest,
    StreamableRequest,
    TransformRequest,
)
from serving.gateway.online.front import PATH
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import UnavailableError

# Messages of one batch that are rewritten at the same time. A hundred of the longest, all sent at once, would
# keep the service busy beyond the timeout of every call, and calls of others would count as its failures.
_CONCURRENT = 16
_BATCH = "/api/v1/batch"

router = APIRouter()

IdempotencyKey = Annotated[
    str | None, Header(description="makes sending the same request again harmless, for a day")
]


class Entry(BaseModel):
    """The outcome of one message: its answer, or the problem (RFC 9457) that prevented one."""

    status: int
    answer: Answer | None = None
    problem: dict[str, object] | None = None


class BatchAnswer(BaseModel):
    """The entries, in the order of the messages."""

    items: list[Entry]


_EVENTS = """Server-sent events, with `Accept: text/event-stream` or `"stream": true`. Each has JSON as its \
data:

- `delta`: `{"text"}`, more of the draft; `replace`: `{"text"}`, another draft in its place
- `answer`, the last event: the same document as the JSON answer. Only its text is stored and counts
- `error`, the last event when there is no answer after all: a problem (RFC 9457)

A text that is known already is one `answer`. What prevents an answer before the first event is an ordinary
problem with its status. Comments keep the connection open.
"""


@router.post(
    PATH,
    responses={
        200: {
            "description": "The answer, or the events of an answer while it is made",
            "content": {"text/event-stream": {"schema": {"type": "string", "description": _EVENTS}}},
        }
    },
)
async def transform(
    body: StreamableRequest, caller: Authenticated, idempotency_key: IdempotencyKey = None
) -> Answer:
    """Rewrite a message, and answer with JSON or as a stream."""
    raise AssertionError("this route is for the API's page; serving/gateway/online/front.py answers it")


@router.post(_BATCH, response_model=BatchAnswer)
async def transform_many(
    parts: InjectedParts,
    body: BatchRequest,
    caller: Admitted,
    answer_once: AnsweredOnce,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Rewrite up to a hundred messages, each for itself: one may fail where another succeeds."""
    more = len(body.items) - 1  # `Admitted` has taken a token for the first message
    if more and not parts.limiter.try_take(caller, _BATCH, more):
        await parts.limiter.take(caller, _BATCH, more)

    async def do() -> tuple[int, bytes]:
        return await rewrite_all(parts.online, caller, body)

    return await answer_once(idempotency_key, body, do)


@router.post("/api/v1/compare")
async def compare(parts: InjectedParts, body: CompareRequest, caller: Admitted) -> Compared:
    """Rewrite a message twice, for a person to choose."""
    return await parts.online.compare(caller, body.message(caller), body.policy)


async def rewrite_all(online: Online, caller: Caller, batch: BatchRequest) -> tuple[int, bytes]:
    """Status and JSON of a `BatchAnswer`; UnavailableError when every message failed with 503."""
    semaphore = asyncio.Semaphore(_CONCURRENT)

    async def rewrite(item: TransformRequest) -> EncodedAnswer:
        async with semaphore:
            return await online.transform(caller, item.message(caller))

    outcomes = await asyncio.gather(*map(rewrite, batch.items), return_exceptions=True)
    entries: list[bytes] = []
    statuses: set[int] = set()
    for outcome in outcomes:
        if isinstance(outcome, EncodedAnswer):
            statuses.add(200)
            entries.append(b'{"status":200,"answer":%b}' % outcome.body)
        elif isinstance(outcome, Exception):
            refusal = problems.answer(outcome)
            statuses.add(refusal.status_code)
            entries.append(b'{"status":%d,"problem":%b}' % (refusal.status_code, bytes(refusal.body)))
        else:
            raise outcome
    if statuses == {503}:
        raise UnavailableError("none_answered")
    return 200, b'{"items":[%b]}' % b",".join(entries)
