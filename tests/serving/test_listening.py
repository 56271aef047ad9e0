"""On which addresses a server listens: real sockets of this machine."""

import socket

import pytest
import uvicorn

from serving import listening
from tests.ports import free_port


def is_reached(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("127.0.0.2", {"127.0.0.2"}),
        ("0.0.0.0", {"127.0.0.1", "127.0.0.2"}),
        ("::1", {"::1"}),
        ("::", {"127.0.0.1", "127.0.0.2", "::1"}),
    ],
)
def test_a_host_is_reached_by_its_addresses_and_no_others(host: str, reached: set[str]) -> None:
    port = free_port()
    sockets = listening.listen(host, port)
    try:
        for each in sockets:
            each.listen()
        assert {each for each in ("127.0.0.1", "127.0.0.2", "::1") if is_reached(each, port)} == reached
    finally:
        for each in sockets:
            each.close()


def test_a_name_is_reached_by_its_addresses() -> None:
    port = free_port()
    sockets = listening.listen("localhost", port)
    try:
        addresses = {each.getsockname()[0] for each in sockets}
        known = {info[4][0] for info in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
        assert addresses == known
    finally:
        for each in sockets:
            each.close()


def test_an_ipv4_client_of_all_addresses_is_seen_by_its_own_address() -> None:
    port = free_port()
    sockets = listening.listen("::", port)
    try:
        (four,) = [each for each in sockets if each.family is socket.AF_INET]
        four.listen()
        with socket.create_connection(("127.0.0.2", port), timeout=10, source_address=("127.0.0.3", 0)):
            accepted, (peer, _) = four.accept()
            accepted.close()
        assert peer == "127.0.0.3"
    finally:
        for each in sockets:
            each.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_an_address_of_another_machine_is_refused_with_the_setting(host: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {host}, port .*TONEBRIDGE_HOST takes"):
        listening.listen(host, free_port())


def test_a_taken_port_is_named_and_leaves_no_socket_open() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="already in use"):
        listening.listen("::", port)
    for each in listening.listen("::", port):
        each.close()


def test_a_server_that_cannot_listen_ends_with_the_reason() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(SystemExit, match=rf"port {port}: Address already in use"),
    ):
        listening.serve(uvicorn.Server(uvicorn.Config(lambda: None)), "127.0.0.1", port)
