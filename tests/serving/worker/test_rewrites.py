"""Batches of messages, from the request to the download."""

import csv
import dataclasses
import io
import json
import uuid
from typing import Any

from data.erasure import rows, whom
from data.traffic import receipts
from serving.worker.app import make_worker
from serving.worker.loop import Worker
from tests import gateways
from tests.serving.worker.conftest import Installation, is_over, running

TEXTS = [f"Fix ticket {n}." for n in range(120)]


async def download(
    installation: Installation, key: dict[str, str], batch: dict[str, Any]
) -> list[dict[str, Any]]:
    response = await installation.client.get(f"/api/v1/jobs/batches/{batch['id']}/results", headers=key)
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


async def test_every_message_is_answered_once_in_its_place(
    installation: Installation, worker: Worker
) -> None:
    tenant, key = installation.a_tenant()
    batch = await installation.send(key, TEXTS)
    assert (batch["messages"], batch["waiting"]) == (120, 120)
    ended = await installation.wait(key, batch["id"], is_over)
    assert (ended["done"], ended["dead"]) == (120, 0)
    lines = await download(installation, key, batch)
    assert [line["place"] for line in lines] == list(range(120))
    assert {line["answer"]["transformed_text"] for line in lines} == {"Please wait."}
    for table in ("outputs", "answers"):
        query = f"SELECT count(*) FROM {table} WHERE organisation_id = :id"
        assert installation.count(query, id=tenant) == 120
    assert gateways.usage(installation.engine, tenant) == 120


async def test_the_receipts_take_feedback(installation: Installation, worker: Worker) -> None:
    _, key = installation.a_tenant()
    batch = await installation.send(key, ["Fix it."], user_id="ada")
    await installation.wait(key, batch["id"], is_over)
    (line,) = await download(installation, key, batch)
    receipt = line["answer"]["receipt"]
    assert receipts.read_unchecked(receipt).version == "v1"
    vote = {"receipt": receipt, "kind": "thumb", "up": True}
    response = await installation.client.post("/api/v1/feedback", headers=key, json=vote)
    assert response.status_code in (200, 201), response.text


async def test_equal_messages_are_rewritten_once(installation: Installation, worker: Worker) -> None:
    tenant, key = installation.a_tenant()
    batch = await installation.send(key, ["Fix it."] * 30)
    await installation.wait(key, batch["id"], is_over)
    assert installation.count("SELECT count(*) FROM outputs WHERE organisation_id = :id", id=tenant) == 1
    assert installation.count("SELECT count(*) FROM answers WHERE organisation_id = :id", id=tenant) == 30
    again = await installation.send(key, ["Fix it."])
    await installation.wait(key, again["id"], is_over)
    (line,) = await download(installation, key, again)
    assert line["answer"]["cache"] in ("l1", "l2")


async def test_what_the_month_has_no_answers_for_is_dead_and_says_so(installation: Installation) -> None:
    tenant, key = installation.a_tenant("free")
    batch = await installation.send(key, TEXTS[:3])
    gateways.use_up(installation.engine, tenant, 1999)  # of 2,000, after the batch was accepted
    worker = make_worker(installation.parts)
    async with running(worker):
        ended = await installation.wait(key, batch["id"], is_over)
    assert (ended["done"], ended["dead"]) == (1, 2)
    lines = await download(installation, key, batch)
    assert "2,000 answers a month" in lines[2]["reason"]


async def test_a_service_that_fails_is_tried_again_and_then_given_up(installation: Installation) -> None:
    _, key = installation.a_tenant()
    installation.service.list_status = 500
    fast = installation.parts.jobs.model_copy(
        update={"most_attempts": 2, "first_retry_s": 0.01, "poll_s": 0.05}
    )
    worker = make_worker(dataclasses.replace(installation.parts, jobs=fast))
    async with running(worker):
        batch = await installation.send(key, ["Fix it."])
        ended = await installation.wait(key, batch["id"], is_over)
        assert ended["dead"] == 1
        response = await installation.client.get("/api/v1/jobs?state=dead", headers=key)
        (job,) = response.json()
        assert [error["attempt"] for error in job["errors"]] == [1, 2]
        assert all("v1" in error["reason"] for error in job["errors"])
        installation.service.list_status = 200
        response = await installation.client.post(f"/api/v1/jobs/{job['id']}/replay", headers=key)
        assert response.status_code == 202
        ended = await installation.wait(key, batch["id"], is_over)
    assert (ended["done"], ended["dead"]) == (1, 0)


async def test_the_csv_opens_in_a_spreadsheet_without_running_anything(
    installation: Installation, worker: Worker
) -> None:
    _, key = installation.a_tenant()
    installation.service.list_text = '=HYPERLINK("https://evil.example")'
    batch = await installation.send(key, ["Fix it."])
    await installation.wait(key, batch["id"], is_over)
    response = await installation.client.get(
        f"/api/v1/jobs/batches/{batch['id']}/results?format=csv", headers=key
    )
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert row["transformed_text"].startswith("'=")
    assert row["state"] == "done"


async def test_an_erased_person_s_messages_leave_the_queue(installation: Installation) -> None:
    tenant, key = installation.a_tenant()
    await installation.send(key, ["Fix it.", "Do it."], user_id="ada")
    await installation.send(key, ["Fix it."], user_id="bob")
    ada = installation.count(
        "SELECT count(DISTINCT user_id) FROM jobs WHERE organisation_id = :id", id=tenant
    )
    assert ada == 2
    with installation.engine.connect() as connection:
        user_id = connection.exec_driver_sql(
            "SELECT user_id FROM jobs WHERE organisation_id = %s GROUP BY 1 HAVING count(*) = 2", (tenant,)
        ).scalar_one()
    person = whom.Person(uuid.UUID(str(user_id)), tenant)
    counts = rows.purge(installation.parts.settings, installation.engine, person, None)
    assert counts["jobs"] == 2


async def test_a_cancelled_batch_stops(installation: Installation) -> None:
    _, key = installation.a_tenant()
    batch = await installation.send(key, TEXTS[:5])
    response = await installation.client.post(f"/api/v1/jobs/batches/{batch['id']}/cancel", headers=key)
    assert response.json() == {"cancelled": 5}
    async with running(make_worker(installation.parts)):
        other = await installation.send(key, ["Fix it."])
        await installation.wait(key, other["id"], is_over)
    assert (await installation.find(key, batch["id"]))["cancelled"] == 5
