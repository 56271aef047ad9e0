"""Comments and corrections, redacted, for people to read.

Consent to training is not consent to be read by colleagues. So a correction has texts only if its message
ships with the system. Comments are written for people who work on the system.
"""

import uuid
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.redaction.redactor import Redactor
from data.traffic import comparisons


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
    """A rewrite as a person prefers it, redacted; None for texts whose message does not ship with the system.
    `edit_distance` is the share of the rewrite that the correction changes, in [0, 1].
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
