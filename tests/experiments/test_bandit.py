"""The bandit's weights are what the posterior says, and what it leaves behind is honest evidence."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from experiments import analysis, metrics
from experiments.analysis import ArmStatistics, ExperimentResult
from experiments.bandit import Rule, best, posterior, reweighted, unbiased_effect
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


@settings(deadline=None)
@given(several, st.sampled_from(["top_two", "thompson"]))
def test_weights_sum_to_one_with_a_floor_for_all(found: list[tuple[int, float, float]], rule: Rule) -> None:
    weights = reweighted([arm("abcdef"[i], *one) for i, one in enumerate(found)], rule)
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0.01 - 1e-12
    assert list(weights) == list("abcdef"[: len(found)])


@settings(deadline=None)
@given(several, st.sampled_from(["top_two", "thompson"]), st.randoms())
def test_names_and_order_do_not_matter(found: list[tuple[int, float, float]], rule: Rule, dice) -> None:  # type: ignore[no-untyped-def]
    # Equal means share their points in the order given, which is right to the points' error only.
    found = [(n, mean + 1e-3 * i, variance) for i, (n, mean, variance) in enumerate(found)]
    names = list("abcdef"[: len(found)])
    weights = reweighted([arm(name, *one) for name, one in zip(names, found, strict=True)], rule)
    order = list(range(len(found)))
    dice.shuffle(order)
    again = reweighted([arm(names[i], *found[order[i]]) for i in range(len(found))], rule)
    assert [again[names[i]] for i in range(len(found))] == pytest.approx(
        [weights[names[j]] for j in order], abs=5e-3
    )


def test_the_better_arm_is_given_more_and_the_same_again() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 200, 0.56), arm("c", 200, 0.4), arm("d", 200, 0.41)]
    for rule in ("thompson", "top_two"):
        weights = reweighted(arms, rule)  # type: ignore[arg-type]
        assert weights["b"] > weights["a"] > weights["d"] >= weights["c"] > 0.0099
        assert reweighted(arms, rule) == weights  # type: ignore[arg-type]
    # To find the best, the rival is given more than to serve it.
    assert reweighted(arms, "top_two")["a"] > 2 * reweighted(arms, "thompson")["a"]


def test_top_two_of_two_is_an_even_split() -> None:
    weights = reweighted([arm("a", 100, 0.5), arm("b", 100, 0.56)], "top_two", top=0.5)
    assert weights == pytest.approx({"a": 0.5, "b": 0.5})


def test_top_two_is_what_drawing_again_and_again_gives() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 150, 0.52), arm("c", 100, 0.46)]
    found = posterior(arms)
    assert found is not None
    shares = best(found)
    rng = np.random.default_rng(0)
    played = np.zeros(3)
    for _ in range(20_000):
        first = second = rng.choice(3, p=shares)
        while second == first:
            second = rng.choice(3, p=shares)
        played[first if rng.random() < 0.5 else second] += 1
    weights = reweighted(arms, "top_two", floor=0, top=0.5)
    assert list(weights.values()) == pytest.approx(played / 20_000, abs=0.012)


def test_probabilities_of_the_best_are_the_integrals() -> None:
    arms = [arm("a", 200, 0.5), arm("b", 100, 0.56), arm("c", 50, 0.4), arm("d", 120, 0.52)]
    found = posterior(arms)
    assert found is not None
    normals = [stats.norm(one.mean, math.sqrt(0.2 / one.users)) for one in arms]
    for i, share in enumerate(best(found)):
        others = [normal for j, normal in enumerate(normals) if j != i]
        expected, _ = integrate.quad(
            lambda x, i=i, others=others: normals[i].pdf(x) * math.prod(o.cdf(x) for o in others), 0, 1
        )
        assert share == pytest.approx(expected, abs=3e-3)


def test_two_arms_over_epochs_are_what_is_analysed() -> None:
    arms = [
        arm("a", 90, 0.3, 0.2, 1),
        arm("b", 10, 0.4, 0.2, 1),
        arm("a", 30, 0.7, 0.2, 2),
        arm("b", 60, 0.6, 0.2, 2),
    ]
    found, analysed = posterior(arms), between_users(arms).primary
    assert found is not None
    assert analysed is not None
    assert found.mean[1] - found.mean[0] == pytest.approx(analysed.difference)
    h = 90 * 10 / 100 + 30 * 60 / 90
    variance = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
    assert variance == pytest.approx(0.2 / h)
    assert reweighted(arms, "thompson", floor=0)["b"] == pytest.approx(
        stats.norm.cdf(analysed.difference / math.sqrt(0.2 / h)), abs=3e-3
    )


def test_several_arms_over_epochs_are_the_least_squares() -> None:
    """Brute force: every user a row of a regression on epochs and arms."""
    rng = np.random.default_rng(1)
    rows, arms = [], []
    for epoch, name in itertools.product((1, 2, 3), "abc"):
        if (epoch, name) == (2, "c"):  # an arm may rest
            continue
        outcomes = 0.2 * epoch + 0.1 * (name == "b") + rng.random(int(rng.integers(5, 40)))
        arms.append(arm(name, len(outcomes), outcomes.mean(), outcomes.var(ddof=1), epoch))
        rows += [([epoch == 1, epoch == 2, epoch == 3, name == "b", name == "c"], x) for x in outcomes]
    design, outcome = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    solved = np.linalg.lstsq(design, outcome)[0]
    found = posterior(arms)
    assert found is not None
    assert found.mean - found.mean[0] == pytest.approx(np.array([0, *solved[3:]]))
    to_baseline = np.array([[-1, 1, 0], [-1, 0, 1]])
    variance = sum((one.users - 1) * (one.variance or 0) for one in arms) / sum(one.users - 1 for one in arms)
    expected = variance * np.linalg.inv(design.T @ design)[3:, 3:]
    assert to_baseline @ found.covariance @ to_baseline.T == pytest.approx(expected)


@pytest.mark.parametrize(
    "arms",
    [
        [arm("a", 0, 0), arm("b", 0, 0)],
        [arm("a", 50, 0.5), arm("b", 0, 0)],
        [arm("a", 50, 0, 0), arm("b", 50, 0, 0)],
        [arm("a", 50, 0.1, epoch=1), arm("b", 50, 0.9, epoch=2)],  # a trend would explain as much
    ],
)
def test_what_says_nothing_leaves_weights_equal(arms: list[ArmStatistics]) -> None:
    assert reweighted(arms, "thompson") == {"a": 0.5, "b": 0.5}


def test_floors_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="more than all users"):
        reweighted([arm("a", 5, 0.1), arm("b", 5, 0.2)], floor=0.6)


def bandit_run(rng: np.random.Generator) -> list[list[ArmStatistics]]:
    """Looks at ten epochs of a bandit on arms that differ by 0.1, while everybody's outcomes rise by 0.6."""
    done: list[ArmStatistics] = []
    looks, weight = [], 0.5
    for epoch in range(10):
        is_b = rng.random(400) < weight
        outcomes = (rng.random(400) < 0.1 + 0.06 * epoch + 0.1 * is_b) * 1.0
        for n in (100, 200, 400):
            here = []
            for name, x in (("a", outcomes[:n][~is_b[:n]]), ("b", outcomes[:n][is_b[:n]])):
                mean, variance = (x.mean() if len(x) else 0, x.var(ddof=1) if len(x) > 1 else 0)
                share = weight if name == "b" else 1 - weight
                here.append(arm(name, len(x), float(mean), float(variance), epoch, share))
            looks.append([*done, *here])
        done += here
        weight = reweighted(done, "thompson")["b"]
    return looks


