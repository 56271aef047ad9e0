"""The routes of jobs. No worker runs: jobs stay as the API leaves them."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.jobs import queue
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


def read_changes(engine: Engine, organisation_id: uuid.UUID) -> list[tuple[object, ...]]:
    """The audit: who did what with how many jobs of which kind, and which of them."""
    with engine.connect() as reader:
        changes = reader.execute(
            text(
                "SELECT changed_by, action, kind, jobs, coalesce(job_id, batch_id)::text FROM job_changes"
                " WHERE organisation_id = :id ORDER BY id"
            ),
            {"id": organisation_id},
        )
        return [tuple(change) for change in changes]


async def test_what_people_do_with_jobs_is_recorded_and_outlives_the_jobs(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    a_key: Callable[..., Key],
    owner: Key,
) -> None:
    key = a_key()
    batch = (await send(client, key, 3)).json()
    by = batch["requested_by"]
    kill(engine, batch["id"])
    dead = (await client.get("/jobs?state=dead", headers=key)).json()
    for _ in range(2):  # the second one finds no dead job, and leaves no row
        await client.post(f"/jobs/{dead[0]['id']}/replay", headers=key)
    assert (await client.post("/jobs/replay", headers=key, json={"kind": "rewrite"})).status_code == 403
    for _ in range(2):
        await client.post("/jobs/replay", headers=owner, json={"kind": "rewrite"})
    for _ in range(2):
        await client.post(f"/jobs/batches/{batch['id']}/cancel", headers=key)
    export = (await client.post("/jobs/exports", headers=owner, json={})).json()
    assert (await client.get(f"/jobs/{export['id']}/file", headers=owner)).status_code == 404
    expected = [
        (by, "replayed", "rewrite", 1, dead[0]["id"]),
        (export["requested_by"], "replayed", "rewrite", 2, None),
        (by, "cancelled", "rewrite", 3, batch["id"]),
        (export["requested_by"], "export_requested", "export", 1, export["id"]),
    ]
    assert read_changes(engine, organisation_id) == expected
    with engine.begin() as own:
        own.execute(
            text("UPDATE jobs SET done_at = now() - interval '8 days' WHERE organisation_id = :id"),
            {"id": organisation_id},
        )
        assert queue.delete_ended(own, timedelta(days=7)) >= 7
    assert read_changes(engine, organisation_id) == expected


async def test_jobs_have_pages(client: httpx.AsyncClient, a_key: Callable[..., Key]) -> None:
    key = a_key()
    await send(client, key, 3)
    first = (await client.get("/jobs?limit=2", headers=key)).json()
    rest = (await client.get(f"/jobs?before={first[-1]['id']}", headers=key)).json()
    assert [job["place"] for job in first + rest] == [2, 1, 0]


async def test_jobs_are_found_by_kind(client: httpx.AsyncClient, owner: Key) -> None:
    await send(client, owner, 2)
    export = (await client.post("/jobs/exports", headers=owner, json={})).json()
    assert [job["id"] for job in (await client.get("/jobs?kind=export", headers=owner)).json()] == [
        export["id"]
    ]
    assert (await client.get("/jobs?kind=export&state=done", headers=owner)).json() == []
    both = (await client.get("/jobs?kind=export&kind=rewrite", headers=owner)).json()
    assert [job["kind"] for job in both] == ["export", "rewrite", "rewrite"]
    refused = await client.get("/jobs?kind=thumb", headers=owner)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "kind")
