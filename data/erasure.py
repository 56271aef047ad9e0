"""Forgets a person: rows, caches, snapshots and what was trained on them.

    python -m data.erasure USER                                    the id that the tables have
    python -m data.erasure --key KEY_ID EXTERNAL_ID                whom an API key names
    python -m data.erasure --organisation NAME --subject SUBJECT   whom a token names

It reads the same `TONEBRIDGE_*` variables as the flows and connects as the tables' owner. The work order is
written first and closed last: a run that was cut off is finished by the same command. What is kept, for how
long, and what is not reached from here: docs/privacy.md.
"""

import argparse
import json
import re
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis
from sqlalchemy import (
    ColumnElement,
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
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, orders
from data.people import accounts
from data.people.identities import Identity
from data.reasons import reason
from data.records import TransformType
from data.snapshots import archive, shards, snapshot
from data.tables import (
    Account,
    Answer,
    ApiKey,
    Comparison,
    Erasure,
    ExperimentUnit,
    Exposure,
    Failure,
    Feedback,
    IdempotentRequest,
    Lineage,
    MetricSum,
    OpenUnit,
    Organisation,
    Output,
    Snapshot,
    User,
    VersionOrder,
)
from data.traffic import answers, receipts, routing
from data.traffic.outputs import CACHE_PREFIX, NO_DICTIONARY, Namer

_TRIES = 5  # of a pass over the tables: a vote may come between
_SETTLE_S = 1.0  # a gateway writes answers, and hears of an erasure, within a quarter of this
_RECEIPT = re.compile(rb'"receipt":"([A-Za-z0-9_-]+)"')
# In an order that foreign keys allow; outputs follow.
_PERSONAL = (Feedback, Comparison, Answer, Exposure, Failure, Account)
_TOUCHED = (*_PERSONAL, Output, User, IdempotentRequest)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to forget."""

    id: uuid.UUID
    organisation_id: uuid.UUID


class UnknownPersonError(ValueError):
    """Nothing is stored of the person, under the name that was given."""


class OutOfReachError(ValueError):
    """A snapshot is not on this machine, or not whole, so nobody can say whether the person is in it."""


def by_key(session: Session, key_id: str, external_id: str) -> uuid.UUID:
    """The id of a person whom an API key names; UnknownPersonError when there is no such key."""
    tenant = session.scalar(select(ApiKey.organisation_id).where(ApiKey.id == key_id))
    if tenant is None:
        raise UnknownPersonError(f"there is no API key {key_id!r}; its id is what stands after tb_")
    return Identity(tenant, key_id, "member", b"", "free").user(external_id)


def by_subject(session: Session, organisation: str, subject: str) -> uuid.UUID:
    """The id of a person whom a token names; UnknownPersonError when there is no such organisation."""
    tenant = session.scalar(select(Organisation.id).where(Organisation.name == organisation))
    if tenant is None:
        raise UnknownPersonError(f"there is no organisation {organisation!r}")
    return Identity(tenant, "", "member", b"", "free").subject(subject)


def by_email(session: Session, email: str) -> uuid.UUID:
    """The id of a person who signs in; UnknownPersonError when the address has no account."""
    user_id = session.scalar(select(Account.user_id).where(Account.email == accounts.normalised(email)))
    if user_id is None:
        raise UnknownPersonError(f"there is no account with the address {email!r}")
    return user_id


def find(session: Session, user_id: uuid.UUID) -> Person:
    """The person with an id; UnknownPersonError when nothing was ever stored of them."""
    known = (
        select(User.organisation_id).where(User.id == user_id),
        select(Comparison.organisation_id).where(Comparison.user_id == user_id),  # has only compared
        select(Account.organisation_id).where(Account.user_id == user_id),  # has only signed in
    )
    for query in known:
        tenant = session.scalar(query.limit(1))
        if tenant is not None:
            return Person(user_id, tenant)
    raise UnknownPersonError(
        f"nothing is stored of a person with the id {user_id}; name them by --key or --subject as the"
        " application does, letter by letter"
    )


def erase(
    settings: Settings, engine: Engine, person: Person, say: Say = print, rewrite_files: bool = False
) -> uuid.UUID:
    """Forget a person everywhere that is reached from here; the id of the erasure.

    `rewrite_files` also has Postgres rewrite the files of the tables, which locks each as long.
    Raises OutOfReachError, with all else done, and whatever a store that is away raises: run it again.
    """
    assert settings.database_url is not None
    erasure_id = _begin(engine, person)
    say(f"erasure {erasure_id} of user {person.id}")
    # A snapshot that is being made has read their votes, or will not find them.
    with database.lock(settings.database_url, "snapshot"):
        say(_listed("rows", purge(settings, engine, person, erasure_id)))
        _wait_for_training(settings.database_url, say)
        with database.lock(settings.database_url, "train"):
            missing = _rewrite_snapshots(settings, engine, person, erasure_id, say)
        time.sleep(_SETTLE_S)
        say(_listed("meanwhile", purge(settings, engine, person, erasure_id)))
    _vacuum(engine, rewrite_files)
    say("tables     vacuumed" + (", their files rewritten" if rewrite_files else ""))
    if missing:
        raise OutOfReachError(
            f"snapshots {', '.join(missing)} are not in {settings.state}, or not whole, so that nobody can"
            " say whether the person is in them; run this where they are, or bring them there (`dvc pull`);"
            " docs/privacy.md says what to do about one that is lost for good"
        )
    with Session(engine) as session, session.begin():
        session.execute(update(Erasure).where(Erasure.id == erasure_id).values(finished_at=func.now()))
    return erasure_id


def _begin(engine: Engine, person: Person) -> uuid.UUID:
    """The work order: a new one, or one that was not finished. The person's row becomes nameless at once."""
    with Session(engine) as session, session.begin():
        session.execute(
            insert(User)
            .values(id=person.id, organisation_id=person.organisation_id, consents_to_training=False)
            # It stays: what a gateway writes of them afterwards would bring a new one, with their name.
            .on_conflict_do_update(
                index_elements=["id"], set_={"external_id": None, "consents_to_training": False}
            )
        )
        erasure = session.scalar(
            select(Erasure).where(*_mine(Erasure, person), Erasure.finished_at.is_(None)).with_for_update()
        )
        if erasure is None:
            erasure = Erasure(organisation_id=person.organisation_id, user_id=person.id, counts={})
            session.add(erasure)
            session.flush()
        return erasure.id


def _mine(table: Any, person: Person) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.user_id == person.id, table.organisation_id == person.organisation_id


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
    keys = _cache_keys(person, outputs)
    # The keys follow from the rows: these stay until those are gone.
    if settings.redis_url and keys:
        with redis.Redis.from_url(settings.redis_url, socket_timeout=10) as client:
            counts["cached outputs"] = client.exists(*keys) if is_rehearsal else client.unlink(*keys)
    tenant = person.organisation_id
    replies = _replies(session, person, set(ids))
    is_reply = (IdempotentRequest.organisation_id == tenant, IdempotentRequest.key.in_(replies))
    counts["idempotent_requests"] = _rows(session, delete(IdempotentRequest).where(*is_reply))
    for table in _PERSONAL:
        counts[table.__tablename__] = _rows(session, delete(table).where(*_mine(table, person)))
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
    theirs = union(*(select(column).where(*_mine(table, person)) for table, column in places)).subquery()
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


def _cache_keys(person: Person, outputs: Sequence[Any]) -> list[bytes]:
    namer = Namer()
    return [
        CACHE_PREFIX
        + namer.name(
            person.organisation_id,
            row.spec_digest,
            NO_DICTIONARY,
            TransformType(row.transform_type),
            row.intensity,
            row.message,
        )
        for row in outputs
    ]


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


def _wait_for_training(url: str, say: Say) -> None:
    with database.lock(url, "train", wait=False) as is_free:
        if not is_free:
            say("training   one is running; waiting until it ends (stop this and start it again as you like)")


def snapshots_with(settings: Settings, engine: Engine, person: Person) -> tuple[list[Path], list[str]]:
    """Folders of snapshots that a person is in, and digests of those that cannot be looked into."""
    with Session(engine) as session:
        stored = session.execute(select(Snapshot.digest, Snapshot.path).where(Snapshot.path != "")).all()
    noted = {Path(path).resolve(): digest for digest, path in stored}
    # Also those that a killed flow has written, and not noted.
    there = {
        folder.resolve()
        for folder in settings.state.glob("data/snapshots/*")
        if folder.is_dir() and folder.suffix != ".partial"
    }
    held, missing = [], []
    for folder in sorted(noted.keys() | there):
        people = _people(folder)
        if people is None:
            missing.append(noted.get(folder, folder.name))
        elif person.id in people:
            held.append(folder)
    return held, missing


def _people(folder: Path) -> set[uuid.UUID] | None:
    """Whose votes a snapshot is made of; None when its files do not say.

    Also of one from when snapshots were jsonl files: it cannot be written anew, so it must be withdrawn.
    """
    if shards.is_snapshot(folder):
        return snapshot.people(folder)
    lines = folder / "sources.jsonl"
    if not lines.exists():
        return None
    return {uuid.UUID(json.loads(line)["user"]) for line in lines.read_text(encoding="utf-8").splitlines()}


def _rewrite_snapshots(
    settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID, say: Say
) -> list[str]:
    """Take a person out of every snapshot, and the runs that saw them off the disk; the digests of snapshots
    that are not here.
    """
    repository = settings.state / "data"
    for cut_off in repository.glob("snapshots/*.partial"):
        shutil.rmtree(cut_off)
    held, missing = snapshots_with(settings, engine, person)
    for folder in held:
        successor = _replace(settings, engine, person, erasure_id, folder)
        runs = [settings.state / "runs" / run for run in _runs_on(engine, folder.name)]
        for run in runs:
            if run.exists():
                shutil.rmtree(run)
        objects = archive.forget(repository, folder)
        folder.rename(partial := folder.with_name(f"{folder.name}.partial"))  # all of it goes, or is found
        shutil.rmtree(partial)
        say(
            f"snapshot   {folder.name} -> {successor or 'withdrawn'};"
            f" {objects} objects of DVC and {len(runs)} run folders removed"
        )
    return missing


def _replace(
    settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID, folder: Path
) -> str | None:
    """Put a rewritten snapshot in the place of another, with the orders that follow; its digest, None when
    nothing is left or nobody can say what is.
    """
    with Session(engine) as session:
        row = session.get(Snapshot, folder.name)
        if row is None or not row.path:  # a flow was killed before it noted it, or an erasure after this
            edge = select(Lineage.target).where(
                Lineage.source == f"snapshot:{folder.name}", Lineage.target.startswith("snapshot:")
            )
            target = session.scalar(edge)
            return target.removeprefix("snapshot:") if target else None
        written = snapshot.without(folder, person.id, row.counts)
        if written is not None and not written.counts["votes"]:
            shutil.rmtree(written.folder)
            written = None
        if written is not None:
            archive.add(settings.state / "data", written.folder, settings.dvc_remote)
        erasure = session.get_one(Erasure, erasure_id)
        orders.give(session, erasure_id, _versions_from(session, row.digest))
        if written is None:
            # The row stays as a mark, up to which votes need not be trained on again.
            row.path, row.accepted, row.quality = "", False, None
            row.reasons = [reason("all_erased")]
        else:
            _insert_successor(session, row, written)
            session.delete(row)
        erasure.counts = dict(Counter(erasure.counts) + Counter({"snapshots": 1}))
        session.commit()
    return written.digest if written else None


def _insert_successor(session: Session, row: Snapshot, written: snapshot.Written) -> None:
    """Note a rewritten snapshot: trained on when the former was, and up to the same mark, so that no schedule
    trains again for its sake. The same data may be there already, from another snapshot.
    """
    values = {
        "path": str(written.folder),
        "counts": written.counts,
        "high_water": row.high_water,
        "trained_at": row.trained_at,
        "accepted": row.accepted,
        "reasons": row.reasons,
        "quality": None,
    }
    there = Snapshot.__table__.c
    session.execute(
        insert(Snapshot)
        .values(digest=written.digest, **values)
        .on_conflict_do_update(
            index_elements=["digest"],
            set_={
                "high_water": func.greatest(there.high_water, row.high_water),
                "trained_at": func.coalesce(there.trained_at, row.trained_at),
            },
        )
    )
    session.execute(
        insert(Lineage)
        .values(source=f"snapshot:{row.digest}", target=f"snapshot:{written.digest}")
        .on_conflict_do_nothing()
    )


def _runs_on(engine: Engine, digest: str) -> list[str]:
    """The runs that have read a snapshot, finished or not."""
    with Session(engine) as session:
        return _targets(session, f"snapshot:{digest}", "run")


def _versions_from(session: Session, digest: str) -> list[str]:
    """The versions that were trained on a snapshot. Training starts from the base: no version inherits
    another's data.
    """
    return [
        version
        for run in _targets(session, f"snapshot:{digest}", "run")
        for version in _targets(session, f"run:{run}", "version")
    ]


def _targets(session: Session, source: str, kind: str) -> list[str]:
    edges = select(Lineage.target).where(
        Lineage.source == source, Lineage.target.startswith(f"{kind}:", autoescape=True)
    )
    return [target.removeprefix(f"{kind}:") for target in session.scalars(edges.order_by(Lineage.target))]


def _vacuum(engine: Engine, rewrite_files: bool) -> None:
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
                *_mine(Answer, person),
                Answer.id >= answers.floor(now.date() - timedelta(days=8)),
                func.uuid_extract_timestamp(Answer.id) <= erasure.finished_at,
            )
            counts["answers"] += _rows(session, late)
            late = delete(Exposure).where(
                *_mine(Exposure, person), Exposure.exposed_at <= erasure.finished_at
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


def _listed(what: str, counts: Counter[str]) -> str:
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{what:<10} {found or 'nothing'}"


def rehearse(settings: Settings, engine: Engine, person: Person, say: Say = print) -> bool:
    """Say what an erasure would remove, and remove nothing; whether there is anything."""
    counts = purge(settings, engine, person, None)
    say(_listed("rows", counts))
    held, missing = snapshots_with(settings, engine, person)
    with Session(engine) as session:
        for folder in held:
            runs = _targets(session, f"snapshot:{folder.name}", "run")
            say(f"snapshot   {folder.name}, read by {len(runs)} runs")
            for version in _versions_from(session, folder.name):
                say(f"version    {version} was trained on it")
    for digest in missing:
        say(f"snapshot   {digest} is not on this machine, or not whole")
    return bool(counts.total() or held or missing)


def list_orders(engine: Engine, person: Person) -> list[str]:
    """A table of the versions that were trained on a person, and what is to be done with each."""
    means = {
        "retrain": "in force: the schedules train anew (by hand: `train` on a snapshot named above);"
        " promote what comes of it, and this one is retired",
        "retire": "its weights leave with the next run of the flow `retain`",
    }
    asked = select(VersionOrder).join(Erasure, Erasure.id == VersionOrder.erasure_id)
    with Session(engine) as session:
        found = session.scalars(asked.where(*_mine(Erasure, person)).order_by(VersionOrder.version)).all()
    return [
        f"{order.version:<10} {order.action:<8} "
        + (f"done {order.done_at:%Y-%m-%d}" if order.done_at else means[order.action])
        for order in found
    ] or ["no version was trained on them"]


def main(arguments: Sequence[str]) -> None:
    """The command; SystemExit with a message when it could not finish."""
    parser = argparse.ArgumentParser(
        prog="python -m data.erasure", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("user", nargs="?", type=uuid.UUID, help="the person's id")
    parser.add_argument("--key", nargs=2, metavar=("KEY_ID", "EXTERNAL_ID"), help="whom an API key names")
    parser.add_argument("--organisation", help="of --subject")
    parser.add_argument("--subject", help="whom a token names")
    parser.add_argument("--email", help="of an account")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    parser.add_argument(
        "--rewrite-files", action="store_true", help="VACUUM FULL: locks each table while it is rewritten"
    )
    asked = parser.parse_args(arguments)
    names = [asked.user, asked.key, asked.subject, asked.email]
    if names.count(None) != len(names) - 1 or bool(asked.organisation) != bool(asked.subject):
        parser.error(
            "name one person: USER, or --key KEY_ID EXTERNAL_ID, or --organisation and --subject, or --email"
        )
    settings = Settings()
    if settings.redis_url is None:
        parser.error("set TONEBRIDGE_REDIS_URL as the gateways have it, or to nothing when they have none")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            user_id = asked.user
            if asked.key:
                user_id = by_key(session, *asked.key)
            elif asked.subject:
                user_id = by_subject(session, asked.organisation, asked.subject)
            elif asked.email:
                user_id = by_email(session, asked.email)
            person = find(session, user_id)
            begun = session.scalars(select(Erasure.finished_at).where(*_mine(Erasure, person))).all()
        if asked.dry_run:
            rehearse(settings, engine, person)
            return
        if begun and None not in begun and not rehearse(settings, engine, person, say=lambda _: None):
            print(f"user {person.id} was erased before, and nothing has come since")
        else:
            erase(settings, engine, person, rewrite_files=asked.rewrite_files)
        print(*list_orders(engine, person), sep="\n")
    except (UnknownPersonError, OutOfReachError) as error:
        raise SystemExit(str(error)) from error
    except (redis.RedisError, OperationalError) as error:
        raise SystemExit(f"not finished, since a store is away ({error}); run this again") from error
    finally:
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1:])
