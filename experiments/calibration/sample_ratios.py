"""Sample ratio mismatch: assignments that should split users evenly, and do not always."""

from functools import cache
from typing import Any

import numpy as np

from experiments import sequential
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import SampleRatioResult, estimate_rate
from experiments.plan import Plan

# Users of both arms at which the alarms are counted. There is an analysis after each multiple of the first.
_USERS = (250, 500, 1000, 2000, 5000, 10_000, 20_000)
_SPLITS = {"50:50": 0.5, "52:48": 0.48, "55:45": 0.45}  # true share of the first arm


@cache
def _compute_log_e(first: int, users: int) -> float:
    """Log e-value against an even split, with `first` of the users in the first arm."""
    return sequential.sample_ratio_log_e([first, users - first], [0.5, 0.5])


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate `size` assignments with each split. Gives, by split, the users at the first alarm (0 if there
    is none), of shape (size,).
    """
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 1, chunk])
    step = _USERS[0]
    result = {}
    for split, share in _SPLITS.items():
        first = rng.binomial(step, share, (size, _USERS[-1] // step)).cumsum(axis=1)  # (size, analyses)
        alarm = np.zeros(size, dtype=int)
        for index in range(first.shape[1]):
            users = (index + 1) * step
            counts, inverse = np.unique(first[:, index], return_inverse=True)
            log_e = np.array([_compute_log_e(int(count), users) for count in counts])[inverse]
            has_alarm = np.exp(-np.maximum(log_e, 0)) < plan.sample_ratio_alpha
            alarm[has_alarm & (alarm == 0)] = users
        result[split] = alarm
    return result


def summarise(
    config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]
) -> SampleRatioResult:
    """Estimate the share of alarms for each split from the results of all chunks."""
    alarms = {split: np.concatenate([chunk[split] for chunk in chunks]) for split in _SPLITS}
    return SampleRatioResult(
        description=f"An even split, with a look after every {_USERS[0]} users; limit "
        f"{plan.sample_ratio_alpha:.0%}.",
        called_broken_by={
            split: {users: estimate_rate((alarm > 0) & (alarm <= users)) for users in _USERS}
            for split, alarm in alarms.items()
        },
    )
