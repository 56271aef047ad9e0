"""An erasure from start to finish, and its rehearsal.

The work order is stored first and closed last, so the same call finishes an interrupted run.
"""

import time
import uuid
from collections import Counter

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import copies, rows
from data.erasure.copies import Report
from data.erasure.whom import OutOfReachError, Person, match_owner
from data.tables import Erasure, User

_SETTLE_S = 1.0  # within a quarter of this time a gateway writes its answers and applies an erasure


def erase(
    settings: Settings,
    engine: Engine,
    person: Person,
    report: Report = print,
    rewrite_files: bool = False,
    settle_s: float = _SETTLE_S,
) -> uuid.UUID:
    """Forget a person in every store that this machine reaches; the id of the erasure.

    `report` receives lines of progress. `rewrite_files` also makes Postgres rewrite the tables' files, and
    locks each table meanwhile. `settle_s` is how long the gateways get to write what they have in memory.
    Raises OutOfReachError when snapshots cannot be read here, after everything
    else is done, and the error of a store that is unavailable. In both cases run it again.
    """
    assert settings.database_url is not None
    erasure_id = _begin(engine, person)
    report(f"erasure {erasure_id} of user {person.id}")
    # A snapshot that is being made may have read their votes already: wait for it.
    with database.lock(settings.database_url, "snapshot"):
        report(_format("rows", rows.purge(settings, engine, person, erasure_id)))
        _wait_for_training(settings.database_url, report)
        with database.lock(settings.database_url, "train"):
            missing = copies.rewrite_snapshots(settings, engine, person, erasure_id, report)
        time.sleep(settle_s)
        report(_format("meanwhile", rows.purge(settings, engine, person, erasure_id)))
    rows.vacuum(engine, rewrite_files)
    report("tables     vacuumed" + (", their files rewritten" if rewrite_files else ""))
    if missing:
        raise OutOfReachError(
            f"snapshots {', '.join(missing)} are not in {settings.state} or are incomplete, so it is unknown"
            " whether the person is in them; run this where they are, or get them (`dvc pull`);"
            " docs/privacy.md says what to do about a snapshot that is lost"
        )
    with Session(engine) as session, session.begin():
        session.execute(update(Erasure).where(Erasure.id == erasure_id).values(finished_at=func.now()))
    return erasure_id


def rehearse(settings: Settings, engine: Engine, person: Person, report: Report = print) -> bool:
    """Print what an erasure would remove, and remove nothing; whether there is anything to remove."""
    counts = rows.purge(settings, engine, person, None)
    report(_format("rows", counts))
    affected, missing = copies.find_snapshots(settings, engine, person)
    with Session(engine) as session:
        for folder in affected:
            runs = copies.find_runs(session, folder.name)
            report(f"snapshot   {folder.name}, read by {len(runs)} runs")
            for version in copies.find_versions(session, folder.name):
                report(f"version    {version} was trained on it")
    for digest in missing:
        report(f"snapshot   {digest} is not on this machine or is incomplete")
    return bool(counts.total() or affected or missing)


def _begin(engine: Engine, person: Person) -> uuid.UUID:
    """Create the work order, or find an unfinished one; its id. The person's row loses its name at once."""
    with Session(engine) as session, session.begin():
        session.execute(
            insert(User)
            .values(id=person.id, organisation_id=person.organisation_id, consents_to_training=False)
            # The row stays: otherwise a gateway's late write would create a new one, with the name.
            .on_conflict_do_update(
                index_elements=["id"], set_={"external_id": None, "consents_to_training": False}
            )
        )
        erasure = session.scalar(
            select(Erasure)
            .where(*match_owner(Erasure, person), Erasure.finished_at.is_(None))
            .with_for_update()
        )
        if erasure is None:
            erasure = Erasure(organisation_id=person.organisation_id, user_id=person.id, counts={})
            session.add(erasure)
            session.flush()
        return erasure.id


def _wait_for_training(url: str, report: Report) -> None:
    with database.lock(url, "train", wait=False) as is_free:
        if not is_free:
            report(
                "training   a training is running; waiting for its end (you can stop this and run it again)"
            )


def _format(label: str, counts: Counter[str]) -> str:
    items = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{label:<10} {items or 'nothing'}"
