"""Blind comparisons of two texts: each vote is a win of the challenger or of the champion.

Two controls must fail on the same votes: a fixed-horizon test that is repeated at every analysis, and the
exact interval for independent votes (`sequential.win_rate_interval`), which decided before votes were counted
by person and by message.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import analysis, sequential
from experiments.analysis import Tally
from experiments.calibration.analyses import Monitor, estimate_characteristics
from experiments.calibration.config import HORIZON, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import Z_95, SettingResult, estimate_mean, estimate_rate
from experiments.plan import Plan
from experiments.sequential import Clusters


class Voters(NamedTuple):
    """How people's tastes vary, how many votes they cast in which order, and how messages vary.

    Win rates are beta distributed, around the experiment's win rate. `taste` and `message_effect` are the
    sums of both parameters: 6 is a standard deviation of 0.19 around 0.5, 2 is the uniform distribution, 0 is
    always one way, infinite is no variation. With both, a vote follows either with equal chance.
    """

    description: str
    taste: float = math.inf
    are_interleaved: bool = False  # a person's votes arrive within a day among those of others, not in a row
    votes: int | None = None  # of each person; None: 1 to 100 by a power law
    messages: int | None = None  # from which each vote draws one; None: each vote has a message of its own
    message_effect: float = math.inf

    @property
    def are_independent(self) -> bool:
        """Whether votes are independent of each other."""
        return self.taste == self.message_effect == math.inf


VOTERS = {
    "comparisons": Voters("Blind paired comparisons; everybody has the same taste."),
    "tastes": Voters("The same by people who differ in taste, and come back between others.", 6.0, True),
    "tastes_in_a_row": Voters("The same, each casting all votes at once: the hardest order.", 6.0),
    "three_votes": Voters("The same, and each person casts three votes.", 6.0, votes=3),
    "strong_tastes": Voters("Three votes in a row of people with any taste, uniformly.", 2.0, votes=3),
    "one_way": Voters("Three votes in a row of people who always choose the same side.", 0.0, votes=3),
    "messages_50": Voters(
        "Votes on 50 messages, each of which favours a side.", messages=50, message_effect=6.0
    ),
    "messages_400": Voters("Votes on 400 such messages.", messages=400, message_effect=6.0),
    "one_way_messages": Voters(
        "Three votes in a row on 400 messages; half of the votes follow a person who always chooses the same"
        " side, half a message that always favours the same side.",
        0.0, votes=3, messages=400, message_effect=0.0,
    ),
}  # fmt: skip
_VOTES_A_DAY = 40  # of an experiment; whose votes are interleaved casts them within a day


class _Stream(NamedTuple):
    """Votes in the order of their arrival; arrays of shape (experiments, votes)."""

    person: NDArray[np.int64]
    message: NDArray[np.int64]  # equals the position if each vote has a message of its own
    win: NDArray[np.bool_]


def _draw_vote_counts(rng: np.random.Generator, shape: tuple[int, ...], voters: Voters) -> NDArray[np.int64]:
    """Votes of each person: a fixed number, or 1 to 100 by the power law of `simulation.simulated_people`."""
    if voters.votes:
        return np.full(shape, voters.votes)
    return np.minimum(100, rng.random(shape) ** (-1 / 1.1)).astype(int)


def _draw_rates(rng: np.random.Generator, shape: tuple[int, ...], win_rate: float, spread: float) -> Array:
    """Win rates with the mean `win_rate`; `spread` is as in `Voters`."""
    if spread == math.inf:
        return np.full(shape, win_rate)
    if spread == 0:
        return (rng.random(shape) < win_rate).astype(float)
    return rng.beta(spread * win_rate, spread * (1 - win_rate), shape)


@cache
def _plan_votes(config: CalibrationConfig, plan: Plan, name: str) -> tuple[float, NDArray[np.int64]]:
    """The votes of a fixed-horizon test, and the votes at each analysis, of shape (analyses,).

    Where tastes vary, votes of one person are correlated, and the test needs 1 + (m - 1) / (1 + taste) times
    as many: m is the mean number of votes per person, weighted by votes (Kish, "Survey sampling", 1965). The
    variation of messages is not included.
    """
    effect = (config.win_rate - 0.5) / 0.5
    fixed = float(NormalIndPower().solve_power(effect, alpha=plan.alpha, power=POWER, ratio=0))
    voters = VOTERS[name]
    if voters.taste < math.inf:
        drawn = _draw_vote_counts(np.random.default_rng(0), (100_000,), voters)
        votes = np.minimum(plan.votes_a_person, drawn)
        share = (
            1 if voters.message_effect == math.inf else 1 / 4
        )  # of the variance, as half of the votes follow it
        fixed *= 1 + share * float((votes**2).sum() / votes.sum() - 1) / (1 + voters.taste)
    batch = math.ceil(HORIZON * fixed / config.looks)
    return fixed, np.arange(1, config.looks + 1) * batch


def _draw_stream(
    rng: np.random.Generator, voters: Voters, win_rate: float, counts: NDArray[np.int64], votes: int
) -> _Stream:
    """The first `votes` votes. `counts`, of shape (experiments, people), are the votes of each person."""
    size, people = counts.shape
    tastes = _draw_rates(rng, (size, people), win_rate, voters.taste)
    # One row has all votes of all experiments. Those of an experiment begin at `begin`.
    totals = counts.sum(axis=1)
    begin = totals.cumsum() - totals
    owners = np.repeat(np.tile(np.arange(people), size), counts.ravel())
    person = owners[begin[:, None] + np.arange(votes)]
    if voters.are_interleaved:
        delays = rng.uniform(0, _VOTES_A_DAY, person.shape)
        first_at = np.arange(votes) - _number_within(person)
        person = np.take_along_axis(person, np.argsort(first_at + delays, axis=1), axis=1)
    rates = np.take_along_axis(tastes, person, axis=1)
    message = np.broadcast_to(np.arange(votes), person.shape)
    if voters.messages:
        message = rng.integers(0, voters.messages, person.shape)
        effects = _draw_rates(rng, (size, voters.messages), win_rate, voters.message_effect)
        by_message = np.take_along_axis(effects, message, axis=1)
        rates = by_message if voters.taste == math.inf else (rates + by_message) / 2
    return _Stream(person, message, rng.random(person.shape) < rates)


def _number_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many earlier entries of the same row have the same value, of the shape of `groups`."""
    order = np.argsort(groups, axis=1, kind="stable")
    ordered = np.take_along_axis(groups, order, axis=1)
    position = np.arange(groups.shape[1])
    is_first = np.diff(ordered, axis=1, prepend=-1) != 0
    numbers = position - np.maximum.accumulate(np.where(is_first, position, 0), axis=1)
    result = np.empty_like(numbers)
    np.put_along_axis(result, order, numbers, axis=1)
    return result


