"""An erasure from start to finish, and its rehearsal.

The work order is stored first and closed last, so the same call finishes an interrupted run.
"""

import time
import uuid
from collections import Counter
from functools import partial

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.database import Lock
from data.erasure import copies, one_output, orders, rows
from data.erasure.copies import Report, Votes
from data.erasure.whom import OutOfReachError, Person, match_owner
from data.tables import Erasure, OutputErasure, new_id

_SETTLE_S = 1.0  # within a quarter of this time a gateway writes its answers and applies an erasure


def erase(
    settings: Settings,
    engine: Engine,
    person: Person,
    report: Report = print,
    rewrite_files: bool = False,
    settle_s: float = _SETTLE_S,
    keeps_account: bool = False,
) -> uuid.UUID:
    """Forget a person in every store that this machine reaches; the id of the erasure.

    `report` receives lines of progress. `rewrite_files` also makes Postgres rewrite the tables' files, and
    locks each table meanwhile. `settle_s` is how long the gateways get to write what they have in memory.
    With `keeps_account` the person goes on afterwards. The rows go at once; a running training or snapshot
    is waited for after that. Raises OutOfReachError when snapshots cannot be read here, after everything else
    is done, and the error of a store that is unavailable. In both cases run it again.
    """
    erasure_id = _request(engine, person, keeps_account)
    report(f"erasure {erasure_id} of user {person.id}")
    report(_format("rows", rows.purge(settings, engine, person, erasure_id)))
    finish(settings, engine, person, erasure_id, report, rewrite_files, settle_s)
    return erasure_id


def erase_output(
    settings: Settings,
    engine: Engine,
    person: Person,
    output_id: uuid.UUID,
    report: Report = print,
    settle_s: float = _SETTLE_S,
) -> None:
    """Forget one output of a person in every store that this machine reaches; parameters and errors as of
    `erase`.
    """
    with Session(engine) as session, session.begin():
        is_open = (*match_owner(OutputErasure, person), OutputErasure.output_id == output_id)
        order_id = session.scalar(
            select(OutputErasure.id).where(*is_open, OutputErasure.finished_at.is_(None))
        )
        if order_id is None:
            order_id = new_id()
            session.add(
                OutputErasure(
                    id=order_id,
                    organisation_id=person.organisation_id,
                    user_id=person.id,
                    output_id=output_id,
                )
            )
    report(f"erasure {order_id} of one rewrite of user {person.id}")
    finish(settings, engine, person, order_id, report, settle_s=settle_s, is_of_one_output=True)


def finish(
    settings: Settings,
    engine: Engine,
    person: Person,
    erasure_id: uuid.UUID,
    report: Report = print,
    rewrite_files: bool = False,
    settle_s: float = _SETTLE_S,
    is_of_one_output: bool = False,
) -> None:
    """Do what is left of an erasure after the person's rows were removed a first time; parameters and errors
    as of `erase`. `is_of_one_output` tells of which kind the order is. If another process is at work on an
    erasure, it waits for that.
    """
    assert settings.database_url is not None
    kind = OutputErasure if is_of_one_output else Erasure
    purge = partial((one_output if is_of_one_output else rows).purge, settings, engine, person, erasure_id)
    _report_if_taken(settings.database_url, "erase", "erasure    another one is carried out; waiting", report)
    with database.lock(settings.database_url, "erase"):
        if _is_finished(engine, kind, erasure_id):
            report("finished   by another process")
            if rewrite_files:
                _vacuum(engine, report, rewrite_files)
            return
        _wait_for_training(settings.database_url, report)
        # A snapshot that is being made may have read their votes already: wait for it.
        with database.lock(settings.database_url, "snapshot"):
            if is_of_one_output:
                report(_format("rows", purge()))  # a snapshot may have read a vote that was cast meanwhile
            votes = _find_votes(engine, person, kind, erasure_id)
            with database.lock(settings.database_url, "train"):
                missing = copies.rewrite_snapshots(settings, engine, votes, erasure_id, report)
            if not is_of_one_output:
                _order_earlier_versions(engine, person, erasure_id)
            time.sleep(settle_s)
            report(_format("meanwhile", purge()))
        _vacuum(engine, report, rewrite_files)
        if missing:
            raise OutOfReachError(
                f"snapshots {', '.join(missing)} are not in {settings.state.absolute()} or are incomplete, so"
                " it is unknown whether the person is in them; set TONEBRIDGE_STATE to the folder that has"
                " them, or get them (`dvc pull`); docs/privacy.md says what to do about a snapshot that is"
                " lost"
            )
        late = purge(closes=True)
        if late.total():
            report(_format("late", late))
            _vacuum(engine, report, rewrite_files)


