"""What was restored, compared with what was backed up: counts of rows, digests of files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from dvc.repo import Repo
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.snapshots import folders, shards
from data.tables import Snapshot, Version
from data.traffic import routing
from deploy.backup import postgres
from models import versions
from serving.inference import release


class Verification(NamedTuple):
    """What was compared, and what is wrong."""

    counts: Mapping[str, int]  # rows of each table
    snapshots: int
    versions: int
    champion: str | None
    faults: list[str]


def verify(
    settings: Settings, recorded: Mapping[str, int], report: Callable[[str], None] = print
) -> Verification:
    """Verify an installation whose servers run, and which nobody uses yet.

    `recorded` are the rows of each table when the backup was made; a table that had some then must have some.
    Each table is read in full, and Postgres compares the checksums of its pages. The files of snapshots are
    compared with DVC's hashes, and those of released versions with the files in MLflow.
    """
    url = database.url_of(settings)
    faults: list[str] = []
    counts = postgres.count_rows(url)
    for name, number in sorted(recorded.items()):
        if number and not counts.get(name):
            faults.append(f"the table {name} had {number} rows and is empty")
    report(
        f"rows        {sum(counts.values())} in {len(counts)} tables; {sum(recorded.values())} in the backup"
    )
    snapshots = _verify_snapshots(settings, faults)
    report(f"snapshots   {snapshots} compared with their hashes")
    number, champion = _verify_versions(settings, faults)
    report(f"versions    {number} read; the champion is {champion}")
    for fault in faults:
        report(f"WRONG       {fault}")
    return Verification(counts, snapshots, number, champion, faults)


def _verify_snapshots(settings: Settings, faults: list[str]) -> int:
    """Compare the files of each snapshot with the hashes in its pointer; how many there are."""
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            rows = session.execute(select(Snapshot.digest, Snapshot.path).where(Snapshot.path != "")).all()
    finally:
        engine.dispose()
    if not rows:
        return 0
    places = {digest: folders.from_row(settings.state, path) for digest, path in rows}
    for digest, place in places.items():
        if not shards.is_snapshot(place):
            faults.append(
                f"snapshot {digest} is not in {place} or is incomplete: `dvc pull` in {place.parent}"
            )
    with Repo(str(folders.repository(settings.state))) as repo:
        changed = repo.status()  # by pointer, what differs from it
    for name in changed:
        if Path(name).stem in places:
            faults.append(f"snapshot {Path(name).stem} differs from its pointer")
    return len(rows)


def _verify_versions(settings: Settings, faults: list[str]) -> tuple[int, str | None]:
    """Read the files of each accepted version; how many there are, and the champion."""
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            names = session.scalars(select(Version.name).where(Version.accepted)).all()
            live = routing.current(session)
    finally:
        engine.dispose()
    uri, store = settings.registry_uri, settings.artifact_store
    retired = {
        f"v{version.version}"
        for version in MlflowClient(tracking_uri=uri).search_model_versions(f"name = '{versions.MODEL}'")
        if version.tags.get("retired")
    }
    released = release.published(settings)
    read = [name for name in names if name not in retired]
    for name in read:
        try:
            digest = release.digest_of(versions.download(uri, store, name))
        except (FileNotFoundError, ValueError, MlflowException) as error:
            faults.append(f"version {name}: {error}")
            continue
        if name in released and release.digest_of(release.find(name, settings)) != digest:
            faults.append(f"the released version {name} differs from its files in MLflow: promote it again")
    champion = live.routing.champion.version if live else None
    if champion is not None and champion not in released:
        faults.append(f"the champion {champion} is not in {settings.model_store}: promote it again")
    return len(read), champion
