"""Caps by percentile: the most that one user may count, fixed before the outcomes that it caps.

A cap from the experiment's own data would change with each analysis, and the sums of closed windows could not
follow. So it comes from the users' days before the start, is stored with the experiment, and stays.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.tables import Experiment
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.user_days import summarise

_FEWEST_ABOVE = 10  # users above the percentile; with fewer, chance sets the cap

# Of the units with some of the quantity: of a rare one, most users have none, and a percentile of 0 would cap
# everything.
_PERCENTILE = """
    SELECT percentile_disc(CAST(:percentile AS float8)) WITHIN GROUP (ORDER BY value), count(*)
    FROM (
        SELECT sum({quantity}) AS value FROM user_days WHERE day >= :first AND day < :last
        GROUP BY CASE WHEN :is_organisation THEN organisation_id ELSE user_id END
    ) AS units
    WHERE value > 0
"""


def fix_caps(
    session: Session,
    experiment: Experiment,
    plan: Plan,
    measured: Mapping[str, Metric],
    *,
    is_organisation: bool,
    now: datetime,
) -> dict[str, Metric]:
    """The metrics with the experiment's caps in place of percentiles; without a cap where too few users had
    the quantity before the start. The first call sets the caps. The caller commits.

    The percentile is of what users did in the whole days before the start, as many as a window has.
    """
    by_percentile = {name: metric for name, metric in measured.items() if metric.cap_percentile is not None}
    if experiment.caps is None:
        # Windows that closed before this release knew caps have none, so the later ones have none, either.
        is_new = experiment.seen_until == 0
        experiment.caps = (
            _read_percentiles(session, experiment.started_at or now, plan, by_percentile, is_organisation)
            if is_new and by_percentile
            else {}
        )
    return apply(measured, experiment.caps)


def apply(measured: Mapping[str, Metric], caps: Mapping[str, float]) -> dict[str, Metric]:
    """The metrics with an experiment's caps in place of percentiles; without a cap where it has none."""
    fixed = {
        name: metric.model_copy(update={"cap": caps.get(name), "cap_percentile": None})
        for name, metric in measured.items()
        if metric.cap_percentile is not None
    }
    return {**measured, **fixed}


def _read_percentiles(
    session: Session,
    start: datetime,
    plan: Plan,
    by_percentile: Mapping[str, Metric],
    is_organisation: bool,
) -> dict[str, float]:
    days = timedelta(days=math.ceil(plan.window / timedelta(days=1)))
    summarise(session, start - days, start)
    last = start.astimezone(UTC).date()
    caps = {}
    for name, metric in by_percentile.items():
        assert metric.of is not None
        assert metric.cap_percentile is not None
        quantity = "answers + failures" if metric.of == "requests" else metric.of
        parameters = {
            "percentile": metric.cap_percentile,
            "first": last - days,
            "last": last,
            "is_organisation": is_organisation,
        }
        cap, units = session.execute(text(_PERCENTILE.format(quantity=quantity)), parameters).one()
        if round(units * (1 - metric.cap_percentile), 6) >= _FEWEST_ABOVE:
            caps[name] = float(cap)
    return caps
