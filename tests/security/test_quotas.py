"""Every route that makes the model write counts its answers, and refuses when the month's quota is used."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Organisation
from data.traffic.comparisons import load
from data.traffic.evidence_messages import is_for_evidence
from data.traffic.routing import Routing
from serving.gateway.online.upstream import Upstream
from tests import gateways
from tests.waiting import until_async

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
NEXT = "/api/v1/comparisons/next"
COMPLETIONS = "/v1/chat/completions"


async def settled(engine: Engine, tenant: uuid.UUID, expected: int) -> int:
    """What is counted, once all is written: a flush may be under way in the background."""
    await until_async(lambda: gateways.usage(engine, tenant) >= expected)
    return gateways.usage(engine, tenant)


def fresh(**more: Any) -> dict[str, Any]:
    return {**ASK, "text": f"Fix {uuid.uuid4()} by Friday.", **more}


def fresh_completion() -> dict[str, Any]:
    return {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": fresh()["text"]}]}


@pytest.mark.parametrize(
    ("path", "body", "writes"),
    [
        ("/api/v1/compare", fresh(user_id="ann"), 2),
        (NEXT, {"user_id": "ann"}, 2),
        (NEXT, fresh(user_id="ann"), 2),
        ("/api/v1/transform", fresh(), 1),
        (COMPLETIONS, fresh_completion(), 1),
        (COMPLETIONS, {**fresh_completion(), "stream": True}, 1),
        ("/api/v1/batch", {"items": [fresh(), fresh(), fresh()]}, 3),
    ],
)
async def test_what_is_written_counts(
    client: httpx.AsyncClient, engine: Engine, path: str, body: Any, writes: int
) -> None:
    for _ in range(20):
        tenant = gateways.an_organisation(engine, "free")
        response = await client.post(path, json=body, headers=gateways.a_key(engine, tenant))
        assert response.status_code == 200, response.text
        assert await settled(engine, tenant, writes) == writes
        # The header is made before the further messages of a batch are taken. A heartbeat between the count
        # and the header reads the usage again, before it is written.
        if "items" in body or f'"month";r={2000 - writes}' in response.headers["RateLimit"]:
            return
        assert '"month";r=2000' in response.headers["RateLimit"]
    pytest.fail("no header counts what was written")


async def test_a_comparison_that_waits_costs_nothing_to_look_at_again(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    tenant = gateways.an_organisation(engine, "free")
    key = gateways.a_key(engine, tenant)
    comparisons = [(await client.post(NEXT, json={"user_id": "ann"}, headers=key)).json() for _ in range(3)]
    assert len({comparison["comparison_id"] for comparison in comparisons}) == 1
    assert (await client.post("/api/v1/transform", json=fresh(), headers=key)).status_code == 200
    assert await settled(engine, tenant, 3) == 3, "a comparison's two, and the answer after it"


async def test_two_rewrites_that_are_the_same_were_written_too(stack: Settings, engine: Engine) -> None:
    """Whoever asks for what comes out the same must not have it written for nothing."""
    twin = gateways.CHAMPION.model_copy(update={"version": "v2"})  # of the same weights
    routed = Routing(champion=gateways.CHAMPION, challengers=(twin,))
    tenant = gateways.an_organisation(engine, "free")
    async with gateways.in_process(stack, engine, routed) as front, gateways.client(front) as client:
        key = gateways.a_key(engine, tenant)
        shipped = await client.post(NEXT, json={"user_id": "ann"}, headers=key)
        assert (shipped.status_code, shipped.json()["title"]) == (409, "Nothing to compare")
        assert await settled(engine, tenant, 8) == 8, "four tries of two"
        texts = (fresh(user_id="ann") for _ in range(1000))
        for_evidence = next(body for body in texts if is_for_evidence(body["text"], load().evidence_share))
        own = await client.post(NEXT, json=for_evidence, headers=key)
        assert own.json()["policy"] == "two_samples"
    assert await settled(engine, tenant, 12) == 12, "and two tries"


@pytest.mark.parametrize("path", ["/api/v1/transform", "/api/v1/batch", "/api/v1/compare", NEXT, COMPLETIONS])
async def test_a_used_up_quota_closes_every_route_that_writes(
    client: httpx.AsyncClient, engine: Engine, path: str
) -> None:
    """At the first request already: the gateway has not heard of this organisation before."""
    tenant = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, tenant)
    key = gateways.a_key(engine, tenant)
    bodies: list[Any] = [{"items": [fresh()]}] if path.endswith("batch") else [fresh(user_id="ann")]
    if path == COMPLETIONS:
        bodies = [fresh_completion()]
    elif path == NEXT:
        bodies.append({"user_id": "ann"})
    for body in bodies:
        for _ in range(2):
            response = await client.post(path, json=body, headers=key)
            assert response.status_code == 429, response.text
            assert "answers a month" in response.text
    assert gateways.usage(engine, tenant) == 1_000_000
    answered = await client.get("/api/v1/comparisons/progress", params={"user_id": "ann"}, headers=key)
    assert answered.status_code == 200, "looking costs nothing"


def cases_of(operation: Any, count: int = 12) -> list[Any]:
    """Requests that fit the description of a route."""
    drawn: list[Any] = []

    @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def draw(case: Any) -> None:
        drawn.append(case)

    draw()
    return drawn


async def send(client: httpx.AsyncClient, case: Any, key: dict[str, str]) -> int:
    """Send a request, and return the status of its answer."""
    has_body = isinstance(case.body, dict | list)
    for part in [case.body, *case.body.get("items", [])] if isinstance(case.body, dict) else []:
        part.pop("user_id", None)  # who shows a token is one person
        part.pop("user", None)
        if isinstance(part.get("text"), str):
            part["text"] = f"{part['text']} {uuid.uuid4()}"[-8000:]  # which no cache knows
        if part.get("messages"):
            part["messages"][-1] = {"role": "user", "content": str(uuid.uuid4())}
    response = await client.request(
        case.method,
        case.formatted_path,
        params=dict(case.query or {}),
        headers={**(case.headers or {}), **key, **({"Content-Type": "application/json"} if has_body else {})},
        content=json.dumps(case.body) if has_body else None,
    )
    return response.status_code


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.timeout(300)
async def test_no_route_has_the_model_write_when_the_quota_is_used_up(
    stack: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every route that the gateway describes is asked with requests made from its description, so that one
    which is added later and writes without a quota fails here.
    """
    written: list[str] = []

    def counted(real: Any) -> Any:
        async def write(*arguments: Any) -> Any:
            written.append(real.__name__)
            return await real(*arguments)

        return write

    for name in ("rewrite", "rewrite_together", "stream"):
        monkeypatch.setattr(Upstream, name, counted(getattr(Upstream, name)))
    tenant = gateways.an_organisation(engine, "team")
    with Session(engine) as session:
        ours = stack.model_copy(update={"organisation": session.get_one(Organisation, tenant).name})
    # An owner of the organisation that runs this: they may do all.
    key = gateways.a_token(gateways.a_signing_key(engine, tenant, "owner"), "ann")
    async with gateways.in_process(ours, engine) as front, gateways.client(front, raises=False) as client:
        page = schemathesis.openapi.from_dict(front.behind.openapi())
        operations = [result.ok() for result in page.get_all_operations()]
        requests = [(operation.path, case) for operation in operations for case in cases_of(operation)]
        # A pair of a shipped message may be in the cache, since other tests compare those too.
        next(case for path, case in requests if path == NEXT).body = fresh()
        gateways.use_up(engine, tenant)
        for path, case in requests:
            await send(client, case, key)
            assert not written, f"{case.method} {path} has the model write: {case.body}"
        assert {path for path, _ in requests} == {operation.path for operation in operations}

        # With quota left the same requests have it write: so this test can fail.
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM usage WHERE organisation_id = :id"), {"id": tenant})
        await front.behind.state.parts.directory.beat()
        writing = set()
        for path, case in requests:
            before = len(written)
            for _ in range(40):
                if await send(client, case, key) != 429:
                    break
                # The heartbeat after a refusal reads the usage again.
                await asyncio.sleep(0.25)
            if len(written) > before:
                writing.add(path)
    assert writing == {"/api/v1/transform", "/api/v1/batch", "/api/v1/compare", NEXT, COMPLETIONS}
