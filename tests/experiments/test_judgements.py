"""What counted people saw is recorded once, and the judge's preferences are read with the votes, by a real
Postgres.
"""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from data import database
from data.records import TransformType
from data.tables import (
    Comparison,
    CountedVoter,
    Experiment,
    Feedback,
    Judgement,
    Output,
    StoredSpec,
    Variant,
    new_id,
)
from experiments import judgements, votes
from experiments.analysis import compare
from experiments.judgements import NewJudgement, Task
from experiments.plan import Plan

CHAMPION, CHALLENGER = "v1", "v2"
START = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(judge="a-judge", judged_pairs=60)
MESSAGES = [f"Message {number}, please." for number in range(60)]


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this module."""
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def experiment(session: Session) -> uuid.UUID:
    """A running experiment."""
    id = new_id()
    session.add(
        Experiment(id=id, name="t", hypothesis="", plan={}, salt="s", status="running", started_at=START)
    )
    session.merge(StoredSpec(digest="d", spec={}))
    session.flush()
    for name in (CHAMPION, CHALLENGER):
        session.add(Variant(experiment_id=id, name=name, spec_digest="d", is_baseline=name == CHAMPION))
    session.flush()
    return id


def show(
    session: Session,
    person: uuid.UUID,
    message: str,
    minute: float,
    vote: str | None = None,
    texts: tuple[str, str] = ("a", "b"),
    pair_id: uuid.UUID | None = None,
    *,
    is_own: bool = False,
    by_page: bool = True,
) -> None:
    """Show a person the rewrites of a message, and store the vote."""
    outputs = {
        version: Output(
            id=new_id(),
            organisation_id=new_id(),
            message=message,
            transform_type="soften",
            intensity=2,
            text=text,
            facts_missing=[],
            spec_digest="0" * 32,
            version=version,
            upstream_ms=1.0,
        )
        for version, text in zip((CHAMPION, CHALLENGER), texts, strict=True)
    }
    session.add_all(outputs.values())
    session.flush()
    id, at = new_id(), START + timedelta(minutes=minute)
    session.add(
        Comparison(
            id=id,
            organisation_id=new_id(),
            user_id=person,
            policy="champion_against_challenger",
            first_output_id=outputs[CHAMPION].id,
            second_output_id=outputs[CHALLENGER].id,
            pair_id=(pair_id or id) if by_page else None,
            people=1 if by_page else None,
            is_own=is_own,
            created_at=at,
        )
    )
    session.flush()
    if vote is not None:
        session.add(
            Feedback(
                organisation_id=new_id(),
                user_id=person,
                output_id=outputs[CHAMPION].id,
                kind="comparison",
                comparison_id=id,
                preferred_output_id=outputs[vote].id,
                created_at=at,
                updated_at=at,
            )
        )
        session.flush()


def count(session: Session, experiment: uuid.UUID) -> None:
    votes.count_votes(session, experiment, CHAMPION, CHALLENGER, PLAN, "us", START + timedelta(days=2))
    judgements.record_shown(session, experiment, CHAMPION, CHALLENGER, PLAN)


def test_the_first_random_pairs_of_a_person_are_recorded_also_without_a_vote(
    session: Session, experiment: uuid.UUID
) -> None:
    person = new_id()
    show(session, person, MESSAGES[0], -1)  # before the experiment
    show(session, person, MESSAGES[1], 0, CHAMPION)
    show(session, person, MESSAGES[2], 1, is_own=True)
    show(session, person, MESSAGES[3], 2, by_page=False)
    show(session, person, MESSAGES[4], 3, texts=("same", "same"))
    show(session, person, MESSAGES[5], 4)
    show(session, person, MESSAGES[6], 5, CHALLENGER)
    show(session, person, MESSAGES[7], 6, CHALLENGER)
    count(session, experiment)
    [voter] = session.scalars(select(CountedVoter).where(CountedVoter.experiment_id == experiment))
    assert len(voter.wins) == 3
    assert voter.shown_tasks == ["soften 2"] * 3
    ids = [Task(MESSAGES[n], TransformType.SOFTEN, 2).message_id for n in (1, 5, 6)]
    assert voter.shown_message_ids == ids
    # An erasure takes the comparisons and the person, and changes nothing.
    session.execute(update(CountedVoter).values(user_id=None))
    session.execute(delete(Feedback).where(Feedback.user_id == person))
    session.execute(delete(Comparison).where(Comparison.user_id == person))
    judgements.record_shown(session, experiment, CHAMPION, CHALLENGER, PLAN)
    session.refresh(voter)
    assert voter.shown_message_ids == ids


def test_what_people_saw_is_judged_first_and_nothing_twice(session: Session, experiment: uuid.UUID) -> None:
    person = new_id()
    for minute in range(3):
        show(session, person, MESSAGES[minute], minute, CHALLENGER)
    count(session, experiment)
    plan = PLAN.model_copy(update={"judged_pairs": 10})
    tasks = judgements.list_open(session, experiment, CHALLENGER, plan, MESSAGES)
    shown = [task for task, is_sampled in tasks if not is_sampled]
    sample = [task for task, is_sampled in tasks if is_sampled]
    assert sorted(task.message for task in shown) == MESSAGES[:3]
    assert {task.name for task in shown} == {"soften 2"}
    assert sample == judgements.draw_sample(experiment, MESSAGES, 10)
    done = [NewJudgement(task, is_sampled, 0.5) for task, is_sampled in tasks[:5]]
    for _ in range(2):
        judgements.store(session, experiment, CHALLENGER, plan.judge, done)
    assert judgements.list_open(session, experiment, CHALLENGER, plan, MESSAGES) == tasks[5:]
    other = plan.model_copy(update={"judge": "another-judge"})
    assert judgements.list_open(session, experiment, CHALLENGER, other, MESSAGES) == tasks


def test_the_sample_has_the_same_number_of_pairs_on_each_message() -> None:
    id = new_id()
    tasks = judgements.draw_sample(id, MESSAGES, 180)
    assert len(set(tasks)) == 180
    assert {sum(task.message == message for task in tasks) for message in MESSAGES} == {3}
    assert len({task.name for task in tasks}) > 20
    assert judgements.draw_sample(id, MESSAGES, 40) != judgements.draw_sample(new_id(), MESSAGES, 40)
    assert judgements.draw_sample(id, [], 40) == []


def test_votes_and_judge_are_read_together(session: Session, experiment: uuid.UUID) -> None:
    for number in range(20):
        person = new_id()
        for minute in range(3):
            show(session, person, MESSAGES[(3 * number + minute) % 60], 60 * number + minute, CHALLENGER)
    assert judgements.compare(session, experiment, CHALLENGER, PLAN) is None
    count(session, experiment)
    sample = judgements.draw_sample(experiment, MESSAGES, 60)
    seen = [Task(message, TransformType.SOFTEN, 2) for message in MESSAGES]
    new = [NewJudgement(task, True, 1.0) for task in sample]
    new += [NewJudgement(task, False, 1.0) for task in seen if task not in sample]
    judgements.store(session, experiment, CHALLENGER, PLAN.judge, new)
    result = judgements.compare(session, experiment, CHALLENGER, PLAN)
    assert result is not None
    assert (result.votes, result.judged_pairs, result.judged_messages) == (60, 60, 60)
    assert (result.judge_mean, result.judge_mean_of_shown, result.decision) == (1.0, 1.0, "challenger")
    stored = session.scalars(select(Judgement).where(Judgement.experiment_id == experiment)).all()
    assert len(stored) == len(new)
    tally = votes.count_votes(
        session, experiment, CHAMPION, CHALLENGER, PLAN, "us", START + timedelta(days=2)
    )
    alone = compare(tally, PLAN)
    assert judgements.decide(alone, result, PLAN) == alone, "the plan decides by the votes alone"
    both = PLAN.model_copy(update={"surrogate": True})
    assert judgements.decide(alone, result, both).interval == result.interval
    assert judgements.decide(alone, result, both).progress is None, "how many votes it takes is not known"
    assert judgements.decide(alone, None, both) == alone
    changed = result.model_copy(update={"is_judge_steady": False})
    assert judgements.decide(alone, changed, both) == alone
    assert judgements.compare(session, experiment, CHALLENGER, Plan()) is None, "this plan has no judge"