def pooled_effect(arms: list[ArmStatistics]) -> float:
    """The mistake: the difference of each arm's mean over all of its users."""
    means = []
    for name in "ab":
        mine = [one for one in arms if one.variant == name]
        means.append(sum(one.users * (one.mean or 0) for one in mine) / sum(one.users for one in mine))
    return means[1] - means[0]


def test_the_effect_is_covered_under_a_bandit_and_a_trend() -> None:
    rng = np.random.default_rng(4)
    experiments = 300
    missed = pooled_missed = 0
    weighed, unbiased, shares = [], [], []
    for _ in range(experiments):
        looks = bandit_run(rng)
        results = [between_users(look) for look in looks]
        judged = [found.primary for found in results if found.verdict != "too few users" and found.primary]
        missed += any(not found.interval.low <= 0.1 <= found.interval.high for found in judged)
        last = results[-1]
        assert last.primary is not None
        half = last.primary.interval.high - last.primary.difference
        pooled_missed += abs(pooled_effect(looks[-1]) - 0.1) > half
        weighed.append(last.primary.difference)
        effect, error = unbiased_effect(looks[-1]) or (math.nan, math.nan)
        assert error > 0
        unbiased.append(effect)
        shares.append(last.challenger.users / (last.challenger.users + last.baseline.users))
    assert missed / experiments <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / experiments)
    assert pooled_missed / experiments > 0.3  # the better arm was given on the better days
    assert np.mean(shares) > 0.7
    assert np.mean(unbiased) == pytest.approx(0.1, abs=3 * np.std(unbiased) / math.sqrt(experiments))
    assert np.std(weighed) < np.std(unbiased)  # what being right on average costs


def test_epochs_without_both_arms_have_no_say_in_the_unbiased_effect() -> None:
    told = [arm("b", 30, 0.7, epoch=1), arm("a", 10, 0.5, epoch=1)]
    silent = [arm("a", 50, 0.1, epoch=2), arm("b", 1, 0.9, epoch=2)]
    assert unbiased_effect(told + silent) == pytest.approx((0.2, math.sqrt(0.2 / 30 + 0.2 / 10)))
    assert unbiased_effect(silent) is None
