"""Rewrites: one message, two rewrites of one message, many messages in one request."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Admitted, AnsweredOnce, Authenticated, Waiting
from serving.gateway.description.examples import SHOWN
from serving.gateway.online.admission import Rank
from serving.gateway.online.answering import Answer, Compared, EncodedAnswer, Online
from serving.gateway.online.bodies import (
    BatchRequest,
    CompareRequest,
    StreamableRequest,
    TransformRequest,
)
from serving.gateway.online.front import PATH
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import RETRY_AFTER_S, NoChallengerError, UnavailableError
from serving.gateway.refusals import IN_PROGRESS, LIMITED, TIMING, refuses

# Messages of one batch that are rewritten at the same time. A hundred of the longest, all sent at once, would
# keep the service busy beyond the timeout of every call, and calls of others would count as its failures.
_CONCURRENT = 16
_BATCH = "/api/v1/batch"

router = APIRouter(tags=["rewrites"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="1 to 200 characters of your choice, which make sending the same request again"
        " harmless, for a day",
        examples=["5f2c0e7a-monday"],
    ),
]


class Entry(BaseModel):
    """The outcome of one message: its answer, or the problem (RFC 9457) that prevented one."""

    status: Annotated[int, Field(description="the status that the message alone would have", examples=[200])]
    answer: Annotated[
        Answer | None, Field(description="the answer, if the status is 200", json_schema_extra=SHOWN)
    ] = None
    problem: Annotated[
        dict[str, object] | None,
        Field(description="the problem (RFC 9457) of any other status; it is absent for an answer"),
    ] = None


class BatchAnswer(BaseModel):
    """The entries, in the order of the messages."""

    items: Annotated[list[Entry], Field(description="one for each message, in the order of the request")]


_EVENTS = """Server-sent events, with `Accept: text/event-stream` or `"stream": true`. Each has JSON as its \
data:

- `delta`: `{"text"}`, more of the draft; `replace`: `{"text"}`, another draft in its place
- `answer`, the last event: the same document as the JSON answer. Only its text is stored and counts
- `error`, the last event when there is no answer after all: a problem (RFC 9457)

A text that is known already is one `answer`. What prevents an answer before the first event is an ordinary
problem with its status. Comments keep the connection open.
"""


_ANSWER = {
    "answer_id": "01a22303-92fd-74fc-b4f4-074280c0308c",
    "receipt": "TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4",
    "transformed_text": "Could you please fix the login page before Monday?",
    "variant": "champion",
    "version": "v2",
    "cache": "miss",
    "fallback": False,
    "facts_missing": [],
    "unchanged": None,
}
_STREAM = f"""event: delta
data: {{"text":"Could you please fix the login"}}

event: delta
data: {{"text":" page before Monday?"}}

event: answer
data: {json.dumps(_ANSWER, separators=(",", ":"))}

"""


@router.post(
    PATH,
    responses={
        200: {
            "description": "The answer, or the events of an answer while it is made",
            "headers": TIMING,
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string", "description": _EVENTS},
                    "example": _STREAM,
                }
            },
        },
        **LIMITED,
        **refuses(IN_PROGRESS),
    },
)
async def transform(
    body: StreamableRequest, caller: Authenticated, idempotency_key: IdempotencyKey = None
) -> Answer:
    """Rewrite a message, and answer with JSON or as a stream. The answer's receipt takes feedback. It
    counts in the rate of the key and in the month's quota of the organisation.
    """
    raise AssertionError("this route is for the API's page; serving/gateway/online/front.py answers it")


@router.post(_BATCH, response_model=BatchAnswer)
async def transform_many(
    parts: InjectedParts,
    body: BatchRequest,
    caller: Admitted,
    answer_once: AnsweredOnce,
    turn: Waiting,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Rewrite up to a hundred messages at once, each for itself: one may fail where another succeeds. Each
    takes a token of the rate of the key, so a plan may admit fewer. More messages, or a later time: `POST
    /api/v1/jobs/batches`.
    """
    more = len(body.items) - 1  # `Admitted` has taken a token for the first message
    if more and not parts.limiter.try_take(caller, _BATCH, more):
        await parts.limiter.take(caller, _BATCH, more)

    async def do() -> tuple[int, bytes]:
        return await rewrite_all(parts.online, caller, body)

    return await turn.unless_left(answer_once(idempotency_key, body, do))


@router.post("/api/v1/compare", responses=refuses((NoChallengerError, "no_challenger")))
async def compare(parts: InjectedParts, body: CompareRequest, caller: Admitted, turn: Waiting) -> Compared:
    """Rewrite a message twice, for a person to choose. The receipt takes the choice, a vote of the kind
    `comparison`. It takes two tokens of the rate of the key.
    """
    return await turn.unless_left(parts.online.compare(caller, body.message(caller), body.policy))


async def rewrite_all(online: Online, caller: Caller, batch: BatchRequest) -> tuple[int, bytes]:
    """Status and JSON of a `BatchAnswer`; UnavailableError when every message failed with 503."""
    semaphore = asyncio.Semaphore(_CONCURRENT)

    async def rewrite(item: TransformRequest) -> EncodedAnswer:
        async with semaphore:
            return await online.transform(caller, item.message(caller), rank=Rank.BATCH)

    outcomes = await asyncio.gather(*map(rewrite, batch.items), return_exceptions=True)
    entries: list[bytes] = []
    statuses: set[int] = set()
    retry_s = RETRY_AFTER_S
    for outcome in outcomes:
        if isinstance(outcome, EncodedAnswer):
            statuses.add(200)
            entries.append(b'{"status":200,"answer":%b}' % outcome.body)
        elif isinstance(outcome, Exception):
            refusal = problems.answer(outcome)
            statuses.add(refusal.status_code)
            retry_s = max(retry_s, int(refusal.headers.get("retry-after", 0)))
            entries.append(b'{"status":%d,"problem":%b}' % (refusal.status_code, bytes(refusal.body)))
        else:
            raise outcome
    if statuses == {503}:
        raise UnavailableError("none_answered").until(retry_s)
    return 200, b'{"items":[%b]}' % b",".join(entries)
