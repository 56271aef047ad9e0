"""The page of the answers behind a metric."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from data.traffic import answers
from experiments import examples, plan
from experiments.own_metrics import Definitions
from tests.dashboards import Installation
from tests.experiments.test_examples import build
from tests.serving.dashboard.texts import text_at
from tests.trials import ORGANISATION, START

OWN = Definitions.model_validate(
    {
        "metrics": {
            "unmet": {
                "kind": "ratio", "of": "failures + repeats", "per": "requests", "better": "lower",
                "says": "share of unmet requests",
            }
        }
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def experiment_id(empty: Installation) -> Iterator[uuid.UUID]:
    """An experiment that has measured people of the organisation that runs the installation."""
    assert empty.settings.database_url is not None
    asyncio.run(answers.ensure_partitions(empty.settings.database_url, START.date(), days=3))
    planned = plan.load(["window_hours=1", "primary=unmet"], OWN)
    with Session(empty.engine) as session:
        world = build(session, planned=planned)
        for table in ("answers", "outputs", "feedback", "failures"):
            session.execute(
                text(f"UPDATE {table} SET organisation_id = :ours WHERE organisation_id = :theirs"),
                {"ours": empty.organisation_id, "theirs": ORGANISATION},
            )
        session.commit()
        yield world.trial.id
        session.execute(text("DELETE FROM answers WHERE id < uuidv7()"))
        session.execute(text("TRUNCATE experiments, epochs, specs, outputs, feedback CASCADE"))
        session.commit()


def test_the_page_shows_both_arms_of_a_shipped_and_of_an_own_metric(
    empty: Installation, experiment_id: uuid.UUID
) -> None:
    with empty.client() as client:
        page = text_at(client, f"/experiments/{experiment_id}/metrics/latency_p95/answers")
        assert "baseline: champion-of-these-tests 10 answers, of 10 users of your organisation" in page
        assert "challenger: challenger-of-these-tests 10 answers" in page
        assert "2026-01-01 · soften 2 · champion-of-these-tests · 1 s" in page
        assert "Fix 9." not in page
        page = text_at(client, f"/experiments/{experiment_id}/metrics/unmet/answers")
        assert "The metric is computed from: failures , repeats" in page
        assert "2026-01-01 | challenger | 2 |" in page
        page = text_at(client, f"/experiments/{experiment_id}/metrics/unmet/answers?quantity=repeats")
        assert "No answer adds to this number." in page
        page = text_at(client, f"/experiments/{experiment_id}/metrics/complained/answers")
        assert "thumb down" in page
        client.cookies.set("language", "ja")
        page = text_at(client, f"/experiments/{experiment_id}/metrics/complained/answers")
        assert "「不満」のもとになった回答" in page


def test_people_see_their_own_message_with_their_correction(
    empty: Installation, experiment_id: uuid.UUID
) -> None:
    with empty.client() as client:
        me = client.get(f"/experiments/{experiment_id}/metrics/corrected/answers")
        assert "Fix 1." not in me.text
        with Session(empty.engine) as session, session.begin():
            person = session.scalar(
                text("SELECT user_id FROM accounts ORDER BY created_at DESC, id DESC LIMIT 1")
            )
            edited = session.execute(
                text(
                    "SELECT user_id FROM feedback WHERE kind = 'edit' AND experiment_id = :id"
                    " AND variant = 'challenger'"
                ),
                {"id": experiment_id},
            ).scalar_one()
            for table in ("answers", "feedback", "exposures"):
                session.execute(
                    text(f"UPDATE {table} SET user_id = :me WHERE user_id = :them"),
                    {"me": person, "them": edited},
                )
        page = text_at(client, f"/experiments/{experiment_id}/metrics/corrected/answers")
        assert "your message" in page
        assert "Fix 1." in page
        assert "Your correction Please fix it." in page


def test_a_wrong_address_is_not_found(empty: Installation, experiment_id: uuid.UUID) -> None:
    with empty.client() as client:
        base = f"/experiments/{experiment_id}/metrics"
        assert "There is no metric joy." in text_at(client, f"{base}/joy/answers", 404)
        assert "There is no metric likes." in text_at(
            client, f"{base}/complained/answers?quantity=likes", 404
        )
        assert "Answers cannot be listed by mood." in text_at(
            client, f"{base}/complained/answers?segment=mood%3Dx", 404
        )
        assert client.get(f"/experiments/{uuid.uuid4()}/metrics/complained/answers").status_code == 404
        for number in (0, examples.MOST_PAGES + 1):
            assert client.get(f"{base}/complained/answers?page={number}").status_code == 422


def test_members_see_no_answers(empty: Installation, experiment_id: uuid.UUID) -> None:
    with empty.client("member") as client:
        response = client.get(f"/experiments/{experiment_id}/metrics/complained/answers")
        assert response.status_code == 403
