"""A withdrawal names what left, and is noted only once the caches have it."""

import sys
import uuid
from datetime import UTC, datetime

import pytest
import redis
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Withdrawal
from data.traffic import withdrawals
from tests.traffic import Traffic

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def release(engine: Engine, organisation_id: uuid.UUID) -> str:
    """A release that wrote two outputs; an earlier one wrote a third."""
    name = f"v{uuid.uuid4()}"
    with Session(engine) as session, session.begin():
        traffic = Traffic(session, organisation_id)
        ids = [traffic.add_output(datetime.now(UTC), f"Fix {number}.") for number in range(3)]
        session.execute(
            text("UPDATE outputs SET release = :name WHERE id = ANY(:ids)"), {"name": name, "ids": ids[:2]}
        )
    return name


def noted(engine: Engine, release: str) -> int:
    with Session(engine) as session:
        query = select(func.count()).select_from(Withdrawal).where(Withdrawal.release == release)
        return session.execute(query).scalar_one()


def test_the_command_counts_what_a_release_wrote(
    engine: Engine,
    release: str,
    local: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert local.database_url
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", local.database_url)
    monkeypatch.setenv("TONEBRIDGE_REDIS_URL", local.redis_url or "")
    monkeypatch.setattr(sys, "argv", ["withdrawals", release])
    withdrawals.main()
    assert capsys.readouterr().out == f"2 outputs of {release} were withdrawn from the caches.\n"
    assert noted(engine, release) == 1


def test_without_redis_there_are_the_gateways_own_caches(engine: Engine, release: str) -> None:
    assert withdrawals.withdraw(engine, None, release) == 2
    assert noted(engine, release) == 1


def test_a_failure_of_redis_is_told_and_nothing_is_noted(engine: Engine, release: str) -> None:
    with pytest.raises(redis.ConnectionError):
        withdrawals.withdraw(engine, NOWHERE, release)
    assert noted(engine, release) == 0


def test_the_command_says_what_to_do_when_a_store_is_away(
    release: str, local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local.database_url
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", local.database_url)
    monkeypatch.setenv("TONEBRIDGE_REDIS_URL", NOWHERE)
    monkeypatch.setattr(sys, "argv", ["withdrawals", release])
    with pytest.raises(SystemExit, match="cannot be reached, so nothing is noted yet; run this again"):
        withdrawals.main()
