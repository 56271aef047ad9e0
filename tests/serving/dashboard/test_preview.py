"""A page without the dashboard's process: what a viewer gets, as one file."""

import re
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from data.tables import Experiment
from pipelines import sample_experiment
from serving.dashboard import preview
from serving.dashboard.pages import experiments
from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at, text_of


@pytest.fixture(scope="module")
def experiment_id(empty: Installation) -> Iterator[uuid.UUID]:
    """The sample experiment, in an installation that has nothing else."""
    assert sample_experiment.store(empty.engine, empty.settings.organisation)
    with Session(empty.engine) as session:
        yield session.scalars(select(Experiment.id)).one()
        session.execute(text("TRUNCATE experiments, specs, outputs, comparisons CASCADE"))
        session.commit()


def render(installation: Installation, experiment_id: uuid.UUID, metric: str = "", **language: str) -> str:
    """The page of a metric, or of the experiment."""
    with Session(installation.engine) as session:
        return preview.render(
            lambda here: (
                experiments.show_metric(here, experiment_id, metric)
                if metric
                else experiments.show(here, experiment_id)
            ),
            installation.settings,
            session,
            installation.organisation_id,
            **language,  # type: ignore[arg-type]
        )


def test_it_is_the_page_that_a_viewer_gets(empty: Installation, experiment_id: uuid.UUID) -> None:
    base = f"/experiments/{experiment_id}"
    with empty.client() as client:
        assert text_of(render(empty, experiment_id)) == text_at(client, base)
        page = render(empty, experiment_id, "satisfaction")
        assert text_of(page) == text_at(client, f"{base}/metrics/satisfaction")
        client.cookies.set("language", "ja")
        japanese = render(empty, experiment_id, "satisfaction", language="ja")
        assert text_of(japanese) == text_at(client, f"{base}/metrics/satisfaction")
        assert text_of(japanese) != text_of(page)


def test_it_needs_no_other_file(empty: Installation, experiment_id: uuid.UUID) -> None:
    page = render(empty, experiment_id)
    assert not re.findall(r' (?:href|src)="[^"]*"|<script|<form|<link', page)
    assert ".chart" in page[: page.index("<main")], "the style"


def test_it_reads_what_the_transaction_wrote(empty: Installation, experiment_id: uuid.UUID) -> None:
    with Session(empty.engine) as session:
        session.get_one(Experiment, experiment_id).name = "Renamed for now"
        session.flush()
        page = preview.render(
            lambda here: experiments.show(here, experiment_id), empty.settings, session, empty.organisation_id
        )
        assert session.get_one(Experiment, experiment_id).name == "Renamed for now", "it ended no transaction"
    assert "Renamed for now" in page
    assert "Renamed for now" not in render(empty, experiment_id)


def test_a_section_is_cut_by_its_title_and_charts_are_files(
    empty: Installation, experiment_id: uuid.UUID
) -> None:
    page = render(empty, experiment_id, "satisfaction")
    section = preview.cut(page, "ways")
    assert section.startswith("<section")
    assert section.endswith("</section>")
    assert "The effect, computed in several ways" in section
    assert "Effect over time" not in section
    with pytest.raises(ValueError, match="no section 'way'; it has ways"):
        preview.cut(page, "way")
    (chart,) = preview.list_charts(page)
    assert chart.startswith("<svg ")
    assert chart.endswith("</svg>")
    assert "var(" not in chart
