"""The queue on the page Operations: what a reader sees, and what an administrator does there."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from data.reasons import Reason, dump, reason
from data.tables import Job, JobBatch, new_id
from tests.dashboards import Installation, csrf_token
from tests.gateways import an_organisation
from tests.serving.dashboard.texts import text_at, text_of

NOW = datetime.now(UTC)
AWAY = reason("postgres_unavailable")


@pytest.fixture
def queue(filled: Installation) -> Installation:
    """An installation whose queue is empty."""
    with Session(filled.engine) as session, session.begin():
        session.execute(delete(Job))
        session.execute(delete(JobBatch))
    return filled


def add(installation: Installation, state: str, *reasons: Reason, **fields: object) -> uuid.UUID:
    """A job of the organisation that runs the installation, after an attempt for each reason."""
    job_id = new_id()
    values: dict[str, object] = {
        "id": job_id,
        "organisation_id": installation.organisation_id,
        "kind": "rewrite",
        "payload": {"text": "a message that nobody may read here"},
        "key": str(job_id),
        "state": state,
        "attempts": len(reasons),
        "errors": [
            {"attempt": number, "at": NOW.isoformat(), "reasons": dump([each])}
            for number, each in enumerate(reasons, 1)
        ],
        "leased_by": new_id() if state == "running" else None,
        "requested_by": "account:gone",
        "done_at": None if state in ("waiting", "running") else NOW,
    }
    with Session(installation.engine) as session, session.begin():
        session.add(Job(**{**values, **fields}))
    return job_id


def add_batch(installation: Installation, *states: str) -> uuid.UUID:
    """A batch with a message in each of these states, which an API key requested."""
    batch_id = new_id()
    with Session(installation.engine) as session, session.begin():
        session.add(
            JobBatch(
                id=batch_id, organisation_id=installation.organisation_id, requested_by=f"api_key:{batch_id}",
                request_digest=b"d", messages=len(states),
            )
        )  # fmt: skip
    for place, state in enumerate(states):
        add(installation, state, batch_id=batch_id, place=place)
    return batch_id


def read_job(installation: Installation, job_id: uuid.UUID) -> Job:
    with Session(installation.engine) as session:
        return session.get_one(Job, job_id)


def count_jobs(installation: Installation, state: str) -> int:
    with Session(installation.engine) as session:
        return session.scalars(select(func.count()).where(Job.state == state)).one()


def test_an_empty_queue_says_what_fills_it(empty: Installation) -> None:
    with empty.client() as client:
        page = text_at(client, "/operations")
    assert "The queue is empty. Send messages to `POST /api/v1/jobs/batches`" in page
    assert "Dead jobs" not in page


def test_jobs_of_all_organisations_are_counted_and_the_dead_ones_of_others_are_not_listed(
    queue: Installation,
) -> None:
    other = an_organisation(queue.engine)
    add(queue, "dead", AWAY, reason("internal"))
    add(queue, "dead", reason("plan_quota", plan="of another", limit=7, left=0), organisation_id=other)
    add(queue, "waiting", available_at=datetime.now(UTC) - timedelta(hours=3, minutes=10))
    add(queue, "waiting", organisation_id=other, available_at=NOW + timedelta(hours=3))
    add(queue, "running", organisation_id=other)
    with queue.client() as client:
        html = client.get("/operations").text
        client.cookies.set("language", "ja")
        japanese = text_at(client, "/operations")
    page = text_of(html)
    assert re.search(r"\| rewrite \| 2 \| 1 \| 2 \| due for 3 hours \|", page)
    assert "Check that a worker runs" in page
    assert page.count("Attempt 1") == 1
    assert "| rewrite | a removed account | 2 | " in page
    assert "of another" not in page
    assert "nobody may read" not in html
    for each in (AWAY, reason("internal")):
        assert each.render("en") in page
        assert each.render("ja") in japanese
    assert "実行予定から 3 時間経過" in japanese


def test_jobs_that_wait_for_a_later_time_are_not_due(queue: Installation) -> None:
    add(queue, "waiting", available_at=NOW + timedelta(hours=3))
    with queue.client() as client:
        page = text_at(client, "/operations")
    assert "| rewrite | 1 | 0 | 0 | – |" in page
    assert "Check that a worker runs" not in page
    assert "There are none. A job that fails for good appears here" in page


def test_the_newest_dead_jobs_are_listed_and_all_are_counted(queue: Installation) -> None:
    ids = [add(queue, "dead", AWAY) for _ in range(52)]
    with queue.client() as client:
        html = client.get("/operations").text
    assert re.findall(r'<tr id="job-([0-9a-f-]+)"', html) == [str(id) for id in reversed(ids[2:])]
    assert "The table has the newest 50 of 52." in text_of(html)


@pytest.mark.parametrize("role", ["viewer", "experimenter"])
def test_who_is_no_administrator_sees_no_button_and_changes_nothing(queue: Installation, role: str) -> None:
    job_id, batch_id = add(queue, "dead", AWAY), add_batch(queue, "waiting")
    with queue.client(role) as client:  # type: ignore[arg-type]
        assert "Try" not in text_at(client, "/operations")
        form = {"csrf": csrf_token(client, "/operations"), "kind": "rewrite"}
        refused = [
            client.post(f"/operations/{path}", data=form)
            for path in ("jobs/replay", f"jobs/{job_id}/replay", f"batches/{batch_id}/cancel")
        ]
    assert [response.status_code for response in refused] == [403, 404, 404]
    assert "you have no job with this id" in text_of(refused[1].text)
    assert "data-live" not in refused[1].text  # a page that refreshes itself would lose the reason
    assert read_job(queue, job_id).state == "dead"
    assert count_jobs(queue, "waiting") == 1


def test_a_member_may_not_see_the_page(queue: Installation) -> None:
    add(queue, "dead", AWAY)
    with queue.client("member") as client:
        assert AWAY.render("en") not in text_at(client, "/operations", 403)


def test_an_administrator_tries_a_dead_job_again_once(queue: Installation) -> None:
    job_id = add(queue, "dead", AWAY)
    with queue.client("admin") as client:
        form = {"csrf": csrf_token(client, "/operations")}
        address = f"/operations/jobs/{job_id}/replay"
        assert f'action="{address}"' in client.get("/operations").text
        response = client.post(address, data=form, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, "/operations#queue")
        again = client.post(address, data=form)
        assert (again.status_code, "this job is not dead" in text_of(again.text)) == (404, True)
        assert f'action="{address}"' not in client.get("/operations").text
    old = read_job(queue, job_id)
    assert (old.state, (old.ended_by or "").partition(":")[0]) == ("replayed", "account")
    with Session(queue.engine) as session:
        new = session.scalars(select(Job).where(Job.replayed_from == job_id)).one()
    assert (new.state, new.attempts, new.requested_by) == ("waiting", 0, old.requested_by)


def test_an_administrator_tries_all_of_a_kind_again_of_their_own_organisation(queue: Installation) -> None:
    ids = [add(queue, "dead", AWAY) for _ in range(3)]
    other = add(queue, "dead", AWAY, organisation_id=an_organisation(queue.engine))
    with queue.client("admin") as client:
        assert "Try all of this kind again: rewrite (3)" in text_at(client, "/operations")
        form = {"csrf": csrf_token(client, "/operations"), "kind": "rewrite"}
        assert client.post("/operations/jobs/replay", data=form).status_code == 200
        unknown = client.post("/operations/jobs/replay", data={**form, "kind": "unknown"})
    assert unknown.status_code == 422
    assert [read_job(queue, id).state for id in (*ids, other)] == ["replayed"] * 3 + ["dead"]
    assert count_jobs(queue, "waiting") == 3


def test_an_administrator_sees_batches_in_progress_and_cancels_one(queue: Installation) -> None:
    batch_id = add_batch(queue, "waiting", "waiting", "running", "done", "dead")
    add_batch(queue, "done")
    with queue.client("admin") as client:
        html = client.get("/operations").text
        assert re.findall(r'<tr id="batch-([0-9a-f-]+)"', html) == [str(batch_id)]
        assert '<progress max="5" value="2"' in html
        key = f"{str(batch_id)[:8]}…{str(batch_id)[-4:]}"
        assert f"| an API key {key} | 40% 40% | 5 | 1 | 1 | 1 | 2 |" in text_of(html)
        form = {"csrf": csrf_token(client, "/operations")}
        page = client.post(f"/operations/batches/{batch_id}/cancel", data=form)
    assert "None is in progress." in text_of(page.text)
    assert count_jobs(queue, "cancelled") == 3
    assert count_jobs(queue, "done") == 2


def test_a_form_of_another_site_changes_nothing(queue: Installation) -> None:
    job_id, batch_id = add(queue, "dead", AWAY), add_batch(queue, "waiting")
    with queue.client("admin") as client:
        form = {"csrf": "forged", "kind": "rewrite"}
        for path in ("jobs/replay", f"jobs/{job_id}/replay", f"batches/{batch_id}/cancel"):
            assert client.post(f"/operations/{path}", data=form).status_code == 403
    assert (count_jobs(queue, "dead"), count_jobs(queue, "waiting")) == (1, 1)
