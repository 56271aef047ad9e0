"""Arguments of fields, for the functions of REST routes: valid by the types that the route declares for its
parameters, as FastAPI checks them.
"""

import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from data.reasons import Reason, reason
from serving.gateway import problems
from serving.gateway.graph.limits import MOST_LISTED
from serving.gateway.pages import BeforeName, Rows
from serving.gateway.problems import InvalidError

_BEFORE_NAME: TypeAdapter[str | None] = TypeAdapter(BeforeName)


def check_first(first: int) -> int:
    """The number of objects to list; InvalidError when it is none that may be asked for."""
    if not 1 <= first <= MOST_LISTED:
        raise InvalidError({"first": reason("first_out_of_range", first=first, limit=MOST_LISTED)})
    return first


def rows(first: int, before: uuid.UUID | None) -> Rows[uuid.UUID]:
    """The rows of a list. Errors as `check_first`."""
    return Rows(before, check_first(first))


def named_rows(first: int, before: str | None) -> Rows[str]:
    """The rows of a list whose ids are texts. Errors as `check_first`, and for a text that is no id."""
    faults: dict[str, Reason] = {}
    checked = _check(_BEFORE_NAME, "before", before, faults)
    if faults:
        raise InvalidError(faults)
    return Rows(checked, check_first(first))


def check(route: Callable[..., Any], **given: Any) -> Mapping[str, Any]:
    """The arguments for a route's parameters of these names: those that are not None, and valid. InvalidError
    when one is not.
    """
    faults: dict[str, Reason] = {}
    checked = {
        name: _check(_adapt(route, name), name, value, faults)
        for name, value in given.items()
        if value is not None
    }
    if faults:
        raise InvalidError(faults)
    return checked


@cache
def _adapt(route: Callable[..., Any], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(route, include_extras=True)[name])


def _check(adapter: TypeAdapter[Any], name: str, value: Any, faults: dict[str, Reason]) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        named = [{**fault, "loc": (name,)} for fault in error.errors(include_url=False)]
        faults.update(problems.by_field(named))
        return None
