"""The bandit's weights follow from the posterior, and its experiments are analysed without bias."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from experiments import analysis, metrics
from experiments.analysis import ArmStatistics, ExperimentResult
from experiments.bandit import Rule, estimate_best_shares, posterior, reweigh, unbiased_effect
from experiments.plan import Plan

PLAN = Plan(guardrails={})


def between_users(arms: list[ArmStatistics]) -> ExperimentResult:
    return analysis.between_users({PLAN.primary: arms}, PLAN, metrics.load())


def arm(
    variant: str, users: int, mean: float, variance: float = 0.2, epoch: int = 1, weight: float = 0.5
) -> ArmStatistics:
    return ArmStatistics(
        epoch=epoch,
        variant=variant,
        is_baseline=variant == "a",
        weight=weight,
        exposed=users,
        moved=0,
        closed=users,
        users=users,
        mean=mean if users else None,
        variance=variance if users > 1 else None,
    )


several = st.lists(
    st.tuples(st.integers(0, 300), st.floats(0, 1), st.floats(0, 0.25)), min_size=2, max_size=6
)


@given(several, st.sampled_from(["top_two", "thompson"]))
def test_weights_sum_to_one_with_a_floor_for_all(
    statistics: list[tuple[int, float, float]], rule: Rule
) -> None:
    weights = reweigh([arm("abcdef"[i], *row) for i, row in enumerate(statistics)], rule)
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0.01 - 1e-12
    assert list(weights) == list("abcdef"[: len(statistics)])


@given(several, st.sampled_from(["top_two", "thompson"]), st.randoms())
def test_names_and_order_do_not_matter(statistics: list[tuple[int, float, float]], rule: Rule, dice) -> None:  # type: ignore[no-untyped-def]
    # With equal means the weights depend on the order, within the error of the points.
    statistics = [(n, mean + 1e-3 * i, variance) for i, (n, mean, variance) in enumerate(statistics)]
    names = list("abcdef"[: len(statistics)])
    weights = reweigh([arm(name, *row) for name, row in zip(names, statistics, strict=True)], rule)
    order = list(range(len(statistics)))
    dice.shuffle(order)
    again = reweigh([arm(names[i], *statistics[order[i]]) for i in range(len(statistics))], rule)
    assert [again[names[i]] for i in range(len(statistics))] == pytest.approx(
        [weights[names[j]] for j in order], abs=5e-3
    )


def test_the_better_arm_gets_more_users_and_equal_statistics_equal_weights() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 200, 0.56), arm("c", 200, 0.4), arm("d", 200, 0.41)]
    for rule in ("thompson", "top_two"):
        weights = reweigh(arms, rule)  # type: ignore[arg-type]
        assert weights["b"] > weights["a"] > weights["d"] >= weights["c"] > 0.0099
        assert reweigh(arms, rule) == weights  # type: ignore[arg-type]
    # Best-arm identification gives the second-best arm more users than serving the best one does.
    assert reweigh(arms, "top_two")["a"] > 2 * reweigh(arms, "thompson")["a"]


def test_top_two_of_two_is_an_even_split() -> None:
    weights = reweigh([arm("a", 100, 0.5), arm("b", 100, 0.56)], "top_two", top=0.5)
    assert weights == pytest.approx({"a": 0.5, "b": 0.5})


def test_top_two_agrees_with_repeated_draws() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 150, 0.52), arm("c", 100, 0.46)]
    believed = posterior(arms)
    assert believed is not None
    shares = estimate_best_shares(believed)
    rng = np.random.default_rng(0)
    played = np.zeros(3)
    for _ in range(20_000):
        first = second = rng.choice(3, p=shares)
        while second == first:
            second = rng.choice(3, p=shares)
        played[first if rng.random() < 0.5 else second] += 1
    weights = reweigh(arms, "top_two", floor=0, top=0.5)
    assert list(weights.values()) == pytest.approx(played / 20_000, abs=0.012)


def test_probabilities_of_the_best_are_the_integrals() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 100, 0.56), arm("c", 50, 0.4), arm("d", 120, 0.52)]
    believed = posterior(arms)
    assert believed is not None
    normals = [stats.norm(arm.mean, math.sqrt(0.2 / arm.users)) for arm in arms]
    for i, share in enumerate(estimate_best_shares(believed)):
        others = [normal for j, normal in enumerate(normals) if j != i]
        expected, _ = integrate.quad(
            lambda x, i=i, others=others: normals[i].pdf(x) * math.prod(o.cdf(x) for o in others), 0, 1
        )
        assert share == pytest.approx(expected, abs=3e-3)


def test_the_posterior_of_two_arms_agrees_with_the_analysis() -> None:
    arms = [
        arm("a", 90, 0.3, 0.2, 1),
        arm("b", 10, 0.4, 0.2, 1),
        arm("a", 30, 0.7, 0.2, 2),
        arm("b", 60, 0.6, 0.2, 2),
    ]
    believed, analysed = posterior(arms), between_users(arms).primary
    assert believed is not None
    assert analysed is not None
    assert believed.mean[1] - believed.mean[0] == pytest.approx(analysed.difference)
    h = 90 * 10 / 100 + 30 * 60 / 90
    variance = believed.covariance[0, 0] + believed.covariance[1, 1] - 2 * believed.covariance[0, 1]
    assert variance == pytest.approx(0.2 / h)
    assert reweigh(arms, "thompson", floor=0)["b"] == pytest.approx(
        stats.norm.cdf(analysed.difference / math.sqrt(0.2 / h)), abs=3e-3
    )


def test_the_posterior_of_several_arms_is_the_least_squares_solution() -> None:
    """Brute force: a regression on epochs and arms with one row for each user."""
    rng = np.random.default_rng(1)
    rows, arms = [], []
    for epoch, name in itertools.product((1, 2, 3), "abc"):
        if (epoch, name) == (2, "c"):  # an arm may be absent from an epoch
            continue
        outcomes = 0.2 * epoch + 0.1 * (name == "b") + rng.random(int(rng.integers(5, 40)))
        arms.append(arm(name, len(outcomes), outcomes.mean(), outcomes.var(ddof=1), epoch))
        rows += [([epoch == 1, epoch == 2, epoch == 3, name == "b", name == "c"], x) for x in outcomes]
    design, outcome = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    solved = np.linalg.lstsq(design, outcome)[0]
    believed = posterior(arms)
    assert believed is not None
    assert believed.mean - believed.mean[0] == pytest.approx(np.array([0, *solved[3:]]))
    to_baseline = np.array([[-1, 1, 0], [-1, 0, 1]])
    variance = sum((a.users - 1) * (a.variance or 0) for a in arms) / sum(a.users - 1 for a in arms)
    expected = variance * np.linalg.inv(design.T @ design)[3:, 3:]
    assert to_baseline @ believed.covariance @ to_baseline.T == pytest.approx(expected)


@pytest.mark.parametrize(
    "arms",
    [
        [arm("a", 0, 0), arm("b", 0, 0)],
        [arm("a", 50, 0.5), arm("b", 0, 0)],
        [arm("a", 50, 0, 0), arm("b", 50, 0, 0)],
        [arm("a", 50, 0.1, epoch=1), arm("b", 50, 0.9, epoch=2)],  # a trend would explain the difference
    ],
)
def test_weights_are_equal_without_a_posterior(arms: list[ArmStatistics]) -> None:
    assert reweigh(arms, "thompson") == {"a": 0.5, "b": 0.5}


def test_floors_above_one_in_sum_raise_an_error() -> None:
    with pytest.raises(ValueError, match="more than all users"):
        reweigh([arm("a", 5, 0.1), arm("b", 5, 0.2)], floor=0.6)


def run_bandit(rng: np.random.Generator) -> list[list[ArmStatistics]]:
    """Analyses during ten epochs of a bandit. Its arms differ by 0.1; all outcomes rise by 0.6 over time."""
    finished: list[ArmStatistics] = []
    analyses, weight = [], 0.5
    for epoch in range(10):
        is_b = rng.random(400) < weight
        outcomes = (rng.random(400) < 0.1 + 0.06 * epoch + 0.1 * is_b) * 1.0
        for n in (100, 200, 400):
            current = []
            for name, x in (("a", outcomes[:n][~is_b[:n]]), ("b", outcomes[:n][is_b[:n]])):
                mean, variance = (x.mean() if len(x) else 0, x.var(ddof=1) if len(x) > 1 else 0)
                share = weight if name == "b" else 1 - weight
                current.append(arm(name, len(x), float(mean), float(variance), epoch, share))
            analyses.append([*finished, *current])
        finished += current
        weight = reweigh(finished, "thompson")["b"]
    return analyses


def pooled_effect(arms: list[ArmStatistics]) -> float:
    """The mistake: the difference of each arm's mean over all of its users."""
    means = []
    for name in "ab":
        epochs = [row for row in arms if row.variant == name]
        means.append(sum(row.users * (row.mean or 0) for row in epochs) / sum(row.users for row in epochs))
    return means[1] - means[0]


