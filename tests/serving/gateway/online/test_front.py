"""The raw handler against a plain FastAPI route over the same parts: 20,000 requests from a grammar get the
same status and the same fields named. And what it does alone: headers, limits, pieces, repetition.
"""

import asyncio
import base64
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from fastapi import FastAPI, Response
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message

from configs.settings import Settings
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from serving.gateway import problems
from serving.gateway.app import create_app
from serving.gateway.dependencies import Authenticated
from serving.gateway.online import telemetry
from serving.gateway.online.bodies import TransformRequest
from serving.gateway.online.front import Front
from tests import gateways
from tests.waiting import until_async

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
JSON = b"application/json"


@pytest.fixture
async def front(stack: Settings, engine: Engine) -> AsyncIterator[Front]:
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1", max_new_tokens=4)), "a test")
    front = create_app(gateways.patient(stack))
    async with gateways.running(front):
        yield front


def plain(front: Front) -> FastAPI:
    """What the raw handler must agree with."""
    app = FastAPI()
    app.state = front.behind.state
    problems.install(app)

    @app.post("/api/v1/transform")
    async def transform(body: TransformRequest, caller: Authenticated) -> Response:
        given = await front.behind.state.parts.online.transform(caller, body.message(caller))
        return Response(given.body, media_type="application/json")

    return app


