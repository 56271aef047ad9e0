"""Test runs stay away from installations in use, and from each other."""

import asyncio
import contextlib
import socket
import subprocess
import sys

import httpx
import pytest

from configs.settings import Settings
from tests import ports


def test_the_guard_knows_the_ports_of_the_default_settings() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    urls = [httpx.URL(url) for url in (settings.gateway_url, *settings.inference_urls)]
    assert {url.port for url in urls} <= ports.DEFAULTS
    named = {name for name in Settings.model_fields if name.endswith("_port")}
    assert named == set(ports.NAMES)


@pytest.mark.parametrize("port", sorted(ports.DEFAULTS))
def test_a_connection_to_a_default_port_is_refused(port: int) -> None:
    with pytest.raises(ports.DefaultPortError, match=f"127.0.0.1:{port}"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert ports.refused_connections() == [f"127.0.0.1:{port}"]


async def test_a_connection_of_asyncio_is_refused() -> None:
    port = min(ports.DEFAULTS)
    with pytest.raises(ports.DefaultPortError):
        await asyncio.open_connection("127.0.0.1", port)
    assert ports.refused_connections() == [f"127.0.0.1:{port}"]


def test_a_connection_of_httpx_is_refused() -> None:
    port = min(ports.DEFAULTS)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/livez")
    assert ports.refused_connections() == [f"127.0.0.1:{port}"]


def test_a_test_fails_even_where_its_code_catches_the_error(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import no_default_ports\n")
    pytester.makepyfile(
        f"""
        import contextlib, socket

        def test_reaches():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", {min(ports.DEFAULTS)}), timeout=1)

        def test_does_not():
            pass
        """
    )
    options = ("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    outcome = pytester.runpytest_inprocess(*options)
    outcome.assert_outcomes(passed=2, errors=1)
    outcome.stdout.fnmatch_lines([f"*connected to 127.0.0.1:{min(ports.DEFAULTS)}*"])


def test_settings_get_ports_of_this_run_on_which_nobody_listens() -> None:
    settings = ports.with_own_ports(Settings())
    numbers = [getattr(settings, name) for name in ports.NAMES]
    assert len(set(numbers)) == len(ports.NAMES)
    assert settings.gateway_url == f"http://127.0.0.1:{settings.gateway_port}"
    assert settings.inference_urls == (f"http://127.0.0.1:{settings.inference_port}",)
    for number in numbers:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", number)) != 0


def test_no_port_is_returned_twice_nor_while_somebody_listens_on_it() -> None:
    following = ports.free_port() + 1
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # it is the next block's claim, or taken already
            taken.bind(("127.0.0.1", following))
        numbers = [ports.free_port() for _ in range(150)]  # more than a block
    assert len(set(numbers)) == 150
    assert following not in numbers


def test_two_runs_at_once_get_different_ports() -> None:
    script = """
from tests.ports import free_port
print(*(free_port() for _ in range(150)), flush=True)
input()  # it keeps its claims until it gets our line
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = {int(number) for number in other.stdout.readline().split()}
        ours = {ports.free_port() for _ in range(150)}
        other.communicate("\n")
    assert (len(theirs), len(ours)) == (150, 150)
    assert theirs.isdisjoint(ours)
