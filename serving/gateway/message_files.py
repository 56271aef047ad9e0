"""Reads the messages of a batch from a request's body: JSON, JSON Lines or CSV.

Everything is read before anything is stored, so a file with a mistake changes nothing. The error names the
first mistakes by line.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from data.reasons import Reason, reason
from serving.gateway import problems
from serving.gateway.online.bodies import TransformRequest
from serving.gateway.problems import InvalidError
from serving.validation import reason_of

MOST_MESSAGES = 10_000
_AT_ONCE = 200  # messages that are read in one call
_MOST_NAMED = 20  # mistakes in one answer
JSON, JSON_LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
TYPES = (JSON, JSON_LINES, CSV)


class Messages(BaseModel):
    """Messages to rewrite later, each for itself."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[
        list[TransformRequest], Field(min_length=1, max_length=MOST_MESSAGES, description="the messages")
    ]


class _Unread(BaseModel):
    """`Messages` before the messages are read."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[Any], Field(min_length=1, max_length=MOST_MESSAGES)]


_SOME = TypeAdapter(list[TransformRequest])


class _Line(NamedTuple):
    number: int  # from 1, as editors count
    fields: Mapping[str, Any] | str  # a str is JSON


def read_messages(content_type: str, body: bytes) -> list[TransformRequest]:
    """The messages of a body, in their order. InvalidError for one that is not valid, and for a type that is
    none of `TYPES`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        try:
            items = _Unread.model_validate_json(body).items
            # Pydantic keeps other threads waiting for as long as a call takes.
            parts = (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
            return [message for part in parts for message in _SOME.validate_python(part)]
        except ValidationError as error:
            raise InvalidError(problems.by_field(error.errors())) from error
    if kind not in TYPES:
        raise InvalidError({"Content-Type": reason("content_type_of_batch", types=TYPES)})
    try:
        text = body.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        raise InvalidError({"file": reason("body_unreadable")}) from error
    return _read_lines(_split_csv(text) if kind == CSV else _split_json_lines(text))


def _split_json_lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _Line(number, line)


def _split_csv(text: str) -> Iterator[_Line]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    known = TransformRequest.model_fields
    try:
        missing = [
            name for name in ("text", "transform_type", "intensity") if name not in (reader.fieldnames or ())
        ]
        if missing:
            raise InvalidError(
                {"file": reason("csv_columns_missing", columns=tuple(missing), known=tuple(known))}
            )
        for row in reader:
            if None in row:  # cells beyond the header
                raise InvalidError({"file": reason("csv_row_too_long", line=reader.line_num)})
            fields: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
            if fields.get("intensity", "").isdecimal():
                fields["intensity"] = int(fields["intensity"])
            yield _Line(reader.line_num, fields)
    except csv.Error as error:
        why = reason("csv_unreadable", line=reader.line_num, error=str(error))
        raise InvalidError({"file": why}) from error


def _read_lines(lines: Iterator[_Line]) -> list[TransformRequest]:
    messages: list[TransformRequest] = []
    mistakes: dict[str, Reason] = {}
    for number, fields in lines:
        if len(messages) == MOST_MESSAGES:
            raise InvalidError({"file": reason("too_many_messages", most=MOST_MESSAGES)})
        try:
            messages.append(
                TransformRequest.model_validate_json(fields)
                if isinstance(fields, str)
                else TransformRequest.model_validate(fields)
            )
        except ValidationError as error:
            fault = error.errors()[0]
            name = next((part for part in fault["loc"] if isinstance(part, str)), "")
            mistakes[f"line {number}{name and ', ' + name}"] = reason_of(fault)
            if len(mistakes) == _MOST_NAMED:
                break
    if mistakes:
        raise InvalidError(mistakes, within="file")
    if not messages:
        raise InvalidError({"file": reason("no_messages")})
    return messages
