"""Outputs to look at: of one's own organisation only, newest first, and hidden where a person wrote them."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.reasons import reason
from data.records import TransformType
from data.tables import DASHBOARD_LOGIN, Organisation
from data.traffic import comparisons, rewrites
from data.traffic.rewrites import RewritesError
from tests.traffic import Traffic

UNCHANGED = reason("unchanged_no_term")
OWN = "Somebody wrote this."


@pytest.fixture
def tenant(engine: Engine) -> Organisation:
    """An organisation with five outputs and one of the sample experiment; another organisation has one."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        tenant, other = (Organisation(name=str(uuid.uuid4())) for _ in range(2))
        session.add_all([tenant, other])
        session.flush()
        shipped = comparisons.read_messages()[0]

        own, others, now = Traffic(session, tenant.id), Traffic(session, other.id), datetime.now(UTC)
        before = [now - timedelta(seconds=seconds) for seconds in range(7)]
        own.add_output(before[6], shipped, rewrite="first", intensity=2)
        own.add_output(before[5], shipped, rewrite="second", intensity=3)
        others.add_output(before[4], shipped, rewrite="of another organisation", intensity=2)
        own.add_output(before[3], shipped, "clarify", "third", "v2", intensity=2)
        own.add_output(before[2], shipped, rewrite="simulated", version="sample-1", intensity=2)
        own.add_output(before[1], OWN, rewrite="fourth", intensity=2)
        own.add_output(before[0], shipped, "terminology", shipped, intensity=2, unchanged=UNCHANGED)
    return tenant


@pytest.fixture
def settings(database_url: str, tenant: Organisation) -> Settings:
    return Settings(database_url=database_url, organisation=tenant.name)


def test_the_newest_outputs_of_ones_own_organisation_come_first(settings: Settings) -> None:
    rows = rewrites.read_newest(settings)
    shipped = comparisons.read_messages()[0]
    assert [row.text for row in rows] == [shipped, "fourth", "third", "second", "first"]
    assert rows[0].unchanged == UNCHANGED
    assert {row.unchanged for row in rows[1:]} == {None}
    assert [row.text for row in rewrites.read_newest(settings, most=2)] == [shipped, "fourth"]
    assert [row.text for row in rewrites.read_newest(settings, "soften", 2)] == ["fourth", "first"]
    assert [row.text for row in rewrites.read_newest(settings, intensity=3)] == ["second"]
    assert [row.text for row in rewrites.read_newest(settings, version="v2")] == ["third"]


def test_the_dashboards_login_reads_the_same(database_url: str, tenant: Organisation) -> None:
    engine = database.reading_engine(database.replace_login(database_url, DASHBOARD_LOGIN))
    with Session(engine) as session:
        rows = rewrites.list_outputs(session, tenant.id, TransformType.SOFTEN)
    engine.dispose()
    assert [row.text for row in rows] == ["fourth", "second", "first"]


def test_what_a_person_wrote_can_be_hidden(settings: Settings) -> None:
    rows = rewrites.read_newest(settings, "soften")
    hidden = rewrites.hide_written(rows)
    assert (
        [row.message is None for row in hidden]
        == [row.message == OWN for row in rows]
        == [True, False, False]
    )
    assert [row.text for row in hidden] == [None, "second", "first"]
    assert [row._replace(message=None, text=None) for row in rows] == [
        row._replace(message=None, text=None) for row in hidden
    ], "nothing else is changed"


def test_nothing_to_look_at_is_said_in_one_sentence(settings: Settings) -> None:
    with pytest.raises(RewritesError, match="there is no such output yet: ask for a rewrite"):
        rewrites.read_newest(settings, "summarize")
    nobody = settings.model_copy(update={"organisation": "nobody's"})
    with pytest.raises(RewritesError, match='no organisation "nobody\'s": set TONEBRIDGE_ORGANISATION'):
        rewrites.read_newest(nobody)
    assert settings.database_url is not None
    gone = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    with pytest.raises(RewritesError, match="Postgres does not answer: start the installation by `make up`"):
        rewrites.read_newest(gone)
    with pytest.raises(ValueError, match="'polish' is no transform type; they are soften, clarify"):
        rewrites.read_newest(settings, "polish")
