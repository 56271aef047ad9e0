"""How often the curves of an effect over time (`experiments.novelty`) warn, without a cause and with one."""

import math
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from experiments import effects, novelty
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import ChangeResult, estimate_rate
from experiments.estimators import Estimate
from experiments.plan import Plan

_DAYS = 14  # of entry
_VOTE_DAYS = 3  # since the entry
_KINDS: tuple[novelty.Kind, ...] = ("entry", "since_entry", "weekday")


class Kind(NamedTuple):
    """An effect on the share of thumbs up. It fades by a factor e in `entry_days` of the experiment, and in
    `vote_days` of a user's. At the weekend it is `weekend` times as large.
    """

    description: str
    effect: float
    entry_days: float = math.inf
    vote_days: float = math.inf
    weekend: float = 1.0
    trend: float = 0.0  # of everybody's share over the experiment

    @property
    def stays(self) -> bool:
        """Whether the effect is the same at all times."""
        return math.isinf(self.entry_days) and math.isinf(self.vote_days) and self.weekend == 1


KINDS = {
    "no_effect": Kind("No effect.", 0.0),
    "lasting": Kind("An effect that stays, of 6 points.", 0.06),
    "rising_level": Kind("The same, while everybody's share rises by 20 points.", 0.06, trend=0.2),
    "fading": Kind(
        "An effect of 20 points that falls by a factor e in five days of the experiment.", 0.2, 5.0
    ),
    "wearing_off": Kind(
        "An effect of 20 points that falls by a factor e in a user's two days.", 0.2, vote_days=2.0
    ),
    "at_weekends": Kind("An effect of 4 points, and of 16 at weekends.", 0.04, weekend=4.0),
}
_USERS_A_DAY = 400


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind: a tenth of `size` experiments with one look, at their end.

    Gives, under each kind of curve, an array of shape (size,): whether the curve warns of a change.
    """
    kind, size = KINDS[name], max(2, size // 10)
    warns: dict[str, list[bool]] = defaultdict(list)
    for row in range(size):
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 7, list(KINDS).index(name), chunk, row])
        for curve, result in _simulate_one(rng, kind, plan).items():
            warns[curve].append(result.finding not in ("too few users", "no sign of change"))
    return {curve: np.array(values) for curve, values in warns.items()}


def _simulate_one(rng: np.random.Generator, kind: Kind, plan: Plan) -> dict[novelty.Kind, novelty.Curve]:
    day = np.repeat(np.arange(_DAYS), _USERS_A_DAY)
    is_challenger = rng.random(len(day)) < 0.5
    taste = rng.uniform(0.2, 0.6, len(day)) + kind.trend * day / _DAYS
    sizes = kind.effect * np.exp(-day / kind.entry_days) * np.where(day % 7 >= 5, kind.weekend, 1.0)
    votes = []  # of each user, by day since the entry
    for since in range(_VOTE_DAYS):
        rate = taste + is_challenger * sizes * math.exp(-since / kind.vote_days)
        votes.append((rng.random(len(day)) < rate) * 1.0)
    score = np.mean(votes, axis=0)
    return novelty.judge(
        {
            "entry": _compare_days(score, is_challenger, day, plan),
            "since_entry": _compare_days(
                np.concatenate(votes),
                np.tile(is_challenger, _VOTE_DAYS),
                np.repeat(np.arange(_VOTE_DAYS), len(day)),
                plan,
            ),
            "weekday": _compare_days(score, is_challenger, day % 7, plan),
        },
        plan.alpha,
    )


def _compare_days(score: Array, is_challenger: Array, day: Array, plan: Plan) -> dict[int, effects.Effect]:
    """The effect of each day. Days of one weekday are pooled: here, they have the same users a day."""
    compared = {}
    for number in np.unique(day).tolist():
        baseline, challenger = (score[(day == number) & (is_challenger == side)] for side in (False, True))
        effect = effects.compare_arms(
            [(_describe(baseline), _describe(challenger))],
            plan.alpha,
            plan.n_star,
            "higher",
            1.0,
            novelty.FEWEST_A_DAY,
        )
        if effect is not None:
            compared[number] = effect
    return compared


def _describe(score: Array) -> Estimate:
    return Estimate(users=len(score), mean=float(score.mean()), variance=float(score.var(ddof=1)))


def summarise(config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]) -> ChangeResult:
    """Estimate the figures of a kind from the results of all its chunks."""
    joined = {kind: np.concatenate([chunk[kind] for chunk in chunks]) for kind in _KINDS}
    return ChangeResult(
        description=KINDS[name].description,
        experiments=len(joined["entry"]),
        warned={kind: estimate_rate(warned) for kind, warned in joined.items()},
        warned_by_any=estimate_rate(np.any(list(joined.values()), axis=0)),
        stays=KINDS[name].stays,
    )