@pytest.mark.slow
def test_the_effect_is_covered_under_a_bandit_and_a_trend() -> None:
    rng = np.random.default_rng(4)
    experiments = 300
    missed = pooled_missed = 0
    weighted, unbiased, shares = [], [], []
    for _ in range(experiments):
        analyses = run_bandit(rng)
        results = [between_users(statistics) for statistics in analyses]
        judged = [r.primary for r in results if r.verdict != "too few users" and r.primary]
        missed += any(not effect.interval.low <= 0.1 <= effect.interval.high for effect in judged)
        last = results[-1]
        assert last.primary is not None
        margin = last.primary.interval.high - last.primary.difference
        pooled_missed += abs(pooled_effect(analyses[-1]) - 0.1) > margin
        weighted.append(last.primary.difference)
        estimate, error = unbiased_effect(analyses[-1]) or (math.nan, math.nan)
        assert error > 0
        unbiased.append(estimate)
        shares.append(last.challenger.users / (last.challenger.users + last.baseline.users))
    assert missed / experiments <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / experiments)
    assert pooled_missed / experiments > 0.3  # the better arm has more users on the better days
    assert np.mean(shares) > 0.7
    assert np.mean(unbiased) == pytest.approx(0.1, abs=3 * np.std(unbiased) / math.sqrt(experiments))
    assert np.std(weighted) < np.std(unbiased)  # the price of an unbiased estimate


def test_the_unbiased_effect_omits_epochs_in_which_an_arm_has_no_variance() -> None:
    complete = [arm("b", 30, 0.7, epoch=1), arm("a", 10, 0.5, epoch=1)]
    incomplete = [arm("a", 50, 0.1, epoch=2), arm("b", 1, 0.9, epoch=2)]
    assert unbiased_effect(complete + incomplete) == pytest.approx((0.2, math.sqrt(0.2 / 30 + 0.2 / 10)))
    assert unbiased_effect(incomplete) is None
