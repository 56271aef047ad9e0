"""The rules of the edge know every route of every application, and cache none but files and documents."""

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import _IncludedRouter
from starlette.routing import BaseRoute, Mount, Route

import serving.channels.app
import serving.dashboard.app
import serving.gateway.app
import serving.web.app
from deploy.edge import rules
from deploy.edge.__main__ import main
from deploy.edge.rules import Class, Site
from pipelines import settings_readers
from serving.gateway.realtime.sockets import PATH as SOCKETS

HOSTS = {site: f"{site}.example.com" for site in Site}


def applications() -> dict[Site, FastAPI]:
    """Every application, with every platform; nothing is connected."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_readers._everything(Path(folder))
    settings = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})
    return {
        Site.GATEWAY: serving.gateway.app.create_app(settings).behind,
        Site.WEB: serving.web.app.create_app(settings).behind,
        Site.DASHBOARD: serving.dashboard.app.create_app(settings).behind,
        Site.CHANNELS: serving.channels.app.create_app(settings),
    }


def paths(routes: list[BaseRoute], before: str = "") -> Iterator[str]:
    """The paths of routes, with `x` in place of parameters."""
    for route in routes:
        if isinstance(route, _IncludedRouter):
            yield from paths(route.original_router.routes, before + route.include_context.prefix)
        elif isinstance(route, Mount):
            inner = getattr(route.app, "behind", route.app)
            below = getattr(inner, "routes", None)
            if below is None:
                yield f"{before}{route.path}/x"  # files
            else:
                yield from paths(below, before + route.path)
        else:
            assert isinstance(route, Route), route
            yield re.sub(r"\{[^}]*\}", "x", before + route.path)


@pytest.fixture(scope="module")
def known() -> set[tuple[Site, str]]:
    """Every path of every application. `/metrics` of sites is answered before their routes."""
    found = {(site, path) for site, app in applications().items() for path in paths(app.routes)}
    return found | {(site, "/metrics") for site in Site} | {(Site.GATEWAY, SOCKETS)}


def classes_of(site: Site, path: str) -> list[Class]:
    return [
        kind
        for kind, sites in rules.PATHS.items()
        if any(rules.covers(path, entry) for entry in sites.get(site, ()))
    ]


def test_the_routes_are_found(known: set[tuple[Site, str]]) -> None:
    assert len(known) > 120
    assert {
        (Site.GATEWAY, "/api/v1/transform"), (Site.GATEWAY, "/api/v1/keys/x/secrets"),
        (Site.WEB, "/rewrite/x/votes"), (Site.WEB, "/static/shared/x"), (Site.CHANNELS, "/discord/events"),
        (Site.CHANNELS, "/slack/installed"), (Site.DASHBOARD, "/experiments/x"),
    } <= known  # fmt: skip


def test_every_route_is_in_one_class(known: set[tuple[Site, str]]) -> None:
    wrong = {(site, path): found for site, path in known if len(found := classes_of(site, path)) != 1}
    assert not wrong, "put them into one class of deploy/edge/rules.py"


def test_no_entry_is_left_over(known: set[tuple[Site, str]]) -> None:
    left = [
        (site, entry)
        for sites in rules.PATHS.values()
        for site, entries in sites.items()
        for entry in entries
        if not any(owner == site and rules.covers(path, entry) for owner, path in known)
    ]
    assert left == []


def matches(expression: str, host: str, path: str, method: str = "GET") -> bool:
    """Whether Cloudflare's language says that a request matches, for the part of it that is used here."""
    python = re.sub(r"in \{([^}]*)\}", lambda found: f"in ({', '.join(found[1].split())},)", expression)
    python = python.replace(" eq ", " == ").replace("http.host", "host")
    python = python.replace("http.request.uri.path", "path").replace("http.request.method", "method")
    known = {"host": host, "path": path, "method": method, "true": True, "starts_with": str.startswith}
    return bool(eval(python, {"__builtins__": {}}, known))


def is_cached(host: str, path: str) -> bool:
    """Of several rules that match, the last one counts."""
    cached = True  # Cloudflare caches files by the ends of their names
    for rule in rules.make(HOSTS)["http_request_cache_settings"]:
        if matches(rule["expression"], host, path):
            cached = rule["action_parameters"]["cache"]
    return cached


