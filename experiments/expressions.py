"""SQL expressions that an operator writes: parsed, checked against a closed list, and written anew.

No part of the text itself reaches a query: the SQL consists of the words in this file, of the columns' SQL,
and of literals that are formatted here.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from data.reasons import ReasonedError
from experiments.columns import Column, Expression, Type

LONGEST = 500  # characters of an expression
_LONGEST_SQL = 20_000  # characters of its SQL: `sqrt` and `ln` repeat what they contain
_MOST_DIGITS = 15  # of a number, before and after the decimal point
_TEXT = re.compile(r"[\w .,/+-]{0,60}", re.ASCII)  # SQLAlchemy reads `:name` as a parameter, also in quotes
_POSTGRES_TYPES: Mapping[Type, str] = {"number": "numeric", "boolean": "boolean", "text": "text"}
_SHOWN = 60  # characters of a part that an error quotes

_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_EQUALITY: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>"}
_ORDER: Mapping[type[exp.Expr], str] = {
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_LOGIC: Mapping[type[exp.Expr], str] = {exp.And: "AND", exp.Or: "OR"}
_CHOICES: Mapping[type[exp.Expr], str] = {
    exp.Coalesce: "coalesce",
    exp.Least: "least",
    exp.Greatest: "greatest",
}
# The arguments that each kind of node may have. sqlglot sets `typed`, `safe` and `ignore_nulls` itself.
_ARGUMENTS: Mapping[type[exp.Expr], set[str]] = {
    **{kind: {"this", "expression"} for kind in (*_ARITHMETIC, *_EQUALITY, *_ORDER, *_LOGIC, exp.Nullif)},
    **{kind: {"this"} for kind in (exp.Abs, exp.Ln, exp.Sqrt, exp.Neg, exp.Not, exp.Paren, exp.Column)},
    **{kind: {"this", "expressions", "ignore_nulls"} for kind in _CHOICES},
    exp.Div: {"this", "expression", "typed", "safe"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions"},
    exp.Is: {"this", "expression", "negate"},
    exp.Case: {"this", "ifs", "default"},
    exp.If: {"this", "true"},
    exp.SplitPart: {"this", "delimiter", "part_index"},
    exp.Literal: {"this", "is_string"},
    exp.Boolean: {"this"},
    exp.Null: set(),
}


class ExpressionError(ReasonedError, ValueError):
    """A text is no expression over the known columns."""


class _Part(NamedTuple):
    sql: str
    type: Type | None  # None for NULL, which fits any type


def parse(text: str, columns: Mapping[str, Column]) -> Expression:
    """An expression over `columns`, as SQL for Postgres. A division by zero, and `ln` or `sqrt` of a number
    that has none, give NULL.

    Raises ExpressionError, which says what is wrong and where.
    """
    if len(text) > LONGEST:
        raise ExpressionError("expression_too_long", limit=LONGEST, length=len(text))
    if "--" in text or "/*" in text:
        raise ExpressionError("expression_comment")
    try:
        tree = sqlglot.parse_one(text, dialect="postgres")
        writer = _Writer(columns)
        part = writer.write(tree)
    except ParseError as error:
        fault = error.errors[0] if error.errors else {}
        place = f"{fault.get('start_context', '')}{fault.get('highlight', '')}"[-_SHOWN:]
        raise ExpressionError("expression_syntax", place=place or text[:_SHOWN]) from error
    except SqlglotError as error:
        raise ExpressionError("expression_syntax", place=text[:_SHOWN]) from error
    except RecursionError as error:
        raise ExpressionError("expression_too_deep") from error
    if part.type is None:
        raise ExpressionError("expression_always_null")
    return Expression(part.sql, part.type, frozenset(writer.named))


class _Writer:
    """Writes a parsed expression as SQL, and collects the columns that it names."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns
        self.named: set[str] = set()

    def write(self, node: exp.Expr) -> _Part:
        """The SQL and the type of a node. ExpressionError for anything that is not on the closed list."""
        allowed = _ARGUMENTS.get(type(node))
        if allowed is None or any(value for name, value in node.args.items() if name not in allowed):
            raise ExpressionError("expression_not_allowed", part=_quote(node))
        part = self._write(node)
        if len(part.sql) > _LONGEST_SQL:
            raise ExpressionError("expression_too_deep")
        return part

    def _write(self, node: exp.Expr) -> _Part:
        match node:
            case exp.Column():
                return self._write_column(node)
            case exp.Literal():
                return _write_literal(node)
            case exp.Boolean():
                return _Part("TRUE" if node.this else "FALSE", "boolean")
            case exp.Null():
                return _Part("NULL", None)
            case exp.Paren():
                return self.write(node.this)
            case exp.Neg():
                return _Part(f"(- {self._number(node.this)})", "number")
            case exp.Not():
                return _Part(f"(NOT {self._typed(node.this, 'boolean')})", "boolean")
            case exp.Div():
                divisor = self._number(node.expression)
                return _Part(f"({self._number(node.this)} / nullif({divisor}, 0))", "number")
            case exp.Abs():
                return _Part(f"abs({self._number(node.this)})", "number")
            case exp.Ln():
                value = self._number(node.this)
                return _Part(f"(CASE WHEN {value} > 0 THEN {_in_floats('ln', value)} END)", "number")
            case exp.Sqrt():
                value = self._number(node.this)
                return _Part(f"(CASE WHEN {value} >= 0 THEN {_in_floats('sqrt', value)} END)", "number")
            case exp.Between():
                values = [self._number(each) for each in (node.this, node.args["low"], node.args["high"])]
                return _Part("({} BETWEEN {} AND {})".format(*values), "boolean")
            case exp.In():
                (value, *members), _ = self._alike(node, [node.this, *node.expressions])
                return _Part(f"({value} IN ({', '.join(members)}))", "boolean")
            case exp.Is():
                return self._write_is(node)
            case exp.Case():
                return self._write_case(node)
            case exp.Nullif():
                (value, other), type_ = self._alike(node, [node.this, node.expression])
                return _Part(f"nullif({value}, {other})", type_)
            case exp.SplitPart():
                return self._write_split(node)
        return self._write_operator(node)

    def _write_operator(self, node: exp.Expr) -> _Part:
        kind = type(node)
        if kind in _CHOICES:
            values, type_ = self._alike(node, [node.this, *node.expressions])
            if kind is not exp.Coalesce and type_ not in ("number", None):
                raise ExpressionError("expression_type", part=_quote(node), needed="number")
            return _Part(f"{_CHOICES[kind]}({', '.join(values)})", type_)
        if kind in _EQUALITY:
            (left, right), _ = self._alike(node, [node.this, node.expression])
            return _Part(f"({left} {_EQUALITY[kind]} {right})", "boolean")
        if kind in _LOGIC:
            sides = (self._typed(side, "boolean") for side in (node.this, node.expression))
            return _Part(f"({f' {_LOGIC[kind]} '.join(sides)})", "boolean")
        symbol = _ARITHMETIC.get(kind) or _ORDER.get(kind)
        if symbol is None:  # an `If` outside of a CASE
            raise ExpressionError("expression_not_allowed", part=_quote(node))
        left, right = self._number(node.this), self._number(node.expression)
        return _Part(f"({left} {symbol} {right})", "number" if kind in _ARITHMETIC else "boolean")

    def _write_column(self, node: exp.Column) -> _Part:
        name = node.name.lower()
        column = self._columns.get(name)
        if column is None:
            nearest = difflib.get_close_matches(name, self._columns, n=1, cutoff=0.0)
            raise ExpressionError(
                "expression_column_unknown",
                unknown=node.name[:_SHOWN],
                nearest=nearest[0],
                known=", ".join(self._columns),
            )
        self.named.add(name)
        return _Part(column.sql, column.type)

    def _write_is(self, node: exp.Is) -> _Part:
        if not isinstance(node.expression, exp.Null):
            raise ExpressionError("expression_not_allowed", part=_quote(node))
        negation = "NOT " if node.args.get("negate") else ""
        return _Part(f"({self.write(node.this).sql} IS {negation}NULL)", "boolean")

    def _write_case(self, node: exp.Case) -> _Part:
        branches, default = node.args["ifs"], node.args.get("default")
        results = [branch.args["true"] for branch in branches] + ([default] if default is not None else [])
        values, type_ = self._alike(node, results)
        if node.this is None:
            subject, conditions = "", [self._typed(branch.this, "boolean") for branch in branches]
        else:
            (subject, *conditions), _ = self._alike(node, [node.this, *(branch.this for branch in branches)])
        whens = " ".join(f"WHEN {c} THEN {v}" for c, v in zip(conditions, values, strict=False))
        otherwise = f" ELSE {values[-1]}" if default is not None else ""
        return _Part(f"(CASE {subject} {whens}{otherwise} END)", type_)

    def _write_split(self, node: exp.SplitPart) -> _Part:
        index = node.args["part_index"]
        if not (isinstance(index, exp.Literal) and not index.is_string and re.fullmatch("[1-9]", index.this)):
            raise ExpressionError("expression_not_allowed", part=_quote(node))
        value, delimiter = self._typed(node.this, "text"), self._typed(node.args["delimiter"], "text")
        return _Part(f"split_part({value}, {delimiter}, {index.this})", "text")

    def _number(self, node: exp.Expr) -> str:
        return self._typed(node, "number")

    def _typed(self, node: exp.Expr, needed: Type) -> str:
        part = self.write(node)
        if part.type not in (needed, None):
            raise ExpressionError("expression_type", part=_quote(node), needed=needed)
        return _with_type(part, needed)

    def _alike(self, whole: exp.Expr, nodes: Sequence[exp.Expr]) -> tuple[list[str], Type | None]:
        """The SQL of values that must have one type, and that type."""
        parts = [self.write(node) for node in nodes]
        types = {part.type for part in parts} - {None}
        if len(types) > 1:
            raise ExpressionError("expression_types_differ", part=_quote(whole))
        shared = next(iter(types), None)
        return [_with_type(part, shared) for part in parts], shared


