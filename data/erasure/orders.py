"""Orders: what erasures require of the versions that were trained on a person.

`retrain` while a version is in force, `retire` otherwise. A version with an order never becomes champion
again. A `retrain` order becomes `retire` when the version is no longer in force; then the flow `retain`
removes the version's weights.
"""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.erasure.whom import Person, match_owner
from data.reasons import ReasonedError
from data.tables import Erasure, Version, VersionOrder
from data.traffic import routing


class OrderedError(ReasonedError, ValueError):
    """A version may not go live, because it was trained on a person who was erased since."""


def issue(session: Session, erasure_id: uuid.UUID, versions: Collection[str]) -> None:
    """Order each version to be retrained or retired, once for each erasure. The caller commits."""
    in_force = _find_in_force(session)
    for version in sorted(versions):
        removed_at = session.scalar(
            select(func.max(VersionOrder.done_at)).where(VersionOrder.version == version)
        )
        session.execute(
            insert(VersionOrder)
            .values(
                erasure_id=erasure_id,
                version=version,
                action="retrain" if version in in_force else "retire",
                done_at=removed_at,
            )
            .on_conflict_do_nothing()
        )


def retire_unused(session: Session) -> None:
    """Change `retrain` to `retire` for versions that are no longer in force. The caller commits."""
    session.execute(
        update(VersionOrder)
        .where(VersionOrder.action == "retrain", VersionOrder.version.not_in(_find_in_force(session)))
        .values(action="retire")
    )


def action_for(session: Session, version: str) -> str | None:
    """The action of a version's newest order, `retrain` or `retire`; None without an order."""
    return session.scalar(
        select(VersionOrder.action)
        .where(VersionOrder.version == version)
        .order_by(VersionOrder.created_at.desc())
        .limit(1)
    )


def refuse_version(session: Session, version: str) -> None:
    """Raise OrderedError when a version has an order, so that it must not become champion."""
    if action_for(session, version):
        raise OrderedError("version_erased", version=version)


def to_retire(session: Session) -> list[Version]:
    """The versions whose weights have to be removed now."""
    open_orders = select(VersionOrder.version).where(
        VersionOrder.action == "retire", VersionOrder.done_at.is_(None)
    )
    return list(session.scalars(select(Version).where(Version.name.in_(open_orders)).order_by(Version.name)))


def describe(engine: Engine, person: Person) -> list[str]:
    """A line for each version that was trained on a person: version, action, and the next step."""
    next_steps = {
        "retrain": "in force: the schedules train a new version (by hand: `train` on a snapshot named above);"
        " promote that, and this one is retired",
        "retire": "the next run of the flow `retain` removes its weights",
    }
    query = select(VersionOrder).join(Erasure, Erasure.id == VersionOrder.erasure_id)
    with Session(engine) as session:
        rows = session.scalars(
            query.where(*match_owner(Erasure, person)).order_by(VersionOrder.version)
        ).all()
    return [
        f"{row.version:<10} {row.action:<8} "
        + (f"done {row.done_at:%Y-%m-%d}" if row.done_at else next_steps[row.action])
        for row in rows
    ] or ["no version was trained on them"]


def close_for_version(session: Session, version: str) -> None:
    """Close a version's orders: its weights are removed. The caller commits."""
    session.execute(
        update(VersionOrder)
        .where(VersionOrder.version == version, VersionOrder.done_at.is_(None))
        .values(done_at=datetime.now(UTC))
    )


def _find_in_force(session: Session) -> set[str]:
    """The names of versions that may answer: champion, challenger and arms."""
    live = routing.current(session)
    return {spec.version for spec in live.routing.specs().values()} if live else set()