async def call(
    app: ASGIApp,
    body: bytes,
    headers: dict[bytes, bytes],
    method: str = "POST",
    path: str = "/api/v1/transform",
    pieces: int = 1,
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of one request, its body in pieces."""
    size = -(-len(body) // pieces) or 1
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
    incoming: list[Message] = [
        {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
        for i, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers.items()),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], named, json.loads(content) if content else None


# --- the grammar ---------------------------------------------------------------------------------------

TEXTS = ["Fix it.", "Fix PAY-123 by Friday.", "Zoé, 直して。", "a\tb\nc", "😀" * 3]
STRANGE: list[Any] = [
    "", " \n\t ", "\x1c", "\u00a0", "\u200b", "a\x00b", 7, 2.0, True,
    None, [], ["x"], {}, {"a": 1}, 1e400, -1, 4, 10**30, "2", "soften", "SOFTEN", "sweeten",
]  # fmt: skip
LONG = ["x" * 8000, "x" * 8001, "😀" * 8000, "😀" * 8001]
RAW = [
    b"", b"{", b"[1]", b"null", b"7", b'"text"', b"{}", b"\xef\xbb\xbf{}", b"[" * 5000, b'{"a":' * 3000,
    b'{"text": "\xff\xfe", "transform_type": "soften", "intensity": 1}',
    b'{"text": "\\ud800", "transform_type": "soften", "intensity": 1}',
    b'{"text": "\\ud83d\\ude00", "transform_type": "soften", "intensity": 1}',
    b'{"text": "a", "transform_type": "soften", "intensity": 01}',
    b'{"text": "a", "transform_type": "soften", "intensity": NaN}',
    b'{"text": "a", "transform_type": "soften", "intensity": -0}',
    b'{"text": "a", "transform_type": "soften", "intensity": 1,}',
    b'{"text": "a", "transform_type": "soften", "intensity": 1} x',
    b'{"text": "a", "text": "b", "transform_type": "soften", "intensity": 1}',
    b'{"text": "", "text": "b", "transform_type": "soften", "intensity": 1}',
    b'{"text": "a\tb", "transform_type": "soften", "intensity": 1}',
    b'{"text": "a", "transform_type": "\\u0073often", "intensity": 1}',
    '{"text": "a", "transform_type": "soften", "intensity": 1}'.encode("utf-16"),
]  # fmt: skip
KINDS = [
    JSON, JSON, JSON, JSON, b"application/json; charset=utf-8", b"APPLICATION/JSON",
    b"application/vnd.api+json", b"text/plain", b"", b"application/jsonx",
    b"application/x-www-form-urlencoded",
]  # fmt: skip


def a_request(draw: random.Random, key: str) -> tuple[bytes, dict[bytes, bytes], int]:
    """Body, headers, and in how many pieces the body comes."""
    fields: dict[str, Any] = {
        "text": draw.choice(TEXTS),
        "transform_type": draw.choice(["soften", "structure"]),
        "intensity": draw.randrange(4),
    }
    if draw.random() < 0.01:
        fields[draw.choice(["text", "user_id", "transform_type"])] = draw.choice(LONG)
    if draw.random() < 0.3:
        fields["user_id"] = draw.choice(["ann", "x" * 200])
    for _ in range(draw.choice([0, 0, 1, 1, 2, 3])):
        match draw.randrange(4):
            case 0:
                fields.pop(draw.choice(["text", "transform_type", "intensity", "user_id"]), None)
            case 1:
                fields[draw.choice(["tone", "Text", "receipt", "", "user_id "])] = draw.choice(STRANGE)
            case _:
                fields[draw.choice(["text", "transform_type", "intensity", "user_id"])] = draw.choice(STRANGE)
    encoded = json.dumps(fields, ensure_ascii=draw.random() < 0.5)
    body = encoded.encode("utf-8", "surrogatepass")
    headers = {b"content-type": draw.choice(KINDS), b"x-api-key": key.encode()}
    broken = draw.random()
    if broken < 0.1:
        body = draw.choice(RAW)
    elif broken < 0.15:
        body = body[: draw.randrange(len(body))]
    elif (
        broken < 0.25
    ):  # FastAPI reads a body before it asks who sends it; so only a whole one goes with these
        del headers[b"x-api-key"]
        headers |= draw.choice(
            [
                {},
                {b"x-api-key": b"hunter2"},
                {b"x-api-key": b"\xff"},
                {b"authorization": b"Bearer " + key.encode()},
                {b"authorization": b"bearer " + key.encode()},
                {b"authorization": b"Basic " + key.encode()},
                {b"authorization": b"Bearer"},
                {b"authorization": b"Bearer a.b.c"},
                {b"x-api-key": key.encode()[:-1] + b"!"},
            ]
        )
    return body, headers, draw.choice([1, 1, 1, 2, 5])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_raw_handler_agrees_with_plain_fastapi(front: Front, api_key: str) -> None:
    reference, draw, seen = plain(front), random.Random(1), Counter[int | str]()
    for number in range(20_000):
        await asyncio.sleep(0)  # the event loop has other work
        body, headers, pieces = a_request(draw, api_key)
        at_once = front.at_once(headers, body)
        fast = await call(front, body, headers, pieces=pieces)
        slow = await call(reference, body, headers, pieces=pieces)
        outcomes = [
            (status, sorted(error["field"] for error in (answer or {}).get("errors", ())))
            for status, _, answer in (fast, slow)
        ]
        assert outcomes[0] == outcomes[1], (number, body[:300], headers, fast, slow)
        assert at_once is None or at_once.status == slow[0], (number, body[:300], headers, at_once)
        seen["at once"] += at_once is not None
        seen[fast[0]] += 1
    assert set(seen) == {200, 401, 422, "at once"}
    assert min(seen.values()) > 500, seen


# --- alone ---------------------------------------------------------------------------------------------


def headers(key: str, **more: str) -> dict[bytes, bytes]:
    return {
        b"content-type": JSON,
        b"x-api-key": key.encode(),
        **{name.replace("_", "-").encode(): value.encode() for name, value in more.items()},
    }


def fresh() -> bytes:
    return json.dumps({**ASK, "text": f"Fix it. {uuid.uuid4()}"}).encode()


async def test_an_answer_is_stored_with_its_locale_and_channel(
    front: Front, api_key: str, engine: Engine
) -> None:
    named = {"locale": "ja-JP", "channel": "team.chat"}
    message = {**ASK, "text": f"Fix it. {uuid.uuid4()}"}
    stored = {}
    for fields in ({}, named, named):  # a miss, and answers from memory
        body = json.dumps({**message, **fields}).encode()
        _, _, answer = await call(front, body, headers(api_key))
        stored[answer["answer_id"]] = (fields.get("locale"), fields.get("channel"))
    await front.behind.state.parts.answers.flush()
    with engine.connect() as connection:
        query = text("SELECT id::text, locale, channel FROM answers WHERE id = ANY(CAST(:ids AS uuid[]))")
        rows = connection.execute(query, {"ids": list(stored)}).all()
    assert {id_: (locale, channel) for id_, locale, channel in rows} == stored


@pytest.mark.parametrize("field", ["locale", "channel"])
async def test_a_name_with_a_line_break_is_refused_for_a_message_in_memory_too(
    front: Front, api_key: str, field: str
) -> None:
    message = {**ASK, "text": f"Fix it. {uuid.uuid4()}"}
    assert (await call(front, json.dumps(message).encode(), headers(api_key)))[0] == 200
    body = json.dumps({**message, field: "ja\n"}).encode()
    assert front.at_once(headers(api_key), body) is None
    assert (await call(front, body, headers(api_key)))[0] == 422


async def test_every_answer_carries_its_headers(front: Front, api_key: str) -> None:
    body = fresh()
    status, miss, _ = await call(front, body, headers(api_key, x_request_id="abc-1"))
    assert status == 200
    assert miss["x-request-id"] == "abc-1"
    assert "upstream;dur=" in miss["server-timing"]
    _, hit, _ = await call(front, body, headers(api_key, x_request_id="no spaces, please"))
    assert len(hit["x-request-id"]) == 36
    assert hit["server-timing"].startswith("gateway;dur=")
    assert "upstream" not in hit["server-timing"]
    assert "ratelimit" in hit
    assert "ratelimit-policy" in hit
    refused = await call(front, b"{}", headers(api_key, x_request_id="abc-2"))
    assert refused[1]["x-request-id"] == "abc-2"
    elsewhere = await call(front, b"", headers(api_key), "GET", "/livez")
    assert elsewhere[1]["x-request-id"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
async def test_a_body_that_cannot_be_valid_is_not_read(front: Front, api_key: str, declared: bool) -> None:
    body = json.dumps({**ASK, "text": "x" * 200_000}).encode()
    sent = headers(api_key, **({"content_length": str(len(body))} if declared else {}))
    assert (await call(front, body, sent, pieces=10))[0] == 413
    large = b'{"items": [' + b" " * 13_000_000
    assert (await call(front, large, headers(api_key), path="/api/v1/batch", pieces=20))[0] == 413


async def test_another_method_or_path_is_refused_as_a_problem(front: Front, api_key: str) -> None:
    for method, path, status in (("GET", "/api/v1/transform", 405), ("POST", "/api/v1/nothing", 404)):
        code, named, answer = await call(front, b"", headers(api_key), method, path)
        assert (code, answer["status"]) == (status, status)
        assert named["content-type"] == "application/problem+json"


async def test_a_repeated_request_is_answered_as_before(front: Front, api_key: str, engine: Engine) -> None:
    body, sent = fresh(), headers(api_key, idempotency_key=str(uuid.uuid4()))
    first, again = [(await call(front, body, sent))[2] for _ in range(2)]
    assert first == again
    await front.behind.state.parts.answers.flush()
    with engine.connect() as connection:
        count = text("SELECT count(*) FROM answers WHERE id = :id")
        assert connection.execute(count, {"id": first["answer_id"]}).scalar() == 1
    other = await call(front, fresh(), sent)
    assert (other[0], other[2]["title"]) == (422, "Idempotency-Key used twice")


async def test_two_at_once_under_one_key_are_answered_once(
    front: Front, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream, opened = front.behind.state.parts.upstream, asyncio.Event()
    rewrite = upstream.rewrite

    async def rewrite_when_opened(*message: Any) -> Any:
        await opened.wait()
        return await rewrite(*message)

    monkeypatch.setattr(upstream, "rewrite", rewrite_when_opened)
    body, sent = fresh(), headers(api_key, idempotency_key=str(uuid.uuid4()))
    calls = [asyncio.create_task(call(front, body, sent)) for _ in range(5)]
    await until_async(lambda: sum(task.done() for task in calls) == 4)
    opened.set()
    outcomes = await asyncio.gather(*calls)
    assert sorted(status for status, _, _ in outcomes) == [200, 409, 409, 409, 409]
    assert all(named["retry-after"] for status, named, _ in outcomes if status == 409)


async def test_a_failure_may_be_tried_again_under_its_key(front: Front, api_key: str, engine: Engine) -> None:
    sent = headers(api_key, idempotency_key=str(uuid.uuid4()))
    body = fresh()
    for version, status in (("v404", 503), ("v1", 200)):
        with Session(engine) as session, session.begin():
            routing.publish(session, Routing(champion=Spec(version=version, max_new_tokens=4)), "a test")
        await front.behind.state.parts.directory.beat()
        assert (await call(front, body, sent))[0] == status


async def test_an_abandoned_key_is_taken_over(front: Front, api_key: str, engine: Engine) -> None:
    body, sent = fresh(), headers(api_key, idempotency_key=str(uuid.uuid4()))
    assert (await call(front, body, sent))[0] == 200
    forget = text(
        "UPDATE idempotent_requests SET status = NULL, body = NULL,"
        " created_at = now() - make_interval(secs => :age)"
        " WHERE organisation_id = (SELECT organisation_id FROM api_keys WHERE id = :key_id)"
    )
    for age, status in ((5, 409), (60, 200)):  # as a gateway leaves it that was killed before it answered
        with engine.begin() as connection:
            connection.execute(forget, {"age": age, "key_id": api_key.split("_")[1]})
        assert (await call(front, body, sent))[0] == status


async def test_metrics_tell_hits_from_misses(front: Front, api_key: str) -> None:
    body = fresh()
    for _ in range(3):
        await call(front, body, headers(api_key))
    metrics = front.behind.state.parts.telemetry.metrics().decode()
    assert 'tonebridge_request_seconds_count{cache="miss"} 1.0' in metrics
    assert 'tonebridge_request_seconds_count{cache="l1"} 2.0' in metrics
    assert "tonebridge_miss_upstream_seconds_count 1.0" in metrics
    assert "tonebridge_unflushed_answers" in metrics


async def test_a_batch_answers_each_for_itself(front: Front, api_key: str, engine: Engine) -> None:
    items = [json.loads(fresh()) for _ in range(3)] + [{**ASK, "intensity": 1}]
    body = json.dumps({"items": items}).encode()
    sent = headers(api_key, idempotency_key=str(uuid.uuid4()))
    status, _, answer = await call(front, body, sent, path="/api/v1/batch")
    assert status == 200
    assert [entry["status"] for entry in answer["items"]] == [200] * 4
    assert len({entry["answer"]["answer_id"] for entry in answer["items"]}) == 4
    assert (await call(front, body, sent, path="/api/v1/batch"))[2] == answer
    for wrong in ([], items * 30):
        refused = await call(
            front, json.dumps({"items": wrong}).encode(), headers(api_key), path="/api/v1/batch"
        )
        assert refused[0] == 422


async def test_a_token_speaks_for_its_own_subject(front: Front, api_key: str) -> None:
    kid, secret = f"kid-{uuid.uuid4()}", b"s" * 32
    made = json.dumps(
        {"kid": kid, "algorithm": "HS256", "key": base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    )
    assert (await call(front, made.encode(), headers(api_key), path="/api/v1/signing-keys"))[0] == 201
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 3600}, secret, headers={"kid": kid})
    sent = {b"content-type": JSON, b"authorization": f"Bearer {token}".encode()}
    for user_id, status in (("ann", 200), (None, 200), ("bob", 422)):
        fields = {**ASK, "user_id": user_id}
        body = json.dumps(fields).encode()
        for _ in range(2):  # the second time it could be answered at once
            assert (await call(front, body, sent))[0] == status
        at_once = front.at_once(sent, body)
        assert (at_once.status if at_once else None) == (200 if status == 200 else None)
        assert (await call(front, body, sent, path="/api/v1/compare"))[0] == status
        many = json.dumps({"items": [fields]}).encode()
        _, _, answer = await call(front, many, sent, path="/api/v1/batch")
        assert [entry["status"] for entry in answer["items"]] == [status]


async def test_an_overloaded_gateway_refuses_quickly(
    front: Front, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_OVERLOADED_S", 0.1)
    time.sleep(1.0)  # noqa: ASYNC251 (this is what makes the event loop late)
    await asyncio.sleep(0.01)  # the measurement runs, and finds itself late
    status, named, _ = await call(front, fresh(), headers(api_key))
    assert status == 503
    assert int(named["retry-after"]) > 0

    async def is_answered() -> bool:
        return (await call(front, fresh(), headers(api_key)))[0] == 200

    await until_async(is_answered)  # when the measurement is in time again
