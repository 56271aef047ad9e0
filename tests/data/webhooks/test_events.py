"""Each thing that happens enqueues its event for the webhooks that want it, in its own transaction."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import ProgrammingError

from data import database
from data.reasons import reason
from data.tables import (
    Decision,
    Epoch,
    Experiment,
    Feedback,
    Output,
    Release,
    Snapshot,
    StoredSpec,
    User,
    Version,
    Webhook,
    new_id,
)
from data.traffic import answers
from data.webhooks import events
from data.webhooks.events import Event, EventType
from tests.gateways import an_organisation
from tests.waiting import until


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def organisation(engine: Engine) -> uuid.UUID:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE webhooks, job_files, jobs, job_batches"))
    return an_organisation(engine, "free")


def subscribe(engine: Engine, organisation_id: uuid.UUID, *kinds: EventType, **fields: Any) -> uuid.UUID:
    values = {
        "id": new_id(),
        "organisation_id": organisation_id,
        "url": "https://example.org/",
        "events": kinds,
        "description": "",
        "secret": b"s" * 32,
        "created_by": "a test",
        **fields,
    }
    with engine.begin() as connection:
        connection.execute(insert(Webhook).values(values))
    return uuid.UUID(str(values["id"]))


def read(engine: Engine, webhook_id: uuid.UUID) -> list[Event]:
    """The events that are enqueued for a webhook, the oldest first."""
    query = text("SELECT payload FROM jobs WHERE webhook_id = :id AND kind = 'webhook' ORDER BY id")
    with engine.connect() as connection:
        return [events.parse(payload) for (payload,) in connection.execute(query, {"id": webhook_id})]


def make_output(connection: Connection, organisation_id: uuid.UUID) -> tuple[uuid.UUID, uuid.UUID]:
    """The ids of a new person and of an output."""
    person, output = new_id(), new_id()
    connection.execute(
        insert(User).values(id=person, organisation_id=organisation_id, key_id="k", external_id=str(person))
    )
    connection.execute(
        insert(Output).values(
            id=output,
            organisation_id=organisation_id,
            message="m",
            transform_type="soften",
            intensity=1,
            text="t",
            facts_missing=[],
            spec_digest="d",
            version="v1",
            upstream_ms=1.0,
        )
    )
    return person, output


def add_answers(connection: Connection, organisation_id: uuid.UUID, number: int) -> list[str]:
    """The ids of new answers of one statement."""
    connection.execute(
        text("SELECT ensure_answer_partitions(:today, 2)"), {"today": datetime.now(UTC).date()}
    )
    ids = [str(new_id()) for _ in range(number)]
    connection.execute(
        text(
            "INSERT INTO answers (id, output_id, organisation_id, user_id, variant, epoch, cache, fell_back,"
            " total_ms) SELECT id, gen_random_uuid(), :organisation, gen_random_uuid(), 'champion', 1, 'l1',"
            " false, 1 FROM unnest(cast(:ids AS uuid[])) AS id"
        ),
        {"organisation": organisation_id, "ids": ids},
    )
    return ids


def test_answers_are_enqueued_by_hundreds_to_their_organisation(
    engine: Engine, organisation: uuid.UUID
) -> None:
    hook = subscribe(engine, organisation, EventType.ANSWER_CREATED)
    other = subscribe(engine, an_organisation(engine), EventType.ANSWER_CREATED)
    deaf = subscribe(engine, organisation, EventType.FEEDBACK_GIVEN)
    disabled = subscribe(engine, organisation, EventType.ANSWER_CREATED, disabled_at=datetime.now(UTC))
    with engine.begin() as connection:
        ids = add_answers(connection, organisation, 250)
    # Deliveries of the same millisecond are in any order.
    lists = sorted(event.subject["answer_ids"] for event in read(engine, hook))
    assert [len(answer_ids) for answer_ids in lists] == [100, 100, 50]
    assert [id for answer_ids in lists for id in answer_ids] == ids
    assert read(engine, other) == read(engine, deaf) == read(engine, disabled) == []


def test_what_is_rolled_back_is_not_enqueued(engine: Engine, organisation: uuid.UUID) -> None:
    hook = subscribe(engine, organisation, EventType.ANSWER_CREATED)
    with engine.connect() as connection:
        add_answers(connection, organisation, 1)
        connection.rollback()
    assert read(engine, hook) == []


def test_votes_are_enqueued_when_they_are_given_and_when_they_change(
    engine: Engine, organisation: uuid.UUID
) -> None:
    hook = subscribe(engine, organisation, EventType.FEEDBACK_GIVEN)
    vote = new_id()
    with engine.begin() as connection:
        person, output = make_output(connection, organisation)
        connection.execute(
            insert(Feedback).values(
                id=vote,
                organisation_id=organisation,
                user_id=person,
                output_id=output,
                kind="thumb",
                thumb_up=True,
            )
        )
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE feedback SET thumb_up = false, updated_at = now() WHERE id = :id"), {"id": vote}
        )
        connection.execute(text("UPDATE feedback SET experiment_id = NULL WHERE id = :id"), {"id": vote})
    assert [event.subject for event in read(engine, hook)] == 2 * [{"vote_id": str(vote)}]


def test_what_happens_to_the_installation_is_enqueued(engine: Engine, organisation: uuid.UUID) -> None:
    hook = subscribe(engine, organisation, *events.OF_THE_INSTALLATION)
    experiment, waiting = new_id(), new_id()
    why = [reason("people_prefer_champion")]
    name = f"v{uuid.uuid4().hex[:8]}"
    with engine.begin() as connection:
        for accepted, version in ((True, name), (False, f"{name}-refused")):
            connection.execute(
                insert(Version).values(
                    name=version, run_id="r", method="sft", metrics={}, accepted=accepted, reasons=why
                )
            )
        epoch = connection.execute(text("SELECT coalesce(max(number), 0) + 1 FROM epochs")).scalar_one()
        connection.execute(insert(Epoch).values(number=epoch, routing={}, reasons=[]))
        connection.execute(insert(StoredSpec).values(digest=name, spec={}))
        connection.execute(
            insert(Release).values(version=name, replaced=None, spec_digest=name, epoch=epoch, reasons=[])
        )
        for accepted, digest in ((True, "fine"), (False, "bad")):
            connection.execute(
                insert(Snapshot).values(
                    digest=digest, path="p", counts={"pairs": 1}, high_water=1, accepted=accepted, reasons=why
                )
            )
        connection.execute(text("UPDATE snapshots SET accepted = false WHERE digest = 'fine'"))
        connection.execute(text("UPDATE snapshots SET accepted = false WHERE digest = 'fine'"))
        connection.execute(
            insert(Experiment).values(
                id=experiment, name="e", salt="s", plan={}, status="running", hypothesis="h"
            )
        )
        decision = {"experiment_id": experiment, "parameters": {}, "requested_by": "flow:experiment"}
        connection.execute(
            insert(Decision).values(
                id=waiting, action="ship", reasons=why, idempotency_key=str(waiting), **decision
            )
        )
    with engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET claimed_at = now() WHERE id = :id"), {"id": waiting})
        connection.execute(
            text("UPDATE decisions SET outcome = 'done', done_at = now() WHERE id = :id"), {"id": waiting}
        )
    named = {(event.type.value, _name(event)) for event in read(engine, hook)}
    assert named == {
        ("version.refused", f"{name}-refused"),
        ("version.released", name),
        ("snapshot.refused", "bad"),
        ("snapshot.refused", "fine"),
        ("experiment.decided", str(waiting)),
    }
    assert len(read(engine, hook)) == len(named)
    (decided,) = [e for e in read(engine, hook) if e.type is EventType.EXPERIMENT_DECIDED]
    assert (decided.subject["action"], decided.subject["outcome"]) == ("ship", "done")
    assert decided.subject["reasons"][0]["code"] == "people_prefer_champion"


def _name(event: Event) -> str:
    subject = event.subject
    return str(subject.get("decision_id") or subject.get("snapshot") or subject["version"])


async def use(engine: Engine, organisation_id: uuid.UUID, number: int, quotas: dict[str, int | None]) -> None:
    """Count texts of an organisation as the gateway does."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await answers.store(connection, [], written={organisation_id: number}, quotas=quotas)


async def test_a_quota_is_enqueued_at_four_fifths_and_at_its_end_once(
    engine: Engine, organisation: uuid.UUID
) -> None:
    hook = subscribe(engine, organisation, EventType.QUOTA_NEAR)
    for number in (79, 1, 0, 10, 9, 1, 5):
        await use(engine, organisation, number, {"free": 100})
    shares = sorted((event.subject["share"], event.subject["answers"]) for event in read(engine, hook))
    assert shares == [(0.8, 80), (1, 100)]
    unlimited = an_organisation(engine, "scale")
    other = subscribe(engine, unlimited, EventType.QUOTA_NEAR)
    await use(engine, unlimited, 1_000_000, {"free": 100, "scale": None})
    assert read(engine, other) == []
    jump = an_organisation(engine, "free")
    third = subscribe(engine, jump, EventType.QUOTA_NEAR)
    await use(engine, jump, 500, {"free": 100})
    assert sorted(event.subject["share"] for event in read(engine, third)) == [0.8, 1]


def test_too_many_waiting_deliveries_are_counted_and_not_enqueued(
    engine: Engine, organisation: uuid.UUID
) -> None:
    hook = subscribe(engine, organisation, EventType.FEEDBACK_GIVEN)
    with engine.begin() as connection:
        person, output = make_output(connection, organisation)
        connection.execute(
            text(
                "INSERT INTO jobs (id, organisation_id, kind, payload, key, webhook_id, requested_by)"
                " SELECT gen_random_uuid(), :organisation, 'webhook', '{}', 'full:' || n, :hook, 'a test'"
                " FROM generate_series(1, 9999) AS n"
            ),
            {"organisation": organisation, "hook": hook},
        )
    for kind in ("thumb", "rating", "comment"):
        values = {"thumb": {"thumb_up": True}, "rating": {"rating": 3}, "comment": {"text": "c"}}[kind]
        with engine.begin() as connection:
            connection.execute(
                insert(Feedback).values(
                    id=new_id(),
                    organisation_id=organisation,
                    user_id=person,
                    output_id=output,
                    kind=kind,
                    **values,
                )
            )
    with engine.connect() as connection:
        query = text(
            "SELECT skipped, (SELECT count(*) FROM jobs WHERE webhook_id = :id) FROM webhooks WHERE id = :id"
        )
        assert connection.execute(query, {"id": hook}).one() == (2, 10_000)


def test_two_workers_that_end_a_batch_together_enqueue_one_event(
    engine: Engine, organisation: uuid.UUID
) -> None:
    """Each ends its half in a transaction that is open while the other one ends its half."""
    hook = subscribe(engine, organisation, EventType.JOB_DONE)
    batch = new_id()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO job_batches (id, organisation_id, requested_by, request_digest, messages)"
                " VALUES (:id, :organisation, 'a test', '', 4)"
            ),
            {"id": batch, "organisation": organisation},
        )
        connection.execute(
            text(
                "INSERT INTO jobs (id, organisation_id, kind, payload, key, batch_id, place, requested_by)"
                " SELECT gen_random_uuid(), :organisation, 'rewrite', '{}', :batch || ':' || n, :batch, n,"
                " 'a test' FROM generate_series(0, 3) AS n"
            ),
            {"organisation": organisation, "batch": batch},
        )
    end = text("UPDATE jobs SET state = 'done' WHERE batch_id = :batch AND place % 2 = :half")
    with engine.connect() as first:
        first.execute(end, {"batch": batch, "half": 0})

        def end_the_other_half() -> None:
            with engine.begin() as second:
                second.execute(end, {"batch": batch, "half": 1})

        thread = threading.Thread(target=end_the_other_half)
        thread.start()
        _wait_for_a_lock(engine)
        first.commit()
        thread.join()
    assert [event.subject for event in read(engine, hook)] == [{"batch_id": str(batch), "job_id": None}]


def test_a_webhook_that_is_deleted_meanwhile_fails_nobody(engine: Engine, organisation: uuid.UUID) -> None:
    hook = subscribe(engine, organisation, EventType.FEEDBACK_GIVEN)
    with engine.begin() as connection:
        person, output = make_output(connection, organisation)
    errors: list[Exception] = []

    def vote() -> None:
        values = {
            "id": new_id(),
            "organisation_id": organisation,
            "user_id": person,
            "output_id": output,
            "kind": "thumb",
            "thumb_up": True,
        }
        try:
            with engine.begin() as connection:
                connection.execute(insert(Feedback).values(values))
        except Exception as error:
            errors.append(error)

    with engine.connect() as deleting:
        deleting.execute(text("DELETE FROM webhooks WHERE id = :id"), {"id": hook})
        thread = threading.Thread(target=vote)
        thread.start()
        _wait_for_a_lock(engine)
        deleting.commit()
        thread.join()
    assert errors == []
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM feedback WHERE output_id = :id")
        assert connection.execute(query, {"id": output}).scalar_one() == 1


def _wait_for_a_lock(engine: Engine) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def count() -> int:
        with engine.connect() as connection:
            return connection.execute(query).scalar_one()

    until(count)


def test_ids_of_deliveries_are_ordered_by_time(engine: Engine) -> None:
    with engine.connect() as connection:
        before = new_id()
        made = connection.execute(text("SELECT time_ordered_id()")).scalar_one()
        after = new_id()
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert before.int >> 80 <= made.int >> 80 <= (after.int >> 80) + 1, "Postgres may round up"


def test_every_event_that_can_be_subscribed_to_is_published(engine: Engine) -> None:
    with engine.connect() as connection:
        query = "SELECT string_agg(prosrc, '') FROM pg_proc WHERE proname LIKE 'publish_%'"
        source = connection.execute(text(query)).scalar_one()
    assert {kind for kind in EventType if f"'{kind.value}'" in source} == set(events.SUBSCRIBABLE)


def test_a_process_that_faces_strangers_can_publish_nothing_and_sees_its_tenant_only(
    engine: Engine, organisation: uuid.UUID
) -> None:
    other = an_organisation(engine)
    with engine.begin() as connection:
        add_answers(connection, organisation, 2)
        add_answers(connection, other, 1)
    with engine.connect() as connection:
        connection.execute(text("SET ROLE tonebridge_online"))
        count = text("SELECT count(*) FROM own_answers")
        assert connection.execute(count).scalar_one() == 0
        connection.execute(
            text("SELECT set_config('tonebridge.organisation', :id, true)"), {"id": str(organisation)}
        )
        assert connection.execute(count).scalar_one() == 2
        with pytest.raises(ProgrammingError, match="permission denied for function publish_event"):
            connection.execute(text("SELECT publish_event(NULL, 'webhook.test', '{}')"))


def test_a_payload_is_read_as_it_was_written() -> None:
    event = Event(str(uuid.uuid4()), EventType.JOB_DONE, datetime.now(UTC), {"job_id": "x"})
    assert events.parse(event.encode()) == event
