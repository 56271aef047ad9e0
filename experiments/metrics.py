"""The metrics of experiments: the definitions in `configs/metrics.yaml`, as SQL expressions.

A user's *quantities* are counted once, when the user's window closes (`experiments.outcomes`). A metric
computes two numbers from them, x and y. Only sums of these numbers are stored (`experiments.estimators`).
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

import configs
from data.reasons import ReasonedError

FILE = Path(__file__).parent.parent / "configs" / "metrics.yaml"

Quantity = Literal[
    "requests",
    "answers",
    "misses",
    "fallbacks",
    "failures",
    "repeats",
    "service_s",
    "cost_mills",
    "votes",
    "score",
    "likes",
    "complaints",
    "edits",
    "edit_distance",
    "vote_hours",
]
# The quantities of votes also exist for the time before entry: votes are few, and have an index by user.
_OF_VOTES = {"votes", "score", "likes", "complaints", "edits", "edit_distance"}
# So do these quantities of requests, by whole days (`experiments.user_days`).
_OF_REQUESTS = {"requests", "answers", "misses", "fallbacks", "failures", "repeats", "service_s"}
_WITH_PAST = _OF_VOTES | _OF_REQUESTS
VOTE_TIMING = "vote_hours"  # the metric that shows whether the arms' users vote at different times
# Quantities that are parts of others.
_SHARES = {("failures", "requests"), ("fallbacks", "answers"), ("repeats", "answers")}
# Upper ends of the latency bins of misses, in milliseconds, from 1 ms to 35 s: each is 1.2^(1/10) times the
# one before, so a quantile is less than 2 % off. Bins without a miss are not stored. Every tenth end was one
# before revision 0025, too.
BINS_MS = tuple(round(20 * 1.2 ** (n / 10), 3) for n in range(-160, 411))


class MetricError(ReasonedError, ValueError):
    """The fields of a metric do not fit together."""


class Metric(configs.StageConfig):
    """The definition of a metric.

    proportion  share of the exposed users whose quantity is above 0
    mean        mean of a quantity, over the users with a value
    ratio       sum of a quantity divided by the sum of another, `per`; standard error by the delta method
    quantile    quantile of the latency of misses in milliseconds, over all misses of all users
    """

    kind: Literal["proportion", "mean", "ratio", "quantile"]
    of: Quantity | None = None
    per: Quantity | None = None
    q: Annotated[float | None, Field(gt=0, lt=1)] = None
    cap: Annotated[float | None, Field(gt=0, description="upper limit of a user's quantity")] = None
    cap_percentile: Annotated[
        float | None,
        Field(gt=0, lt=1, description="the cap is this percentile of users before the start (`caps`)"),
    ] = None
    usual: Annotated[float, Field(ge=0, description="covariate of a mean for a user without a past")] = 0.0
    better: Literal["higher", "lower"]
    says: Annotated[str, Field(min_length=1, description="description for people")]

    @model_validator(mode="after")
    def _is_whole(self) -> "Metric":
        needs = {"proportion": {"of"}, "mean": {"of"}, "ratio": {"of", "per"}, "quantile": {"q"}}[self.kind]
        given = {name for name in ("of", "per", "q") if getattr(self, name) is not None}
        if given != needs:
            raise MetricError(
                "metric_fields_wrong", kind=self.kind, needed=tuple(sorted(needs)), given=str(sorted(given))
            )
        if self.cap is not None and self.kind not in ("mean", "ratio"):
            raise MetricError("metric_without_cap", kind=self.kind)
        if self.cap_percentile is not None and (
            self.cap is not None or self.kind not in ("mean", "ratio") or self.of not in _OF_REQUESTS
        ):
            raise MetricError("metric_percentile_wrong", quantities=", ".join(sorted(_OF_REQUESTS)))
        if self.usual and self.kind != "mean":
            raise MetricError("metric_without_usual", kind=self.kind)
        return self

    @property
    def is_share(self) -> bool:
        """Whether the value is a share, from 0 to 1."""
        return (
            self.kind == "proportion"
            or (self.kind == "mean" and self.of in ("score", "edit_distance"))
            or (self.kind == "ratio" and (self.of, self.per) in _SHARES)
        )

    @property
    def largest(self) -> float:
        """The largest possible difference between two arms."""
        return 1.0 if self.is_share else math.inf

    @property
    def is_of_voters(self) -> bool:
        """Whether only users who voted within their window have a value."""
        return self.kind == "mean" and self.of in _OF_VOTES

    @property
    def x(self) -> str:
        """SQL expression of a user's x over the columns of `quantities`; NULL for a user without a value."""
        assert self.of is not None
        if self.kind == "mean":
            return self._capped(self.of)
        return (
            self._is_positive(self.of)
            if self.kind == "proportion"
            else self._capped(f"coalesce({self.of}, 0)")
        )

    @property
    def y(self) -> str:
        """SQL expression of a user's y: the denominator of a ratio, else the covariate."""
        if self.kind == "ratio":
            return f"coalesce({self.per}, 0)::numeric"
        if self.of not in _WITH_PAST:
            return "0::numeric"
        before = f"before_{self.of}"
        if self.kind == "proportion":
            return self._is_positive(before)
        return f"coalesce({self._capped(before)}, {self.usual})"

    @property
    def u(self) -> str:
        """SQL expression of a ratio's x before the user entered; 0 for a user without a past."""
        return self._capped(f"coalesce(before_{self.of}, 0)") if self._has_past_ratio else "0::numeric"

    @property
    def v(self) -> str:
        """SQL expression of a ratio's y before the user entered; 0 for a user without a past."""
        return f"coalesce(before_{self.per}, 0)::numeric" if self._has_past_ratio else "0::numeric"

    @property
    def _has_past_ratio(self) -> bool:
        return self.kind == "ratio" and {self.of, self.per} <= _WITH_PAST

    def _is_positive(self, value: str) -> str:
        return f"(coalesce({value}, 0) > 0)::int::numeric"

    def _capped(self, value: str) -> str:
        # Not `least`: it ignores NULL, and would give the cap to users without a value.
        capped = f"CASE WHEN {value} > {self.cap} THEN {self.cap} ELSE {value} END"
        return f"{value}::numeric" if self.cap is None else f"({capped})::numeric"


class Metrics(configs.StageConfig):
    """All metrics, by name."""

    metrics: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,38}$")], Metric]


def uncapped(name: str) -> str:
    """The name of a metric's sums without its cap, which show the effect of the cap."""
    return f"{name}~"


def with_uncapped(measured: Mapping[str, Metric]) -> dict[str, Metric]:
    """Add a version without a cap for each metric that has one."""
    without_cap = {
        uncapped(name): metric.model_copy(update={"cap": None})
        for name, metric in measured.items()
        if metric.cap is not None
    }
    return {**measured, **without_cap}


@cache
def load(path: Path = FILE) -> Mapping[str, Metric]:
    """The metrics of a yaml by name; each file is read once. Raises ConfigError for an invalid definition."""
    return configs.load(Metrics, path).metrics
