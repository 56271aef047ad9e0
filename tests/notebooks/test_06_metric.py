"""The notebook on a metric of one's own with the database of an installation: it stores nothing there."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from data import database
from data.tables import Organisation
from data.traffic import answers
from experiments import evidence
from pipelines.experiment import analyse
from tests.experiments.test_unit_values import PLAN, build
from tests.notebooks import scripts
from tests.pipelines.test_other_plan import read_all
from tests.trials import START

NOTEBOOK = "06_metric"


@pytest.mark.slow
def test_without_an_experiment_it_says_what_to_do(tmp_path: Path, new_database: Callable[..., str]) -> None:
    ended = scripts.run(NOTEBOOK, tmp_path, new_database())
    assert ended.returncode == 1
    sentence = "no experiment of this installation has compared its arms yet; wait until"
    assert sentence in ended.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_old_experiment_with_few_users_changes_in_no_way(
    tmp_path: Path, new_database: Callable[..., str]
) -> None:
    """There is no traffic of the last weeks, so it is not known what each metric can see."""
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, START.date() - timedelta(days=2), days=5))
    engine = database.engine(url)
    with Session(engine) as session:
        session.add(Organisation(name="first"))
        trial = build(session)
        at = START + timedelta(hours=2)
        evidence.store(session, trial.id, analyse(session, trial.id, PLAN, "first", at), at)
        session.commit()
    before = read_all(engine)
    ended = scripts.run(NOTEBOOK, tmp_path, url)
    assert ended.returncode == 0, ended.stderr
    assert "200 users whose windows of 1 hours have closed" in ended.stdout
    assert "there is no column complaint; complaints is the nearest" in ended.stdout
    assert read_all(engine) == before
    engine.dispose()
    folder = tmp_path / "artifacts" / "notebooks" / "06"
    assert {file.name for file in folder.iterdir()} == {"metrics.yaml", "needed_work.html"}
    assert "needed work" in (folder / "needed_work.html").read_text()
