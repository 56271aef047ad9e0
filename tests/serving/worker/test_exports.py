"""Exports of votes, from the request to the file."""

import gzip
import json
import uuid
from typing import Any

from data.erasure import rows, whom
from serving.worker import exports
from serving.worker.loop import Worker
from tests import gateways
from tests.serving.worker.conftest import Installation


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
