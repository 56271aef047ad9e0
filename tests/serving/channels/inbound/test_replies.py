"""Messages are rewritten once and delivered, whatever the receiver and the gateway do."""

import asyncio
import json
import os
import signal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.erasure import whom
from pipelines import local as stack
from pipelines.environments import environment
from serving.observability import spans
from tests import ports
from tests.collectors import Collector, values_of
from tests.receivers import Receiver, receiving
from tests.serving.channels.inbound.conftest import Installation

OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
MESSAGE = "Fix it now."
SERVED = "Please wait."


async def test_the_rewrite_goes_to_the_address_that_an_admin_has_set(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url)
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        done = await installation.wait_for(tool, job, "done", "dead")
    assert (done["state"], done["kind"], done["attempts"], done["errors"]) == ("done", "inbound", 1, [])
    (received,) = receiver.received
    assert received.event == {"text": SERVED}
    assert (received.id, received.headers["content-type"]) == (job, "application/json")
    assert "x-api-key" not in received.headers
    (asked,) = installation.service.items
    assert (asked["text"], asked["transform_type"], asked["intensity"]) == (MESSAGE, "soften", 2)
    people = "SELECT count(*) FROM users WHERE organisation_id = :id AND external_id = :name"
    assert await installation.count_stored(people, id=tool.tenant, name=f"inbound:{tool.id}") == 1


async def test_the_answer_is_delivered_without_its_receipt(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url, reply_form="answer")
    async with installation.working():
        await installation.wait_for(tool, await installation.say(tool, MESSAGE), "done")
    (received,) = receiver.received
    assert (received.event["transformed_text"], received.event["version"]) == (SERVED, "v1")
    assert "receipt" not in received.event


@pytest.mark.parametrize("delivers", [True, False])
async def test_an_unchanged_message_is_delivered_if_an_admin_wants_that(
    installation: Installation, receiver: Receiver, delivers: bool
) -> None:
    tool = await installation.connect(receiver.url, delivers_unchanged=delivers)
    installation.service.list_text = MESSAGE
    async with installation.working():
        await installation.wait_for(tool, await installation.say(tool, MESSAGE), "done")
    assert [received.event["text"] for received in receiver.received] == [MESSAGE] * delivers


async def test_a_failing_receiver_gets_the_same_rewrite_again(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url)
    receiver.status = 500
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        await installation.wait_for_failure(tool, job)
        installation.service.list_text = "Something else."
        receiver.status = 204
        done = await installation.wait_for(tool, job, "done")
    assert done["errors"][0]["reasons"][0]["code"] == "receiver_status"
    assert {(received.id, received.event["text"]) for received in receiver.received} == {(job, SERVED)}
    assert installation.service.lists == 1
    assert await installation.count_stored(OUTPUTS, id=tool.tenant) == 1


async def test_a_receiver_that_hangs_is_given_up_and_holds_up_no_other(
    installation: Installation, receiver: Receiver
) -> None:
    release = asyncio.Event()
    async with receiving() as slow:
        slow.during = release.wait
        hanging, other = await installation.connect(slow.url), await installation.connect(receiver.url)
        async with installation.working(timeout_s=0.2, most_attempts=2):
            lost = await installation.say(hanging, MESSAGE)
            await installation.wait_for(other, await installation.say(other, MESSAGE), "done")
            dead = await installation.wait_for(hanging, lost, "dead")
        release.set()
    assert [error["reasons"][0]["code"] for error in dead["errors"]] == ["receiver_timeout"] * 2
    shown = await installation.ask(hanging.key, "GET", f"/inbound-webhooks/{hanging.id}")
    assert (shown["waiting"], shown["dead"], shown["failures"]) == (0, 1, 2)


async def test_a_dead_message_is_delivered_after_a_replay_without_another_rewrite(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url)
    receiver.status = 410
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        await installation.wait_for(tool, job, "dead")
        receiver.status = 200
        (again,) = (await installation.ask(tool.key, "POST", f"/jobs/{job}/replay"))["jobs"]
        await installation.wait_for(tool, again, "done")
    assert [received.event["text"] for received in receiver.received] == [SERVED, SERVED]
    assert installation.service.lists == 1


async def test_a_private_address_is_refused(installation: Installation, receiver: Receiver) -> None:
    tool = await installation.connect(receiver.url)
    async with installation.working(networks=()):
        dead = await installation.wait_for(tool, await installation.say(tool, MESSAGE), "dead")
    assert dead["errors"][0]["reasons"][0] == {
        "code": "receiver_address_refused", "values": {"address": "127.0.0.1"},
    }  # fmt: skip
    assert (dead["attempts"], receiver.received) == (1, [])


async def test_a_gateway_that_fails_is_asked_again(installation: Installation, receiver: Receiver) -> None:
    tool = await installation.connect(receiver.url)
    installation.service.list_status = 500
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        await installation.wait_for_failure(tool, job)
        installation.service.list_status = 200
        await installation.wait_for(tool, job, "done")
    assert len(receiver.received) == 1


