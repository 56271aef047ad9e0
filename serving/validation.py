"""What is wrong with a value or a config, as reasons: the reader gets the sentence in their own language."""

from collections.abc import Mapping
from typing import Any

from configs import ConfigError
from data.reasons import WRITTEN, Reason, ReasonedError, Value, catalogue, reason

# Pydantic counts in its sentences: "at least 1 character", "at least 2 characters".
_OF_ONE = {"string_too_short": "invalid_string_empty", "too_short": "invalid_empty"}


def reason_of(fault: Mapping[str, Any]) -> Reason:
    """The reason for one of the dicts of `ValidationError.errors()`.

    The code is `invalid_` and pydantic's type of error, the values are those of pydantic's `ctx`. A type that
    the catalogue lacks becomes pydantic's English message, as it is. A validator of ours that raised a
    ReasonedError has given the reason.
    """
    kind, context = fault["type"], fault.get("ctx", {})
    if isinstance(error := context.get("error"), ReasonedError):
        return error.reasons[0]
    code = _OF_ONE[kind] if kind in _OF_ONE and context.get("min_length") == 1 else f"invalid_{kind}"
    if code not in catalogue()["reasons"]:
        return reason(WRITTEN, text=fault["msg"])
    values = {name: _value(value) for name, value in context.items()}
    return reason(code, **values)


def reasons_of(error: Exception) -> list[Reason]:
    """The reasons of an error of ours; none for any other exception."""
    if isinstance(error, ReasonedError):
        return error.reasons
    if isinstance(error, ConfigError):
        return [each for fault in error.faults for each in _reasons_of_fault(str(error.path), fault)]
    return []


def _reasons_of_fault(file: str, fault: Mapping[str, Any]) -> list[Reason]:
    if isinstance(error := fault.get("ctx", {}).get("error"), ConfigError):
        return reasons_of(error)  # a validator reads a config of its own
    field = ".".join(map(str, fault["loc"]))
    where = reason("config_field_invalid", file=file, field=field) if field else None
    return [where or reason("config_invalid", file=file), reason_of(fault)]


def _value(value: Any) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pydantic writes 1.0 as 1
    return value if isinstance(value, int | float) else str(value)
