"""Ratios and latencies that are adjusted for their users' past (CUPED, `estimators.adjust_for_past`).

Each kind has two arms, and analyses from the first users on, without an effect and with one. The figures are
those of the adjusted interval, and what the adjustment takes off the variance.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments import effects
from experiments.calibration.analyses import compute_margin_factors
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.information import has_begun
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import AdjustedResult, summarise_adjusted
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import BINS_MS, Metric
from experiments.plan import Plan

_LOOKS = 50
_CHECKED = 10  # analyses of each chunk that are compared with `effects.compare_arms`
_FEWEST_WITH_PAST = 50  # `estimators._FEWEST_WITH_PAST`; the check against production fails where they differ
_RATE, _BETTER_RATE = 0.3, 0.27  # share of messages with the event, in equal arms and in the better one
_Q, _LEVEL, _SLOWER = 0.95, 6.0, 1.1  # of latencies: the quantile, the mean logarithm, and the effect
_BETWEEN, _WITHIN = 0.7, 0.5  # deviation of the logarithm between users, and between messages of one

Draw = Callable[[np.random.Generator, NDArray[np.bool_]], tuple[Array, ...]]  # x, y, u and v of each user


class Kind(NamedTuple):
    """Users and their past. `share` is the share of the challenger's arm."""

    description: str
    with_past: float = 0.8  # share of the users with a past
    is_alike: bool = True  # a user's rate is what it was before
    share: float = 0.5
    users: int = 8_000


_FAILED = Metric(kind="ratio", of="failures", per="requests", better="lower", says="failed requests")
_LATENCY = Metric(kind="quantile", q=_Q, better="lower", says="latency")
KINDS = {
    "past_ratio": Kind(
        "The share of messages with an event (30 %); users differ in it, and stay as they are."
    ),
    "past_few": Kind("The same; one user in fifty has a past.", with_past=0.02),
    "past_unlike": Kind("The same; what users did before says nothing about them.", is_alike=False),
    "past_uneven": Kind("The same, in arms of 95 and 5 %.", share=0.05, users=20_000),
}
LATENCIES = "past_latency"
_LATENCY_USERS, _LATENCY_LOOKS = 3_000, 10


