"""Ports that belong to one test run, and a guard of the ports of an installation in use.

`make up` listens on the default ports of `Settings`. A test that connects to one of them reads somebody's
data, or passes only while nothing is running. So each run claims blocks of ports, below the range from which
Linux takes the ports of outgoing connections (32768 to 60999 by default). The claim is the block's first
port, bound until the run ends: of two runs at once only one can bind it.
"""

import atexit
import contextlib
import socket
import sys
from collections.abc import Iterator

from configs.settings import Settings

NAMES = (
    "gateway_port", "inference_port", "dashboard_port", "web_port", "channels_port", "worker_port",
    "prefect_port", "mlflow_port",
)  # fmt: skip
DEFAULTS = frozenset(Settings.model_fields[name].default for name in NAMES)
_BLOCKS = range(20_000, 32_000, 100)

_refused: list[str] = []


class DefaultPortError(ConnectionRefusedError):
    """A test connects to a port on which somebody's installation may listen.

    It is an OSError, so that clients close their sockets.
    """


def _own_ports() -> Iterator[int]:
    for start in _BLOCKS:
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", start))
        except OSError:  # another run's block
            claim.close()
            continue
        atexit.register(claim.close)
        yield from (port for port in range(start + 1, start + _BLOCKS.step) if _is_free(port))
    raise RuntimeError(
        f"other programs use all ports from {_BLOCKS.start} to {_BLOCKS.stop}: stop some of them"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection blocks no server
        probe.bind(("127.0.0.1", port))
        return True
    return False


_ports = _own_ports()


def free_port() -> int:
    """A port of this run on which nobody listens. Each port is returned once, so it stays unused until the
    caller uses it.
    """
    return next(_ports)


def with_own_ports(settings: Settings) -> Settings:
    """The settings with ports of this run, and the addresses that follow from them."""
    ports = {name: free_port() for name in NAMES}
    addresses = {
        "gateway_url": f"http://127.0.0.1:{ports['gateway_port']}",
        "inference_urls": (f"http://127.0.0.1:{ports['inference_port']}",),
    }
    return settings.model_copy(update=ports | addresses)


def install_guard() -> None:
    """Refuse each connection of this process to a default port of `Settings` with DefaultPortError, until the
    process ends. Connections of child processes, libpq and uvloop are not seen.
    """
    sys.addaudithook(_refuse_default_ports)


def _refuse_default_ports(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[1] in DEFAULTS:
        _refused.append(f"{address[0]}:{address[1]}")
        raise DefaultPortError(
            f"a test connects to {address[0]}:{address[1]}, where an installation in use may listen; give its"
            " settings ports of this run by tests.ports.with_own_ports"
        )


def refused_connections() -> list[str]:
    """The addresses that the guard has refused since the last call: code under test may catch the error."""
    addresses = _refused.copy()
    _refused.clear()
    return addresses
