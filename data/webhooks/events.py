"""Events: what webhooks can hear of.

Triggers in Postgres (migration 0036) enqueue a delivery of each event in the transaction that it is about.
The queue has ids; texts are read when a delivery is sent.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class EventType(StrEnum):
    """What happened."""

    ANSWER_CREATED = "answer.created"  # people got answers: at most a hundred in one event
    FEEDBACK_GIVEN = "feedback.given"  # a person voted, or changed a vote
    EXPERIMENT_DECIDED = "experiment.decided"  # a decision was carried out, failed, or waits for a person
    VERSION_RELEASED = "version.released"  # a version answers by default from now on
    VERSION_REFUSED = "version.refused"  # the gate refused a version
    SNAPSHOT_REFUSED = "snapshot.refused"  # a data set may not be trained on
    QUOTA_NEAR = "quota.near"  # 80 % of the month's answers are used, or all
    JOB_DONE = "job.done"  # the last message of a batch ended, or an export
    WEBHOOK_DISABLED = "webhook.disabled"  # another webhook failed for days, or its receiver is gone
    WEBHOOK_TEST = "webhook.test"  # somebody asked for it; every webhook gets it


# They concern the people of all organisations, so only the one that runs the installation may hear of them.
OF_THE_INSTALLATION = frozenset(
    {
        EventType.EXPERIMENT_DECIDED,
        EventType.VERSION_RELEASED,
        EventType.VERSION_REFUSED,
        EventType.SNAPSHOT_REFUSED,
    }
)
SUBSCRIBABLE = tuple(kind for kind in EventType if kind is not EventType.WEBHOOK_TEST)


class Event(NamedTuple):
    """An event as the queue has it. `id` is the same in all its deliveries, also when one is sent again.
    `subject` has the ids of what it is about, by the trigger.
    """

    id: str
    type: EventType
    at: datetime
    subject: Mapping[str, Any]

    def encode(self) -> dict[str, Any]:
        """The payload of `parse`."""
        return {
            "event_id": self.id,
            "type": self.type.value,
            "at": self.at.isoformat(),
            "subject": dict(self.subject),
        }


def parse(payload: Mapping[str, Any]) -> Event:
    """The event in the payload of a delivery."""
    at = datetime.fromisoformat(payload["at"])
    return Event(payload["event_id"], EventType(payload["type"]), at, payload["subject"])


def make_test(at: datetime) -> Event:
    """An event for trying a webhook."""
    return Event(str(uuid.uuid4()), EventType.WEBHOOK_TEST, at, {})
