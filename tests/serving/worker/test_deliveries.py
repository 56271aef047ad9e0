"""Deliveries: signed, tried again, logged, replayed; receivers that fail, hang or are gone."""

import asyncio
import json
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from sqlalchemy import text
from standardwebhooks.webhooks import WebhookVerificationError

from data.jobs.queue import Kind
from data.webhooks import config
from data.webhooks.config import WebhooksConfig
from serving.observability import spans
from serving.worker.deliveries import Deliveries
from serving.worker.loop import Worker
from tests.collectors import Collector, values_of
from tests.receivers import LOOPBACK, Receiver, receiving
from tests.serving.worker.conftest import Installation, is_over, running

SOON = {
    "first_retry_s": 0.01,
    "longest_retry_s": 0.05,
    "longest_pause_s": 0.05,
    "longest_retry_after_s": 0.05,
}
FAST = config.load().model_copy(update=SOON)


def make_worker(installation: Installation, webhooks: WebhooksConfig = FAST) -> Worker:
    """A worker that only delivers."""
    parts = installation.parts
    assert parts.settings.database_url is not None
    deliveries = Deliveries(parts.pool, webhooks, LOOPBACK)
    jobs = parts.jobs.model_copy(update={"poll_s": 0.02})
    return Worker(parts.pool, parts.settings.database_url, {Kind.WEBHOOK: deliveries}, jobs)


async def send_test(installation: Installation, key: dict[str, str], webhook_id: str) -> str:
    """The id of the delivery of a test event."""
    response = await installation.client.post(f"/api/v1/webhooks/{webhook_id}/test", headers=key)
    assert response.status_code == 202, response.text
    (delivery_id,) = response.json()["deliveries"]
    return str(delivery_id)


async def wait_for_end(
    installation: Installation, key: dict[str, str], webhook_id: str, delivery_id: str
) -> dict[str, Any]:
    """A delivery, when it is done or dead."""

    async def find() -> dict[str, Any]:
        log = await installation.read_log(key, webhook_id)
        return next(delivery for delivery in log if delivery["id"] == delivery_id)

    return await installation.wait_for(find, lambda delivery: delivery["state"] in ("done", "dead"))


async def wait_for_failure(
    installation: Installation, key: dict[str, str], webhook_id: str, delivery_id: str
) -> None:
    """Return as soon as an attempt at a delivery has failed."""

    async def find() -> dict[str, Any]:
        log = await installation.read_log(key, webhook_id)
        return next(delivery for delivery in log if delivery["id"] == delivery_id)

    await installation.wait_for(find, lambda delivery: bool(delivery["errors"]))


async def find_webhook(installation: Installation, key: dict[str, str], webhook_id: str) -> dict[str, Any]:
    response = await installation.client.get(f"/api/v1/webhooks/{webhook_id}", headers=key)
    webhook: dict[str, Any] = response.json()
    return webhook


async def test_a_delivery_is_signed_and_logged(installation: Installation, receiver: Receiver) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    async with running(make_worker(installation)):
        delivery_id = await send_test(installation, key, made["id"])
        delivery = await wait_for_end(installation, key, made["id"], delivery_id)
    (received,) = receiver.received
    received.verify(made["secret"])
    assert received.event["type"] == delivery["type"] == "webhook.test"
    assert received.id == delivery["event_id"]
    assert (delivery["status"], delivery["attempts"], delivery["errors"]) == (204, 1, [])
    assert delivery["duration_ms"] > 0
    assert received.headers["content-type"] == "application/json"


