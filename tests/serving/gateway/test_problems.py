"""Errors as codes and values: English in the problem, and every language from the catalogue."""

import json
import re
import string
import uuid
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import Body, FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from data.reasons import Reason, ReasonedError, catalogue, load, reason, render
from data.traffic.feedback import Vote
from experiments import plan
from experiments.decisions import UnknownExperimentError
from serving.gateway import problems
from serving.gateway.online.bodies import BatchRequest, TransformRequest
from serving.gateway.problems import InvalidError, TooManyRequestsError
from serving.gateway.routes import accounts, comparisons, consent, keys
from serving.gateway.routes.accounts import NewAccount
from serving.gateway.routes.experiments import NewExperiment, NewShare
from serving.validation import reason_of
from tests import gateways

ROOT = Path(problems.__file__).parents[2]
OURS = [
    *(ROOT / "serving").rglob("*.py"), *(ROOT / "data").rglob("*.py"), *(ROOT / "experiments").rglob("*.py"),
]  # fmt: skip
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


def fields_of(sentence: str) -> dict[str, str]:
    """The format of each field of a sentence."""
    return {name: spec or "" for _, name, spec, _ in string.Formatter().parse(sentence) if name}


def sample(code: str) -> Reason:
    """A reason with a value for each field of its sentence."""
    fields = fields_of(catalogue()["reasons"][code]["en"])
    return reason(code, **{name: 7 if spec else "x" for name, spec in fields.items()})


def body_of(error: Exception) -> dict[str, Any]:
    """The problem that answers an exception."""
    body: dict[str, Any] = json.loads(problems.answer(error).body)
    return body


def section(codes: Mapping[str, Any]) -> list[str]:
    """The codes of the gateway's errors, of what is allowed and of what is invalid."""
    names = list(codes)
    return names[names.index("title_unknown_credentials") :]


@pytest.mark.parametrize("code", section(catalogue()["reasons"]))
def test_every_code_has_the_same_fields_in_both_languages_and_is_used(code: str) -> None:
    sentences = catalogue()["reasons"][code]
    assert fields_of(sentences["en"]) == fields_of(sentences["ja"])
    assert JAPANESE.search(sample(code).render("ja")), "it is not Japanese"
    if code.startswith("invalid_"):
        raised = {f"invalid_{raised}" for _, _, raised in INVALID}
        assert code in raised | {"invalid_model_attributes_type", "invalid_json_invalid"}  # by FastAPI
        return
    field = code.removeprefix("allowed_")
    if field in problems._ALLOWED:
        assert problems._ALLOWED[field].code == code
        return
    assert any(f'"{code}"' in path.read_text(encoding="utf-8") for path in OURS), "no error has it"


@pytest.mark.parametrize("kind", list(problems._TABLE), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_table_is_a_problem_with_its_reasons(kind: type[Exception]) -> None:
    status, title, may_show = problems._TABLE[kind]
    error: Exception
    if kind is UnknownExperimentError:
        error = UnknownExperimentError(uuid.UUID(int=7))
    elif kind is TooManyRequestsError:
        error = TooManyRequestsError("plan_concurrent", plan="free", limit=2000).until(3, {"RateLimit": "x"})
    elif issubclass(kind, ReasonedError):
        error = kind("receipt_format_unknown", format=3)
    else:
        assert not may_show
        error = kind("a secret of the database")
    response = problems.answer(error)
    body = json.loads(response.body)
    assert list(body) == ["type", "title", "status", "detail", "reasons"]
    assert (response.status_code, body["status"], body["title"]) == (status, status, reason(title).render())
    reasons = load(body["reasons"])
    assert body["detail"] == render(reasons)
    if may_show:
        assert isinstance(error, ReasonedError)
        assert (reasons, body["detail"]) == (error.reasons, str(error))
    else:
        assert [each.code for each in reasons] == ["part_unavailable"]
    assert JAPANESE.search(render(reasons, "ja"))
    if kind is TooManyRequestsError:
        assert (response.headers["Retry-After"], response.headers["RateLimit"]) == ("3", "x")
        assert body["detail"] == "the plan free has 2,000 requests in flight at once"


def test_an_unexpected_error_says_nothing_of_itself() -> None:
    body = body_of(RuntimeError("a secret"))
    assert (body["status"], body["title"], body["reasons"]) == (
        500,
        "Our mistake",
        [{"code": "internal", "values": {}}],
    )
    assert body["detail"] == "the gateway failed; the error has been logged"


def test_parts_of_a_field_are_named() -> None:
    body = body_of(InvalidError({"alpha": reason("invalid_less_than", lt=1)}, within="plan"))
    [error] = body["errors"]
    assert (error["field"], error["part"]) == ("plan", "alpha")
    assert error["message"] == "alpha: Input should be less than 1"
    assert (error["reason"], error["allowed_reason"]["code"]) == (
        {"code": "invalid_less_than", "values": {"lt": 1}},
        "allowed_plan",
    )
    assert body["detail"].startswith("plan: alpha: Input should be less than 1 (allowed: fields of configs/")


class Tone(StrEnum):
    CALM, WARM = "calm", "warm"


def check_odd(number: int) -> int:
    """The number; ValueError when it is even."""
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


class Numbers(BaseModel):
    """Types that no body of the API has, and a query or another body may have."""

    id: uuid.UUID = uuid.UUID(int=0)
    whole: int = 0
    share: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    is_on: bool = True
    tone: Tone = Tone.CALM
    way: Literal["first", "second"] = "first"
    odd: Annotated[int, AfterValidator(check_odd)] = 1
    pair: Annotated[list[int], Field(min_length=2)] = [1, 2]


TEXT = {"text": "Hi", "transform_type": "soften", "intensity": 1}
DRAFT = {"name": "x", "hypothesis": "x", "challengers": ["v2"]}
INVALID: list[tuple[Any, Any, str]] = [
    (TransformRequest, {}, "missing"),
    (TransformRequest, [1], "model_type"),
    (TransformRequest, {**TEXT, "tone": "nice"}, "extra_forbidden"),
    (TransformRequest, {**TEXT, "text": 7}, "string_type"),
    (TransformRequest, {**TEXT, "text": "\ud800"}, "string_unicode"),
    (TransformRequest, {**TEXT, "text": ""}, "string_empty"),
    (TransformRequest, {**TEXT, "text": "x" * 8001}, "string_too_long"),
    (TransformRequest, {**TEXT, "text": " "}, "string_pattern_mismatch"),
    (TransformRequest, {**TEXT, "transform_type": "sweeten"}, "enum"),
    (TransformRequest, {**TEXT, "intensity": 7}, "less_than_equal"),
    (TransformRequest, {**TEXT, "intensity": -1}, "greater_than_equal"),
    (TransformRequest, {**TEXT, "intensity": "2"}, "int_type"),
    (BatchRequest, {"items": []}, "empty"),
    (BatchRequest, {"items": [TEXT] * 101}, "too_long"),
    (BatchRequest, {"items": 7}, "list_type"),
    (NewAccount, {"email": "a@b.c", "password": "short"}, "string_too_short"),
    (NewShare, {"share": 0}, "greater_than"),
    (NewShare, {"share": "much"}, "float_parsing"),
    (NewShare, {"share": []}, "float_type"),
    (NewExperiment, {**DRAFT, "plan": 7}, "dict_type"),
    (plan.Plan, {"alpha": 1.5}, "less_than"),
    (plan.Plan, {"ramp": 7}, "tuple_type"),
    (Numbers, {"odd": 2}, "value_error"),
    (Numbers, {"pair": [1]}, "too_short"),
    (Vote, {"kind": "applause"}, "union_tag_invalid"),
    (Vote, {}, "union_tag_not_found"),
    (Vote, {"kind": "thumb", "receipt": "x", "up": "yes"}, "bool_type"),
    (Numbers, {"id": "x"}, "uuid_parsing"),
    (Numbers, {"id": 7}, "uuid_type"),
    (Numbers, {"whole": "x"}, "int_parsing"),
    (Numbers, {"whole": "9" * 5000}, "int_parsing_size"),
    (Numbers, {"whole": 1.5}, "int_from_float"),
    (Numbers, {"share": float("inf")}, "finite_number"),
    (Numbers, {"is_on": "perhaps"}, "bool_parsing"),
    (Numbers, {"way": "third"}, "literal_error"),
]


@pytest.mark.parametrize(("model", "value", "code"), INVALID, ids=[code for _, _, code in INVALID])
def test_what_pydantic_says_is_the_same_in_english_and_has_a_japanese_sentence(
    model: Any, value: Any, code: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_python(value)
    fault = caught.value.errors()[0]
    found = reason_of(fault)
    assert found.code == f"invalid_{code}"
    assert found.render() == fault["msg"]
    assert JAPANESE.search(found.render("ja"))
    json.dumps(problems.by_field([fault])[problems._field(fault)].model_dump(mode="json")).encode()


def test_a_validator_of_ours_gives_the_reason() -> None:
    with pytest.raises(ValidationError) as caught:
        plan.with_changes({"ramp": [0.5, 0.1]})
    assert reason_of(caught.value.errors()[0]) == reason("ramp_not_rising", ramp="(0.5, 0.1)")
    with pytest.raises(plan.PlanError, match="unknown alfa; known: alpha, ship_alpha,"):
        plan.with_changes({"alfa": 1})


def test_a_type_that_the_catalogue_lacks_keeps_pydantic_s_words() -> None:
    fault = {"type": "of_a_later_release", "msg": "Input should be \ud800", "loc": ("text",)}
    assert reason_of(fault) == reason("as_written", text="Input should be ?")


@pytest.fixture
async def client(pool: AsyncConnectionPool) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = await gateways.app_of(
        pool, accounts.router, accounts.account_router, comparisons.router, consent.router, keys.router
    )

    @app.post("/late")
    async def late(body: Annotated[dict[str, str], Body()]) -> None:
        raise HTTPException(418, "a teapot")

    async with gateways.client(app) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "request_body", "status", "title", "codes"),
    [
        (
            "POST",
            "/api/v1/auth/login",
            {"email": "nobody@example.org", "password": "a wrong password"},
            401,
            "Unknown credentials",
            ["no_such_login"],
        ),
        (
            "POST",
            "/api/v1/auth/refresh",
            {"refresh_token": "x"},
            401,
            "Unknown credentials",
            ["refresh_token_malformed"],
        ),
        (
            "POST",
            "/api/v1/auth/login",
            {"email": "x"},
            422,
            "The request does not fit",
            ["invalid_string_too_short", "invalid_missing"],
        ),
        ("GET", "/api/v1/keys", None, 401, "Unknown credentials", ["credential_missing"]),
        ("GET", "/api/v1/nothing", None, 404, "Not Found", ["title_not_found"]),
        ("PUT", "/api/v1/auth/login", None, 405, "Method Not Allowed", ["title_method_not_allowed"]),
        ("POST", "/late", {}, 418, "a teapot", ["as_written"]),
    ],
)
async def test_answers_have_reasons(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    request_body: Any,
    status: int,
    title: str,
    codes: list[str],
) -> None:
    response = await client.request(method, path, json=request_body)
    body = response.json()
    assert (response.status_code, body["title"]) == (status, title)
    assert [each["code"] for each in body["reasons"]] == codes
    if status == 422:
        assert [error["reason"] for error in body["errors"]] == body["reasons"]
        assert [error["allowed_reason"]["code"] for error in body["errors"]] == [
            "allowed_email",
            "allowed_password",
        ]
        assert [Reason(**error["reason"]).render() for error in body["errors"]] == [
            error["message"] for error in body["errors"]
        ]
    else:
        assert body["detail"] == render(load(body["reasons"]))


async def test_a_body_that_is_no_json_is_invalid_in_words(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/late", content=b"{", headers=headers)
    [error] = response.json()["errors"]
    assert error["reason"]["code"] == "invalid_json_invalid"
    assert error["message"].startswith("not readable as JSON: ")
    [no_object] = (await client.post("/api/v1/auth/login", json=[1])).json()["errors"]
    assert no_object["reason"]["code"] == "invalid_model_attributes_type"
    unreadable = await client.post("/late", content=b'{"x": "\xff"}', headers=headers)
    assert unreadable.json()["reasons"] == [{"code": "body_unreadable", "values": {}}]
