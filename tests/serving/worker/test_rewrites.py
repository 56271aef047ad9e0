"""Batches of messages, from the request to the download."""

import csv
import dataclasses
import io
import json
import math
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from data.database import transaction_of
from data.erasure import rows, whom
from data.jobs import queue
from data.jobs.queue import ClaimedJob, Kind
from data.records import TransformType
from data.tables import new_id
from data.traffic import receipts
from serving.gateway.online.admission import Admission
from serving.gateway.online.answering import Online
from serving.gateway.online.upstream import Upstream
from serving.inference.client import InferenceClient, InferenceUnavailable, Item
from serving.observability import spans
from serving.worker.app import make_worker
from serving.worker.loop import Worker
from serving.worker.rewrites import Rewrites
from tests import gateways
from tests.collectors import Collector, values_of
from tests.serving.worker.conftest import Installation, is_over, running
from tests.streams import V1

TEXTS = [f"Fix ticket {n}." for n in range(120)]
WORKER = new_id()


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


async def test_a_message_has_the_dictionary_of_its_person(installation: Installation, worker: Worker) -> None:
    _, key = installation.a_tenant()
    for body in (
        {"scope": "organisation", "term": "ticket", "rule": "replace", "wording": "case"},
        {"scope": "own", "term": "Fix", "rule": "keep", "user_id": "ada"},
    ):
        assert (
            await installation.client.post("/api/v1/dictionary", headers=key, json=body)
        ).status_code == 201
    for person, terms in (("ada", ["Fix", "ticket"]), ("ben", ["ticket"])):
        batch = await installation.send(key, [f"Fix the ticket. {person}"], user_id=person)
        await installation.wait(key, batch["id"], is_over)
        assert [term["term"] for term in installation.service.items[-1]["terms"]] == terms


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


async def test_a_batch_is_traced_from_its_request_to_its_outputs(
    collector: Collector, installation: Installation, worker: Worker
) -> None:
    _, key = installation.a_tenant()
    batch = await installation.send(key, [*TEXTS[:60], TEXTS[0]])
    await installation.wait(key, batch["id"], is_over)
    spans.stop()
    (requested,) = collector.named("batch")
    assert values_of(requested) == {"id": batch["id"], "messages": 61}
    (post,) = collector.linked(requested)
    assert (post.name, values_of(post)["route"]) == ("POST", "/api/v1/jobs/batches")

    attempts = collector.named("attempt")
    assert sum(values_of(attempt)["done"] for attempt in attempts) == 61
    for attempt in attempts:
        values = values_of(attempt)
        assert (values["kind"], values["attempt"], values["jobs"]) == ("rewrite", 1, values["done"])
        assert values["age_ms"] >= 0
        assert collector.linked(attempt) == [requested]
        assert (attempt.trace_id, attempt.parent_span_id) == (requested.trace_id, b"")
    assert len(attempts) < 61, "a span for a list, and not one for each message"
    assert "inference" in collector.in_trace_of(requested)
    outputs = collector.named("output")
    assert len(outputs) == 60
    for output in outputs:
        (source,) = collector.linked(output)
        assert source in attempts
    assert b"Fix ticket" not in b"".join(collector.bodies)


async def test_each_failed_attempt_has_a_span_with_the_code_of_its_reason(
    collector: Collector, installation: Installation
) -> None:
    _, key = installation.a_tenant()
    installation.service.list_status = 500
    fast = installation.parts.jobs.model_copy(
        update={"most_attempts": 2, "first_retry_s": 0.01, "poll_s": 0.05}
    )
    async with running(make_worker(dataclasses.replace(installation.parts, jobs=fast))):
        batch = await installation.send(key, ["Fix it."])
        await installation.wait(key, batch["id"], is_over)
    spans.stop()
    first, last = sorted(map(values_of, collector.named("attempt")), key=lambda values: values["attempt"])
    assert (first["attempt"], first["again"], first["reason"]) == (1, 1, "version_cannot_answer")
    assert (last["attempt"], last["dead"], last["reason"]) == (2, 1, "version_cannot_answer")
    for attempt in collector.named("attempt"):
        assert attempt.status.code == Status.STATUS_CODE_ERROR


