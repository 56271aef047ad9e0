"""What a plan can show, before its experiment starts: users and days needed, the smallest effect within
reach, and whether its margins can be excluded in time. Pure functions of the plan and of recent traffic.
"""

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Reason, reason
from experiments import power
from experiments.history import History
from experiments.metrics import Metric
from experiments.plan import Plan

_RECENT_DAYS = 7  # whose mean number of new users continues the history
_MOST_DAYS = 730
_WORST_SPREAD = 1.0  # of a share: 4 times the variance, which is at most 1/4 for values between 0 and 1
_ROUNDS = 20  # of the search for n_star, which converges in a few


class MarginOutlook(BaseModel):
    """How long it takes to exclude a loss of a metric's margin, if both versions are equally good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float
    days: float | None = Field(
        description="days until then, with the plan's power; None: more than two years"
    )
    smallest: float | None = Field(
        description="smallest loss that can be excluded within the plan's maximum_days; None: none"
    )
    is_assumed: bool = Field(description="how much users differ is not known: the worst case is assumed")


class Outlook(BaseModel):
    """What a plan can show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users_in_time: float | None = Field(
        description="users whose windows close within the plan's maximum_days; None: not known how many come"
    )
    users_needed: float | None = Field(
        description="users who detect the plan's smallest effect with its power; users without a value of the"
        " primary metric are included"
    )
    users_needed_fixed: float | None = Field(
        description="the same in a test with one analysis at a time that is fixed in advance"
    )
    days_needed: float | None = Field(
        description="with ramp, window and minimum_days; None: more than two years, or not known"
    )
    detectable: float | None = Field(
        description="smallest effect on the primary metric that the plan detects within its maximum_days"
    )
    n_star: int | None = Field(description="the n_star with which the fewest users are needed")
    margins: Mapping[str, MarginOutlook] = Field(description="of the primary metric and the guardrails")
    unknown: tuple[str, ...] = Field(description="metrics of the plan of which nothing is known yet")
    is_assumed: bool = Field(description="how users differ in the primary metric is assumed: the worst case")
    warnings: tuple[Reason, ...]


def forecast(
    plan: Plan,
    measured: Mapping[str, Metric],
    history: History | None,
    past_spread: Mapping[str, float],
    users_a_day: float | None = None,
    challengers: int = 1,
) -> Outlook:
    """The outlook of a plan with so many challengers, each of which is compared with the champion.

    `past_spread` is that of earlier experiments by metric, for those that `history` lacks. `users_a_day`, new
    users in the experiment on each day with the whole ramp, replaces the arrivals of the history. Without
    either, nothing is known about days.
    """
    arrivals: Sequence[float] = [plan.traffic_share * users for users in history.arrivals] if history else ()
    if users_a_day is not None:
        arrivals = [users_a_day]
    plan = plan.for_each_of(challengers)
    part = 2 / (1 + challengers)  # of the experiment's users: those of the champion and of one challenger
    arrivals = [part * users for users in arrivals]
    curve = _accumulate(arrivals, plan) if arrivals else []
    # The window of the last users must close before the end.
    in_time = _count_at(curve, plan.maximum_days - plan.window_hours / 24) if curve else None
    spread_of_each = {name: _find_spread(name, measured, history, past_spread) for name in measured}
    spreads = {name: spread for name, spread in spread_of_each.items() if spread is not None}
    shares = {
        name: history.metrics[name].with_value if history and name in history.metrics else 1.0
        for name in measured
    }
    names = {plan.primary: plan.harm_margin, **plan.guardrails}
    unknown = tuple(name for name in names if name not in spreads)

    def compute_detectable(name: str) -> float | None:
        users, (spread, _) = (in_time or 0.0) * shares[name], spreads[name]
        if users < 2 * plan.minimum_users_an_arm:
            return None
        smallest = power.compute_detectable_effect(users, spread, plan.alpha, plan.power, plan.n_star)
        return smallest if smallest < measured[name].largest else None

    def compute_days(name: str, effect: float) -> tuple[float, float | None]:
        """The users needed for an effect, those without a value included, and the days until then."""
        parameters = plan.alpha, plan.power, plan.n_star
        needed = power.compute_sequential_sample(effect, spreads[name][0], *parameters)
        needed = max(needed, 2 * plan.minimum_users_an_arm) / shares[name] if shares[name] else math.inf
        return needed, _find_day(curve, needed, plan)

    margins = {}
    for name, margin in names.items():
        if name not in spreads or margin >= measured[name].largest:
            continue  # a margin of 1 for a share asks nothing of it
        margins[name] = MarginOutlook(
            margin=margin,
            days=compute_days(name, margin)[1],
            smallest=compute_detectable(name),
            is_assumed=spreads[name][1],
        )
    needed = days = fixed = detectable = n_star = None
    is_assumed = False
    if plan.primary in spreads:
        spread, is_assumed = spreads[plan.primary]
        needed, days = compute_days(plan.primary, plan.smallest_effect)
        share = shares[plan.primary] or 1.0
        fixed = power.compute_fixed_sample(plan.smallest_effect, spread, plan.alpha, plan.power) / share
        detectable = compute_detectable(plan.primary)
        n_star = propose_n_star(plan, spread)
    return Outlook(
        users_in_time=None if in_time is None else in_time / part,
        users_needed=needed / part if needed is not None and math.isfinite(needed) else None,
        users_needed_fixed=None if fixed is None else fixed / part,
        days_needed=days,
        detectable=detectable,
        n_star=n_star,
        margins=margins,
        unknown=unknown,
        is_assumed=is_assumed,
        warnings=tuple(_warn(plan, margins, in_time / part)) if in_time is not None else (),
    )


