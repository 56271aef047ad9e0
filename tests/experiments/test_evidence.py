"""Evidence of analyses: stored once, read back unchanged, and read as curves over time."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from data import database
from data.tables import Analysis, Experiment, new_id
from experiments import evidence, metrics
from experiments.analysis import ArmStatistics, ChallengerResult, Tally, between_users, compare
from experiments.evidence import Dated, Evidence, Exposed, Point
from experiments.lifecycle import Action
from experiments.plan import Plan
from experiments.recommendation import decide
from experiments.running import find_periods
from experiments.sequential import Clusters

PLAN = Plan(guardrails={"complained": 0.05, "failed": 0.05, "fell_back": 0.05, "latency_p95": 1000.0})
MEASURED = metrics.load()


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def experiment(session: Session) -> uuid.UUID:
    return add_experiment(session)


def add_experiment(session: Session) -> uuid.UUID:
    row = Experiment(id=new_id(), name="x", hypothesis="x", plan={}, salt="s", status="running")
    session.add(row)
    session.flush()
    return row.id


def build_evidence(wins: int = 80, losses: int = 20, users: int = 400, harm: bool = False) -> Evidence:
    """Evidence from these votes, with `users` in each arm; `harm` adds harm in the metric `complained`."""

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
    clusters = (Clusters(1, 0, wins), Clusters(0, 1, losses))
    tally = Tally(wins=wins, losses=losses, ties=3, people=100, by_person=clusters, by_message=clusters)
    comparison = compare(tally, PLAN)
    result = between_users(arms, PLAN, MEASURED)
    results = {"v2": ChallengerResult(comparison=comparison, between_users=result, unbiased=(0.02, 0.01))}
    return Evidence(challengers=results, decision=decide(results, PLAN, timedelta(days=11)))


def count_rows(session: Session, experiment: uuid.UUID) -> int:
    query = select(func.count()).where(Analysis.experiment_id == experiment)
    return session.scalars(query).one()


@pytest.mark.parametrize(
    "stored", [build_evidence(), build_evidence(0, 0, users=0), build_evidence(harm=True)]
)
def test_the_newest_evidence_is_read_back_unchanged(
    session: Session, experiment: uuid.UUID, stored: Evidence
) -> None:
    assert evidence.read_newest(session, experiment) is None
    evidence.store(session, experiment, stored)
    session.flush()
    session.expire_all()
    newest = evidence.read_newest(session, experiment)
    assert newest is not None
    assert newest.evidence == stored
    assert [str(why) for why in newest.evidence.decision.reasons] == [
        str(why) for why in stored.decision.reasons
    ]
    assert newest.at == session.scalar(
        select(Analysis.analysed_at).where(Analysis.experiment_id == experiment)
    )


def test_evidence_of_harm_names_the_metric(session: Session, experiment: uuid.UUID) -> None:
    evidence.store(session, experiment, build_evidence(harm=True))
    session.flush()
    session.expire_all()
    newest = evidence.read_newest(session, experiment)
    assert newest is not None
    decision = newest.evidence.decision
    assert (decision.action, decision.reasons[0].code) == (Action.ROLL_BACK, "harm_in_metrics")
    assert decision.reasons[0].values == {"metrics": ("complained",)}


def test_an_equal_analysis_is_not_stored_again(session: Session, experiment: uuid.UUID) -> None:
    for stored, expected in (
        (build_evidence(), 1),
        (build_evidence(), 1),
        (build_evidence(81), 2),
        (build_evidence(81), 2),
        (build_evidence(), 3),
    ):
        evidence.store(session, experiment, stored)
        session.flush()
        session.expire_all()
        assert count_rows(session, experiment) == expected
        newest = evidence.read_newest(session, experiment)
        assert newest is not None
        assert newest.evidence == stored


def test_the_newest_of_many_experiments(session: Session) -> None:
    first, second, without = (add_experiment(session) for _ in range(3))
    for experiment, wins in ((first, 80), (second, 70), (first, 81), (second, 71)):
        evidence.store(session, experiment, build_evidence(wins))
        session.flush()
    newest = evidence.read_newest_of_each(session, [first, second, without])
    assert {
        experiment: dated.evidence.leading.comparison.tally.wins for experiment, dated in newest.items()
    } == {
        first: 81,
        second: 71,
    }
    assert evidence.read_newest_of_each(session, [without]) == {}
    assert evidence.read_newest_of_each(session, []) == {}


def test_evidence_over_time_has_a_point_for_each_analysis(session: Session, experiment: uuid.UUID) -> None:
    analyses = [
        build_evidence(0, 0, users=0),
        build_evidence(30, 20, users=100),
        build_evidence(80, 20, harm=True),
    ]
    for analysis in analyses:
        evidence.store(session, experiment, analysis)
        session.flush()
    moments = session.scalars(
        select(Analysis.analysed_at)
        .where(Analysis.experiment_id == experiment)
        .order_by(Analysis.analysed_at)
    ).all()

    def build_points(metric: str | None) -> list[Point]:
        effects = [
            analysis.leading.between_users.primary
            if metric is None
            else analysis.leading.between_users.metrics[metric].effect
            for analysis in analyses
        ]
        return [
            Point(at, effect.difference, effect.interval.low, effect.interval.high)
            for at, effect in zip(moments, effects, strict=True)
            if effect is not None
        ]

    assert len(build_points(None)) == 2, "the first analysis has no effect"
    assert evidence.read_effects_over_time(session, experiment, "v2") == build_points(None)
    assert evidence.read_effects_over_time(session, experiment, "v2", "complained") == build_points(
        "complained"
    )
    assert evidence.read_effects_over_time(session, experiment, "v2", "no_such_metric") == []
    assert evidence.read_win_rates_over_time(session, experiment, "v2") == [
        Point(at, win_rate, *analysis.leading.comparison.interval)
        for at, analysis in zip(moments, analyses, strict=True)
        if (win_rate := analysis.leading.comparison.win_rate) is not None
    ]
    assert analyses[0].leading.comparison.win_rate is None, "no win rate without a decided vote"
    assert evidence.read_exposures_over_time(session, experiment, "v2") == [
        Exposed(at, users, users) for at, users in zip(moments, (0, 100, 400), strict=True)
    ]


def test_a_long_curve_is_thinned_and_has_the_newest_point(session: Session, experiment: uuid.UUID) -> None:
    for wins in range(40, 53):
        evidence.store(session, experiment, build_evidence(wins))
        session.flush()
    curve = evidence.read_win_rates_over_time(session, experiment, "v2", most=4)
    assert [point.value for point in curve] == pytest.approx(
        [wins / (wins + 20) for wins in (42, 45, 48, 51, 52)]
    )
    effects = evidence.read_effects_over_time(session, experiment, "v2", most=4)
    exposures = evidence.read_exposures_over_time(session, experiment, "v2", most=4)
    assert [effect.at for effect in effects] == [point.at for point in curve]
    assert [exposed.at for exposed in exposures] == [point.at for point in curve]


def test_the_analyses_that_recommend_shipping_are_selected(session: Session, experiment: uuid.UUID) -> None:
    for analysis in (build_evidence(), build_evidence(20, 80), build_evidence(harm=True)):
        evidence.store(session, experiment, analysis)
        session.flush()
    shipping = select(Analysis.evidence).where(
        Analysis.experiment_id == experiment, evidence.recommends_shipping()
    )
    [stored] = session.scalars(shipping).all()
    assert Evidence.model_validate(stored) == build_evidence()


def test_evidence_with_missing_fields_raises_an_error(session: Session, experiment: uuid.UUID) -> None:
    evidence.store(session, experiment, build_evidence())
    session.flush()
    session.execute(update(Analysis).values(evidence={"challenger": "v2"}))
    session.expire_all()
    with pytest.raises(ValueError, match="challengers\n  Field required"):
        evidence.read_newest(session, experiment)


def test_whole_analyses_are_read_in_order(session: Session, experiment: uuid.UUID) -> None:
    built = [build_evidence(wins) for wins in (30, 60, 90)]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for day, each in enumerate(built):
        evidence.store(session, experiment, each, begin + timedelta(days=day))
    expected = [(begin + timedelta(days=day), each) for day, each in enumerate(built)]
    assert [tuple(dated) for dated in evidence.read_over_time(session, experiment)] == expected
    assert len(evidence.read_over_time(session, experiment, most=1)) <= 2


def test_a_requirement_is_met_since_the_last_time_that_it_was_not() -> None:
    """People prefer the challenger at the first, third and fourth analysis; harm is shown at the last."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    built = [build_evidence(), build_evidence(20), build_evidence(), build_evidence(harm=True)]
    analyses = [Dated(begin + timedelta(days=day), each) for day, each in enumerate(built)]
    # The experiment began six days before the first analysis, and was paused for five of them.
    changes = [(begin - timedelta(days=6), 1.0), (begin - timedelta(days=5), 0.0), (begin, 1.0)]
    periods = find_periods(changes[0][0], None, changes)
    met = evidence.find_met_since(analyses, "v2", periods)
    by_code = {(each.requirement.code, each.requirement.values.get("metric")): each for each in met}
    preferred = by_code["prefer_challenger", None]
    assert (preferred.is_met, preferred.since, preferred.days) == (True, begin + timedelta(days=2), 3)
    [harmed] = [each for (_, metric), each in by_code.items() if metric == "complained"]
    assert (harmed.is_met, harmed.since, harmed.days) == (False, None, None)
    assert [each.days is None for each in met] == sorted(each.days is None for each in met)
    assert evidence.find_met_since(analyses, "v9", periods) == []
