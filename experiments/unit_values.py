"""What each unit of an experiment did, for those who look for a metric.

Analyses store sums only, so the units are counted anew, by the queries that counted them. Nothing is stored.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from experiments import metrics, outcomes
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.plan import Plan

_MOST_UNITS = 20_000  # a sample: the error of a variance is then about 1 %

Floats = NDArray[np.float64]


class Numbers(NamedTuple):
    """A metric's numbers of the units, each of shape (units,): x and y, and u and v, those of a ratio before
    the unit entered (`estimators.Sums`). x is NaN for a unit without a value.
    """

    x: Floats
    y: Floats
    u: Floats
    v: Floats

    def values(self, metric: Metric) -> Floats:
        """Each unit's value, shape (units,): x, or x / y of a ratio. NaN for a unit without one."""
        if metric.kind != "ratio":
            return self.x
        return np.divide(self.x, self.y, out=np.full_like(self.x, np.nan), where=self.y != 0)


class UnitValues(NamedTuple):
    """Units whose windows have closed. All arrays have the shape (units,)."""

    ids: list[uuid.UUID]
    variants: NDArray[np.str_]
    epochs: NDArray[np.int64]
    quantities: dict[str, Floats]  # by column of `metrics.COLUMNS`, as an expression sees it; NaN for NULL
    numbers: dict[str, Numbers]  # by metric; a quantile has none


def read(
    session: Session,
    experiment_id: uuid.UUID,
    plan: Plan,
    measured: Mapping[str, Metric],
    most: int = _MOST_UNITS,
) -> UnitValues:
    """The quantities and the metrics of an experiment's units, of a random sample if there are more than
    `most`. `measured` may have metrics that the experiment's plan lacks. A metric with a cap is there without
    it, too (`metrics.with_uncapped`). A cap by percentile is not applied.

    The caller rolls back (`outcomes.count_again`).
    """
    outcomes.count_again(session, experiment_id, plan, most)
    all_metrics = metrics.with_uncapped(measured)
    summed = {name: metric for name, metric in all_metrics.items() if metric.kind != "quantile"}
    selected = [column.sql for column in metrics.COLUMNS.values()]
    for metric in summed.values():
        selected += [metric.x, metric.y, metric.u, metric.v]
    query = f"""
        SELECT unit_id, variant, epoch, {", ".join(f"({value})::float8" for value in selected)}
        FROM quantities ORDER BY md5(unit_id::text), period
    """  # noqa: S608 (nothing of it comes from outside)
    rows = session.execute(text(query)).all()
    session.execute(text("DROP TABLE window_answers, quantities, closing"))
    values = np.array([row[3:] for row in rows], dtype=float).reshape(len(rows), len(selected)).T
    first = len(metrics.COLUMNS)
    return UnitValues(
        ids=[row.unit_id for row in rows],
        variants=np.array([row.variant for row in rows], dtype=np.str_),
        epochs=np.array([row.epoch for row in rows], dtype=np.int64),
        quantities=dict(zip(metrics.COLUMNS, values[:first], strict=True)),
        numbers={
            name: Numbers(*values[first + 4 * place : first + 4 * place + 4])
            for place, name in enumerate(summed)
        },
    )


def estimate_arms(
    units: UnitValues, name: str, metric: Metric, chosen: NDArray[np.bool_]
) -> list[list[Estimate]]:
    """Estimate a metric of chosen units as an analysis does, once for each row of `chosen`, which has the
    shape (choices, units). Returns the estimates by choice and epoch.
    """
    numbers = units.numbers[name]
    has_value = ~np.isnan(numbers.x)
    x, y, u, v = (np.nan_to_num(column) for column in numbers)
    one = np.ones_like(x)
    factors = (
        (one, one), (x, one), (x, x), (y, one), (y, y), (x, y), (u, one), (u, u), (v, one), (v, v), (u, v),
        (x, u), (x, v), (y, u), (y, v),
    )  # fmt: skip
    products = np.stack([first * second * has_value for first, second in factors], axis=1)
    by_epoch = [(chosen & (units.epochs == epoch)) @ products for epoch in np.unique(units.epochs)]
    return [
        [estimate(metric, {0: Sums(int(n), *map(Decimal, sums))}) for n, *sums in epochs]
        for epochs in np.stack(by_epoch, axis=1).tolist()
    ]