def _find_spread(
    name: str, measured: Mapping[str, Metric], history: History | None, past_spread: Mapping[str, float]
) -> tuple[float, bool] | None:
    """The spread of a metric, and whether it is the worst that is possible. None when nothing is known of an
    amount.
    """
    past = history.metrics.get(name) if history else None
    if past is not None and past.spread is not None:
        return past.spread, False
    if name in past_spread:
        return past_spread[name], False
    if measured[name].largest != 1.0:
        return None
    if history is None or past is None:
        return _WORST_SPREAD, True
    # No user differs from another, so the event is rare: "if nothing goes wrong, is everything all right?"
    # (Hanley and Lippman-Hand, JAMA 1983).
    rate = min(0.5, 3 / max(1.0, history.users * past.with_value))
    return 4 * rate * (1 - rate), True


def propose_n_star(plan: Plan, spread: float) -> int | None:
    """The `n_star` that equals the users with a value whom it needs: the interval is narrowest when it has to
    decide. None when no number of users detects the plan's smallest effect.
    """
    n_star = float(plan.n_star)
    for _ in range(_ROUNDS):
        n_star = power.compute_sequential_sample(
            plan.smallest_effect, spread, plan.alpha, plan.power, max(1, round(n_star))
        )
        if not math.isfinite(n_star):
            return None
    return max(1, round(n_star))


def _accumulate(arrivals: Sequence[float], plan: Plan) -> list[float]:
    """Users who have entered by the end of each day, from day 0 on, which has none.

    A step of the ramp lets more of the users in, and each of them enters with the next answer: as the users
    of the history did after its start. After the history, new users come at the rate of its last days.
    """
    recent = arrivals[-_RECENT_DAYS:]
    later = sum(recent) / len(recent)
    daily = [arrivals[day] if day < len(arrivals) else later for day in range(_MOST_DAYS)]
    total = [0.0]
    for users in daily:
        total.append(total[-1] + users)
    steps = [(index * plan.hours_a_step / 24, share) for index, share in enumerate(plan.ramp)]
    entered = []
    for day in range(_MOST_DAYS + 1):
        users, before = 0.0, 0.0
        for begins, share in steps:
            users += (share - before) * _count_at(total, day - begins)
            before = share
        entered.append(users)
    return entered


def _count_at(curve: Sequence[float], day: float) -> float:
    """The users at a time, in days, between the values at whole days."""
    if day <= 0:
        return 0.0
    whole = min(int(day), len(curve) - 1)
    after = curve[min(whole + 1, len(curve) - 1)]
    return curve[whole] + (day - whole) * (after - curve[whole]) if day < len(curve) else curve[-1]


def _find_day(curve: Sequence[float], users: float, plan: Plan) -> float | None:
    """The day on which the windows of so many users have closed, at least `minimum_days` after the first."""
    window = plan.window_hours / 24
    day = next((day for day, count in enumerate(curve) if count >= users > 0), None)
    if day is None:
        return None
    before = curve[day - 1] if day else 0.0
    exact = day - 1 + (users - before) / (curve[day] - before) if day else 0.0
    return max(exact, plan.minimum_days) + window


def _warn(plan: Plan, margins: Mapping[str, MarginOutlook], in_time: float) -> list[Reason]:
    warnings = []
    for name, margin in margins.items():
        if margin.days is not None and margin.days <= plan.maximum_days:
            continue
        users, days = round(in_time), plan.maximum_days
        warnings.append(
            reason("margin_out_of_reach", users=users, metric=name, margin=margin.margin, days=days)
            if margin.smallest is None
            else reason(
                "margin_too_small",
                users=users,
                metric=name,
                margin=margin.margin,
                days=days,
                smallest=margin.smallest,
            )
        )
    return warnings
