"""Which backup a moment is restored from, and which are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.backup.base_backups import Base, chain_for, choose_kept
from deploy.backup.faults import BackupError
from deploy.backup.repository import Stored

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def a_base(day: int, level: str, chain: str) -> Base:
    ended_at = NOON + timedelta(days=day)
    stored = Stored(f"{day}", ended_at, ("/b/staging",), {"level": level, "chain": chain})
    return Base(stored, chain, "7-1", f"{day:024X}", f"{day + 1:024X}", ended_at)


BASES = [
    a_base(0, "full", "a"),
    a_base(1, "incremental", "a"),
    a_base(2, "incremental", "a"),
    a_base(3, "full", "b"),
    a_base(4, "incremental", "b"),
]


@pytest.mark.parametrize(
    ("hours", "days"), [(1, [0]), (25, [0, 1]), (60, [0, 1, 2]), (80, [3]), (500, [3, 4]), (None, [3, 4])]
)
def test_a_moment_is_restored_from_the_newest_backup_before_it(hours: int | None, days: list[int]) -> None:
    to = None if hours is None else NOON + timedelta(hours=hours)
    assert [int(base.stored.id) for base in chain_for(BASES, to)] == days


@pytest.mark.parametrize(
    ("bases", "to", "message"),
    [
        (BASES, NOON - timedelta(seconds=1), "is before the end of the oldest backup that is kept"),
        (BASES, datetime.now(UTC) + timedelta(days=9), "is in the future"),
        ([], NOON, "no backup is stored here"),
    ],
)
def test_what_cannot_be_restored_is_said(bases: list[Base], to: datetime, message: str) -> None:
    with pytest.raises(BackupError, match=message):
        chain_for(bases, to)


def test_whole_chains_are_kept() -> None:
    assert choose_kept(BASES, 1) == BASES[3:]
    assert choose_kept(BASES, 2) == BASES
    assert choose_kept(BASES, 3) == BASES
