"""Removes a person's rows from Postgres, and with them the cached outputs that the rows name."""

import re
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import (
    ColumnElement,
    Delete,
    Engine,
    Select,
    Update,
    Uuid,
    and_,
    any_,
    cast,
    delete,
    exists,
    func,
    not_,
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
    CountedVoter,
    Erasure,
    ExperimentUnit,
    Exposure,
    Failure,
    Feedback,
    IdempotentRequest,
    Job,
    JobFile,
    MetricSum,
    OpenUnit,
    Output,
    ReplacedVote,
    User,
    UserDay,
)
from data.traffic import answers, receipts, routing

_FEWEST = 10  # units of a segment whose sums stay; pages show a segment from so many users on
_TRIES = 5  # for a pass over the tables: a concurrent vote makes it fail
_RECEIPT = re.compile(rb'"receipt":"([A-Za-z0-9_-]+)"')
# In an order that foreign keys allow; outputs are deleted after them. A vote's earlier values go with it.
_PERSONAL = (Feedback, Comparison, Answer, Exposure, Failure, UserDay, Account, Job)
_TOUCHED = (*_PERSONAL, JobFile, ReplacedVote, Output, User, IdempotentRequest)


def purge(settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID | None) -> Counter[str]:
    """Remove a person's rows and cached outputs, and ask the gateways to empty their caches.

    Returns how many items of each kind it removed. Without an erasure's id it is a rehearsal: it counts, and
    rolls back.
    """
    # One view of all tables: an answer that is stored during the pass would be deleted without its output.
    repeatable = engine.execution_options(isolation_level="REPEATABLE READ")
    for tries_left in reversed(range(_TRIES)):
        with Session(repeatable) as session:
            try:
                counts = _purge(settings, session, person, is_rehearsal=erasure_id is None)
                if erasure_id is not None:
                    _record(session, erasure_id, counts)
                    session.commit()
                return counts
            except DBAPIError as error:
                conflicts = (psycopg.errors.SerializationFailure, psycopg.errors.ForeignKeyViolation)
                if not (tries_left and isinstance(error.orig, conflicts)):
                    raise
    raise AssertionError("the last try returns or raises")