def _sum_within(groups: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """The sum of `values` up to each entry over the entries of the same row and value of `groups`."""
    order = np.argsort(groups, axis=1, kind="stable")
    ordered = np.take_along_axis(groups, order, axis=1)
    running = np.take_along_axis(values.astype(int), order, axis=1).cumsum(axis=1)
    before = np.pad(running, ((0, 0), (1, 0)))[:, :-1]
    is_first = np.diff(ordered, axis=1, prepend=-1) != 0
    sums = running - np.maximum.accumulate(np.where(is_first, before, 0), axis=1)
    result = np.empty_like(sums)
    np.put_along_axis(result, order, sums, axis=1)
    return result


class _Counted(NamedTuple):
    """What is counted at each analysis; arrays of shape (experiments, analyses, kinds)."""

    by_person: NDArray[np.int64]  # number of people by kind: the pair of their wins and losses
    by_message: NDArray[np.int64]


def _list_kinds(most: int) -> NDArray[np.int64]:
    """All pairs of wins and losses with at most `most` votes, of shape (kinds, 2)."""
    return np.array([(wins, votes - wins) for votes in range(most + 1) for wins in range(votes + 1)])


def _count(stream: _Stream, plan: Plan, at: NDArray[np.int64]) -> _Counted:
    """Count people and messages as `experiments.votes` does: a person enters with the last vote of theirs."""
    counts = _number_within(stream.message) < plan.votes_a_message
    position = np.arange(stream.person.shape[1])
    last = np.zeros_like(stream.person)
    np.put_along_axis(last, stream.person, np.broadcast_to(position, last.shape), axis=1)
    enters_at = np.take_along_axis(last, stream.person, axis=1)  # the position of the person's last vote
    wins = _sum_within(stream.person, stream.win & counts)
    votes = _sum_within(stream.person, counts)
    message_wins = _sum_within(stream.message, stream.win & counts)
    message_votes = _sum_within(stream.message, counts)
    return _Counted(
        by_person=_accumulate(wins, votes, position == enters_at, enters_at, plan.votes_a_person, at),
        by_message=_accumulate(message_wins, message_votes, counts, enters_at, plan.votes_a_message, at)
        - _accumulate(
            message_wins - (stream.win & counts),
            message_votes - counts,
            counts & (message_votes > 1),
            enters_at,
            plan.votes_a_message,
            at,
        ),
    )


def _accumulate(
    wins: NDArray[np.int64],
    votes: NDArray[np.int64],
    is_entry: NDArray[np.bool_],
    enters_at: NDArray[np.int64],
    most: int,
    at: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The number of entries of each kind that have entered by each analysis."""
    kind = votes * (votes + 1) // 2 + wins  # the order of `_list_kinds`
    experiment, position = np.nonzero(is_entry)
    analysis_index = np.searchsorted(at, enters_at[experiment, position], side="right")
    shape = (len(wins), len(at) + 1, len(_list_kinds(most)))
    added = np.zeros(shape, dtype=int)
    np.add.at(added, (experiment, analysis_index, kind[experiment, position]), 1)
    return added[:, :-1].cumsum(axis=1)


def _log_e(counted: _Counted, plan: Plan, rate: float) -> Array:
    """The log of the smaller e-value against a win rate, of shape (experiments, analyses)."""
    values = [
        sequential.clustered_log_e(clusters, _list_kinds(most)[:, 0], _list_kinds(most)[:, 1], most, rate)
        for clusters, most in (
            (counted.by_person, plan.votes_a_person),
            (counted.by_message, plan.votes_a_message),
        )
    ]
    return np.minimum(*values)


def _list_clusters(numbers: NDArray[np.int64], most: int) -> tuple[Clusters, ...]:
    """The clusters of one analysis for the production code; `numbers` has the shape (kinds,)."""
    kinds = zip(_list_kinds(most).tolist(), numbers.tolist(), strict=True)
    return tuple(Clusters(wins, losses, number) for (wins, losses), number in kinds if number)


def _check_against_production(
    counted: _Counted, plan: Plan, truth: float, winner: NDArray[Any], misses: NDArray[np.bool_], row: int
) -> int:
    """Assert that `analysis.compare` gives the same winners and misses at some analyses of experiment `row`.
    Returns their number.
    """
    checked = range(row % 25, winner.shape[1], 25)
    for index in checked:
        by_person = _list_clusters(counted.by_person[row, index], plan.votes_a_person)
        by_message = _list_clusters(counted.by_message[row, index], plan.votes_a_message)
        wins, losses = (sum(kind[side] * kind.clusters for kind in by_person) for side in (0, 1))
        tally = Tally(wins=wins, losses=losses, ties=0, people=0, by_person=by_person, by_message=by_message)
        result = analysis.compare(tally, plan)
        production = (
            {"challenger": 1, "champion": -1, "undecided": 0}[result.decision],
            not result.interval.low <= truth <= result.interval.high,
        )
        simulated = (int(winner[row, index]), bool(misses[row, index]))
        assert simulated == production, (
            f"the simulation gives {simulated}, analysis.compare {production}: {tally}"
        )
    return len(checked)


@cache
def _is_decided_if_independent(wins: int, votes: int, alpha: float) -> bool:
    low, high = sequential.win_rate_interval(wins, votes - wins, alpha)
    return low > 0.5 or high < 0.5


def _find_winners_if_independent(
    wins: NDArray[np.int64], at: NDArray[np.int64], plan: Plan
) -> NDArray[np.bool_]:
    """Whether each experiment ever names a winner if all votes are treated as independent, (experiments,).

    `wins` has the shape (experiments, analyses).
    """
    has_winner = np.zeros(len(wins), dtype=bool)
    for index, votes in enumerate(at.tolist()):
        if votes >= plan.minimum_comparisons:
            distinct, inverse = np.unique(wins[:, index], return_inverse=True)
            decided = [_is_decided_if_independent(k, votes, plan.alpha) for k in distinct.tolist()]
            has_winner |= np.array(decided)[inverse]
    return has_winner


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind of voters: `size` experiments without an effect, and as many with one.

    Gives a MonitoringResult under f"shipped {is it an A/A test}", the number of `checked` analyses, and
    arrays of shape (size,): whether an A/A test ever names a winner by the repeated test, `naive`, or if
    votes are treated as `independent`; and `bias`, the relative error of the win rate at the last analysis.
    """
    _, at = _plan_votes(config, plan, name)
    voters, votes = VOTERS[name], int(at[-1])  # as many people: enough, even if each votes once
    result: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        win_rate = 0.5 if is_aa else config.win_rate
        rng = np.random.default_rng([config.seed, len(SETTINGS), list(VOTERS).index(name), chunk, is_aa])
        counts = _draw_vote_counts(rng, (size, votes), voters)
        stream = _draw_stream(rng, voters, win_rate, np.minimum(plan.votes_a_person, counts), votes)
        counted = _count(stream, plan, at)
        kinds = _list_kinds(plan.votes_a_person)
        wins, losses = np.moveaxis(counted.by_person @ kinds, -1, 0)  # each (experiments, analyses)
        log_e = _log_e(counted, plan, 0.5)
        ship_level = sequential.one_sided_level(plan.ship_alpha)  # as `analysis.compare` does
        level = np.where(wins > losses, ship_level, plan.alpha)
        is_decided = (log_e >= -np.log(level)) & (wins + losses >= plan.minimum_comparisons)
        winner = np.sign(wins - losses) * is_decided
        misses = _log_e(counted, plan, win_rate) > -math.log(plan.alpha)
        result["checked"] += _check_against_production(counted, plan, win_rate, winner, misses, chunk % size)
        monitor = Monitor(size, win_rate - 0.5)
        for index in range(len(at)):
            monitor.record_winners(index, winner[:, index], misses[:, index], (wins + losses)[:, index])
        result[f"shipped {is_aa}"] = monitor.result
        result["bias"] = (wins[:, -1] / (wins + losses)[:, -1] - 0.5) / (config.win_rate - 0.5) - 1
        if is_aa:
            cast_wins = stream.win.cumsum(axis=1)[:, at - 1]
            z = np.abs(cast_wins - at / 2) / np.sqrt(at / 4) * (at >= plan.minimum_comparisons)
            result["naive"] = (z > Z_95).any(axis=1)
            result["independent"] = _find_winners_if_independent(cast_wins, at, plan)
    return result


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> SettingResult:
    """Estimate the figures of a kind of voters from the results of all its chunks."""
    fixed, at = _plan_votes(config, plan, name)
    naive, independent = (
        estimate_rate(np.concatenate([chunk[key] for chunk in chunks])) for key in ("naive", "independent")
    )
    are_independent = VOTERS[name].are_independent
    return SettingResult(
        description=VOTERS[name].description,
        fixed_sample=fixed,
        true_effect=config.win_rate - 0.5,
        shipped=estimate_characteristics(chunks, "shipped", at / fixed, plan.minimum_comparisons),
        tied=None,
        naive_false_winner_rate=naive,
        control=None if are_independent else "treat all votes as independent",
        control_false_winner_rate=None if are_independent else independent,
        final_bias=estimate_mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=None,
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )
