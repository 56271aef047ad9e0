"""A stream without a gateway."""

import asyncio

import pytest

from models.preview import Preview
from serving.gateway.online.streaming import Stream
from serving.gateway.problems import UnavailableError


class Client:
    def __init__(self) -> None:
        self.disconnected, self.message_event = False, asyncio.Event()


async def test_an_error_before_the_first_event_is_raised_and_closing_twice_is_one_close() -> None:
    closed: list[Stream] = []

    async def make(_: Preview) -> bytes:
        raise UnavailableError("overloaded")

    stream = Stream(make, lambda _: (500, b"{}"), Client(), 10, closed.append)
    with pytest.raises(UnavailableError):
        await stream.begin()
    await stream.close()
    await stream.close()
    assert (closed, stream.was_abandoned) == ([stream], False)


async def test_a_slow_reader_gets_fewer_and_longer_pieces() -> None:
    more = asyncio.Event()

    async def make(preview: Preview) -> bytes:
        for end in range(1, 11):
            preview.show("0123456789"[:end])
        await more.wait()
        return b'{"transformed_text":"0123456789"}'

    stream = Stream(make, lambda _: (500, b"{}"), Client(), 10, lambda _: None)
    await stream.begin()
    more.set()
    pieces = [await stream.read() for _ in range(3)]
    assert pieces == [
        b'event: delta\ndata: {"text":"0123456789"}\n\n',
        b'event: answer\ndata: {"transformed_text":"0123456789"}\n\n',
        None,
    ]
    await stream.close()
