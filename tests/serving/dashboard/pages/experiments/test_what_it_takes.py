"""What it takes to ship: the page has a bar and the days of each requirement, or why the days are unknown."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from data.records import PROTECTED, Spec
from data.tables import Analysis, Experiment, StoredSpec, Variant, new_id
from experiments import evidence
from experiments.evidence import Evidence
from tests.dashboards import Installation
from tests.experiments.test_evidence import PLAN, build_evidence


@pytest.fixture
def experiment_id(empty: Installation) -> Iterator[uuid.UUID]:
    """A running experiment that is not analysed yet."""
    id, spec = new_id(), Spec(version="v2", protection=PROTECTED)
    with Session(empty.engine) as session, session.begin():
        session.add(
            Experiment(
                id=id, name="Half way", hypothesis="x", salt="s", plan=PLAN.model_dump(mode="json"),
                status="running", started_at=datetime.now(UTC) - timedelta(days=11),
            )
        )  # fmt: skip
        session.merge(StoredSpec(digest=spec.digest, spec=spec.model_dump(mode="json")))
        session.flush()
        for name in ("v1", "v2"):
            baseline = name == "v1"
            session.add(Variant(experiment_id=id, name=name, spec_digest=spec.digest, is_baseline=baseline))
    yield id
    with Session(empty.engine) as session, session.begin():
        for table in (Analysis, Variant):
            session.execute(delete(table).where(table.experiment_id == id))
        session.execute(delete(Experiment).where(Experiment.id == id))


def read_requirements(
    installation: Installation, experiment_id: uuid.UUID, analysis: Evidence, language: str = "en"
) -> dict[str, tuple[float | None, str]]:
    """The bar of each requirement that is not met, by its sentence's first word, and the text after it."""
    with Session(installation.engine) as session, session.begin():
        evidence.store(session, experiment_id, analysis)
    with installation.client() as client:
        client.cookies.set("language", language)
        html = client.get(f"/experiments/{experiment_id}").text
    [section] = re.findall(
        r'<section class="card" aria-labelledby="requirements-title">.*?</section>', html, re.S
    )
    rows = {}
    for row in re.findall(r'<li class="unknown">(.*?)</li>', section, re.S):
        sentence, _, note = row.partition('<span class="note">')
        bar = re.search(r'<progress max="1" value="([\d.]+)"', note)
        words = " ".join(re.sub("<[^>]+>", " ", note).split())
        rows[re.split("[ :：]", sentence.strip())[0]] = float(bar[1]) if bar else None, words
    return rows


def test_few_users_have_a_bar_and_the_days_that_are_left(
    empty: Installation, experiment_id: uuid.UUID
) -> None:
    analysis = build_evidence(62, 28, users=48, harm=True)
    rows = read_requirements(empty, experiment_id, analysis)
    requirements = analysis.decision.by_challenger["v2"].requirements
    by_name = {each.state.values["metric"]: each for each in requirements if "metric" in each.state.values}
    assert by_name["satisfaction"].days_left is not None
    bar, words = rows["satisfaction"]
    assert bar == pytest.approx(by_name["satisfaction"].progress, abs=0.001)
    assert bar is not None
    assert 0 < bar < 1
    [days] = re.findall(r"^\d+ ?% about ([\d.,]+) more days$", words)
    assert float(days.replace(",", "")) == pytest.approx(by_name["satisfaction"].days_left, rel=0.1)
    bar, words = rows["complained"]
    assert bar == 0
    assert words.endswith("complained: if the difference stays as it is, no number of users shows this.")
    japanese = read_requirements(empty, experiment_id, analysis, "ja")
    assert any(re.search("あと約 [0-9.,]+ 日", words) for _, words in japanese.values())
    assert any("ユーザーが増えても示されません" in words for _, words in japanese.values())


def test_without_measured_users_the_page_says_why_the_days_are_unknown(
    empty: Installation, experiment_id: uuid.UUID
) -> None:
    rows = read_requirements(empty, experiment_id, build_evidence(20, 20, users=0))
    assert rows["Side"] == (0.0, "0% If people keep choosing as they do, no number of votes shows this.")
    for name in (PLAN.primary, *PLAN.guardrails):
        bar, words = rows[name.replace("_", " ").split()[0]]
        assert bar == 0
        assert "cannot be said yet, because not both arms have measured users." in words
