"""Removes a person's rows from Postgres, and with them the cached outputs that the rows name."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
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
from data.people.identities import Identity
from data.tables import (
    Account,
    AccountSession,
    Answer,
    AppFeedback,
    ChannelLink,
    Comparison,
    CountedVoter,
    Dictionary,
    DictionaryTerm,
    Erasure,
    ExperimentUnit,
    Exposure,
    Failure,
    Feedback,
    IdempotentRequest,
    Job,
    JobChange,
    JobFile,
    KeyChange,
    MetricSum,
    OpenUnit,
    Output,
    OutputErasure,
    ReplacedVote,
    RuleChange,
    TransformRule,
    User,
    UserDay,
)
from data.traffic import answers, receipts, routing
from data.traffic.receipts import Receipt

_FEWEST = 10  # units of a segment whose sums stay; pages show a segment from so many users on
_TRIES = 5  # for a pass over the tables: a concurrent vote makes it fail
_RECEIPT = re.compile(rb'"receipt":"([A-Za-z0-9_-]+)"')
# In an order that foreign keys allow; outputs are deleted after them. A vote's earlier values go with it, and
# an account's sessions.
_PERSONAL = (
    Feedback, Comparison, Answer, Exposure, Failure, UserDay, Account, Job, DictionaryTerm, Dictionary,
    ChannelLink, TransformRule, RuleChange, AppFeedback,
)  # fmt: skip
# What a person did for the organisation stays, without their name.
_SIGNED: tuple[tuple[Any, Any, str], ...] = (
    (DictionaryTerm, DictionaryTerm.created_by, "authors of terms"),
    (TransformRule, TransformRule.created_by, "authors of rules"),
    (RuleChange, RuleChange.changed_by, "authors of changes of rules"),
    (KeyChange, KeyChange.changed_by, "authors of changes of keys"),
    (JobChange, JobChange.changed_by, "authors of changes of jobs"),
)
# What refers to outputs.
REFERENCES: tuple[tuple[Any, Any], ...] = (
    (Answer, Answer.output_id),
    (Comparison, Comparison.first_output_id),
    (Comparison, Comparison.second_output_id),
    (Feedback, Feedback.output_id),
)
# What `copies.uncache` needs of an output.
CACHED = (
    Output.id, Output.message, Output.transform_type, Output.intensity, Output.spec_digest,
    Output.dictionary_digest,
)  # fmt: skip
_TOUCHED = (*_PERSONAL, AccountSession, JobFile, ReplacedVote, Output, User, IdempotentRequest)


def purge(
    settings: Settings,
    engine: Engine,
    person: Person,
    erasure_id: uuid.UUID | None,
    closes: bool = False,
) -> Counter[str]:
    """Remove a person's rows and cached outputs, and ask the gateways to empty their caches. With `closes`
    the erasure is finished in the same transaction.

    Returns how many items of each kind it removed: nothing when the erasure is finished, since what was
    stored after it is new. Without an erasure's id it is a rehearsal: it counts, and rolls back.
    """

    def remove(session: Session) -> Counter[str]:
        if erasure_id is None:
            counts = _purge(settings, session, person, is_rehearsal=True)
            session.rollback()
            return counts
        erasure = session.get_one(Erasure, erasure_id)
        if erasure.finished_at is not None:  # by another process
            return Counter()
        counts = _purge(settings, session, person, keeps_account=erasure.keeps_account)
        _record(session, erasure, counts, closes)
        return counts

    return try_pass(engine, remove)


def try_pass(engine: Engine, remove: Callable[[Session], Counter[str]]) -> Counter[str]:
    """What a pass over the tables has removed; its transaction is committed. It is tried again when a
    concurrent vote makes it fail.
    """
    # One view of all tables: an answer that is stored during the pass would be deleted without its output.
    repeatable = engine.execution_options(isolation_level="REPEATABLE READ")
    for tries_left in reversed(range(_TRIES)):
        with Session(repeatable) as session:
            try:
                counts = remove(session)
                session.commit()
                return counts
            except DBAPIError as error:
                conflicts = (psycopg.errors.SerializationFailure, psycopg.errors.ForeignKeyViolation)
                if not (tries_left and isinstance(error.orig, conflicts)):
                    raise
    raise AssertionError("the last try returns or raises")


def _purge(
    settings: Settings,
    session: Session,
    person: Person,
    is_rehearsal: bool = False,
    keeps_account: bool = False,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    outputs = session.execute(_select_own_outputs(person)).all()
    ids = [row.id for row in outputs]
    # The cache keys are computed from the rows, so the cached outputs go first.
    counts["cached outputs"] = copies.uncache(settings, person, outputs, is_rehearsal)
    tenant = person.organisation_id
    gone = set(ids)
    counts["idempotent_requests"] = delete_replies(
        session, tenant, lambda receipt: receipt.user_id == person.id or receipt.output_id in gone
    )
    for table, author, label in _SIGNED:
        counts[label] = _forget_author(session, person, table, author)
    # The person's exposures, which are deleted next, say which experiments have measured them.
    counts["sums of small segments"] = _forget_small_segments(session, person)
    for table in _PERSONAL:
        if table is Account and keeps_account:
            continue
        counts[table.__tablename__] = change(session, delete(table).where(*match_owner(table, person)))
    # Any export of the organisation may have the person's votes.
    counts["files of exports"] = change(session, delete(JobFile).where(JobFile.organisation_id == tenant))
    counts["units"] = change(session, delete(ExperimentUnit).where(ExperimentUnit.unit_id == person.id))
    session.execute(delete(OpenUnit).where(OpenUnit.unit_id == person.id))  # of the same units
    counts["counted voters"] = _forget_voter(session, CountedVoter.user_id == person.id)
    # If the organisation has one user, its sums are that user's. They start again.
    segment = MetricSum.segment == f"organisation={tenant}"
    counts["sums of the organisation"] = change(session, delete(MetricSum).where(segment))
    counts["testers"] = routing.forget_tester(session, person.id)
    array = cast(ids, ARRAY(Uuid))  # one parameter: a statement takes at most 65,535
    is_own = (Output.organisation_id == tenant, Output.id == any_(array))
    counts["outputs"] = change(session, delete(Output).where(*is_own))
    return counts


def _forget_author(session: Session, person: Person, table: Any, author: Any) -> int:
    """Remove the person's name from the rows of the organisation that they signed, which stay; the number of
    these rows.
    """
    account_ids = session.scalars(select(Account.id).where(*match_owner(Account, person)))
    names = {f"account:{id}" for id in account_ids}
    is_shared = [table.organisation_id == person.organisation_id]
    if hasattr(table, "user_id"):  # else all of its rows are the organisation's
        is_shared.append(table.user_id.is_(None))
    identity = Identity(person.organisation_id, "", "member", b"", "free")
    for name in session.scalars(select(author).distinct().where(*is_shared)):
        kind, _, subject = name.partition(":")
        if kind == "token" and identity.subject(subject) == person.id:
            names.add(name)
    changed = update(table).where(*is_shared, author.in_(names))
    return change(session, changed.values({author: ""}))


def _forget_small_segments(session: Session, person: Person) -> int:
    """Delete the sums of segments that may be the person's alone, in the experiments that measured them. They
    start again. Sums by transform type stay, since everybody requests those; sums by organisation have a rule
    of their own.
    """
    measured = union(
        select(Exposure.experiment_id).where(*match_owner(Exposure, person)),
        select(ExperimentUnit.experiment_id).where(ExperimentUnit.unit_id == person.organisation_id),
    )
    is_small = (
        MetricSum.experiment_id.in_(measured),
        MetricSum.segment != "",
        not_(MetricSum.segment.regexp_match("^(transform_type|organisation)=")),
        MetricSum.n < _FEWEST,
    )
    return change(session, delete(MetricSum).where(*is_small))


def _select_own_outputs(person: Person) -> Select[uuid.UUID, str, str, int, str, str]:
    """The query for outputs that this person got, and no other person of the organisation."""
    own = union(
        *(select(column).where(*match_owner(table, person)) for table, column in REFERENCES)
    ).subquery()
    tenant = person.organisation_id
    used_by_others = [
        exists().where(column == Output.id, table.organisation_id == tenant, table.user_id != person.id)
        for table, column in REFERENCES
    ]
    return select(*CACHED).where(
        Output.organisation_id == tenant,
        Output.id.in_(select(own.c[0])),
        and_(*(~is_used for is_used in used_by_others)),
    )


def delete_replies(session: Session, organisation_id: uuid.UUID, is_meant: Callable[[Receipt], bool]) -> int:
    """Delete the stored replies to requests with an Idempotency-Key that have such a receipt; how many."""
    of_tenant = IdempotentRequest.organisation_id == organisation_id
    stored = select(IdempotentRequest.key, IdempotentRequest.body).where(
        of_tenant, IdempotentRequest.body.is_not(None)
    )
    keys = [key for key, body in session.execute(stored) if any(map(is_meant, _read_issued(body or b"")))]
    return change(session, delete(IdempotentRequest).where(of_tenant, IdempotentRequest.key.in_(keys)))


def read_receipts(document: Any) -> list[Receipt]:
    """The receipts in the result of a job."""
    return _read_issued(json.dumps(document, separators=(",", ":")).encode())


def _read_issued(body: bytes) -> list[Receipt]:
    return [receipts.read_unchecked(token.decode()) for token in _RECEIPT.findall(body)]


def _record(session: Session, erasure: Erasure, counts: Counter[str], closes: bool) -> None:
    """Add to an erasure's counts, and notify the gateways, which then empty their caches in memory.

    It finishes the erasure as of the transaction's start, which is when it saw the tables: so what it has not
    seen is new. If the person, or an operator, asks once more meanwhile, this fails, and the pass starts
    again.
    """
    total = Counter(erasure.counts) + counts
    session.execute(
        update(Erasure)
        .where(Erasure.id == erasure.id)
        # By Postgres's clock: the clocks of several machines differ, and this time must increase.
        .values(
            counts=dict(total),
            purged_at=func.clock_timestamp(),
            **({"finished_at": func.now()} if closes else {}),
        )
    )
    notify_gateways(session)


def notify_gateways(session: Session) -> None:
    """Have the gateways empty their caches in memory, when the transaction is committed."""
    session.execute(text("SELECT pg_notify(:channel, 'erasure')"), {"channel": routing.CHANNEL})


# ANALYZE of an empty table leaves the statistics that the table had, with their samples. Postgres can remove
# them from version 18 on. VACUUM has counted the rows before.
_FORGET_SAMPLES = """
    SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
    FROM pg_stats s JOIN pg_class c ON c.oid = format('%I.%I', s.schemaname, s.tablename)::regclass
    WHERE s.schemaname = 'public' AND c.reltuples = 0
