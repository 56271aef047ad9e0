"""The API's description (OpenAPI): the names of its operations, and the errors that it answers.

The committed copy, `sdk/openapi.json`, is what the SDKs are made from; `openapi_file` writes it.
"""

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


def install(app: FastAPI) -> None:
    """Describe errors as they are answered, in place of FastAPI's own."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe_problems(describe())
        assert app.openapi_schema is not None, "FastAPI keeps what it describes"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_problems(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    _, definitions = models_json_schema(
        [(Problem, "validation")], ref_template="#/components/schemas/{model}"
    )
    schemas |= definitions["$defs"]
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if "4XX" in responses:  # it answers errors in another shape
                continue
            responses.pop("422", None)
            responses["default"] = _PROBLEM
