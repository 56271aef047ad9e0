"""Every route of the API: what pages of which origin may read, and what a key for pages may call."""

import re
import uuid
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Organisation
from data.traffic.routing import Routing
from serving.gateway import cors
from serving.gateway.routes import keys
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.serving.gateway.cors.conftest import OTHER, PAGE, Site, code_of, may_read
from tests.streams import V1, Service

# Without a key or token: there is no caller whose origins could be looked up.
PUBLIC = {"/livez", "/readyz", "/metrics", "/api/v1/ws"}
SIGNING_IN = {"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"}
# Fetch standard, "CORS-safelisted response-header name", and what only browsers read.
SAFE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
OF_BROWSERS = {"vary", "x-content-type-options", "connection", "transfer-encoding", "date", "upgrade"}


@pytest.fixture
async def site(local: Settings, engine: Engine, service: Service, protocol: type[GuardedProtocol]) -> Any:
    """The organisation that runs the installation, whose owners may use every route."""
    gateways.publish(engine, Routing(champion=V1))
    tenant = gateways.an_organisation(engine)
    with Session(engine) as session:
        name = session.get_one(Organisation, tenant).name
    changed = {"inference_urls": (service.url,), "organisation": name}
    async with streams.listening(local.model_copy(update=changed), "", protocol) as gateway:
        site = Site(gateway, engine, tenant)
        await site.allow(PAGE)
        yield site


def routes(site: Site) -> list[tuple[str, str, str]]:
    """Method, template and an address of each route."""
    paths = site.gateway.front.behind.openapi()["paths"]
    return [
        (method.upper(), template, re.sub(r"\{\w+\}", str(uuid.uuid4()), template))
        for template, methods in paths.items()
        for method in methods
    ]


async def test_an_allowed_page_reads_every_answer(site: Site) -> None:
    key, succeeded, failed = site.key(), 0, 0
    for method, template, path in routes(site):
        if not cors.is_for_pages(template.encode()) or template in SIGNING_IN:
            continue
        body = None if method in ("GET", "DELETE") else {}
        for sent in (key, None, {"X-API-Key": "tb_0000_unknown_unknown_unknown"}):
            answer = await site.send(method, path, body, key=sent, origin=PAGE)
            assert may_read(answer), (method, template, answer)
            exposed = {name.lower() for name in answer[1]["Access-Control-Expose-Headers"].split(", ")}
            sent_headers = {
                name.lower() for name in answer[1] if not name.lower().startswith("access-control")
            }
            assert sent_headers - SAFE - OF_BROWSERS <= exposed, (method, template)
            succeeded, failed = succeeded + (answer[0] < 400), failed + (answer[0] >= 400)
            if sent is not key and template not in PUBLIC:
                assert answer[0] == 401, (method, template, answer)
    assert succeeded > 10, "lists, at least"
    assert failed > 100


async def test_another_page_does_nothing_with_a_key(site: Site) -> None:
    key, tried = site.key(), 0
    for method, template, path in routes(site):
        if not cors.is_for_pages(template.encode()) or template in PUBLIC | SIGNING_IN:
            continue
        body = None if method in ("GET", "DELETE") else {}
        for origin in (OTHER, "null"):
            answer = await site.send(method, path, body, key=key, origin=origin)
            if template.startswith("/v1/"):
                assert (answer[0], answer[2]["error"]["code"]) == (403, "origin_not_allowed")
            else:
                assert code_of(answer) == (403, "origin_not_allowed"), (method, template)
            assert not may_read(answer)
            tried += 1
    assert tried > 100


async def test_a_key_for_pages_is_refused_by_every_other_route(site: Site) -> None:
    key, refused = await site.page_key(), set()
    for method, template, path in routes(site):
        if not cors.is_for_pages(template.encode()) or template in PUBLIC | SIGNING_IN:
            continue
        body = None if method in ("GET", "DELETE") else {}
        answer = await site.send(method, path, body, key=key, origin=PAGE)
        assert may_read(answer)
        document = answer[2]
        code = (document.get("error") or document["reasons"][0])["code"]
        if code == "browser_key_route":
            assert answer[0] == 403
            refused.add(template)
        else:
            assert answer[0] in (400, 422), (template, answer)  # of a body without a text
    everything = {t for _, t, _ in routes(site) if cors.is_for_pages(t.encode())} - PUBLIC - SIGNING_IN
    assert refused == everything - set(cors.BROWSER_ROUTES)


async def test_what_no_route_answers_is_read_by_pages(site: Site) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/transform", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/api/v1/ws", 426),
    ):
        for origin in (PAGE, OTHER):
            answer = await site.send(method, path, key=site.key(), origin=origin)
            assert (answer[0], may_read(answer, origin)) == (status, True)
        answer = await site.send(method, path, key=site.key(), origin="null")
        assert not may_read(answer)


async def test_a_fault_of_ours_is_read_by_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(keys.identities, "list_keys", fail)
    answer = await site.send("GET", "/api/v1/keys", key=site.key(), origin=PAGE)
    assert (answer[0], may_read(answer)) == (500, True)


async def test_caches_keep_the_answers_of_pages_apart(site: Site) -> None:
    key = site.key()
    for sent in (key, None):
        for origin in (PAGE, OTHER, "null", None):
            answer = await site.send("GET", "/api/v1/keys", key=sent, origin=origin)
            assert may_read(answer, origin or "") == (origin == PAGE or (sent is None and origin == OTHER))


async def test_programs_see_no_cors(site: Site) -> None:
    status, headers, _ = await site.send("GET", "/api/v1/keys", key=site.key())
    assert status == 200
    assert [name for name in headers if name.lower().startswith("access-control")] == []
