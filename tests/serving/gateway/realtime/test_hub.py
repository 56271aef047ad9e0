"""Who gets which events, and what a client that comes back gets."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool

from data.database import transaction_of
from data.jobs import queue
from data.jobs.queue import Kind, NewJob
from data.traffic.notices import Notice, Subject
from serving.gateway.problems import UnavailableError
from serving.gateway.realtime import hub
from serving.gateway.realtime.hub import Hub, list_topics, parse_cursor, write_cursor
from tests.streams import until

RELEASES = (Subject.RELEASES,)


class Client:
    """In place of a connection: it keeps what it is sent."""

    def __init__(self) -> None:
        self.is_open, self.topics = True, None
        self.received: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        """Keep a message."""
        head = 2 if frame[1] < 126 else 4
        self.received.append(json.loads(frame[head:]))

    @property
    def versions(self) -> list[str]:
        """The versions of the releases that it has heard of."""
        return [m["data"]["version"] for m in self.received if m["type"] == "event"]


def release(version: str) -> Notice:
    return Notice(str(uuid.uuid4()), Subject.RELEASES, {"version": version})


def make(pool: Any, kept: int = 100, is_shared: bool = True) -> Hub:
    made = Hub(pool, b"r" * 32, CollectorRegistry(), is_shared, kept)
    made.load((1, 0), [])
    return made


@pytest.fixture
async def running(pool: AsyncConnectionPool) -> AsyncIterator[Hub]:
    made = make(pool)
    made.start()
    yield made
    await made.stop()


@given(
    steps=st.lists(st.sampled_from(["notice", "other", "leave", "return", "deliver"]), max_size=40),
    kept=st.integers(1, 8),
)
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_a_client_that_comes_back_misses_nothing_or_is_told(steps: list[str], kept: int) -> None:
    """Whatever happens: it gets every notice once and in order, or `reset` where one may be missing."""

    async def play() -> None:
        made, client = make(None, kept), Client()
        sent, seen = [], []
        cursor: str | None = None
        await made.subscribe(client, RELEASES, None)  # type: ignore[arg-type]
        number = 2

        async def deliver() -> None:
            events, made._events = made._events, []
            await made._send(events)

        def look() -> None:
            nonlocal cursor
            for message in client.received:
                cursor = message["cursor"]
                if message["type"] == "reset":
                    # What it has not seen so far it reads by other routes.
                    position = parse_cursor(cursor)
                    assert position is not None
                    seen.extend(version for at, version in sent if at <= position and version not in seen)
                else:
                    seen.append(message["data"]["version"])
            client.received.clear()

        for step in [*steps, "return", "deliver"]:
            match step:
                case "notice":
                    made.take((number, 0), release(str(number)))
                    sent.append(((number, 0), str(number)))
                case "other":
                    notice = Notice("n", Subject.EXPERIMENTS, {"experiment_id": str(uuid.uuid4())})
                    made._keep((number, 0), notice)
                case "deliver":
                    await deliver()
                    look()
                case "leave":
                    look()
                    made.leave(client)  # type: ignore[arg-type]
                    made._events = [event for event in made._events if event.only is None]
                case "return" if not client.topics:
                    await made.subscribe(client, RELEASES, cursor or "1-0")  # type: ignore[arg-type]
            number += 1
        look()
        assert seen == [version for _, version in sent]

    asyncio.run(play())


async def test_an_event_goes_to_subscribers_of_its_topic_only(running: Hub) -> None:
    one, all_, other = Client(), Client(), Client()
    experiment = uuid.uuid4()
    await running.subscribe(one, (Subject.EXPERIMENTS, experiment), None)  # type: ignore[arg-type]
    await running.subscribe(all_, (Subject.EXPERIMENTS, None), None)  # type: ignore[arg-type]
    await running.subscribe(other, RELEASES, None)  # type: ignore[arg-type]
    running.take((2, 0), Notice("1", Subject.EXPERIMENTS, {"experiment_id": str(experiment)}))
    running.take((3, 0), release("v2"))
    await until(lambda: other.received)
    assert other.versions == ["v2"]
    assert (one.received, all_.received) == ([], [])  # the experiment does not exist (any more)
    assert other.received[0]["cursor"] == "3-0"


async def test_changes_of_a_batch_that_come_together_are_shown_once_as_they_are_now(
    running: Hub, pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    jobs = [NewJob(Kind.REWRITE, {"text": "Fix it."}, str(n)) for n in range(3)]
    async with pool.connection() as connection, transaction_of(connection, organisation_id):
        batch_id = await queue.enqueue_batch(connection, organisation_id, "api_key:a", jobs, b"d")
    requester, admin, stranger = Client(), Client(), Client()
    await running.subscribe(requester, (Subject.JOBS, organisation_id, "api_key:a"), None)  # type: ignore[arg-type]
    await running.subscribe(admin, (Subject.JOBS, organisation_id, None), None)  # type: ignore[arg-type]
    await running.subscribe(stranger, (Subject.JOBS, organisation_id, "api_key:b"), None)  # type: ignore[arg-type]
    fields = {"organisation_id": str(organisation_id), "requested_by": "api_key:a", "batch_id": str(batch_id),
              "job_id": None}  # fmt: skip
    for number in range(2, 7):
        running.take((number, 0), Notice(str(number), Subject.JOBS, fields))
    await until(lambda: admin.received)
    (event,) = requester.received
    assert (event["type"], event["channel"], event["cursor"]) == ("event", "jobs", "6-0")
    assert (event["data"]["id"], event["data"]["messages"], event["data"]["waiting"]) == (str(batch_id), 3, 3)
    assert admin.received == requester.received
    assert stranger.received == []


async def test_events_wait_for_postgres(running: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    client, fails = Client(), [True]
    read = hub.documents.read

    async def read_when_it_works(*args: Any) -> Any:
        if fails:
            raise OSError(fails.pop())
        return await read(*args)

    monkeypatch.setattr(hub.documents, "read", read_when_it_works)
    await running.subscribe(client, RELEASES, None)  # type: ignore[arg-type]
    running.take((2, 0), release("v2"))
    await until(lambda: client.received)
    assert (client.versions, fails) == (["v2"], [])


async def test_without_postgres_nobody_subscribes_to_answers() -> None:
    pool = AsyncConnectionPool("postgresql://nobody@127.0.0.1:1/none", open=False, timeout=0.1)
    await pool.open(wait=False)
    made, client = make(pool), Client()
    with pytest.raises(UnavailableError):
        await made.subscribe(client, (Subject.ANSWERS, uuid.uuid4()), None)  # type: ignore[arg-type]
    assert client.topics is None
    await pool.close()


async def test_people_are_watched_as_long_as_somebody_subscribes(
    running: Hub, pool: AsyncConnectionPool
) -> None:
    people = [uuid.uuid4() for _ in range(20)]
    clients = [Client() for _ in range(40)]
    subscribed = (
        running.subscribe(client, (Subject.ANSWERS, person), None)  # type: ignore[arg-type]
        for client, person in zip(clients, people * 2, strict=True)
    )
    await asyncio.gather(*subscribed)
    assert dict(running._people) == dict.fromkeys(people, 2)
    for client in clients:
        running.leave(client)  # type: ignore[arg-type]
    assert not running._people
    assert not running._subscribers


async def test_without_redis_a_cursor_of_another_gateway_is_answered_with_reset() -> None:
    made, client = make(None, is_shared=False), Client()
    made.take((1, 1), release("v2"))
    for unknown in ("9-0", "0-5", "x", "1-", "-", "1-²", "9" * 50 + "-0"):
        await made.subscribe(client, RELEASES, unknown)  # type: ignore[arg-type]
        assert client.received.pop() == {"type": "reset", "channel": "releases", "cursor": "1-1"}, unknown
    await made.subscribe(client, RELEASES, "1-0")  # type: ignore[arg-type]
    await made._send(made._events)
    assert client.versions == ["v2"]


def test_what_is_old_is_forgotten_with_its_topics() -> None:
    made = make(None, kept=3)
    for number in range(2, 50):
        made.take((number, 0), Notice("n", Subject.EXPERIMENTS, {"experiment_id": str(uuid.uuid4())}))
    assert len(made._recent) == 3
    assert len(made._recent_by_topic) == 4
    assert made._floor == (46, 0)


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert parse_cursor(write_cursor((1795895645879, 3))) == (1795895645879, 3)


def test_a_job_concerns_its_requester_and_the_admins() -> None:
    organisation_id = uuid.uuid4()
    fields = {"organisation_id": str(organisation_id), "requested_by": "a", "batch_id": "b", "job_id": None}
    topics = list(list_topics(Notice("1", Subject.JOBS, fields)))
    assert topics == [(Subject.JOBS, organisation_id, "a"), (Subject.JOBS, organisation_id, None)]
