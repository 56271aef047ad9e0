"""Sends requests to addresses that organisations name, and to no others.

An organisation could name an address inside the house, or a name that leads there: the cloud's metadata, the
database, a page without a password (server-side request forgery, SSRF). So the address is checked where the
socket is made, after the name is resolved: no second look-up can lead elsewhere, and a number in any notation
is checked as well. Redirects are not followed. No proxy of the environment is used, which would connect
without the check.
"""

import ipaddress
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from data.reasons import Reason, reason
from serving.observability import spans

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEAD_BYTES = 8190  # of one header of a receiver; aiohttp refuses more
_FIRST_ERROR, _FIRST_SUCCESS, _FIRST_REDIRECT = 400, 200, 300
# Besides what `ipaddress` calls not global, which depends on the version of Python: addresses of protocols
# (RFC 6890), and those of IPv6 that stand for one of IPv4: NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
_NOT_PUBLIC: Sequence[Network] = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
    )
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """The receiver took the request: its status, and the milliseconds until then."""

    status: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request did not arrive. `is_final`: another attempt would fail as well. `is_stalled`: the
    receiver did not answer at all. `retry_after_s` is what it asks for; None: nothing.
    """

    reason: Reason
    is_final: bool = False
    is_stalled: bool = False
    is_gone: bool = False
    retry_after_s: float | None = None


class RefusedAddressError(OSError):
    """An address that is not public, and that no setting allows."""


def is_allowed(address: str, is_encrypted: bool, networks: Sequence[Network]) -> bool:
    """Whether a request may go to an IP address: a public one, over TLS; or one in `networks`."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in networks):
        return True
    is_public = ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)
    return is_encrypted and is_public


class Receiver:
    """Connections to one address. Use as an async context manager."""

    def __init__(self, url: str, timeout_s: float, networks: Sequence[Network]) -> None:
        self._url = URL(url)
        self._timeout_s, self._networks = timeout_s, networks
        self._refused: list[str] = []  # addresses

    async def __aenter__(self) -> "Receiver":
        connector = aiohttp.TCPConnector(socket_factory=self._make_socket, use_dns_cache=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(address[0], self._url.scheme == "https", self._networks):
            self._refused.append(address[0])
            raise RefusedAddressError(f"{address[0]} is not a public address")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    async def post(self, headers: Mapping[str, str], body: bytes) -> Arrived | Refused:
        """Send a body. Of the response only status and Retry-After are read. The current span gets the host
        and the status. No `traceparent` is sent: the receiver would learn ids of ours, and whether we trace.
        """
        began = time.monotonic()
        spans.describe(host=self._url.host or "")
        try:
            async with self._session.post(
                self._url, headers=headers, data=body, allow_redirects=False
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                response.close()  # the connection with it: what else the receiver sends is not read
            spans.describe(status=status)
        except TimeoutError:
            return Refused(reason("receiver_timeout", seconds=self._timeout_s), is_stalled=True)
        except (aiohttp.ClientError, OSError) as error:
            if self._refused:
                address = self._refused[0]
                return Refused(reason("receiver_address_refused", address=address), is_final=True)
            return Refused(reason("receiver_unreachable", error=_describe(error)), is_stalled=True)
        if _FIRST_SUCCESS <= status < _FIRST_REDIRECT:
            return Arrived(status, round(1000 * (time.monotonic() - began), 1))
        if _FIRST_REDIRECT <= status < _FIRST_ERROR:
            return Refused(reason("receiver_redirects", status=status), is_final=True)
        return Refused(
            reason("receiver_status", status=status),
            is_gone=status == 410,
            retry_after_s=_read_retry_after(retry_after),
        )


def _describe(error: Exception) -> str:
    """An error without the address, which the reader knows."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__


def _read_retry_after(value: str | None) -> float | None:
    """The seconds that a header Retry-After asks for (RFC 9110, 10.2.3); None when it asks for nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
