"""Revision 0025: the sums of wide latency bins become those of narrow ones, and wide ones on the way back."""

import json
import uuid
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import psycopg
import pytest

from data import database
from experiments.estimators import Sums, estimate
from experiments.metrics import BINS_MS, Metric
from tests import migrations

OLD_MS = tuple(round(20 * 1.2**n, 1) for n in range(42))  # the bins of revision 0021
P95 = Metric(kind="quantile", q=0.95, better="lower", says="x")
COLUMNS = "epoch, variant, metric, bin, n, x, xx, y, yy, xy"


def sum_by_bin(misses: list[np.ndarray]) -> dict[int, Sums]:
    """The sums of the old bins, as revision 0021 stored them."""
    zero, m = Decimal(0), [len(times) for times in misses]
    bins = {0: Sums(len(m), zero, zero, Decimal(sum(m)), Decimal(sum(n * n for n in m)), zero)}
    before = [0] * len(m)
    for number, end in enumerate([*OLD_MS, np.inf], start=1):
        k = [int((times < end).sum()) for times in misses]
        x, xx = sum(k) - sum(before), sum(n * n for n in k) - sum(n * n for n in before)
        xy = sum((n - b) * total for n, b, total in zip(k, before, m, strict=True))
        if x:
            bins[number] = Sums(min(x, len(m)), Decimal(x), Decimal(xx), zero, zero, Decimal(xy))
        before = k
    return bins


def interpolate(bins: dict[int, Sums], q: float) -> float:
    """The quantile by the old bins."""
    counts = np.cumsum([0, *(float(bins[b].x) if b in bins else 0 for b in range(1, len(OLD_MS) + 1))])
    return float(np.interp(q * float(bins[0].y), counts, [0, *OLD_MS]))


@pytest.fixture
def url(new_database: Callable[..., str]) -> str:
    return new_database("0024")


def read(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {COLUMNS} FROM metric_sums ORDER BY 1, 2, 3, 4").fetchall()


def test_a_running_experiment_keeps_its_quantiles(url: str) -> None:
    rng, experiment_id = np.random.default_rng(0), uuid.uuid4()
    misses = [rng.lognormal(6, 0.8, rng.integers(1, 6)) for _ in range(500)] + [np.array([3.0, 1e6])]
    old = sum_by_bin(misses)
    assert {1, len(OLD_MS) + 1} <= old.keys(), "the first bin, and the one beyond the last"
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO experiments (id, name, hypothesis, plan, salt, status)"
            " VALUES (%s, 'x', 'x', %s, 's', 'running')",
            (experiment_id, json.dumps({})),
        )
        rows = [("latency", bin_, *sums[:6]) for bin_, sums in old.items()]
        rows.append(("complained", 0, *[5] * 6))
        for row in rows:
            connection.execute(
                f"INSERT INTO metric_sums (experiment_id, {COLUMNS}) VALUES (%s, 1, 'v1'{', %s' * 8})",
                (experiment_id, *row),
            )
        before = read(connection)
    database.migrate(url)
    with psycopg.connect(url) as connection:
        stored = {row[3]: Sums(*row[4:]) for row in read(connection) if row[2] == "latency"}  # type: ignore[arg-type]
        assert connection.execute("SELECT n FROM metric_sums WHERE metric = 'complained'").fetchone() == (5,)
    for number, end in enumerate(OLD_MS, start=1):
        [new] = [place for place, other in enumerate(BINS_MS, start=1) if abs(other - end) < 0.06]
        for column in ("x", "xx", "xy"):
            expected = sum(getattr(sums, column) for bin_, sums in old.items() if 0 < bin_ <= number)
            assert sum(getattr(sums, column) for bin_, sums in stored.items() if 0 < bin_ <= new) == expected
    assert stored[len(BINS_MS) + 1].x == old[len(OLD_MS) + 1].x
    for q in (0.5, 0.95):
        estimated = estimate(P95.model_copy(update={"q": q}), stored)
        assert estimated.mean == pytest.approx(interpolate(old, q), rel=0.02)
        assert estimated.variance is not None
        assert estimated.variance > 0

    migrations.downgrade(url, "0024")
    with psycopg.connect(url) as connection:
        assert read(connection) == before
