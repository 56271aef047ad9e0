"""Who has been erased since: ids that are kept outside of the database, and are erased again after a restore.

They are ids of people and of organisations, and times; no names and no texts.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import whom
from data.erasure.whom import Person, UnknownPersonError, match_owner
from data.tables import Erasure, OutputErasure
from deploy.backup import repository

NAME = "erased.jsonl"


class Erased(NamedTuple):
    """A request of a person to be forgotten, or to have one output of theirs forgotten."""

    id: uuid.UUID
    organisation_id: uuid.UUID
    user_id: uuid.UUID
    requested_at: datetime
    keeps_account: bool
    output_id: uuid.UUID | None = None


def export(url: str, folder: Path) -> Path:
    """Add what the database knows to the file of ids; its path. What only the file knows stays in it: the
    database may have been restored.
    """
    with psycopg.connect(url) as connection:
        cursor = connection.cursor(row_factory=class_row(Erased))
        known = cursor.execute("SELECT * FROM tonebridge_backup.erased").fetchall()
    path = folder / NAME
    before = _parse(path.read_bytes()) if path.exists() else []
    merged = {each.id: each for each in [*before, *known]}
    if not path.exists() or list(merged.values()) != before:
        _write(path, merged.values())
    return path


def drop_before(folder: Path, oldest: datetime) -> None:
    """Drop who was erased before the oldest moment that can be restored: no restore brings them back."""
    path = folder / NAME
    if path.exists():
        # An erasure takes minutes, and one whose person is gone costs nothing.
        _write(path, [each for each in _parse(path.read_bytes()) if each.requested_at >= oldest])


def read_stored() -> list[Erased]:
    """Everybody in the stored files of ids, the earliest request first."""
    newest = {stored.tags["history"]: stored for stored in repository.list_stored("wal")}
    people: dict[uuid.UUID, Erased] = {}
    for stored in newest.values():
        [path] = [path for path in stored.paths if path.endswith(f"/{NAME}")]
        people |= {each.id: each for each in _parse(repository.read(stored, path))}
    return sorted(people.values(), key=lambda each: each.requested_at)


def erase_again(settings: Settings, people: Iterable[Erased], report: Callable[[str], None] = print) -> int:
    """Erase everybody in the list, and their single outputs, of whom the database does not know that they
    were erased; how many requests.

    It may be interrupted and called again. Call it before people use what was restored.
    """
    from data.erasure.erase import erase, erase_output  # with DVC, which the stream does without

    engine = database.engine_of(settings)
    number = 0
    try:
        for each in people:
            person = Person(each.user_id, each.organisation_id)
            with Session(engine) as session:
                if _is_known(session, person, each):
                    continue
                try:
                    whom.find(session, each.user_id)
                except UnknownPersonError:
                    continue
            if each.output_id is None:
                erase(settings, engine, person, report, keeps_account=each.keeps_account)
            else:
                erase_output(settings, engine, person, each.output_id, report)
            number += 1
    finally:
        engine.dispose()
    return number


def _is_known(session: Session, person: Person, each: Erased) -> bool:
    """Whether the database knows that this was erased, by this request or by a later one."""
    kind, is_it = (
        (Erasure, [])
        if each.output_id is None
        else (OutputErasure, [OutputErasure.output_id == each.output_id])
    )
    later = select(kind.id).where(
        *match_owner(kind, person),
        *is_it,
        kind.requested_at >= each.requested_at,
        kind.finished_at.is_not(None),
    )
    return session.scalar(later.limit(1)) is not None


def _parse(lines: bytes) -> list[Erased]:
    return [
        Erased(
            uuid.UUID(row["id"]),
            uuid.UUID(row["organisation_id"]),
            uuid.UUID(row["user_id"]),
            datetime.fromisoformat(row["requested_at"]),
            row["keeps_account"],
            uuid.UUID(row["output_id"]) if row.get("output_id") else None,
        )
        for row in map(json.loads, lines.splitlines())
    ]


def _write(path: Path, people: Iterable[Erased]) -> None:
    """Replace the file in one step, so that a killed process leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for each in people:
            row = each._asdict() | {"requested_at": each.requested_at.isoformat()}
            file.write(json.dumps(row, default=str) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
