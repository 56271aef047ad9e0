"""Computes the outlook of a plan: pure functions of the plan and of recent traffic."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy import optimize, special, stats

from data.reasons import Reason, reason
from experiments import effects, power
from experiments.estimators import FEWEST_EVENTS, FEWEST_PARTS, Estimate
from experiments.history import History, PastMetric
from experiments.metrics import Metric
from experiments.outlook import MarginOutlook, Outlook
from experiments.plan import Plan

_RECENT_DAYS = 7  # whose mean number of new users continues the history
_MOST_DAYS = 730
_WORST_SPREAD = 1.0  # of a share: 4 times the variance, which is at most 1/4 for values between 0 and 1
_MOST_USERS, _MOST_EVENTS = 1e9, 50  # of a bound: with more events, there is an interval
_ROUNDS = 20  # of the search for n_star, which converges in a few


def forecast(
    plan: Plan,
    measured: Mapping[str, Metric],
    history: History | None,
    earlier: Mapping[str, PastMetric],
    users_a_day: float | None = None,
    challengers: int = 1,
) -> Outlook:
    """The outlook of a plan with so many challengers, each of which is compared with the champion.

    `earlier` has the metrics of earlier experiments, for those that `history` lacks. `users_a_day`, new
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
    names = {plan.primary: plan.harm_margin, **plan.guardrails}
    reaches = {
        name: _Reach(known, measured[name], plan)
        for name in names
        if (known := _find_differences(name, measured[name], history, earlier)) is not None
    }
    unknown = tuple(name for name in names if name not in reaches)

    def find_day(name: str, users: float) -> tuple[float, float | None]:
        """The users in both arms together, those without a value included, and the day that has them."""
        with_value = reaches[name].known.with_value
        users = users / with_value if with_value else math.inf
        return users, _find_day(curve, users, plan)

    def find_smallest(name: str, sought: float | None) -> float | None:
        """An effect or a loss, unless it is as large as any that is possible."""
        return sought if sought is not None and sought < measured[name].largest else None

    margins = {}
    for name, margin in names.items():
        if name not in reaches or margin >= measured[name].largest:
            continue  # a margin of 1 for a share asks nothing of it
        reach = reaches[name]
        margins[name] = MarginOutlook(
            margin=margin,
            days=find_day(name, reach.count_to_exclude(margin))[1],
            smallest=find_smallest(name, reach.compute_excluded((in_time or 0.0) * reach.known.with_value)),
            is_assumed=reach.known.is_assumed,
        )
    needed = days = fixed = detectable = n_star = None
    is_assumed = False
    if plan.primary in reaches:
        reach = reaches[plan.primary]
        spread, is_assumed, with_value = reach.known.spread, reach.known.is_assumed, reach.known.with_value
        needed, days = find_day(plan.primary, reach.count_to_detect(plan.smallest_effect))
        fixed = power.compute_fixed_sample(plan.smallest_effect, spread, plan.alpha, plan.power)
        fixed /= with_value or 1.0
        detectable = find_smallest(plan.primary, reach.compute_detectable((in_time or 0.0) * with_value))
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


class _Differences(NamedTuple):
    """How users differ in a metric."""

    spread: float  # of an effect (`experiments.power`)
    is_assumed: bool  # the spread is the worst that is possible
    with_value: float = 1.0  # share of the users
    rate: float | None = None  # mean of the metric; None: not known
    information: float | None = None  # of a user with a value (`history.PastMetric`); None: not known
    effective_users: float = 1.0  # for each user with a value
    measured: float = math.inf  # information of all users of the history; infinite: nothing is estimated


def _find_differences(
    name: str, metric: Metric, history: History | None, earlier: Mapping[str, PastMetric]
) -> _Differences | None:
    """How users differ in a metric. None when nothing is known of an amount."""
    past = history.metrics.get(name) if history else None
    if history is not None and past is not None and past.spread is not None:
        return _describe(past, past.spread, history.users * past.with_value)
    if name in earlier and (spread := earlier[name].spread) is not None:
        return _describe(earlier[name], spread)
    if metric.largest != 1.0:
        return None
    if history is None or past is None:
        return _Differences(_WORST_SPREAD, True)
    return _assume_rare(history.users, past)


def _describe(past: PastMetric, spread: float, users: float = math.inf) -> _Differences:
    """How users differ, as so many with a value did."""
    return _Differences(
        spread=spread,
        is_assumed=False,
        with_value=past.with_value,
        rate=past.mean,
        information=past.information,
        effective_users=past.effective_users or 1.0,
        measured=users * past.information if past.information else math.inf,
    )


def _assume_rare(users: int, past: PastMetric) -> _Differences:
    """The most that users may differ in a share of which the history has no event: no user differs from
    another, so the event is rare. "If nothing goes wrong, is everything all right?" (Hanley and
    Lippman-Hand, JAMA 1983).
    """
    effective_users = past.effective_users or 1.0
    rate = min(0.5, 3 / max(1.0, users * past.with_value))
    return _Differences(
        spread=4 * rate * (1 - rate) / effective_users,
        is_assumed=True,
        with_value=past.with_value,
        rate=rate,
        information=rate * effective_users / FEWEST_EVENTS,
        effective_users=effective_users,
    )


def _compute_mean(fewest: float, probability: float, seen: float = math.inf) -> float:
    """The mean number with which each of two arms has at least `fewest`, with a probability for both
    together, by an estimate from as many as were `seen` before.

    Events and users come like Poisson's, whose means are quantiles of the gamma distribution. An estimate
    from few events is uncertain, so the mean is larger: with a gamma distribution of the rate, too, the share
    of the events that come in the arm, of those in the arm and those seen, is a quantile of the beta
    distribution.
    """
    level = math.sqrt(probability)
    if math.isinf(seen):
        return float(special.gammaincinv(fewest, level))
    share = float(special.betaincinv(fewest, seen, level))
    return seen * share / (1 - share) if share < 1 else math.inf