class Clock:
    """Simulated seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_rewrites(
    installation: Installation,
    upstream: Upstream,
    clock: Clock,
    uniform: Callable[[float, float], float] = lambda low, high: high,
) -> Rewrites:
    """A handler with this way to the service, whose random waits are the longest unless `uniform` draws."""
    parts = installation.parts
    online = Online(
        parts.pool, parts.directory, parts.dictionaries, parts.cache, upstream, parts.answers,
        parts.receipt_secret, 0.0,
    )  # fmt: skip
    return Rewrites(
        parts.pool, parts.directory, online, parts.answers, parts.plans, parts.jobs, clock, uniform
    )


@asynccontextmanager
async def unreachable(installation: Installation, clock: Clock) -> AsyncIterator[Upstream]:
    """A service that answers 503, and its breaker, by this clock, is open."""
    installation.service.list_status = 503
    token = installation.parts.settings.secret("service_token")
    inference = InferenceClient([installation.service.url], token, clock)
    item = Item(text="Fix it.", transform_type=TransformType.SOFTEN, intensity=2)
    for _ in range(3):
        with pytest.raises(InferenceUnavailable):
            await inference.rewrite(V1, [item])
    assert inference.open_breakers == 1
    yield Upstream(inference)
    await inference.close()


async def claim(installation: Installation, most: int = 50) -> list[ClaimedJob]:
    async with installation.parts.pool.connection() as connection:
        return await queue.claim(connection, WORKER, Kind.REWRITE, 60, most, {"scale": 1000})


async def test_a_service_that_is_not_called_is_asked_ever_less_often(installation: Installation) -> None:
    """Its error says two seconds; the random part doubles up to a bound of 60."""
    _, key = installation.a_tenant()
    await installation.send(key, TEXTS[:3])
    claimed, clock = await claim(installation), Clock()
    async with unreachable(installation, clock) as upstream:
        rewrites = make_rewrites(installation, upstream, clock)
        waits = []
        for _ in range(8):
            clock.now += 1000
            # The breaker lets one call through by now, and it fails, too. It is of the first message alone.
            alone = await rewrites(claimed[:1])
            assert (alone.failures[0].is_counted, rewrites.is_ready) == (True, True)
            work = await rewrites(claimed)
            assert not work.results
            assert not rewrites.is_ready
            assert {failure.reasons[0].code for failure in work.failures} == {"version_cannot_answer"}
            assert not any(failure.is_counted for failure in work.failures)
            (wait_s,) = {failure.retry_s for failure in work.failures}
            clock.now += wait_s - 0.1
            assert not rewrites.is_ready
            clock.now += 0.1
            assert rewrites.is_ready
            waits.append(wait_s)
    assert waits == [2 + jitter for jitter in (1, 2, 4, 8, 16, 32, 60, 60)]


async def test_the_jobs_of_a_refused_list_come_back_at_different_times(installation: Installation) -> None:
    _, key = installation.a_tenant()
    await installation.send(key, TEXTS[:50])
    claimed, clock = await claim(installation), Clock()
    async with unreachable(installation, clock) as upstream:
        rewrites = make_rewrites(installation, upstream, clock, random.Random(20).uniform)
        first, second = await rewrites(claimed), await rewrites(claimed)
    for work, bound_s in ((first, 1), (second, 2)):
        waits = [failure.retry_s or 0.0 for failure in work.failures]
        assert len(set(waits)) == 50
        assert 2 <= min(waits) < 2 + 0.2 * bound_s
        assert 2 + 0.8 * bound_s < max(waits) <= 2 + bound_s


async def test_a_message_that_would_wait_too_long_comes_back_when_the_service_says(
    installation: Installation,
) -> None:
    """The service is stuck with one message, so the others are refused for one to two times ten seconds."""
    _, key = installation.a_tenant()
    await installation.send(key, TEXTS[:20])
    claimed, clock = await claim(installation), Clock()
    admission = Admission(patience_s=10, in_flight=1, clock=clock)
    await admission.enter(V1, admission.ticket())
    clock.now += 100
    upstream = Upstream(installation.parts.inference, admission=admission)
    rewrites = make_rewrites(installation, upstream, clock, random.Random(20).uniform)
    work = await rewrites(claimed)
    assert {failure.reasons[0].code for failure in work.failures} == {"too_many_waiting"}
    assert not any(failure.is_counted for failure in work.failures)
    waits = [failure.retry_s or 0.0 for failure in work.failures]
    assert 10 <= min(waits) < max(waits) <= 21
    assert {math.floor(wait) for wait in waits} > {math.floor(min(waits))}
    assert installation.service.lists == 0
    clock.now += 10
    assert not rewrites.is_ready
    clock.now += 11
    assert rewrites.is_ready


async def test_a_list_that_the_service_takes_in_part_holds_nothing_back(installation: Installation) -> None:
    _, key = installation.a_tenant()
    await installation.send(key, TEXTS[:20])
    claimed, clock = await claim(installation), Clock()
    upstream = Upstream(installation.parts.inference, max_waiting=5)
    rewrites = make_rewrites(installation, upstream, clock)
    for _ in range(2):
        work = await rewrites(claimed)
        assert (len(work.results), len(work.failures)) == (5, 15)
        assert rewrites.is_ready
        waits = [failure.retry_s or 0.0 for failure in work.failures]
        assert all(2 <= wait <= 3 + 1 for wait in waits), "they do not grow"


async def test_answers_of_the_cache_do_not_show_that_the_service_works(installation: Installation) -> None:
    tenant, key = installation.a_tenant()
    await installation.send(key, TEXTS[:2])
    claimed, clock = await claim(installation), Clock()
    working = make_rewrites(installation, Upstream(installation.parts.inference), clock)
    work = await working(claimed[:1])
    async with installation.parts.pool.connection() as connection, transaction_of(connection, tenant):
        await work.store(connection, {claimed[0].id})
    async with unreachable(installation, clock) as upstream:
        rewrites = make_rewrites(installation, upstream, clock)
        assert rewrites._online._cache is working._online._cache
        work.stored({claimed[0].id})
        work = await rewrites(claimed)
    assert ([job.id for job, _ in work.results], len(work.failures)) == ([claimed[0].id], 1)
    assert not rewrites.is_ready


async def test_an_outage_of_ten_minutes_costs_a_claim_or_two_of_each_waiting_job(
    installation: Installation,
) -> None:
    """What the loop of a worker does, in simulated time; a list takes it 20 ms."""
    tenant, key = installation.a_tenant()
    await installation.send(key, [f"Fix ticket {n}." for n in range(1000)])
    clock, claims, passed_s = Clock(), 0, 0.0

    def let_time_pass() -> None:
        with installation.engine.begin() as owner:
            owner.exec_driver_sql(
                "UPDATE jobs SET available_at = available_at - make_interval(secs => %s)"
                " WHERE state = 'waiting'",
                (passed_s,),
            )

    async with unreachable(installation, clock) as upstream:
        rewrites = make_rewrites(installation, upstream, clock, random.Random(20).uniform)
        while clock.now < 1600:
            claimed = []
            if rewrites.is_ready:
                let_time_pass()
                passed_s = 0.0
                claimed = await claim(installation)
            if claimed:
                claims += len(claimed)
                work = await rewrites(claimed)
                assert len(work.failures) == len(claimed)
                async with (
                    installation.parts.pool.connection() as connection,
                    transaction_of(connection, tenant),
                ):
                    await queue.fail(connection, WORKER, work.failures)
            step_s = 0.02 if claimed else installation.parts.jobs.poll_s
            clock.now += step_s
            passed_s += step_s
        waiting = "SELECT count(*) FROM jobs WHERE state = 'waiting' AND organisation_id = :id"
        assert installation.count(waiting, id=tenant) == 1000
        assert 500 <= claims <= 2000, claims

        installation.service.list_status = 200
        clock.now += installation.parts.jobs.longest_pause_s + 2
        passed_s = clock.now
        let_time_pass()
        assert rewrites.is_ready
        work = await rewrites(await claim(installation))
        assert 0 < len(work.results) < 50, "of the first list the breaker lets one call through"
        assert rewrites.is_ready
        work = await rewrites(await claim(installation))
        assert len(work.results) == 50
