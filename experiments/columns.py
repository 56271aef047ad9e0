"""What an SQL expression of an operator may name, and what it is when it has been read by `expressions`."""

from typing import Literal, NamedTuple

Type = Literal["number", "boolean", "text"]


class Column(NamedTuple):
    """A column that an expression may name: its SQL, and the type of its values."""

    sql: str
    type: Type


class Expression(NamedTuple):
    """An expression as SQL, the type of its values, and the columns that it names."""

    sql: str
    type: Type
    columns: frozenset[str]
