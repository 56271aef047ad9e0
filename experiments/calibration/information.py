"""When intervals may begin: by a count of users, and by the information that they hold.

The interval of an effect is asymptotic. Where arms are uneven, a few users write most messages, or an event
is rare, fifty users in each arm hold too little information for it. Each setting has two arms, equal but in
one, and analyses from the first users on. The figures are how many experiments have an interval that ever
misses the true effect (between equal arms: a false winner), if intervals begin at the plan's
`minimum_users_an_arm`, and if they begin as `effects.compare_arms` does.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import effects
from experiments.calibration.analyses import compute_margin_factors
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import InformationResult, estimate_rate
from experiments.estimators import FEWEST_EVENTS, FEWEST_PARTS, Sums, estimate
from experiments.metrics import Metric
from experiments.plan import Plan

_LOOKS = 100
_NONZERO, _STOP = (
    0.005,
    0.3,
)  # share of the users with a count, and the parameter of its geometric distribution
_CHECKED = 20  # analyses of each chunk that are compared with `effects.compare_arms`

Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[Array, Array]]  # x and y of each user


class Kind(NamedTuple):
    """A metric, and how users differ in it. `users` is the number of users in both arms at the last look."""

    description: str
    metric: Metric
    draw: Draw
    share: float = 0.5  # of the users, in the challenger's arm
    users: int = 20_000
    growth: float = 1.0  # factor of x in the challenger's arm
    mean: float = 0.0  # of x in the baseline's; only needed with a growth

    @property
    def effect(self) -> float:
        """The true difference of the arms."""
        return self.mean * (self.growth - 1)


def _draw_skewed(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return rng.lognormal(0.0, 1.0, shape), np.zeros(shape)


def _draw_event(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return (rng.random(shape) < 0.05) * 1.0, np.zeros(shape)


def _draw_mostly_zero(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return (rng.random(shape) < _NONZERO) * rng.geometric(_STOP, shape), np.zeros(shape)


def _draw_messages(
    most: int, rate: float, concentration: float
) -> Callable[[np.random.Generator, tuple[int, int]], tuple[Array, Array]]:
    """Messages by a power law up to `most`, of which a share of `rate` has the event. Users differ in it."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
        messages = np.minimum(most, rng.random(shape) ** (-1 / 1.1)).astype(int)
        rates = rng.beta(concentration * rate, concentration * (1 - rate), shape)
        return rng.binomial(messages, rates) * 1.0, messages * 1.0

    return draw


