"""The WebSocket, asynchronous and synchronous, against a live gateway whose connections break."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import jwt
import pytest

from tests import gateways
from tests.sdks import Installation
from tests.waiting import until_async as until
from tonebridge import (
    AsyncToneBridge,
    Change,
    InvalidRequestError,
    Reset,
    Retries,
    ToneBridge,
    UnauthorizedError,
    UnreachableError,
)

SOON = Retries(base_s=0.001, total_s=600)


class AwaitedSocket:
    """The synchronous socket, with methods that are awaited: each runs in a thread."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._socket, name)
        return partial(asyncio.to_thread, found) if callable(found) and name != "stream" else found

    def __aiter__(self) -> "AwaitedSocket":
        return self

    async def __anext__(self) -> Any:
        change = await asyncio.to_thread(next, self._socket, None)
        if change is None:
            raise StopAsyncIteration
        return change


@pytest.fixture(params=["asynchronous", "synchronous"])
def is_asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "asynchronous")


@asynccontextmanager
async def opened(is_asynchronous: bool, url: str, **named: Any) -> AsyncIterator[Any]:
    """A socket of a client of its own."""
    options = {"retries": SOON, **named}
    if is_asynchronous:
        async with (
            AsyncToneBridge(url, **options) as client,
            client.open_socket(reconnects=options["retries"]) as socket,
        ):
            yield socket
        return
    with ToneBridge(url, **options) as blocking:
        plain = await asyncio.to_thread(blocking.open_socket(reconnects=options["retries"]).__enter__)
        try:
            yield AwaitedSocket(plain)
        finally:
            await asyncio.to_thread(plain.close)


@pytest.fixture
async def socket(is_asynchronous: bool, live: Installation) -> AsyncIterator[Any]:
    async with opened(is_asynchronous, live.proxy.url, api_key=live.key) as socket:
        yield socket


@pytest.fixture
async def client(live: Installation) -> AsyncIterator[AsyncToneBridge]:
    """A client of its own connections, which do not break."""
    async with AsyncToneBridge(live.url, api_key=live.key) as client:
        yield client


def message() -> str:
    return f"Fix it. {uuid.uuid4()}"


async def make_batch(client: AsyncToneBridge) -> str:
    batch = await client.create_batch([{"text": message(), "transform_type": "soften", "intensity": 1}])
    return batch["id"]


async def read_until_done(socket: Any, batch_id: str) -> list[Any]:
    """Changes until a batch is done."""
    seen = []
    async for change in socket:
        seen.append(change)
        data = getattr(change, "data", {})
        if data.get("id") == batch_id and data["done"] == data["messages"]:
            return seen
    raise AssertionError("the socket has ended")


async def test_changes_of_a_channel_come_as_they_happen(socket: Any, client: AsyncToneBridge) -> None:
    await socket.subscribe("jobs")
    (*_, last) = await read_until_done(socket, await make_batch(client))
    assert isinstance(last, Change)
    assert (last.channel, socket.cursors) == ("jobs", {"jobs": last.cursor})
    await socket.unsubscribe("jobs")
    assert socket.cursors == {}


async def test_what_happens_while_the_connection_is_broken_is_not_missed(
    socket: Any, client: AsyncToneBridge, live: Installation
) -> None:
    await socket.subscribe("jobs")
    before = await read_until_done(socket, await make_batch(client))
    live.proxy.go(is_away=True)
    missed = await make_batch(client)
    await client.wait_for_batch(missed, poll_s=0.02)
    live.proxy.go(is_away=False)
    seen = await read_until_done(socket, missed)
    assert all(isinstance(change, Change) for change in seen)
    # Another change of the first batch may come after the one that said that it was done.
    cursors = [{change.cursor for change in changes} for changes in (before, seen)]
    assert cursors[0].isdisjoint(cursors[1]), "what was read is not read again"


async def test_a_cursor_that_is_too_old_is_handed_to_the_caller(socket: Any) -> None:
    await socket.subscribe("jobs", after="1-0")
    change = await anext(socket)
    assert isinstance(change, Reset)
    assert socket.cursors == {"jobs": change.cursor}


async def test_a_cursor_of_another_connection_goes_on(
    socket: Any, client: AsyncToneBridge, live: Installation, is_asynchronous: bool
) -> None:
    await socket.subscribe("jobs")
    before = socket.cursors["jobs"]
    batch_id = await make_batch(client)
    await read_until_done(socket, batch_id)
    async with opened(is_asynchronous, live.url, api_key=live.key) as other:
        await other.subscribe("jobs", after=before)
        await read_until_done(other, batch_id)


async def test_rewrites_and_changes_share_a_connection(socket: Any) -> None:
    person = message()
    await socket.subscribe("answers", user_id=person)

    async def read() -> Any:
        return await anext(socket)

    waiting = asyncio.create_task(read())  # it reads for all
    answers = await asyncio.gather(
        *(socket.transform(message(), "soften", 2, user_id=person) for _ in range(3))
    )
    change = await waiting
    assert change.data["answer_id"] in {answer["answer_id"] for answer in answers}


async def test_a_stream_shows_drafts(socket: Any) -> None:
    stream = socket.stream(message(), "soften", 2)
    if hasattr(stream, "__aiter__"):
        events = [event async for event in stream]
    else:
        events = await asyncio.to_thread(list, stream)
    assert [event.kind for event in events][-1] == "answer"
    assert {event.kind for event in events[:-1]} == {"delta"}
    assert events[-1].draft == "Please wait."


async def test_a_rewrite_is_sent_again_when_the_connection_breaks(socket: Any, live: Installation) -> None:
    text = message()
    answer = await socket.transform(text, "soften", 2, idempotency_key=text)
    live.proxy.break_connections()
    again = await socket.transform(text, "soften", 2, idempotency_key=text)
    assert again["answer_id"] == answer["answer_id"]
    assert live.count_outputs(text) == 1


async def test_many_breaks_lose_no_rewrite(is_asynchronous: bool, live: Installation) -> None:
    texts = [message() for _ in range(10)]
    url, retries = live.proxy.url, Retries(attempts=50, base_s=0.01, total_s=600)
    async with opened(is_asynchronous, url, api_key=live.key, retries=retries) as socket:
        rewriting = asyncio.gather(*(socket.transform(text, "soften", 2) for text in texts))
        for _ in range(6):  # at any moment of the rewrites
            live.proxy.break_connections()
            await asyncio.sleep(0.03)
        await rewriting
    # A draft whose client has left may be written again; an answer is stored once.
    await until(lambda: [live.count_answers(text) for text in texts] == [1] * 10)


async def test_errors_of_a_message_are_raised(socket: Any) -> None:
    with pytest.raises(InvalidRequestError, match="intensity"):
        await socket.transform("Fix it.", "soften", 9)
    with pytest.raises(InvalidRequestError):
        await socket.subscribe("nonsense")
    await socket.subscribe("jobs")  # the connection goes on


async def test_a_key_that_is_not_in_force_opens_nothing(is_asynchronous: bool, live: Installation) -> None:
    with pytest.raises(UnauthorizedError):
        async with opened(is_asynchronous, live.url, api_key="wrong"):
            pass


async def test_a_key_that_ends_ends_the_socket(
    is_asynchronous: bool, live: Installation, client: AsyncToneBridge
) -> None:
    made = await client.create_key("short", role="viewer")
    async with opened(is_asynchronous, live.proxy.url, api_key=made["key"]) as socket:
        await socket.subscribe("jobs")
        await client.delete_key(made["id"])
        with pytest.raises(UnauthorizedError):
            await anext(socket)
        with pytest.raises(UnauthorizedError):
            await socket.transform(message(), "soften", 1)


async def test_a_gateway_that_is_gone_is_tried_for_a_while(is_asynchronous: bool, live: Installation) -> None:
    with pytest.raises(UnreachableError, match="no WebSocket at ws://127"):
        async with opened(is_asynchronous, "http://127.0.0.1:1", api_key="k"):
            pass


async def test_closing_ends_the_loop_of_a_reader(socket: Any) -> None:
    async def read_all() -> list[Any]:
        return [change async for change in socket]

    reading = asyncio.create_task(read_all())
    await socket.transform(message(), "soften", 1)  # the reader is reading by now, and reads this, too
    await (socket.aclose if hasattr(socket, "aclose") else socket.close)()
    assert await reading == []


async def test_a_token_is_renewed(is_asynchronous: bool, live: Installation, client: AsyncToneBridge) -> None:
    kid = f"kid-{uuid.uuid4()}"
    await client.add_signing_key(kid, "HS256", jwt.utils.base64url_encode(gateways.SECRET).decode())
    first, second = (gateways.sign_token(kid, "ann", life_s) for life_s in (600, 1200))
    await until_known(live, first)
    async with opened(is_asynchronous, live.proxy.url, token=first) as socket:
        await socket.subscribe("jobs")
        await socket.renew(second)
        await client.revoke_token(first)
        live.proxy.break_connections()
        await socket.subscribe("releases")  # it has connected again, with the second one
        with pytest.raises(InvalidRequestError, match="another"):
            await socket.renew(live.key)


async def until_known(live: Installation, token: str) -> None:
    """Wait until the gateway has read a signing key, by its next heartbeat."""
    async with AsyncToneBridge(live.url, token=token) as person:

        async def is_known() -> bool:
            try:
                await person.get_me()
            except UnauthorizedError:
                return False
            return True

        await until(is_known)
