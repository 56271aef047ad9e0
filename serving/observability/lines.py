"""A record of the log as a line: JSON for machines, text for people at a terminal.

    {"time": "2026-11-29T09:00:00.123Z", "level": "warning", "process": "gateway", "release": "0.1.0",
     "logger": "serving.gateway.backlog", "message": "...", "trace_id": "...", "span_id": "...",
     "error_type": "psycopg.errors.UniqueViolation", "error": "UniqueViolation: SQLSTATE 23505",
     "stack": ["serving/gateway/backlog.py:61 _read", ...], "causes": ["KeyError"]}

A key without a value is left out. The fields of `extra={"fields": ...}` follow, such as `request_id`,
`organisation` and `ms`. What libraries attach to their records is ignored, since it may hold anything.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from serving.observability import faults

_OWN = frozenset(
    {"time", "level", "process", "release", "logger", "message", "trace_id", "span_id", "error_type", "error"}
    | {"stack", "causes"}
)


class _Described(str):
    """An exception, also where a message asks for its `repr`."""

    def __repr__(self) -> str:
        return str(self)


def write_message(record: logging.LogRecord) -> str:
    """The message of a record, with exceptions by what `faults.describe` says of them."""
    if isinstance(record.args, tuple) and any(isinstance(value, BaseException) for value in record.args):
        values = [_Described(faults.describe(v)) if isinstance(v, BaseException) else v for v in record.args]
        record = logging.makeLogRecord({**record.__dict__, "args": tuple(values)})
    text = record.getMessage()
    error = error_of(record)
    return text if error is None else faults.hide(text, error)


def error_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that a record is about."""
    return record.exc_info[1] if record.exc_info else None


class JsonLines(logging.Formatter):
    """A record as a line of JSON, of ASCII alone, so that no character of a value ends the line."""

    def __init__(
        self,
        process: str = "",
        release: str = "",
        find_ids: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`find_ids` gives `trace_id` and `span_id` of what the process does at the moment."""
        super().__init__()
        self._of_all = {"process": process, "release": release}
        self._find_ids = find_ids

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **self._of_all,
            "logger": record.name,
            "message": write_message(record),
            **self._find_ids(),
        }
        error = error_of(record)
        if error is not None:
            fields |= {
                "error_type": faults.name_type(error),
                "error": faults.describe(error),
                "stack": [str(frame) for frame in faults.frames(error.__traceback__)],
                "causes": [faults.name_type(each) for each in list(faults.chain(error))[1:]],
            }
        own = {name: value for name, value in fields.items() if value not in ("", [])}
        further = {name: value for name, value in _fields(record).items() if name not in _OWN}
        return json.dumps(own | further, default=str)


class Text(logging.Formatter):
    """A record as people read it at a terminal, as `logging` writes it, and the fields behind the message."""

    def __init__(self) -> None:
        super().__init__(logging.BASIC_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without the traceback."""
        words = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return super().formatMessage(record) + words


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields
