"""What a tool may send: genuine requests that have a message, each once, and not too many of them."""

import asyncio
import json
import time
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from data.inbound import config
from data.inbound.endpoints import Endpoint, ReplyForm, Verification
from data.records import TransformType
from data.tables import new_id
from serving.channels.inbound import door as doors
from serving.channels.inbound.door import Door
from serving.gateway import problems
from serving.gateway.problems import InvalidError
from tests.serving.channels.inbound.conftest import (
    INBOUND,
    JOBS,
    Installation,
    Tool,
    sign,
    sign_as_hub,
    vault_of,
)

URL = "https://chat.example.org/hooks/x"
BODY = json.dumps({"text": "Fix it now."})
OPEN = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND kind = 'inbound'"


async def refuse(installation: Installation, tool: Tool, headers: dict[str, str]) -> dict[str, Any]:
    """The problem of a request that is not genuine."""
    response = await installation.send(tool, BODY, headers)
    assert response.status_code == 401, response.text
    problem: dict[str, Any] = response.json()
    return problem


async def test_a_wrong_signature_and_an_unknown_id_get_the_same_answer(installation: Installation) -> None:
    tool = await installation.connect(URL)
    signed = sign(tool, BODY)
    wrong = await refuse(installation, tool, {**signed, "webhook-signature": "v1,AAAA"})
    for other in (str(uuid.uuid4()), "nothing", "%00"):
        unknown = tool._replace(path=f"/inbound/{other}")
        assert await refuse(installation, unknown, signed) == wrong
    for headers in ({}, {"webhook-signature": "v1"}, sign_as_hub(tool, BODY), {"Authorization": "Bearer x"}):
        assert await refuse(installation, tool, headers) == wrong
    assert wrong["reasons"] == [{"code": "inbound_not_genuine", "values": {}}]
    assert installation.count(OPEN, id=tool.tenant) == 0
    assert (await installation.send(tool, BODY, signed)).status_code == 202


@pytest.mark.parametrize("seconds", [-360, 360], ids=["too old", "too new"])
async def test_a_signature_of_another_time_is_refused(installation: Installation, seconds: int) -> None:
    tool = await installation.connect(URL)
    await refuse(installation, tool, sign(tool, BODY, at=time.time() + seconds))
    assert (await installation.send(tool, BODY, sign(tool, BODY, at=time.time() + seconds / 2))).is_success


async def test_another_body_is_refused(installation: Installation) -> None:
    standard, hub = await installation.connect(URL), await installation.connect(URL, verification="hub")
    await refuse(installation, standard, sign(standard, BODY + " "))
    await refuse(installation, hub, sign_as_hub(hub, BODY + " "))
    assert (await installation.send(hub, BODY, sign_as_hub(hub, BODY))).status_code == 202


async def test_one_organisation_triggers_nothing_of_another(installation: Installation) -> None:
    mine, theirs = await installation.connect(URL), await installation.connect(URL)
    await refuse(installation, theirs, sign(mine, BODY))
    assert installation.count(OPEN, id=theirs.tenant) == 0


@pytest.mark.parametrize("verification", ["standard", "hub", "token"])
async def test_both_secrets_are_accepted_while_one_is_replaced(
    installation: Installation, verification: str
) -> None:
    tool = await installation.connect(URL, verification=verification)
    rotated = [tool]
    for _ in range(2):
        path = f"/inbound-webhooks/{tool.id}/secret"
        rotated.append(tool._replace(secret=(await installation.ask(tool.key, "POST", path))["secret"]))

    def show(tool: Tool, body: str) -> dict[str, str]:
        match verification:
            case "standard":
                return sign(tool, body)
            case "hub":
                return sign_as_hub(tool, body)
        return {"Authorization": f"Bearer {tool.secret}"}

    statuses = []
    for number, each in enumerate(rotated):
        body = json.dumps({"text": f"Fix it {number}."})
        statuses.append((await installation.send(each, body, show(each, body))).status_code)
    assert statuses == [401, 202, 202]
    with installation.engine.begin() as connection:
        connection.execute(
            text("UPDATE inbound_webhooks SET former_until = now() WHERE id = :id"), {"id": tool.id}
        )
    assert (await installation.send(rotated[1], BODY, show(rotated[1], BODY))).status_code == 401


async def test_a_tool_that_cannot_sign_sends_its_token(installation: Installation) -> None:
    token = "abcdefghijklmnopqrstuvwxyz"
    tool = await installation.connect(URL, verification="token", secret=token)
    in_body = json.dumps({"text": "Fix it.", "token": token})
    sent = [
        (BODY, {"Authorization": f"Bearer {token}"}),
        (BODY, {"Authorization": f"Token {token}"}),
        (BODY, {"X-Gitlab-Token": token}),
        (in_body, {}),
    ]
    for body, headers in sent:
        assert (await installation.send(tool, body, headers)).status_code == 202
    for headers in ({"Authorization": token}, {"Authorization": "Bearer"}, {"X-Gitlab-Token": "x"}):
        await refuse(installation, tool, headers)
    stored = "SELECT count(*) FROM inbound_webhooks WHERE id = CAST(:id AS uuid) AND secret::text LIKE :part"
    assert installation.count(stored, id=tool.id, part=f"%{token.encode().hex()}%") == 0


async def test_the_same_event_becomes_one_job(installation: Installation) -> None:
    standard, hub = await installation.connect(URL), await installation.connect(URL, verification="hub")
    first = await installation.send(standard, BODY, sign(standard, BODY, "msg_1"))
    again = await installation.send(standard, BODY, sign(standard, BODY, "msg_1"))
    assert first.json() == again.json()
    other = await installation.send(standard, BODY, sign(standard, BODY, "msg_2"))
    assert other.json() != first.json()
    of_hub = [await installation.send(hub, BODY, sign_as_hub(hub, BODY, "1")) for _ in range(2)]
    assert of_hub[0].json() == of_hub[1].json()
    assert [installation.count(OPEN, id=tool.tenant) for tool in (standard, hub)] == [2, 1]


async def test_a_request_without_an_id_is_known_by_its_body_for_a_while(installation: Installation) -> None:
    tool = await installation.connect(URL, verification="hub")

    async def send(body: str = BODY) -> str:
        job: str = (await installation.send(tool, body, sign_as_hub(tool, body))).json()["job"]
        return job

    first = await send()
    assert await send() == first
    assert await send(json.dumps({"text": "Fix it tomorrow."})) != first

    def shift(minutes: float) -> None:
        """Let the first request have come so long ago, in the window before this one."""
        with installation.engine.begin() as connection:
            (key,) = connection.execute(
                text("SELECT key FROM jobs WHERE id = CAST(:id AS uuid)"), {"id": first}
            ).one()
            endpoint, kind, window, digest = key.split(":")
            moved = ":".join((endpoint, kind, str(int(window) - 1), digest))
            query = (
                "UPDATE jobs SET key = :key, created_at = now() - make_interval(secs => :s) WHERE id = :id"
            )
            connection.execute(text(query), {"id": first, "key": moved, "s": 60 * minutes})

    shift(INBOUND.once_minutes - 1)
    assert await send() == first
    with installation.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET created_at = created_at - interval '2 minutes' WHERE id = :id"),
            {"id": first},
        )
    assert await send() != first


async def test_many_requests_of_one_event_at_once_become_one_job(installation: Installation) -> None:
    tool = await installation.connect(URL, verification="hub")
    answers = await asyncio.gather(
        *(installation.send(tool, BODY, sign_as_hub(tool, BODY)) for _ in range(8))
    )
    assert len({answer.json()["job"] for answer in answers}) == 1
    assert installation.count(OPEN, id=tool.tenant) == 1


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ("payload=%7B%7D", "body", "inbound_not_json"),
        ("[" * 100_000, "body", "inbound_not_json"),
        ("{}", "body", "inbound_without_text"),
        ('{"text": null}', "body", "inbound_without_text"),
        ('{"text": {"text": "Fix it."}}', "body", "inbound_without_text"),
        ('{"text": " "}', "text", "invalid_string_pattern_mismatch"),
        (json.dumps({"text": "x" * 8001}), "text", "invalid_string_too_long"),
        ('{"text": "\\u0000"}', "text", "invalid_string_pattern_mismatch"),
        ('{"text": "\\ud800"}', "text", "invalid_string_unicode"),
    ],
    ids=["a form", "too deep", "no field", "null", "an object", "blank", "too long", "NUL", "half a pair"],
)
async def test_a_request_without_a_message_is_explained(
    installation: Installation, body: str, field: str, code: str
) -> None:
    tool = await installation.connect(URL)
    response = await installation.send(tool, body)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert (error["field"], error["reason"]["code"]) == (field, code)
    assert installation.count(OPEN, id=tool.tenant) == 0


