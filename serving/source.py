"""Where a request comes from, for limits that strangers share with nobody else.

Who stands behind a proxy is named by it in `X-Forwarded-For`. That header is anybody's to send, so it counts
from proxies that the settings name (`TONEBRIDGE_TRUSTED_PROXIES`): uvicorn's middleware then puts the last
address in it that is no such proxy into the place of the peer's.
"""

import ipaddress
from collections.abc import Sequence

from fastapi import FastAPI
from pydantic import IPvAnyNetwork
from starlette.requests import HTTPConnection
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

UNKNOWN = "unknown"


def trust_proxies(app: FastAPI, proxies: Sequence[IPvAnyNetwork]) -> None:
    """Believe the proxies: their requests come from whom they name, by the scheme that they name."""
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(proxy) for proxy in proxies])


def address(connection: HTTPConnection) -> str:
    """The address that a request comes from, behind all trusted proxies."""
    return connection.client.host if connection.client else UNKNOWN


def group(address: str) -> str:
    """What counts as one source: an IPv4 address, or the 2^64 of IPv6 that a household has (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
