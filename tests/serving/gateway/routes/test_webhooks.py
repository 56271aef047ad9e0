"""The routes of webhooks. No worker runs: deliveries stay as the API leaves them."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from data.database import transaction_of
from data.jobs import queue
from data.tables import Organisation
from data.webhooks import config
from serving.gateway.routes import jobs, webhooks
from tests import gateways

Key = dict[str, str]
URL = "https://hooks.example.org/tonebridge?a=b"


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    few = config.load().model_copy(update={"most": 3})
    return await gateways.app_of(pool, webhooks.router, jobs.router, webhooks=few)


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


async def create(client: httpx.AsyncClient, key: Key, **fields: Any) -> httpx.Response:
    body = {"url": URL, "events": ["job.done", "answer.created"], **fields}
    return await client.post("/webhooks", headers=key, json=body)


async def test_a_webhook_is_created_shown_changed_and_deleted(client: httpx.AsyncClient, owner: Key) -> None:
    made = await create(client, owner, description="Our queue")
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    address = f"/webhooks/{made.json()['id']}"
    assert made.headers["location"] == f"/api/v1{address}"
    shown = (await client.get(address, headers=owner)).json()
    assert (shown["url"], shown["events"]) == (URL, ["answer.created", "job.done"])
    assert (shown["description"], shown["waiting"], shown["disabled_at"]) == ("Our queue", 0, None)
    assert secret not in str(shown)
    assert "secret" not in shown
    changes = {"events": ["quota.near"], "enabled": False, "description": ""}
    changed = (await client.patch(address, headers=owner, json=changes)).json()
    assert (changed["url"], changed["events"], changed["description"]) == (URL, ["quota.near"], "")
    assert changed["disabled_at"] is not None
    assert changed["disabled_because"] is None
    kept = (await client.patch(address, headers=owner, json={"url": "https://other.example.org"})).json()
    assert (kept["url"], kept["events"]) == ("https://other.example.org", ["quota.near"])
    assert kept["disabled_at"] == changed["disabled_at"]
    enabled = (await client.patch(address, headers=owner, json={"enabled": True})).json()
    assert enabled["disabled_at"] is None
    assert (await client.delete(address, headers=owner)).status_code == 204
    assert (await client.get(address, headers=owner)).status_code == 404
    assert (await client.delete(address, headers=owner)).status_code == 404
    assert (await client.get("/webhooks", headers=owner)).json() == []


async def test_a_new_address_and_an_enabled_webhook_start_without_failures(
    client: httpx.AsyncClient, engine: Engine, owner: Key
) -> None:
    made = (await create(client, owner)).json()
    address = f"/webhooks/{made['id']}"

    async def change(**changes: Any) -> int:
        """The failures after a change."""
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE webhooks SET failures = 7, failing_since = now() WHERE id = :id"),
                {"id": made["id"]},
            )
        shown = (await client.patch(address, headers=owner, json=changes)).json()
        assert (shown["failing_since"] is None) == (shown["failures"] == 0)
        return int(shown["failures"])

    assert await change(url=URL, events=["quota.near"]) == 7, "the address is the same"
    assert await change(enabled=False) == 7
    assert await change(enabled=True) == 0
    assert await change(url=f"{URL}c") == 0


async def test_only_admins_of_the_organisation_reach_a_webhook(
    client: httpx.AsyncClient, owner: Key, stranger: Key, a_key: Callable[..., Key]
) -> None:
    made = (await create(client, owner)).json()
    address = f"/webhooks/{made['id']}"
    delivery = (await client.post(f"{address}/test", headers=owner)).json()["deliveries"][0]
    requests: list[tuple[str, str, Any]] = [
        ("GET", address, None),
        ("PATCH", address, {"enabled": False}),
        ("DELETE", address, None),
        ("POST", f"{address}/secret", None),
        ("POST", f"{address}/test", None),
        ("GET", f"{address}/deliveries", None),
        ("POST", f"{address}/deliveries/{delivery}/replay", None),
        ("POST", f"{address}/replay", None),
    ]
    for method, path, body in requests:
        assert (await client.request(method, path, headers=stranger, json=body)).status_code == 404, path
        for role in ("member", "viewer", "experimenter"):
            refused = await client.request(method, path, headers=a_key(role), json=body)
            assert refused.status_code == 403, path
    assert (await create(client, a_key("experimenter"))).status_code == 403
    assert (await client.get("/webhooks", headers=stranger)).json() == []
    assert [hook["id"] for hook in (await client.get("/webhooks", headers=owner)).json()] == [made["id"]]


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "ftp://example.org", "//example.org", "https://", "https:///path", "javascript:1",
        "https://user@example.org", "https://user:password@example.org", "https://:pw@example.org",
        "https://example.org/#part", "https://example.org/a b", "https://example.org/\u00e9",
        "https://example.org/" + 2000 * "a", "https://[::1", "https://example.org:99999/",
        "https://example.org/\r\nX-A: b", "http://example.org",
    ],
)  # fmt: skip
async def test_what_is_no_address_of_a_webhook_is_refused(
    client: httpx.AsyncClient, owner: Key, url: str
) -> None:
    response = await create(client, owner, url=url)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["field"], error["allowed"][:9]) == ("url", "https://,")
    assert (await client.get("/webhooks", headers=owner)).json() == []


@pytest.mark.parametrize("events", [[], ["webhook.test"], ["answer.deleted"], "job.done", None, [3]])
async def test_what_is_no_event_is_refused(client: httpx.AsyncClient, owner: Key, events: object) -> None:
    response = await create(client, owner, events=events)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == "events"
    assert "answer.created, feedback.given" in error["allowed"]


async def test_an_address_without_tls_needs_the_setting(
    client: httpx.AsyncClient, app: FastAPI, owner: Key
) -> None:
    settings = app.state.parts.settings
    gateways.replace_parts(app, settings=settings.model_copy(update={"webhook_networks": ("10.0.0.0/8",)}))
    assert (await create(client, owner, url="http://10.0.0.1:8080/hooks")).status_code == 201
    gateways.replace_parts(app, settings=settings)


async def test_an_organisation_has_a_number_of_webhooks(client: httpx.AsyncClient, owner: Key) -> None:
    for _ in range(3):
        assert (await create(client, owner)).status_code == 201
    refused = await create(client, owner)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "an organisation may have 3 webhooks; delete one first",
    )


async def test_events_of_the_installation_are_for_the_organisation_that_runs_it(
    client: httpx.AsyncClient, app: FastAPI, engine: Engine, owner: Key, organisation_id: uuid.UUID
) -> None:
    for event in ("experiment.decided", "version.released", "version.refused", "snapshot.refused"):
        assert (await create(client, owner, events=[event])).status_code == 403
    made = (await create(client, owner)).json()
    address = f"/webhooks/{made['id']}"
    changes = {"events": ["job.done", "version.released"]}
    assert (await client.patch(address, headers=owner, json=changes)).status_code == 403
    assert (await client.get(address, headers=owner)).json()["events"] == ["answer.created", "job.done"]
    with Session(engine) as session:
        name = session.get_one(Organisation, organisation_id).name
    settings = app.state.parts.settings
    gateways.replace_parts(app, settings=settings.model_copy(update={"organisation": name}))
    assert (await client.patch(address, headers=owner, json=changes)).status_code == 200


async def test_secrets_rotate(client: httpx.AsyncClient, owner: Key) -> None:
    made = (await create(client, owner)).json()
    response = await client.post(f"/webhooks/{made['id']}/secret", headers=owner)
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["secret"] != made["secret"]
    shown = (await client.get(f"/webhooks/{made['id']}", headers=owner)).json()
    assert shown["former_secret_until"] is not None


async def test_no_more_deliveries_are_asked_for_while_a_thousand_wait(
    client: httpx.AsyncClient,
    engine: Engine,
    pool: AsyncConnectionPool,
    owner: Key,
    organisation_id: uuid.UUID,
) -> None:
    made = (await create(client, owner)).json()
    address = f"/webhooks/{made['id']}"
    ids = [(await client.post(f"{address}/test", headers=owner)).json()["deliveries"][0] for _ in range(2)]
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'done' WHERE id = :id"), {"id": ids[0]})
        connection.execute(
            text(
                "INSERT INTO jobs (id, organisation_id, kind, payload, key, webhook_id, requested_by)"
                " SELECT gen_random_uuid(), :organisation, 'webhook', '{}', 'full:' || n, :hook, 'a test'"
                " FROM generate_series(1, 999) AS n"
            ),
            {"organisation": organisation_id, "hook": made["id"]},
        )
    for path in ("test", f"deliveries/{ids[0]}/replay"):
        refused = await client.post(f"{address}/{path}", headers=owner)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert refused.json()["detail"].startswith("1000 deliveries of this webhook wait already")
    async with pool.connection() as online, transaction_of(online, organisation_id):
        assert await queue.count_open(online, organisation_id) == 0, "deliveries take the room of batches"


async def test_the_log_has_pages_and_states_and_goes_with_its_webhook(
    client: httpx.AsyncClient, engine: Engine, owner: Key
) -> None:
    made, other = [(await create(client, owner)).json() for _ in range(2)]
    address = f"/webhooks/{made['id']}"
    ids = [(await client.post(f"{address}/test", headers=owner)).json()["deliveries"][0] for _ in range(3)]
    await client.post(f"/webhooks/{other['id']}/test", headers=owner)
    first = (await client.get(f"{address}/deliveries?limit=2", headers=owner)).json()
    rest = (await client.get(f"{address}/deliveries?before={first[-1]['id']}", headers=owner)).json()
    assert [delivery["id"] for delivery in first + rest] == ids[::-1]
    assert {delivery["type"] for delivery in first} == {"webhook.test"}
    assert (await client.get(f"{address}/deliveries?state=dead", headers=owner)).json() == []
    assert (await client.get(f"{address}/deliveries?event=job.done", headers=owner)).json() == []
    both = await client.get(f"{address}/deliveries?event=job.done&event=webhook.test", headers=owner)
    assert len(both.json()) == 3
    unknown = await client.get(f"{address}/deliveries?event=answer.deleted", headers=owner)
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "event")
    assert unknown.json()["errors"][0]["allowed"].endswith("webhook.disabled, webhook.test")
    not_ended = await client.post(f"{address}/deliveries/{ids[0]}/replay", headers=owner)
    assert not_ended.status_code == 404
    foreign = await client.post(f"/webhooks/{other['id']}/deliveries/{ids[0]}/replay", headers=owner)
    assert foreign.status_code == 404
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'dead' WHERE id = :id"), {"id": ids[0]})
    again = await client.post(f"{address}/deliveries/{ids[0]}/replay", headers=owner)
    assert again.status_code == 202
    assert (await client.get(address, headers=owner)).json()["waiting"] == 3
    listed = (await client.get("/jobs?limit=200", headers=owner)).json()
    assert {job["kind"] for job in listed} == {"webhook"}
    assert (await client.delete(address, headers=owner)).status_code == 204
    listed = (await client.get("/jobs?limit=200", headers=owner)).json()
    assert len(listed) == 1
