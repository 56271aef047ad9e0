"""Comments and corrections are redacted, and a message that a person wrote is not shown."""

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.snapshots import redacted_texts
from data.snapshots.redacted_texts import Comment, Correction
from data.traffic import comparisons
from tests.traffic import Traffic

NOW = datetime.now(UTC)


def test_people_read_comments_without_personal_data(engine: Engine, organisation_id: uuid.UUID) -> None:
    with Session(engine) as session:
        traffic = Traffic(session, organisation_id)
        ann, bob = traffic.add_person(), traffic.add_person()
        output = traffic.add_output(NOW - timedelta(hours=1))
        traffic.vote(NOW - timedelta(minutes=2), ann, output, "comment", text="Too long.")
        traffic.vote(NOW - timedelta(minutes=1), bob, output, "comment", text="Ask ann@corp.io for the rest.")
        simulated = traffic.add_output(NOW, version="sample-1")
        traffic.vote(NOW, ann, simulated, "comment", text="Made up.")
        newest, older = redacted_texts.read_comments(session, organisation_id, most=2)
        assert redacted_texts.read_comments(session, organisation_id, most=1) == [newest]
    assert newest == Comment("v1", "soften", "Ask mail1@example.com for the rest.")
    assert older.comment == "Too long."


def test_a_correction_is_shown_for_a_shipped_message_only(engine: Engine, organisation_id: uuid.UUID) -> None:
    with Session(engine) as session:
        traffic = Traffic(session, organisation_id)
        ann = traffic.add_person()
        shipped = traffic.add_output(NOW, comparisons.read_messages()[0], rewrite="Call +1 415 555 2671.")
        own = traffic.add_output(NOW, "Somebody wrote this.")
        traffic.vote(NOW - timedelta(minutes=2), ann, own, "edit", text="Private.", edit_distance=0.75)
        correction = "Please call +1 415 555 2671."
        traffic.vote(NOW - timedelta(minutes=1), ann, shipped, "edit", text=correction, edit_distance=0.25)
        first, second = redacted_texts.read_corrections(session, organisation_id, most=5)
    assert first == Correction("v1", "soften", 1, 0.25, "Call 555-0101.", "Please call 555-0101.")
    assert second == Correction("v1", "soften", 1, 0.75, None, None)
