"""Which web pages may call the gateway: the CORS protocol (Fetch standard, 3.3), and the check behind it.

A browser sends the origin of the page with each request. A request is refused before it has an effect, unless
the origin is allowed for its key or token, or is the gateway's own. Programs send no `Origin`, and are not
concerned; only a key that is made for web pages needs one.

CORS itself protects nobody here, since no request has a cookie: it lets a page read an answer. Pages may read
what the gateway answers before it knows the caller (401, 404, 413): it is the same for everybody. So a
preflight, which comes without a key, may say yes to every page, and tells nothing. The request decides.
"""

from collections.abc import Sequence

from data.people.origins import is_origin
from serving.gateway.auth import Caller
from serving.gateway.problems import ForbiddenError

Headers = Sequence[tuple[bytes, bytes]]

_FOR_PAGES = (b"/api/", b"/v1/", b"/graphql")  # what begins so; probes, metrics and pages are not for others
# What a key in a web page may call. Whoever reads it may name any person, so no route is among these that
# shows what a person has sent before, as `/api/v1/comparisons/next` does.
BROWSER_ROUTES = ("/api/v1/transform", "/v1/chat/completions", "/api/v1/feedback", "/api/v1/compare")

IS_REFUSED = "tonebridge.origin_is_refused"  # in the scope of a request

_VARY = (b"vary", b"Origin")
_EXPOSED = (
    b"access-control-expose-headers",
    b"X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, ETag, Location, Link,"
    b" Content-Disposition, X-ToneBridge-Receipt, Deprecation, Sunset",
)
_OF_PREFLIGHTS = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    # Clients add headers of their own. `*` stands for all but Authorization; older browsers do not know it.
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id, *",
    ),
    (b"access-control-max-age", b"7200"),  # the longest that Chromium keeps
    (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
)


class OriginError(ForbiddenError):
    """A web page of this origin may not do this with this key or token. The page may not read why."""


def find_origin(headers: Headers) -> bytes | None:
    """The header `Origin` of a request, if it has one. Several are joined, as by RFC 9110, 5.3: that is the
    origin of no page.
    """
    values = [value for name, value in headers if name == b"origin"]
    return b", ".join(values) if values else None


def is_for_pages(path: bytes) -> bool:
    """Whether pages of other origins may read what is answered at a path, if their key allows it."""
    return path.startswith(_FOR_PAGES)


def answer_preflight(path: bytes, headers: Headers) -> list[tuple[bytes, bytes]] | None:
    """The headers of the answer to an OPTIONS request, with 204; None when it is no preflight of the API.
    They are the same for every page, path, method and header.
    """
    origin = find_origin(headers) if is_for_pages(path) else None
    if origin is None or not any(name == b"access-control-request-method" for name, _ in headers):
        return None
    allowed = [(b"access-control-allow-origin", origin)] if is_origin(origin) else []
    return [*allowed, *_OF_PREFLIGHTS]


def headers_of(origin: bytes | None, is_refused: bool) -> list[tuple[bytes, bytes]]:
    """The headers that let a page read an answer, unless it is that of a request which was refused for its
    origin.
    """
    return [_VARY] if origin is None or is_refused or not is_origin(origin) else headers_of_allowed(origin)


def headers_of_allowed(origin: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that let a page read an answer. Its origin has been checked."""
    return [(b"access-control-allow-origin", origin), _EXPOSED, _VARY]


class Cors:
    """Checks origins for a gateway."""

    def __init__(self, public_url: str | None, extensions: Sequence[str] = ()) -> None:
        """`public_url` is the gateway's own origin. Without one it is what the Host header names. The pages
        of `extensions`, ids of Chromium's, are the gateway's own, too: no page on the web has their origin.
        """
        self._public = public_url.encode() if public_url is not None else None
        self._extensions = frozenset(f"chrome-extension://{id}".encode() for id in extensions)

    def is_own(self, origin: bytes, host: bytes | None) -> bool:
        """Whether an origin is the gateway's own, such as that of its page `/docs`."""
        if origin in self._extensions:
            return True
        if self._public is not None:
            return origin == self._public
        return host is not None and origin in (b"http://" + host, b"https://" + host)

    def find_foreign(self, headers: Headers) -> bytes | None:
        """The origin of a request, if a page of another origin than the gateway's own sends it."""
        origin = find_origin(headers)
        return None if origin is None or self.is_own(origin, dict(headers).get(b"host")) else origin

    def check(self, caller: Caller, route: str, headers: Headers) -> None:
        """OriginError unless a caller may send a request to a route from the page that it comes from; and
        ForbiddenError when the caller has a key for pages, and the route is not for those.
        """
        identity, origin = caller.identity, find_origin(headers)
        if identity.is_browser:
            if origin is None:
                raise OriginError("origin_needed")
            if origin not in identity.origins:
                raise OriginError("origin_not_allowed", origin=_show(origin))
            if route not in BROWSER_ROUTES:
                raise ForbiddenError("browser_key_route", routes=", ".join(BROWSER_ROUTES))
        elif origin is not None and origin not in identity.origins and self.find_foreign(headers) is not None:
            raise OriginError("origin_not_allowed", origin=_show(origin))

    def check_socket(self, caller: Caller, foreign: bytes | None) -> None:
        """As `check`, for a WebSocket that a page of another origin has opened, or none."""
        if caller.identity.is_browser:
            raise ForbiddenError("browser_key_route", routes=", ".join(BROWSER_ROUTES))
        if foreign is not None and foreign not in caller.identity.origins:
            raise OriginError("origin_not_allowed", origin=_show(foreign))

    def check_own(self, headers: Headers) -> None:
        """OriginError when a page of another origin sends a request that has no key or token."""
        if (origin := self.find_foreign(headers)) is not None:
            raise OriginError("origin_signs_in", origin=_show(origin))


def _show(origin: bytes) -> str:
    return origin[:100].decode("latin-1")
