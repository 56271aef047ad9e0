"""The win rate from people's votes and a judge's preferences: the judge makes the interval narrower, and the
votes correct the judge.

This is prediction-powered inference: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, "Prediction-powered
inference" (Science 382, 2023), with a weight of the judge as in Angelopoulos, Duchi and Zrnic, "PPI++" (arXiv
2311.01453). Their intervals hold for one analysis. Here the rectified votes are bet on, as in
`sequential.clustered_log_e`, so the interval holds at all analyses. Csillag, Struchiner and Goedert,
"Prediction-powered e-values" (ICML 2025), bet, too, but need a known probability of a label for each message.

The page draws the message of a pair at random, whatever people or the judge think of it. So on the pairs that
people see, the judge's preference differs from its mean over all pairs by 0 in expectation. A multiple of this
difference is subtracted from each vote: that removes noise where the judge predicts votes, and moves no
expectation where it does not.
"""

import math
import uuid
from collections.abc import Sequence
from statistics import fmean, variance
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from experiments import sequential
from experiments.analysis import Preference
from experiments.plan import Plan
from experiments.sequential import Interval

FEWEST_MESSAGES = 50  # judged ones; the interval of their mean is asymptotic
_MEAN_SHARE = 0.1  # share of alpha that the interval of the judge's mean may spend
_CHANGE_ALPHA = 0.01  # probability that a judge that does not change is taken for one that does
_WEIGHTS = np.linspace(0, 1, 11)  # of the judge
_PRIOR_PEOPLE = 10.0  # whose votes the judge does not predict, so that few votes give it little weight
_MARGIN_ERRORS = 3.0  # about half the width of a confidence sequence, in standard errors
_BETS = 10  # in each direction, as in `sequential`
_STEP = 0.001  # of the win rates that are tested


class Rating(NamedTuple):
    """A judge's preference for the challenger's rewrite of a message: 1, or 0 for the champion's, or between
    them. `preference` is None for a pair that the judge has not read, or whose rewrites are equal.
    """

    message_id: uuid.UUID
    preference: float | None


class JudgedVoter(NamedTuple):
    """A counted person: the decided votes, each with its message and whether it is for the challenger, and
    the pairs that the page showed the person, in order. A pair may be shown and not voted on.
    """

    votes: Sequence[tuple[uuid.UUID, bool]]
    shown: Sequence[Rating]


class JudgeMean(NamedTuple):
    """The judge's mean preference over the pairs of a sample, and the variance of one message."""

    mean: float
    variance: float
    messages: int
    pairs: int


class SurrogateResult(BaseModel):
    """The challenger's win rate among decided votes, from people and a judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    win_rate: float = Field(description="of the votes, rectified by the judge; within the interval")
    interval: Interval
    lowest_to_ship: float = Field(description="one-sided low end of the win rate at the plan's ship_alpha")
    decision: Preference
    weight: float = Field(description="of the judge, 0 to 1, mean over the people: 0 if it predicts no votes")
    votes: int
    judged_pairs: int = Field(description="of the random sample, which people need not have seen")
    judged_messages: int
    judge_mean: float = Field(description="the judge's preference for the challenger in that sample")
    judge_interval: Interval = Field(description="of that mean over all messages")
    judge_mean_of_shown: float | None = Field(description="the same on the pairs that people saw")
    is_judge_steady: bool = Field(
        description="no difference between these two means is shown; otherwise there is no decision, because"
        " the judge has changed or people did not see random messages"
    )


class Units(NamedTuple):
    """People, or messages, in the order in which they entered; arrays of shape (units,)."""

    wins: NDArray[np.float64]
    votes: NDArray[np.float64]
    preferences: NDArray[np.float64]  # sum over the judged pairs that were shown
    shown: NDArray[np.float64]  # number of these pairs
    weight: NDArray[np.float64]  # of the judge, from the people before


class Votes(NamedTuple):
    """The votes by their two units, and the interval of the judge's mean at the level that it was given."""

    by_person: Units
    by_message: Units
    most: tuple[int, int]  # votes of a person, and on a message
    mean: Interval


