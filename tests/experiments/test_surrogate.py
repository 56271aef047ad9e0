"""The judge makes the interval narrower where it predicts votes, and moves nothing where it is biased."""

import uuid
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from experiments import sequential, surrogate
from experiments.plan import Plan
from experiments.surrogate import JudgedVoter, Rating

PLAN = Plan()


def draw(
    rng: np.random.Generator,
    win_rate: float = 0.5,
    insight: float = 1.0,
    bias: float = 0.0,
    people: int = 130,
    messages: int = 2000,
) -> tuple[list[JudgedVoter], list[Rating]]:
    """Voters with three votes each, and a sample of one pair on each message. A message favours one version
    nearly always; the judge sees which with a chance of `insight`.
    """
    names = [uuid.UUID(int=number) for number in range(messages)]
    favours = rng.random(messages) < win_rate
    opinion = np.where(rng.random(messages) < insight, favours, rng.random(messages) < 0.5)
    preference = np.where(rng.random(messages) < bias, 1.0, opinion.astype(float))
    voters, order = [], rng.permutation(messages)
    for person in range(people):
        seen = order[3 * person : 3 * person + 3]
        votes = [
            (names[m], bool(favours[m]) if rng.random() < 0.9 else bool(rng.random() < 0.5)) for m in seen
        ]
        voters.append(JudgedVoter(votes, [Rating(names[m], float(preference[m])) for m in seen]))
    return voters, [Rating(name, float(value)) for name, value in zip(names, preference, strict=True)]


def without_judge(voters: list[JudgedVoter]) -> list[JudgedVoter]:
    return [voter._replace(shown=[]) for voter in voters]


def width(voters: list[JudgedVoter], sample: list[Rating]) -> float:
    result = surrogate.compare(voters, sample, PLAN)
    assert result is not None
    return result.interval.high - result.interval.low


def test_a_good_judge_makes_the_interval_narrower() -> None:
    voters, sample = draw(np.random.default_rng(0))
    assert width(voters, sample) < 0.8 * width(without_judge(voters), sample)


def test_a_random_judge_makes_it_little_wider() -> None:
    voters, sample = draw(np.random.default_rng(0), insight=0.0)
    assert width(voters, sample) < 1.05 * width(without_judge(voters), sample)


@pytest.mark.parametrize("bias", [0.3, 0.6])
def test_a_biased_judge_moves_nothing(bias: float) -> None:
    estimates, alone, judged, missed = [], [], [], 0
    for seed in range(20):
        voters, sample = draw(np.random.default_rng(seed), bias=bias)
        result, votes = (surrogate.compare(each, sample, PLAN) for each in (voters, without_judge(voters)))
        assert result is not None
        assert votes is not None
        estimates.append(result.win_rate)
        alone.append(votes.win_rate)
        judged.append(result.judge_mean)
        missed += not result.interval.low <= 0.5 <= result.interval.high
    assert missed <= 3, "5 % may"
    assert fmean(judged) == pytest.approx(0.5 + bias / 2, abs=0.02)
    assert fmean(estimates) == pytest.approx(0.5, abs=0.015)
    assert np.std(estimates) < np.std(alone)


def test_without_preferences_it_is_the_interval_of_the_votes_alone() -> None:
    voters, sample = draw(np.random.default_rng(1), win_rate=0.65)
    judge = surrogate.measure_judge(sample)
    assert judge is not None
    units = surrogate.arrange(without_judge(voters), judge, PLAN)
    votes = surrogate.collect(units, judge._replace(variance=0.0), PLAN)
    for rate in (0.4, 0.5, 0.65, 0.8):
        alone = min(
            float(
                sequential.clustered_log_e(
                    np.ones(len(unit.votes)), unit.wins, unit.votes - unit.wins, 3, rate
                )
            )
            for unit in units
        )
        assert surrogate.compute_log_e(votes, rate) == pytest.approx(alone)


