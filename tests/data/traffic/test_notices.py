"""Which changes are announced, at the commit and not before."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from data.database import transaction_of
from data.jobs import queue
from data.jobs.queue import Kind, NewJob
from data.reasons import written
from data.records import Spec
from data.tables import Analysis, Decision, Experiment, Release, Version, new_id
from data.traffic import answers, notices, routing
from data.traffic.answers import NewAnswer, Person, Placement
from data.traffic.notices import Notice, Subject
from data.traffic.routing import Routing


class Listener:
    """Reads the notices of a database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def read(self) -> list[Notice]:
        """The notices so far: those before one of our own."""
        self._connection.execute("SELECT pg_notify(%s, 'end')", (notices.CHANNEL,))
        read = []
        for sent in self._connection.notifies(timeout=60):
            if sent.payload == "end":
                return read
            read.append(notices.parse(sent.payload))
        raise AssertionError("no notice came within a minute")

    def fields(self, subject: Subject) -> list[dict[str, Any]]:
        """What the notices about a subject say."""
        return [dict(notice.fields) for notice in self.read() if notice.subject is subject]


@pytest.fixture
def listener(database_url: str) -> Iterator[Listener]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'LISTEN "{notices.CHANNEL}"')
        yield Listener(connection)


@pytest.fixture
def experiment_id(listener: Listener, engine: Engine) -> uuid.UUID:
    """A draft, made while the listener listens."""
    id = new_id()
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=id, name="e", hypothesis="none", plan={}, salt="s"))
    return id


async def enqueue(connection: AsyncConnection, organisation_id: uuid.UUID, messages: int) -> uuid.UUID:
    jobs = [NewJob(Kind.REWRITE, {"text": "Fix it."}, str(n)) for n in range(messages)]
    async with transaction_of(connection, organisation_id):
        return await queue.enqueue_batch(connection, organisation_id, "api_key:a", jobs, b"d")


async def test_a_change_of_a_batch_is_one_notice(
    connection: AsyncConnection, organisation_id: uuid.UUID, listener: Listener, engine: Engine
) -> None:
    batch_id = await enqueue(connection, organisation_id, 3)
    about = {"organisation_id": str(organisation_id), "requested_by": "api_key:a", "batch_id": str(batch_id),
             "job_id": None}  # fmt: skip
    assert listener.fields(Subject.JOBS) == [about]
    with engine.begin() as owner:  # as a worker that renews its leases
        owner.execute(text("UPDATE jobs SET available_at = now() WHERE batch_id = :id"), {"id": batch_id})
    async with transaction_of(connection, organisation_id):
        await queue.cancel(connection, batch_id, "api_key:a")
    assert listener.fields(Subject.JOBS) == [about]


async def test_an_export_is_announced_and_a_job_of_nobody_is_not(
    connection: AsyncConnection, organisation_id: uuid.UUID, listener: Listener
) -> None:
    async with transaction_of(connection, organisation_id):
        await queue.enqueue(connection, organisation_id, "a", [NewJob(Kind.REWRITE, {}, "1")])
        (job_id,) = await queue.enqueue(connection, organisation_id, "a", [NewJob(Kind.EXPORT, {}, "2")])
    (fields,) = listener.fields(Subject.JOBS)
    assert (fields["batch_id"], fields["job_id"]) == (None, str(job_id))


async def test_what_is_rolled_back_is_not_announced(
    connection: AsyncConnection, organisation_id: uuid.UUID, listener: Listener
) -> None:
    async with transaction_of(connection, organisation_id):
        await queue.enqueue(connection, organisation_id, "a", [NewJob(Kind.EXPORT, {}, "1")])
        raise psycopg.Rollback
    assert listener.read() == []


async def test_answers_are_announced_only_for_people_who_are_watched(
    pool: AsyncConnectionPool,
    organisation_id: uuid.UUID,
    listener: Listener,
    database_url: str,
    experiment_id: uuid.UUID,
) -> None:
    await answers.ensure_partitions(database_url, datetime.now(UTC).date())
    watched, unwatched, no_longer = (
        Person(uuid.uuid4(), organisation_id, None, name) for name in ("ann", "bob", "cid")
    )
    output_id = new_id()
    placement = Placement(experiment_id, "challenger", 7)
    rows = [
        NewAnswer(new_id().bytes, output_id.bytes, person, placement, "l1", False, 1.0)
        for person in (watched, unwatched, no_longer)
    ]
    async with pool.connection() as connection:
        await notices.watch(connection, [watched.id], 3600)
        await notices.watch(connection, [watched.id], -3600)  # the later end holds
        await notices.watch(connection, [no_longer.id], -1)
        async with connection.transaction():
            await answers.store(connection, rows, quotas={})
    assert listener.fields(Subject.ANSWERS) == [
        {
            "answer_id": str(uuid.UUID(bytes=rows[0].id)), "output_id": str(output_id),
            "organisation_id": str(organisation_id), "user_id": str(watched.id),
            "experiment_id": str(experiment_id), "variant": "challenger", "epoch": 7, "cache": "l1",
            "fallback": False,
        }
    ]  # fmt: skip


def test_an_experiment_is_announced_when_its_state_or_evidence_changes(
    engine: Engine, listener: Listener, experiment_id: uuid.UUID
) -> None:
    with Session(engine) as session, session.begin():
        experiment = session.get_one(Experiment, experiment_id)
        experiment.seen_until = 9  # nobody sees that
    with Session(engine) as session, session.begin():
        session.get_one(Experiment, experiment_id).status = "running"
        session.add(Analysis(experiment_id=experiment_id, analysed_at=datetime.now(UTC), evidence={}))
        decision = Decision(
            experiment_id=experiment_id, action="pause", parameters={}, reasons=[], requested_by="a",
            idempotency_key=str(new_id()),
        )  # fmt: skip
        session.add(decision)
    with Session(engine) as session, session.begin():
        session.merge(decision).outcome = "done"
    own = [f for f in listener.fields(Subject.EXPERIMENTS) if f["experiment_id"] == str(experiment_id)]
    assert own[0] == {"experiment_id": str(experiment_id), "change": "status", "status": "draft"}
    assert {(f["change"], f.get("status"), f.get("outcome")) for f in own[1:-1]} == {
        ("status", "running", None),
        ("analysis", None, None),
        ("decision", None, None),
    }
    assert (own[-1]["change"], own[-1]["action"], own[-1]["outcome"]) == ("decision", "pause", "done")


def test_a_release_is_announced(engine: Engine, listener: Listener) -> None:
    version = f"v-{new_id()}"
    with Session(engine) as session, session.begin():
        spec = Spec(version=version)
        epoch = routing.publish(session, Routing(champion=spec), "a test")
        session.add(Version(name=version, run_id="r", method="sft", metrics={}, accepted=True, reasons=[]))
        session.flush()
        session.add(Release(version=version, spec_digest=spec.digest, epoch=epoch, reasons=written("a test")))
    assert listener.fields(Subject.RELEASES) == [{"version": version, "replaced": None, "epoch": epoch}]


def test_a_notice_is_read_as_it_was_written() -> None:
    notice = Notice("1", Subject.RELEASES, {"version": "v1"})
    assert notices.parse(notice.encode()) == notice
    with pytest.raises(ValueError, match="unheard"):
        notices.parse('{"id": "1", "subject": "unheard"}')
