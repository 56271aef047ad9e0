"""A record of the log as a line: its schema, and what is not in it."""

import json
import logging
import re
import sys
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel, ValidationError

from data.reasons import ReasonedError
from serving.observability.lines import JsonLines, Text

MARKER = "a text that somebody wrote"


def record(message: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("serving.some.module", logging.WARNING, __file__, 1, message, values, info)


def line(made: logging.LogRecord) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(JsonLines("gateway", "0.1.0", lambda: {"trace_id": "ab"}).format(made))
    return read


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_a_line_says_when_where_and_what() -> None:
    made = record("%d wait", 3)
    made.created = 1_764_400_000.1234
    assert line(made) == {
        "time": "2025-11-29T07:06:40.123Z",
        "level": "warning",
        "process": "gateway",
        "release": "0.1.0",
        "logger": "serving.some.module",
        "message": "3 wait",
        "trace_id": "ab",
    }


def test_fields_follow_and_replace_nothing_of_the_schema() -> None:
    made = record("answered")
    made.fields = {"request_id": "r-1", "ms": 1.5, "process": "another"}
    made.body = MARKER  # what a library attaches
    read = line(made)
    assert (read["request_id"], read["ms"], read["process"]) == ("r-1", 1.5, "gateway")
    assert MARKER not in json.dumps(read)


def test_an_error_has_its_type_and_its_place_and_no_message() -> None:
    read = line(record("it broke", error=raised(KeyError(MARKER), ValueError(MARKER))))
    assert (read["error_type"], read["error"], read["causes"]) == ("KeyError", "KeyError", ["ValueError"])
    assert re.fullmatch(r"tests/serving/observability/test_lines\.py:\d+ raised", read["stack"][-1])
    assert MARKER not in json.dumps(read)


class _Strict(BaseModel):
    number: int


def errors() -> list[BaseException]:
    with pytest.raises(ValidationError) as invalid:
        _Strict.model_validate({"number": MARKER})
    return [
        invalid.value,
        psycopg.errors.NotNullViolation(f"null value\nDETAIL:  Failing row contains ({MARKER})."),
        ReasonedError("written", text=MARKER),
        UnicodeDecodeError("utf-8", MARKER.encode(), 0, 1, "invalid"),
        json.JSONDecodeError(MARKER, MARKER, 0),
        RuntimeError(MARKER),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_a_message_does_not_quote_what_an_exception_quotes(error: BaseException) -> None:
    for made in (
        record("it failed: %s", error),
        record("it failed: %r", error),
        record("it failed", error=raised(error)),
        record(f"future: <Task exception={error!r}>", error=raised(error)),  # as asyncio writes
        record(f"failed to run listener: {error}", error=raised(error)),  # as bolt writes
        record("it failed", error=raised(RuntimeError("x"), error)),
    ):
        assert MARKER not in JsonLines().format(made)
        assert type(error).__name__ in JsonLines().format(made)


def test_codes_of_errors_are_kept() -> None:
    violation = psycopg.errors.UniqueViolation(MARKER)
    assert line(record("%s", violation))["message"] == "UniqueViolation: SQLSTATE 23505"
    assert line(record("%s", ReasonedError("written", text=MARKER)))["message"] == "ReasonedError: written"
    assert line(record("%r", violation))["message"] == "UniqueViolation: SQLSTATE 23505"
    refused = ConnectionRefusedError(111, "Connection refused")
    assert line(record("%s", refused))["message"] == "ConnectionRefusedError: Connection refused"


def test_text_is_for_people_and_has_the_fields_too() -> None:
    made = record("answered")
    made.fields = {"request_id": "r-1"}
    assert Text().format(made) == "WARNING:serving.some.module:answered request_id=r-1"


def test_the_frames_of_a_line_have_no_values_and_no_source() -> None:
    def fail(text: str) -> None:
        local = text.upper()
        raise RuntimeError(local)

    try:
        fail(MARKER)
    except RuntimeError:
        made = record("it broke")
        made.exc_info = sys.exc_info()
    written = JsonLines().format(made)
    assert "fail" in written
    assert not re.search(f"{MARKER}|{MARKER.upper()}|raise RuntimeError", written)
