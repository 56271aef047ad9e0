"""Where a server listens: the sockets of an address, and the process that serves an application on them."""

import contextlib
import logging
import socket

import uvicorn

log = logging.getLogger(__name__)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that are bound to every address of a host, which `::` makes all addresses of the machine, IPv4
    too. OSError, which names the setting, when one of them cannot be bound.

    IPv4 and IPv6 have a socket each. One for both would show an IPv4 client as `::ffff:192.0.2.1`, and
    TONEBRIDGE_TRUSTED_PROXIES would not know the proxy.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            sockets.append(bound := socket.socket(family, socket.SOCK_STREAM))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address)
    except OSError as error:
        for each in sockets:
            each.close()
        raise OSError(
            error.errno,
            f"cannot listen on {host}, port {port}: {error.strerror}. TONEBRIDGE_HOST takes an address or a"
            " name of this machine, 0.0.0.0 or ::, and each process has a port of its own",
        ) from error
    return sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = [(family, (str(address[0]), int(address[1]))) for family, _, _, _, address in resolved]
    if host == "::":
        addresses.append((socket.AF_INET, ("0.0.0.0", port)))  # noqa: S104 (as the setting says)
    return list(dict.fromkeys(addresses))


def serve(server: uvicorn.Server, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. SystemExit, which says what to set, when the port cannot be bound."""
    sockets = listen_or_exit(host, port)
    log.info("listening on %s, port %d", host, port)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets)


def listen_or_exit(host: str, port: int) -> list[socket.socket]:
    """As `listen`; SystemExit, which says what to set, when the port cannot be bound."""
    try:
        return listen(host, port)
    except OSError as error:
        raise SystemExit(str(error)) from error
