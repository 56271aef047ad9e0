"""What each unit of an experiment did, for those who look for a metric.

Analyses store sums only, so the units are read again (`unit_rows`). Nothing is stored.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from data.tables import Analysis
from experiments import metrics
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.unit_rows import select_units

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
    at: datetime | None = None,
    most: int = _MOST_UNITS,
) -> UnitValues:
    """The quantities and the metrics of an experiment's units whose windows had closed at the time `at`, by
    default that of the newest analysis; of a random sample if there are more than `most`. There are none
    before the first analysis. `measured` may have metrics that the experiment's plan lacks. A metric with a
    cap is there without it, too (`metrics.with_uncapped`). A cap by percentile is not applied.
    """
    if at is None:
        analyses = select(func.max(Analysis.analysed_at)).where(Analysis.experiment_id == experiment_id)
        at = session.scalar(analyses)
    all_metrics = metrics.with_uncapped(measured)
    summed = {name: metric for name, metric in all_metrics.items() if metric.kind != "quantile"}
    expressions = [column.sql for column in metrics.COLUMNS.values()]
    for metric in summed.values():
        expressions += [metric.x, metric.y, metric.u, metric.v]
    columns = {f"v{place}": f"({expression})::float8" for place, expression in enumerate(expressions)}
    selected = select_units(session, experiment_id, plan, at, columns, most) if at is not None else []
    rows = sorted((row for row in selected if row["is_counted"]), key=lambda row: row["unit_id"])
    values = np.array([[row[column] for column in columns] for row in rows], dtype=float)
    values = values.reshape(len(rows), len(columns)).T
    first = len(metrics.COLUMNS)
    return UnitValues(
        ids=[row["unit_id"] for row in rows],
        variants=np.array([row["variant"] for row in rows], dtype=np.str_),
        epochs=np.array([row["epoch"] for row in rows], dtype=np.int64),
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
