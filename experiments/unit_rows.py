"""What each unit of an experiment did: the rows whose sums the analyses store, read by a query of its own."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.tables import Experiment
from data.traffic.answers import floor
from experiments.caps import apply
from experiments.metrics import with_uncapped
from experiments.outcomes import (
    ANSWERS,
    OWN_ARM,
    OWN_QUANTITIES,
    SET_COSTS,
    compute_grace,
    is_between_organisations,
)
from experiments.plan import Plan
from experiments.user_days import ALL_DAYS


class Numbers(NamedTuple):
    """A unit's numbers of a metric, of whose products the sums are; x is None for a unit without a value.

    x is the value, or the numerator of a ratio. y is the denominator of a ratio, else the same quantity
    before the unit entered. u and v are a ratio's x and y before it entered.
    """

    x: Decimal | None
    y: Decimal = Decimal(0)
    u: Decimal = Decimal(0)
    v: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit (a user, or an organisation) of an experiment, and what it did within its window.

    `numbers` has the metrics without quantiles, by name; it is empty while the unit does not count yet.
    `latencies_ms` are those of its misses, for the quantiles. `past_log_ms` is the sum of their logarithms
    before the unit entered, and `past_misses` their number.
    """

    unit_id: uuid.UUID
    epoch: int
    variant: str
    entered_at: datetime
    closes_at: datetime
    counts_from: datetime
    is_moved: bool
    numbers: Mapping[str, Numbers]
    latencies_ms: tuple[float, ...]
    past_log_ms: Decimal
    past_misses: int


# Without statistics of its parts, Postgres would compile the query below, which takes seconds.
_COMPILE_NOTHING = text("SELECT set_config('jit', 'off', true)")
# Reads the units and their numbers in one query that stores nothing, by the rules of `outcomes.refresh`. Its
# parts read `closing` and `user_days`, which are no tables here. A sample is drawn by a hash of the ids. The
# last joins are of materialized parts: where Postgres expects a single unit, it would compute them again for
# each unit.
_UNIT_ROWS = f"""
    WITH seen AS (
        SELECT CASE WHEN :is_organisation THEN organisation_id ELSE user_id END AS unit_id, 0 AS period,
               variant, epoch, exposed_at, answer_id
        FROM exposures WHERE experiment_id = :experiment_id AND transaction < CAST(:until AS xid8)
    ),
    entries AS MATERIALIZED (
        SELECT DISTINCT ON (unit_id) unit_id, period, epoch, variant, exposed_at AS entered_at
        FROM seen ORDER BY unit_id, exposed_at, answer_id
    ),
    others AS MATERIALIZED (
        SELECT DISTINCT unit_id, true AS is_moved FROM seen JOIN entries USING (unit_id)
        WHERE seen.variant <> entries.variant
    ),
    closing AS MATERIALIZED (
        SELECT *, entered_at + make_interval(secs => :window_s) AS closes_at
        FROM entries WHERE entered_at <= :entered_until
        ORDER BY md5(unit_id::text) LIMIT :most
    ),
    window_answers AS MATERIALIZED ({ANSWERS.format(own_arm=OWN_ARM.format(table="a"))}),
    user_days AS MATERIALIZED ({ALL_DAYS}),
    quantities AS ({OWN_QUANTITIES}),
    latencies AS MATERIALIZED (
        SELECT unit_id, array_agg(total_ms ORDER BY id) AS latencies_ms
        FROM window_answers WHERE cache = 'miss' GROUP BY unit_id
    ),
    numbers AS MATERIALIZED (
        SELECT unit_id, true AS is_counted, coalesce(before_log_ms, 0) AS past_log_ms,
               coalesce(before_misses, 0)::bigint AS past_misses{{values}}
        FROM quantities
    )
    SELECT * FROM entries LEFT JOIN others USING (unit_id) LEFT JOIN numbers USING (unit_id)
    LEFT JOIN latencies USING (unit_id) ORDER BY entered_at, unit_id
"""  # noqa: S608 (nothing of it comes from outside)


def select_units(
    session: Session,
    experiment_id: uuid.UUID,
    plan: Plan,
    at: datetime,
    values: Mapping[str, str],
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Select the units whom the analyses have seen, in the order in which they entered. Those whose windows
    had closed at the time `at` are counted, as at an analysis then, or a random sample of `most` of them.

    `values` has SQL expressions over the columns of `metrics.COLUMNS`, by the name of their column in the
    result, which is NULL for a unit that is not counted (`is_counted`).

    They are read from the exposures, answers, failures and votes, by the rules of `outcomes.refresh`. Only
    the last analysed exposure is read from the experiment. Nothing is stored, so a read-only transaction
    suffices. A plan with another window gives what an analysis with this window would have counted. The
    holdout is not supported, since its users enter each epoch anew.
    """
    parameters = {
        "experiment_id": experiment_id,
        "is_organisation": is_between_organisations(session, experiment_id),
        "is_holdout": False,
        "until": str(session.get_one(Experiment, experiment_id).seen_until),
    }
    begin = session.scalar(
        text("SELECT min(exposed_at) FROM exposures WHERE experiment_id = :experiment_id"), parameters
    )
    if begin is None:
        return []
    parameters |= {
        "begin": begin,
        "end": at,
        "first": floor(begin),
        "last": floor(at + timedelta(seconds=1)),
        "first_past": floor((begin - plan.past).astimezone(UTC).date()),
        "window_s": plan.window.total_seconds(),
        "past_s": plan.past.total_seconds(),
        "entered_until": at - plan.window - compute_grace(plan),
        "most": most,
    }
    query = _UNIT_ROWS.format(
        values="".join(f", {expression} AS {column}" for column, expression in values.items())
    )
    session.execute(SET_COSTS)
    session.execute(_COMPILE_NOTHING)
    return [dict(row) for row in session.execute(text(query), parameters).mappings()]


def read_units(session: Session, experiment_id: uuid.UUID, plan: Plan, at: datetime) -> list[UnitRow]:
    """Read the units of `select_units`, with the numbers of all metrics of the plan. Their sums are those
    that `outcomes.refresh` stores (`experiments.recount`). The caps are those of the experiment.
    """
    caps = session.get_one(Experiment, experiment_id).caps or {}
    columns: dict[str, str] = {}  # columns of the numbers, by expression
    columns_of_each = {
        name: [columns.setdefault(n, f"v{len(columns)}") for n in (metric.x, metric.y, metric.u, metric.v)]
        for name, metric in with_uncapped(apply(plan.all_metrics, caps)).items()
        if metric.kind != "quantile"
    }

    def build_row(row: Mapping[str, Any]) -> UnitRow:
        entered_at = row["entered_at"].astimezone(UTC)
        closes_at = entered_at + plan.window
        return UnitRow(
            unit_id=row["unit_id"],
            epoch=row["epoch"],
            variant=row["variant"],
            entered_at=entered_at,
            closes_at=closes_at,
            counts_from=closes_at + compute_grace(plan),
            is_moved=row["is_moved"] is not None,
            numbers={
                name: Numbers(*(row[column] for column in names)) for name, names in columns_of_each.items()
            }
            if row["is_counted"]
            else {},
            latencies_ms=tuple(row["latencies_ms"] or ()),
            past_log_ms=row["past_log_ms"] or Decimal(0),
            past_misses=row["past_misses"] or 0,
        )

    values = {column: expression for expression, column in columns.items()}
    return [build_row(row) for row in select_units(session, experiment_id, plan, at, values)]
