"""Evidence and decisions are correct, also with repeated analyses, ramps and trends."""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

import configs
from data.reasons import Reason, reason, render
from experiments import analysis, metrics, plan
from experiments.analysis import (
    ArmStatistics,
    ChallengerResult,
    ComparisonResult,
    ExperimentResult,
    Tally,
    compare,
)
from experiments.estimators import Covariate
from experiments.plan import Plan
from experiments.recommendation import Assessment, assess
from experiments.sequential import Clusters

PLAN = Plan()
ENOUGH = timedelta(days=PLAN.minimum_days) + PLAN.window
MEASURED = metrics.load()


def between_users(
    arms: list[ArmStatistics], plan: Plan, **secondary: list[ArmStatistics]
) -> ExperimentResult:
    """`secondary` are metrics other than the primary one. Of those not given, the guardrails have no event in
    1,000 users of each arm, and no user has a value in the others.
    """
    without_values = [arm.model_copy(update={"users": 0, "mean": None, "variance": None}) for arm in arms]
    values = {"users": 1000, "mean": 0.0, "variance": 0.0}
    without_event = [arm.model_copy(update=values) for arm in arms]
    fast = [arm.model_copy(update={**values, "mean": 90.0, "variance": 100.0}) for arm in arms]
    return analysis.between_users(
        dict.fromkeys(MEASURED, without_values)
        | dict.fromkeys(("complained", "failed", "fell_back"), without_event)
        | {"latency_p95": fast, plan.primary: arms}
        | secondary,
        plan,
        MEASURED,
    )


def arm(
    outcomes: np.ndarray, epoch: int = 1, weight: float = 0.5, *, baseline: bool, exposed: int | None = None
) -> ArmStatistics:
    return ArmStatistics(
        epoch=epoch,
        variant="champion" if baseline else "challenger",
        is_baseline=baseline,
        weight=weight,
        exposed=len(outcomes) if exposed is None else exposed,
        moved=0,
        closed=len(outcomes) if exposed is None else exposed,
        users=len(outcomes),
        mean=float(outcomes.mean()) if len(outcomes) else None,
        variance=float(outcomes.var(ddof=1)) if len(outcomes) > 1 else None,
    )


