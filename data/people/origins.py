"""Origins of web pages (RFC 6454): which of them a list allows, and what may be in such a list.

An entry is one origin, `https://app.example.org`, or all subdomains of a domain, `https://*.example.org`. No
entry allows every page: there is no `*`, and `null`, the origin of files and of sandboxed pages, cannot be
listed.

Browsers write an origin in one way only: in lower case, names in Punycode, without the default port. Entries
have the same form, so that bytes are compared and nothing is parsed twice in two ways.

The subdomains of a public suffix, such as `co.uk` or `github.io`, belong to many owners
(https://publicsuffix.org). An entry for them cannot be listed, and one that is stored already allows nothing.
The suffixes are those of the package publicsuffixlist, read when the first entry with `*` is met.
"""

import logging
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from data.reasons import ReasonedError

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

log = logging.getLogger(__name__)

MOST = 50  # entries of a list
LONGEST = 300  # characters of an entry, and of an origin that is compared with suffixes

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PORT = r"(?::([1-9][0-9]{0,4}))?"
_ENTRY = re.compile(rf"(https?)://(\*\.)?({_LABEL}(?:\.{_LABEL})*){_PORT}")
_ORIGIN = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:]+\]){_PORT}".encode())
_ALL_SUBDOMAINS = "https://*"
_OF_THIS_MACHINE = ("localhost", "127.0.0.1")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


class RefusedOriginError(ReasonedError, ValueError):
    """Something cannot be an entry of a list of origins."""


def is_origin(value: bytes) -> bool:
    """Whether a header `Origin` is that of a page on the web, as browsers write it."""
    return len(value) <= LONGEST and _ORIGIN.fullmatch(value) is not None


class Origins:
    """A list of origins, to compare others with."""

    __slots__ = ("_exact", "_suffixes")

    def __init__(self, entries: Sequence[str] = ()) -> None:
        """Entries that are stored, but could not be listed now, are ignored, and logged."""
        suffixes = [entry for entry in entries if "*" in entry]
        in_force = [entry for entry in suffixes if not is_of_many_owners(entry)]
        self._exact = frozenset(entry.encode() for entry in entries if "*" not in entry)
        self._suffixes = tuple(entry.removeprefix(_ALL_SUBDOMAINS).encode() for entry in in_force)
        if len(in_force) < len(suffixes):
            ignored = [entry for entry in suffixes if entry not in in_force]
            log.warning("origins of a list are ignored, since they are sites of many owners: %s", ignored)

    def __contains__(self, origin: bytes) -> bool:
        """Whether the list allows the page with this header `Origin`."""
        return origin in self._exact or (
            origin.endswith(self._suffixes) and origin.startswith(b"https://") and is_origin(origin)
        )


@lru_cache(maxsize=10_000)
def share(entries: tuple[str, ...]) -> Origins:
    """A list of origins; the same object for the same entries. Thousands of keys and sessions have the list
    of their organisation.
    """
    return Origins(entries)


def check(entry: str) -> str:
    """The entry itself; RefusedOriginError when it cannot be in a list."""
    if entry in ("*", "null"):
        raise RefusedOriginError("origin_of_everybody", origin=entry)
    match = _ENTRY.fullmatch(entry) if len(entry) <= LONGEST else None
    if match is None:
        raise RefusedOriginError("origin_malformed")
    scheme, suffix, host, port = match.groups()
    if scheme == "http" and (suffix or host not in _OF_THIS_MACHINE):
        raise RefusedOriginError("origin_without_tls")
    if port is not None and (port == _DEFAULT_PORTS[scheme] or int(port) > 65535):
        raise RefusedOriginError("origin_port_wrong", port=port)
    if suffix and "." not in host:
        raise RefusedOriginError("origin_too_wide", origin=entry)
    if suffix and is_of_many_owners(entry):
        raise RefusedOriginError("origin_of_many_owners", origin=entry, domain=host)
    return entry


def is_of_many_owners(entry: str) -> bool:
    """Whether an entry allows sites of many owners: all subdomains of a public suffix, or of a domain with
    public suffixes below it, as `amazonaws.com` has `s3.amazonaws.com`.
    """
    if not entry.startswith(_ALL_SUBDOMAINS):
        return False
    host = entry.removeprefix(f"{_ALL_SUBDOMAINS}.").partition(":")[0]
    suffixes, text = _read_public_suffixes()
    # The package only says what a domain's own suffix is, so the rules below a domain are found in its file.
    return suffixes.is_public(host) or f".{host}\n" in text


@cache
def _read_public_suffixes() -> "tuple[PublicSuffixList, str]":
    """The public suffixes, also those of private owners such as `github.io`, and the text of their list."""
    # Imported here: most installations have no entry with `*`, and need not keep the list's 3 MB in memory.
    from publicsuffixlist import PublicSuffixList

    file = resources.files("publicsuffixlist") / "public_suffix_list.dat"
    text = file.read_text(encoding="utf-8")
    return PublicSuffixList(text), text
