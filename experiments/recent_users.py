"""Measures recent users as if they had entered an experiment at the start of the last weeks: what `history`
has of them. The flow `prepare` does so once a day, for a sample.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from data.tables import TrafficSummary
from experiments import outcomes
from experiments.estimators import Estimate, estimate
from experiments.history import History, PastMetric
from experiments.metrics import Metric
from experiments.outcomes import PastUsers
from experiments.plan import Plan

DAYS = 28  # of traffic that are read
_MOST_USERS = 20_000  # sampled ones: the error of a variance is then about 1 %
_MEASURED_EVERY = timedelta(days=1)


def measure(
    session: Session,
    plan: Plan,
    measured: Mapping[str, Metric],
    now: datetime,
    days: int = DAYS,
    most_users: int = _MOST_USERS,
) -> History | None:
    """Measure the traffic of the last days, as far as it goes back. None without users."""
    past = outcomes.sum_past(session, plan, measured, now - timedelta(days=days), now, most_users)
    return summarise(past, plan, measured, now)


def summarise(past: PastUsers, plan: Plan, measured: Mapping[str, Metric], now: datetime) -> History | None:
    """Summarise the sums of recent users. None without users."""
    # An installation may be younger: its first day with users is the first day.
    first = next((day for day, users in enumerate(past.arrivals) if users), None)
    if first is None:
        return None
    past_metrics = {}
    for name, metric in measured.items():
        stored = outcomes.LATENCY if metric.kind == "quantile" else name
        past_metric = describe(estimate(metric, past.sums.get(stored, {})), past.closed)
        if past_metric is not None:
            past_metrics[name] = past_metric
    return History(
        measured_at=now,
        arrivals=tuple(past.arrivals[first:]),
        window_hours=plan.window_hours,
        users=past.closed,
        metrics=past_metrics,
    )


def _compute_spread(value: Estimate) -> float | None:
    """The spread of an effect between two arms of such users."""
    variance = value.variance
    if not variance:
        return None
    if value.covariate is not None and value.covariate.variance:
        variance -= value.covariate.covariance**2 / value.covariate.variance
    return 4 * variance if variance > 0 else None


def describe(value: Estimate, closed: int, spread: float | None = None) -> PastMetric | None:
    """A metric of users, of whom the windows of `closed` have closed. None when no user has a value. Without
    `spread`, it is computed.
    """
    if value.mean is None:
        return None
    users = value.users
    return PastMetric(
        mean=value.mean,
        spread=_compute_spread(value) if spread is None else spread,
        with_value=users / closed if closed else 1.0,
        information=None if value.information is None else value.information / users,
        effective_users=None if value.effective_users is None else value.effective_users / users,
    )


def refresh(
    session: Session, plan: Plan, measured: Mapping[str, Metric], now: datetime | None = None
) -> bool:
    """Measure the traffic and store it instead of the stored summary, unless that is younger than a day.
    Returns whether it measured. The caller commits.
    """
    now = now or datetime.now(UTC)
    newest = session.scalar(select(func.max(TrafficSummary.measured_at)))
    if newest is not None and now - newest < _MEASURED_EVERY:
        return False
    history = measure(session, plan, measured, now)
    if history is None:
        return False
    session.execute(delete(TrafficSummary))
    session.add(TrafficSummary(measured_at=now, summary=history.model_dump(mode="json")))
    return True
