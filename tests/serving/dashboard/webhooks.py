"""Webhooks and deliveries as rows, for the pages that show them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from data.jobs.queue import Kind
from data.reasons import Reason, dump
from data.tables import Job, Webhook, new_id
from data.webhooks.events import EventType
from tests.dashboards import Installation

URL = "https://example.org/hook"
SECRET = b"a secret of thirty-two bytes ...."


def clear(installation: Installation) -> None:
    """Delete all webhooks, and with them their deliveries."""
    with Session(installation.engine) as session, session.begin():
        session.execute(delete(Webhook))


def add(installation: Installation, *events: EventType, **fields: object) -> uuid.UUID:
    """A webhook of the installation's organisation."""
    webhook_id = new_id()
    values: dict[str, object] = {
        "id": webhook_id,
        "organisation_id": installation.organisation_id,
        "url": URL,
        "events": [event.value for event in events] or ["job.done"],
        "description": "",
        "secret": SECRET,
        "created_by": "account:gone",
    }
    with Session(installation.engine) as session, session.begin():
        session.add(Webhook(**{**values, **fields}))
    return webhook_id


def deliver(
    installation: Installation, webhook_id: uuid.UUID, state: str, *reasons: Reason, **fields: object
) -> uuid.UUID:
    """A delivery after a failed attempt for each reason."""
    job_id, now = new_id(), datetime.now(UTC)
    event = {"event_id": str(uuid.uuid4()), "type": "job.done", "at": now.isoformat(), "subject": {}}
    values: dict[str, object] = {
        "id": job_id,
        "organisation_id": installation.organisation_id,
        "kind": Kind.WEBHOOK,
        "payload": event,
        "key": str(job_id),
        "webhook_id": webhook_id,
        "state": state,
        "attempts": len(reasons) + (state == "done"),
        "errors": [
            {"attempt": number, "at": now.isoformat(), "reasons": dump([each])}
            for number, each in enumerate(reasons, 1)
        ],
        "leased_by": new_id() if state == "running" else None,
        "result": {"status": 204, "duration_ms": 12.5} if state == "done" else None,
        "requested_by": "event:job.done",
        "done_at": None if state in ("waiting", "running") else now,
    }
    with Session(installation.engine) as session, session.begin():
        session.add(Job(**{**values, **fields}))
    return job_id


def read(installation: Installation, webhook_id: uuid.UUID) -> Webhook:
    """A webhook as it is stored."""
    with Session(installation.engine) as session:
        return session.get_one(Webhook, webhook_id)


def read_all(installation: Installation) -> list[Webhook]:
    """All webhooks, of all organisations, the oldest first."""
    with Session(installation.engine) as session:
        return list(session.scalars(select(Webhook).order_by(Webhook.id)))


def count_deliveries(installation: Installation, webhook_id: uuid.UUID, state: str) -> int:
    """How many deliveries to a webhook are in a state."""
    query = select(func.count()).where(Job.webhook_id == webhook_id, Job.state == state)
    with Session(installation.engine) as session:
        return session.scalars(query).one()


def list_forms(webhook_id: Any, delivery_id: Any) -> list[str]:
    """The addresses of all forms on webhooks."""
    of_one = ("", "/disable", "/enable", "/delete", "/secret", "/test", "/again",
              f"/deliveries/{delivery_id}/again")  # fmt: skip
    return ["/webhooks", *(f"/webhooks/{webhook_id}{path}" for path in of_one)]
