"""The API's description: names that an SDK can use, and errors as they are answered."""

import json
import re
from typing import Any

import pytest

from data.reasons import reason
from serving.gateway import openapi_file, problems
from serving.gateway.description import Problem
from serving.gateway.problems import InvalidError, NotFoundError


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(openapi_file.render())
    return described


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def test_each_operation_has_a_short_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) > 50
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", name)] == []


def test_each_document_has_a_name_that_tells_no_module(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_each_operation_names_the_errors_that_it_answers(document: dict[str, Any]) -> None:
    kinds = {
        (name, content)
        for operation in operations(document)
        for status, response in operation["responses"].items()
        if status in ("4XX", "422", "default")
        for content in response["content"]
        for name in [operation["tags"][0] if status == "4XX" else status]
    }
    assert kinds == {("default", "application/problem+json"), ("openai", "application/json")}


def test_what_a_document_refers_to_is_there(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"\$ref": "(.+?)"', json.dumps(document)))
    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} >= referred


@pytest.mark.parametrize(
    "error",
    [NotFoundError("unknown_job"), InvalidError({"text": reason("body_unreadable")}), RuntimeError("a bug")],
)
def test_an_error_is_answered_as_described(error: Exception) -> None:
    answered = json.loads(bytes(problems.answer(error).body))
    assert Problem.model_validate(answered).model_dump(mode="json", exclude_unset=True) == answered
