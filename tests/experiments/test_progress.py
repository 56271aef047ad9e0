"""With so many times as many users or votes as are said to be needed, it is shown; with fewer it is not."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import effects, metrics, progress, sequential
from experiments.effects import Pair
from experiments.estimators import FEWEST_EVENTS, FEWEST_PARTS, Estimate
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.sequential import Clusters

PLAN, MEASURED = Plan(), metrics.load()


def of_share(users: int, rate: float) -> Estimate:
    """An arm in which users have an event at this rate; the number of events may be a fraction."""
    events = users * rate
    information = min(events, users - events) / FEWEST_EVENTS
    return Estimate(users=users, mean=rate, variance=rate * (1 - rate), information=information)


def of_amount(users: int, mean: float, variance: float) -> Estimate:
    return Estimate(users=users, mean=mean, variance=variance, information=users / FEWEST_PARTS)


def is_excluded(pairs: list[Pair], metric: Metric, margin: float) -> bool:
    """Whether an analysis of these arms excludes a larger loss, as `analysis.between_users` judges."""
    effect = effects.compare_arms(
        pairs, PLAN.alpha, PLAN.n_star, metric.better, metric.largest, PLAN.minimum_users_an_arm
    )
    if effect is not None:
        return effect.largest_loss(metric.better) <= margin
    return metric.is_share and effects.bound_loss_of_share(pairs, PLAN.alpha, metric.better) <= margin


def find_factor(pairs: list[Pair], metric: Metric, margin: float) -> float | None:
    effect = effects.compare_arms(
        pairs, PLAN.alpha, PLAN.n_star, metric.better, metric.largest, PLAN.minimum_users_an_arm
    )
    return progress.find_users_factor(effect, pairs, metric, margin, PLAN)


@settings(deadline=None)
@given(
    st.integers(5, 3000),
    st.floats(0.1, 0.9),
    st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5]),
    st.sampled_from([-0.02, 0.0, 0.02]),
    st.sampled_from([0.03, 0.05, 0.2]),
)
def test_a_loss_in_a_share_is_excluded_by_as_many_users_as_it_says(
    users: int, weight: float, rate: float, loss: float, margin: float
) -> None:
    complained, worse = MEASURED["complained"], min(max(rate + loss, 0.0), 1.0)

    def build(factor: float, round_: Callable[[float], int]) -> list[Pair]:
        baseline, challenger = (
            round_(factor * (2 + math.floor(users * part))) for part in (1 - weight, weight)
        )
        return [(of_share(baseline, rate), of_share(challenger, worse))]

    factor = find_factor(build(1.0, round), complained, margin)
    assert factor is not None
    if math.isinf(factor):
        assert not is_excluded(build(1e6, round), complained, margin)
        return
    as_many = build(factor * (1 + 1e-4), math.ceil)
    # When the last user begins the interval, the bound of before still tells it.
    bound = effects.bound_loss_of_share(as_many, PLAN.alpha, complained.better)
    assert is_excluded(as_many, complained, margin) or bound <= margin
    if factor > 1 + 1e-3:
        assert not is_excluded(build(factor / (1 + 1e-4), math.floor), complained, margin)


def test_an_amount_needs_enough_users_and_then_a_narrow_interval() -> None:
    latency = Metric(kind="mean", of="requests", better="lower", says="an amount")
    few = [(of_amount(20, 5.0, 4.0), of_amount(30, 5.1, 4.0))]
    assert find_factor(few, latency, 10.0) == pytest.approx(200 / 20, rel=1e-5), "the interval begins there"
    factor = find_factor(few, latency, 0.5)
    assert factor is not None
    for times, excluded in ((1.01 * factor, True), (factor / 1.01, False)):
        pairs = [(of_amount(round(20 * times), 5.0, 4.0), of_amount(round(30 * times), 5.1, 4.0))]
        assert is_excluded(pairs, latency, 0.5) == excluded
    assert find_factor(few, latency, 0.1) == math.inf, "the difference is as large"


def test_how_users_differ_may_be_unknown() -> None:
    latency = MEASURED["latency_p95"]
    same = Estimate(users=500, mean=90.0, variance=0.0, information=2.0)
    assert find_factor([(same, same)], latency, 1000.0) is None
    single = Estimate(users=1, mean=90.0, variance=None)
    assert find_factor([(single, single)], latency, 1000.0) is None


def test_epochs_add_up() -> None:
    complained = MEASURED["complained"]
    whole = [(of_share(400, 0.1), of_share(400, 0.1))]
    halves = [(of_share(200, 0.1), of_share(200, 0.1))] * 2
    assert find_factor(halves, complained, 0.05) == pytest.approx(
        find_factor(whole, complained, 0.05), rel=0.01
    )


def votes(wins: int, losses: int, people: int = 1) -> list[Clusters]:
    return [Clusters(1, 0, wins * people), Clusters(0, 1, losses * people)]


@pytest.mark.parametrize(("wins", "losses"), [(22, 18), (6, 4), (3, 0), (300, 200), (55, 45)])
def test_as_many_votes_as_it_says_show_the_preference(wins: int, losses: int) -> None:
    factor = progress.find_votes_factor(votes(wins, losses), votes(wins, losses), PLAN)
    assert 1 <= factor < math.inf
    level = sequential.one_sided_level(PLAN.ship_alpha)

    def is_preferred(factor: float) -> bool:
        grown = [Clusters(*kind[:2], factor * kind.clusters) for kind in votes(wins, losses)]  # type: ignore[arg-type]
        decided = factor * (wins + losses)
        low = sequential.clustered_win_rate_interval(grown, PLAN.votes_a_person, level).low
        return decided >= PLAN.minimum_comparisons and low > 0.5

    assert is_preferred(1.001 * factor)
    if factor > 1.001:
        assert not is_preferred(factor / 1.001)


def test_no_number_of_votes_shows_what_they_do_not_say() -> None:
    for wins, losses in ((0, 0), (10, 10), (9, 10)):
        assert progress.find_votes_factor(votes(wins, losses), votes(wins, losses), PLAN) == math.inf
    assert progress.find_votes_factor([], [], PLAN) == math.inf


def test_votes_of_few_people_have_a_longer_way() -> None:
    """22 of 40 votes: of 40 people on 40 messages, or two of each person, or two on each message."""
    of_many = progress.find_votes_factor(votes(22, 18), votes(22, 18), PLAN)
    in_twos = [Clusters(2, 0, 11), Clusters(0, 2, 9)]
    assert progress.find_votes_factor(in_twos, votes(22, 18), PLAN) > 1.5 * of_many
    assert progress.find_votes_factor(votes(22, 18), in_twos, PLAN) > 1.5 * of_many
