"""Expressions of an operator: what they may say, what they become, and that nothing else reaches a query."""

import string
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from data import database
from experiments import expressions
from experiments.expressions import Column, ExpressionError

COLUMNS: Mapping[str, Column] = {
    **{
        name: Column(f"coalesce({name}, 0)::numeric", "number")
        for name in ("answers", "failures", "requests")
    },
    "score": Column("score::numeric", "number"),
    "locale": Column("locale", "text"),
    "is_new": Column("is_new", "boolean"),
}


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.engine(database_url)
    yield engine
    engine.dispose()


def compute(engine: Engine, expression: str, **values: object) -> object:
    """The value of an expression for one unit, by Postgres."""
    defaults = {"answers": 4, "failures": 1, "requests": 5, "score": None, "locale": "ja-jp", "is_new": True}
    types = {"locale": "text", "is_new": "boolean"}
    row = defaults | values
    columns = ", ".join(f"CAST(:{name} AS {types.get(name, 'numeric')}) AS {name}" for name in row)
    parsed = expressions.parse(expression, COLUMNS)
    with engine.connect() as connection:
        value = connection.scalar(text(f"SELECT {parsed.sql} FROM (SELECT {columns}) AS unit"), row)
    return float(value) if parsed.type == "number" and value is not None else value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("failures + answers * 2 - 1.5", 7.5),
        ("answers / requests", 0.8),
        ("(answers - -1) / requests", 1.0),
        ("answers / failures / 0", None),
        ("CASE WHEN answers >= 10 THEN 1 ELSE 0 END", 0),
        ("case locale when 'ja-jp' then 1 end", 1),
        ("answers BETWEEN 1 AND 4 AND NOT failures IN (2, 3)", True),
        ("score IS NULL OR score > 0.5", True),
        ("coalesce(score, least(answers, 3), 9)", 3),
        ("greatest(abs(0 - answers), failures)", 4),
        ("nullif(failures, 1)", None),
        ("ln(failures) + sqrt(answers)", 2),
        ("ln(failures - 1)", None),
        ("sqrt(0 - answers)", None),
        ("split_part(locale, '-', 1)", "ja"),
        ("ANSWERS <> 4 OR is_new", True),
        ('"answers"', 4),
    ],
)
def test_an_expression_has_the_value_that_postgres_gives_it(
    engine: Engine, expression: str, value: object
) -> None:
    computed = compute(engine, expression)
    assert computed == (pytest.approx(value) if isinstance(value, float) else value)


def test_an_expression_says_its_type_and_its_columns() -> None:
    assert expressions.parse("failures > 1", COLUMNS)[1:] == ("boolean", {"failures"})
    assert expressions.parse("score + failures * answers", COLUMNS)[1:] == (
        "number",
        {"score", "failures", "answers"},
    )


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "fialures + 1",
            "there is no column fialures; failures is the nearest of answers, failures, requests",
        ),
        ("failures +", "cannot be read as SQL, at “failures \\+”"),
        ("((answers)", "cannot be read as SQL, at “\\(\\(answers\\)”"),
        ("'abc", "cannot be read as SQL"),
        ("", "cannot be read as SQL"),
        ("answers + locale", "“locale” is not a number"),
        ("answers AND is_new", "“answers” is not a boolean"),
        ("CASE WHEN is_new THEN 1 ELSE 'x' END", "has values of different types"),
        ("answers = 'x'", "has values of different types"),
        ("greatest(locale, 'a')", "is not a number"),
        ("NULL", "always NULL"),
        ("answers -- all", "has no comment"),
        ("answers /* all */", "has no comment"),
        ("locale = 'a:b'", "the text “a:b” may have letters"),
        ("locale = 'Straße'", "the text “Straße” may have letters"),
        ("1e400", "the number 1e400 may have 15 digits"),
        ("12345678901234567", "may have 15 digits"),
        ("x" * 501, "has at most 500 characters, not 501"),
        ("(" * 240 + "answers" + ")" * 240, "too many nested parts"),
        ("sqrt(" * 30 + "answers" + ")" * 30, "too many nested parts"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        expressions.parse(expression, COLUMNS)


@pytest.mark.parametrize(
    "expression",
    [
        "(SELECT 1)", "SELECT 1", "answers IN (SELECT 1)", "EXISTS (SELECT 1)", "DROP TABLE answers",
        "answers; DELETE FROM users", "pg_sleep(1)", "pg_read_file('x')", "current_setting('x')",
        "answers::text", "CAST(locale AS regclass)", "'pg_class'::regclass", "sum(answers)", "count(*)",
        "answers OVER ()", "sum(answers) OVER ()", "abs(answers) FILTER (WHERE is_new)",
        "answers ^ 2", "answers % 2", "exp(answers)", "answers AS x", "x.answers", "public.users.answers",
        "$1", ":x", "*", "ARRAY[1]", "answers = ANY(ARRAY[1])", "ROW(1)", "E'x'", "0x10", "B'1'",
        "locale COLLATE \"C\"", "locale || 'x'", "locale LIKE 'x'", "is_new IS TRUE", "if(is_new, 1, 2)",
        "interval '1 day'", "now()", "current_user", "coalesce(DISTINCT answers)",
        "split_part(locale, '-', 0)",
        "split_part(locale, '-', failures)", "answers BETWEEN SYMMETRIC 2 AND 1",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_closed_list_is_accepted(expression: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.parse(expression, COLUMNS)


@given(st.text(alphabet=string.printable + "äあ\u202e\x00", max_size=80))
def test_any_text_is_refused_or_becomes_words_of_the_closed_list(written: str) -> None:
    try:
        sql = expressions.parse(written, COLUMNS).sql
    except ExpressionError:
        return
    assert ";" not in sql
    assert "--" not in sql
    assert sql.isascii()


PARTS = st.recursive(
    st.sampled_from(["answers", "failures", "score", "0", "2.5", "1000000", "NULL"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from("+-*/"), part).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(st.sampled_from(["ln", "sqrt", "abs"]), part).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(st.sampled_from(["least", "greatest", "coalesce", "nullif"]), part, part).map(
            lambda x: f"{x[0]}({x[1]}, {x[2]})"
        ),
        st.tuples(part, part, part).map(lambda x: f"CASE WHEN {x[0]} > {x[1]} THEN {x[2]} END"),
    ),
    max_leaves=8,
)


@given(PARTS, st.sampled_from([None, 0, 1, 10**9]))
def test_no_accepted_expression_of_numbers_fails_in_postgres(
    engine: Engine, expression: str, value: int | None
) -> None:
    try:
        expressions.parse(expression, COLUMNS)
    except ExpressionError:
        return
    compute(engine, expression, answers=value, failures=value, score=value)
