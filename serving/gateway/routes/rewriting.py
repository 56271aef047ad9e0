"""Many messages in one request: each is answered, or refused, for itself."""

import asyncio

from pydantic import BaseModel

from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.online.answering import Answer, Given, Online
from serving.gateway.online.bodies import BatchRequest, TransformRequest

# Of one batch at once: a hundred of the longest, all sent, keep the service busy for longer than it is waited
# for, and what others ask meanwhile is taken for the failure of a replica.
_AT_ONCE = 16


class Entry(BaseModel):
    """What became of one message: its answer, or the problem (RFC 9457) that stood in the way."""

    status: int
    answer: Answer | None = None
    problem: dict[str, object] | None = None


class Batch(BaseModel):
    """The entries, in the order of the messages."""

    items: list[Entry]


async def rewrite_all(online: Online, caller: Caller, batch: BatchRequest) -> tuple[int, bytes]:
    """Status and JSON of a `Batch`; UnavailableError when all of it may be tried again."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def rewrite(item: TransformRequest) -> Given:
        async with places:
            return await online.transform(caller, item.message(caller))

    given = await asyncio.gather(*map(rewrite, batch.items), return_exceptions=True)
    entries: list[bytes] = []
    statuses: set[int] = set()
    for one in given:
        if isinstance(one, Given):
            statuses.add(200)
            entries.append(b'{"status":200,"answer":%b}' % one.body)
        elif isinstance(one, Exception):
            refusal = problems.answer(one)
            statuses.add(refusal.status_code)
            entries.append(b'{"status":%d,"problem":%b}' % (refusal.status_code, bytes(refusal.body)))
        else:
            raise one
    if statuses == {503}:
        raise problems.UnavailableError("none of the messages could be answered")
    return 200, b'{"items":[%b]}' % b",".join(entries)
