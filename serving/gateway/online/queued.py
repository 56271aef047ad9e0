"""Messages as jobs of the queue: the gateway enqueues them, a worker reads them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from data.jobs.queue import ClaimedJob, Kind, NewJob
from data.records import TransformType
from serving.gateway.auth import Caller
from serving.gateway.online.placement import Message, PlacedPerson


def make_job(caller: Caller, message: Message, run_at: datetime | None = None) -> NewJob:
    """The job that rewrites a message of a caller, without a key: the batch gives it one."""
    user_id, name = caller.user(message.external_id)
    payload = {
        "text": message.text,
        "transform_type": message.transform_type.value,
        "intensity": message.intensity,
        "locale": message.locale,
        "channel": message.channel,
        "key_id": caller.key_id,
        "name": name,
    }
    return NewJob(Kind.REWRITE, payload, "", user_id, run_at)


def read_person(job: ClaimedJob) -> PlacedPerson:
    """The person whose message a job rewrites, in no arm yet."""
    assert job.user_id is not None, "made by `make_job`"
    return PlacedPerson(job.user_id, job.organisation_id, job.payload["key_id"], job.payload["name"])


def read_message(payload: Mapping[str, Any]) -> Message:
    """The message of a job."""
    return Message(
        payload["text"],
        TransformType(payload["transform_type"]),
        payload["intensity"],
        payload["name"],
        payload["locale"],
        payload["channel"],
    )
