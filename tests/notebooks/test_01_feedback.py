"""Where there is nothing to read, the notebook on feedback ends in one sentence that says what to do."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session

from data import database
from data.tables import Organisation
from data.traffic import comparisons, evidence_messages
from tests import ports
from tests.notebooks import scripts
from tests.traffic import Traffic

NOTEBOOK = "01_feedback"


def fail(folder: Path, url: str, organisation: str = "first") -> str:
    """The last line of a run that fails; it names the error. Nothing was written."""
    ended = scripts.run(NOTEBOOK, folder, url, organisation)
    assert ended.returncode == 1
    assert not list(folder.iterdir())
    return ended.stderr.splitlines()[-1]


@contextmanager
def organisation(url: str) -> Iterator[Traffic]:
    """Adds rows of a new organisation, which are committed at the end of the block."""
    engine = database.engine(url)
    with Session(engine) as session, session.begin():
        first = Organisation(name="first")
        session.add(first)
        session.flush()
        yield Traffic(session, first.id)
    engine.dispose()


@pytest.mark.slow
def test_a_missing_server(tmp_path: Path) -> None:
    url = f"postgresql://nobody@127.0.0.1:{ports.free_port()}/nothing"
    sentence = "TONEBRIDGE_DATABASE_URL names a database that does not answer: start its server"
    assert f"NoInstallationError: {sentence}" in fail(tmp_path, url)


@pytest.mark.slow
def test_a_database_without_the_organisation(tmp_path: Path, database_url: str) -> None:
    name = str(uuid.uuid4())
    sentence = f"There is no organisation “{name}”; set TONEBRIDGE_ORGANISATION"
    assert f"FlowError: {sentence}" in fail(tmp_path, database_url, name)


@pytest.mark.slow
def test_a_database_without_a_vote(tmp_path: Path, new_database: Callable[..., str]) -> None:
    url = new_database()
    with organisation(url):
        pass
    assert "NoFeedbackError: nobody has voted yet: ask people to vote" in fail(tmp_path, url)


@pytest.mark.slow
def test_one_comparison_is_shown_although_nothing_can_be_said_of_it(
    tmp_path: Path, new_database: Callable[..., str]
) -> None:
    """No answer, no rating and no pair of people; and no row in Postgres or below the state folder is new."""
    url, now = new_database(), datetime.now(UTC)
    with organisation(url) as traffic:
        person = traffic.add_person()
        message = evidence_messages.list_shipped(comparisons.load().evidence_share, for_evidence=False)[0]
        outputs = [traffic.add_output(now, message, rewrite=text) for text in ("One.", "Another.")]
        comparison = traffic.compare(now, person, *outputs)
        traffic.vote(
            now, person, outputs[0], "comparison", comparison_id=comparison, preferred_output_id=outputs[1]
        )
    ended = scripts.run(NOTEBOOK, tmp_path, url)
    assert ended.returncode == 0, ended.stderr
    assert "1 of the 1 people who got a rewrite voted." in ended.stdout
    assert "1 votes of 1 people count." in ended.stdout
    assert "Accepted" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM snapshots").fetchone() == (0,)
