"""What analyses found: stored once, read back as it was, and as curves over time."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from data import database
from data.tables import Analysis, Experiment, new_id
from experiments import evidence, metrics
from experiments.analysis import ArmStatistics, Tally, between_users, compare, decide
from experiments.evidence import Evidence, Exposed, Point
from experiments.lifecycle import Action
from experiments.plan import Plan

PLAN = Plan()
MEASURED = metrics.load()


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose rows are gone after the test."""
    with Session(engine) as session:
        yield session
        session.rollback()


@pytest.fixture
def experiment(session: Session) -> uuid.UUID:
    return an_experiment(session)


def an_experiment(session: Session) -> uuid.UUID:
    row = Experiment(id=new_id(), name="x", hypothesis="x", plan={}, salt="s", status="running")
    session.add(row)
    session.flush()
    return row.id


def found(wins: int = 80, losses: int = 20, users: int = 400, harm: bool = False) -> Evidence:
    """The evidence of so many votes and so many users of each arm; `harm`: in the metric `complained`."""

    def arm(is_baseline: bool, mean: float) -> ArmStatistics:
        outcomes = mean + np.array([1, -1] * (users // 2)) * 0.1
        return ArmStatistics(
            epoch=1,
            variant="v1" if is_baseline else "v2",
            is_baseline=is_baseline,
            weight=0.5,
            exposed=users,
            moved=0,
            closed=users,
            users=users,
            mean=float(outcomes.mean()) if users else None,
            variance=float(outcomes.var(ddof=1)) if users > 1 else None,
        )

    arms = {name: [arm(True, 0.5), arm(False, 0.52)] for name in MEASURED}
    if harm:
        arms |= {"complained": [arm(True, 0.1), arm(False, 0.4)]}
    comparison = compare(Tally(wins=wins, losses=losses, ties=3, people=100), PLAN)
    result = between_users(arms, PLAN, MEASURED)
    return Evidence(
        challenger="v2",
        comparison=comparison,
        between_users=result,
        unbiased=(0.02, 0.01),
        decision=decide(comparison, result, PLAN, timedelta(days=9)),
    )


def rows(session: Session, experiment: uuid.UUID) -> int:
    counted = select(func.count()).where(Analysis.experiment_id == experiment)
    return session.scalars(counted).one()


@pytest.mark.parametrize("stored", [found(), found(0, 0, users=0), found(harm=True)])
def test_the_newest_evidence_is_read_back_as_it_was(
    session: Session, experiment: uuid.UUID, stored: Evidence
) -> None:
    assert evidence.newest(session, experiment) is None
    evidence.store(session, experiment, stored)
    session.flush()
    session.expire_all()
    newest = evidence.newest(session, experiment)
    assert newest is not None
    assert newest.evidence == stored
    assert [str(why) for why in newest.evidence.decision.reasons] == [
        str(why) for why in stored.decision.reasons
    ]
    assert newest.at == session.scalar(
        select(Analysis.analysed_at).where(Analysis.experiment_id == experiment)
    )


def test_evidence_of_harm_names_the_metric(session: Session, experiment: uuid.UUID) -> None:
    evidence.store(session, experiment, found(harm=True))
    session.flush()
    session.expire_all()
    newest = evidence.newest(session, experiment)
    assert newest is not None
    decision = newest.evidence.decision
    assert (decision.action, decision.reasons[0].code) == (Action.ROLL_BACK, "harm_in_metrics")
    assert decision.reasons[0].values == {"metrics": ("complained",)}


def test_an_equal_analysis_is_not_stored_again(session: Session, experiment: uuid.UUID) -> None:
    for one, expected in ((found(), 1), (found(), 1), (found(81), 2), (found(81), 2), (found(), 3)):
        evidence.store(session, experiment, one)
        session.flush()
        session.expire_all()
        assert rows(session, experiment) == expected
        newest = evidence.newest(session, experiment)
        assert newest is not None
        assert newest.evidence == one


def test_the_newest_of_many_experiments(session: Session) -> None:
    first, second, without = (an_experiment(session) for _ in range(3))
    for experiment, wins in ((first, 80), (second, 70), (first, 81), (second, 71)):
        evidence.store(session, experiment, found(wins))
        session.flush()
    newest = evidence.newest_of(session, [first, second, without])
    assert {experiment: dated.evidence.comparison.tally.wins for experiment, dated in newest.items()} == {
        first: 81,
        second: 71,
    }
    assert evidence.newest_of(session, [without]) == {}
    assert evidence.newest_of(session, []) == {}


def test_evidence_over_time_is_one_point_an_analysis(session: Session, experiment: uuid.UUID) -> None:
    analyses = [found(0, 0, users=0), found(30, 20, users=100), found(80, 20, harm=True)]
    for one in analyses:
        evidence.store(session, experiment, one)
        session.flush()
    moments = session.scalars(
        select(Analysis.analysed_at)
        .where(Analysis.experiment_id == experiment)
        .order_by(Analysis.analysed_at)
    ).all()

    def points(metric: str | None) -> list[Point]:
        effects = [
            one.between_users.primary if metric is None else one.between_users.metrics[metric].effect
            for one in analyses
        ]
        return [
            Point(at, effect.difference, effect.interval.low, effect.interval.high)
            for at, effect in zip(moments, effects, strict=True)
            if effect is not None
        ]

    assert len(points(None)) == 2, "the first analysis has no effect"
    assert evidence.effects_over_time(session, experiment) == points(None)
    assert evidence.effects_over_time(session, experiment, "complained") == points("complained")
    assert evidence.effects_over_time(session, experiment, "no_such_metric") == []
    assert evidence.win_rates_over_time(session, experiment) == [
        Point(at, win_rate, *one.comparison.interval)
        for at, one in zip(moments, analyses, strict=True)
        if (win_rate := one.comparison.win_rate) is not None
    ]
    assert analyses[0].comparison.win_rate is None, "no win rate without a decided vote"
    assert evidence.exposures_over_time(session, experiment) == [
        Exposed(at, users, users) for at, users in zip(moments, (0, 100, 400), strict=True)
    ]


def test_a_long_curve_is_thinned_and_has_the_newest_point(
    session: Session, experiment: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_POINTS", 4)
    for wins in range(40, 53):
        evidence.store(session, experiment, found(wins))
        session.flush()
    curve = evidence.win_rates_over_time(session, experiment)
    assert [point.value for point in curve] == pytest.approx(
        [wins / (wins + 20) for wins in (42, 45, 48, 51, 52)]
    )


def test_the_analyses_that_recommend_to_ship_are_selected(session: Session, experiment: uuid.UUID) -> None:
    for one in (found(), found(20, 80), found(harm=True)):
        evidence.store(session, experiment, one)
        session.flush()
    shipping = select(Analysis.evidence).where(
        Analysis.experiment_id == experiment, evidence.recommends_shipping()
    )
    [only] = session.scalars(shipping).all()
    assert Evidence.model_validate(only) == found()


def test_evidence_of_another_shape_is_no_evidence(session: Session, experiment: uuid.UUID) -> None:
    evidence.store(session, experiment, found())
    session.flush()
    session.execute(update(Analysis).values(evidence={"challenger": "v2"}))
    session.expire_all()
    with pytest.raises(ValueError, match="comparison\n  Field required"):
        evidence.newest(session, experiment)
