"""The route `/graphql`: a document in, its data and errors out."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from serving.gateway.dependencies import Authenticated
from serving.gateway.graph import trusted
from serving.gateway.graph.context import Context
from serving.gateway.graph.faults import explain
from serving.gateway.graph.schema import schema
from serving.gateway.online.decoding import validate
from serving.gateway.online.front import GRAPHQL_PATH, Front
from serving.gateway.online.turns import Turn, watched
from serving.gateway.parts import InjectedParts
from serving.gateway.problems import ForbiddenError, InvalidDocumentError, NotFoundError
from serving.gateway.refusals import LIMITED, refuses

_RESPONSE = "application/graphql-response+json"  # GraphQL over HTTP, 6.4.2
_OPERATIONS = (OperationType.QUERY, OperationType.MUTATION)

_ANSWER = {"data": {"me": {"organisation": "first", "role": "OWNER"}, "jobs": []}}

router = APIRouter(tags=["graphql"])


class GraphQLRequest(BaseModel):
    """A document, or the id of a trusted one, with its variables."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[
        str | None,
        Field(
            min_length=1,
            description="the document",
            examples=["query($first: Int!) { me { organisation role } jobs(first: $first) { id state } }"],
        ),
    ] = None
    document_id: Annotated[
        str | None,
        Field(
            alias="documentId",
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of a trusted document, in place of `query`",
        ),
    ] = None
    operation_name: Annotated[
        str | None,
        Field(alias="operationName", max_length=200, description="the operation, if there are several"),
    ] = None
    variables: Annotated[
        dict[str, JsonValue] | None,
        Field(description="values of the variables, by name", examples=[{"first": 5}]),
    ] = None
    extensions: Annotated[dict[str, JsonValue] | None, Field(description="not read")] = None


def install(app: FastAPI, front: Front) -> None:
    """Serve GraphQL. `front` answers rewrites."""
    schema()  # made now, since the first request would wait for it
    trusted.documents()
    app.state.front = front


@router.post(
    GRAPHQL_PATH,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GraphQLRequest"}}},
        }
    },
    responses={
        200: {
            "description": "`data`, and `errors` with the problem of each as its `extensions`",
            "content": {
                kind: {"schema": {"type": "object", "additionalProperties": True}, "example": _ANSWER}
                for kind in ("application/json", _RESPONSE)
            },
        },
        400: {
            "description": "The document was not executed, and the client accepts the newer media type",
            "content": {
                _RESPONSE: {
                    "schema": {"type": "object", "additionalProperties": True},
                    "example": {"errors": [{"message": "Syntax Error: Unexpected <EOF>."}]},
                }
            },
        },
        **LIMITED,
        **refuses((NotFoundError, "graphql_document_unknown"), (ForbiddenError, "graphql_only_trusted")),
    },
)
async def graphql(request: Request, parts: InjectedParts, caller: Authenticated) -> Response:
    """Execute a GraphQL document: what the other routes read, rewrites and votes. Each field calls the
    function of its REST route, so roles, rates and quotas are the same. Introspection gives the schema;
    docs/graphql.md has examples and limits. Subscriptions come over a WebSocket at the same address.
    """
    headers = dict(request.scope["headers"])
    # FastAPI would parse the body before it calls a dependency, and so before the caller is known.
    body = validate(GraphQLRequest, await request.body(), headers)
    document = trusted.choose(parts.settings, body.query, body.document_id)
    turn = Turn()
    context = Context(parts, request.app.state.front, caller, headers, turn)
    try:
        with watched(request.receive, turn):
            result = await schema().execute(
                document, body.variables, context, None, body.operation_name, _OPERATIONS
            )
    except InvalidOperationTypeError as error:
        raise InvalidDocumentError("graphql_not_here") from error
    except CannotGetOperationTypeError as error:
        raise InvalidDocumentError("graphql_operation_unknown") from error
    if context.refusal is not None:
        raise context.refusal
    response: dict[str, Any] = {}
    if result.errors:
        response["errors"] = [explain(error).formatted for error in result.errors]
    # A client that knows the newer media type gets 400 for a document that was not executed.
    knows = _RESPONSE in request.headers.get("accept", "")
    was_executed = not isinstance(result, PreExecutionError)
    if was_executed:
        response["data"] = result.data
    content = json.dumps(response, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    policy, remaining = parts.limiter.headers(caller, GRAPHQL_PATH)
    limits = {"RateLimit-Policy": policy.decode(), "RateLimit": remaining.decode()}
    status = 400 if knows and not was_executed else 200
    return Response(content, status, limits, _RESPONSE if knows else "application/json")
