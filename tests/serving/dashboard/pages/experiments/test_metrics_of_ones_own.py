"""The page of a metric that the installation's own file defines."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Experiment
from pipelines import sample_experiment
from tests.dashboards import Installation, own_settings, with_gateway
from tests.serving.dashboard.texts import text_at


@pytest.fixture(scope="module")
def sample(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation whose sample experiment has a metric of one's own in its plan."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("sample"))
    with with_gateway(settings) as installation:
        assert sample_experiment.store(installation.engine, settings.organisation)
        with Session(installation.engine) as session, session.begin():
            experiment = session.scalars(select(Experiment)).one()
            unmet = {"kind": "ratio", "of": "failures + repeats", "per": "requests", "cap": 5}
            own = {"unmet": {**unmet, "better": "lower", "says": "unmet requests"}}
            experiment.plan = {**experiment.plan, "own_metrics": own}
        yield installation


def test_it_has_a_page_before_it_has_a_value(sample: Installation) -> None:
    with Session(sample.engine) as session:
        experiment_id = session.scalars(select(Experiment.id)).one()
    with sample.client() as client:
        page = text_at(client, f"/experiments/{experiment_id}/metrics/unmet")
    assert "unmet requests; lower is better. One user counts for at most 5." in page
    assert "without the cap | too few users so far" in page