def test_what_is_cached_is_the_same_for_everybody(known: set[tuple[Site, str]]) -> None:
    cached = {(site, path) for site, path in known if is_cached(HOSTS[site], path)}
    sites = (Site.WEB, Site.DASHBOARD, Site.CHANNELS)
    files = {(site, path) for site in sites for path in ("/static/x", "/static/shared/x")}
    swagger = {f"/docs/{name}" for name in ("start.js", "swagger-ui.css", "swagger-ui-bundle.js")}
    assert cached == files | {(Site.GATEWAY, path) for path in ("/docs", "/openapi.json", *swagger)}
    for host, path in (
        (HOSTS[Site.GATEWAY], "/api/v1/jobs/x/file.css"), (HOSTS[Site.WEB], "/history/export.csv"),
        (HOSTS[Site.WEB], "/new.js"), (HOSTS[Site.WEB], "/docs"), (HOSTS[Site.GATEWAY], "/static/x"),
        ("other.example.com", "/static/x.css"),
    ):  # fmt: skip
        assert not is_cached(host, path), path


def test_programs_are_not_challenged_and_messages_not_searched(known: set[tuple[Site, str]]) -> None:
    hidden, programs, forms, challenge = rules.make(HOSTS)["http_request_firewall_custom"]
    for site, path in known:
        host, [kind] = HOSTS[site], classes_of(site, path)
        assert matches(programs["expression"], host, path, "POST") == (kind is Class.PROGRAMS)
        assert matches(forms["expression"], host, path, "POST") == (kind is Class.PAGES)
        assert matches(hidden["expression"], host, path) == (kind is Class.HIDDEN)
        assert not matches(forms["expression"], host, path, "GET")
        if matches(challenge["expression"], host, path):
            assert kind is Class.PAGES
            assert path == "/sign-in"
    skipped = programs["action_parameters"]
    assert {"http_request_sbfm", "http_request_firewall_managed"} == set(skipped["phases"])
    assert "bic" in skipped["products"], "the browser integrity check refuses programs"


def test_the_free_plan_takes_these_rules() -> None:
    made = rules.make(HOSTS)
    assert len(made["http_request_firewall_custom"]) <= 5
    assert len(made["http_request_cache_settings"]) <= 10
    [limit] = made["http_ratelimit"]
    assert "http.host" not in limit["expression"]
    assert (limit["ratelimit"]["period"], limit["ratelimit"]["mitigation_timeout"]) == (10, 10)
    assert "matches" not in json.dumps(made), "regular expressions need the Business plan"
    assert max(len(rule["expression"]) for part in made.values() for rule in part) < 4096


def test_sites_without_a_host_are_left_out() -> None:
    text = json.dumps(rules.make({Site.GATEWAY: "tone.example.com"}))
    assert "web.example.com" not in text
    assert "tone.example.com" in text
    assert '"expression": ""' not in text
    assert "()" not in text
    with pytest.raises(ValueError, match="no host name"):
        rules.make({Site.GATEWAY: 'a" or true'})


@pytest.fixture
def api() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """The address of a server that stands for Cloudflare's, and what it got. It refuses the zone `bad`."""
    got: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Authorization"] == "Bearer a-token"
            got.append((self.command, self.path, body))
            self.send_response(403 if "/bad/" in self.path else 200)
            self.end_headers()
            self.wfile.write(b'{"errors": [{"message": "not yours"}]}')

        do_PUT = do_PATCH = _answer

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_shown_is_what_is_sent(
    api: tuple[str, list[tuple[str, str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, got = api
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "a-token")
    words = ["--zone", "z1", "--gateway", "tone.example.com", "--web", "write.example.com"]
    main(["show", *words])
    shown = [(call["method"], call["path"], call["body"]) for call in json.loads(capsys.readouterr().out)]
    main(["apply", "--api", url, *words])
    assert got == shown
    assert ("PUT", "/client/v4/zones/z1/origin_tls_client_auth/settings", {"enabled": True}) in got
    with pytest.raises(SystemExit, match=r"403.*not yours"):
        main(["apply", "--api", url, "--zone", "bad", *words[2:]])
