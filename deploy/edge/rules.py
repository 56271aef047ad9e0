"""The rules of Cloudflare for an installation: every path is of one class, and what is of none is not cached.

A path that ends in a slash stands for all that begins with it; any other one for itself. A test compares this
table with the routes of all applications, so a new route has to be put into a class.

The expressions need no regular expressions, and the counts of rules are those of Cloudflare's Free plan.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any


class Site(StrEnum):
    """What has a host name of its own."""

    GATEWAY = "gateway"
    WEB = "web"
    DASHBOARD = "dashboard"
    CHANNELS = "channels"


class Class(StrEnum):
    """What the edge may do with a request."""

    STATIC = "static"  # files, equal for everybody: cached, and compared with ours each time
    DOCUMENTS = "documents"  # the description of the API, equal for everybody: cached for five minutes
    PROGRAMS = "programs"  # not cached; no challenge, since programs cannot solve one; no search for attacks
    PAGES = "pages"  # of people who sign in: not cached
    HIDDEN = "hidden"  # not for outside


_ENTRY = ("/", "/sign-in", "/sign-out", "/look")  # of every site
PATHS: Mapping[Class, Mapping[Site, tuple[str, ...]]] = {
    Class.STATIC: dict.fromkeys((Site.WEB, Site.DASHBOARD, Site.CHANNELS), ("/static/",)),
    Class.DOCUMENTS: {Site.GATEWAY: ("/docs", "/docs/", "/openapi.json")},
    Class.PROGRAMS: {
        Site.GATEWAY: ("/", "/api/", "/v1/", "/graphql", "/livez", "/readyz"),
        Site.WEB: ("/livez",),
        Site.DASHBOARD: ("/livez",),
        Site.CHANNELS: ("/livez", "/slack", "/discord", "/discord/events", "/teams", "/inbound/"),
    },
    Class.PAGES: {
        Site.WEB: (
            *_ENTRY, "/rewrite", "/rewrite/", "/history", "/history/", "/dictionary", "/dictionary/",
            "/rules", "/rules/", "/profile", "/profile/", "/help", "/help/", "/status",
            "/manifest.webmanifest", "/service-worker.js", "/offline/",
        ),
        Site.DASHBOARD: (
            *_ENTRY, "/experiments", "/experiments/", "/models", "/models/", "/data", "/calibration",
            "/operations", "/operations/", "/compare", "/compare/", "/webhooks", "/webhooks/",
            "/app-feedback", "/app-feedback/", "/accounts", "/accounts/",
        ),
        Site.CHANNELS: (
            *_ENTRY, "/workspaces", "/workspaces/", "/slack/install", "/slack/installed", "/discord/install",
            "/discord/installed",
        ),
    },
    Class.HIDDEN: dict.fromkeys(Site, ("/metrics",)),
}  # fmt: skip

_SIGN_IN = ("/sign-in", "/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh")

# Settings of the zone. Those that are off would change pages, and so break their Content-Security-Policy or
# the messages on them; 0-RTT would let a request be repeated by others.
SETTINGS = {
    "ssl": "strict",
    "always_use_https": "on",
    "min_tls_version": "1.2",
    "websockets": "on",
    "0rtt": "off",
    "rocket_loader": "off",
    "email_obfuscation": "off",
    "automatic_https_rewrites": "off",
}


def covers(path: str, entry: str) -> bool:
    """Whether an entry of the table stands for a path."""
    return path == entry or (len(entry) > 1 and entry.endswith("/") and path.startswith(entry))


def expression(kind: Class, hosts: Mapping[Site, str]) -> str:
    """The requests of a class, in Cloudflare's language; sites without a host are left out."""
    parts = []
    for site, entries in PATHS[kind].items():
        if site not in hosts:
            continue
        exact = [entry for entry in entries if entry == "/" or not entry.endswith("/")]
        begun = [entry for entry in entries if entry not in exact]
        paths = [_among(exact)] if exact else []
        paths += [f'starts_with(http.request.uri.path, "{entry}")' for entry in begun]
        parts.append(f'(http.host eq "{hosts[site]}" and ({" or ".join(paths)}))')
    return " or ".join(parts)


def _among(paths: Sequence[str]) -> str:
    return "http.request.uri.path in {" + " ".join(f'"{path}"' for path in paths) + "}"


def make(hosts: Mapping[Site, str]) -> dict[str, list[dict[str, Any]]]:
    """The rules by phase. Each list replaces all rules that the zone has in that phase.

    ValueError for a host name that could not stand in an expression.
    """
    for host in hosts.values():
        if not host or set(host) - set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
            raise ValueError(f"{host!r} is no host name in lower case")
    where = {kind: expression(kind, hosts) for kind in Class}
    forms = f'http.request.method eq "POST" and ({where[Class.PAGES]})' if where[Class.PAGES] else ""
    made = {
        # Of several rules that match, the last one counts.
        "http_request_cache_settings": [
            _rule("nothing is cached", "true", "set_cache_settings", {"cache": False}),
            _rule(
                "files are cached, and compared each time",
                where[Class.STATIC],
                "set_cache_settings",
                {
                    "cache": True,
                    "edge_ttl": {"mode": "respect_origin"},
                    "browser_ttl": {"mode": "respect_origin"},
                },
            ),
            _rule(
                "the description of the API is cached for five minutes",
                where[Class.DOCUMENTS],
                "set_cache_settings",
                {
                    "cache": True,
                    "edge_ttl": {"mode": "override_origin", "default": 300},
                    "browser_ttl": {"mode": "respect_origin"},
                },
            ),
        ],
        "http_request_firewall_custom": [
            _rule("metrics are not for outside", where[Class.HIDDEN], "block"),
            _rule(
                "programs: no challenge, and messages may look like attacks",
                where[Class.PROGRAMS],
                "skip",
                {
                    "phases": ["http_request_sbfm", "http_request_firewall_managed"],
                    "products": ["bic", "securityLevel", "uaBlock"],
                },
            ),
            _rule(
                "forms: messages may look like attacks",
                forms,
                "skip",
                {"phases": ["http_request_firewall_managed"]},
            ),
            _rule(
                "who signs in may have to show that they are no robot",
                'http.request.method eq "GET" and http.request.uri.path eq "/sign-in"',
                "managed_challenge",
            ),
        ],
        # The Free plan has one such rule, of the path alone, for ten seconds.
        "http_ratelimit": [
            {
                **_rule(
                    "guesses of passwords",
                    _among(_SIGN_IN),
                    "block",
                ),
                "ratelimit": {
                    "characteristics": ["cf.colo.id", "ip.src"],
                    "period": 10,
                    "requests_per_period": 30,
                    "mitigation_timeout": 10,
                },
            }
        ],
    }
    return {phase: [rule for rule in listed if rule["expression"]] for phase, listed in made.items()}


def _rule(
    description: str, where: str, action: str, parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    rule = {"description": description, "expression": where, "action": action}
    return rule if parameters is None else {**rule, "action_parameters": dict(parameters)}


def calls(zone: str, hosts: Mapping[Site, str]) -> list[tuple[str, str, Any]]:
    """Method, path and body of every call of Cloudflare's API, in order."""
    beginning = f"/client/v4/zones/{zone}"
    return [
        *(
            ("PUT", f"{beginning}/rulesets/phases/{phase}/entrypoint", {"rules": rules})
            for phase, rules in make(hosts).items()
        ),
        *(("PATCH", f"{beginning}/settings/{name}", {"value": value}) for name, value in SETTINGS.items()),
        ("PUT", f"{beginning}/origin_tls_client_auth/settings", {"enabled": True}),
    ]
