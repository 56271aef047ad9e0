"""The numbers of the loop: those of the pages, of all organisations, without their names or texts."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Organisation, Usage
from serving.dashboard import services
from serving.dashboard.loop_metrics import LoopMetrics
from tests.dashboards import Installation
from tests.logins import as_dashboard


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """What a dashboard exports of the loop."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.registry.register(LoopMetrics(settings, engine, self.clock, wait_s=60))

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def reading(filled: Installation) -> Iterator[Engine]:
    """Postgres as the dashboard's login sees it."""
    url = as_dashboard(filled.settings).database_url
    assert url is not None
    engine = database.reading_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def loop(filled: Installation, reading: Engine) -> Loop:
    return Loop(filled.settings, reading)


def test_the_numbers_are_those_of_the_pages(loop: Loop) -> None:
    now = datetime.now(UTC).timestamp()
    trained = loop.value("tonebridge_snapshot_timestamp_seconds", kind="trained")
    assert trained == pytest.approx(now - 9 * 86_400, abs=3600), (
        "when it was made, not when it was trained on"
    )
    assert loop.value("tonebridge_training_waiting_seconds") == 0, "the newer snapshot was rejected"
    assert loop.value("tonebridge_version_timestamp_seconds", gate="rejected") == pytest.approx(
        now - 5 * 86_400, abs=3600
    )
    assert loop.value("tonebridge_experiments", status="running") == 1
    assert loop.value("tonebridge_experiments", status="paused") == 0
    assert loop.value("tonebridge_decisions", state="open") == 1
    assert loop.value("tonebridge_decisions", state="failed") == 1
    assert loop.value("tonebridge_gateways", state="behind") >= 1  # type: ignore[operator]
    assert loop.value("tonebridge_drift_level", trait="script") == 2, (
        "most messages of this week are Japanese"
    )
    assert loop.value("tonebridge_drift_level", trait="length") == 0, (
        "those of the other organisation do not count"
    )
    assert loop.value("tonebridge_week_messages") == 220
    assert loop.value("tonebridge_flow_runs_failed", flow="train") is None, "Prefect is unavailable"
    times = {
        part: loop.value("tonebridge_loop_measured_timestamp_seconds", part=part)
        for part in ("tables", "messages", "flows")
    }
    assert times["flows"] is None
    assert times["tables"] == pytest.approx(now, abs=60)


def test_a_snapshot_that_waits_for_a_training_has_its_age(filled: Installation, loop: Loop) -> None:
    with Session(filled.engine) as session, session.begin():
        session.execute(text("UPDATE snapshots SET accepted = true WHERE digest LIKE 'bbbb%'"))
    try:
        assert loop.value("tonebridge_training_waiting_seconds") == pytest.approx(2 * 86_400, abs=3600)
    finally:
        with Session(filled.engine) as session, session.begin():
            session.execute(text("UPDATE snapshots SET accepted = false WHERE digest LIKE 'bbbb%'"))


def test_quotas_are_numbers_of_organisations_without_names(filled: Installation, loop: Loop) -> None:
    month = datetime.now(UTC).date().replace(day=1)
    names = [f"tenant {uuid.uuid4()}" for _ in range(4)]
    with Session(filled.engine) as session, session.begin():
        for name, used, quota in zip(names, (79, 80, 100, 5000), (100, 100, 100, None), strict=True):
            tenant = Organisation(name=name)
            session.add(tenant)
            session.flush()
            session.add(Usage(organisation_id=tenant.id, month=month, answers=used, quota=quota))
    states = ("below", "near", "used_up")
    assert [loop.value("tonebridge_quota_organisations", state=state) for state in states] == [1, 1, 1]
    exported = loop.text()
    for secret in (*names, "another", "Softer requests", "Because of", "Fix it today"):
        assert secret not in exported


def test_postgres_is_asked_once_a_minute(loop: Loop) -> None:
    first = loop.value("tonebridge_loop_measured_timestamp_seconds", part="tables")
    assert first is not None
    loop.clock.now = 59.0
    assert loop.value("tonebridge_loop_measured_timestamp_seconds", part="tables") == first
    loop.clock.now = 61.0
    assert loop.value("tonebridge_loop_measured_timestamp_seconds", part="tables") > first  # type: ignore[operator]


def test_without_postgres_there_are_no_numbers_and_no_error(filled: Installation) -> None:
    away = database.reading_engine("postgresql://tonebridge_dashboard@127.0.0.1:1/none")
    gone = Loop(filled.settings, away)
    assert gone.value("tonebridge_experiments", status="running") is None
    assert gone.value("tonebridge_loop_measured_timestamp_seconds", part="tables") is None
    away.dispose()


def test_the_last_numbers_stay_while_prefect_is_away(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    run = services.FlowRun("collect", "a", "COMPLETED", "Completed", (), "", now, "http://x")
    monkeypatch.setattr(services, "flow_runs", lambda settings, most: [run])
    measured = loop.value("tonebridge_loop_measured_timestamp_seconds", part="flows")

    def fail(settings: Settings, most: int) -> list[services.FlowRun]:
        raise httpx.ConnectError("Prefect is away")

    monkeypatch.setattr(services, "flow_runs", fail)
    loop.clock.now = 100.0
    assert loop.value("tonebridge_loop_measured_timestamp_seconds", part="flows") == measured
    assert loop.value("tonebridge_flow_success_timestamp_seconds", flow="collect") == now.timestamp()


def test_runs_of_flows_are_those_of_prefect(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)

    def run(flow: str, type: str, started_at: datetime | None) -> services.FlowRun:
        return services.FlowRun(flow, "a", type, type.capitalize(), (), "", started_at, "http://x")

    runs = [
        run("collect", "COMPLETED", now),
        run("collect", "COMPLETED", now.replace(year=2020)),
        run("train", "FAILED", now),
        run("train", "CRASHED", now.replace(year=2020)),
        run("train", "PENDING", None),
    ]
    monkeypatch.setattr(services, "flow_runs", lambda settings, most: runs[:most])
    assert loop.value("tonebridge_flow_success_timestamp_seconds", flow="collect") == now.timestamp()
    assert loop.value("tonebridge_flow_runs_failed", flow="train") == 1
    assert loop.value("tonebridge_flow_runs_failed", flow="collect") == 0
