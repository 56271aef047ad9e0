"""Assignments whose users fall unevenly."""

from functools import cache
from typing import Any

import numpy as np

from experiments import sequential
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import SampleRatio, rate
from experiments.plan import Plan

_RATIO_USERS = (250, 500, 1000, 2000, 5000, 10_000, 20_000)
_SPLITS = {"50:50": 0.5, "52:48": 0.48, "55:45": 0.45}


@cache
def _log_e(first: int, users: int) -> float:
    return sequential.sample_ratio_log_e([first, users - first], [0.5, 0.5])


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """The users at which a split, meant to be even, is first called broken (0: never)."""
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 1, chunk])
    step = _RATIO_USERS[0]
    found = {}
    for split, share in _SPLITS.items():
        first = rng.binomial(step, share, (size, _RATIO_USERS[-1] // step)).cumsum(axis=1)
        at = np.zeros(size, dtype=int)
        for look in range(first.shape[1]):
            users = (look + 1) * step
            counts, where = np.unique(first[:, look], return_inverse=True)
            log_e = np.array([_log_e(int(k), users) for k in counts])[where]
            at[(np.exp(-np.maximum(log_e, 0)) < plan.sample_ratio_alpha) & (at == 0)] = users
        found[split] = at
    return found


def sum_up(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> SampleRatio:
    """Estimate how often each split is called broken, from all chunks."""
    at = {split: np.concatenate([chunk[split] for chunk in chunks]) for split in _SPLITS}
    return SampleRatio(
        description=f"An even split, with a look after every {_RATIO_USERS[0]} users; limit "
        f"{plan.sample_ratio_alpha:.0%}.",
        called_broken_by={
            split: {users: rate((first > 0) & (first <= users)) for users in _RATIO_USERS}
            for split, first in at.items()
        },
    )
