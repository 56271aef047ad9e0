"""Sample ratio mismatch: assignments that should split users evenly, and do not always."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import sequential
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import Estimate, SampleRatioResult, estimate_rate
from experiments.plan import Plan

# Users of both arms at which the alarms are counted. There is an analysis after each multiple of the first.
_USERS = (250, 500, 1000, 2000, 5000, 10_000, 20_000)
_SPLITS = {"50:50": 0.5, "51:49": 0.49, "52:48": 0.48, "55:45": 0.45}  # true share of the first arm
_EPOCHS = (250, 1000, 2000, 5000, 10_000)  # users at whose number a step of the default ramp ends, rounded


@cache
def _compute_log_e(first: int, users: int) -> float:
    """Log e-value against an even split, with `first` of the users in the first arm."""
    return sequential.sample_ratio_log_e([first, users - first], [0.5, 0.5])


def _compute_log_es(first: NDArray[np.int64], users: int) -> NDArray[np.float64]:
    """Log e-values of many experiments, of shape (experiments,)."""
    counts, inverse = np.unique(first, return_inverse=True)
    return np.array([_compute_log_e(int(count), users) for count in counts])[inverse]


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate `size` assignments with each split. Gives the users at the first alarm (0 if there is none),
    of shape (size,), by split, and under f"{split} restarted" for a check that begins again at each step of
    the ramp.
    """
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 1, chunk])
    step = _USERS[0]
    result: dict[str, NDArray[np.int64]] = {}
    for split, share in _SPLITS.items():
        first = rng.binomial(step, share, (size, _USERS[-1] // step)).cumsum(axis=1)  # (size, analyses)
        alarms = {name: np.zeros(size, dtype=int) for name in (split, f"{split} restarted")}
        begin, first_at_begin, log_e_at_begin = 0, np.zeros(size, dtype=int), np.zeros(size)
        for index in range(first.shape[1]):
            users = (index + 1) * step
            restarted = log_e_at_begin + _compute_log_es(first[:, index] - first_at_begin, users - begin)
            log_es = (_compute_log_es(first[:, index], users), restarted)
            for alarm, log_e in zip(alarms.values(), log_es, strict=True):
                has_alarm = np.exp(-np.maximum(log_e, 0)) < plan.sample_ratio_alpha
                alarm[has_alarm & (alarm == 0)] = users
            if users in _EPOCHS:
                begin, first_at_begin, log_e_at_begin = users, first[:, index], restarted
        result |= alarms
    return result


def summarise(
    config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]
) -> SampleRatioResult:
    """Estimate the share of alarms for each split from the results of all chunks."""

    def estimate(name: str) -> dict[int, Estimate]:
        alarm = np.concatenate([chunk[name] for chunk in chunks])
        return {users: estimate_rate((alarm > 0) & (alarm <= users)) for users in _USERS}

    return SampleRatioResult(
        description=f"An even split, with a look after every {_USERS[0]} users; limit "
        f"{plan.sample_ratio_alpha:.0%}.",
        called_broken_by={split: estimate(split) for split in _SPLITS},
        restarted_by={split: estimate(f"{split} restarted") for split in _SPLITS},
    )
