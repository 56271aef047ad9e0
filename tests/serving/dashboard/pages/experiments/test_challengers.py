"""Several challengers on the page of an experiment: the table of all, the chosen one, and dropping one."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Analysis, Experiment, StoredSpec, Variant
from pipelines import sample_experiment
from tests.dashboards import Installation, own_settings, with_gateway
from tests.serving.dashboard.texts import text_at

FIRST, SECOND = "sample-2", "sample-3"


@pytest.fixture(scope="module")
def sample(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation whose sample experiment has a second challenger, which is less preferred."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("sample"))
    with with_gateway(settings) as installation:
        assert sample_experiment.store(installation.engine, settings.organisation)
        with Session(installation.engine) as session, session.begin():
            add_challenger(session)
        yield installation


def add_challenger(session: Session) -> None:
    experiment = session.scalars(select(Experiment)).one()
    session.add(StoredSpec(digest="d", spec={"version": SECOND}))
    session.flush()
    session.add(Variant(experiment_id=experiment.id, name=SECOND, spec_digest="d", is_baseline=False))
    for analysis in session.scalars(select(Analysis)):
        results, decision = analysis.evidence["challengers"], analysis.evidence["decision"]
        other = {**results[FIRST], "comparison": {**results[FIRST]["comparison"], "win_rate": 0.44}}
        assessed = decision["by_challenger"][FIRST]
        analysis.evidence = {
            **analysis.evidence,
            "challengers": {FIRST: results[FIRST], SECOND: other},
            "decision": {
                **decision,
                "by_challenger": {FIRST: assessed, SECOND: {**assessed, "action": "roll_back"}},
            },
        }
    experiment.status = "running"


def find_id(installation: Installation) -> uuid.UUID:
    with Session(installation.engine) as session:
        return session.scalars(select(Experiment.id)).one()


def test_all_challengers_are_listed_and_one_is_compared(sample: Installation) -> None:
    address = f"/experiments/{find_id(sample)}"
    with sample.client() as client:
        page = text_at(client, address)
        assert "Ship: sample-2" in page, "the decision names the challenger"
        assert "The rest of this page compares sample-2 with the champion." in page
        assert "sample-3 | 44.0%" in page
        assert "97.5% confidence at every analysis" in page, "the level of each of two challengers"
        other = text_at(client, f"{address}?challenger={SECOND}")
        assert "The rest of this page compares sample-3 with the champion." in other
        assert "of the decided votes prefer the challenger" in other
        metric = client.get(f"{address}/metrics/satisfaction?challenger={SECOND}")
        assert f"{address}?challenger={SECOND}" in metric.text, "the way back leads to the chosen one"
        assert text_at(client, f"{address}?challenger=nobody") == page, "an unknown one shows the leading one"
        client.cookies.set("language", "ja")
        assert "このページの以下の部分は sample-2 をチャンピオンと比較します。" in text_at(client, address)


def test_a_person_chooses_which_one_is_dropped(sample: Installation) -> None:
    address = f"/experiments/{find_id(sample)}"
    with sample.client("experimenter") as client:
        assert f'href="{address}/drop?challenger={FIRST}"' in client.get(address).text
        form = client.get(f"{address}/drop?challenger={SECOND}").text
        assert f'<option value="{SECOND}" selected>' in form
        assert "sample-3 is withdrawn. The champion answers its users" in form


def test_a_dropped_challenger_keeps_its_last_evidence(sample: Installation) -> None:
    address = f"/experiments/{find_id(sample)}"
    with Session(sample.engine) as session, session.begin():
        session.execute(text("UPDATE variants SET dropped_at = now() WHERE name = :name"), {"name": SECOND})
        newest = session.scalars(select(Analysis).order_by(Analysis.analysed_at.desc()).limit(1)).one()
        newest.evidence = {
            **newest.evidence,
            "challengers": {FIRST: newest.evidence["challengers"][FIRST]},
            "decision": {
                **newest.evidence["decision"],
                "by_challenger": {FIRST: newest.evidence["decision"]["by_challenger"][FIRST]},
            },
        }
    with sample.client("experimenter") as client:
        page = text_at(client, address)
        assert "sample-3 | – | – | dropped" in page
        last = text_at(client, f"{address}?challenger={SECOND}")
        assert "44.0% of the decided votes prefer the challenger" in last
        assert f"{address}/drop" not in client.get(address).text, "one challenger is left"
