"""The document: what FastAPI makes of the routes, completed by what it does not know."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.gateway import conditional, deprecation, problems, refusals
from serving.gateway.description import access, errors, events, examples
from serving.gateway.description.access import Rule
from serving.gateway.description.errors import OPENAI, PROBLEMS, Form, Problem
from serving.gateway.refusals import Refusal

_OF_FASTAPI = ("HTTPValidationError", "ValidationError")  # `problems` answers in their place
_DONE = {
    "200": "Done",
    "201": "Made",
    "202": "Accepted: it is done later",
    "204": "Done; the response has no body",
}
_NAMES = {
    400: "Invalid",
    401: "Unauthorized",
    403: "Forbidden",
    409: "InProgress",
    412: "Changed",
    413: "TooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    503: "Unavailable",
}
_SENTENCE = re.compile(r"(.+?)[.:;](?=\s|$)")
TAGS = {
    "rewrites": "Rewrites of messages: one, as JSON or as a stream, two to compare, or a hundred at once.",
    "analysis": "What a message does to its reader, and by which of its words.",
    "feedback": "Votes on rewrites, with the receipt that came with each.",
    "answers": "The rewrites that a person got, for that person.",
    "dictionary": "Terms of an organisation and of its people, and what rewrites do with them.",
    "rules": "Conditions of an organisation and of its people, and the rewrite that they propose.",
    "comparisons": "Two rewrites for a person to choose from, and how many the person has judged.",
    "jobs": "The queue: thousands of messages in one request, their results, and exports of votes.",
    "webhooks": "Addresses of yours that get events, and the log of what was sent to them.",
    "inbound-webhooks": "Other tools of yours send messages, and the rewrites go to an address that you set.",
    "realtime": "The WebSocket: events as they happen, and rewrites on the same connection.",
    "graphql": "The same as the other routes, with exactly the fields that a program asks for.",
    "openai": "Rewrites for clients of OpenAI's API, with its documents and its errors.",
    "consent": "Whether feedback may train models: a person's choice, and an organisation's decisions.",
    "erasures": "What a person asks to be forgotten, and how far that is.",
    "preferences": "What a person prefers in every client, for the clients to preselect.",
    "app-feedback": "What people say about the app itself, for the admins of their organisation.",
    "experiments": "Versions against the champion: drafts, decisions and what is measured. For the"
    " organisation that runs the installation.",
    "accounts": "People who sign in, and their sessions.",
    "administration": "API keys, the secrets and keys that sign requests and tokens, and revoked tokens.",
    "health": "Probes and metrics of one gateway, for its operator.",
}
ABOUT: dict[str, Any] = {
    "title": "ToneBridge",
    "version": "0.1.0",
    "description": (
        "Rewrites workplace messages, and learns from what people think of the rewrites.\n\n"
        "Requests need an API key in the header `X-API-Key`, or a token in the header `Authorization:"
        " Bearer`. A key may require that its requests are signed, too.\n\n"
        "Errors are problem documents (RFC 9457) that say what to do; their `reasons` are codes and"
        " values, for programs. Times are in UTC (RFC 3339), ids are UUIDs. New fields, new optional"
        " parameters and new kinds of events may come at any time, so ignore what you do not know. What is"
        " to be removed is announced first: it is `deprecated`, and its responses have the headers"
        " `Deprecation` and `Sunset`."
    ),
    # One schema for what is sent and answered: they differ in nothing that a client sees.
    "separate_input_output_schemas": False,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "servers": [
        {"url": "/", "description": "the gateway that serves this document"},
        {"url": "http://localhost:8080", "description": "the gateway of `make up`"},
    ],
    "openapi_tags": [{"name": name, "description": text} for name, text in TAGS.items()],
}
_SIGNED = {
    "Signature-Input": "What is signed, and how (RFC 9421):"
    ' `sig1=("@method" "@target-uri" "content-digest");created=...;keyid="rs_...";alg="hmac-sha256"'
    ';nonce="..."`. All three headers are sent, or none: docs/signatures.md.',
    "Signature": "The signature (RFC 9421), by HMAC-SHA256 with a secret of the API key: `sig1=:base64:`.",
    "Content-Digest": "The SHA-256 of the body (RFC 9530), also of an empty one: `sha-256=:base64:`.",
}
_RATE = ("RateLimit", "RateLimit-Policy")
_DEPRECATED = ("Deprecation", "Sunset")
_HEADERS: dict[str, tuple[str, str, Any]] = {
    "RateLimit": (
        "string",
        "requests that are left of the plan's rate, and the seconds until there are more"
        " (draft-ietf-httpapi-ratelimit-headers)",
        '"free";r=19;t=1',
    ),
    "RateLimit-Policy": (
        "string",
        "the plan's rate: requests at once, and the seconds in which as many come back",
        '"free";q=20;w=4',
    ),
    "Retry-After": ("integer", "seconds to wait before the next try", 2),
    "X-Request-Id": (
        "string",
        "the request's id in logs and traces: the one that you sent, or a new one",
        "01a22303-92fd-74fc-b4f4-074280c0308c",
    ),
    "Server-Timing": (
        "string",
        "milliseconds that the gateway and the inference service took; a stream has none",
        "gateway;dur=1.204, upstream;dur=93.500",
    ),
    "Location": (
        "string",
        "address of what was made",
        "/api/v1/jobs/batches/01a22303-92fd-74fc-b4f4-074280c0308c",
    ),
    "Link": (
        "string",
        "the page that follows, if there is one (RFC 8288)",
        '</api/v1/jobs?before=01a22303-92fd-74fc-b4f4-074280c0308c>; rel="next"',
    ),
    "ETag": (
        "string",
        "changes with the document; a request with it in `If-None-Match` is answered by 304, without a body,"
        " while the document is the same; a change with it in `If-Match` is made only then (RFC 9110)",
        '"5d41402abc4b2a76b9719d911017c592"',
    ),
    "Upgrade": ("string", "the protocol that the address speaks", "websocket"),
    "Deprecation": ("string", "since when the operation is deprecated (RFC 9745)", "@1798761600"),
    "Sunset": (
        "string",
        "when the operation is removed at the earliest (RFC 8594)",
        "Thu, 01 Jul 2027 00:00:00 GMT",
    ),
}


def name_operation(route: APIRoute) -> str:
    """The id of an operation: the name of the function that answers it. The SDKs have a method for each."""
    return route.name


def install(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Complete the document when it is first asked for. `bodies` are those that routes read by themselves."""
    events.install(app)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe(), app, bodies)
        assert app.openapi_schema is not None, "FastAPI keeps what it describes"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    components = document["components"]
    schemas = components["schemas"]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    _, definitions = models_json_schema(
        [(Problem, "validation"), *((body, "validation") for body in bodies)],
        ref_template="#/components/schemas/{model}",
    )
    schemas |= {name: schema for name, schema in definitions["$defs"].items() if name not in schemas}
    components["securitySchemes"] |= {
        name: {"type": "apiKey", "in": "header", "name": name, "description": text}
        for name, text in _SIGNED.items()
    }
    components["responses"] = {}
    for method, path, operation, dependant in _operations(document, app):
        _complete_operation(path, operation, dependant, components)
        if method == "GET":
            conditional.describe(path, operation["responses"])
    for methods in document.get("webhooks", {}).values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            examples.add(operation["requestBody"]["content"], schemas)
            _write_texts(operation)
    examples.unmark(components["schemas"])
    _drop_titles(components)
    _drop_titles(document["paths"])
    _drop_titles(document.get("webhooks", {}))
    used = str(document)
    components["headers"] = {
        name: {"description": text, "schema": {"type": kind}, "example": example}
        for name, (kind, text, example) in _HEADERS.items()
        if f"#/components/headers/{name}'" in used
    }


def _operations(document: dict[str, Any], app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Each operation with its method, its path and the dependencies of its route."""
    for context in iter_route_contexts(app.routes):
        route: Any = context
        for method in getattr(route, "methods", None) or ():
            path = getattr(route, "path_format", "")
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                yield method, path, operation, route.dependant


def _complete_operation(
    path: str, operation: dict[str, Any], dependant: Any, components: dict[str, Any]
) -> None:
    rules = access.find_rules(path, dependant)
    if "requestBody" in operation:
        rules.append(access.make_body_rule(path))
    if "requestBody" in operation or operation.get("parameters"):
        rules.append(access.WITH_INPUT)
    responses = operation["responses"]
    form = OPENAI if responses.pop("4XX", None) else PROBLEMS
    responses.pop("5XX", None)
    own = [refusal for response in responses.values() for refusal in refusals.read(response)]
    operation["responses"] = responses = {
        status: response
        for status, response in responses.items()
        if status < "400" or (response.get("content") and status != "422")
    }
    notice = deprecation.describe(operation)
    _write_texts(operation, access.describe(rules), *([notice] if notice else []))
    if "security" in operation:
        operation["security"].append({"APIKeyHeader": [], **{name: [] for name in _SIGNED}})
    _add_errors(responses, rules, own, form, components["responses"])
    responses["default"] = {"$ref": "#/components/responses/Other"}
    components["responses"]["Other"] = errors.write_other()
    is_limited = "429" in responses and "security" in operation
    headers = ("X-Request-Id", *(_DEPRECATED if notice else ()))
    for status, response in responses.items():
        if "$ref" not in response and status != "101":
            _complete_response(
                status, response, (*headers, *(_RATE if is_limited and status < "400" else ()))
            )
            examples.add(response.get("content", {}), components["schemas"])
    if "requestBody" in operation:
        examples.add(operation["requestBody"]["content"], components["schemas"])


def _add_errors(
    responses: dict[str, Any],
    rules: Sequence[Rule],
    own: Sequence[Refusal],
    form: Form,
    shared: dict[str, Any],
) -> None:
    """Add what an operation refuses. A response that follows from rules alone is shared by all operations
    with these rules.
    """
    by_status: dict[int, list[Refusal]] = defaultdict(list)
    names: dict[int, list[str]] = defaultdict(list)
    for rule in rules:
        for status, refused in _by_status(rule.refusals).items():
            by_status[status] += refused
            names[status].append(rule.name)
    for status, refused in _by_status(own).items():
        by_status[status] += refused
        names[status].append("")
    for status, refused in sorted(by_status.items()):
        answered, response = errors.write(refused, form)
        if all(names[status]):
            name = f"{form.prefix}{''.join(names[status])}{_NAMES[answered]}"
            shared[name] = response
            response = {"$ref": f"#/components/responses/{name}"}
        responses[str(answered)] = response


def _by_status(refused: Sequence[Refusal]) -> dict[int, list[Refusal]]:
    by_status: dict[int, list[Refusal]] = defaultdict(list)
    for refusal in refused:
        by_status[problems.status_of(refusal[0])].append(refusal)
    return by_status


def _complete_response(status: str, response: dict[str, Any], names: Sequence[str]) -> None:
    if response.get("description") == "Successful Response":
        response["description"] = _DONE[status]
    headers = response.setdefault("headers", {})
    for name in names:
        headers.setdefault(name, {"$ref": f"#/components/headers/{name}"})


def _write_texts(operation: dict[str, Any], *more: str) -> None:
    """Make the summary of the first sentence of the route's docstring, and unwrap its lines."""
    paragraphs = [" ".join(text.split()) for text in operation["description"].split("\n\n")]
    sentence = _SENTENCE.match(paragraphs[0])
    operation["summary"] = sentence[1] if sentence else paragraphs[0]
    operation["description"] = "\n\n".join((*paragraphs, *more))


def _drop_titles(node: Any) -> None:
    """Remove the titles that pydantic makes of the names of fields: they say nothing more."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        _drop_titles(child)
    if isinstance(node, dict) and isinstance(node.get("title"), str) and "status" not in node:
        del node["title"]  # a field that is called so is no text, and an example of a problem has a status
