"""Removes a person from Postgres, and what is outside its rows but is named by them."""

import re
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import (
    Delete,
    Engine,
    Select,
    Uuid,
    and_,
    any_,
    cast,
    delete,
    exists,
    func,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.erasure import copies
from data.erasure.whom import Person, match_owner
from data.tables import (
    Account,
    Answer,
    Comparison,
    Erasure,
    ExperimentUnit,
    Exposure,
    Failure,
    Feedback,
    IdempotentRequest,
    MetricSum,
    OpenUnit,
    Output,
    User,
)
from data.traffic import answers, receipts, routing

_TRIES = 5  # of a pass over the tables: a vote may come between
_RECEIPT = re.compile(rb'"receipt":"([A-Za-z0-9_-]+)"')
# In an order that foreign keys allow; outputs follow.
_PERSONAL = (Feedback, Comparison, Answer, Exposure, Failure, Account)
_TOUCHED = (*_PERSONAL, Output, User, IdempotentRequest)


def purge(settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID | None) -> Counter[str]:
    """Remove a person from Redis and from the tables, and have the gateways forget; how much of what.

    Without an erasure it is a rehearsal: counted, and rolled back.
    """
    # One view of all tables: an answer that comes between would be gone with its output left behind.
    one_view = engine.execution_options(isolation_level="REPEATABLE READ")
    for left in reversed(range(_TRIES)):
        with Session(one_view) as session:
            try:
                counts = _purge(settings, session, person, is_rehearsal=erasure_id is None)
                if erasure_id is not None:
                    _note(session, erasure_id, counts)
                    session.commit()
                return counts
            except DBAPIError as error:
                between = (psycopg.errors.SerializationFailure, psycopg.errors.ForeignKeyViolation)
                if not (left and isinstance(error.orig, between)):
                    raise
    raise AssertionError("the last try returns or raises")


def _purge(settings: Settings, session: Session, person: Person, is_rehearsal: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    outputs = session.execute(_only_theirs(person)).all()
    ids = [row.id for row in outputs]
    # The keys follow from the rows: these stay until those are gone.
    counts["cached outputs"] = copies.uncache(settings, person, outputs, is_rehearsal)
    tenant = person.organisation_id
    replies = _replies(session, person, set(ids))
    is_reply = (IdempotentRequest.organisation_id == tenant, IdempotentRequest.key.in_(replies))
    counts["idempotent_requests"] = _rows(session, delete(IdempotentRequest).where(*is_reply))
    for table in _PERSONAL:
        counts[table.__tablename__] = _rows(session, delete(table).where(*match_owner(table, person)))
    counts["units"] = _rows(session, delete(ExperimentUnit).where(ExperimentUnit.unit_id == person.id))
    session.execute(delete(OpenUnit).where(OpenUnit.unit_id == person.id))  # of the same units
    # Of an organisation with one user its sums are that user's; they begin anew.
    segment = MetricSum.segment == f"organisation={tenant}"
    counts["sums of the organisation"] = _rows(session, delete(MetricSum).where(segment))
    counts["testers"] = routing.forget_tester(session, person.id)
    as_one_value = cast(ids, ARRAY(Uuid))  # a statement takes 65,535 values
    is_theirs = (Output.organisation_id == tenant, Output.id == any_(as_one_value))
    counts["outputs"] = _rows(session, delete(Output).where(*is_theirs))
    return counts


def _only_theirs(person: Person) -> Select[uuid.UUID, str, str, int, str]:
    """The outputs that this person was answered with, and nobody else."""
    places: list[tuple[Any, Any]] = [
        (Answer, Answer.output_id),
        (Comparison, Comparison.first_output_id),
        (Comparison, Comparison.second_output_id),
        (Feedback, Feedback.output_id),
    ]
    theirs = union(
        *(select(column).where(*match_owner(table, person)) for table, column in places)
    ).subquery()
    tenant = person.organisation_id
    others = [
        exists().where(column == Output.id, table.organisation_id == tenant, table.user_id != person.id)
        for table, column in places
    ]
    columns = (Output.id, Output.message, Output.transform_type, Output.intensity, Output.spec_digest)
    return select(*columns).where(
        Output.organisation_id == tenant,
        Output.id.in_(select(theirs.c[0])),
        and_(*(~other for other in others)),
    )


def _replies(session: Session, person: Person, outputs: set[uuid.UUID]) -> list[str]:
    """The Idempotency-Keys under which an answer of theirs is kept: each names person and output in its
    receipt.
    """
    kept = select(IdempotentRequest.key, IdempotentRequest.body).where(
        IdempotentRequest.organisation_id == person.organisation_id, IdempotentRequest.body.is_not(None)
    )
    found = []
    for key, body in session.execute(kept):
        given = [receipts.read_unchecked(token.decode()) for token in _RECEIPT.findall(body or b"")]
        if any(receipt.user_id == person.id or receipt.output_id in outputs for receipt in given):
            found.append(key)
    return found


def _note(session: Session, erasure_id: uuid.UUID, counts: Counter[str]) -> None:
    """Add to the counts of an erasure, and tell the gateways, which then empty what they hold in memory."""
    total = Counter(session.get_one(Erasure, erasure_id).counts) + counts
    session.execute(
        update(Erasure)
        .where(Erasure.id == erasure_id)
        # Postgres's clock: by those of several machines, a later time could be no greater one.
        .values(counts=dict(total), purged_at=func.clock_timestamp())
    )
    session.execute(text("SELECT pg_notify(:channel, 'erasure')"), {"channel": routing.CHANNEL})


def vacuum(engine: Engine, rewrite_files: bool) -> None:
    """Free what is deleted, and renew the planner's statistics, which hold some of the texts themselves."""
    how = "FULL, ANALYZE" if rewrite_files else "ANALYZE"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in _TOUCHED:
            connection.execute(text(f"VACUUM ({how}) {table.__tablename__}"))
        connection.execute(text(f"VACUUM {'FULL ' if rewrite_files else ''}pg_statistic"))


def sweep(engine: Engine, before: date) -> Counter[str]:
    """The nightly rest, for the flow `retain`: outputs older than a day that nothing points at any more,
    since nobody can say whose they are; and what gateways wrote late of people erased in the last week.
    """
    points: list[tuple[Any, Any]] = [
        # By two days on, caches have given an output out for the last time: younger days need not be read.
        (Answer, Answer.output_id == Output.id),
        (Comparison, Comparison.first_output_id == Output.id),
        (Comparison, Comparison.second_output_id == Output.id),
        (Feedback, Feedback.output_id == Output.id),
    ]
    younger = Answer.id < answers.floor(before + timedelta(days=2))
    held = [exists().where(where, *([younger] if table is Answer else [])) for table, where in points]
    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    with Session(engine) as session, session.begin():
        lost = delete(Output).where(Output.id < answers.floor(before), *(~one for one in held))
        counts["outputs"] = _rows(session, lost)
        recent = select(Erasure).where(Erasure.finished_at > now - timedelta(days=7))
        for erasure in session.scalars(recent).all():
            assert erasure.finished_at is not None, erasure.id
            person = Person(erasure.user_id, erasure.organisation_id)
            late = delete(Answer).where(
                *match_owner(Answer, person),
                Answer.id >= answers.floor(now.date() - timedelta(days=8)),
                func.uuid_extract_timestamp(Answer.id) <= erasure.finished_at,
            )
            counts["answers"] += _rows(session, late)
            late = delete(Exposure).where(
                *match_owner(Exposure, person), Exposure.exposed_at <= erasure.finished_at
            )
            counts["exposures"] += _rows(session, late)
            # A look may have come between, and have let the person in again.
            late = delete(ExperimentUnit).where(
                ExperimentUnit.unit_id == person.id, ExperimentUnit.entered_at <= erasure.finished_at
            )
            counts["units"] += _rows(session, late)
            session.execute(
                delete(OpenUnit).where(
                    OpenUnit.unit_id == person.id, OpenUnit.entered_at <= erasure.finished_at
                )
            )
    return counts


def _rows(session: Session, statement: Delete) -> int:
    result: Any = session.execute(statement)
    return int(result.rowcount)
