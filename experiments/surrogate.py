"""The win rate from people's votes and a judge's preferences: the judge makes the interval narrower, and the
votes correct the judge.

This is prediction-powered inference: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, "Prediction-powered
inference" (Science 382, 2023), with a weight of the judge as in Angelopoulos, Duchi and Zrnic, "PPI++" (arXiv
2311.01453). Their intervals hold for one analysis. Here the rectified votes are bet on, as in
`sequential.clustered_log_e`, so the interval holds at all analyses. Csillag, Struchiner and Goedert,
"Prediction-powered e-values" (ICML 2025), bet, too, but need a known probability of a label for each message.

The page draws the message of a pair at random, whatever people or the judge think of it. So on the pairs
that people see, the judge's preference differs from its mean over all pairs by 0 in expectation. A multiple
of this difference is subtracted from each vote: that removes noise where the judge predicts votes, and moves
no expectation where it does not.
"""

import math
import uuid
from collections.abc import Callable, Sequence
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
_CHANGE_ALPHA = 0.01  # probability that a judge that does not change is taken for one that does
_PRIOR_PEOPLE = 10.0  # whose votes the judge does not predict, so that few votes give it little weight
_BETS = 10  # in each direction, as in `sequential`
_COARSE, _FINE = 50, 20  # parts of the range of win rates that are tested, and of such a part


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
    """The judge's mean preference over the pairs of a sample. `variance` is that of one message."""

    mean: float
    variance: float
    messages: int
    pairs: int
    pair_variance: float  # of the preference for one pair

    @property
    def squared_error(self) -> float:
        """The variance of the mean."""
        return self.variance / self.messages

    def is_precise(self, plan: Plan) -> bool:
        """Whether the mean is precise enough to help: after the plan's `maximum_comparisons`, its error still
        adds less noise than the judge may remove.
        """
        return plan.maximum_comparisons * self.squared_error < self.pair_variance


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
        description="no difference between these two means is shown; otherwise the judge decides nothing,"
        " because it has changed or people did not see random messages"
    )


class Units(NamedTuple):
    """People, or messages, in the order in which they entered; arrays of shape (units,)."""

    wins: NDArray[np.float64]
    votes: NDArray[np.float64]
    preferences: NDArray[np.float64]  # sum over the judged pairs that were shown
    shown: NDArray[np.float64]  # number of these pairs
    weight: NDArray[np.float64]  # of the judge, from the people before
    most: int  # votes, and shown pairs, of a unit


class Votes(NamedTuple):
    """The votes by their two units, the judge's mean with its squared error, and the number of shown pairs
    that an experiment may come to.
    """

    by_person: Units
    by_message: Units
    mean: float
    squared_error: float
    most_shown: int


def compare(voters: Sequence[JudgedVoter], sample: Sequence[Rating], plan: Plan) -> SurrogateResult | None:
    """The win rate by votes and judge. None with fewer than FEWEST_MESSAGES judged messages or without votes.

    `voters` are in the order in which they were counted (`experiments.votes`). `sample` has the judge's
    preferences on randomly drawn pairs, the same number on each message. A win rate is excluded only if
    people and messages, taken as units, both exclude it, as in `analysis.compare`.

    The interval holds whatever the judge is, as long as it does not change between the sample and the pairs
    that people see: `is_judge_steady` checks this. It is exact for the votes, and asymptotic in the number of
    judged messages.
    """
    judge = measure_judge(sample)
    votes = sum(len(voter.votes) for voter in voters)
    if judge is None or not votes:
        return None
    units = arrange(voters, judge, plan)
    collected = collect(units, judge, plan)
    interval = _find_interval(lambda rate: compute_log_e(collected, rate), plan.alpha)
    lowest = _find_interval(lambda rate: compute_log_e_up(collected, rate), plan.ship_alpha).low
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
        judge_interval=estimate_mean(judge, plan.alpha),
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
        of_message = sums.setdefault(message_id, [0.0, 0.0])
        if preference is not None:
            of_message[0] += preference
            of_message[1] += 1
    total, pairs = np.array(list(sums.values())).reshape(-1, 2).T
    if np.count_nonzero(pairs) < FEWEST_MESSAGES:
        return None
    mean = float(total.sum() / pairs.sum())
    residuals = (total - mean * pairs) / pairs.mean()
    return JudgeMean(
        mean,
        float(residuals.var(ddof=1)),
        len(sums),
        int(pairs.sum()),
        float(np.var([preference for _, preference in sample if preference is not None])),
    )


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
    the weight of the person who saw it first. Raises ValueError when a person or a message has more votes
    than count.
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
    if any(unit[1] > plan.votes_a_person for unit in people) or any(
        unit[1] > plan.votes_a_message for unit in messages
    ):
        raise ValueError(
            f"a person has more than {plan.votes_a_person} votes, or a message more than"
            f" {plan.votes_a_message}; leave out those that do not count (`experiments.votes`)"
        )
    weight = choose_weights(people, judge) if judge.is_precise(plan) else np.zeros(len(people))
    table = np.array(messages).reshape(-1, 4)
    return (
        _make_units(people, weight, plan.votes_a_person),
        _make_units(table, weight[message_voter], plan.votes_a_message),
    )


