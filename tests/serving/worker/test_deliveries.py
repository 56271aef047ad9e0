"""Deliveries: signed, tried again, logged, replayed; receivers that fail, hang or are gone."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import WebhookVerificationError

from data.jobs.queue import Kind
from data.webhooks import config
from data.webhooks.config import WebhooksConfig
from serving.worker import deliveries
from serving.worker.deliveries import Deliveries
from serving.worker.loop import Worker
from serving.worker.receivers import Network
from serving.worker.receivers import Receiver as Connection
from tests.receivers import LOOPBACK, Receiver, receiving
from tests.serving.worker.conftest import Installation, is_over, running

SOON = {
    "first_retry_s": 0.01,
    "longest_retry_s": 0.05,
    "longest_pause_s": 0.05,
    "longest_retry_after_s": 0.05,
    "timeout_s": 600.0,
}
FAST = config.load().model_copy(update=SOON)


def make_worker(installation: Installation, webhooks: WebhooksConfig = FAST) -> Worker:
    """A worker that only delivers."""
    parts = installation.parts
    assert parts.settings.database_url is not None
    handler = Deliveries(parts.pool, webhooks, LOOPBACK)
    jobs = parts.jobs.model_copy(update={"poll_s": 0.02})
    return Worker(parts.pool, parts.settings.database_url, {Kind.WEBHOOK: handler}, jobs)


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
        await wait_for_end(installation, key, made["id"], third)
    log = await installation.read_log(key, made["id"])
    assert [delivery["state"] for delivery in log] == ["done", "done", "done", "replayed", "replayed"]
    response = await installation.client.post(f"{address}/deliveries/{dead[0]}/replay", headers=key)
    assert response.status_code == 404


async def test_a_receiver_that_hangs_holds_up_nobody(
    installation: Installation, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that hangs is given up soon, and has failed before, so that it gets nothing for minutes."""
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
        with installation.engine.begin() as connection:
            connection.execute(text("UPDATE webhooks SET failures = 9 WHERE id = :id"), {"id": slow["id"]})

        def connect(url: str, timeout_s: float, networks: Sequence[Network]) -> Connection:
            return Connection(url, 0.3 if url == hanging.url else timeout_s, networks)

        monkeypatch.setattr(deliveries, "Receiver", connect)
        webhooks = FAST.model_copy(update={"longest_pause_s": 300.0, "list_deliveries": 10})
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
    assert webhook["failures"] >= 10
    assert webhook["failing_since"] is not None
    assert any(
        error["reason"] == "the receiver did not answer within 0.3 seconds"
        for delivery in state["log"]
        for error in delivery["errors"]
    )


async def test_a_receiver_may_ask_for_time(installation: Installation, receiver: Receiver) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "job.done")
    receiver.status, receiver.headers = 429, {"Retry-After": "86400"}
    webhooks = FAST.model_copy(update={"longest_retry_after_s": 86400.0})
    for _ in range(8):
        await send_test(installation, key, made["id"])
    async with running(make_worker(installation, webhooks)):

        async def find() -> dict[str, Any]:
            log = await installation.read_log(key, made["id"])
            return {"postponed": sum(delivery["state"] == "waiting" for delivery in log), "log": log}

        query = (
            "SELECT count(*) FROM jobs WHERE state = 'waiting' AND available_at > now() + interval '23 hours'"
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
