"""Removes copies of a person's data outside Postgres: cached outputs, snapshots, and runs that read these."""

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import redis_meter
from data.erasure import orders
from data.erasure.whom import Person
from data.reasons import reason
from data.redis_meter import Meter
from data.snapshots import archive, folders, shards, snapshot, teachers
from data.tables import Erasure, Lineage, OutputErasure, Snapshot
from data.traffic.outputs import Namer, make_cache_key

CacheError = redis.RedisError  # raised by `uncache` when Redis is unavailable

Report = Callable[[str], None]  # takes a line of progress


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes that leave the snapshots: all of a person, or those with these ids."""

    person: Person
    ids: frozenset[uuid.UUID] | None = None

    def has(self, user_id: uuid.UUID, vote_id: uuid.UUID) -> bool:
        """Whether a vote of a person is one of them."""
        return user_id == self.person.id and (self.ids is None or vote_id in self.ids)


def uncache(settings: Settings, person: Person, outputs: Sequence[Any], is_rehearsal: bool) -> int:
    """Remove outputs from Redis; how many of them it had. A rehearsal only counts.

    `outputs` are rows with `spec_digest`, `dictionary_digest`, `transform_type`, `intensity` and `message`.
    """
    namer = Namer()
    keys = [make_cache_key(namer, person.organisation_id, row) for row in outputs]
    if not settings.redis_url or not keys:
        return 0
    # Without the budget: an erasure waits for no other day, and takes two commands of what nobody may lease.
    with redis_meter.connect(settings.redis_url, Meter(), socket_timeout=10) as client:
        return int(client.exists(*keys) if is_rehearsal else client.unlink(*keys))


def find_snapshots(settings: Settings, engine: Engine, votes: Votes) -> tuple[list[Path], list[str]]:
    """Folders of the snapshots with some of these votes, and digests of those that cannot be read here."""
    with Session(engine) as session:
        rows = session.execute(select(Snapshot.digest, Snapshot.path).where(Snapshot.path != "")).all()
    registered = {folders.from_row(settings.state, path).resolve(): digest for digest, path in rows}
    # A killed flow may have written a snapshot without registering it.
    on_disk = {
        folder.resolve()
        for folder in settings.state.glob("data/snapshots/*")
        if folder.is_dir() and folder.suffix != ".partial"
    }
    affected, missing = [], []
    for folder in sorted(registered.keys() | on_disk):
        sources = _read_votes(folder)
        if sources is None:
            missing.append(registered.get(folder, folder.name))
        elif any(votes.has(*source) for source in sources):
            affected.append(folder)
    return affected, missing


def _read_votes(folder: Path) -> Iterator[tuple[uuid.UUID, uuid.UUID]] | None:
    """The people and the ids of a snapshot's votes; None when its files are missing or incomplete.

    It also reads the old format of jsonl files; such a snapshot cannot be rewritten, only withdrawn.
    """
    if shards.is_snapshot(folder):
        return ((source.user, source.feedback) for source in shards.read_sources(folder))
    lines = folder / "sources.jsonl"
    if not lines.exists():
        return None
    rows = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
    return ((uuid.UUID(row["user"]), uuid.UUID(row["feedback"])) for row in rows)


def rewrite_snapshots(
    settings: Settings, engine: Engine, votes: Votes, order_id: uuid.UUID, report: Report
) -> list[str]:
    """Rewrite every snapshot without these votes, and delete the folders of runs that read one of them.

    `order_id` is that of the erasure of the person, or of the one output that the votes are about. Returns
    the digests of snapshots that cannot be read here. Nothing else may read or write snapshots meanwhile: the
    caller holds the locks `snapshot` and `train`.
    """
    repository = folders.repository(settings.state)
    for unfinished in repository.glob("snapshots/*.partial"):
        shutil.rmtree(unfinished)
    affected, missing = find_snapshots(settings, engine, votes)
    for folder in affected:
        successor = _replace(settings, engine, votes, order_id, folder)
        with Session(engine) as session:
            runs = [settings.state / "runs" / run for run in find_runs(session, folder.name)]
        for run in runs:
            if run.exists():
                shutil.rmtree(run)
        objects = archive.forget(repository, folder, settings.dvc_remote)
        # By this name the next run finds and removes what a killed one leaves.
        folder.rename(partial := folder.with_name(f"{folder.name}.partial"))
        shutil.rmtree(partial)
        report(
            f"snapshot   {folder.name} -> {successor or 'withdrawn'};"
            f" {objects} objects of DVC and {len(runs)} run folders removed"
        )
    return missing


def _replace(
    settings: Settings, engine: Engine, votes: Votes, order_id: uuid.UUID, folder: Path
) -> str | None:
    """Replace a snapshot by one without these votes, and issue the orders that follow; the new digest.

    None when nothing remains, or the snapshot's format does not show which rows are made of the votes.
    """
    with Session(engine) as session:
        row = session.get(Snapshot, folder.name)
        is_of_teacher = teachers.read(folder) is not None  # such a snapshot is registered in the lineage only
        if (row is None and not is_of_teacher) or (row is not None and not row.path):
            # A flow was killed before it registered the snapshot, or an erasure after it replaced it.
            return _find_successor(session, folder.name)
        if is_of_teacher and (successor := _find_successor(session, folder.name)):
            return successor
        counts = row.counts if row else {}
        written = snapshot.rewrite_without(
            folder, lambda source: votes.has(source.user, source.feedback), counts
        )
        if written is not None and not any(written.counts[name] for name in ("votes", *shards.KINDS)):
            shutil.rmtree(written.folder)
            written = None
        if written is not None:
            archive.add(folders.repository(settings.state), written.folder, settings.dvc_remote)
        versions = find_versions(session, folder.name)
        order: Erasure | OutputErasure
        if votes.ids is None:
            order = session.get_one(Erasure, order_id)
            orders.issue(session, order_id, versions)
        else:
            # A version stays in use without one rewrite. An erasure of the person has to find it later, and
            # so has one of others, who are in the new snapshot.
            order = session.get_one(OutputErasure, order_id)
            order.versions = sorted({*order.versions, *versions})
            if written is not None:
                for run in find_runs(session, folder.name):
                    _add_edge(session, f"snapshot:{written.digest}", f"run:{run}")
        if row is None:
            if written is not None:
                _link(session, folder.name, written.digest)
        elif written is None:
            # The row stays for its high-water mark: older votes need no training again.
            row.path, row.accepted, row.quality = "", False, None
            row.reasons = [reason("all_erased")]
        else:
            _insert_successor(session, settings.state, row, written)
            session.delete(row)
        order.counts = dict(Counter(order.counts) + Counter({"snapshots": 1}))
        session.commit()
    return written.digest if written else None


def _insert_successor(session: Session, state: Path, row: Snapshot, written: snapshot.Written) -> None:
    """Register a rewritten snapshot with the training time and the high-water mark of the former one, so that
    the schedules do not train again. Another snapshot may have the same data and so the same row.
    """
    values = {
        "path": folders.to_row(state, written.folder),
        "counts": written.counts,
        "high_water": row.high_water,
        "trained_at": row.trained_at,
        "accepted": row.accepted,
        "reasons": row.reasons,
        "quality": None,
    }
    stored = Snapshot.__table__.c
    session.execute(
        insert(Snapshot)
        .values(digest=written.digest, **values)
        .on_conflict_do_update(
            index_elements=["digest"],
            set_={
                "high_water": func.greatest(stored.high_water, row.high_water),
                "trained_at": func.coalesce(stored.trained_at, row.trained_at),
            },
        )
    )
    _link(session, row.digest, written.digest)


def _link(session: Session, digest: str, successor: str) -> None:
    _add_edge(session, f"snapshot:{digest}", f"snapshot:{successor}")


def _add_edge(session: Session, source: str, target: str) -> None:
    edge = {"source": source, "target": target}
    session.execute(insert(Lineage).values(edge).on_conflict_do_nothing())


def _find_successor(session: Session, digest: str) -> str | None:
    """The digest of the snapshot that replaced another one."""
    return next(iter(_find_targets(session, f"snapshot:{digest}", "snapshot")), None)


def find_runs(session: Session, digest: str) -> list[str]:
    """The names of runs that read a snapshot, finished or not."""
    return _find_targets(session, f"snapshot:{digest}", "run")


def find_versions(session: Session, digest: str) -> list[str]:
    """The names of versions that were trained on a snapshot.

    Each training starts from the base model, so no version inherits the data of another.
    """
    return [
        version
        for run in find_runs(session, digest)
        for version in _find_targets(session, f"run:{run}", "version")
    ]


def _find_targets(session: Session, source: str, kind: str) -> list[str]:
    edges = select(Lineage.target).where(
        Lineage.source == source, Lineage.target.startswith(f"{kind}:", autoescape=True)
    )
    return [target.removeprefix(f"{kind}:") for target in session.scalars(edges.order_by(Lineage.target))]
