"""What is to be removed from the API, and when. docs/deprecation.md has the policy.

A route is deprecated where it is declared, and only there:

    @router.get("/old", **deprecated(since=date(2026, 12, 1), sunset=date(2027, 7, 1), instead="GET /new"))

The description, the headers of all its responses (RFC 9745, RFC 8594), a counter and a line in the log follow
from that. The hot path, which answers before FastAPI, reads its headers once, at the start.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

SHORTEST = timedelta(days=183)  # between the announcement and the removal: six months
SINCE, SUNSET, INSTEAD = "x-deprecated-since", "x-sunset", "x-instead"  # in the description


def deprecated(*, since: date, sunset: date, instead: str) -> dict[str, Any]:
    """Parameters of a route that is removed on `sunset` at the earliest. `instead` is what to use. ValueError
    when that is too soon after `since`.
    """
    if sunset - since < SHORTEST:
        raise ValueError(
            f"a route is removed at least {SHORTEST.days} days after it was deprecated; {since} to"
            f" {sunset} is {(sunset - since).days}: choose {since + SHORTEST} or later"
        )
    dates = {SINCE: since.isoformat(), SUNSET: sunset.isoformat(), INSTEAD: instead}
    return {"deprecated": True, "openapi_extra": dates}


def headers_of(route: Any) -> list[tuple[bytes, bytes]]:
    """The headers of a route's responses; none unless it is deprecated. `route` may be None."""
    dates = getattr(route, "openapi_extra", None) or {}
    if SUNSET not in dates:
        return []
    since, sunset = (
        datetime.combine(date.fromisoformat(dates[name]), time(), UTC) for name in (SINCE, SUNSET)
    )
    page = f'</docs#/{route.tags[0]}/{route.name}>; rel="deprecation"; type="text/html"'
    return [
        (b"deprecation", b"@%d" % since.timestamp()),
        (b"sunset", format_datetime(sunset, usegmt=True).encode()),
        (b"link", page.encode()),
    ]


def find_deprecated(app: FastAPI, paths: Collection[str]) -> dict[str, list[tuple[bytes, bytes]]]:
    """The headers of those POST routes at these paths that are deprecated."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route: Any = context
        path = getattr(route, "path_format", "")
        if path in paths and "POST" in (route.methods or ()) and (headers := headers_of(route)):
            found[path] = headers
    return found


def describe(operation: dict[str, Any]) -> str | None:
    """What the description says of a deprecated operation; None of another."""
    if SUNSET not in operation:
        return None
    return (
        f"**Deprecated** since {operation[SINCE]}, and removed on {operation[SUNSET]} at the earliest. Use"
        f" {operation[INSTEAD]} instead."
    )