def _make_units(table: NDArray[np.float64], weight: NDArray[np.float64], most: int) -> Units:
    wins, votes, preferences, shown = table.T
    return Units(wins, votes, preferences, shown, weight, most)


def choose_weights(people: NDArray[np.float64], judge: JudgeMean) -> NDArray[np.float64]:
    """The judge's weight for each person, from the people before, of shape (people,).

    `people` has the first four fields of `Units` as columns. The weight is the one with the least variance of
    the rectified votes, cov / var (PPI++), drawn towards 0 while people are few. It is 0 once the error of
    the judge's mean would add more noise than the judge removes. Any weight is valid, because it does not
    depend on the person's own votes, nor on later ones.
    """
    wins, votes, preferences, shown = people.T
    excess, control = wins - votes / 2, preferences - shown * judge.mean

    def sum_before(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([[0.0], values.cumsum()[:-1]])

    spread, shared = sum_before(control * control), sum_before(excess * control)
    before = np.arange(len(people))
    prior = _PRIOR_PEOPLE * spread / np.maximum(before, 1)
    weight = np.clip(shared / np.maximum(spread + prior, 1e-9), 0, 1)
    return np.where(sum_before(shown) ** 2 * judge.squared_error < spread, weight, 0.0)


def collect(units: tuple[Units, Units], judge: JudgeMean, plan: Plan) -> Votes:
    """The votes of people and messages (`arrange`), ready for tests."""
    # A judge that is not precise has no weight, so its error costs nothing.
    squared_error = judge.squared_error if judge.is_precise(plan) else 0.0
    return Votes(*units, judge.mean, squared_error, plan.maximum_comparisons)


def compute_log_e(votes: Votes, rate: float) -> float:
    """Log of the e-value against a win rate, for an interval: it bets in both directions. Of people and
    messages, the smaller one counts.
    """
    mirrored = _mirror(votes)
    return min(
        float(np.logaddexp(_bet(votes, unit, rate), _bet(mirrored, other, 1 - rate))) - math.log(2)
        for unit, other in zip(votes[:2], mirrored[:2], strict=True)
    )


def compute_log_e_up(votes: Votes, rate: float) -> float:
    """Log of the e-value against a win rate of at most `rate`."""
    return min(_bet(votes, unit, rate) for unit in votes[:2])


def _mirror(votes: Votes) -> Votes:
    """The same votes with losses as wins, and the judge's preference for the champion."""
    people, messages = (
        unit._replace(wins=unit.votes - unit.wins, preferences=unit.shown - unit.preferences)
        for unit in votes[:2]
    )
    return votes._replace(by_person=people, by_message=messages, mean=1 - votes.mean)


def _bet(votes: Votes, units: Units, rate: float) -> float:
    """Log of the mean of fixed bets on a rate above `rate`.

    The factor of a unit is 1 + share * rectified / limit; the limit keeps all factors positive. With the true
    mean of the judge, the expected factor is at most 1. Its estimate has an error z, about normal, which
    multiplies the product by exp(x z), where x grows with the pairs. The term x^2 / 2 takes this back at one
    x. Over all x up to a largest one, the maximum of exp(x z - x^2 / 2) has the mean 1 + x / sqrt(2 pi).
    """
    rectified = (
        units.wins - rate * units.votes - units.weight * (units.preferences - units.shown * votes.mean)
    )
    share = np.arange(1, _BETS + 1) / (_BETS + 1)  # (bets,)
    # The largest loss of a unit: all votes are for the champion, and the judge is always for the challenger.
    limit = units.most * (rate + units.weight * (1 - votes.mean))
    log_products = np.log1p(share[:, None] * rectified / limit).sum(axis=1)
    carried = float((units.weight * units.shown / limit).sum())
    # Judged pairs are also in the mean. Where the weight was below the present one, they vary with it.
    last = float(units.weight[-1]) if len(units.weight) else 0.0
    full = last * float(units.shown.sum()) / (units.most * (rate + last * (1 - votes.mean)))
    squared = votes.squared_error * carried * max(carried, 2 * full - carried)
    furthest = math.sqrt(votes.squared_error) * votes.most_shown / (units.most * (rate + 1 - votes.mean))
    log_products -= share**2 * squared / 2 + np.log1p(share * furthest / math.sqrt(2 * math.pi))
    return float(np.logaddexp.reduce(log_products)) - math.log(_BETS)


def _find_interval(log_e: Callable[[float], float], alpha: float) -> Interval:
    """The rates that are not excluded, and a fine step more at both ends.

    The rates are tested in coarse steps, and in fine ones next to both ends.
    """
    coarse = np.arange(1, _COARSE) / _COARSE
    values = np.array([log_e(rate) for rate in coarse])
    # If the votes contradict every rate, the least excluded one is left.
    threshold = max(-math.log(alpha), float(values.min()) + 1e-9)
    kept = coarse[values < threshold]
    steps = np.arange(1, _FINE) / (_COARSE * _FINE)
    low = min([rate for rate in kept[0] - steps if log_e(rate) < threshold], default=kept[0])
    high = max([rate for rate in kept[-1] + steps if log_e(rate) < threshold], default=kept[-1])
    end = 1 / (_COARSE * _FINE)
    return Interval(max(float(low) - end, 0.0), min(float(high) + end, 1.0))
