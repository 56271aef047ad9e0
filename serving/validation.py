"""What pydantic finds wrong with a value, as reasons: the reader gets the sentence in their own language."""

from collections.abc import Mapping
from typing import Any

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


def _value(value: Any) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pydantic writes 1.0 as 1
    return value if isinstance(value, int | float) else str(value)