async def test_a_message_is_read_where_the_pointer_says(installation: Installation) -> None:
    tool = await installation.connect(URL, text_pointer="/comments/0/a~1b")
    body = json.dumps({"comments": [{"a/b": "Fix it now."}], "text": "another"})
    job = (await installation.send(tool, body)).json()["job"]
    stored = "SELECT count(*) FROM jobs WHERE id = CAST(:id AS uuid) AND payload ->> 'text' = 'Fix it now.'"
    assert installation.count(stored, id=job) == 1


async def test_a_long_body_is_refused(installation: Installation) -> None:
    tool = await installation.connect(URL)
    most = json.dumps({"text": "Fix it.", "more": ""})
    fill = "x" * (INBOUND.most_bytes - len(most))
    body = json.dumps({"text": "Fix it.", "more": fill})
    assert (await installation.send(tool, body)).status_code == 202
    response = await installation.send(tool, body + " ")
    assert (response.status_code, response.headers["connection"]) == (413, "close")


async def test_one_tool_cannot_fill_the_queue(installation: Installation) -> None:
    """Another inbound webhook of the organisation still gets its messages in, until the queue is full."""
    plans = JOBS.plans.model_copy(update={"scale": JOBS.plans.scale.model_copy(update={"open": 5})})
    jobs, few = (
        JOBS.model_copy(update={"plans": plans}),
        config.load().model_copy(update={"share_of_queue": 0.6}),
    )
    app = FastAPI()
    app.include_router(Door(installation.pool, vault_of(installation.settings), few, jobs).make_router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client:
        own = installation._replace(door=client)
        noisy = await installation.connect(URL)
        made = await installation.ask(
            noisy.key, "POST", "/inbound-webhooks",
            {"name": "a form", "verification": "standard", "transform_type": "soften", "intensity": 1,
             "reply_url": URL},
        )  # fmt: skip
        quiet = noisy._replace(id=made["id"], path=made["path"], secret=made["secret"])
        statuses = [(await own.send(noisy, BODY)).status_code for _ in range(4)]
        assert statuses == [202, 202, 202, 429]
        refused = await own.send(noisy, BODY)
        assert (refused.headers["retry-after"], refused.json()["reasons"][0]["code"]) == (
            "60",
            "inbound_wait",
        )
        assert [(await own.send(quiet, BODY)).status_code for _ in range(3)] == [202, 202, 429]
        assert (await own.send(quiet, BODY)).json()["reasons"][0]["code"] == "plan_jobs"


async def test_without_postgres_the_tool_sends_again(installation: Installation) -> None:
    tool = await installation.connect(URL)
    await installation.pool.close()
    response = await installation.send(tool, BODY)
    assert response.status_code == 503
    assert "retry-after" in response.headers


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
TOKENS = st.lists(st.text(max_size=3) | st.integers(0, 3).map(str) | st.just("text"), max_size=4)


def write_pointer(tokens: list[str]) -> str:
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def make_endpoint(pointer: str) -> Endpoint:
    return Endpoint(
        new_id(), new_id(), "", b"", Verification.HUB, b"", None, pointer, TransformType.SOFTEN, 2, URL,
        ReplyForm.TEXT, True, 0, 0.0, "scale",
    )  # fmt: skip


@settings(max_examples=300)
@given(VALUES, TOKENS)
def test_whatever_comes_has_a_storable_message_or_a_reason(document: Any, tokens: list[str]) -> None:
    body = json.dumps(document).encode()
    try:
        message = doors._read_text(make_endpoint(write_pointer(tokens)), doors._parse(body))
    except InvalidError as error:
        answered = problems.answer(error)
        assert answered.status_code == 422, answered.body
    else:
        assert "\0" not in message
        assert 0 < len(message.encode().strip()) <= 4 * 8000


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_json_or_nothing(body: bytes) -> None:
    json.dumps(doors._parse(body))