def _with_type(part: _Part, needed: Type | None) -> str:
    """The SQL of a part. A NULL gets the type: Postgres takes a CASE without other values for a text."""
    return part.sql if part.type is not None or needed is None else f"({part.sql})::{_POSTGRES_TYPES[needed]}"


def _in_floats(function: str, value: str) -> str:
    """A function of a number in floating point, which is ten times as fast as in exact numbers. A float holds
    at most 1e308, and a larger number would be an error.
    """
    return f"{function}(least({value}, 1e300)::float8)::numeric"


def _write_literal(node: exp.Literal) -> _Part:
    if node.is_string:
        if not _TEXT.fullmatch(node.this):
            raise ExpressionError("expression_text", text=node.this[:_SHOWN])
        return _Part(f"'{node.this}'::text", "text")
    if not re.fullmatch(rf"(?=\.?\d)\d{{0,{_MOST_DIGITS}}}(\.\d{{0,{_MOST_DIGITS}}})?", node.this):
        raise ExpressionError("expression_number", number=node.this[:_SHOWN], digits=_MOST_DIGITS)
    return _Part(f"{Decimal(node.this):f}::numeric", "number")


def _quote(node: exp.Expr) -> str:
    return node.sql(dialect="postgres", comments=False)[:_SHOWN]
