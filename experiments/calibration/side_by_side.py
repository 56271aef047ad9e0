"""Blind comparisons of two texts."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import analysis
from experiments.analysis import Tally
from experiments.calibration.analyses import Seen, Watch, joined, promise
from experiments.calibration.config import HORIZON, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import NORMAL, Measured, mean, rate
from experiments.plan import Plan


class _Voters(NamedTuple):
    """People who compare: how they differ, and in which order their votes come."""

    description: str
    differ: bool  # in their win rates, which are Beta with parameters of sum 6: spread by 0.19 around a half
    are_mixed: bool  # votes of one person lie among those of others


VOTERS = {
    "comparisons": _Voters("Blind paired comparisons; everybody has the same taste.", False, False),
    "tastes": _Voters("The same by people who differ in taste, and come back between others.", True, True),
    "tastes_in_a_row": _Voters("The same, each casting all votes at once: the hardest order.", True, False),
}
_ALIKE = 6.0
_CAPS = (1, 2, 3, 5, 100)  # votes of a person that may count


def _habits(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.minimum(_CAPS[-1], rng.random(shape) ** (-1 / 1.1)).astype(int)


@cache
def _votes_course(config: CalibrationConfig, plan: Plan, name: str) -> tuple[float, NDArray[np.int64]]:
    """The fixed-horizon number of votes, and the number at each look. Votes of a person are alike, so more
    are needed: 1 + (m - 1) / (1 + 6) times as many for m votes each, m the mean weighted by votes (Kish,
    "Survey sampling", 1965).
    """
    effect = (config.win_rate - 0.5) / 0.5
    fixed = float(NormalIndPower().solve_power(effect, alpha=plan.alpha, power=POWER, ratio=0))
    if VOTERS[name].differ:
        votes = np.minimum(plan.votes_a_person, _habits(np.random.default_rng(0), (100_000,)))
        fixed *= 1 + float((votes**2).sum() / votes.sum() - 1) / (1 + _ALIKE)
    batch = math.ceil(HORIZON * fixed / config.looks)
    return fixed, np.arange(1, config.looks + 1) * batch


@cache
def _compared(wins: int, votes: int, plan: Plan, truth: float) -> tuple[int, bool]:
    """Whom `analysis.compare` names (1: challenger, -1: champion), and whether its interval misses."""
    found = analysis.compare(Tally(wins=wins, losses=votes - wins, ties=0, people=votes), plan)
    named = {"challenger": 1, "champion": -1, "undecided": 0}[found.decision]
    return named, not found.interval.low <= truth <= found.interval.high


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """As `between_users.simulate`, of votes on two texts."""
    _, at = _votes_course(config, plan, name)
    voters, most = VOTERS[name], int(at[-1])
    found: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        rate = 0.5 if is_aa else config.win_rate
        rng = np.random.default_rng([config.seed, len(SETTINGS), list(VOTERS).index(name), chunk, is_aa])
        habits, tastes = _habits(rng, (size, most)), np.full((size, most), rate)
        if voters.differ:
            tastes = rng.beta(_ALIKE * rate, _ALIKE * (1 - rate), (size, most))
        for cap in dict.fromkeys((*_CAPS, plan.votes_a_person)):
            counts = np.minimum(cap, habits)
            begin = counts.sum(axis=1).cumsum() - counts.sum(axis=1)
            of = np.repeat(tastes.ravel(), counts.ravel())[begin[:, None] + np.arange(most)]
            if voters.are_mixed:
                of = rng.permuted(of, axis=1)
            won = (rng.random(of.shape) < of).cumsum(axis=1)[:, at - 1]  # (experiments, looks)
            watch = Watch(size, rate - 0.5)
            for look, votes in enumerate(at.tolist()):
                wins, where = np.unique(won[:, look], return_inverse=True)
                named, missed = np.array([_compared(int(k), votes, plan, rate) for k in wins])[where].T
                watch.last_missed[missed > 0] = votes
                decides = (named != 0) & (watch.stop < 0)
                watch.stop[decides], watch.wrong[decides] = look, named[decides] < 0
                found["checked"] += len(wins)
            seen = Seen(watch.stop, watch.wrong, watch.last_missed)
            found[f"{cap} {is_aa}"] = seen
            if cap == plan.votes_a_person:
                found[f"shipped {is_aa}"] = seen
                z = np.abs(won - at / 2) / np.sqrt(at / 4) * (at >= plan.minimum_comparisons)
                found[f"naive {is_aa}"] = (z > NORMAL).any(axis=1)
                found["bias"] = (won[:, -1] / at[-1] - 0.5) / (config.win_rate - 0.5) - 1
    return found


def sum_up(config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]) -> Measured:
    """Estimate the figures of a setting from all chunks."""
    fixed, at = _votes_course(config, plan, name)
    false_winners = {cap: rate(joined(chunks, f"{cap} True").stop >= 0) for cap in _CAPS}
    differ = VOTERS[name].differ
    return Measured(
        description=VOTERS[name].description,
        fixed_sample=fixed,
        true_effect=config.win_rate - 0.5,
        shipped=promise(chunks, "shipped", at / fixed, plan.minimum_comparisons),
        tied=None,
        naive_false_winner_rate=rate(np.concatenate([chunk["naive True"] for chunk in chunks])),
        control=f"up to {_CAPS[-1]} votes of one person counted" if differ else None,
        control_false_winner_rate=false_winners[_CAPS[-1]] if differ else None,
        final_bias=mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=None,
        by_votes_a_person=false_winners if differ else None,
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )
