"""Pages that ask for rewrites: by the fast protocol and by ASGI, cached or not, as streams, and errors."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.people import identities
from data.people.identities import Role
from data.traffic.routing import Routing
from serving.gateway import cors
from serving.gateway.online import completions
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.accounts import PASSWORD, add_account
from tests.serving.gateway.cors.conftest import OTHER, PAGE, Site, code_of, may_read
from tests.streams import V1, Service, fresh

EVENTS = {"Accept": "text/event-stream"}
STRANGE: list[Any] = [
    OTHER,
    "null",
    "https://app.example.org.evil.example",
    "https://evilapp.example.org",
    "https://APP.example.org",
    "https://app.example.org.",
    "https://app.example.org:443",
    "https://app.example.org:8443",
    "https://ann@app.example.org",
    "https://app.example.org/page",
    "https://app.example.org, https://app.example.org",
    "http://app.example.org",
    "",
    "*",
    [PAGE, PAGE],
    [PAGE, OTHER],
    [OTHER, PAGE],
]


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: pytest.FixtureRequest) -> type[GuardedProtocol]:
    made: type[GuardedProtocol] = request.param
    return made


async def outputs_of(site: Site, body: Any) -> int:
    query = "SELECT count(*) FROM outputs WHERE message = :message"
    [(count,)] = await streams.rows(site.engine, site.gateway, query, message=body["text"])
    return int(count)


async def test_an_allowed_page_reads_an_answer_from_every_level(site: Site) -> None:
    key, body = site.key(), fresh()
    for level in ("miss", "l1", "l1"):
        answer = await site.send("POST", PATH, body, key=key, origin=PAGE)
        assert (answer[0], answer[2]["cache"]) == (200, level)
        assert may_read(answer)
        exposed = answer[1]["Access-Control-Expose-Headers"]
        assert {"X-Request-Id", "RateLimit", "RateLimit-Policy", "Server-Timing"} <= set(exposed.split(", "))


async def test_a_program_gets_what_it_got(site: Site) -> None:
    key, body = site.key(), fresh()
    for _ in range(3):
        status, headers, _ = await site.send("POST", PATH, body, key=key)
        assert status == 200
        assert not [name for name in headers if name.lower().startswith("access-control")]
        # Caches keep no answer to a POST that does not say for how long, so it needs no Vary.
        assert not {"Cache-Control", "Expires", "Last-Modified"} & set(headers)


async def test_another_page_has_no_effect_and_reads_nothing(site: Site) -> None:
    key = site.key()
    cached, body = fresh(), fresh()
    assert (await site.send("POST", PATH, cached, key=key))[0] == 200
    caller = await site.gateway.parts.authenticator.identify(key["X-API-Key"])
    before = site.gateway.parts.limiter.headers(caller, PATH)
    for origin, sent in itertools.product(STRANGE, (cached, body)):
        for headers in ({}, EVENTS):
            refused = await site.send("POST", PATH, sent, key=key, origin=origin, **headers)
            assert code_of(refused) == (403, "origin_not_allowed"), origin
            assert not may_read(refused)
    assert site.gateway.parts.limiter.headers(caller, PATH) == before, "it takes nothing of the rate"
    assert await outputs_of(site, body) == 0


async def test_a_suffix_allows_subdomains(site: Site) -> None:
    await site.allow("https://*.example.org")
    key, body = site.key(), fresh()
    for origin, status in (
        (PAGE, 200),
        ("https://a.b.example.org", 200),
        ("https://example.org", 403),
        ("https://evilexample.org", 403),
        ("https://app.example.org:8443", 403),
        ("https://app.example.org.evil.example", 403),
    ):
        for _ in range(2):  # the second time from L1
            answer = await site.send("POST", PATH, body, key=key, origin=origin)
            assert (answer[0], may_read(answer, origin)) == (status, status == 200), origin


async def test_an_allowed_page_reads_errors(site: Site) -> None:
    poor = gateways.a_key(site.engine, tenant := gateways.an_organisation(site.engine, "free"))
    gateways.use_up(site.engine, tenant, 2000)
    await Site(site.gateway, site.engine, tenant).allow(PAGE)
    key = site.key()
    for sent, key_sent, expected in (
        ({"text": ""}, key, 422),
        ({"text": "x" * 200_000}, key, 413),
        (fresh(), poor, 429),
        (fresh(), None, 401),
        (fresh(), {"X-API-Key": "tb_0000_unknown_unknown_unknown"}, 401),
    ):
        for path in (PATH, completions.PATH):
            answer = await site.send("POST", path, sent, key=key_sent, origin=PAGE)
            allowed = {expected}
            if path != PATH and key_sent is key:
                allowed = {400}
            if expected == 429 and path != PATH:
                allowed = {429}
            assert answer[0] in allowed, answer
            assert may_read(answer)
            if expected == 429:
                assert "Retry-After" in answer[1]["Access-Control-Expose-Headers"]


async def test_pages_read_what_fails_on_our_side(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    key = site.key()

    async def fail(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(site.gateway.front._online, "transform", fail)
    for headers in ({}, EVENTS):
        answer = await site.send("POST", PATH, fresh(), key=key, origin=PAGE, **headers)
        assert (answer[0], may_read(answer)) == (500, True)
    monkeypatch.undo()
    monkeypatch.setattr(type(site.gateway.parts.telemetry), "is_overloaded", True)
    answer = await site.send("POST", PATH, fresh(), key=key, origin=PAGE)
    assert (answer[0], may_read(answer)) == (503, True)


async def test_an_allowed_page_reads_streams(site: Site) -> None:
    key, body = site.key(), fresh()
    for _ in range(2):
        answer = await site.send("POST", PATH, body, key=key, origin=PAGE, **EVENTS)
        assert (answer[0], may_read(answer)) == (200, True)
        assert answer[1]["Content-Type"].startswith("text/event-stream")
        last = answer[2].strip().rpartition("\n\n")[2]
        assert json.loads(last.partition("data: ")[2])["transformed_text"] == "Please wait."


async def test_openais_form_is_for_pages_too(site: Site) -> None:
    message = {"role": "user", "content": fresh()["text"]}
    body = {"model": "tonebridge/soften-2", "messages": [message]}
    for key in (site.key(), await site.page_key()):
        for sent in (body, {**body, "stream": True}):
            answer = await site.send("POST", completions.PATH, sent, key=key, origin=PAGE)
            assert (answer[0], may_read(answer)) == (200, True)
            assert "X-ToneBridge-Receipt" in answer[1]["Access-Control-Expose-Headers"]
        status, headers, document = await site.send("POST", completions.PATH, body, key=key, origin=OTHER)
        assert (status, document["error"]["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in headers


# --- keys for pages ------------------------------------------------------------------------------------


async def test_a_key_for_pages_rewrites_and_votes_from_its_page_only(site: Site) -> None:
    key, body = await site.page_key(), fresh()
    for level in ("miss", "l1"):
        answer = await site.send("POST", PATH, body, key=key, origin=PAGE)
        assert (answer[0], answer[2]["cache"], may_read(answer)) == (200, level, True)
    vote = {"receipt": answer[2]["receipt"], "kind": "thumb", "up": True}
    for path, sent, status in (("/api/v1/feedback", vote, 201), ("/api/v1/compare", fresh(), 200)):
        assert code_of(await site.send("POST", path, sent, key=key)) == (403, "origin_needed")
        refused = await site.send("POST", path, sent, key=key, origin=OTHER)
        assert (code_of(refused), may_read(refused)) == ((403, "origin_not_allowed"), False)
        if path != "/api/v1/compare":  # the scripted service writes the same twice
            answer = await site.send("POST", path, sent, key=key, origin=PAGE)
            assert (answer[0], may_read(answer)) == (status, True), answer
    for headers in ({}, EVENTS):
        refused = await site.send("POST", PATH, body, key=key, **headers)
        assert code_of(refused) == (403, "origin_needed"), "though L1 has it"
    own = f"http://127.0.0.1:{site.gateway.port}"
    refused = await site.send("POST", PATH, body, key=key, origin=own)
    assert code_of(refused) == (403, "origin_not_allowed"), "a page that makes itself one of the gateway's"


async def test_a_key_for_pages_may_have_a_page_of_its_own(site: Site) -> None:
    key = await site.page_key([OTHER])
    for origin, status in ((OTHER, 200), (PAGE, 403)):
        answer = await site.send("POST", PATH, fresh(), key=key, origin=origin)
        assert (answer[0], may_read(answer, origin)) == (status, status == 200)


async def test_what_a_key_for_pages_may_do_counts_and_is_limited(site: Site) -> None:
    site = Site(site.gateway, site.engine, gateways.an_organisation(site.engine, "free"))
    await site.allow(PAGE)
    key = await site.page_key()
    assert (await site.send("POST", PATH, fresh(), key=key, origin=PAGE))[0] == 200
    gateways.use_up(site.engine, site.organisation_id, 2000)
    # A heartbeat looks up who has asked since the last one, which may have been before the quota was used up.
    await site.send("POST", PATH, fresh(), key=key, origin=PAGE)
    await site.gateway.parts.directory.beat()
    answer = await site.send("POST", PATH, fresh(), key=key, origin=PAGE)
    assert (code_of(answer), may_read(answer)) == ((429, "plan_quota"), True)


async def test_a_key_for_pages_ends_with_its_day_and_other_keys_go_on(site: Site) -> None:
    async with site.gateway.parts.pool.connection() as connection:
        key_id, key = await identities.create_key(
            connection, site.organisation_id, "page", Role.MEMBER, True, rewrites_a_day=2
        )
    page, body = {"X-API-Key": key}, fresh()
    completion = {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": "Fix it."}]}
    for _ in range(2):  # a miss, and an answer from memory
        answer = await site.send("POST", PATH, body, key=page, origin=PAGE)
        assert answer[0] == 200
    for path, sent in ((PATH, body), (completions.PATH, completion)):
        status, headers, problem = answer = await site.send("POST", path, sent, key=page, origin=PAGE)
        assert (status, may_read(answer)) == (429, True)
        assert 0 < int(headers["Retry-After"]) <= 86_400
        assert "2 rewrites a day" in str(problem)
    assert (await site.send("POST", PATH, body, key=site.key()))[0] == 200
    async with site.gateway.parts.pool.connection() as connection:
        assert await identities.change_quota(connection, site.organisation_id, key_id, 3)
    await site.gateway.parts.directory.beat()
    statuses = [(await site.send("POST", PATH, body, key=page, origin=PAGE))[0] for _ in range(2)]
    assert statuses == [200, 429]


# --- changes, and the gateway's own pages --------------------------------------------------------------


async def test_a_change_holds_with_the_next_heartbeat(site: Site) -> None:
    key, token = site.key(), gateways.a_signing_key(site.engine, site.organisation_id)
    jwt, body = gateways.a_token(token, "ann"), fresh()
    for allowed in ((PAGE,), (), (OTHER,), ("https://*.example.org",), (PAGE,)):
        await site.allow(*allowed)
        status = 200 if allowed and allowed[0] != OTHER else 403
        for caller in (key, jwt):
            for _ in range(2):
                assert (await site.send("POST", PATH, body, key=caller, origin=PAGE))[0] == status, allowed


async def test_every_gateway_notices_a_change_by_itself(
    site: Site, local: Settings, service: Service, protocol: type[GuardedProtocol]
) -> None:
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, "", protocol) as other:
        sites = [site, site._replace(gateway=other)]
        owner, body = site.key(), fresh()
        for origins, status in (([], 403), ([PAGE], 200), ([OTHER], 403)):
            changed = await site.send("PUT", "/api/v1/origins", {"origins": origins}, key=owner)
            assert changed[0] == 204
            async with asyncio.timeout(60):  # it is due in a quarter of a second; the machine may be busy
                for each in sites:
                    answer = await each.send("POST", PATH, body, key=owner, origin=PAGE)
                    while answer[0] != status:
                        answer = await each.send("POST", PATH, body, key=owner, origin=PAGE)


async def test_the_gateways_own_pages_may_use_an_ordinary_key(site: Site) -> None:
    key, body = site.key(), fresh()
    port = site.gateway.port
    for origin, host, status in (
        (f"http://127.0.0.1:{port}", None, 200),
        (f"https://127.0.0.1:{port}", None, 200),  # by a proxy that ends TLS
        ("http://tone.example", "tone.example", 200),
        (f"http://127.0.0.1:{port + 1}", None, 403),
        (f"http://localhost:{port}", None, 403),
        ("http://127.0.0.1", None, 403),
        ("http://tone.example", None, 403),
    ):
        headers = {"Host": host} if host else {}
        answer = await site.send("POST", PATH, body, key=key, origin=origin, **headers)
        assert answer[0] == status, (origin, host)
        answer = await site.send("GET", "/api/v1/keys", key=key, origin=origin, **headers)
        assert answer[0] == status, (origin, host)


async def test_with_a_public_address_no_other_is_the_gateways_own(
    local: Settings, engine: Engine, service: Service, protocol: type[GuardedProtocol]
) -> None:
    """A page that points its name at the gateway (DNS rebinding) is not one of the gateway's own."""
    gateways.publish(engine, Routing(champion=V1))
    changed = {"inference_urls": (service.url,), "public_url": "https://tone.example.com"}
    async with streams.listening(local.model_copy(update=changed), "", protocol) as gateway:
        site = Site(gateway, engine, gateways.an_organisation(engine))
        key = site.key()
        for path, method, body in ((PATH, "POST", fresh()), ("/api/v1/keys", "GET", None)):
            answer = await site.send(method, path, body, key=key, origin="https://tone.example.com")
            assert answer[0] == 200
            rebound = {"origin": "http://evil.example", "Host": "evil.example"}
            answer = await site.send(method, path, body, key=key, **rebound)
            assert (code_of(answer), may_read(answer)) == ((403, "origin_not_allowed"), False)