async def test_a_deleted_inbound_webhook_takes_and_delivers_nothing_and_its_key_is_revoked(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url)
    shown = await installation.ask(tool.key, "GET", f"/inbound-webhooks/{tool.id}")
    job = await installation.say(tool, MESSAGE)
    await installation.ask(tool.key, "DELETE", f"/inbound-webhooks/{tool.id}")
    assert (await installation.send(tool, json.dumps({"text": MESSAGE}))).status_code == 401
    async with installation.working():
        ended = await installation.wait_for(tool, job, "cancelled", "done", "dead")
    assert (ended["state"], receiver.received) == ("cancelled", [])
    revoked = "SELECT count(*) FROM api_keys WHERE id = :id AND revoked_at IS NOT NULL"
    assert installation.count(revoked, id=shown["key_id"]) == 1


async def test_a_revoked_key_ends_a_message_with_the_reason(
    installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(receiver.url)
    shown = await installation.ask(tool.key, "GET", f"/inbound-webhooks/{tool.id}")
    await installation.ask(tool.key, "DELETE", f"/keys/{shown['key_id']}")
    async with installation.working():
        dead = await installation.wait_for(tool, await installation.say(tool, MESSAGE), "dead")
    assert dead["errors"][0]["reasons"][0]["code"] == "api_key_unknown"


async def test_its_messages_are_those_of_a_person_whom_an_erasure_finds(
    installation: Installation, receiver: Receiver
) -> None:
    """Erasures delete the jobs of a person, with their payloads (tests/data/erasure/)."""
    tool = await installation.connect(receiver.url)
    receiver.status = 410
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        await installation.wait_for(tool, job, "dead")
    shown = await installation.ask(tool.key, "GET", f"/inbound-webhooks/{tool.id}")
    with Session(installation.engine) as session:
        person = whom.by_key(session, shown["key_id"], f"inbound:{tool.id}")
    for table in ("jobs", "answers", "users"):
        column = "id" if table == "users" else "user_id"
        rows = f"SELECT count(*) FROM {table} WHERE {column} = :id"
        assert await installation.count_stored(rows, id=person) == 1


@pytest.fixture
def processes(installation: Installation) -> Settings:
    """The settings of processes that are beside the gateway of a test."""
    changes = {"gateway_url": f"http://127.0.0.1:{installation.gateway.port}"}
    return ports.with_own_ports(installation.settings).model_copy(update=changes)


async def test_a_killed_process_leaves_its_message_to_the_next(
    installation: Installation,
    receiver: Receiver,
    processes: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is killed while the receiver has not answered. The lease is ended by hand: it lasts a minute."""
    monkeypatch.setenv("TONEBRIDGE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    tool = await installation.connect(receiver.url)
    reached, release = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await release.wait()

    receiver.during = hang
    command = stack.command("channels", environment(processes, "channels"))
    log = processes.state / "logs" / "killed-channels.log"
    first = stack.Process("channels", command, environment(processes, "channels"), log)
    try:
        job = await installation.say(tool, MESSAGE)
        async with asyncio.timeout(60):
            await reached.wait()
        os.killpg(first.pid, signal.SIGKILL)
    finally:
        await asyncio.to_thread(first.stop)
    assert (await installation.ask(tool.key, "GET", f"/jobs/{job}"))["state"] == "running"
    release.set()
    with installation.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET available_at = now() WHERE id = CAST(:id AS uuid)"), {"id": job}
        )
    async with installation.working():
        done = await installation.wait_for(tool, job, "done", "dead")
    assert (done["state"], done["attempts"]) == ("done", 2)
    assert {(received.id, received.event["text"]) for received in receiver.received} == {(job, SERVED)}
    assert installation.service.lists == 1
    assert await installation.count_stored(OUTPUTS, id=tool.tenant) == 1


async def test_a_message_is_traced_to_its_rewrite_and_to_its_delivery(
    collector: Collector, installation: Installation, receiver: Receiver
) -> None:
    tool = await installation.connect(f"{receiver.url}?token=planted-in-the-url")
    receiver.status = 503
    async with installation.working():
        job = await installation.say(tool, MESSAGE)
        await installation.wait_for_failure(tool, job)
        receiver.status = 204
        await installation.wait_for(tool, job, "done")
    spans.stop()
    (requested,) = collector.named("job")
    assert values_of(requested) == {"id": job, "kind": "inbound"}
    attempts = sorted(collector.named("attempt"), key=lambda span: values_of(span)["attempt"])
    assert {attempt.trace_id for attempt in attempts} == {requested.trace_id}
    for attempt in attempts:
        assert collector.linked(attempt) == [requested]
        assert values_of(attempt)["host"] == "127.0.0.1"
    assert [values_of(attempts[0])[name] for name in ("status", "again", "reason")] == [
        503,
        1,
        "receiver_status",
    ]
    assert (values_of(attempts[-1])["status"], values_of(attempts[-1])["done"]) == (204, 1)
    (transform,) = collector.named("transform")
    call = collector.above(transform)
    assert call is not None
    assert collector.above(call) == attempts[0], "it is rewritten once, in the first attempt"
    assert not any("traceparent" in received.headers for received in receiver.received)
    for hidden in ("planted-in-the-url", MESSAGE, SERVED, tool.secret):
        assert hidden.encode() not in b"".join(collector.bodies)
