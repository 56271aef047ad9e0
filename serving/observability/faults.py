"""What may be said of an exception: its type, codes, and where it was raised.

Messages of exceptions quote values: pydantic's an input, Postgres' a row (`DETAIL`), ours a reply. So a log
and Sentry get no message of an exception, except for a few kinds of which we know that they quote nothing.
"""

import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

import configs
from data.reasons import ReasonedError

_MOST_FRAMES = 50
_MOST_CAUSES = 5


class Frame(NamedTuple):
    """Where a line of a traceback points: no source, no values of variables."""

    file: str
    line: int
    function: str
    is_ours: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


def name_type(error: BaseException) -> str:
    """The name of an exception's class, with its module."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe(error: BaseException) -> str:
    """An exception in one line, without what its message quotes: the class, and the codes that it has."""
    detail = _detail(error)
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _detail(error: BaseException) -> str | None:
    if isinstance(error, ReasonedError):
        return ", ".join(reason.code for reason in error.reasons)
    if state := getattr(error, "sqlstate", None):  # psycopg's; 23505 is a unique violation
        return f"SQLSTATE {state}"
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        return error.strerror
    # Of psycopg_pool: how long a request waited for a connection.
    if isinstance(error, TimeoutError) or type(error).__name__ == "PoolTimeout":
        return "it took too long"
    return None


def frames(trace: TracebackType | None) -> list[Frame]:
    """The innermost frames of a traceback, outermost first."""
    walked = traceback.walk_tb(trace)
    return [_frame(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in walked][
        -_MOST_FRAMES:
    ]


def _frame(file: str, line: int, function: str) -> Frame:
    root = f"{configs.ROOT}/"
    is_ours = file.startswith(root) and "site-packages" not in file
    short = file.removeprefix(root) if is_ours else file.rpartition("site-packages/")[2]
    return Frame(short.removeprefix(f"{sys.base_prefix}/"), line, function, is_ours)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it, the newest first."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) <= _MOST_CAUSES:
        seen.append(current)
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def hide(text: str, error: BaseException) -> str:
    """A text without the messages of an exception and of its causes, which libraries put into theirs."""
    for each in chain(error):
        for quoted in (repr(each), str(each)):
            if quoted and quoted in text:
                text = text.replace(quoted, describe(each))
    return text
