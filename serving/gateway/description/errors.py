"""Errors in the description: their documents, and the response of each status with the sentences and the
documents that are answered.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Reason
from serving.gateway import problems
from serving.gateway.online import completions
from serving.gateway.refusals import Refusal, make_error

_HEADERS = ("Retry-After", "Upgrade")  # of errors, if they have them


class InvalidField(BaseModel):
    """What is wrong with one field of a request, and what it may be."""

    field: Annotated[str, Field(description="name of the field", examples=["text"])]
    part: Annotated[
        str | None, Field(description="the part of the field, as a line of a file; absent: the field itself")
    ] = None
    message: Annotated[str, Field(description="what is wrong, in English", examples=["Field required"])]
    allowed: Annotated[
        str, Field(description="what the field may be, in English", examples=["1 to 8,000 characters"])
    ]
    reason: Annotated[Reason, Field(description="`message` as code and values")]
    allowed_reason: Annotated[Reason, Field(description="`allowed` as code and values")]


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `reasons` has the codes and values of `detail`."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="always `about:blank`", examples=["about:blank"])]
    title: Annotated[str, Field(description="the kind of problem, in English", examples=["Not found"])]
    status: Annotated[int, Field(description="the status of the response", examples=[404])]
    detail: Annotated[
        str,
        Field(
            description="what is wrong, and what to do, in English",
            examples=["there is no account with this id"],
        ),
    ]
    reasons: Annotated[list[Reason], Field(description="the codes and values of `detail`, for programs")]
    errors: Annotated[list[InvalidField], Field(description="of a request that is not valid, by field")] = []


class Form(NamedTuple):
    """The form in which routes answer errors. `prefix` is that of the names of shared responses."""

    refuse: Callable[[Exception], Response]
    media_type: str
    document: str
    prefix: str


PROBLEMS = Form(problems.answer, "application/problem+json", "Problem", "")
OPENAI = Form(completions.refuse, "application/json", "ErrorDocument", "Completion")


def write(refusals: Sequence[Refusal], form: Form) -> tuple[int, dict[str, Any]]:
    """The status of some refusals, which have the same one, and its response in the description."""
    examples: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    sentences: list[str] = []
    status = 0
    for refusal in refusals:
        error = make_error(refusal)
        answered = form.refuse(error)
        status = answered.status_code
        problem = json.loads(bytes(problems.answer(error).body))
        examples[problem["reasons"][0]["code"]] = {
            "summary": problem["title"],
            "value": json.loads(bytes(answered.body)),
        }
        headers |= {name: _refer("headers", name) for name in _HEADERS if name in answered.headers}
        sentences.append(f"{problem['title']}: {problem['detail']}")
    return status, {
        "description": sentences[0] if len(sentences) == 1 else "\n".join(f"- {text}" for text in sentences),
        "headers": {**headers, "X-Request-Id": _refer("headers", "X-Request-Id")},
        "content": {form.media_type: {"schema": _refer("schemas", form.document), "examples": examples}},
    }


def write_other() -> dict[str, Any]:
    """The response of what may happen to any operation."""
    _, response = write([(RuntimeError, "a mistake of ours")], PROBLEMS)
    return response | {
        "description": "Any other problem: what the server refuses before a whole request has arrived"
        " (400, 408, 413, 431, 503), or a mistake of ours (500)"
    }


def _refer(kind: str, name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