async def test_a_rotated_secret_signs_beside_the_former_one(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    address = f"/api/v1/webhooks/{made['id']}/secret"
    new = (await installation.client.post(address, headers=key)).json()["secret"]
    newest = (await installation.client.post(address, headers=key)).json()["secret"]
    async with running(make_worker(installation)):
        await wait_for_end(installation, key, made["id"], await send_test(installation, key, made["id"]))
        received = receiver.received[-1]
        received.verify(newest)
        received.verify(new)
        with pytest.raises(WebhookVerificationError):
            received.verify(made["secret"])
        with installation.engine.begin() as connection:
            connection.execute(text("UPDATE webhooks SET former_until = now() - interval '1 second'"))
        await wait_for_end(installation, key, made["id"], await send_test(installation, key, made["id"]))
    receiver.received[-1].verify(newest)
    with pytest.raises(WebhookVerificationError):
        receiver.received[-1].verify(new)


async def test_a_failed_delivery_is_tried_again_under_the_same_id(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    receiver.status = 500

    async def recover() -> None:
        if len(receiver.received) == 3:
            receiver.status = 200

    receiver.during = recover
    async with running(make_worker(installation)):
        delivery_id = await send_test(installation, key, made["id"])
        delivery = await wait_for_end(installation, key, made["id"], delivery_id)
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("done", 200, 3)
    assert [error["reason"] for error in delivery["errors"]] == 2 * ["the receiver answered with status 500"]
    assert len({received.id for received in receiver.received}) == 1
    assert len(receiver.received) == 3
    for received in receiver.received:
        received.verify(made["secret"])
    webhook = await find_webhook(installation, key, made["id"])
    assert (webhook["failing_since"], webhook["failures"]) == (None, 0)


async def test_a_delivery_is_dead_after_its_last_attempt_and_can_be_sent_again(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    receiver.status = 503
    async with running(make_worker(installation, FAST.model_copy(update={"most_attempts": 3}))):
        dead = [await send_test(installation, key, made["id"]) for _ in range(2)]
        for delivery_id in dead:
            delivery = await wait_for_end(installation, key, made["id"], delivery_id)
            assert (delivery["state"], delivery["attempts"]) == ("dead", 3)
        receiver.status = 200
        address = f"/api/v1/webhooks/{made['id']}"
        response = await installation.client.post(f"{address}/deliveries/{dead[0]}/replay", headers=key)
        (again,) = response.json()["deliveries"]
        delivery = await wait_for_end(installation, key, made["id"], again)
        assert (delivery["state"], delivery["replayed_from"]) == ("done", dead[0])
        assert receiver.received[-1].id == receiver.received[0].id
        response = await installation.client.post(f"{address}/replay", headers=key)
        (again,) = response.json()["deliveries"]
        assert (await wait_for_end(installation, key, made["id"], again))["replayed_from"] == dead[1]
        arrived = await installation.client.post(f"{address}/deliveries/{again}/replay", headers=key)
        (third,) = arrived.json()["deliveries"]
        with installation.engine.connect() as reader:
            recorded = reader.execute(
                text(
                    "SELECT action, kind, jobs, job_id::text FROM job_changes"
                    " WHERE webhook_id = :id ORDER BY id"
                ),
                {"id": made["id"]},
            ).all()
        assert recorded == [("replayed", "webhook", 1, id) for id in (dead[0], None, again)]
        await wait_for_end(installation, key, made["id"], third)
    log = await installation.read_log(key, made["id"])
    assert [delivery["state"] for delivery in log] == ["done", "done", "done", "replayed", "replayed"]
    response = await installation.client.post(f"{address}/deliveries/{dead[0]}/replay", headers=key)
    assert response.status_code == 404


async def test_a_receiver_that_hangs_holds_up_nobody(installation: Installation, receiver: Receiver) -> None:
    _, key = installation.a_tenant()
    _, other = installation.a_tenant()
    never = asyncio.Event()
    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(receiving())
        hanging.during = never.wait
        stack.callback(never.set)
        slow = await installation.subscribe(key, hanging.url, "job.done")
        same = await installation.subscribe(key, receiver.url, "job.done")
        quick = await installation.subscribe(other, receiver.url, "job.done")
        for _ in range(30):
            await send_test(installation, key, slow["id"])
        webhooks = FAST.model_copy(update={"timeout_s": 0.3, "longest_pause_s": 300.0, "list_deliveries": 10})
        await stack.enter_async_context(running(make_worker(installation, webhooks)))
        for owner, made in ((other, quick), (key, same)):
            delivery_id = await send_test(installation, owner, made["id"])
            delivery = await wait_for_end(installation, owner, made["id"], delivery_id)
            assert (delivery["state"], delivery["attempts"]) == ("done", 1)

        async def count_attempts() -> dict[str, Any]:
            log = await installation.read_log(key, slow["id"])
            return {"attempts": sum(len(delivery["errors"]) for delivery in log), "log": log}

        state = await installation.wait_for(count_attempts, lambda state: state["attempts"] >= 5)
        webhook = await find_webhook(installation, key, slow["id"])
    # It was not called for each of the thirty: after the first ones it gets nothing for a while.
    assert {delivery["state"] for delivery in state["log"]} <= {"waiting", "running"}
    assert len(hanging.received) < 30
    assert webhook["failures"] >= 1
    assert webhook["failing_since"] is not None
    assert any(
        error["reason"] == "the receiver did not answer within 0.3 seconds"
        for delivery in state["log"]
        for error in delivery["errors"]
    )


async def test_a_receiver_may_ask_for_time(installation: Installation, receiver: Receiver) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    receiver.status, receiver.headers = 429, {"Retry-After": "3600"}
    webhooks = FAST.model_copy(update={"longest_retry_after_s": 86400.0})
    for _ in range(8):
        await send_test(installation, key, made["id"])
    async with running(make_worker(installation, webhooks)):

        async def find() -> dict[str, Any]:
            log = await installation.read_log(key, made["id"])
            return {"postponed": sum(delivery["state"] == "waiting" for delivery in log), "log": log}

        query = (
            "SELECT count(*) FROM jobs WHERE state = 'waiting' AND available_at > now() + interval '59 min'"
        )
        await installation.wait_for(find, lambda _: installation.count(query) == 8)
    assert len(receiver.received) <= FAST.at_once
    log = await installation.read_log(key, made["id"])
    assert sum(delivery["attempts"] for delivery in log) == len(receiver.received)


async def test_a_receiver_that_is_gone_disables_its_webhook_and_the_others_hear_of_it(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    async with receiving() as gone:
        gone.status = 410
        made = await installation.subscribe(key, gone.url, "job.done")
        watching = await installation.subscribe(key, receiver.url, "webhook.disabled")
        async with running(make_worker(installation)):
            delivery_id = await send_test(installation, key, made["id"])
            delivery = await wait_for_end(installation, key, made["id"], delivery_id)
            assert (delivery["state"], delivery["attempts"]) == ("dead", 1)
            await installation.wait_for(
                lambda: find_webhook(installation, key, watching["id"]), lambda _: bool(receiver.received)
            )
            late = await send_test(installation, key, made["id"])
            delivery = await wait_for_end(installation, key, made["id"], late)
            assert delivery["errors"][0]["reason"].startswith("the webhook is disabled; enable it")
        assert len(gone.received) == 1
    webhook = await find_webhook(installation, key, made["id"])
    assert webhook["disabled_because"].startswith("the receiver answered with status 410")
    assert receiver.types == ["webhook.disabled"]
    data = receiver.received[0].event["data"]
    assert (data["webhook_id"], data["url"]) == (made["id"], gone.url)
    assert data["reason"] == webhook["disabled_because"]


async def test_days_of_failure_disable_a_webhook_and_a_delivery_between_them_does_not(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    receiver.status = 500
    days = timedelta(days=config.load().disabled_after_days)

    def fail_since(ago: timedelta, last: timedelta = timedelta()) -> None:
        with installation.engine.begin() as connection:
            connection.execute(
                text("UPDATE webhooks SET failing_since = now() - :ago, failed_at = now() - :last"),
                {"ago": ago, "last": last},
            )

    once = FAST.model_copy(update={"most_attempts": 1})
    async with running(make_worker(installation, once)):
        week = timedelta(days=7)
        for ago, last in ((timedelta(),) * 2, (days - timedelta(minutes=5), timedelta()), (week, week)):
            fail_since(ago, last)
            await wait_for_end(installation, key, made["id"], await send_test(installation, key, made["id"]))
            assert (await find_webhook(installation, key, made["id"]))["disabled_at"] is None
        fail_since(days + timedelta(minutes=5))
        await wait_for_end(installation, key, made["id"], await send_test(installation, key, made["id"]))
        webhook = await find_webhook(installation, key, made["id"])
        assert webhook["disabled_because"] == "for 5 days no delivery has arrived"
        receiver.status = 200
        response = await installation.client.patch(
            f"/api/v1/webhooks/{made['id']}", headers=key, json={"enabled": True}
        )
        assert (response.json()["disabled_at"], response.json()["failures"]) == (None, 0)
        delivery_id = await send_test(installation, key, made["id"])
        assert (await wait_for_end(installation, key, made["id"], delivery_id))["state"] == "done"


async def test_a_batch_has_one_event_when_its_last_job_ends(
    installation: Installation, receiver: Receiver, worker: Worker
) -> None:
    """The whole worker, which rewrites and delivers."""
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done", "answer.created")
    batch = await installation.send(key, [f"Fix ticket {n}." for n in range(120)])
    await installation.wait(key, batch["id"], is_over)

    async def find() -> dict[str, Any]:
        return {"log": await installation.read_log(key, made["id"])}

    await installation.wait_for(
        find, lambda state: bool(state["log"]) and all(d["state"] == "done" for d in state["log"])
    )
    assert receiver.types.count("job.done") == 1
    (done,) = [received.event for received in receiver.received if received.event["type"] == "job.done"]
    assert (done["data"]["batch"]["id"], done["data"]["batch"]["done"]) == (batch["id"], 120)
    answers = [
        answer
        for received in receiver.received
        if received.event["type"] == "answer.created"
        for answer in received.event["data"]["answers"]
    ]
    assert {answer["message"] for answer in answers} == {f"Fix ticket {n}." for n in range(120)}
    assert len(answers) == 120
    assert all("receipt" not in answer for answer in answers)
    assert len({uuid.UUID(answer["answer_id"]) for answer in answers}) == 120


async def test_each_attempt_at_a_delivery_has_a_span_and_the_receiver_learns_no_trace(
    collector: Collector, installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, f"{receiver.url}?token=planted-in-the-url", "job.done")
    receiver.status = 503
    async with running(make_worker(installation)):
        delivery_id = await send_test(installation, key, made["id"])
        await wait_for_failure(installation, key, made["id"], delivery_id)
        receiver.status = 204
        await wait_for_end(installation, key, made["id"], delivery_id)
    spans.stop()
    (requested,) = collector.named("job")
    assert values_of(requested) == {"id": delivery_id, "kind": "webhook"}
    (post,) = collector.linked(requested)
    assert values_of(post)["route"] == "/api/v1/webhooks/{webhook_id}/test"
    *failed, arrived = sorted(collector.named("attempt"), key=lambda span: values_of(span)["attempt"])
    assert failed
    for number, attempt in enumerate(failed, 1):
        values = values_of(attempt)
        assert (values["attempt"], values["status"], values["again"]) == (number, 503, 1)
        assert (values["host"], values["event"], values["reason"]) == (
            "127.0.0.1",
            "webhook.test",
            "receiver_status",
        )
        assert attempt.status.code == Status.STATUS_CODE_ERROR
    assert (values_of(arrived)["status"], values_of(arrived)["done"]) == (204, 1)
    assert {attempt.trace_id for attempt in [*failed, arrived]} == {requested.trace_id}
    assert not any("traceparent" in received.headers for received in receiver.received)
    for hidden in ("planted-in-the-url", made["secret"], key["X-API-Key"]):
        assert hidden.encode() not in b"".join(collector.bodies)


async def test_deliveries_link_to_what_they_are_about(
    collector: Collector, installation: Installation, receiver: Receiver, worker: Worker
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done", "answer.created", "feedback.given")
    batch = await installation.send(key, ["Fix it.", "Mend it."], user_id="ada")
    await installation.wait(key, batch["id"], is_over)
    response = await installation.client.get(f"/api/v1/jobs/batches/{batch['id']}/results", headers=key)
    receipt = json.loads(response.text.splitlines()[0])["answer"]["receipt"]
    vote = {"receipt": receipt, "kind": "thumb", "up": True}
    response = await installation.client.post("/api/v1/feedback", headers=key, json=vote)
    assert response.status_code == 201

    async def find() -> dict[str, Any]:
        log = await installation.read_log(key, made["id"])
        return {delivery["type"]: delivery["state"] for delivery in log}

    every = dict.fromkeys(("job.done", "answer.created", "feedback.given"), "done")
    await installation.wait_for(find, lambda states: states == every)
    spans.stop()
    about: dict[str, list[str]] = {}
    for attempt in collector.named("attempt"):
        if values_of(attempt)["kind"] == "webhook":
            names = [span.name for span in collector.linked(attempt)]
            about.setdefault(values_of(attempt)["event"], []).extend(names)
    assert about == {
        "job.done": ["batch"],
        "answer.created": ["output", "output"],
        "feedback.given": ["vote"],
    }
