"""What the pages show beside the votes: the judge's part, the replay before the start, and what a plan can
show.
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from data.records import PROTECTED, Spec, TransformType
from data.tables import (
    CountedVoter,
    Decision,
    Experiment,
    Judgement,
    StoredSpec,
    TrafficSummary,
    Variant,
    new_id,
)
from experiments.history import History, PastMetric
from experiments.plan import Plan
from pipelines.shadow import ChallengerAnswer, ReplayedMessage, compare
from tests.dashboards import Installation
from tests.serving.dashboard.texts import text_at

PLAN = Plan(judge="a-judge")


def _replay() -> dict[str, object]:
    """A shadow run on twelve messages of one kind and three of another."""
    messages = [
        ReplayedMessage(
            f"Send {n} files.", TransformType.SOFTEN, 1, f"Please send {n} files.", 50.0, name, "en", share
        )
        for name, share, number in (("ours", 0.9, 12), ("theirs", 0.1, 3))
        for n in range(number)
    ]
    answers = [
        ChallengerAnswer(m.champion if n % 2 else f"Could you {m.message}", 40.0)
        for n, m in enumerate(messages)
    ]
    return compare(messages, answers).model_dump(mode="json", exclude={"reasons"})


def _add_experiment(session: Session) -> uuid.UUID:
    """An experiment whose judge and people prefer the challenger."""
    spec, id = Spec(version="v2", protection=PROTECTED), new_id()
    session.add(
        Experiment(
            id=id,
            name="Judged",
            hypothesis="x",
            salt="s",
            plan=PLAN.model_dump(mode="json"),
            status="stopped",
            started_at=datetime.now(UTC),
        )
    )
    session.merge(StoredSpec(digest=spec.digest, spec=spec.model_dump(mode="json")))
    session.flush()
    for name in ("v1", "v2"):
        session.add(Variant(experiment_id=id, name=name, spec_digest=spec.digest, is_baseline=name == "v1"))
    session.add(
        Decision(
            experiment_id=id,
            action="start",
            parameters={"shadows": {"v2": _replay()}},
            reasons=[],
            requested_by="flow:experiment",
            idempotency_key=str(uuid.uuid4()),
            outcome="done",
        )
    )
    names = [uuid.uuid4() for _ in range(60)]
    for number, name in enumerate(names):
        session.add(
            Judgement(
                experiment_id=id,
                challenger="v2",
                judge="a-judge",
                message_id=name,
                task="soften 1",
                is_sampled=True,
                preference=float(number % 4 > 0),
            )
        )
        session.add(
            CountedVoter(
                experiment_id=id,
                challenger="v2",
                opponent="v1",
                user_id=uuid.uuid4(),
                complete_at=datetime.now(UTC),
                message_ids=[name],
                wins=[number % 3 > 0],
                ties=0,
                shown_message_ids=[name],
                shown_tasks=["soften 1"],
            )
        )
    return id


def _remove(session: Session, id: uuid.UUID) -> None:
    for table in (Judgement, CountedVoter, Decision, Variant):
        session.execute(delete(table).where(table.experiment_id == id))
    session.execute(delete(Experiment).where(Experiment.id == id))


def test_the_page_shows_votes_and_judge_together_and_the_replay(empty: Installation) -> None:
    with Session(empty.engine) as session, session.begin():
        id = _add_experiment(session)
    try:
        with empty.client() as client:
            page = text_at(client, f"/experiments/{id}")
            assert "Votes and judge together" in page
            assert "a-judge prefers the challenger in 75.0% of 60 random pairs on 60 messages" in page
            assert "The plan decides by the votes alone." in page
            assert "The challenger answered 15 recent messages; 0 requests failed." in page
            assert "Both versions write the same text for 48% of the traffic" in page
            assert "too few messages to say anything" in page
            assert "It cannot show whether people prefer it" in page
            client.cookies.set("language", "ja")
            assert "投票と判定者の総合" in text_at(client, f"/experiments/{id}")
    finally:
        with Session(empty.engine) as session, session.begin():
            _remove(session, id)


def test_the_form_shows_what_the_traffic_allows(empty: Installation) -> None:
    past = PastMetric(mean=0.1, spread=0.36, with_value=0.5)
    traffic = History(
        measured_at=datetime.now(UTC),
        arrivals=(100, *[10] * 27),
        window_hours=72,
        users=300,
        metrics={"satisfaction": past, "complained": past},
    )
    summary = TrafficSummary(measured_at=traffic.measured_at, summary=traffic.model_dump(mode="json"))
    with Session(empty.engine) as session, session.begin():
        session.add(summary)
    try:
        with empty.client("experimenter") as client:
            page = text_at(client, "/experiments/new")
            assert "From 370 users of the last 28 days." in page
            assert "That is longer than the plan's maximum of 28 days." in page
            assert "users cannot exclude a loss of 0.05 in complained within 28 days. Choose a margin" in page
            wide = "plan.guardrails={}&plan.harm_margin=0.5&plan.smallest_effect=0.5"
            enough = client.get(f"/experiments/needed?{wide}").text
            assert "cannot exclude" not in enough
            assert "are needed at this number of users a day" in enough
            faster = client.get("/experiments/needed?users_a_day=100000").text
            assert "From 370 users" not in faster
            assert "longer than" not in faster
    finally:
        with Session(empty.engine) as session, session.begin():
            session.execute(delete(TrafficSummary))
