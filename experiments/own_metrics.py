"""Metrics and segments of one's own: a yaml of the operator, which `TONEBRIDGE_METRICS_FILE` names.

    metrics:
      unmet: {kind: ratio, of: "failures + repeats", per: requests, better: lower, says: unmet requests}
    segments:
      voted_before: "before_votes > 0"

A draft copies these definitions into its plan. So they are fixed as the plan is: a change of the file applies
to later drafts, and an experiment never adds sums of two definitions.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

import configs
from data.reasons import ReasonedError
from experiments import metrics
from experiments.columns import Column
from experiments.metrics import Metric, MetricName

# What is known of a unit when it enters: votes before it, and the request of its first answer. What happens
# later may be an effect of the arm, and segments made of it would compare unlike users.
_KNOWN_AT_ENTRY = metrics.BEFORE | {
    "locale": Column("locale", "text"),
    "channel": Column("channel", "text"),
    "transform_type": Column("transform_type", "text"),
}
_SHIPPED_SEGMENTS = {"transform_type", "organisation", "locale", "channel"}
_RESERVED = {"latency", "response_rate"}  # names of other sums, and of other figures in MLflow


class OwnMetricError(ReasonedError, ValueError):
    """A metric or a segment of one's own has a name that is taken, or fails in the database."""


@cache
def _parse_segment(expression: str) -> str:
    parsed = metrics.read(expression, _KNOWN_AT_ENTRY)
    if parsed.type == "number":
        raise OwnMetricError("segment_is_number", expression=expression)
    return f"({parsed.sql})::text"


def _check_segment(expression: str) -> str:
    _parse_segment(expression)
    return expression


# An expression over what is known at entry. Its value, a text or true or false, is the unit's segment.
Segment = Annotated[str, Field(min_length=1), AfterValidator(_check_segment)]
OwnMetrics = Mapping[MetricName, Metric]
OwnSegments = Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,28}$")], Segment]


class Definitions(configs.StageConfig):
    """The metrics and segments of a file, by name."""

    metrics: OwnMetrics = Field({}, description="metrics by name")
    segments: OwnSegments = Field({}, description="expressions of segments by name")

    @model_validator(mode="after")
    def _has_new_names(self) -> "Definitions":
        if taken := sorted(set(self.metrics) & {*metrics.load(), *_RESERVED}):
            raise OwnMetricError("metric_name_taken", name=taken[0])
        if taken := sorted(set(self.segments) & _SHIPPED_SEGMENTS):
            raise OwnMetricError("segment_name_taken", name=taken[0])
        return self


@cache
def load(path: Path | None) -> Definitions:
    """The definitions of a file; none without a file. Each file is read once. Raises ConfigError."""
    return Definitions() if path is None else configs.load(Definitions, path)


def find_fault(definitions: Mapping[str, Any]) -> str | None:
    """What is wrong with definitions, in the words in which a process refuses their file; None when nothing
    is. `definitions` is what the yaml of a file says.
    """
    try:
        Definitions.model_validate(definitions)
    except ValidationError as error:
        return str(configs.ConfigError("definitions", error.errors()))
    return None


def to_sql(segments: OwnSegments) -> dict[str, str]:
    """The SQL of each segment's value, by name."""
    return {name: _parse_segment(expression) for name, expression in segments.items()}


# Units that an expression may meet: one without anything, one with zeros, and one with much of everything.
_EXAMPLES = ("NULL", "0", "1000000")


def check(engine: Engine, definitions: Definitions) -> None:
    """Compute every definition for three example units in Postgres.

    OwnMetricError names the metric or the segment that fails, and quotes Postgres.
    """
    numbers = [name for name, column in metrics.COLUMNS.items() if column.type == "number"]
    texts = [name for name, column in _KNOWN_AT_ENTRY.items() if column.type == "text"]
    rows = ", ".join(
        f"({', '.join([f'{value}::numeric'] * len(numbers) + [text_value] * len(texts))})"
        for value, text_value in zip(_EXAMPLES, ("NULL::text", "''", "'ja-JP'"), strict=True)
    )
    units = f"(VALUES {rows}) AS quantities({', '.join(numbers + texts)})"
    values = {
        **{name: f"{metric.x} + {metric.y}" for name, metric in definitions.metrics.items() if metric.of},
        **to_sql(definitions.segments),
    }
    for name, value in values.items():
        with engine.connect() as connection:
            try:
                connection.execute(text(f"SELECT {value} FROM {units}")).all()  # noqa: S608 (see `expressions`)
            except DBAPIError as error:
                message = str(error.orig).partition("\n")[0]
                raise OwnMetricError("own_metric_fails", name=name, error=message) from error
