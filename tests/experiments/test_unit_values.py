"""What each unit did, counted anew by a real Postgres: the same numbers as the stored sums."""

import hashlib
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from data.tables import Experiment, MetricSum, UserDay, new_id
from experiments import outcomes, plan, stored_sums, unit_values
from experiments.own_metrics import Definitions
from tests import trials
from tests.trials import START, Trial

OWN = Definitions.model_validate(
    {
        "metrics": {
            "needed_work": {
                "kind": "ratio", "of": "complaints + edits + repeats", "per": "answers", "share": True,
                "better": "lower", "says": "answers that needed work",
            },
            "requests_a_user": {
                "kind": "mean", "of": "requests", "cap": 2, "better": "higher", "says": "requests of a user",
            },
        },
        "segments": {"in_chat": "channel = 'chat'"},
    }
)  # fmt: skip
AT = START + timedelta(hours=2)  # of the refresh
PLAN = plan.load(["window_hours=1", "minimum_users_an_arm=10", "n_star=100"])


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    with trials.open_engine(new_database()) as engine:
        yield engine


def build(session: Session, planned: plan.Plan = PLAN, users: int = 100) -> Trial:
    """Both arms have `users` people with one to three answers, of whom most vote; the challenger's complain
    less, and half of all had an answer on the day before. One more in each arm has an open window at the
    refresh, two hours after the start.
    """
    rng = random.Random(0)
    session.execute(delete(UserDay))  # of other tests
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    session.execute(
        update(Experiment)
        .where(Experiment.id == trial.id)
        .values(plan=planned.model_dump(mode="json"), started_at=START)
    )
    for variant, complains in (("champion", 0.8), ("challenger", 0.25)):
        for number in range(users):
            user, output = uuid.uuid4(), new_id()
            if rng.random() < 0.5:
                trial.answer(user, "before", 0, -60 * 24, cache="miss", total_ms=50)
            trial.expose(user, variant, epoch)
            for minute in range(1, rng.choice((2, 3, 4))):
                trial.answer(
                    user, variant, epoch, minute, output_id=output if rng.random() < 0.1 else new_id(),
                    cache="miss", total_ms=rng.uniform(10, 90), channel=("chat", "mail")[number % 2],
                )  # fmt: skip
            if rng.random() < 0.8:
                trial.vote(
                    user, variant, epoch, rng.random() > complains, *(["x"] if rng.random() < 0.1 else [])
                )
        trial.expose(uuid.uuid4(), variant, epoch, minute=90)
    session.commit()
    outcomes.refresh(session, trial.id, planned, planned.all_metrics, AT)
    session.commit()
    return trial


def test_the_units_numbers_add_up_to_the_stored_sums(session: Session) -> None:
    planned = PLAN.with_own(OWN)
    trial = build(session, planned)
    units = unit_values.read(session, trial.id, planned, planned.all_metrics, AT)
    arms = ["champion", "challenger"]
    assert sorted(units.variants.tolist()) == sorted(arms * 100), "those with an open window are not there"
    chosen = np.array([units.variants == arm for arm in arms])
    stored = stored_sums.read_arms(session, trial.id, planned.all_metrics)
    assert {"needed_work", "satisfaction", "regenerated", "requests_a_user"} < set(units.numbers)
    assert set(planned.all_metrics) - set(units.numbers) == {"latency_p50", "latency_p95"}
    for name in set(planned.all_metrics) & set(units.numbers):
        estimates = unit_values.estimate_arms(units, name, planned.all_metrics[name], chosen)
        for arm, (estimate,) in zip(stored[name], estimates, strict=True):
            for field in ("users", "mean", "variance", "effective_users", "information"):
                expected = getattr(arm, field)
                assert getattr(estimate, field) == (expected if expected is None else pytest.approx(expected))
            past, expected_past = estimate.covariate, arm.covariate
            assert (past is None) == (expected_past is None)
            if past and expected_past:
                assert past.model_dump() == pytest.approx(expected_past.model_dump())


def test_an_expression_sees_zeros_of_counts_and_unknown_scores(session: Session) -> None:
    trial = build(session)
    units = unit_values.read(session, trial.id, PLAN, OWN.metrics, AT)
    votes, score = units.quantities["votes"], units.quantities["score"]
    assert (votes == 0).any()
    assert (np.isnan(score) == (votes == 0)).all()
    assert not np.isnan(votes).any()
    assert set(units.quantities["before_answers"]) == {0.0, 1.0}


def test_values_of_a_ratio_and_of_a_capped_mean(session: Session) -> None:
    trial = build(session)
    units = unit_values.read(session, trial.id, PLAN, OWN.metrics, AT)
    q = units.quantities
    work = np.minimum(q["complaints"] + q["edits"] + q["repeats"], q["answers"]) / q["answers"]
    assert units.numbers["needed_work"].values(OWN.metrics["needed_work"]) == pytest.approx(work)
    capped = OWN.metrics["requests_a_user"]
    assert q["requests"].max() == 3
    assert (units.numbers["requests_a_user"].values(capped) == np.minimum(q["requests"], 2)).all()
    assert (units.numbers["requests_a_user~"].values(capped) == q["requests"]).all(), "without the cap"


def test_reading_stores_nothing_and_can_be_repeated(session: Session) -> None:
    trial = build(session)

    def read_state() -> list[tuple[object, ...]]:
        sums = select(MetricSum.metric, MetricSum.segment, MetricSum.bin, MetricSum.n, MetricSum.x)
        rows = session.execute(
            sums.where(MetricSum.experiment_id == trial.id).order_by(*sums.selected_columns)
        )
        days = session.scalar(select(func.count()).select_from(UserDay))
        return [*(tuple(row) for row in rows), (days,)]

    session.execute(delete(UserDay))
    session.commit()
    before = read_state()
    first = unit_values.read(session, trial.id, PLAN, OWN.metrics, AT)
    second = unit_values.read(session, trial.id, PLAN, OWN.metrics, AT)
    assert first.ids == second.ids
    session.rollback()
    assert read_state() == before


def test_a_sample_of_the_units_does_not_depend_on_what_they_did(session: Session) -> None:
    trial = build(session)
    whole = unit_values.read(session, trial.id, PLAN, {}, AT)
    part = unit_values.read(session, trial.id, PLAN, {}, AT, most=50)
    assert len(part.ids) == 50
    by_hash = sorted(whole.ids, key=lambda unit_id: hashlib.md5(str(unit_id).encode()).hexdigest())
    assert part.ids == sorted(by_hash[:50])


def test_without_closed_windows_there_are_no_units(session: Session) -> None:
    trial = Trial(session)
    trial.expose(uuid.uuid4(), "champion", trial.epoch(0.5, 0.5), minute=90)
    session.commit()
    outcomes.refresh(session, trial.id, PLAN, PLAN.all_metrics, AT)
    units = unit_values.read(session, trial.id, PLAN, OWN.metrics, AT)
    assert units.ids == []
    assert units.quantities["answers"].shape == units.numbers["needed_work"].x.shape == (0,)
