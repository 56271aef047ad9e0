"""Notices: what a transaction has changed, sent by triggers of Postgres at its commit.

So nothing is announced that was rolled back, and whoever writes need not announce anything. Notices have ids
and no texts. Answers are announced only for people who are watched, since there are thousands a second.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg import AsyncConnection

CHANNEL = "tonebridge:notices"  # also in migration 0034


class Subject(StrEnum):
    """What a notice is about."""

    JOBS = "jobs"
    ANSWERS = "answers"
    EXPERIMENTS = "experiments"
    RELEASES = "releases"


class Notice(NamedTuple):
    """A change. `fields` are those of the trigger in migration 0034; ids are strings."""

    id: str
    subject: Subject
    fields: Mapping[str, Any]

    def encode(self) -> str:
        """The payload of `parse`."""
        return json.dumps({"id": self.id, "subject": self.subject, **self.fields})


def parse(payload: str) -> Notice:
    """The notice in a payload of the channel; ValueError for a subject of another release."""
    fields = json.loads(payload)
    return Notice(fields.pop("id"), Subject(fields.pop("subject")), fields)


async def watch(connection: AsyncConnection, people: Collection[uuid.UUID], for_s: float) -> None:
    """From now on announce the answers of these people, for `for_s` seconds at least."""
    await connection.execute("SELECT watch_people(%s, %s)", (list(people), for_s))