def rehearse(settings: Settings, engine: Engine, person: Person, report: Report = print) -> bool:
    """Print what an erasure would remove, and remove nothing; whether there is anything to remove."""
    counts = rows.purge(settings, engine, person, None)
    report(_format("rows", counts))
    affected, missing = copies.find_snapshots(settings, engine, Votes(person))
    with Session(engine) as session:
        for folder in affected:
            runs = copies.find_runs(session, folder.name)
            report(f"snapshot   {folder.name}, read by {len(runs)} runs")
            for version in copies.find_versions(session, folder.name):
                report(f"version    {version} was trained on it")
    for digest in missing:
        report(f"snapshot   {digest} is not on this machine or is incomplete")
    return bool(counts.total() or affected or missing)


def _request(engine: Engine, person: Person, keeps_account: bool) -> uuid.UUID:
    """Store the work order, or find the one that is not finished; its id. The person's row loses its name and
    preferences at once.
    """
    with Session(engine) as session, session.begin():
        database.read_for(session, person.organisation_id)
        work_order = func.request_erasure(person.id, None, keeps_account)
        return uuid.UUID(str(session.scalar(select(work_order))))


def _is_finished(engine: Engine, kind: type[Erasure | OutputErasure], order_id: uuid.UUID) -> bool:
    with Session(engine) as session:
        return session.scalar(select(kind.finished_at).where(kind.id == order_id)) is not None


def _find_votes(
    engine: Engine, person: Person, kind: type[Erasure | OutputErasure], order_id: uuid.UUID
) -> Votes:
    """The votes that an order takes out of the snapshots."""
    with Session(engine) as session:
        order = session.get_one(kind, order_id)
        ids = frozenset(map(uuid.UUID, order.votes)) if isinstance(order, OutputErasure) else None
    return Votes(person, ids)


def _order_earlier_versions(engine: Engine, person: Person, erasure_id: uuid.UUID) -> None:
    """Issue the orders for versions that learned from rewrites which the person had deleted before: no
    snapshot names the person for them any more.
    """
    with Session(engine) as session, session.begin():
        deleted = session.scalars(select(OutputErasure.versions).where(*match_owner(OutputErasure, person)))
        orders.issue(session, erasure_id, {version for versions in deleted for version in versions})


def _vacuum(engine: Engine, report: Report, rewrite_files: bool) -> None:
    rows.vacuum(engine, rewrite_files)
    report("tables     vacuumed" + (", their files rewritten" if rewrite_files else ""))


def _wait_for_training(url: str, report: Report) -> None:
    """Wait without the lock `snapshot`, so that no snapshot waits for the training, too."""
    line = "training   a training is running; waiting for its end (you can stop this and run it again)"
    _report_if_taken(url, "train", line, report)
    with database.lock(url, "train"):
        pass


def _report_if_taken(url: str, what: Lock, line: str, report: Report) -> None:
    with database.lock(url, what, wait=False) as is_free:
        if not is_free:
            report(line)


def _format(label: str, counts: Counter[str]) -> str:
    items = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{label:<10} {items or 'nothing'}"
