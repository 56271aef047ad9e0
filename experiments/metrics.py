"""The metrics of experiments: the definitions in `configs/metrics.yaml`, as SQL expressions.

A user's *quantities* are counted once, when the user's window closes (`experiments.outcomes`). A metric
computes two numbers from them, x and y. Only sums of these numbers are stored (`experiments.estimators`).
An operator may add metrics (`experiments.own_metrics`), whose `of` and `per` may be SQL expressions over the
quantities (`experiments.expressions`).
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

import configs
from data.reasons import ReasonedError
from experiments.columns import Column, Expression

if TYPE_CHECKING:
    from experiments.known_values import Value

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
_QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
# Quantities that only users who voted have. The others are counts: a user without any has 0.
_OF_VOTERS_ONLY = {"score", "edit_distance", "vote_hours"}
VOTE_TIMING = "vote_hours"  # the metric that shows whether the arms' users vote at different times
# Whole numbers, which Postgres sums up faster than decimals.
_COUNTS = (_OF_VOTES | _OF_REQUESTS) - _OF_VOTERS_ONLY - {"service_s"}
# Quantities that are parts of others.
_SHARES = {("failures", "requests"), ("fallbacks", "answers"), ("repeats", "answers")}
# Upper ends of the latency bins of misses, in milliseconds, from 1 ms to 35 s: each is 1.2^(1/10) times the
# one before, so a quantile is less than 2 % off. Bins without a miss are not stored. Every tenth end was one
# before revision 0025, too.
BINS_MS = tuple(round(20 * 1.2 ** (n / 10), 3) for n in range(-160, 411))
ZERO = "0::numeric"  # SQL of a number that a metric does not have


def _column(quantity: str, name: str) -> Column:
    return Column(
        f"{name}::numeric" if quantity in _OF_VOTERS_ONLY else f"coalesce({name}, 0)::numeric", "number"
    )


# What an expression may name: the quantities, and those of the time before entry.
BEFORE = {f"before_{name}": _column(name, f"before_{name}") for name in _QUANTITIES if name in _WITH_PAST}
COLUMNS = {name: _column(name, name) for name in _QUANTITIES} | BEFORE


class MetricError(ReasonedError, ValueError):
    """The fields of a metric do not fit together."""


def read(text: str, columns: Mapping[str, Column]) -> Expression:
    """An expression over columns; errors as `expressions.parse`."""
    # Imported here: the shipped metrics are plain quantities, and the parser takes 8 MB of a gateway.
    from experiments import expressions

    return expressions.parse(text, columns)


@cache
def _parse(text: str) -> Expression:
    return read(text, COLUMNS)


def _check(text: str) -> str:
    if text not in _QUANTITIES and _parse(text).type == "text":
        raise MetricError("metric_is_text", expression=text)
    return text


# The name of a quantity, or an expression over quantities. A name stands for the plain quantity, which is
# unknown for a user without any; in an expression, a count is 0 for such a user.
Measured = Annotated[str, Field(min_length=1), AfterValidator(_check)]


class Metric(configs.StageConfig):
    """The definition of a metric.

    proportion  share of the exposed users whose quantity is above 0
    mean        mean of a quantity, over the users with a value
    ratio       sum of a quantity divided by the sum of another, `per`; standard error by the delta method
    quantile    quantile of the latency of misses in milliseconds, over all misses of all users
    """

    kind: Annotated[
        Literal["proportion", "mean", "ratio", "quantile"], Field(description="how it is computed")
    ]
    of: Annotated[
        Measured | None,
        Field(
            description="the quantity, or an expression over quantities; of a ratio, the numerator",
            examples=["complaints"],
        ),
    ] = None
    per: Annotated[
        Measured | None, Field(description="denominator of a ratio; null for other kinds", examples=[None])
    ] = None
    q: Annotated[
        float | None,
        Field(gt=0, lt=1, description="the quantile, 0 to 1; null for other kinds", examples=[None]),
    ] = None
    cap: Annotated[
        float | None, Field(gt=0, description="upper limit of a user's quantity", examples=[None])
    ] = None
    cap_percentile: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="the cap is this percentile of users before the start (`caps`)",
            examples=[None],
        ),
    ] = None
    usual: Annotated[float, Field(ge=0, description="covariate of a mean for a user without a past")] = 0.0
    share: Annotated[
        bool,
        Field(description="a user's value lies between 0 and 1: a value beyond counts as the nearer end"),
    ] = False
    better: Annotated[Literal["higher", "lower"], Field(description="which values are better")]
    says: Annotated[
        str,
        Field(
            min_length=1,
            description="description for people",
            examples=["share of users who complained about an answer"],
        ),
    ]

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
        if self.share and self.kind not in ("mean", "ratio"):
            raise MetricError("metric_without_share", kind=self.kind)
        return self

    @property
    def is_share(self) -> bool:
        """Whether the value is a share, from 0 to 1."""
        return (
            self.kind == "proportion"
            or self.share
            or (self.kind == "mean" and self.of in ("score", "edit_distance"))
            or (self.kind == "ratio" and (self.of, self.per) in _SHARES)
        )

    @property
    def largest(self) -> float:
        """The largest possible difference between two arms."""
        return 1.0 if self.is_share else math.inf

    @property
    def is_of_voters(self) -> bool:
        """Whether only users who voted within their window count: a mean that is NULL for all others, or a
        ratio with a denominator of 0 for them. The time to the first vote itself is none: it shows whether
        these metrics can be believed.
        """
        deciding = {"mean": self.of, "ratio": self.per}.get(self.kind)
        if deciding is None or (self.kind == "mean" and deciding == VOTE_TIMING):
            return False
        if deciding in _QUANTITIES:
            return deciding in _OF_VOTES | _OF_VOTERS_ONLY
        value = _evaluate_for_non_voter(deciding)
        if self.kind == "mean" or value is None:
            return value is None
        return value in (0, False) or (self.share and isinstance(value, Decimal) and value < 0)

    @property
    def is_expression(self) -> bool:
        """Whether `of` is an expression, and not the name of a quantity."""
        return self.of is not None and self.of not in _QUANTITIES

    @property
    def columns(self) -> frozenset[str]:
        """The quantities in the numerator, or in the value."""
        if self.of is None:
            return frozenset()
        return _parse(self.of).columns

    @property
    def x(self) -> str:
        """SQL expression of a user's x over the columns of `quantities`; NULL for a user without a value."""
        assert self.of is not None
        value = _to_sql(self.of)
        if self.kind == "mean":
            return self._limited(self.of, value)
        if self.kind == "proportion":
            return self._is_positive(value)
        return self._limited(self.of, f"coalesce({value}, 0)", self.y)

    @property
    def y(self) -> str:
        """SQL expression of a user's y: the denominator of a ratio, else the covariate."""
        assert self.of is not None
        if self.kind == "ratio":
            assert self.per is not None
            return self._as_denominator(self.per, _to_sql(self.per))
        before = _to_sql_before_entry(self.of)
        if before is None:
            return ZERO
        if self.kind == "proportion":
            return self._is_positive(before)
        return f"coalesce({self._limited(self.of, before)}, {self.usual})"

    @property
    def u(self) -> str:
        """SQL expression of a ratio's x before the user entered; 0 for a user without a past."""
        before = self._before_of_ratio
        if before is None:
            return ZERO
        assert self.of is not None
        return self._limited(self.of, f"coalesce({before[0]}, 0)", self.v)

    @property
    def v(self) -> str:
        """SQL expression of a ratio's y before the user entered; 0 for a user without a past."""
        before = self._before_of_ratio
        if before is None:
            return ZERO
        assert self.per is not None
        return self._as_denominator(self.per, before[1])

    @property
    def _before_of_ratio(self) -> tuple[str, str] | None:
        """Both quantities of a ratio before the user entered; None when one has no past."""
        if self.kind != "ratio" or self.of is None or self.per is None:
            return None
        of, per = _to_sql_before_entry(self.of), _to_sql_before_entry(self.per)
        return (of, per) if of is not None and per is not None else None

    def _as_denominator(self, measured: str, value: str) -> str:
        value = f"coalesce({value}, 0)"
        return f"greatest({value}, 0)::numeric" if self.share else f"{value}::{_type_of(measured)}"

    def _is_positive(self, value: str) -> str:
        return f"(coalesce({value}, 0) > 0)::int"

    def _limited(self, measured: str, value: str, most: str = "1") -> str:
        """A value with the cap; the value of a share lies between 0 and `most`."""
        if self.cap is None and not self.share:
            return f"{value}::{_type_of(measured)}"
        # Not `least`: it ignores NULL, and would give the cap to users without a value.
        if self.cap is not None:
            value = f"(CASE WHEN {value} > {self.cap} THEN {self.cap} ELSE {value} END)"
        if self.share:
            value = f"(CASE WHEN {value} > {most} THEN {most} WHEN {value} < 0 THEN 0 ELSE {value} END)"
        return f"{value}::numeric"


def _type_of(measured: str) -> str:
    return "bigint" if measured in _COUNTS else "numeric"


def _to_sql(measured: str) -> str:
    if measured in _QUANTITIES:
        return measured
    parsed = _parse(measured)
    return f"({parsed.sql})::int" if parsed.type == "boolean" else f"({parsed.sql})"


@cache
def _evaluate_for_non_voter(text: str) -> "Value":
    """The value of an expression for a user who did not vote within the window."""
    from experiments import known_values  # as in `read`

    known = {name: None if name in _OF_VOTERS_ONLY else Decimal(0) for name in _OF_VOTES | _OF_VOTERS_ONLY}
    return known_values.evaluate(text, known)


def _to_sql_before_entry(measured: str) -> str | None:
    """The same for the time before entry; None when a column has no counterpart of that time."""
    if measured in _QUANTITIES:
        return f"before_{measured}" if measured in _WITH_PAST else None
    named = _parse(measured).columns
    if not named or not named <= _WITH_PAST:
        return None
    parsed = read(measured, {name: BEFORE[f"before_{name}"] for name in named})
    return f"({parsed.sql})::int" if parsed.type == "boolean" else f"({parsed.sql})"


MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,38}$")]


class Metrics(configs.StageConfig):
    """All metrics, by name."""

    metrics: Mapping[MetricName, Metric]


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