def compare(voters: Sequence[JudgedVoter], sample: Sequence[Rating], plan: Plan) -> SurrogateResult | None:
    """The win rate by votes and judge. None with fewer than FEWEST_MESSAGES judged messages or without votes.

    `voters` are in the order in which they were counted (`experiments.votes`). `sample` has the judge's
    preferences on randomly drawn pairs, the same number on each message. A win rate is excluded only if
    people and messages, taken as units, both exclude it, as in `analysis.compare`.

    The interval holds whatever the judge is, as long as it does not change between the sample and the pairs
    that people see: `is_judge_steady` checks this. It spends a tenth of alpha on the judge's mean.
    """
    judge = measure_judge(sample)
    votes = sum(len(voter.votes) for voter in voters)
    if judge is None or not votes:
        return None
    units = arrange(voters, judge, plan)
    both, one_sided = (collect(units, judge, plan, alpha) for alpha in (plan.alpha, plan.ship_alpha))
    rates = np.arange(_STEP, 1, _STEP)
    interval = _find_interval(rates, np.array([compute_log_e(both, rate) for rate in rates]), plan.alpha)
    log_e_up = np.array([compute_log_e_up(one_sided, rate) for rate in rates])
    kept = rates[log_e_up < compute_threshold(plan.ship_alpha)]
    lowest = max(float(kept[0]) - _STEP, 0.0) if len(kept) else 1.0
    seen = list_seen(voters)
    is_steady = is_judge_steady(judge, seen)
    decision: Preference = "undecided"
    if votes >= plan.minimum_comparisons and is_steady:
        decision = "challenger" if lowest > 0.5 else "champion" if interval.high < 0.5 else "undecided"
    people = units[0]
    rectified = people.wins - people.weight * (people.preferences - people.shown * judge.mean)
    estimate = float(rectified.sum() / people.votes.sum())
    return SurrogateResult(
        win_rate=min(max(estimate, interval.low), interval.high),
        interval=interval,
        lowest_to_ship=lowest,
        decision=decision,
        weight=float(people.weight.mean()),
        votes=votes,
        judged_pairs=judge.pairs,
        judged_messages=judge.messages,
        judge_mean=judge.mean,
        judge_interval=both.mean,
        judge_mean_of_shown=fmean(seen) if seen else None,
        is_judge_steady=is_steady,
    )


def measure_judge(sample: Sequence[Rating]) -> JudgeMean | None:
    """The judge's mean over a sample. None with fewer than FEWEST_MESSAGES messages.

    The page draws pairs until two rewrites differ, so each pair with a preference has the same weight. The
    mean is a ratio of sums over messages, and its variance is by the delta method (`experiments.estimators`).
    """
    sums: dict[uuid.UUID, list[float]] = {}
    for message_id, preference in sample:
        total = sums.setdefault(message_id, [0.0, 0.0])
        if preference is not None:
            total[0] += preference
            total[1] += 1
    total, pairs = np.array(list(sums.values())).reshape(-1, 2).T
    if np.count_nonzero(pairs) < FEWEST_MESSAGES:
        return None
    mean = float(total.sum() / pairs.sum())
    residuals = (total - mean * pairs) / pairs.mean()
    return JudgeMean(mean, float(residuals.var(ddof=1)), len(sums), int(pairs.sum()))


def estimate_mean(judge: JudgeMean, alpha: float) -> Interval:
    """The confidence sequence of the judge's mean. It holds for any number of messages, so more of them may
    be judged later.
    """
    margin = sequential.mean_margin(judge.messages, judge.variance, alpha, n_star=judge.messages)
    return Interval(max(judge.mean - margin, 0.0), min(judge.mean + margin, 1.0))


def list_seen(voters: Sequence[JudgedVoter]) -> list[float]:
    """The judge's preferences on the pairs that people saw."""
    return [rating.preference for voter in voters for rating in voter.shown if rating.preference is not None]


def is_judge_steady(judge: JudgeMean, seen: Sequence[float]) -> bool:
    """Whether the judge's mean on the pairs that people saw is compatible with that of its sample. True with
    fewer than FEWEST_MESSAGES pairs.
    """
    if len(seen) < FEWEST_MESSAGES:
        return True
    expected = estimate_mean(judge, _CHANGE_ALPHA / 2)
    margin = sequential.mean_margin(len(seen), variance(seen), _CHANGE_ALPHA / 2, n_star=len(seen))
    return expected.low - margin <= fmean(seen) <= expected.high + margin


def arrange(voters: Sequence[JudgedVoter], judge: JudgeMean, plan: Plan) -> tuple[Units, Units]:
    """The votes and the judge's preferences by person, and by message.

    Of each person the first `votes_a_person` shown pairs are used, and on each message the first
    `votes_a_message`: which they are depends on the order alone, and the bets need a limit. A message has
    the weight of the person who saw it first.
    """
    people = np.zeros((len(voters), 4))  # the first four fields of `Units`
    rows: dict[uuid.UUID, int] = {}
    messages: list[list[float]] = []
    message_voter: list[int] = []  # who saw it first

    def find(message_id: uuid.UUID, voter: int) -> list[float]:
        if message_id not in rows:
            rows[message_id] = len(messages)
            messages.append([0.0, 0.0, 0.0, 0.0])
            message_voter.append(voter)
        return messages[rows[message_id]]

    for number, voter in enumerate(voters):
        for message_id, is_win in voter.votes:
            for unit in (people[number], find(message_id, number)):
                unit[0] += is_win
                unit[1] += 1
        for message_id, preference in voter.shown[: plan.votes_a_person]:
            if preference is None:
                continue
            message = find(message_id, number)
            limits = (people[number], plan.votes_a_person), (message, plan.votes_a_message)
            for unit, most in limits:
                if unit[3] < most:
                    unit[2] += preference
                    unit[3] += 1
    weight = choose_weights(people, judge)
    table = np.array(messages).reshape(-1, 4)
    return Units(*people.T, weight), Units(*table.T, weight[message_voter])