"""


def vacuum(engine: Engine, rewrite_files: bool) -> None:
    """Remove deleted rows from the files, and renew the planner's statistics, which hold samples of texts.

    `rewrite_files`: VACUUM FULL, which rewrites each table's file and locks the table meanwhile.
    """
    options = "FULL, ANALYZE" if rewrite_files else "ANALYZE"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in _TOUCHED:
            connection.execute(text(f"VACUUM ({options}) {table.__tablename__}"))
        if (connection.dialect.server_version_info or ()) >= (18,):
            connection.execute(text(_FORGET_SAMPLES))
        connection.execute(text(f"VACUUM {'FULL ' if rewrite_files else ''}pg_statistic"))


def sweep(engine: Engine, before: date) -> Counter[str]:
    """Delete unreferenced outputs, and late rows of erased people; how many of each kind.

    For the flow `retain`. Outputs from before a day that no answer, comparison or vote references belong to
    no known person. Late rows are those that gateways wrote of people who were erased in the last seven days.
    """
    # Caches serve an output for less than two days, so later answers cannot reference these outputs.
    is_old = Answer.id < answers.floor(before + timedelta(days=2))
    is_referenced = [
        exists().where(column == Output.id, *([is_old] if table is Answer else []))
        for table, column in REFERENCES
    ]
    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    with Session(engine) as session, session.begin():
        unreferenced = delete(Output).where(
            Output.id < answers.floor(before), *(~condition for condition in is_referenced)
        )
        counts["outputs"] = change(session, unreferenced)
        recent = select(Erasure).where(Erasure.finished_at > now - timedelta(days=7))
        for erasure in session.scalars(recent).all():
            assert erasure.finished_at is not None, erasure.id
            person = Person(erasure.user_id, erasure.organisation_id)
            late = delete(Answer).where(
                *match_owner(Answer, person),
                Answer.id >= answers.floor(now.date() - timedelta(days=8)),
                func.uuid_extract_timestamp(Answer.id) <= erasure.finished_at,
            )
            counts["answers"] += change(session, late)
            late = delete(Exposure).where(
                *match_owner(Exposure, person), Exposure.exposed_at <= erasure.finished_at
            )
            counts["exposures"] += change(session, late)
            late = delete(UserDay).where(
                *match_owner(UserDay, person), UserDay.day <= erasure.finished_at.date()
            )
            counts["user_days"] += change(session, late)
            # An analysis during the erasure may have added the person to the units again.
            late = delete(ExperimentUnit).where(
                ExperimentUnit.unit_id == person.id, ExperimentUnit.entered_at <= erasure.finished_at
            )
            counts["units"] += change(session, late)
            session.execute(
                delete(OpenUnit).where(
                    OpenUnit.unit_id == person.id, OpenUnit.entered_at <= erasure.finished_at
                )
            )
            is_late = (CountedVoter.user_id == person.id, CountedVoter.complete_at <= erasure.finished_at)
            counts["counted voters"] += _forget_voter(session, *is_late)
        of_outputs = select(OutputErasure).where(OutputErasure.finished_at > now - timedelta(days=7))
        for order in session.scalars(of_outputs).all():
            late = delete(Answer).where(
                *match_owner(Answer, Person(order.user_id, order.organisation_id)),
                Answer.output_id == order.output_id,
                Answer.id >= answers.floor(now.date() - timedelta(days=8)),
                func.uuid_extract_timestamp(Answer.id) <= order.finished_at,
            )
            counts["answers"] += change(session, late)
    return counts


def _forget_voter(session: Session, *is_voter: ColumnElement[bool]) -> int:
    """Remove the person's id from the counted votes; the number of rows. The votes stay in the evidence, and
    identify nobody.
    """
    return change(session, update(CountedVoter).where(*is_voter).values(user_id=None))


def change(session: Session, statement: Delete | Update) -> int:
    """Execute a DELETE or an UPDATE; the number of its rows."""
    result: Any = session.execute(statement)
    return int(result.rowcount)