def experiment(
    mean_a: float, mean_b: float, users: int = 400, exposed_b: int | None = None, silent: int = 0
) -> ExperimentResult:
    """Both arms have `users` users; of the challenger's, `silent` do not vote."""
    half = np.array([1, -1] * (users // 2)) * 0.1
    voted = mean_b + half[: users - silent]
    arms = [arm(mean_a + half, baseline=True), arm(voted, baseline=False, exposed=exposed_b or users)]
    return between_users(arms, PLAN)


def tally(wins: int, losses: int, ties: int = 0) -> Tally:
    """Each vote is of another person, on another message."""
    clusters = (Clusters(1, 0, wins), Clusters(0, 1, losses))
    people = wins + losses + ties
    return Tally(wins=wins, losses=losses, ties=ties, people=people, by_person=clusters, by_message=clusters)


def votes(wins: int, losses: int, ties: int = 0) -> ComparisonResult:
    return compare(tally(wins, losses, ties), PLAN)


def decide(
    comparison: ComparisonResult, users: ExperimentResult, plan: Plan, lasted: timedelta
) -> Assessment:
    return assess(ChallengerResult(comparison=comparison, between_users=users), plan, lasted)


def decision(comparison: ComparisonResult, users: ExperimentResult) -> Assessment:
    return decide(comparison, users, PLAN, ENOUGH)


def test_the_shipped_plan_is_the_default_one() -> None:
    assert configs.load(Plan, plan.FILE) == PLAN


@pytest.mark.parametrize(
    ("wins", "losses", "decided"),
    [
        (70, 30, "challenger"),
        (30, 70, "champion"),
        (50, 50, "undecided"),
        (39, 0, "undecided"),
        (0, 0, "undecided"),
    ],
)
def test_enough_comparisons_decide(wins: int, losses: int, decided: str) -> None:
    assert votes(wins, losses).decision == decided


def test_ties_are_reported_and_do_not_change_the_rate() -> None:
    without, with_ties = votes(60, 40), votes(60, 40, 500)
    assert with_ties.interval == without.interval
    assert with_ties.win_rate == 0.6
    side_by_side = decision(with_ties, experiment(0.5, 0.5)).reasons[1]
    assert (side_by_side.code, side_by_side.values["ties"]) == ("side_by_side", 500)


def test_votes_of_few_people_are_weaker_evidence_than_as_many_votes_of_many() -> None:
    """60 of 75 votes: by 75 people, or by 25 people who each chose one side three times."""
    of_many = tally(60, 15)
    in_threes = (Clusters(3, 0, 20), Clusters(0, 3, 5))
    of_few = of_many.model_copy(update={"by_person": in_threes})
    on_few_messages = of_many.model_copy(update={"by_message": in_threes})
    assert compare(of_many, PLAN).decision == "challenger"
    for weaker in (compare(of_few, PLAN), compare(on_few_messages, PLAN)):
        assert weaker.win_rate == 0.8
        assert weaker.interval.low < votes(60, 15).interval.low
        assert weaker.interval.high > votes(60, 15).interval.high
    assert compare(of_few, PLAN).interval == compare(on_few_messages, PLAN).interval


def test_a_tally_must_say_whose_votes_it_has() -> None:
    with pytest.raises(ValueError, match="3 wins and 1 losses, but 0 and 0 by_person"):
        compare(Tally(wins=3, losses=1, ties=0, people=4), PLAN)


def test_people_who_wait_are_reported() -> None:
    waiting = compare(tally(3, 1).model_copy(update={"waiting": 7}), PLAN)
    last = decision(waiting, experiment(0.5, 0.5)).reasons
    (sentence,) = [str(cause) for cause in last if cause.code == "side_by_side_waiting"]
    assert sentence == (
        "7 more people have voted and do not count yet: a person counts with 3 decided votes or after 24"
        " hours, and one API key may name at most 50% of the people."
    )


def test_one_epoch_is_a_difference_of_means() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(300), np.clip(rng.random(200) + 0.1, 0, 1)
    result = between_users([arm(b, baseline=False), arm(a, baseline=True)], PLAN)
    fixed = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert result.primary is not None
    assert result.primary.difference == pytest.approx(b.mean() - a.mean())
    assert result.primary.relative == pytest.approx(b.mean() / a.mean() - 1)
    assert result.primary.relative_interval is not None
    low, high = result.primary.interval
    assert low < fixed.low < fixed.high < high
    assert high - low < 2.2 * (fixed.high - fixed.low)
    assert (low + high) / 2 == pytest.approx(result.primary.difference)
    log_ratio = math.sqrt(b.var(ddof=1) / 200 / b.mean() ** 2 + a.var(ddof=1) / 300 / a.mean() ** 2)
    relative_error = (b.mean() / a.mean()) * log_ratio  # the same delta method, through logarithms
    error = math.sqrt(a.var(ddof=1) / 300 + b.var(ddof=1) / 200)
    assert result.primary.relative_interval.high - result.primary.relative == pytest.approx(
        (high - result.primary.difference) * relative_error / error
    )


def test_epochs_are_strata_weighted_by_precision() -> None:
    flat = {n: np.array([0.4, 0.6] * (n // 2)) for n in (10, 90, 50)}
    arms = [
        arm(flat[90], 1, 0.9, baseline=True),
        arm(flat[10] + 0.2, 1, 0.1, baseline=False),
        arm(flat[50] + 0.3, 2, baseline=True),
        arm(flat[50] + 0.3, 2, baseline=False),
        arm(flat[10], 3, baseline=True),
        arm(flat[10][:1], 3, baseline=False, exposed=10),  # one outcome: no variance yet
    ]
    result = between_users(arms, PLAN)
    assert result.primary is not None
    assert result.primary.difference == pytest.approx((0.2 * 9 + 0 * 25) / 34)
    assert result.primary.baseline == pytest.approx((0.5 * 9 + 0.8 * 25) / 34)
    assert (result.baseline.users, result.challenger.users, result.challenger.exposed) == (150, 61, 70)
    assert result.challenger.response_rate == pytest.approx(61 / 70)


def simulate_ramp(rng: np.random.Generator, sizes: list[int]) -> list[list[ArmStatistics]]:
    """Analyses of an experiment with equal arms: the challenger's share and all outcomes grow over time."""
    shares, levels = (0.05, 0.2, 0.5), (0.3, 0.5, 0.7)
    finished: list[ArmStatistics] = []
    analyses = []
    for epoch, (share, level) in enumerate(zip(shares, levels, strict=True)):
        outcomes, is_challenger = rng.random(sizes[-1]) < level, rng.random(sizes[-1]) < share
        for n in sizes:
            current = [
                arm(outcomes[:n][~is_challenger[:n]] * 1.0, epoch, 1 - share, baseline=True),
                arm(outcomes[:n][is_challenger[:n]] * 1.0, epoch, share, baseline=False),
            ]
            analyses.append([*finished, *current])
        finished += current
    return analyses


def pool(arms: list[ArmStatistics]) -> list[ArmStatistics]:
    """The mistake: arms pooled over epochs."""
    pools = []
    for baseline in (True, False):
        epochs = [a for a in arms if a.is_baseline is baseline and a.mean is not None]
        ones = round(sum(a.users * (a.mean or 0) for a in epochs))
        pools.append(
            arm(np.repeat([1.0, 0.0], [ones, sum(a.users for a in epochs) - ones]), baseline=baseline)
        )
    return pools


@pytest.mark.slow
def test_a_ramp_with_a_trend_has_no_false_winner() -> None:
    rng = np.random.default_rng(2)
    experiments, sizes = 400, [100, 200, 400, 600]
    wrong = wrong_pooled = alarms = 0
    for _ in range(experiments):
        analyses = simulate_ramp(rng, sizes)
        results = [between_users(statistics, PLAN) for statistics in analyses]
        wrong += any(r.verdict in ("better", "worse") for r in results)
        alarms += any(not r.health.is_sample_ratio_sound for r in results)
        wrong_pooled += any(
            between_users(pool(statistics), PLAN).verdict in ("better", "worse") for statistics in analyses
        )
    assert wrong / experiments <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / experiments)
    assert alarms / experiments <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / experiments)
    assert wrong_pooled / experiments > 0.5


@pytest.mark.slow
def test_response_rates_of_equals_are_rarely_called_uneven() -> None:
    """With twenty analyses, at a rate where the share of a few users is far from normal."""
    rng = np.random.default_rng(3)
    plan = Plan(response_margin=1e-9, minimum_users_an_arm=50)
    uneven = 0
    for _ in range(400):
        voted = rng.random((2, 1000)) < 0.1
        analyses = [
            [arm(np.ones(voted[side, :n].sum()), baseline=side == 0, exposed=n) for side in (0, 1)]
            for n in range(50, 1001, 50)
        ]
        uneven += any(not between_users(statistics, plan).is_response_even for statistics in analyses)
    assert uneven / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_without_outcomes_there_is_no_verdict() -> None:
    none = np.array([])
    result = between_users([arm(none, baseline=True, exposed=5), arm(none, baseline=False, exposed=4)], PLAN)
    assert (result.verdict, result.primary, result.shows_harm) == ("too few users", None, False)
    assert result.baseline.response_rate == 0


def test_too_few_users_give_no_verdict() -> None:
    assert experiment(0.5, 0.9, users=48).verdict == "too few users"
    assert experiment(0.5, 0.9, users=50).verdict == "better"


def test_arms_that_do_not_pair_up_raise_an_error() -> None:
    baseline = arm(np.ones(3), baseline=True)
    with pytest.raises(ValueError, match="one baseline and one challenger"):
        between_users([baseline], PLAN)
    with pytest.raises(ValueError, match="one baseline and one challenger"):
        between_users([baseline, arm(np.ones(3), 2, baseline=False)], PLAN)


PREFER_CHALLENGER, PREFER_CHAMPION = reason("preferred_and_safe"), reason("people_prefer_champion")
NOT_SHOWN = reason("not_shown_yet")


@pytest.mark.parametrize(
    ("comparison", "users", "action", "cause"),
    [
        (votes(80, 20), experiment(0.5, 0.5), "ship", PREFER_CHALLENGER),
        (votes(80, 20), experiment(0.5, 0.5, users=20), "keep_running", NOT_SHOWN),
        (votes(80, 20), experiment(0.7, 0.5), "roll_back", reason("harm_primary", margin=0.05)),
        (votes(80, 20), experiment(0.5, 0.5, exposed_b=800), "inconclusive", reason("assignment_broken")),
        (votes(80, 20), experiment(0.5, 0.5, silent=100), "inconclusive", reason("response_uneven")),
        (votes(20, 80), experiment(0.5, 0.5, silent=100), "roll_back", PREFER_CHAMPION),
        (votes(80, 20), experiment(0.5, 0.5, silent=30), "ship", PREFER_CHALLENGER),
        (votes(80, 20), experiment(0.5, 0.5, users=40, silent=20), "keep_running", NOT_SHOWN),
        (votes(20, 80), experiment(0.5, 0.5, exposed_b=800), "roll_back", PREFER_CHAMPION),
        (votes(30, 30), experiment(0.5, 0.5), "keep_running", reason("not_settled")),
        (
            votes(200, 200),
            experiment(0.5, 0.5),
            "inconclusive",
            reason("maximum_comparisons", comparisons=400),
        ),
    ],
)
def test_decisions(comparison: ComparisonResult, users: ExperimentResult, action: str, cause: Reason) -> None:
    decided = decision(comparison, users)
    assert (decided.action, decided.reasons[0]) == (action, cause)


@pytest.mark.parametrize(
    ("comparison", "days", "action", "cause"),
    [
        (votes(80, 20), 9.9, "keep_running", NOT_SHOWN),  # windows of three days: 6.9 days are measured
        (votes(80, 20), 10.0, "ship", PREFER_CHALLENGER),
        (votes(20, 80), 0.1, "roll_back", PREFER_CHAMPION),  # a rollback does not wait for the minimum
        (votes(30, 30), 27.9, "keep_running", reason("not_settled")),
        (votes(30, 30), 28.0, "inconclusive", reason("maximum_days", days=28.0)),
        (votes(80, 20), 99.0, "ship", PREFER_CHALLENGER),
    ],
)
def test_an_experiment_has_a_minimum_and_a_maximum_duration(
    comparison: ComparisonResult, days: float, action: str, cause: Reason
) -> None:
    decided = decide(comparison, experiment(0.5, 0.5), PLAN, timedelta(days=days))
    assert (decided.action, decided.reasons[0]) == (action, cause)


def test_reasons_name_the_numbers() -> None:
    reasons = decision(votes(80, 20, 7), experiment(0.5, 0.52)).reasons
    english, japanese = render(reasons), render(reasons, "ja")
    for number in ("80 times of 100", "80.0%", "7 ties", "+0.020", "400 of 400 challenger users", "95%"):
        assert number in english
    assert "satisfaction differs by +0.020" in english
    assert "Users were assigned as planned, 400 to the baseline and 400 to the challenger" in english
    for number in ("100 回のうち 80 回", "80.0%", "引き分け 7 票", "+0.020", "400 人中 400 人", "95%"):
        assert number in japanese
    assert "満足度の差は +0.020" in japanese
    assert "ベースライン 400 人、チャレンジャー 400 人です" in japanese


def test_reasons_have_the_numbers_of_the_evidence_unrounded() -> None:
    comparison, users = votes(80, 20, 7), experiment(0.5, 0.52)
    assert users.primary is not None
    assert users.response is not None
    voted = dict.fromkeys(("challenger_users", "challenger_closed", "baseline_users", "baseline_closed"), 400)
    assert decision(comparison, users).reasons == (
        PREFER_CHALLENGER,
        reason(
            "side_by_side",
            people=107,
            wins=80,
            decided=100,
            rate=0.8,
            low=comparison.interval.low,
            high=comparison.interval.high,
            level=0.95,
            ties=7,
        ),
        reason("side_by_side_strict", level=0.95, low=comparison.lowest_to_ship),
        reason(
            "between_users_no_clear_difference",
            metric="satisfaction",
            difference=users.primary.difference,
            low=users.primary.interval.low,
            high=users.primary.interval.high,
            level=0.95,
            **voted,
        ),
        reason(
            "response_difference",
            difference=0.0,
            low=users.response.interval.low,
            high=users.response.interval.high,
            level=0.95,
            limit=PLAN.response_margin,
        ),
        reason("sample_ratio_sound", baseline=400, challenger=400, p=1.0, limit=PLAN.sample_ratio_alpha),
    )


@pytest.mark.parametrize(
    ("comparison", "users", "expected"),
    [
        (votes(0, 0, 3), experiment(0.5, 0.5), reason("side_by_side_none", ties=3)),
        (votes(9, 3), experiment(0.5, 0.5), reason("side_by_side_few", needed=PLAN.minimum_comparisons)),
        (
            votes(80, 20),
            experiment(0.5, 0.5, users=20),
            reason("between_users_few", needed=PLAN.minimum_users_an_arm),
        ),
        (
            votes(80, 20),
            experiment(0.5, 0.5, silent=400),
            reason(
                "between_users_none",
                challenger_users=0,
                challenger_closed=400,
                baseline_users=400,
                baseline_closed=400,
            ),
        ),
    ],
)
def test_too_little_data_is_a_reason(
    comparison: ComparisonResult, users: ExperimentResult, expected: Reason
) -> None:
    assert expected in decision(comparison, users).reasons


def test_a_small_loss_within_the_margin_does_not_forbid_shipping() -> None:
    users = experiment(0.525, 0.5)
    assert users.verdict == "worse"
    assert not users.shows_harm
    assert decision(votes(80, 20), users).action == "ship"


def test_epochs_of_equal_weights_are_one_sample_for_the_sample_ratio() -> None:
    """Five steps of a ramp with 540 to 460 users each: none is suspicious alone, all together are."""
    none = np.array([])
    counts = [
        arm(none, epoch, baseline=side == 0, exposed=exposed)
        for epoch in range(1, 6)
        for side, exposed in enumerate((540, 460))
    ]
    assert between_users(counts[:2], PLAN).health.is_sample_ratio_sound
    assert not between_users(counts, PLAN).health.is_sample_ratio_sound
    other_weights = [
        row.model_copy(update={"weight": row.exposed / 1000}) if row.epoch > 1 else row for row in counts
    ]
    assert between_users(other_weights, PLAN).health.is_sample_ratio_sound, "as their own weights say"


def test_nothing_ships_while_nobody_is_measured() -> None:
    """62 to 28 side by side on day 3, with windows of three days: no window has closed."""
    arms = [arm(np.array([]), baseline=side == 0, exposed=9) for side in (0, 1)]
    nobody = [arm.model_copy(update={"closed": 0}) for arm in arms]
    users = analysis.between_users(dict.fromkeys(MEASURED, nobody), PLAN, MEASURED)
    decided = decide(votes(62, 28), users, PLAN, timedelta(days=3))
    assert (decided.action, decided.reasons[0]) == ("keep_running", NOT_SHOWN)
    assert reason("days_measured", days=0.0, minimum_days=7.0) in decided.reasons
    assert reason("safety_unknown", metric="latency_p95", margin=1000.0) in decided.reasons
    assert reason("safety_not_shown", metric="complained", loss=1.0, margin=0.05) in decided.reasons
    at_last = decide(votes(62, 28), users, PLAN, timedelta(days=PLAN.maximum_days))
    assert at_last.action == "inconclusive"


def test_a_harmful_challenger_with_few_users_does_not_ship() -> None:
    """49 users in each arm, whose complaints rise from 10 to 49 %."""
    complaints = build_proportions((0.1, 0.49), users=49)
    users = with_secondary(complained=complaints)
    assert users.metrics["complained"].effect is None, "too few for an asymptotic interval"
    decided = decision(votes(62, 28), users)
    assert (decided.action, decided.reasons[0]) == ("keep_running", NOT_SHOWN)
    [complained] = [why for why in decided.reasons if why.values.get("metric") == "complained"]
    assert complained.code == "safety_not_shown"
    assert complained.values["loss"] > 0.39


def test_what_is_missing_is_told_with_the_days_that_it_takes() -> None:
    users = with_secondary(complained=build_proportions((0.1, 0.1)))
    decided = decision(votes(80, 20), users)
    assert (decided.action, decided.reasons[0]) == ("keep_running", NOT_SHOWN)
    assert [why.code for why in decided.reasons[1:3]] == ["safety_not_shown", "days_to_show"]
    unmet = [requirement for requirement in decided.requirements if not requirement.is_met]
    [complained] = unmet
    assert complained.progress is not None
    assert 0 < complained.progress < 1
    days = (1 / complained.progress - 1) * PLAN.minimum_days
    assert decided.reasons[2].values["days"] == math.ceil(days)
    # With as many users as that takes, at the same difference, it is shown.
    more = build_proportions((0.1, 0.1), users=math.ceil(400 / complained.progress / 10) * 10)
    assert with_secondary(complained=more).safety["complained"].is_shown


@example(300, 2, 0.2, 0.78, 40, None, 0)
@given(
    st.integers(0, 500),
    st.integers(0, 500),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.sampled_from([40, 60, 400]),
    st.sampled_from([None, 4000]),
    st.sampled_from([0, 20]),
)
def test_shipping_needs_preference_validity_and_that_harm_is_excluded(
    wins: int, losses: int, mean_a: float, mean_b: float, users: int, exposed_b: int | None, silent: int
) -> None:
    comparison, result = votes(wins, losses), experiment(mean_a, mean_b, users, exposed_b, silent)
    is_sound = result.health.is_sample_ratio_sound and result.is_response_even
    is_safe = result.safety["satisfaction"].is_shown
    if result.primary is not None:
        assert is_safe == (result.primary.interval.low >= -PLAN.harm_margin)
    elif mean_b - mean_a < 0.2:  # the bound for few users excludes a loss only after a large gain
        assert not is_safe
    ships = comparison.decision == "challenger" and is_sound and is_safe
    assert (decision(comparison, result).action == "ship") == ships


def test_shipping_uses_the_level_that_earlier_launches_left() -> None:
    assert votes(66, 34).decision == "challenger"
    strict = PLAN.model_copy(update={"ship_alpha": 0.001})
    result = compare(tally(66, 34), strict)
    assert result.decision == "undecided"
    assert result.lowest_to_ship < 0.5 < result.interval.low
    lost = compare(tally(34, 66), strict)
    assert lost.decision == "champion", "a rollback uses the plan's alpha"
    assert decide(result, experiment(0.5, 0.5), strict, timedelta()).reasons[2] == reason(
        "side_by_side_strict", level=0.999, low=result.lowest_to_ship
    )


def build_proportions(
    rates: tuple[float, float], users: int = 400, before: tuple[float, float] | None = None
) -> list[ArmStatistics]:
    """A proportion in both arms."""
    arms = []
    for side, rate in enumerate(rates):
        outcomes = (np.arange(users) < rate * users) * 1.0
        past = None
        if before is not None:
            share = before[side]
            past = Covariate(mean=share, variance=share * (1 - share), covariance=0.0)
        arms.append(arm(outcomes, baseline=side == 0).model_copy(update={"covariate": past}))
    return arms


def with_secondary(**secondary: list[ArmStatistics]) -> ExperimentResult:
    half = np.array([1, -1] * 200) * 0.1
    equal = [arm(0.5 + half, baseline=side == 0) for side in (0, 1)]
    return between_users(equal, PLAN, **secondary)


@pytest.mark.parametrize(
    ("metric", "rates", "action"),
    [
        ("complained", (0.1, 0.4), "roll_back"),
        ("complained", (0.4, 0.1), "ship"),
        ("complained", (0.1, 0.14), "keep_running"),  # neither shown nor excluded
        ("liked", (0.4, 0.1), "ship"),  # not a guardrail of the plan
    ],
)
def test_a_guardrail_beyond_its_margin_rolls_back(
    metric: str, rates: tuple[float, float], action: str
) -> None:
    result = with_secondary(**{metric: build_proportions(rates)})
    assert result.metrics[metric].is_harmed == (action == "roll_back")
    decided = decision(votes(80, 20), result)
    assert decided.action == action
    if action == "roll_back":
        assert decided.reasons[0] == reason("harm_in_metrics", metrics=(metric,))
        [difference] = [why for why in decided.reasons if why.code == "metric_difference_margin"]
        assert (difference.values["metric"], difference.values["margin"]) == (
            metric,
            PLAN.guardrails[metric],
        )


def test_p_values_are_adjusted_for_the_number_of_metrics() -> None:
    users = with_secondary(
        complained=build_proportions((0.30, 0.42)),
        liked=build_proportions((0.4, 0.4)),
        corrected=build_proportions((0.3, 0.3)),
    )
    complained = users.metrics["complained"]
    assert complained.effect is not None
    assert complained.p == pytest.approx(min(1.0, 4 * complained.effect.p)), "latency is the fourth"
    assert (
        with_secondary(complained=build_proportions((0.1, 0.9), users=20)).metrics["complained"].p is None
    ), "too few users"


def test_a_metric_that_is_not_measured_raises_an_error() -> None:
    with_plan = PLAN.model_copy(update={"guardrails": {"happiness": 0.1}})
    arms = [arm(np.ones(3), baseline=side == 0) for side in (0, 1)]
    with pytest.raises(
        ValueError, match="the plan names happiness, which `arms` does not have; it has satis"
    ):
        between_users(arms, with_plan)


def test_unequal_pasts_of_the_arms_are_a_reason() -> None:
    even = with_secondary(responded=build_proportions((0.5, 0.5), before=(0.3, 0.32))).health
    odd = with_secondary(responded=build_proportions((0.5, 0.5), before=(0.2, 0.4)))
    assert even.is_balanced
    assert not odd.health.is_balanced
    assert odd.health.balance_p is not None
    assert decision(votes(80, 20), odd).reasons[-1] == reason("unequal_pasts", p=odd.health.balance_p)
    assert with_secondary().health.balance_p is None


@pytest.mark.parametrize("difference", [0.2, -0.2])
def test_metrics_of_who_voted_give_no_verdict_while_the_arms_vote_at_different_times(
    difference: float,
) -> None:
    half = np.array([1, -1] * 200) * 0.1

    def build(baseline: float, challenger: float) -> list[ArmStatistics]:
        return [arm(baseline + half, baseline=True), arm(challenger + half, baseline=False)]

    plan = PLAN.model_copy(update={"guardrails": {"complained": 0.05, "edit_distance": 0.05}})
    secondary = {name: build(0.5, 0.7) for name in plan.guardrails}
    primary = build(0.5, 0.5 + difference)
    even = between_users(primary, plan, vote_hours=build(24, 24), **secondary)
    assert (even.verdict, even.withheld) == ("better" if difference > 0 else "worse", ())
    uneven = between_users(primary, plan, vote_hours=build(24, 24.2), **secondary)
    assert (uneven.verdict, uneven.shows_harm) == ("withheld", False)
    assert not uneven.safety["satisfaction"].is_shown, "a withheld metric excludes no loss"
    assert decision(votes(80, 20), uneven).action != "ship"
    assert set(uneven.withheld) == {"satisfaction", "edit_distance"}
    assert uneven.primary == even.primary
    edits = uneven.metrics["edit_distance"]
    assert (edits.p, edits.harm_p, edits.is_harmed) == (None, None, False)
    assert edits.effect == even.metrics["edit_distance"].effect
    assert uneven.metrics["complained"].is_harmed, "all exposed users have a value"
    reasons = decision(votes(50, 50), uneven).reasons
    assert "between_users_withheld" in [given.code for given in reasons]


def test_users_whom_both_arms_served_are_a_reason() -> None:
    half = np.array([1, -1] * 200) * 0.1
    arms = [arm(0.5 + half, baseline=side == 0).model_copy(update={"moved": 9}) for side in (0, 1)]
    result = between_users(arms, PLAN)
    assert not result.health.is_unmixed
    assert reason("users_moved_many", users=18) in decision(votes(80, 20), result).reasons
    few = [arms[0].model_copy(update={"moved": 1}), arms[1].model_copy(update={"moved": 0})]
    assert reason("users_moved", users=1) in decision(votes(80, 20), between_users(few, PLAN)).reasons


def test_the_analysis_of_a_fixed_data_set_is_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(4)
    arms = [arm(rng.random(300), baseline=side == 0) for side in (0, 1)]
    secondary = {"liked": build_proportions((0.31, 0.35), before=(0.1, 0.13)), "latency_p95": arms}
    once, again = (between_users(arms, PLAN, **secondary).model_dump_json() for _ in range(2))
    assert once == again
