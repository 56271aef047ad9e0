"""Exports of votes, from the request to the file."""

import dataclasses
import gzip
import json
import uuid
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Status
from sqlalchemy import text

from data.erasure import rows, whom
from serving.observability import spans
from serving.worker import exports
from serving.worker.app import make_worker
from serving.worker.loop import Worker
from tests import gateways
from tests.collectors import Collector, values_of
from tests.serving.worker.conftest import Installation, running


async def vote(installation: Installation, key: dict[str, str], text: str, user: str = "ada") -> str:
    """A thumb of a person; the id of the person."""
    message = {"text": text, "transform_type": "soften", "intensity": 2, "user_id": user}
    answer = await installation.client.post("/api/v1/transform", headers=key, json=message)
    body = {"receipt": answer.json()["receipt"], "kind": "thumb", "up": True}
    response = await installation.client.post("/api/v1/feedback", headers=key, json=body)
    assert response.status_code == 201
    return str(response.json()["feedback_id"])


async def export(installation: Installation, key: dict[str, str], **body: Any) -> dict[str, Any]:
    """A finished export."""
    response = await installation.client.post("/api/v1/jobs/exports", headers=key, json=body)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()

    async def find() -> dict[str, Any]:
        listed: dict[str, Any] = (
            await installation.client.get(f"/api/v1/jobs/{job['id']}", headers=key)
        ).json()
        return listed

    return await installation.wait_for(find, lambda listed: listed["state"] == "done")


async def read(installation: Installation, key: dict[str, str], job_id: str) -> list[dict[str, Any]]:
    response = await installation.client.get(f"/api/v1/jobs/{job_id}/file", headers=key)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/gzip")
    return [json.loads(line) for line in gzip.decompress(response.content).splitlines()]


async def test_an_export_has_the_votes_of_its_organisation(
    installation: Installation, worker: Worker
) -> None:
    _, key = installation.a_tenant()
    _, stranger = installation.a_tenant()
    ids = [await vote(installation, key, f"Fix ticket {n}.") for n in range(3)]
    await vote(installation, stranger, "Not of this organisation.")
    job = await export(installation, key)
    lines = await read(installation, key, job["id"])
    assert [line["vote_id"] for line in lines] == ids
    assert {(line["message"], line["rewrite"], line["version"], line["thumb_up"]) for line in lines} == {
        (f"Fix ticket {n}.", "Please wait.", "v1", True) for n in range(3)
    }
    refused = await installation.client.get(f"/api/v1/jobs/{job['id']}/file", headers=stranger)
    assert refused.status_code == 404
    with installation.engine.connect() as reader:
        recorded = reader.execute(
            text("SELECT action, changed_by FROM job_changes WHERE job_id = :id ORDER BY id"),
            {"id": job["id"]},
        ).all()
    by = job["requested_by"]
    assert recorded == [("export_requested", by), ("export_read", by)], "the stranger's request read nothing"
    later = await export(installation, key, since=lines[1]["created_at"], until=lines[2]["created_at"])
    assert [line["vote_id"] for line in await read(installation, key, later["id"])] == ids[1:2]


async def test_a_large_export_comes_in_parts(
    installation: Installation, worker: Worker, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exports, "_PART_BYTES", 1)
    monkeypatch.setattr(exports, "_ROWS_AT_ONCE", 1)
    tenant, key = installation.a_tenant()
    ids = [await vote(installation, key, f"Fix ticket {n}. {uuid.uuid4()}") for n in range(4)]
    job = await export(installation, key)
    assert [line["vote_id"] for line in await read(installation, key, job["id"])] == ids
    empty = await export(installation, key, until="2020-01-01T00:00:00Z")
    assert await read(installation, key, empty["id"]) == []
    assert installation.count("SELECT count(*) FROM job_files WHERE organisation_id = :id", id=tenant) >= 2


async def test_only_admins_export(installation: Installation) -> None:
    tenant, key = installation.a_tenant()
    member = gateways.a_key(installation.engine, tenant, "experimenter")
    response = await installation.client.post("/api/v1/jobs/exports", headers=member, json={})
    assert response.status_code == 403
    waiting = await installation.client.post("/api/v1/jobs/exports", headers=key, json={})
    address = f"/api/v1/jobs/{waiting.json()['id']}/file"
    assert (await installation.client.get(address, headers=member)).status_code == 403
    response = await installation.client.get(address, headers=key)
    assert response.status_code == 404
    assert "has no file" in response.json()["detail"]


async def test_an_erasure_deletes_the_files_of_its_organisation(
    installation: Installation, worker: Worker
) -> None:
    tenant, key = installation.a_tenant()
    await vote(installation, key, "Fix it.")
    job = await export(installation, key)
    user_id = (await read(installation, key, job["id"]))[0]["user_id"]
    person = whom.Person(uuid.UUID(user_id), tenant)
    counts = rows.purge(installation.parts.settings, installation.engine, person, None)
    assert counts["files of exports"] == 1


async def test_an_export_is_traced_from_its_request(
    collector: Collector, installation: Installation, worker: Worker
) -> None:
    _, key = installation.a_tenant()
    job = await export(installation, key)
    spans.stop()
    (requested,) = collector.named("job")
    assert values_of(requested) == {"id": job["id"], "kind": "export"}
    (post,) = collector.linked(requested)
    assert values_of(post)["route"] == "/api/v1/jobs/exports"
    (attempt,) = collector.named("attempt")
    assert (values_of(attempt)["kind"], values_of(attempt)["done"]) == ("export", 1)
    assert collector.linked(attempt) == [requested]
    assert attempt.trace_id == requested.trace_id


async def test_a_job_that_fails_unexpectedly_has_a_span_that_says_so(
    collector: Collector, installation: Installation
) -> None:
    """The handler's span ends with the type of the error, and another one says what becomes of the job."""
    _, key = installation.a_tenant()
    once = installation.parts.jobs.model_copy(update={"most_attempts": 1})
    with installation.engine.begin() as connection:
        connection.execute(text("ALTER TABLE job_files ADD CONSTRAINT planted CHECK (part < 0)"))
    try:
        async with running(make_worker(dataclasses.replace(installation.parts, jobs=once))):
            response = await installation.client.post("/api/v1/jobs/exports", headers=key, json={})

            async def find() -> dict[str, Any]:
                address = f"/api/v1/jobs/{response.json()['id']}"
                found: dict[str, Any] = (await installation.client.get(address, headers=key)).json()
                return found

            await installation.wait_for(find, lambda job: job["state"] == "dead")
    finally:
        with installation.engine.begin() as connection:
            connection.execute(text("ALTER TABLE job_files DROP CONSTRAINT planted"))
    spans.stop()
    written, failed = sorted(collector.named("attempt"), key=lambda span: span.start_time_unix_nano)
    assert values_of(written)["done"] == 1, "the file was written, and could not be stored"
    assert (values_of(failed)["dead"], values_of(failed)["reason"]) == (1, "job_failed")
    assert failed.status.code == Status.STATUS_CODE_ERROR
