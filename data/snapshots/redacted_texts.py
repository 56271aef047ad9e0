"""What people wrote, redacted: comments, corrections and messages.

Consent to training is not consent to be read by colleagues. So people may read comments, which are meant for
them, and corrections of the rewrites of messages that ship with the system. Messages are for programs to
count words.
"""

import uuid
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.redaction.redactor import Redactor
from data.traffic import comparisons
from data.traffic.answers import floor

_MOST_MESSAGES = 5_000  # redacting them takes one or two seconds


class Comment(NamedTuple):
    """A comment on a rewrite, redacted."""

    version: str
    transform_type: str
    comment: str


_COMMENTS = """
    SELECT o.version, o.transform_type, f.text FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = :organisation AND f.kind = 'comment' AND o.version NOT LIKE 'sample-%'
    ORDER BY f.id DESC LIMIT :most
"""


def read_comments(session: Session, organisation_id: uuid.UUID, most: int) -> list[Comment]:
    """The newest comments on an organisation's rewrites."""
    rows = session.execute(text(_COMMENTS), {"organisation": organisation_id, "most": most})
    return [
        Comment(version, transform_type, Redactor([comment]).redact(comment))
        for version, transform_type, comment in rows
    ]


class Correction(NamedTuple):
    """A rewrite as a person prefers it, redacted. `edit_distance` is the share of the rewrite that it changes,
    in [0, 1]. The texts are None when the message does not ship with the system.
    """

    version: str
    transform_type: str
    intensity: int
    edit_distance: float
    rewrite: str | None
    correction: str | None


_CORRECTIONS = """
    SELECT o.version, o.transform_type, o.intensity, f.edit_distance, o.message, o.text, f.text
    FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = :organisation AND f.kind = 'edit' AND o.version NOT LIKE 'sample-%'
    ORDER BY f.id DESC LIMIT :most
"""


def read_corrections(session: Session, organisation_id: uuid.UUID, most: int) -> list[Correction]:
    """The newest corrections of an organisation's rewrites."""
    shipped = frozenset(comparisons.read_messages())
    rows = session.execute(text(_CORRECTIONS), {"organisation": organisation_id, "most": most})
    corrections = []
    for version, transform_type, intensity, distance, message, rewrite, correction in rows:
        redactor = Redactor([message, rewrite, correction])
        texts = (
            (redactor.redact(rewrite), redactor.redact(correction)) if message in shipped else (None, None)
        )
        corrections.append(Correction(version, transform_type, intensity, distance, *texts))
    return corrections


_MESSAGES = """
    SELECT DISTINCT message FROM (
        SELECT message, version FROM outputs
        WHERE organisation_id = :organisation AND id >= :since AND id < :before ORDER BY id DESC LIMIT :most
    ) newest WHERE version NOT LIKE 'sample-%'
"""


def read_messages(
    session: Session,
    organisation_id: uuid.UUID,
    since: datetime,
    before: datetime,
    most: int = _MOST_MESSAGES,
) -> list[str]:
    """The different messages of an organisation between two moments, in its newest `most` outputs of this
    time.
    """
    params = {
        "organisation": organisation_id,
        "since": floor(since),
        "before": floor(before),
        "most": most,
    }
    return [Redactor([message]).redact(message) for message in session.scalars(text(_MESSAGES), params)]
