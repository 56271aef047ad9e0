"""A/A tests name false winners as often as they should, and find a metric whose error is wrong."""

import uuid
from typing import Any

import numpy as np
import pytest

from experiments import aa_tests
from experiments.aa_tests import Rate, compute_rate
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.unit_values import Floats, Numbers, UnitValues

PLAN = Plan(n_star=200)


def make_units(users: int, seed: int = 0, variants: tuple[str, ...] = ("v1",), **numbers: Any) -> UnitValues:
    ids = [uuid.UUID(int=seed * 10**9 + number) for number in range(users)]
    nothing = np.zeros(users)
    return UnitValues(
        ids=ids,
        variants=np.resize(np.array(variants), users),
        epochs=np.ones(users, dtype=np.int64),
        quantities={},
        numbers={
            name: Numbers(np.asarray(x, dtype=float), np.asarray(y, dtype=float), nothing, nothing)
            for name, (x, y) in numbers.items()
        },
    )


def alike_answers(users: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Each user has one to twelve answers, and dislikes all of them or none."""
    y = rng.integers(1, 13, users).astype(float)
    return np.where(rng.random(users) < 0.4, y, 0.0), y


def test_the_fixed_horizon_test_errs_in_a_share_of_alpha_and_the_sequence_less() -> None:
    rng = np.random.default_rng(1)
    x = (rng.random(400) < 0.3).astype(float)
    test = aa_tests.split(make_units(400, complained=(x, np.zeros(400))), PLAN, splits=600)["complained"]
    assert (test.splits, test.too_few, test.by_part) == (600, 0, None)
    assert test.by_fixed.low is not None
    assert test.by_fixed.high is not None
    assert test.by_fixed.low < PLAN.alpha < test.by_fixed.high
    assert test.by_interval.high is not None
    assert test.by_interval.high < PLAN.alpha


def test_answers_taken_for_users_name_false_winners() -> None:
    metric = Metric(kind="ratio", of="complaints", per="answers", share=True, better="lower", says="x")
    plan = PLAN.model_copy(update={"own_metrics": {"disliked": metric}})
    units = make_units(600, disliked=alike_answers(600, np.random.default_rng(2)))
    test = aa_tests.split(units, plan, splits=400)["disliked"]
    assert test.by_part is not None
    assert test.by_part.low is not None
    assert test.by_part.low > 4 * plan.alpha
    assert test.by_fixed.low is not None
    assert test.by_fixed.low < plan.alpha, "the delta method over users knows that answers are alike"


def test_only_the_arm_with_most_units_is_split_and_metrics_without_numbers_are_absent() -> None:
    rng = np.random.default_rng(3)
    x = (rng.random(300) < 0.5).astype(float)
    units = make_units(300, variants=("v1", "v1", "v2"), liked=(x, np.zeros(300)))
    alone = make_units(300, liked=(x, np.zeros(300)))
    tests = aa_tests.split(units, PLAN, splits=50)
    assert list(tests) == ["liked"]
    kept = units.variants == "v1"
    of_arm = alone._replace(
        ids=[name for name, keep in zip(units.ids, kept, strict=True) if keep],
        variants=units.variants[kept],
        epochs=units.epochs[kept],
        numbers={"liked": Numbers(*(column[kept] for column in units.numbers["liked"]))},
    )
    assert aa_tests.split(of_arm, PLAN, splits=50) == tests


def test_too_few_users_give_no_rate() -> None:
    x = np.resize([0.0, 1.0], 60)
    test = aa_tests.split(make_units(60, liked=(x, np.zeros(60))), PLAN, splits=20)["liked"]
    assert (test.splits, test.too_few) == (20, 20)
    assert test.by_fixed == test.by_interval == Rate(None, None, None)
    with pytest.raises(ValueError, match="no units to split"):
        aa_tests.split(make_units(0), PLAN)


def test_the_interval_of_a_rate_is_exact() -> None:
    """Clopper and Pearson: the upper end for 0 of n is 1 - .025 ** (1 / n)."""
    assert compute_rate([False] * 30) == pytest.approx((0.0, 0.0, 1 - 0.025 ** (1 / 30)))
    assert compute_rate([]) == Rate(None, None, None)