_FAILED = Metric(kind="ratio", of="failures", per="requests", better="lower", says="failed requests")
_EDITS = Metric(kind="mean", of="edits", better="lower", says="edits of a user")
_COMPLAINED = Metric(kind="proportion", of="complaints", better="lower", says="users who complained")
KINDS = {
    "uneven_skewed": Kind(
        "A lognormal outcome (sigma 1) in arms of 95 and 5 %.", _EDITS, _draw_skewed, 0.05, 40_000
    ),
    "uneven_event": Kind(
        "An event that happens to 5 % of the users, in arms of 95 and 5 %.", _COMPLAINED, _draw_event, 0.05
    ),
    "heavy_users": Kind(
        "The share of messages with an event (30 %), of users who write 1 to 500 messages and differ in it.",
        _FAILED,
        _draw_messages(500, 0.3, 2.0),
    ),
    "uneven_failures": Kind(
        "The share of failed requests (2 %) of users with 1 to 100 requests, in arms of 95 and 5 %.",
        _FAILED,
        _draw_messages(100, 0.02, 50.0),
        0.05,
    ),
    "mostly_zero": Kind(
        "A count that is zero for 99.5 % of the users.", _EDITS, _draw_mostly_zero, users=200_000
    ),
    "mostly_zero_doubled": Kind(
        "The same; with the challenger it is twice as large.",
        _EDITS,
        _draw_mostly_zero,
        users=200_000,
        growth=2.0,
        mean=_NONZERO / _STOP,
    ),
}


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind: `size` experiments.

    Gives arrays of shape (size,): `by_users` and `by_information`, whether an interval that begins so ever
    misses the true effect, and `begun`, whether the latter ever begins. Raises AssertionError where a checked
    analysis differs from `effects.compare_arms`.
    """
    kind = KINDS[name]
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 2, list(KINDS).index(name), chunk])
    sums = np.zeros((size, 2, 6))  # experiments, arms, (n, x, xx, y, yy, xy)
    result = {key: np.zeros(size, dtype=bool) for key in ("by_users", "by_information", "begun")}
    checked = set(rng.integers(_LOOKS // 4, _LOOKS, _CHECKED).tolist())
    for look in range(_LOOKS):
        shape = (size, kind.users // _LOOKS)
        is_challenger = rng.random(shape) < kind.share
        x, y = kind.draw(rng, shape)
        x = np.where(is_challenger, kind.growth * x, x)
        for column, value in enumerate((np.ones(shape), x, x * x, y, y * y, x * y)):
            challenger = (value * is_challenger).sum(axis=1)
            sums[:, 0, column] += value.sum(axis=1) - challenger
            sums[:, 1, column] += challenger
        effect, error, clock = _compare(sums, kind.metric)
        begun = has_begun(sums, kind.metric, plan)
        margin = error * compute_margin_factors(clock, plan.alpha, plan.n_star)
        misses = np.abs(effect - kind.effect) > margin
        is_valid = error > 0
        result["by_users"] |= misses & is_valid & (sums[..., 0].min(axis=1) >= plan.minimum_users_an_arm)
        result["by_information"] |= misses & is_valid & begun
        result["begun"] |= begun & is_valid
        if look in checked:
            row = int(rng.integers(size))
            _check_against_production(sums[row], kind.metric, plan, bool(begun[row]), effect[row])
    return result


def _compare(sums: Array, metric: Metric) -> tuple[Array, Array, Array]:
    """The effect, its standard error and the clock of each experiment; arrays of shape (experiments,)."""
    n, x, xx, y, yy, xy = np.moveaxis(sums, -1, 0)
    if metric.kind == "ratio":
        with np.errstate(invalid="ignore", divide="ignore"):
            value = x / y
            variance = (xx - 2 * value * xy + value**2 * yy) / (n - 1) / (y / n) ** 2
    else:
        value, variance = x / np.maximum(n, 1), (xx - x * x / np.maximum(n, 1)) / np.maximum(n - 1, 1)
    error = np.sqrt(np.maximum(np.nan_to_num(variance), 0) / np.maximum(n, 1)).T
    h = n.prod(axis=1) / n.sum(axis=1)
    has_both = n.min(axis=1) >= 2
    return (
        np.nan_to_num(value[:, 1] - value[:, 0]) * has_both,
        np.hypot(error[0], error[1]) * has_both,
        np.maximum(4 * h, 1e-300),
    )


def _kish(total: Array, squares: Array) -> Array:
    return total**2 / np.maximum(squares, 1e-300)


def has_begun(sums: Array, metric: Metric, plan: Plan) -> NDArray[np.bool_]:
    """Whether `effects.compare_arms` begins for each experiment, of shape (experiments,). `sums` has the
    shape (experiments, arms, 6): n, x, xx, y, yy, xy.
    """
    n, x, xx, y, yy, xy = np.moveaxis(sums, -1, 0)
    if metric.kind == "ratio":
        users, without = _kish(y, yy), _kish(y - x, yy - 2 * xy + xx)
    else:
        users, without = n, _kish(n - x, n - 2 * x + xx)
    parts = _kish(x, xx)
    is_enough = np.minimum(parts, without) >= FEWEST_EVENTS if metric.is_share else parts >= FEWEST_PARTS
    return np.asarray(((users >= plan.minimum_users_an_arm) & is_enough).all(axis=1))


def _check_against_production(
    sums: Array, metric: Metric, plan: Plan, is_begun: bool, difference: float
) -> None:
    """Assert that `effects.compare_arms` begins where the arrays do, and finds the same difference."""
    arms = [
        estimate(metric, {0: Sums(int(n), *(Decimal(float(value)) for value in others))})
        for n, *others in sums
    ]
    effect = effects.compare_arms(
        [(arms[0], arms[1])],
        plan.alpha,
        plan.n_star,
        metric.better,
        fewest_users=plan.minimum_users_an_arm,
    )
    assert (effect is not None) == is_begun, f"the simulation begins: {is_begun}; production: {effect}"
    if effect is not None:
        assert np.isclose(effect.difference, difference), (effect.difference, difference)


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> InformationResult:
    """Estimate the figures of a kind from the results of all its chunks."""
    joined = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    return InformationResult(
        description=KINDS[name].description,
        users=KINDS[name].users,
        **{key: estimate_rate(values) for key, values in joined.items()},
    )
