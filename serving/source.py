"""The source of a request, for limits by source.

A proxy names its client in `X-Forwarded-For`. Anybody can send that header, so it is only read from proxies
in the settings (`TONEBRIDGE_TRUSTED_PROXIES`): uvicorn's middleware then replaces the peer's address with the
last address in the header that is not such a proxy.
"""

import ipaddress
from collections.abc import Sequence

from fastapi import FastAPI
from pydantic import IPvAnyNetwork
from starlette.requests import HTTPConnection
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

UNKNOWN = "unknown"


def trust_proxies(app: FastAPI, proxies: Sequence[IPvAnyNetwork]) -> None:
    """Take the client's address and scheme from the headers of requests that come from these proxies."""
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(proxy) for proxy in proxies])


def address(connection: HTTPConnection) -> str:
    """The client's address: in front of all trusted proxies."""
    return connection.client.host if connection.client else UNKNOWN


def group(address: str) -> str:
    """The source of an address: an IPv4 address, or the /64 of IPv6 that a household has (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
