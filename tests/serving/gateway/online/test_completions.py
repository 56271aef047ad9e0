"""What is read from a request for a completion, and how it is refused; without a gateway."""

import json
import uuid
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from psycopg_pool import PoolTimeout

from data.people.identities import Identity
from data.records import TransformType
from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.online.completions import MODELS, CompletionRequest, Exchange, refuse
from serving.gateway.online.placement import Message
from serving.gateway.problems import InvalidError, NotFoundError, TooManyRequestsError, UnavailableError

MODEL = "tonebridge/soften-2"
JSON = {b"content-type": b"application/json"}
CALLER = Caller(Identity(uuid.UUID(int=1), "an id", "member", b"", "free"))
FIX = {"role": "user", "content": "Fix it."}


def read(**fields: Any) -> tuple[Message, bool]:
    """What a request asks for."""
    body = {"model": MODEL, "messages": [FIX], **fields}
    return Exchange().read(json.dumps(body).encode(), JSON, CALLER)


def refusal(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and error document."""
    response = refuse(error)
    assert response.headers["content-type"] == "application/json"
    document = json.loads(bytes(response.body))
    assert list(document) == ["error"]
    assert list(document["error"]) == ["message", "type", "param", "code"]
    return response.status_code, document["error"]


def refused(**fields: Any) -> dict[str, Any]:
    """The error that a request with these fields gets."""
    with pytest.raises((InvalidError, NotFoundError)) as caught:
        read(**fields)
    return refusal(caught.value)[1]


def test_every_model_is_a_transform_type_and_an_intensity() -> None:
    kinds = set()
    for model in MODELS:
        message, _ = read(model=model)
        kinds.add((message.transform_type, message.intensity))
    assert kinds == {(kind, intensity) for kind in TransformType for intensity in range(4)}


@pytest.mark.parametrize(
    "model",
    [
        "",
        "soften-2",
        "tonebridge/soften-4",
        "tonebridge/soften",
        "tonebridge/soften-2\n",
        "TONEBRIDGE/soften-2",
    ],
)
def test_there_are_no_other_models(model: str) -> None:
    error = refused(model=model)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_a_message_is_the_last_one_of_its_person() -> None:
    earlier = [{"role": "user", "content": 7}, {"role": "assistant", "tool_calls": [{}]}]
    message, is_streamed = read(messages=[*earlier, FIX], user="ann", stream=True)
    assert message == Message("Fix it.", TransformType.SOFTEN, 2, "ann")
    assert is_streamed
    assert not read(stream=None)[1]


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([], "messages", "invalid_empty"),
        ([{"role": "developer", "content": "x"}, FIX], "messages[0].role", "completion_no_instructions"),
        ([FIX, {"role": "system", "content": "x"}], "messages[1].role", "completion_no_instructions"),
        ([{"role": "tool", "content": "x"}, FIX], "messages[0].role", "completion_role_unknown"),
        ([FIX, {"role": "assistant", "content": "x"}], "messages[1].role", "completion_last_not_user"),
        ([{"role": "user"}], "messages[0].content", "completion_no_text"),
        ([{"role": "user", "content": []}], "messages[0].content", "completion_no_text"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "messages[0].content[0].text",
            "completion_no_text",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}],
            "messages[0].content[1]",
            "completion_part_not_text",
        ),
        ([{"role": "user", "content": " "}], "messages", "invalid_string_pattern_mismatch"),
        ([{"role": "user", "content": "x" * 8001}], "messages", "context_length_exceeded"),
    ],
)
def test_what_is_no_message_to_rewrite_is_refused(messages: Any, param: str, code: str) -> None:
    error = refused(messages=messages)
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert error["message"].startswith(f"{param}: ")


ASKING = {
    "audio": {"voice": "ash", "format": "wav"},
    "function_call": {"name": "f"},
    "functions": [{"name": "f"}],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "moderation": {},
    "modalities": ["text", "audio"],
    "n": 2,
    "response_format": {"type": "json_object"},
    "stop": ["x"],
    "store": True,
    "tool_choice": "required",
    "tools": [{"type": "function"}],
    "top_logprobs": 3,
    "web_search_options": {},
}


@pytest.mark.parametrize(("parameter", "value"), ASKING.items())
def test_a_parameter_that_cannot_be_obeyed_is_refused(parameter: str, value: Any) -> None:
    error = refused(**{parameter: value})
    assert (error["param"], error["code"]) == (parameter, "completion_parameter_not_obeyed")
    assert parameter in error["message"]
    read(**{parameter: None})


def test_every_parameter_of_the_openai_client_is_known() -> None:
    """A newer client may send more: then each is obeyed, ignored or refused here."""
    theirs = {*CompletionCreateParamsBase.__annotations__, "stream"}
    assert theirs == set(CompletionRequest.model_fields)
    assert refused(temprature=1)["param"] == "temprature"


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (
            TooManyRequestsError("plan_concurrent", plan="free", limit=8),
            429,
            "requests",
            "rate_limit_exceeded",
        ),
        (
            TooManyRequestsError("plan_quota", plan="free", limit=8, left=0).until(9),
            429,
            "insufficient_quota",
            "insufficient_quota",
        ),
        (UnavailableError("overloaded"), 503, "server_error", "overloaded"),
        (PoolTimeout("a secret"), 503, "server_error", "part_unavailable"),
        (RuntimeError("a secret"), 500, "server_error", "internal"),
    ],
)
def test_errors_have_the_statuses_of_problems(error: Exception, status: int, kind: str, code: str) -> None:
    response = refuse(error)
    assert response.headers.get("Retry-After") == problems.answer(error).headers.get("Retry-After")
    got, document = refusal(error)
    assert (got, document["type"], document["code"], document["param"]) == (status, kind, code, None)
    assert "secret" not in document["message"]
