"""Requests go to public addresses over TLS, or to networks that a setting names, and nowhere else."""

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.worker import receivers
from serving.worker.receivers import Arrived, Receiver, Refused
from tests.receivers import LOOPBACK, receiving


async def post(
    url: str, networks: tuple[receivers.Network, ...] = (), timeout_s: float = 600.0
) -> Arrived | Refused:
    async with Receiver(url, timeout_s, networks) as receiver:
        return await receiver.post({"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1",
        "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not receivers.is_allowed(address, is_encrypted=True, networks=())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_need_encryption(address: str) -> None:
    assert receivers.is_allowed(address, is_encrypted=True, networks=())
    assert not receivers.is_allowed(address, is_encrypted=False, networks=())


@given(st.ip_addresses(network="10.0.0.0/8"), st.booleans())
def test_a_network_that_a_setting_names_is_allowed(address: object, is_encrypted: bool) -> None:
    assert receivers.is_allowed(str(address), is_encrypted, (ip_network("10.0.0.0/8"),))
    assert not receivers.is_allowed(str(address), is_encrypted, (ip_network("10.0.0.0/32"),)) or (
        str(address) == "10.0.0.0"
    )


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port of loopback that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "017700000001"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_notation_of_loopback_is_connected_to(
    listening: socket.socket, host: str, scheme: str
) -> None:
    outcome = await post(f"{scheme}://{host}:{listening.getsockname()[1]}/")
    assert isinstance(outcome, Refused)
    with pytest.raises(BlockingIOError):
        listening.accept()
    if outcome.reason.code != "receiver_unreachable":  # a resolver may not know the notation
        assert outcome.is_final
        assert outcome.reason.code == "receiver_address_refused"


async def test_a_name_that_leads_to_loopback_is_refused_by_its_address(listening: socket.socket) -> None:
    outcome = await post(f"https://localhost:{listening.getsockname()[1]}/")
    assert isinstance(outcome, Refused)
    assert outcome.reason.code == "receiver_address_refused"
    assert str(outcome.reason).startswith(("the address leads to 127.0.0.1", "the address leads to ::1"))


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as secret, receiving() as receiver:
        for status in (301, 302, 303, 307, 308):
            receiver.status, receiver.headers = status, {"Location": secret.url}
            outcome = await post(receiver.url, LOOPBACK)
            assert isinstance(outcome, Refused)
            assert outcome.is_final
            assert outcome.reason.code == "receiver_redirects"
        assert not secret.received
        assert len(receiver.received) == 5


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert isinstance(await post(receiver.url, LOOPBACK), Arrived)
        assert not proxy.received


async def test_a_receiver_that_never_answers_is_given_up() -> None:
    never = asyncio.Event()
    async with receiving() as receiver:
        receiver.during = never.wait
        outcome = await post(receiver.url, LOOPBACK, timeout_s=0.1)
        never.set()
    assert isinstance(outcome, Refused)
    assert (outcome.reason.code, outcome.is_stalled, outcome.is_final) == ("receiver_timeout", True, False)


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"],
    ids=["closes", "garbage", "long header"],
)
async def test_what_is_no_answer_is_no_delivery(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await post(f"http://127.0.0.1:{port}/", LOOPBACK)
    assert isinstance(outcome, Refused)
    assert (outcome.reason.code, outcome.is_stalled) == ("receiver_unreachable", True)


async def test_an_endless_body_is_not_read() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await post(f"http://127.0.0.1:{port}/", LOOPBACK)
    assert isinstance(outcome, Arrived)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("99999999999999", 9999999999.0), ("-1", None), ("soon", None), ("1e3", None)],
)
async def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    async with receiving() as receiver:
        receiver.status, receiver.headers = 503, {"Retry-After": value}
        outcome = await post(receiver.url, LOOPBACK)
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_s == seconds


async def test_a_date_in_retry_after_is_read() -> None:
    async with receiving() as receiver:
        receiver.status = 503
        receiver.headers = {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}
        outcome = await post(receiver.url, LOOPBACK)
        assert isinstance(outcome, Refused)
        assert outcome.retry_after_s is not None
        assert outcome.retry_after_s > 86400
        receiver.headers = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}
        outcome = await post(receiver.url, LOOPBACK)
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_s == 0.0