def _purge(settings: Settings, session: Session, person: Person, is_rehearsal: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    outputs = session.execute(_select_own_outputs(person)).all()
    ids = [row.id for row in outputs]
    # The cache keys are computed from the rows, so the cached outputs go first.
    counts["cached outputs"] = copies.uncache(settings, person, outputs, is_rehearsal)
    tenant = person.organisation_id
    keys = _find_replies(session, person, set(ids))
    is_reply = (IdempotentRequest.organisation_id == tenant, IdempotentRequest.key.in_(keys))
    counts["idempotent_requests"] = _change(session, delete(IdempotentRequest).where(*is_reply))
    for table in _PERSONAL:
        counts[table.__tablename__] = _change(session, delete(table).where(*match_owner(table, person)))
    # Any export of the organisation may have the person's votes.
    counts["files of exports"] = _change(session, delete(JobFile).where(JobFile.organisation_id == tenant))
    counts["sums of small segments"] = _forget_small_segments(session, person)
    counts["units"] = _change(session, delete(ExperimentUnit).where(ExperimentUnit.unit_id == person.id))
    session.execute(delete(OpenUnit).where(OpenUnit.unit_id == person.id))  # of the same units
    counts["counted voters"] = _forget_voter(session, CountedVoter.user_id == person.id)
    # If the organisation has one user, its sums are that user's. They start again.
    segment = MetricSum.segment == f"organisation={tenant}"
    counts["sums of the organisation"] = _change(session, delete(MetricSum).where(segment))
    counts["testers"] = routing.forget_tester(session, person.id)
    array = cast(ids, ARRAY(Uuid))  # one parameter: a statement takes at most 65,535
    is_own = (Output.organisation_id == tenant, Output.id == any_(array))
    counts["outputs"] = _change(session, delete(Output).where(*is_own))
    return counts


def _forget_small_segments(session: Session, person: Person) -> int:
    """Delete the sums of segments that may be the person's alone, in the experiments that measured them. They
    start again. Sums by transform type stay, since everybody requests those; sums by organisation have a rule
    of their own.
    """
    units = (person.id, person.organisation_id)
    measured = select(ExperimentUnit.experiment_id).where(ExperimentUnit.unit_id.in_(units))
    is_small = (
        MetricSum.experiment_id.in_(measured),
        MetricSum.segment != "",
        not_(MetricSum.segment.regexp_match("^(transform_type|organisation)=")),
        MetricSum.n < _FEWEST,
    )
    return _change(session, delete(MetricSum).where(*is_small))


def _select_own_outputs(person: Person) -> Select[uuid.UUID, str, str, int, str]:
    """The query for outputs that this person got, and no other person of the organisation."""
    references: list[tuple[Any, Any]] = [
        (Answer, Answer.output_id),
        (Comparison, Comparison.first_output_id),
        (Comparison, Comparison.second_output_id),
        (Feedback, Feedback.output_id),
    ]
    own = union(
        *(select(column).where(*match_owner(table, person)) for table, column in references)
    ).subquery()
    tenant = person.organisation_id
    used_by_others = [
        exists().where(column == Output.id, table.organisation_id == tenant, table.user_id != person.id)
        for table, column in references
    ]
    columns = (Output.id, Output.message, Output.transform_type, Output.intensity, Output.spec_digest)
    return select(*columns).where(
        Output.organisation_id == tenant,
        Output.id.in_(select(own.c[0])),
        and_(*(~is_used for is_used in used_by_others)),
    )


def _find_replies(session: Session, person: Person, outputs: set[uuid.UUID]) -> list[str]:
    """The Idempotency-Keys of stored replies with a receipt of this person or of one of these outputs."""
    stored = select(IdempotentRequest.key, IdempotentRequest.body).where(
        IdempotentRequest.organisation_id == person.organisation_id, IdempotentRequest.body.is_not(None)
    )
    keys = []
    for key, body in session.execute(stored):
        issued = [receipts.read_unchecked(token.decode()) for token in _RECEIPT.findall(body or b"")]
        if any(receipt.user_id == person.id or receipt.output_id in outputs for receipt in issued):
            keys.append(key)
    return keys


def _record(session: Session, erasure_id: uuid.UUID, counts: Counter[str]) -> None:
    """Add to an erasure's counts, and notify the gateways, which then empty their caches in memory."""
    total = Counter(session.get_one(Erasure, erasure_id).counts) + counts
    session.execute(
        update(Erasure)
        .where(Erasure.id == erasure_id)
        # By Postgres's clock: the clocks of several machines differ, and this time must increase.
        .values(counts=dict(total), purged_at=func.clock_timestamp())
    )
    session.execute(text("SELECT pg_notify(:channel, 'erasure')"), {"channel": routing.CHANNEL})


def vacuum(engine: Engine, rewrite_files: bool) -> None:
    """Remove deleted rows from the files, and renew the planner's statistics, which hold samples of texts.

    `rewrite_files`: VACUUM FULL, which rewrites each table's file and locks the table meanwhile.
    """
    options = "FULL, ANALYZE" if rewrite_files else "ANALYZE"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in _TOUCHED:
            connection.execute(text(f"VACUUM ({options}) {table.__tablename__}"))
        connection.execute(text(f"VACUUM {'FULL ' if rewrite_files else ''}pg_statistic"))


def sweep(engine: Engine, before: date) -> Counter[str]:
    """Delete unreferenced outputs, and late rows of erased people; how many of each kind.

    For the flow `retain`. Outputs from before a day that no answer, comparison or vote references belong to
    no known person. Late rows are those that gateways wrote of people who were erased in the last seven days.
    """
    references: list[tuple[Any, Any]] = [
        (Answer, Answer.output_id == Output.id),
        (Comparison, Comparison.first_output_id == Output.id),
        (Comparison, Comparison.second_output_id == Output.id),
        (Feedback, Feedback.output_id == Output.id),
    ]
    # Caches serve an output for less than two days, so later answers cannot reference these outputs.
    is_old = Answer.id < answers.floor(before + timedelta(days=2))
    is_referenced = [
        exists().where(condition, *([is_old] if table is Answer else [])) for table, condition in references
    ]
    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    with Session(engine) as session, session.begin():
        unreferenced = delete(Output).where(
            Output.id < answers.floor(before), *(~condition for condition in is_referenced)
        )
        counts["outputs"] = _change(session, unreferenced)
        recent = select(Erasure).where(Erasure.finished_at > now - timedelta(days=7))
        for erasure in session.scalars(recent).all():
            assert erasure.finished_at is not None, erasure.id
            person = Person(erasure.user_id, erasure.organisation_id)
            late = delete(Answer).where(
                *match_owner(Answer, person),
                Answer.id >= answers.floor(now.date() - timedelta(days=8)),
                func.uuid_extract_timestamp(Answer.id) <= erasure.finished_at,
            )
            counts["answers"] += _change(session, late)
            late = delete(Exposure).where(
                *match_owner(Exposure, person), Exposure.exposed_at <= erasure.finished_at
            )
            counts["exposures"] += _change(session, late)
            late = delete(UserDay).where(
                *match_owner(UserDay, person), UserDay.day <= erasure.finished_at.date()
            )
            counts["user_days"] += _change(session, late)
            # An analysis during the erasure may have added the person to the units again.
            late = delete(ExperimentUnit).where(
                ExperimentUnit.unit_id == person.id, ExperimentUnit.entered_at <= erasure.finished_at
            )
            counts["units"] += _change(session, late)
            session.execute(
                delete(OpenUnit).where(
                    OpenUnit.unit_id == person.id, OpenUnit.entered_at <= erasure.finished_at
                )
            )
            is_late = (CountedVoter.user_id == person.id, CountedVoter.complete_at <= erasure.finished_at)
            counts["counted voters"] += _forget_voter(session, *is_late)
    return counts


def _forget_voter(session: Session, *is_voter: ColumnElement[bool]) -> int:
    """Remove the person's id from the counted votes; the number of rows. The votes stay in the evidence, and
    identify nobody.
    """
    return _change(session, update(CountedVoter).where(*is_voter).values(user_id=None))


def _change(session: Session, statement: Delete | Update) -> int:
    """Execute a DELETE or an UPDATE; the number of its rows."""
    result: Any = session.execute(statement)
    return int(result.rowcount)
