"""The routes of jobs. No worker runs: jobs stay as the API leaves them."""

import uuid
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.reasons import reason
from serving.gateway.routes import batches, jobs
from tests import gateways
from tests.serving.gateway.routes.test_batches import Key, send


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, batches.router, jobs.router)


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


def kill(engine: Engine, batch_id: str) -> None:
    """Let the jobs of a batch be dead."""
    with engine.begin() as owner:
        owner.execute(
            text(
                "UPDATE jobs SET state = 'dead', done_at = now(), attempts = 1, errors = jsonb_build_array("
                " jsonb_build_object('attempt', 1, 'at', '2026-11-28T12:00:00+00:00', 'reasons',"
                " jsonb_build_array(jsonb_build_object('code', 'internal', 'values', '{}'::jsonb))))"
                " WHERE batch_id = :id"
            ),
            {"id": batch_id},
        )


async def test_dead_jobs_say_why_and_are_replayed(
    client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., Key], owner: Key
) -> None:
    key = a_key()
    batch = (await send(client, key, 3)).json()
    kill(engine, batch["id"])
    dead = (await client.get("/jobs?state=dead", headers=key)).json()
    assert [error["attempt"] for error in dead[0]["errors"]] == [1]
    assert dead[0]["errors"][0]["reason"] == str(reason("internal"))
    (new,) = (await client.post(f"/jobs/{dead[0]['id']}/replay", headers=key)).json()["jobs"]
    repeated = (await client.get(f"/jobs/{new}", headers=key)).json()
    assert (repeated["state"], repeated["replayed_from"]) == ("waiting", dead[0]["id"])
    again = await client.post(f"/jobs/{dead[0]['id']}/replay", headers=key)
    assert (again.status_code, again.json()["detail"]) == (
        404,
        "this job is not dead, so there is nothing to try again",
    )
    refused = await client.post("/jobs/replay", headers=key, json={"kind": "rewrite"})
    assert refused.status_code == 403
    everything = await client.post("/jobs/replay", headers=owner, json={"kind": "rewrite"})
    assert len(everything.json()["jobs"]) == 2
    progress = (await client.get(f"/jobs/batches/{batch['id']}", headers=key)).json()
    assert (progress["waiting"], progress["dead"]) == (3, 0)


async def test_jobs_have_pages(client: httpx.AsyncClient, a_key: Callable[..., Key]) -> None:
    key = a_key()
    await send(client, key, 3)
    first = (await client.get("/jobs?limit=2", headers=key)).json()
    rest = (await client.get(f"/jobs?before={first[-1]['id']}", headers=key)).json()
    assert [job["place"] for job in first + rest] == [2, 1, 0]
