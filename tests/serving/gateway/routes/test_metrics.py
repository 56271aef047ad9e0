"""The route that lists metrics, and drafts that use those of the installation's own file."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from data import database
from data.records import Spec
from data.tables import Organisation, Version
from data.traffic import routing
from data.traffic.routing import Routing
from experiments import metrics
from serving.gateway.parts import parts_of
from serving.gateway.routes import experiments
from serving.gateway.routes import metrics as route
from tests import gateways
from tests.logins import gateway_url

FILE = """
metrics: {unmet: {kind: ratio, of: failures + repeats, per: requests, better: lower, says: unmet requests}}
segments: {voted_before: before_votes > 0}
"""


@pytest.fixture(scope="module")
def url(new_database: Callable[..., str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    """The tenant that runs the installation. v1 is champion, v2 was accepted."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(text("TRUNCATE organisations, versions, epochs, specs, experiments CASCADE"))
        tenant = Organisation(name="ours")
        session.add(tenant)
        for name in ("v1", "v2"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
        routing.publish(session, Routing(champion=Spec(version="v1")), "a test")
    return tenant.id


@pytest.fixture
async def app(url: str, tmp_path: Path) -> AsyncIterator[FastAPI]:
    file = tmp_path / "own.yaml"
    file.write_text(FILE)
    pool = database.online_pool(gateway_url(url))
    await pool.open(wait=True)
    app = await gateways.app_of(pool, experiments.router, route.router, organisation="ours")
    settings = parts_of(app).settings.model_copy(update={"metrics_file": file})
    gateways.replace_parts(app, settings=settings)
    yield app
    await pool.close()


async def test_viewers_see_every_metric_with_its_definition(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], stranger: dict[str, str]
) -> None:
    assert (await client.get("/metrics", headers=a_key("member"))).status_code == 403
    assert (await client.get("/metrics", headers=stranger)).status_code == 403
    listed = (await client.get("/metrics", headers=a_key("viewer"))).json()
    by_name = {metric["name"]: metric for metric in listed["metrics"]}
    assert set(by_name) == {*metrics.load(), "unmet"}
    assert by_name["unmet"] == {
        "name": "unmet", "is_own": True, "kind": "ratio", "of": "failures + repeats", "per": "requests",
        "q": None, "cap": None, "cap_percentile": None, "usual": 0.0, "share": False,
        "better": "lower", "says": "unmet requests",
    }  # fmt: skip
    assert not by_name["satisfaction"]["is_own"]
    assert listed["own_segments"] == [{"name": "voted_before", "expression": "before_votes > 0"}]


async def test_a_draft_may_name_an_own_metric_and_keeps_its_definition(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]]
) -> None:
    who = a_key("experimenter")

    async def draft(changes: dict[str, object]) -> httpx.Response:
        body = {"name": "x", "hypothesis": "x", "challengers": ["v2"], "plan": changes}
        return await client.post(
            "/experiments", json=body, headers={**who, "Idempotency-Key": str(uuid.uuid4())}
        )

    drafted = await draft({"primary": "unmet", "guardrails": {"complained": 0.05}})
    assert drafted.status_code == 201, drafted.text
    planned = drafted.json()["plan"]
    assert planned["primary"] == "unmet"
    assert planned["own_metrics"]["unmet"]["of"] == "failures + repeats"
    assert planned["own_segments"] == {"voted_before": "before_votes > 0"}
    unknown = await draft({"primary": "unmit"})
    assert unknown.status_code == 422
    assert "there is no metric unmit" in unknown.text
    assert "unmet" in unknown.text
    refused = await draft({"own_metrics": {}})
    assert refused.status_code == 422
    assert "unknown own_metrics" in refused.text
