"""Counts every request to a process, by what it asked for and by the status of its answer.

A request is counted once, when its answer is decided:

- by its status, whether its client has waited for it or not;
- a stream at its end, by that of the error in its last event, if it has one;
- as 499 (`LEFT`) when the connection ends before the request has arrived or had its turn behind others, or
  before its rewrites are made, or its stream has ended.
"""

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum

LEFT = 499  # no status of HTTP; nginx logs it, too, when a client has left


class Kind(StrEnum):
    """What a request asked for."""

    REWRITE = "rewrite"  # of one message, in any form
    OTHER = "other"  # every other route, and unknown ones
    PROBE = "probe"  # health checks and metrics
    PREFLIGHT = "preflight"
    SOCKET = "socket"  # to open a WebSocket
    UNREAD = "unread"  # it was refused, or its connection ended, before all of it was read


# Exported as 0 before the first one: a rate needs a value before it.
_USUAL = {
    Kind.REWRITE: (200, 500, 503),
    Kind.OTHER: (200, 500, 503),
    Kind.PROBE: (200, 503),
    Kind.PREFLIGHT: (204,),
    Kind.SOCKET: (101,),
    Kind.UNREAD: (400, 503),
}


class RequestCounts:
    """The counts of one process. Only its event loop adds and reads."""

    def __init__(self) -> None:
        self._by_kind = {kind: defaultdict(int, dict.fromkeys(_USUAL[kind], 0)) for kind in Kind}

    def add(self, kind: Kind, status: int) -> None:
        """Count a request. Every answer from memory does it, so it is one addition to a dictionary."""
        self._by_kind[kind][status] += 1

    def __iter__(self) -> Iterator[tuple[Kind, int, int]]:
        """Kind, status and number of requests."""
        for kind, counts in self._by_kind.items():
            for status, requests in sorted(counts.items()):
                yield kind, status, requests