def _draw_counts(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Messages of each user, 1 to 100 by a power law, and about four times as many before."""
    level = np.minimum(100, rng.random(shape) ** (-1 / 1.1))
    return np.maximum(1, rng.poisson(level)), rng.poisson(4 * level)


def _draw(
    rng: np.random.Generator, kind: Kind, is_challenger: NDArray[np.bool_], effect: float
) -> tuple[Array, ...]:
    """x, y, u and v of each user, of the shape of `is_challenger`."""
    shape = is_challenger.shape
    rates = rng.beta(3 * _RATE, 3 * (1 - _RATE), shape)
    requests, earlier_requests = _draw_counts(rng, shape)
    events = rng.binomial(requests, rates * np.where(is_challenger, effect, 1.0))
    before = earlier_requests * (rng.random(shape) < kind.with_past)
    earlier = rates if kind.is_alike else rng.beta(3 * _RATE, 3 * (1 - _RATE), shape)
    return events * 1.0, requests * 1.0, rng.binomial(before, earlier) * 1.0, before * 1.0


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind: a fifth of `size` experiments without an effect, and as many with one.

    Gives what `report.summarise_adjusted` joins. Raises AssertionError where a checked analysis differs from
    `effects.compare_arms`.
    """
    kind, size = KINDS[name], max(2, size // 5)
    result: dict[str, Any] = {}
    for is_aa in (True, False):
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 4, list(KINDS).index(name), chunk, is_aa])
        effect = 1.0 if is_aa else _BETTER_RATE / _RATE
        truth = _RATE * (effect - 1)
        sums = np.zeros((size, 2, len(Sums._fields)))
        misses, found, found_without = (np.zeros(size, dtype=bool) for _ in range(3))
        checked = set(rng.integers(_LOOKS // 4, _LOOKS, _CHECKED).tolist())
        for look in range(_LOOKS):
            is_challenger = rng.random((size, kind.users // _LOOKS)) < kind.share
            _add(sums, _draw(rng, kind, is_challenger, effect), is_challenger)
            (plain, plain_error), (difference, error), clock = _compare(sums)
            begun = has_begun(sums[..., :6], _FAILED, plan)
            factor = compute_margin_factors(clock, plan.alpha, plan.n_star)
            margin = error * factor
            misses |= begun & (np.abs(difference - truth) > margin)
            found |= begun & (np.abs(difference) > margin)
            found_without |= begun & (np.abs(plain) > plain_error * factor)
            if look in checked:
                row = int(rng.integers(size))
                _check_against_production(sums[row], plan, bool(begun[row]), difference[row], margin[row])
        result["false" if is_aa else "missed"] = misses
    return {
        **result,
        "found": found,
        "found_without": found_without,
        "bias": difference / truth - 1,
        "reduction": 1 - (error / plain_error) ** 2,
    }


def _add(sums: Array, values: tuple[Array, ...], is_challenger: NDArray[np.bool_]) -> None:
    """Add users to the sums, of shape (experiments, arms, fields of `Sums`)."""
    by_name = dict(zip("xyuv", values, strict=True))
    for column, names in enumerate(Sums._fields):
        value = np.ones(is_challenger.shape)
        for name in names if names != "n" else "":
            value = value * by_name[name]
        challenger = (value * is_challenger).sum(axis=1)
        sums[:, 0, column] += value.sum(axis=1) - challenger
        sums[:, 1, column] += challenger


def _compare(sums: Array) -> tuple[tuple[Array, Array], tuple[Array, Array], Array]:
    """The difference of each experiment and its standard error, as measured and adjusted; and its clock.
    Arrays of shape (experiments,).
    """
    n, x, xx, y, yy, xy, u, uu, v, vv, uv, xu, xv, yu, yv = np.moveaxis(sums, -1, 0)
    freedom = np.maximum(n - 1, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, past = x / y, np.nan_to_num(u / v)
        variance = (xx - 2 * value * xy + value**2 * yy) / freedom / (y / n) ** 2
        past_variance = np.nan_to_num((uu - 2 * past * uv + past**2 * vv) / freedom / (v / n) ** 2)
        products = xu - past * xv - value * (yu - past * yv)
        covariance = np.nan_to_num(products / freedom / (y / n) / (v / n))
        with_past = np.nan_to_num(v**2 / vv)
    is_adjusted = (with_past >= _FEWEST_WITH_PAST).all(axis=1)
    spread = np.maximum((freedom * past_variance).sum(axis=1), 1e-300)
    theta = (is_adjusted * (freedom * covariance).sum(axis=1) / spread)[:, None]
    adjusted = variance - 2 * theta * covariance + theta**2 * past_variance
    clock = 4 * n.prod(axis=1) / n.sum(axis=1)
    plain, better = (
        (values[:, 1] - values[:, 0], np.sqrt((variances / n).sum(axis=1)))
        for values, variances in ((value, variance), (value - theta * past, adjusted))
    )
    return plain, better, clock


def _check_against_production(
    sums: Array, plan: Plan, is_begun: bool, difference: float, margin: float
) -> None:
    """Assert that `effects.compare_arms` has the same interval for one experiment."""
    arms = [
        estimate(_FAILED, {0: Sums(int(n), *(Decimal(float(value)) for value in others))})
        for n, *others in sums
    ]
    effect = effects.compare_arms(
        [(arms[0], arms[1])], plan.alpha, plan.n_star, "lower", fewest_users=plan.minimum_users_an_arm
    )
    assert (effect is not None) == is_begun, f"the simulation begins: {is_begun}; production: {effect}"
    if effect is not None:
        simulated = (difference, difference - margin, difference + margin)
        production = (effect.difference, *effect.interval)
        assert np.allclose(simulated, production), f"the simulation has {simulated}, production {production}"


def simulate_latencies(
    config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int
) -> dict[str, Any]:
    """Simulate one chunk of a quantile of latencies, as `simulate`: a fiftieth of `size` experiments. All
    analyses are by production code.
    """
    size = max(2, size // 50)
    result: dict[str, Any] = {}
    for is_aa in (True, False):
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 5, chunk, is_aa])
        slower = 1.0 if is_aa else _SLOWER
        deviation = math.hypot(_BETWEEN, _WITHIN)
        truth = (slower - 1) * math.exp(_LEVEL + deviation * float(stats.norm.ppf(_Q)))
        misses, found, found_without = (np.zeros(size, dtype=bool) for _ in range(3))
        differences, reductions = np.zeros(size), np.zeros(size)
        for experiment in range(size):
            totals = [np.zeros((len(BINS_MS) + 2, len(Sums._fields))) for _ in range(2)]
            for _look in range(_LATENCY_LOOKS):
                for arm, factor in enumerate((1.0, slower)):
                    totals[arm] += _draw_latencies(rng, _LATENCY_USERS // _LATENCY_LOOKS // 2, factor)
                a, b = (_estimate_latency(total) for total in totals)
                effect = _compare_latencies(a, b, plan)
                if effect is not None:
                    misses[experiment] |= not effect.interval.low <= truth <= effect.interval.high
                    differences[experiment] = effect.difference
                    reductions[experiment] = effect.variance_reduction
                    found[experiment] |= not effect.interval.low <= 0 <= effect.interval.high
                    plain = _compare_latencies(_drop_past(a), _drop_past(b), plan)
                    assert plain is not None
                    found_without[experiment] |= not plain.interval.low <= 0 <= plain.interval.high
        result["false" if is_aa else "missed"] = misses
    return {
        **result,
        "found": found,
        "found_without": found_without,
        "bias": differences / truth - 1,
        "reduction": reductions,
    }


def _compare_latencies(a: Estimate, b: Estimate, plan: Plan) -> effects.Effect | None:
    return effects.compare_arms(
        [(a, b)], plan.alpha, plan.n_star, "lower", fewest_users=plan.minimum_users_an_arm
    )


def _drop_past(arm: Estimate) -> Estimate:
    return arm.model_copy(update={"covariate": None})


def _draw_latencies(rng: np.random.Generator, users: int, factor: float) -> Array:
    """The sums of some users by bin, as `outcomes` stores them; of shape (bins, fields of `Sums`)."""
    levels = rng.normal(_LEVEL, _BETWEEN, users)
    counts, before = _draw_counts(rng, (users,))
    u = np.bincount(
        np.repeat(np.arange(users), before), rng.normal(np.repeat(levels, before), _WITHIN), users
    )
    owners = np.repeat(np.arange(users), counts)
    milliseconds = factor * np.exp(rng.normal(levels[owners], _WITHIN))
    bins = 1 + np.searchsorted(BINS_MS, milliseconds, side="right")
    order = np.lexsort((bins, owners))
    owners, bins = owners[order], bins[order]
    k = np.arange(len(owners)) - (counts.cumsum() - counts)[owners] + 1.0  # each miss is one more of its user
    sums = np.zeros((len(BINS_MS) + 2, len(Sums._fields)))
    m, v = counts * 1.0, before * 1.0
    for name, value in {
        "x": np.ones(len(owners)),
        "xx": 2 * k - 1,
        "xy": m[owners],
        "xu": u[owners],
        "xv": v[owners],
    }.items():
        sums[:, Sums._fields.index(name)] = np.bincount(bins, value, len(sums))
    of_all = {"n": np.ones(users), "y": m, "yy": m * m, "u": u, "uu": u * u, "v": v, "vv": v * v, "uv": u * v}
    for name, value in {**of_all, "yu": m * u, "yv": m * v}.items():
        sums[0, Sums._fields.index(name)] = value.sum()
    return sums


def _estimate_latency(sums: Array) -> Estimate:
    n = int(sums[0, 0])
    return estimate(
        _LATENCY,
        {
            bin_: Sums(n, *(Decimal(float(value)) for value in sums[bin_, 1:]))
            for bin_ in np.flatnonzero(sums.any(axis=1)).tolist()
        },
    )


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> AdjustedResult:
    """Estimate the figures of a kind from the results of all its chunks."""
    return summarise_adjusted(
        "The 95th percentile of the latency; a user's messages are alike, and so are those before."
        if name == LATENCIES
        else KINDS[name].description,
        chunks,
    )
