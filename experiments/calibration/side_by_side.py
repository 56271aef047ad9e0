"""Blind comparisons of two texts: each vote is a win of the challenger or of the champion.

Two controls must fail on the same votes: a fixed-horizon test that is repeated at every analysis, and
counting up to 100 votes of one person.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import analysis
from experiments.analysis import Tally
from experiments.calibration.analyses import Monitor, estimate_characteristics, join_chunks
from experiments.calibration.config import HORIZON, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import Z_95, SettingResult, estimate_mean, estimate_rate
from experiments.plan import Plan


class Voters(NamedTuple):
    """How people's tastes vary, and in which order their votes arrive."""

    description: str
    tastes_vary: bool  # each person has a win rate; around 0.5 its standard deviation is 0.19
    are_interleaved: bool  # a person's votes arrive among those of others, not in a row


VOTERS = {
    "comparisons": Voters("Blind paired comparisons; everybody has the same taste.", False, False),
    "tastes": Voters("The same by people who differ in taste, and come back between others.", True, True),
    "tastes_in_a_row": Voters("The same, each casting all votes at once: the hardest order.", True, False),
}
_BETA_SUM = 6.0  # of both parameters of the beta distribution of win rates
_VOTE_CAPS = (1, 2, 3, 5, 100)  # votes per person that are counted


def _draw_vote_counts(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Votes of each person: 1 to 100, by the power law of `simulation.simulated_people`."""
    return np.minimum(_VOTE_CAPS[-1], rng.random(shape) ** (-1 / 1.1)).astype(int)


@cache
def _plan_votes(config: CalibrationConfig, plan: Plan, name: str) -> tuple[float, NDArray[np.int64]]:
    """The votes of a fixed-horizon test, and the votes at each analysis, of shape (analyses,).

    Where tastes vary, votes of one person are correlated, and the test needs 1 + (m - 1) / (1 + 6) times as
    many: m is the mean number of votes per person, weighted by votes (Kish, "Survey sampling", 1965).
    """
    effect = (config.win_rate - 0.5) / 0.5
    fixed = float(NormalIndPower().solve_power(effect, alpha=plan.alpha, power=POWER, ratio=0))
    if VOTERS[name].tastes_vary:
        votes = np.minimum(plan.votes_a_person, _draw_vote_counts(np.random.default_rng(0), (100_000,)))
        fixed *= 1 + float((votes**2).sum() / votes.sum() - 1) / (1 + _BETA_SUM)
    batch = math.ceil(HORIZON * fixed / config.looks)
    return fixed, np.arange(1, config.looks + 1) * batch


@cache
def _compare(wins: int, votes: int, plan: Plan, truth: float) -> tuple[int, bool]:
    """The winner by `analysis.compare` (1: challenger, -1: champion, 0: none), and whether the interval
    misses the true win rate.
    """
    result = analysis.compare(Tally(wins=wins, losses=votes - wins, ties=0, people=votes), plan)
    winner = {"challenger": 1, "champion": -1, "undecided": 0}[result.decision]
    return winner, not result.interval.low <= truth <= result.interval.high


def _draw_wins(
    rng: np.random.Generator, voters: Voters, tastes: Array, counts: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The challenger's wins at each analysis, of shape (experiments, analyses).

    `tastes` and `counts`, of shape (experiments, people), are the win rate and the counted votes of each
    person, `at` the votes at each analysis.
    """
    votes = int(at[-1])
    # One row has all votes of all experiments. Those of an experiment begin at `begin`.
    totals = counts.sum(axis=1)
    begin = totals.cumsum() - totals
    rates = np.repeat(tastes.ravel(), counts.ravel())[begin[:, None] + np.arange(votes)]
    # `rates` has the shape (experiments, votes).
    if voters.are_interleaved:
        rates = rng.permuted(rates, axis=1)
    return np.asarray((rng.random(rates.shape) < rates).cumsum(axis=1)[:, at - 1])


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind of voters: `size` experiments without an effect, and as many with one.

    Gives a MonitoringResult under f"{votes counted per person} {is it an A/A test}" and under
    f"shipped {is it an A/A test}", the number of `checked` analyses, and arrays of shape (size,):
    f"naive {is it an A/A test}", whether the repeated test ever names a winner, and `bias`, the relative
    error of the win rate at the last analysis.
    """
    _, at = _plan_votes(config, plan, name)
    voters, people = VOTERS[name], int(at[-1])  # enough people, even if each votes once
    result: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        win_rate = 0.5 if is_aa else config.win_rate
        rng = np.random.default_rng([config.seed, len(SETTINGS), list(VOTERS).index(name), chunk, is_aa])
        counts, tastes = _draw_vote_counts(rng, (size, people)), np.full((size, people), win_rate)
        if voters.tastes_vary:
            tastes = rng.beta(_BETA_SUM * win_rate, _BETA_SUM * (1 - win_rate), (size, people))
        for cap in dict.fromkeys((*_VOTE_CAPS, plan.votes_a_person)):
            wins = _draw_wins(rng, voters, tastes, np.minimum(cap, counts), at)
            monitor = Monitor(size, win_rate - 0.5)
            for index, votes in enumerate(at.tolist()):
                # Experiments with equally many wins have the same result.
                distinct, inverse = np.unique(wins[:, index], return_inverse=True)
                results = [_compare(int(k), votes, plan, win_rate) for k in distinct]
                winner, misses = np.array(results)[inverse].T
                monitor.record_winners(index, winner, misses > 0, votes)
                result["checked"] += len(distinct)
            result[f"{cap} {is_aa}"] = monitor.result
            if cap == plan.votes_a_person:
                result[f"shipped {is_aa}"] = monitor.result
                z = np.abs(wins - at / 2) / np.sqrt(at / 4) * (at >= plan.minimum_comparisons)
                result[f"naive {is_aa}"] = (z > Z_95).any(axis=1)
                result["bias"] = (wins[:, -1] / at[-1] - 0.5) / (config.win_rate - 0.5) - 1
    return result


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> SettingResult:
    """Estimate the figures of a kind of voters from the results of all its chunks."""
    fixed, at = _plan_votes(config, plan, name)
    false_winners = {cap: estimate_rate(join_chunks(chunks, f"{cap} True").stop >= 0) for cap in _VOTE_CAPS}
    tastes_vary = VOTERS[name].tastes_vary
    return SettingResult(
        description=VOTERS[name].description,
        fixed_sample=fixed,
        true_effect=config.win_rate - 0.5,
        shipped=estimate_characteristics(chunks, "shipped", at / fixed, plan.minimum_comparisons),
        tied=None,
        naive_false_winner_rate=estimate_rate(np.concatenate([chunk["naive True"] for chunk in chunks])),
        control=f"up to {_VOTE_CAPS[-1]} votes of one person counted" if tastes_vary else None,
        control_false_winner_rate=false_winners[_VOTE_CAPS[-1]] if tastes_vary else None,
        final_bias=estimate_mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=None,
        by_votes_a_person=false_winners if tastes_vary else None,
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )
