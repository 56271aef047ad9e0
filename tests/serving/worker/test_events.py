"""What the events say, and that nothing of a person leaves after an erasure."""

import uuid
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from data.database import transaction_of
from data.erasure import rows
from data.erasure.whom import Person
from data.reasons import dump, reason
from data.tables import Erasure, User, Version, new_id
from data.webhooks.events import Event, EventType
from serving.worker import events
from tests.receivers import Receiver
from tests.serving.worker.conftest import Installation, running
from tests.serving.worker.test_deliveries import find_webhook, make_worker


async def transform(installation: Installation, key: dict[str, str], text: str, user: str) -> str:
    """The receipt of an answer."""
    body = {"text": text, "transform_type": "soften", "intensity": 2, "user_id": user, "channel": "slack"}
    response = await installation.client.post("/api/v1/transform", headers=key, json=body)
    return str(response.json()["receipt"])


async def wait_until_sent(installation: Installation, key: dict[str, str], webhook_id: str) -> None:
    await installation.wait_for(
        lambda: find_webhook(installation, key, webhook_id), lambda webhook: webhook["waiting"] == 0
    )


async def test_answers_and_votes_have_their_texts_and_people(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "answer.created", "feedback.given")
    receipt = await transform(installation, key, "Fix it.", "ada")
    await installation.parts.answers.flush()
    for up in (True, False):
        body = {"receipt": receipt, "kind": "thumb", "up": up}
        assert (await installation.client.post("/api/v1/feedback", headers=key, json=body)).status_code == 201
    async with running(make_worker(installation)):
        await wait_until_sent(installation, key, made["id"])
    by_type = {received.event["type"]: received.event["data"] for received in receiver.received}
    (answer,) = by_type["answer.created"]["answers"]
    assert (answer["message"], answer["transformed_text"]) == ("Fix it.", "Please wait.")
    assert (answer["external_id"], answer["channel"], answer["version"]) == ("ada", "slack", "v1")
    assert answer["unchanged"] is None
    vote = by_type["feedback.given"]
    assert (vote["kind"], vote["external_id"], vote["output_id"]) == ("thumb", "ada", answer["output_id"])
    # A vote is read when it is sent: the first event may show what the second one changed.
    assert receiver.types.count("feedback.given") == 2
    assert vote["thumb_up"] is False
    assert "receipt" not in str(by_type)


async def test_a_person_whom_no_request_names_has_no_name(
    installation: Installation, receiver: Receiver
) -> None:
    _, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "answer.created")
    body = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
    await installation.client.post("/api/v1/transform", json=body, headers=key)
    await installation.parts.answers.flush()
    async with running(make_worker(installation)):
        await wait_until_sent(installation, key, made["id"])
    assert receiver.received[0].event["data"]["answers"][0]["external_id"] is None


async def test_nothing_of_an_erased_person_is_sent(installation: Installation, receiver: Receiver) -> None:
    tenant, key = installation.a_tenant()
    made = await installation.subscribe(key, receiver.url, "answer.created", "feedback.given")
    gone = await transform(installation, key, "My secret QX-19.", "zoe")
    await transform(installation, key, "Fix it.", "ada")
    await installation.parts.answers.flush()
    body = {"receipt": gone, "kind": "comment", "text": "QX-19, too."}
    assert (await installation.client.post("/api/v1/feedback", headers=key, json=body)).status_code == 201
    with Session(installation.engine) as session, session.begin():
        is_zoe = (User.organisation_id == tenant, User.external_id == "zoe")
        person = Person(session.scalars(select(User.id).where(*is_zoe)).one(), tenant)
        erasure = Erasure(organisation_id=tenant, user_id=person.id, counts={})
        session.add(erasure)
        session.flush()
        erasure_id = erasure.id
    rows.purge(installation.parts.settings, installation.engine, person, erasure_id)
    async with running(make_worker(installation)):
        await wait_until_sent(installation, key, made["id"])
    assert receiver.types == ["answer.created"]
    assert [answer["external_id"] for answer in receiver.received[0].event["data"]["answers"]] == ["ada"]
    assert b"QX-19" not in b"".join(received.body for received in receiver.received)
    log = await installation.read_log(key, made["id"])
    deliveries = {(delivery["type"], delivery["state"], delivery["status"]) for delivery in log}
    # A busy gateway may write the answers apart. Then the first is an event of its own, and is not sent.
    assert deliveries - {("answer.created", "done", None)} == {
        ("answer.created", "done", 204),
        ("feedback.given", "done", None),
    }


async def test_a_refused_version_says_why(installation: Installation, receiver: Receiver) -> None:
    _, key = installation.the_owner()
    made = await installation.subscribe(key, receiver.url, "version.refused")
    name = f"v{uuid.uuid4().hex[:8]}"
    why = [reason("people_prefer_champion")]
    with installation.engine.begin() as connection:
        connection.execute(
            insert(Version).values(
                name=name, run_id="r", method="sft+dpo", metrics={}, accepted=False, reasons=why
            )
        )
    async with running(make_worker(installation)):
        await wait_until_sent(installation, key, made["id"])
    assert receiver.received[0].event["data"] == {
        "version": name,
        "method": "sft+dpo",
        "reason": str(why[0]),
        "reasons": dump(why),
    }


async def read(connection: AsyncConnection, kind: EventType, **subject: Any) -> bytes | None:
    return await events.read(connection, Event(str(uuid.uuid4()), kind, datetime.now(UTC), subject))


async def test_events_about_what_is_gone_or_foreign_say_nothing(installation: Installation) -> None:
    tenant, key = installation.a_tenant()
    batch = await installation.send(key, ["Fix it."])
    stranger, _ = installation.a_tenant()
    subjects: list[tuple[EventType, dict[str, Any]]] = [
        (EventType.ANSWER_CREATED, {"answer_ids": [str(new_id())]}),
        (EventType.FEEDBACK_GIVEN, {"vote_id": str(new_id())}),
        (EventType.JOB_DONE, {"batch_id": str(new_id()), "job_id": None}),
        (EventType.JOB_DONE, {"batch_id": None, "job_id": str(new_id())}),
        (EventType.WEBHOOK_DISABLED, {"webhook_id": str(new_id())}),
    ]
    foreign = {"batch_id": batch["id"], "job_id": None}
    async with installation.parts.pool.connection() as connection:
        async with transaction_of(connection, stranger):
            for kind, subject in (*subjects, (EventType.JOB_DONE, foreign)):
                assert await read(connection, kind, **subject) is None
        async with transaction_of(connection, tenant):
            assert await read(connection, EventType.JOB_DONE, **foreign) is not None
