"""The value of an expression of which only some columns are known, with SQL's rules for NULL.

It tells which metrics only users who voted have: their expression is NULL when there are no votes, whatever
the other columns are. Rejected: sqlglot's `simplify`, which does not know `nullif`, `least` and `greatest`;
computing examples in a database, which takes a value that is merely rare for one that never is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from operator import add, eq, ge, gt, le, lt, mul, ne, sub, truediv
from typing import Any, Literal

import sqlglot
from sqlglot import exp


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Literal[_Unknown.UNKNOWN] = _Unknown.UNKNOWN  # any value, NULL included
Value = Decimal | bool | str | None | Literal[_Unknown.UNKNOWN]  # None is NULL

_BINARY: Mapping[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: add, exp.Sub: sub, exp.Mul: mul,
    exp.EQ: eq, exp.NEQ: ne, exp.LT: lt, exp.LTE: le, exp.GT: gt, exp.GTE: ge,
}  # fmt: skip
_UNARY: Mapping[type[exp.Expr], Callable[[Any], Any]] = {
    exp.Neg: lambda a: -a,
    exp.Not: lambda a: not a,
    exp.Abs: abs,
    exp.Ln: lambda a: Decimal(math.log(a)) if a > 0 else None,
    exp.Sqrt: lambda a: Decimal(math.sqrt(a)) if a >= 0 else None,
}


def evaluate(text: str, known: Mapping[str, Decimal | None]) -> Value:
    """The value of a valid expression (`expressions.parse`), given these columns; UNKNOWN when the others
    decide it.
    """
    return _evaluate(sqlglot.parse_one(text, dialect="postgres"), known)


def _evaluate(node: exp.Expr, known: Mapping[str, Decimal | None]) -> Value:
    def get(*nodes: exp.Expr) -> list[Value]:
        return [_evaluate(each, known) for each in nodes]

    match node:
        case exp.Column():
            return known.get(node.name.lower(), UNKNOWN)
        case exp.Literal():
            return str(node.this) if node.is_string else Decimal(node.this)
        case exp.Boolean():
            return bool(node.this)
        case exp.Null():
            return None
        case exp.Paren():
            return _evaluate(node.this, known)
        case exp.And():
            return _combine(get(node.this, node.expression), decisive=False)
        case exp.Or():
            return _combine(get(node.this, node.expression), decisive=True)
        case exp.Div():  # `expressions` makes a divisor of 0 NULL
            value, divisor = get(node.this, node.expression)
            return _apply(truediv, value, divisor if divisor is UNKNOWN or divisor else None)
        case exp.Coalesce():
            return _choose([(None if value is None else True, value) for value in _given(node, get)], None)
        case exp.Least() | exp.Greatest():
            return _find_extreme(_given(node, get), min if isinstance(node, exp.Least) else max)
        case exp.Nullif():
            value, other = get(node.this, node.expression)
            return _choose([(_apply(eq, value, other), None)], value)
        case exp.Is():
            [value] = get(node.this)
            return value if value is UNKNOWN else (value is None) != bool(node.args.get("negate"))
        case exp.Between():
            value, low, high = get(node.this, node.args["low"], node.args["high"])
            return _combine([_apply(ge, value, low), _apply(le, value, high)], decisive=False)
        case exp.In():
            value, *members = get(node.this, *node.expressions)
            return _combine([_apply(eq, value, member) for member in members], decisive=True)
        case exp.Case():
            return _evaluate_case(node, get)
    if (unary := _UNARY.get(type(node))) is not None:
        return _apply(unary, *get(node.this))
    if (binary := _BINARY.get(type(node))) is not None:
        return _apply(binary, *get(node.this, node.expression))
    return UNKNOWN


_Get = Callable[..., list[Value]]


def _given(node: exp.Expr, get: _Get) -> list[Value]:
    return get(node.this, *node.expressions)


def _apply(function: Callable[..., Any], *values: Value) -> Value:
    """The result of a function that is NULL when an argument is."""
    if None in values:
        return None
    result: Value = UNKNOWN if UNKNOWN in values else function(*values)
    return result


def _combine(values: Sequence[Value], decisive: bool) -> Value:
    """OR, for which True is decisive, or AND, for which False is."""
    if any(value is decisive for value in values):
        return decisive
    return UNKNOWN if UNKNOWN in values else None if None in values else not decisive


def _find_extreme(values: Sequence[Value], extreme: Callable[[Any], Any]) -> Value:
    """Postgres ignores NULL in `least` and `greatest`."""
    present = [value for value in values if value is not None]
    result: Value = UNKNOWN if UNKNOWN in present else extreme(present) if present else None
    return result


def _evaluate_case(node: exp.Case, get: _Get) -> Value:
    branches: list[tuple[Value, Value]] = []
    for branch in node.args["ifs"]:
        condition, result = get(branch.this, branch.args["true"])
        if node.this is not None:
            condition = _apply(eq, condition, *get(node.this))
        branches.append((condition, result))
    default = node.args.get("default")
    return _choose(branches, None if default is None else get(default)[0])


def _choose(branches: Sequence[tuple[Value, Value]], default: Value) -> Value:
    """The result of the first branch whose condition is true. Where that is open, the one result that all
    possible branches have.
    """
    possible = []
    for condition, result in branches:
        if condition is True or condition is UNKNOWN:
            possible.append(result)
        if condition is True:
            break
    else:
        possible.append(default)
    return possible[0] if all(value == possible[0] for value in possible) else UNKNOWN