async def test_signing_in_is_for_the_gateways_own_pages(site: Site) -> None:
    """Otherwise any site could let its visitors guess passwords, each from an address of their own."""
    login = {"email": "ann@example.org", "password": "a guess"}
    for path, body in (
        ("login", login),
        ("refresh", {"refresh_token": "x"}),
        ("logout", {"refresh_token": "x"}),
        ("login", {}),
    ):
        refused = await site.send("POST", f"/api/v1/auth/{path}", body, origin=PAGE)
        assert (code_of(refused), may_read(refused)) == ((403, "origin_signs_in"), False)
        for origin in (None, f"http://127.0.0.1:{site.gateway.port}"):
            answer = await site.send("POST", f"/api/v1/auth/{path}", body, origin=origin)
            assert answer[0] in (401, 422)


async def test_the_routes_of_keys_for_pages_are_routes(site: Site) -> None:
    paths = site.gateway.front.behind.openapi()["paths"]
    assert [list(paths[route]) for route in cors.BROWSER_ROUTES] == [["post"]] * len(cors.BROWSER_ROUTES)


async def test_people_sign_in_and_use_their_tokens_in_the_extensions_that_the_settings_name(
    local: Settings, engine: Engine, service: Service, protocol: type[GuardedProtocol]
) -> None:
    gateways.publish(engine, Routing(champion=V1))
    ours, another = "chrome-extension://" + "a" * 32, "chrome-extension://" + "b" * 32
    changed = {"inference_urls": (service.url,), "extensions": ("a" * 32,)}
    async with streams.listening(local.model_copy(update=changed), "", protocol) as gateway:
        site = Site(gateway, engine, gateways.an_organisation(engine))
        login = {"email": add_account(engine, site.organisation_id).email, "password": PASSWORD}
        for origin in (another, ours.replace("chrome", "moz"), f"{ours}.evil.example", f"{ours}/", "null"):
            refused = await site.send("POST", "/api/v1/auth/login", login, origin=origin)
            assert (code_of(refused), may_read(refused)) == ((403, "origin_signs_in"), False)
        _, _, tokens = await site.send("POST", "/api/v1/auth/login", login, origin=ours)
        token = {"Authorization": f"Bearer {tokens['access_token']}"}
        for _ in range(2):  # the second time it is in memory
            assert (await site.send("POST", PATH, fresh(), key=token, origin=ours))[0] == 200
            refused = await site.send("POST", PATH, fresh(), key=token, origin=another)
            assert code_of(refused) == (403, "origin_not_allowed")
        refused = await site.send("POST", PATH, fresh(), key=await site.page_key([PAGE]), origin=ours)
        assert code_of(refused) == (403, "origin_not_allowed"), "a key for pages has a list of its own"
