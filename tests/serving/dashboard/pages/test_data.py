"""The page on data: votes, snapshots, drift."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from data.snapshots import weekly_messages
from data.tables import Feedback, Output
from data.traffic import answers
from tests.dashboards import Installation
from tests.serving.dashboard.rows import NOW
from tests.serving.dashboard.texts import text_at, text_of
from tests.waiting import until


@pytest.mark.parametrize(
    "sentence",
    [
        "Nobody has voted in the last 30 days. People vote on the Compare page",
        "There is no snapshot yet. The flow `collect` makes one",
        "Your organisation has had no new output in the last seven days.",
        "too few messages: 0 in the last seven days and 0 in the four weeks before; each period needs",
    ],
)
def test_what_is_missing_is_named_with_what_to_do(empty: Installation, sentence: str) -> None:
    with empty.client() as client:
        assert sentence.lower() in text_at(client, "/data").lower()


def test_feedback_is_counted_by_kind_with_its_response_rate(filled: Installation) -> None:
    with Session(filled.engine) as session:
        is_own = Output.organisation_id == filled.organisation_id
        week = select(func.count()).where(is_own, Output.id >= answers.floor(NOW - timedelta(days=7)))
        outputs = session.scalar(week)
        thumbs = session.scalar(select(func.count()).select_from(Feedback))
    assert outputs
    assert thumbs
    with filled.client() as client:
        page = text_at(client, "/data")
    assert f"thumb | {thumbs} | {thumbs} |" in page
    assert "rating | 0 | 0 |" in page
    assert f"of the last seven days have a vote ({thumbs} of {outputs})" in page


def test_a_snapshot_has_the_reasons_of_its_rejection_and_its_measurements(filled: Installation) -> None:
    with filled.client() as client:
        html = client.get("/data").text
    page = text_of(html)
    assert f'<tr id="snapshot-{"bbbb2222" * 4}">' in html
    assert (
        "rejected | 120 | 30 | 20 | 80 | 15 | – | 40 people chose the text shown first in 90% of 80" in page
    )
    assert "accepted | 120 | 30 | 20 | 80 | 15 | 20" in page
    assert "chose the rewrite shown first: 90.0%" in page
    assert "80 votes from 40 people" in page
    assert "7 votes above the limit per person" in page
    assert "comparisons: unknown" in page  # no two people judged the same pair


def test_drift_alarms_for_what_has_changed_and_not_for_messages_of_others(filled: Installation) -> None:
    with filled.client() as client:
        page = text_at(client, "/data")
    assert "The messages of the last seven days differ from earlier ones: script." in page
    assert "script alarm: the distribution has changed" in page
    assert "length steady; index 0 " in page  # although those of the other organisation are all long
    assert "transform type steady" in page
    assert "kana or kanji | 90.0% | 0.0% |" in page


def cancel_statement(installation: Installation, pattern: str) -> None:
    """End a running statement, which gets the same error as one that Postgres ends after its time."""
    cancel = text(
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'active' AND query LIKE :pattern"
    )
    with installation.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        until(lambda: owner.scalar(cancel, {"pattern": pattern}))


def test_drift_is_not_reported_when_counting_takes_too_long(
    filled: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT pg_sleep(600), :organisation, :weeks, CAST(:floors AS uuid[]), :most"
    monkeypatch.setattr(weekly_messages, "_MESSAGES", query)
    with filled.client() as client, ThreadPoolExecutor() as pool:
        ended = pool.submit(cancel_statement, filled, "SELECT pg_sleep(600)%")
        page = text_at(client, "/data")
        ended.result()
    assert "Postgres took longer than five seconds" in page
    assert "The messages of the last seven days differ" not in page