def choose_weights(people: NDArray[np.float64], judge: JudgeMean) -> NDArray[np.float64]:
    """The judge's weight for each person, from the people before, of shape (people,).

    `people` has the first four fields of `Units` as columns. The weight is the one with the narrowest interval for the people so far: a larger one
    removes more noise of the votes and adds more of the mean's error. Any weight is valid, because it does
    not depend on the person's own votes, nor on later ones.
    """
    wins, votes, preferences, shown = people.T
    excess, control = wins - votes / 2, preferences - shown * judge.mean
    error = math.sqrt(judge.variance / judge.messages)
    before = np.arange(len(people))

    def sum_before(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([[0.0], values.cumsum()[:-1]])

    total = sum_before(excess * excess) + _PRIOR_PEOPLE / 4
    spread = sum_before(control * control)
    shared = sum_before(excess * control) * before / (before + _PRIOR_PEOPLE)
    noise = total[:, None] - 2 * _WEIGHTS * shared[:, None] + _WEIGHTS**2 * spread[:, None]
    width = _MARGIN_ERRORS * (np.sqrt(np.maximum(noise, 0)) + _WEIGHTS * error * sum_before(shown)[:, None])
    return _WEIGHTS[width.argmin(axis=1)]


def collect(units: tuple[Units, Units], judge: JudgeMean, plan: Plan, alpha: float) -> Votes:
    """The votes for tests at a level, a part of which the interval of the judge's mean has."""
    most = plan.votes_a_person, plan.votes_a_message
    return Votes(*units, most, estimate_mean(judge, _MEAN_SHARE * alpha))


def compute_log_e(votes: Votes, rate: float) -> float:
    """Log of the e-value against a win rate, for an interval: it bets in both directions. Of people and
    messages, the smaller one counts.
    """
    return min(
        float(np.logaddexp(_bet(*unit, rate, votes.mean.low), _bet_down(*unit, rate, votes.mean.high)))
        - math.log(2)
        for unit in ((votes.by_person, votes.most[0]), (votes.by_message, votes.most[1]))
    )


def compute_log_e_up(votes: Votes, rate: float) -> float:
    """Log of the e-value against a win rate of at most `rate`."""
    return min(
        _bet(*unit, rate, votes.mean.low)
        for unit in ((votes.by_person, votes.most[0]), (votes.by_message, votes.most[1]))
    )


def compute_threshold(alpha: float) -> float:
    """The log of an e-value that excludes a rate. The interval of the judge's mean has the rest of alpha."""
    return -math.log((1 - _MEAN_SHARE) * alpha)


def _bet(units: Units, most: int, rate: float, mean: float) -> float:
    """Log of the mean of fixed bets on a rate above `rate`, given the judge's mean.

    The factor of a unit is 1 + share * rectified / limit, where the limit keeps all factors positive. It
    rises with the judge's mean, so the low end of that mean's interval gives a value that is not too large.
    """
    rectified = units.wins - rate * units.votes - units.weight * (units.preferences - units.shown * mean)
    share = np.arange(1, _BETS + 1)[:, None] / (_BETS + 1)
    log_products = np.log1p(share * rectified / (most * (rate + units.weight))).sum(axis=1)
    return float(np.logaddexp.reduce(log_products)) - math.log(_BETS)


def _bet_down(units: Units, most: int, rate: float, mean: float) -> float:
    """The same on a rate below `rate`: a bet on losses, where the judge's preference is for the champion."""
    losses = units._replace(wins=units.votes - units.wins, preferences=units.shown - units.preferences)
    return _bet(losses, most, 1 - rate, 1 - mean)


def _find_interval(rates: NDArray[np.float64], log_e: NDArray[np.float64], alpha: float) -> Interval:
    """The rates that are not excluded, and a step more at both ends."""
    # If the votes contradict every rate, the least excluded one is left.
    kept = rates[log_e < max(compute_threshold(alpha), float(log_e.min()) + 1e-9)]
    return Interval(max(float(kept[0]) - _STEP, 0.0), min(float(kept[-1]) + _STEP, 1.0))