class _Reach:
    """What users show in a metric, with the plan's power, if there is no difference. Numbers of users are of
    both arms together, with a value.

    `effects.compare_arms` has no interval before each arm holds enough information. Until then, a loss in a
    share is excluded by `effects.bound_loss_of_share`, and nothing is known of an amount.
    """

    def __init__(self, known: _Differences, metric: Metric, plan: Plan) -> None:
        self.known, self._metric, self._plan = known, metric, plan
        self._parameters = plan.alpha, plan.power, plan.n_star
        self._begin = self._count_to_begin(plan.power)
        is_rare = known.information is not None and known.rate is not None and 0 < known.rate < 1
        self._has_bound = metric.is_share and is_rare
        self._last = min(self._begin, _MOST_USERS)  # of whom the bound is computed
        self._earliest = self._count_to_begin(1 - plan.power)

    def _count_to_begin(self, probability: float) -> float:
        """The users with whom both arms have enough information with a probability."""
        information, effective = self.known.information, self.known.effective_users
        fewest = self._plan.minimum_users_an_arm
        if information is None:
            return 2 * fewest / effective
        if not information:
            return math.inf
        q = self._metric.q
        # Of a quantile, the effective users who make up the information are counted.
        least = FEWEST_EVENTS if self._metric.is_share else FEWEST_PARTS
        parts = least if q is None else FEWEST_EVENTS / min(q, 1 - q)
        return 2 * max(
            _compute_mean(fewest, probability) / effective,
            _compute_mean(parts, probability, self.known.measured * parts) / parts / information,
        )

    def count_to_detect(self, effect: float) -> float:
        """The users who show an effect of this size."""
        needed = power.compute_sequential_sample(effect, self.known.spread, *self._parameters)
        return max(needed, self._begin)

    def count_to_exclude(self, margin: float) -> float:
        """The users who exclude a loss of this size."""
        by_interval = power.compute_sequential_sample(margin, self.known.spread, *self._parameters)
        by_bound = self._count_to_bound(margin)
        # Before the interval, the bound decides. When it may have begun, both must do.
        return by_bound if by_bound <= self._earliest else max(by_interval, min(by_bound, self._begin))

    def compute_detectable(self, users: float) -> float | None:
        """The smallest effect that users show; None before there is an interval."""
        if users < self._begin:
            return None
        return power.compute_detectable_effect(users, self.known.spread, *self._parameters)

    def compute_excluded(self, users: float) -> float | None:
        """The smallest loss that users exclude; None when they exclude none."""
        if users >= self._begin or not self._has_bound or not users:
            return self.compute_detectable(users)
        events = int(stats.poisson.ppf(self._plan.power, self._expect_events(users)))
        bound = self._bound_loss(users, events)
        if users <= self._earliest:
            return bound
        return max(bound, power.compute_detectable_effect(users, self.known.spread, *self._parameters))

    def _count_to_bound(self, margin: float) -> float:
        """The users with whom `effects.bound_loss_of_share` excludes a loss before there is an interval;
        infinite when it does not.
        """
        if not self._has_bound or margin <= self._rate or self._bound_loss(self._last, 0) > margin:
            return math.inf
        for events in range(_MOST_EVENTS):
            users = self._count_with(events, margin)
            if users >= self._last:
                break
            # Few enough events, with the probability `power`.
            if stats.poisson.cdf(events, self._expect_events(users)) >= self._plan.power:
                return users
        return math.inf

    def _count_with(self, events: int, margin: float) -> float:
        """The users of whom so many events exclude a loss, at most those with whom an interval begins."""

        def compute_excess(log_users: float) -> float:
            return self._bound_loss(math.exp(log_users), events) - margin

        # An arm has at least as many users as events.
        fewest = 2 * max(1.0, events * self._dispersion) / self.known.effective_users
        if fewest >= self._last or self._bound_loss(self._last, events) > margin:
            return self._last
        if self._bound_loss(fewest, events) <= margin:
            return fewest
        log_users = optimize.brentq(compute_excess, math.log(fewest), math.log(self._last), xtol=1e-6)
        return math.exp(float(log_users))

    @property
    def _rate(self) -> float:
        """Of the event or its absence, the rarer one: both are shares, whose bounds mirror each other."""
        assert self.known.rate is not None
        return min(self.known.rate, 1 - self.known.rate)

    @property
    def _dispersion(self) -> float:
        """The variance of the number of events over its mean, in an arm's effective users: 1 for Poisson's.
        As many events count as one. A share varies less, and values between 0 and 1 even less.
        """
        return max(1.0, self.known.effective_users * self.known.spread / 4 / self._rate)

    def _expect_events(self, users: float) -> float:
        """The mean number of events of an arm, each as large as the dispersion."""
        return users / 2 * self.known.effective_users * self._rate / self._dispersion

    def _bound_loss(self, users: float, events: int) -> float:
        """The loss in a share that users do not exclude, when the worse arm has so many events. The other arm
        has none, which is nearly so for a rare event.
        """
        effective = users / 2 * self.known.effective_users
        shares = 0.0, min(events * self._dispersion / effective, 1.0)
        baseline, challenger = (
            Estimate(users=1, mean=share, variance=None, effective_users=effective) for share in shares
        )
        return effects.bound_loss_of_share([(baseline, challenger)], self._plan.alpha, "lower")


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
