"""An erasure from beginning to end, and its rehearsal.

The work order is written first and closed last: a run that was cut off is finished by the same call.
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
from data.erasure.copies import Say
from data.erasure.whom import OutOfReachError, Person, match_owner
from data.tables import Erasure, User

_SETTLE_S = 1.0  # a gateway writes answers, and hears of an erasure, within a quarter of this


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
        say(_listed("rows", rows.purge(settings, engine, person, erasure_id)))
        _wait_for_training(settings.database_url, say)
        with database.lock(settings.database_url, "train"):
            missing = copies.rewrite_snapshots(settings, engine, person, erasure_id, say)
        time.sleep(_SETTLE_S)
        say(_listed("meanwhile", rows.purge(settings, engine, person, erasure_id)))
    rows.vacuum(engine, rewrite_files)
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


def rehearse(settings: Settings, engine: Engine, person: Person, say: Say = print) -> bool:
    """Say what an erasure would remove, and remove nothing; whether there is anything."""
    counts = rows.purge(settings, engine, person, None)
    say(_listed("rows", counts))
    held, missing = copies.snapshots_with(settings, engine, person)
    with Session(engine) as session:
        for folder in held:
            runs = copies.runs_on(session, folder.name)
            say(f"snapshot   {folder.name}, read by {len(runs)} runs")
            for version in copies.versions_from(session, folder.name):
                say(f"version    {version} was trained on it")
    for digest in missing:
        say(f"snapshot   {digest} is not on this machine, or not whole")
    return bool(counts.total() or held or missing)


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
            select(Erasure)
            .where(*match_owner(Erasure, person), Erasure.finished_at.is_(None))
            .with_for_update()
        )
        if erasure is None:
            erasure = Erasure(organisation_id=person.organisation_id, user_id=person.id, counts={})
            session.add(erasure)
            session.flush()
        return erasure.id


def _wait_for_training(url: str, say: Say) -> None:
    with database.lock(url, "train", wait=False) as is_free:
        if not is_free:
            say("training   one is running; waiting until it ends (stop this and start it again as you like)")


def _listed(what: str, counts: Counter[str]) -> str:
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{what:<10} {found or 'nothing'}"
