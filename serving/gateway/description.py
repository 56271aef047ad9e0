"""The API's description (OpenAPI): the names of its operations, and the errors that it answers.

The committed copy, `sdk/openapi.json`, is what the SDKs are made from; `openapi_file` writes it.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from data.reasons import Reason

_PROBLEM = {
    "description": "A problem (RFC 9457): what is wrong, and what to do. 429 and 503 have `Retry-After`",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")  # `problems` answers in their place


class InvalidField(BaseModel):
    """What is wrong with one field of a request, and what it may be."""

    field: str
    part: str | None = None
    message: str
    allowed: str
    reason: Reason
    allowed_reason: Reason


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    type: str
    title: str
    status: int
    detail: str
    reasons: list[Reason]
    errors: list[InvalidField] = Field(default=[], description="of a request that is not valid")


def name_operation(route: APIRoute) -> str:
    """The id of an operation: the name of the function that answers it. The SDKs have a method for each."""
    return route.name


def install(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Describe errors as they are answered, in place of FastAPI's own, and the bodies that routes read by
    themselves.
    """
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe(), bodies)
        assert app.openapi_schema is not None, "FastAPI keeps what it describes"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], bodies: Sequence[type[BaseModel]]) -> None:
    schemas = document["components"]["schemas"]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    _, definitions = models_json_schema(
        [(Problem, "validation"), *((body, "validation") for body in bodies)],
        ref_template="#/components/schemas/{model}",
    )
    schemas |= {name: schema for name, schema in definitions["$defs"].items() if name not in schemas}
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if "4XX" in responses:  # it answers errors in another shape
                continue
            responses.pop("422", None)
            responses["default"] = _PROBLEM
    _drop_titles(document["components"])
    _drop_titles(document["paths"])


def _drop_titles(node: Any) -> None:
    """Remove the titles that pydantic makes of the names of fields: they say nothing more."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        _drop_titles(child)
    if isinstance(node, dict) and isinstance(node.get("title"), str):  # not a field that is called so
        del node["title"]