def test_the_weight_of_a_person_is_known_before_the_person_votes() -> None:
    voters, sample = draw(np.random.default_rng(2))
    judge = surrogate.measure_judge(sample)
    assert judge is not None
    before = surrogate.arrange(voters, judge, PLAN)[0].weight
    changed = [*voters[:60], *draw(np.random.default_rng(3), insight=0.0)[0][60:]]
    after = surrogate.arrange(changed, judge, PLAN)[0].weight
    assert after[:61].tolist() == before[:61].tolist()
    assert after[-1] < before[-1]
    assert before[0] == 0


def test_the_estimate_is_that_of_prediction_powered_inference() -> None:
    # With all pairs judged and one vote a person, the rectified mean is PPI's with the same weight.
    rng = np.random.default_rng(4)
    voters, sample = draw(rng, people=300)
    result = surrogate.compare(voters, sample, PLAN)
    judge = surrogate.measure_judge(sample)
    assert result is not None
    assert judge is not None
    weight = surrogate.arrange(voters, judge, PLAN)[0].weight
    votes = np.array([[is_win for _, is_win in voter.votes] for voter in voters], dtype=float)
    seen = np.array([[rating.preference for rating in voter.shown] for voter in voters])
    rectified = votes - weight[:, None] * (seen - judge.mean)
    assert result.win_rate == pytest.approx(rectified.mean(), abs=1e-9)
    # At the last people the weight is near the one with the least variance, cov / var (PPI++, section 6).
    best = np.cov(votes.ravel(), seen.ravel())[0, 1] / seen.var()
    assert weight[-100:].mean() == pytest.approx(best, abs=0.15)


def test_the_mean_of_the_judge_has_the_delta_methods_error() -> None:
    rng = np.random.default_rng(5)
    sample = [
        Rating(uuid.UUID(int=m), float(value) if keep else None)
        for m, level in enumerate(rng.random(400))
        for value, keep in zip(rng.random(2) < level, rng.random(2) < 0.7, strict=True)
    ]
    judge = surrogate.measure_judge(sample)
    assert judge is not None
    kept = [rating.preference for rating in sample if rating.preference is not None]
    assert judge.mean == pytest.approx(fmean(kept))
    by_message = (
        np.array([[r.preference or 0.0, r.preference is not None] for r in sample]).reshape(400, 2, 2).sum(1)
    )
    resamples = rng.integers(400, size=(4000, 400))
    sums = by_message[resamples].sum(axis=1)
    error = (sums[:, 0] / sums[:, 1]).std()
    assert np.sqrt(judge.variance / judge.messages) == pytest.approx(error, rel=0.05)
    interval = surrogate.estimate_mean(judge, 0.005)
    assert interval.high - judge.mean > stats.norm.isf(0.0025) * error, "it holds at all numbers of messages"


def test_a_mean_of_few_messages_is_not_used() -> None:
    voters, sample = draw(np.random.default_rng(8), messages=390)
    of_few = {m for m, _ in sample[:60]}
    few = [r for r in sample if r.message_id in of_few]
    result, alone = (surrogate.compare(each, few, PLAN) for each in (voters, without_judge(voters)))
    assert result is not None
    assert alone is not None
    assert result.weight == 0
    assert result.interval == alone.interval


def test_few_messages_allow_no_conclusion() -> None:
    voters, sample = draw(np.random.default_rng(6))
    assert surrogate.compare(voters, sample[:49], PLAN) is None
    assert surrogate.compare([], sample, PLAN) is None


def test_a_judge_that_changes_decides_nothing() -> None:
    voters, sample = draw(np.random.default_rng(7), win_rate=0.9)
    result = surrogate.compare(voters, sample, PLAN)
    assert result is not None
    assert result.is_judge_steady
    assert result.decision == "challenger"
    turned = [
        voter._replace(
            shown=[rating._replace(preference=1 - (rating.preference or 0)) for rating in voter.shown]
        )
        for voter in voters
    ]
    changed = surrogate.compare(turned, sample, PLAN)
    assert changed is not None
    assert not changed.is_judge_steady
    assert changed.decision == "undecided"
