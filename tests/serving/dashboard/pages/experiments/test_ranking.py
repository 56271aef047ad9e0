"""The ranking of all versions, on the page of an experiment."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Analysis, Experiment
from experiments.ranking import PairVote, rank
from pipelines import sample_experiment
from tests.dashboards import Installation, own_settings, with_gateway
from tests.serving.dashboard.texts import text_at


@pytest.fixture(scope="module")
def sample(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with the sample experiment."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("sample"))
    with with_gateway(settings) as installation:
        assert sample_experiment.store(installation.engine, settings.organisation)
        yield installation


def store_ranking(installation: Installation, votes: list[PairVote]) -> uuid.UUID:
    """Store the ranking by these votes in the newest analysis; returns the experiment's id."""
    with Session(installation.engine) as session, session.begin():
        newest = session.scalars(select(Analysis).order_by(Analysis.analysed_at.desc()).limit(1)).one()
        ranking = rank(votes, "v1", 0.05).model_dump(mode="json")
        newest.evidence = {**newest.evidence, "ranking": ranking}
        return session.scalars(select(Experiment.id)).one()


def make_votes(winner: str, loser: str, wins: int, losses: int) -> list[PairVote]:
    """Votes of as many people on as many messages."""
    won = [PairVote(winner, loser, uuid.uuid4(), uuid.uuid4()) for _ in range(wins)]
    return won + [PairVote(loser, winner, uuid.uuid4(), uuid.uuid4()) for _ in range(losses)]


def test_versions_are_shown_by_rank_with_their_possible_ranks(sample: Installation) -> None:
    votes = make_votes("v2", "v1", 90, 10) + make_votes("v3", "v1", 30, 30) + make_votes("v5", "v6", 3, 2)
    experiment_id = store_ranking(sample, votes)
    with sample.client() as client:
        page = text_at(client, f"/experiments/{experiment_id}")
        for row in ("1 | v2 | 89.6% |", "v1 champion | 50.0% | – | 2 … 3 | 160 |", "v3 | 50.0% |"):
            assert row in page
        assert page.count("No chain of votes connects this version with the champion") == 2
        assert "Decided votes of 160 people on 160 messages. With 95% confidence" in page
        picture = client.get(f"/experiments/{experiment_id}").text
        assert 'aria-label="Share of the votes that prefer each version to the champion' in picture
        client.cookies.set("language", "ja")
        page = text_at(client, f"/experiments/{experiment_id}")
        assert "順位表" in page
        assert "あり得る順位" in page


def test_before_there_are_enough_votes_there_is_no_interval(sample: Installation) -> None:
    experiment_id = store_ranking(sample, make_votes("v2", "v1", 6, 3))
    with sample.client() as client:
        page = text_at(client, f"/experiments/{experiment_id}")
    assert "too few people or messages so far" in page
    assert "1 | v2 | 65.0% |" in page


def test_an_experiment_with_one_challenger_has_no_ranking(sample: Installation) -> None:
    with Session(sample.engine) as session, session.begin():
        for analysis in session.scalars(select(Analysis)):
            analysis.evidence = {**analysis.evidence, "ranking": None}
        experiment_id = session.scalars(select(Experiment.id)).one()
    with sample.client() as client:
        assert "Possible ranks" not in text_at(client, f"/experiments/{experiment_id}")
