"""What an expression is for a user who did not vote, as Postgres computes it."""

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from data import database
from experiments import metrics
from experiments.known_values import UNKNOWN, evaluate
from experiments.metrics import Metric

KNOWN = {"votes": Decimal(0), "likes": Decimal(0), "score": None}
OF_VOTES = ("votes", "likes", "complaints", "edits", "score", "edit_distance", "vote_hours")


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3 + 4 * 0.5", Decimal(5)),
        ("likes / votes", None),
        ("likes / (votes + 1)", Decimal(0)),
        ("requests", UNKNOWN),
        ("requests + score", None),
        ("score > 0.5", None),
        ("not score > 0.5", None),
        ("score > 0.5 and votes > 0", False),
        ("score > 0.5 or votes = 0", True),
        ("score > 0.5 or requests > 1", UNKNOWN),
        ("requests > 1 and votes > 0", False),
        ("coalesce(score, 0.5)", Decimal("0.5")),
        ("coalesce(score, requests)", UNKNOWN),
        ("coalesce(score, score)", None),
        ("nullif(votes, 0)", None),
        ("nullif(votes, 1)", Decimal(0)),
        ("nullif(requests, 0)", UNKNOWN),
        ("nullif(votes, requests)", UNKNOWN),
        ("greatest(score, votes)", Decimal(0)),
        ("least(score, score)", None),
        ("least(score, requests)", UNKNOWN),
        ("score is null", True),
        ("score is not null", False),
        ("requests is null", UNKNOWN),
        ("votes between 0 and 3", True),
        ("score between 0 and 3", None),
        ("votes in (1, 2)", False),
        ("votes in (0, requests)", True),
        ("case when votes > 0 then requests end", None),
        ("case when votes > 0 then requests else 1 end", Decimal(1)),
        ("case when requests > 9 then score end", None),
        ("case when requests > 9 then 1 else likes + 1 end", Decimal(1)),
        ("case when requests > 9 then 1 else 2 end", UNKNOWN),
        ("case votes when 0 then 7 end", Decimal(7)),
        ("ln(votes)", None),
        ("sqrt(votes)", Decimal(0)),
        ("sqrt(votes - 1)", None),
        ("abs(-3) - 3", Decimal(0)),
        ("(votes > 0) = true", False),
    ],
)
def test_sql_decides_with_the_columns_that_are_known(expression: str, value: object) -> None:
    metrics.read(expression, metrics.COLUMNS)  # it is a valid one
    found = evaluate(expression, KNOWN)
    assert (type(found), found) == (type(value), value)


OF_VOTERS = [
    {"kind": "mean", "of": "likes / votes"},
    {"kind": "mean", "of": "likes / nullif(votes, 0)"},
    {"kind": "mean", "of": "likes / (likes + complaints)"},
    {"kind": "mean", "of": "score"},
    {"kind": "mean", "of": "votes"},
    {"kind": "mean", "of": "likes"},
    {"kind": "mean", "of": "edit_distance"},
    {"kind": "mean", "of": "1 - score"},
    {"kind": "mean", "of": "score * requests"},
    {"kind": "mean", "of": "case when votes > 0 then requests end"},
    {"kind": "mean", "of": "case when requests > 3 then score else edit_distance end"},
    {"kind": "mean", "of": "vote_hours / 24"},
    {"kind": "mean", "of": "score > 0.5"},
    {"kind": "mean", "of": "answers / edits"},
    {"kind": "ratio", "of": "likes", "per": "votes"},
    {"kind": "ratio", "of": "requests", "per": "votes"},
    {"kind": "ratio", "of": "complaints", "per": "likes + complaints"},
    {"kind": "ratio", "of": "likes", "per": "case when votes > 0 then answers end"},
    {"kind": "ratio", "of": "requests", "per": "score"},
    {"kind": "ratio", "of": "requests", "per": "votes - 1", "share": True},
]
OF_ALL = [
    {"kind": "mean", "of": "coalesce(score, 0.5)"},
    {"kind": "mean", "of": "likes / (votes + 1)"},
    {"kind": "mean", "of": "likes - complaints"},
    {"kind": "mean", "of": "requests"},
    {"kind": "mean", "of": "failures / requests"},
    {"kind": "mean", "of": "likes / before_votes"},
    {"kind": "mean", "of": "case when votes > 0 then score else 0 end"},
    {"kind": "mean", "of": "greatest(score, 0)"},
    {"kind": "mean", "of": "case when cost_mills > 1000000000 then requests end"},
    {"kind": "proportion", "of": "likes"},
    {"kind": "proportion", "of": "score > 0.5"},
    {"kind": "ratio", "of": "likes", "per": "answers"},
    {"kind": "ratio", "of": "votes", "per": "requests"},
    {"kind": "ratio", "of": "likes", "per": "votes + 1"},
]


def build(definition: dict[str, Any]) -> Metric:
    return Metric(better="higher", says="a test", **definition)


@pytest.mark.parametrize("definition", OF_VOTERS)
def test_a_metric_that_nobody_has_without_a_vote_is_of_voters(
    definition: dict[str, Any], engine: Engine
) -> None:
    """Postgres gives none of the users without votes a value, or a share in the ratio."""
    metric = build(definition)
    assert metric.is_of_voters
    assert count_with_value(engine, metric) == 0


@pytest.mark.parametrize("definition", OF_ALL)
def test_a_metric_that_others_have_too_is_not(definition: dict[str, Any], engine: Engine) -> None:
    metric = build(definition)
    assert not metric.is_of_voters
    assert count_with_value(engine, metric) > 0


def count_with_value(engine: Engine, metric: Metric) -> int:
    """Of users without votes and with other quantities of all kinds, those who count."""
    others = [name for name in metrics.COLUMNS if name not in OF_VOTES]
    units = [dict(zip(others, values, strict=True)) for values in _draw(len(others))]
    columns = [*others, *OF_VOTES]
    rows = ", ".join(
        "(" + ", ".join(f"{unit.get(name, 'NULL')}::numeric" for name in columns) + ")" for unit in units
    )
    counts = f"({metric.y}) <> 0" if metric.kind == "ratio" else f"({metric.x}) IS NOT NULL"
    query = (
        f"SELECT count(*) FILTER (WHERE {counts}) FROM (VALUES {rows}) AS quantities({', '.join(columns)})"
    )
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _draw(columns: int) -> Iterator[tuple[str, ...]]:
    """All columns alike, and then NULL, 0, 2 and a lot in turns."""
    values = ("NULL", "0", "2", "5000000000")
    for value in values:
        yield (value,) * columns
    for shift in range(len(values)):
        yield tuple(itertools.islice(itertools.cycle(values[shift:] + values[:shift]), columns))
