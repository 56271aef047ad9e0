"""Post-stratified effects (`experiments.strata`): users in strata that differ, and analyses by production
code.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from experiments import effects, strata
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import AdjustedResult, summarise_adjusted
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.plan import Plan

_LOOKS = 20
_EFFECT = 0.06  # share of thumbs up that the challenger adds in each stratum
_LIKED = Metric(kind="mean", of="score", better="higher", says="mean vote")
_MANY = np.arange(1, 201) ** -1.0


class Kind(NamedTuple):
    """Strata by their share of the users and of thumbs up. `more_voters` is how many times as many of the
    users in the last stratum vote in the challenger's arm.
    """

    description: str
    shares: Array
    rates: Array
    share: float = 0.5
    users: int = 4_000
    more_voters: float = 1.0


_APART = np.array([0.2, 0.5, 0.7, 0.9])
_SHARES = np.array([0.4, 0.3, 0.2, 0.1])
KINDS = {
    "strata_apart": Kind("Four strata, of 20, 50, 70 and 90 % thumbs up.", _SHARES, _APART),
    "strata_alike": Kind("Four strata, of 60 % thumbs up each.", _SHARES, np.full(4, 0.6)),
    "strata_many": Kind(
        "200 organisations, whose sizes follow a power law and whose tastes differ.",
        _MANY / _MANY.sum(),
        stats.beta(3, 2).ppf((np.arange(200) * 77 % 200 + 0.5) / 200),
    ),
    "strata_uneven": Kind(
        "Four strata that differ, in arms of 95 and 5 %.", _SHARES, _APART, share=0.05, users=12_000
    ),
    "strata_voters": Kind(
        "Four strata that differ; half of the users vote, but all of the last stratum with the challenger.",
        _SHARES,
        _APART,
        more_voters=2.0,
    ),
}


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind: a tenth of `size` experiments without an effect, and as many with one.

    Gives what `report.summarise_adjusted` joins. The true effect is that on the votes of each stratum.
    """
    kind, size = KINDS[name], max(2, size // 10)
    result: dict[str, Any] = {}
    for is_aa in (True, False):
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 6, list(KINDS).index(name), chunk, is_aa])
        truth = 0.0 if is_aa else _EFFECT
        misses, found, found_without = (np.zeros(size, dtype=bool) for _ in range(3))
        differences, reductions = np.zeros(size), np.zeros(size)
        for row in range(size):
            sums = np.zeros((len(kind.shares), 2, 2))  # strata, arms, (users, thumbs up)
            for _ in range(_LOOKS):
                sums += _draw(rng, kind, truth)
                whole = _to_sums(sums.sum(axis=0))
                arms = strata.stratify(whole, [_to_sums(stratum) for stratum in sums], _LIKED)
                effect = _compare(arms, plan)
                if effect is not None:
                    misses[row] |= not effect.interval.low <= truth <= effect.interval.high
                    plain = _compare((estimate(_LIKED, {0: whole[0]}), estimate(_LIKED, {0: whole[1]})), plan)
                    assert plain is not None
                    found[row] |= not effect.interval.low <= 0 <= effect.interval.high
                    found_without[row] |= not plain.interval.low <= 0 <= plain.interval.high
                    differences[row] = effect.difference
                    reductions[row] = 1 - effect.spread / plain.spread
        result["false" if is_aa else "missed"] = misses
    return {
        **result,
        "found": found,
        "found_without": found_without,
        "bias": differences / truth - 1,
        "reduction": reductions,
    }


def _draw(rng: np.random.Generator, kind: Kind, effect: float) -> Array:
    """The users who vote and their thumbs up in a look, of shape (strata, arms, 2)."""
    count = len(kind.shares)
    stratum = rng.choice(count, kind.users // _LOOKS, p=kind.shares)
    is_challenger = rng.random(len(stratum)) < kind.share
    if kind.more_voters != 1:
        votes = rng.random(len(stratum)) < 0.5 * np.where(
            is_challenger & (stratum == count - 1), kind.more_voters, 1
        )
        stratum, is_challenger = stratum[votes], is_challenger[votes]
    rates = np.minimum(kind.rates[stratum], 1 - effect) + effect * is_challenger
    is_up = rng.random(len(stratum)) < rates
    cells = 2 * stratum + is_challenger
    sums = [np.bincount(cells, weights, 2 * count) for weights in (None, is_up)]
    return np.stack(sums, axis=-1).reshape(count, 2, 2)


def _to_sums(arms: Array) -> strata.Arms:
    baseline, challenger = (
        Sums(int(users), Decimal(ups), Decimal(ups), Decimal(0), Decimal(0), Decimal(0))
        for users, ups in arms.tolist()
    )
    return baseline, challenger


def _compare(arms: tuple[Estimate, Estimate], plan: Plan) -> effects.Effect | None:
    return effects.compare_arms(
        [arms], plan.alpha, plan.n_star, "higher", 1.0, fewest_users=plan.minimum_users_an_arm
    )


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> AdjustedResult:
    """Estimate the figures of a kind from the results of all its chunks."""
    return summarise_adjusted(KINDS[name].description, chunks)
