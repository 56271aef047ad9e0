"""The API's description: names that an SDK can use, texts that say something, and errors as they are
answered.
"""

import json
import re
from typing import Any

import pytest

from data.reasons import reason
from serving.gateway import openapi_file, problems
from serving.gateway.description.document import TAGS
from serving.gateway.description.errors import Problem
from serving.gateway.problems import InvalidError, NotFoundError

OF_OTHER_FORMS = {("check_ready", "503"), ("graphql", "400")}  # errors that are no problems


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(openapi_file.render())
    return described


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def responses_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The responses of an operation, those that it shares with others, too."""
    shared = document["components"]["responses"]
    return {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in operation["responses"].items()
    }


def find(document: dict[str, Any], id: str) -> dict[str, Any]:
    (operation,) = (operation for operation in operations(document) if operation["operationId"] == id)
    return operation


def test_each_operation_has_a_short_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) > 50
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", name)] == []


def test_each_document_has_a_name_that_tells_no_module(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_each_operation_has_a_summary_and_says_who_may_call_it(document: dict[str, Any]) -> None:
    faults = [
        operation["operationId"]
        for operation in operations(document)
        if not 5 < len(operation["summary"]) < 110
        or operation["summary"].endswith(".")
        or operation["description"].count("**Who**: ") != 1
    ]
    assert faults == [], "begin the route's docstring with one short sentence that says what it does"


def test_each_operation_has_one_tag_of_those_that_are_described(document: dict[str, Any]) -> None:
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    used = {tuple(operation["tags"]) for operation in operations(document)}
    assert used == {(tag,) for tag in TAGS}


def test_who_may_call_follows_from_the_route(document: dict[str, Any]) -> None:
    said = {
        id: find(document, id)["description"].rpartition("**Who**: ")[2]
        for id in ("login", "get_me", "create_key", "put_organisation", "get_experiment", "start_experiment")
    }
    assert said == {
        "login": "everybody; it takes no key and no token.",
        "get_me": "everybody with an API key or a token.",
        "create_key": "admins and owners of the organisation.",
        "put_organisation": "owners of the organisation.",
        "get_experiment": "viewers and above, of the organisation that runs the installation.",
        "start_experiment": "experimenters and above, of the organisation that runs the installation.",
    }


def test_each_operation_names_the_errors_that_it_answers(document: dict[str, Any]) -> None:
    for operation in operations(document):
        responses = responses_of(document, operation)
        assert "default" in responses, operation["operationId"]
        if "security" in operation:
            assert {"401", "503"} <= responses.keys(), operation["operationId"]
        is_openai = operation["tags"] == ["openai"]
        kind = "application/json" if is_openai else "application/problem+json"
        for status, response in responses.items():
            place = (operation["operationId"], status)
            if "400" <= status < "default" and place not in OF_OTHER_FORMS:
                assert response["content"].keys() == {kind}, place


@pytest.mark.parametrize(
    ("id", "statuses"),
    [
        ("transform", {"200", "401", "403", "409", "413", "422", "429", "503", "default"}),
        (
            "create_chat_completion",
            {"200", "400", "401", "403", "404", "409", "413", "429", "503", "default"},
        ),
        ("give_feedback", {"201", "401", "403", "409", "410", "413", "422", "429", "503", "default"}),
        ("delete_key", {"204", "401", "403", "404", "422", "429", "503", "default"}),
        ("login", {"200", "401", "403", "413", "422", "429", "503", "default"}),
        ("check_live", {"200", "default"}),
    ],
)
def test_the_statuses_of_an_operation(document: dict[str, Any], id: str, statuses: set[str]) -> None:
    assert find(document, id)["responses"].keys() == statuses


def test_a_refusal_is_shown_as_it_is_answered(document: dict[str, Any]) -> None:
    response = responses_of(document, find(document, "delete_key"))["404"]
    answered = json.loads(bytes(problems.answer(NotFoundError("unknown_key")).body))
    assert response["content"]["application/problem+json"]["examples"]["unknown_key"]["value"] == answered
    assert response["description"] == f"{answered['title']}: {answered['detail']}"


@pytest.mark.parametrize(
    ("id", "bytes"),
    [("login", "16,384"), ("transform", "131,072"), ("create_chat_completion", "1,048,576"),
     ("create_batch", "12,582,912")],
)  # fmt: skip
def test_the_longest_body_is_that_of_the_route(document: dict[str, Any], id: str, bytes: str) -> None:
    response = responses_of(document, find(document, id))["413"]
    assert response["description"].endswith(f"the body is longer than {bytes} bytes")


def test_headers_are_described_where_they_come(document: dict[str, Any]) -> None:
    created = find(document, "create_batch")["responses"]["202"]["headers"]
    assert created.keys() == {"Location", "RateLimit", "RateLimit-Policy", "X-Request-Id"}
    limited = responses_of(document, find(document, "create_batch"))["429"]["headers"]
    assert limited.keys() == {"Retry-After", "X-Request-Id"}
    assert find(document, "check_live")["responses"]["200"]["headers"].keys() == {"X-Request-Id"}


def test_requests_may_be_signed_where_they_need_a_key(document: dict[str, Any]) -> None:
    signed = {"APIKeyHeader": [], "Signature": [], "Signature-Input": [], "Content-Digest": []}
    for operation in operations(document):
        if "security" in operation:
            assert operation["security"] == [{"APIKeyHeader": []}, {"HTTPBearer": []}, signed]
    assert signed.keys() | {"HTTPBearer"} == document["components"]["securitySchemes"].keys()


def test_what_a_document_refers_to_is_there_and_is_used(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"\$ref": "(.+?)"', json.dumps(document)))
    parts = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert parts == referred


@pytest.mark.parametrize(
    "error",
    [NotFoundError("unknown_job"), InvalidError({"text": reason("body_unreadable")}), RuntimeError("a bug")],
)
def test_an_error_is_answered_as_described(error: Exception) -> None:
    answered = json.loads(bytes(problems.answer(error).body))
    assert Problem.model_validate(answered).model_dump(mode="json", exclude_unset=True) == answered
