"""OpenAI's own client and LangChain's use a gateway that listens: by the base URL alone."""

import asyncio
import io
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import hypothesis
import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from sqlalchemy import Engine

from configs.settings import Settings
from data.erasure.rows import purge
from data.erasure.whom import Person
from data.records import Spec, TransformType
from data.traffic.routing import Routing
from serving import events
from serving.gateway.app import create_app
from serving.gateway.online.completions import MODELS, CompletionRequest
from serving.gateway.online.front import PATH, Reply
from tests import gateways, streams
from tests.streams import V1, Gate, Gateway, Send, Service, delta, rows, until

MODEL = "tonebridge/soften-2"


@pytest.fixture(autouse=True)
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def service(service: Service) -> Service:
    service.scripts["v1"] = write_after_a_change_of_mind
    return service


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=url_of(gateway), api_key=gateway.key["X-API-Key"], max_retries=0
    ) as client:
        yield client


def url_of(gateway: Gateway) -> str:
    return f"http://127.0.0.1:{gateway.port}/v1"


async def write_after_a_change_of_mind(send: Send, version: str) -> None:
    """A draft, another draft, and an answer for which 50 tokens were read and 7 written."""
    await send(delta("Pleas"))
    await send(delta("Kindly wait", "replace"))
    rewritten = {"text": "Please wait.", "facts_missing": ["PAY-123"], "tokens": 7, "prompt_tokens": 50}
    reply = {"items": [{**rewritten, "finished": True}], "version": version}
    await send(events.encode("answer", json.dumps(reply).encode()))


def fresh() -> Any:
    """A message that no cache knows, as a conversation."""
    return [{"role": "user", "content": f"Fix PAY-123 by Friday. {uuid.uuid4()}"}]


def texts_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def chunks_of(client: AsyncOpenAI, messages: Any, **more: Any) -> list[Any]:
    stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True, **more)
    return [chunk async for chunk in stream]


# --- answers -------------------------------------------------------------------------------------------


async def test_a_completion_is_an_answer_whose_receipt_takes_a_vote(
    gateway: Gateway, client: AsyncOpenAI, engine: Engine
) -> None:
    messages = fresh()
    raw = await client.chat.completions.with_raw_response.create(
        model="tonebridge/summarize-0", messages=messages, user="ann", temperature=0.7
    )
    completion = raw.parse()
    details = completion.tonebridge  # type: ignore[attr-defined]
    assert completion.choices[0].message.content == "Please wait."
    assert completion.choices[0].finish_reason == "stop"
    assert (completion.object, completion.model) == ("chat.completion", "tonebridge/summarize-0")
    assert completion.id == f"chatcmpl-{details['answer_id']}"
    assert (completion.system_fingerprint, details["version"], details["variant"]) == ("v1", "v1", "champion")
    assert (details["cache"], details["fallback"], details["unchanged"]) == ("miss", False, None)
    assert raw.headers["X-ToneBridge-Receipt"] == details["receipt"]
    assert raw.headers["x-request-id"] == completion._request_id
    assert {"ratelimit", "server-timing"} <= set(raw.headers)
    query = (
        "SELECT o.message, o.transform_type, o.intensity, o.text, u.external_id FROM answers a"
        " JOIN outputs o ON o.id = a.output_id JOIN users u ON u.id = a.user_id"
        " WHERE a.id = CAST(:id AS uuid)"
    )
    [stored] = await rows(engine, gateway, query, id=details["answer_id"])
    assert stored == (messages[0]["content"], "summarize", 0, "Please wait.", "ann")
    vote = {"receipt": details["receipt"], "kind": "thumb", "up": True}
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert response.status == 201
    assert gateway.metric('tonebridge_request_seconds_count{cache="miss"}') == 1


async def test_the_blocking_client_works_too(gateway: Gateway) -> None:
    with OpenAI(base_url=url_of(gateway), api_key=gateway.key["X-API-Key"]) as client:

        def ask(**more: Any) -> Any:
            return client.chat.completions.create(model=MODEL, messages=fresh(), **more)

        completion = await asyncio.to_thread(ask)
        assert completion.choices[0].message.content == "Please wait."
        chunks = await asyncio.to_thread(lambda: list(ask(stream=True)))
        assert texts_of(chunks) == "Please wait."


async def test_a_stream_has_the_stored_text_and_no_draft(
    gateway: Gateway, client: AsyncOpenAI, engine: Engine
) -> None:
    messages = fresh()
    chunks = await chunks_of(client, messages)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk.usage is None for chunk in chunks)
    query = "SELECT text FROM outputs WHERE message = :m"
    [(stored,)] = await rows(engine, gateway, query, m=messages[0]["content"])
    assert texts_of(chunks) == stored == "Please wait."
    details = chunks[-1].tonebridge
    assert (details["facts_missing"], details["cache"]) == (["PAY-123"], "miss")
    vote = {"receipt": details["receipt"], "kind": "rating", "stars": 4}
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert response.status == 201
    assert gateway.metric("tonebridge_streams_open") == 0


async def test_the_head_of_a_stream_has_the_receipt(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=fresh(), stream=True)
    chunks = [chunk async for chunk in raw.parse()]
    assert raw.headers["X-ToneBridge-Receipt"] == chunks[-1].tonebridge["receipt"]  # type: ignore[attr-defined]
    assert raw.headers["content-type"].startswith("text/event-stream")


async def test_tokens_are_those_of_this_request(client: AsyncOpenAI) -> None:
    messages = fresh()
    options: Any = {"include_usage": True, "include_obfuscation": False}
    first = await chunks_of(client, messages, stream_options=options)
    assert [chunk.choices for chunk in first].index([]) == len(first) - 1
    assert all(chunk.usage is None for chunk in first[:-1])
    usage = first[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (50, 7, 57)
    again = await client.chat.completions.create(model=MODEL, messages=messages)
    assert again.usage is not None
    assert again.usage.total_tokens == 0, "nothing was read or written for it"
    assert again.tonebridge["cache"] == "l1"  # type: ignore[attr-defined]


async def test_both_doors_share_outputs(gateway: Gateway, client: AsyncOpenAI) -> None:
    messages = fresh()
    await client.chat.completions.create(model=MODEL, messages=messages)
    body = {"text": messages[0]["content"], "transform_type": "soften", "intensity": 2}
    async with gateway.session.post(PATH, json=body, headers=gateway.key) as response:
        assert (await response.json())["cache"] == "l1"


async def test_the_last_message_is_rewritten_and_its_parts_are_lines(
    client: AsyncOpenAI, service: Service
) -> None:
    name = str(uuid.uuid4())
    parts = [{"type": "text", "text": name}, {"type": "text", "text": "Fix it."}]
    earlier = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "assistant", "content": None, "refusal": "no"},
    ]
    await chunks_of(client, [*earlier, {"role": "user", "content": parts, "name": "ann"}])
    assert service.streams == [f"{name}\nFix it."]


async def test_what_changes_nothing_is_accepted(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model=MODEL, messages=fresh(), frequency_penalty=0, max_completion_tokens=5, max_tokens=5, n=1,
        metadata={"a": "b"}, presence_penalty=0, seed=1, store=False, stop=None, temperature=0.2, top_p=0.9,
        response_format={"type": "text"}, tools=[], tool_choice="none", logprobs=False, logit_bias={},
        modalities=["text"], parallel_tool_calls=False, service_tier="auto", reasoning_effort="low",
        safety_identifier="ann", prompt_cache_key="x", verbosity="low", stream=False,
    )  # fmt: skip
    assert completion.choices[0].message.content == "Please wait."


async def test_a_version_of_edits_reports_no_tokens(
    gateway: Gateway, client: AsyncOpenAI, service: Service, engine: Engine
) -> None:
    gateways.publish(engine, Routing(champion=Spec(version="v1", form="edits", rules="0" * 32)))
    await gateway.parts.directory.beat()
    service.list_text = "Please wait."
    chunks = await chunks_of(client, fresh())
    assert (texts_of(chunks), service.lists, service.streams) == ("Please wait.", 1, [])


# --- LangChain -----------------------------------------------------------------------------------------


def chat(gateway: Gateway) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=url_of(gateway), api_key=gateway.key["X-API-Key"], model=MODEL, stream_usage=True,
        include_response_headers=True, max_retries=0,
    )  # fmt: skip


async def test_langchain_rewrites_and_its_receipt_takes_a_vote(gateway: Gateway) -> None:
    message = await chat(gateway).ainvoke(fresh()[0]["content"])
    assert message.content == "Please wait."
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 3
    receipt = message.response_metadata["headers"]["x-tonebridge-receipt"]
    vote = {"receipt": receipt, "kind": "thumb", "up": True}
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert response.status == 201


async def test_langchain_streams_and_skips_comments(
    gateway: Gateway, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, gateway.front.heartbeat_s = asyncio.Event(), 0.02
    reply = gateway.front.reply

    async def reply_and_note(*request: Any) -> Reply:
        begun = await reply(*request)
        gate.set()  # a comment is its first event, since nothing is written yet
        return begun

    async def write_late(send: Send, version: str) -> None:
        await gate.wait()
        await write_after_a_change_of_mind(send, version)

    monkeypatch.setattr(gateway.front, "reply", reply_and_note)
    service.scripts["v1"] = write_late
    whole: Any = None
    async for chunk in chat(gateway).astream(fresh()[0]["content"]):
        whole = chunk if whole is None else whole + chunk
    assert (whole.content, whole.usage_metadata["total_tokens"]) == ("Please wait.", 57)
    assert whole.response_metadata["finish_reason"] == "stop"


# --- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_instructions_are_refused(client: AsyncOpenAI, service: Service, role: Any) -> None:
    messages: Any = [{"role": role, "content": "Translate into French."}, *fresh()]
    with pytest.raises(openai.BadRequestError, match="follows no instructions") as caught:
        await client.chat.completions.create(model=MODEL, messages=messages)
    assert (caught.value.param, caught.value.type) == ("messages[0].role", "invalid_request_error")
    assert caught.value.code == "completion_no_instructions"
    with pytest.raises(openai.BadRequestError):
        await chunks_of(client, messages)
    assert service.lists + len(service.streams) == 0


async def test_a_model_that_does_not_exist_is_not_found(client: AsyncOpenAI) -> None:
    for ask in (
        lambda: client.chat.completions.create(model="gpt-5", messages=fresh()),
        lambda: client.models.retrieve("gpt-5"),
    ):
        with pytest.raises(openai.NotFoundError, match="tonebridge/soften-2") as caught:
            await ask()
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_an_unknown_key_is_an_authentication_error(gateway: Gateway, client: AsyncOpenAI) -> None:
    stranger = client.with_options(api_key="sk-nobody")
    for ask in (
        lambda: stranger.chat.completions.create(model=MODEL, messages=fresh()),
        lambda: chunks_of(stranger, fresh()),
        lambda: stranger.models.list(),
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            await ask()
        assert caught.value.code == "invalid_api_key"


async def test_another_organisation_shares_no_output(
    client: AsyncOpenAI, engine: Engine, gateway: Gateway
) -> None:
    messages = fresh()
    mine = await client.chat.completions.create(model=MODEL, messages=messages)
    key = gateways.a_key(engine, gateways.an_organisation(engine))
    theirs = await client.with_options(api_key=key["X-API-Key"]).chat.completions.create(
        model=MODEL, messages=messages
    )
    assert theirs.tonebridge["cache"] == "miss"  # type: ignore[attr-defined]
    vote = {"receipt": mine.tonebridge["receipt"], "kind": "thumb", "up": True}  # type: ignore[attr-defined]
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=key) as response:
        assert response.status == 403


async def test_a_token_is_one_person(client: AsyncOpenAI, engine: Engine, organisation_id: uuid.UUID) -> None:
    token = gateways.sign_token(gateways.a_signing_key(engine, organisation_id), "ann")
    ann = client.with_options(api_key=token)
    assert (await ann.chat.completions.create(model=MODEL, messages=fresh(), user="ann")).choices
    with pytest.raises(openai.BadRequestError) as caught:
        await ann.chat.completions.create(model=MODEL, messages=fresh(), user="bob")
    assert (caught.value.param, caught.value.code) == ("user", "token_names_itself")


async def test_a_used_up_quota_is_a_rate_limit_error(client: AsyncOpenAI, engine: Engine) -> None:
    tenant = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, tenant)
    key = gateways.a_key(engine, tenant)["X-API-Key"]
    theirs = client.with_options(api_key=key, max_retries=2)
    for ask in (
        lambda: theirs.chat.completions.create(model=MODEL, messages=fresh()),
        lambda: chunks_of(theirs, fresh()),
    ):
        with pytest.raises(openai.RateLimitError, match="answers a month") as caught:
            await ask()
        assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
        assert int(caught.value.response.headers["Retry-After"]) > 0
    assert (await theirs.models.list()).data, "looking costs nothing"


async def test_a_completion_counts_and_is_no_second_rate(
    gateway: Gateway, client: AsyncOpenAI, engine: Engine
) -> None:
    tenant = gateways.an_organisation(engine, "free")
    header = gateways.a_key(engine, tenant)
    theirs = client.with_options(api_key=header["X-API-Key"])
    await theirs.chat.completions.create(model=MODEL, messages=fresh())
    await chunks_of(theirs, fresh())
    async with gateway.session.post(PATH, json=streams.fresh(), headers=header) as response:
        assert response.status == 200
    await gateway.parts.answers.flush()
    assert gateways.usage(engine, tenant) == 3
    key_id = header["X-API-Key"].split("_")[1]
    assert {route for key, route in gateway.parts.limiter._leases if key == key_id} == {PATH}


async def test_a_stream_holds_a_place_until_it_ends(
    gateway: Gateway, client: AsyncOpenAI, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))["X-API-Key"]
    theirs = client.with_options(api_key=key)
    waiting = [asyncio.ensure_future(chunks_of(theirs, fresh())) for _ in range(8)]
    await until(lambda: len(service.streams) == 8)
    with pytest.raises(openai.RateLimitError) as caught:
        await theirs.chat.completions.create(model=MODEL, messages=fresh())
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    gate.opened.set()
    assert [texts_of(chunks) for chunks in await asyncio.gather(*waiting)] == ["Please wait."] * 8
    assert (await theirs.chat.completions.create(model=MODEL, messages=fresh())).choices


async def test_a_service_that_fails_is_a_server_error_that_the_client_retries(
    gateway: Gateway, client: AsyncOpenAI, service: Service
) -> None:
    service.list_status = 500

    async def fail(send: Send, version: str) -> None:
        await send(delta("Pl"))
        await send(b'event: error\ndata: {"error":"the version cannot answer"}\n\n')

    service.scripts["v1"] = fail
    for ask in (
        lambda: client.chat.completions.create(model=MODEL, messages=fresh()),
        lambda: chunks_of(client, fresh()),
    ):
        with pytest.raises(openai.InternalServerError) as caught:
            await ask()
        assert (caught.value.status_code, caught.value.type) == (503, "server_error")
        assert int(caught.value.response.headers["Retry-After"]) > 0
    assert 'route="/v1/chat/completions",status="503"' in gateway.parts.telemetry.metrics().decode()


async def test_a_failure_after_the_head_is_an_error_of_the_stream(
    gateway: Gateway, client: AsyncOpenAI, service: Service
) -> None:
    gate, gateway.front.heartbeat_s = Gate(), 0.02

    async def fail(send: Send, version: str) -> None:
        await gate.opened.wait()

    service.scripts["v1"] = fail
    stream = await client.chat.completions.create(model=MODEL, messages=fresh(), stream=True)
    gate.opened.set()
    with pytest.raises(openai.APIError, match="cannot answer") as caught:
        _ = [chunk async for chunk in stream]
    assert (caught.value.type, caught.value.code) == ("server_error", "version_cannot_answer")


async def test_comments_keep_a_stream_open_until_its_answer(
    gateway: Gateway, client: AsyncOpenAI, service: Service
) -> None:
    gate, gateway.front.heartbeat_s = Gate(), 0.02
    service.scripts["v1"] = gate
    raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=fresh(), stream=True)
    assert "X-ToneBridge-Receipt" not in raw.headers
    gate.opened.set()
    assert texts_of([chunk async for chunk in raw.parse()]) == "Please wait."


@pytest.mark.parametrize("path", ["embeddings", "responses", "chat/completions/1", "chat/completions/"])
async def test_other_routes_of_openai_are_refused_in_its_shape(gateway: Gateway, path: str) -> None:
    async with gateway.session.post(f"/v1/{path}", json={}, headers=gateway.key) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (404, None)


async def test_a_body_that_is_too_long_or_no_json_is_refused_in_its_shape(gateway: Gateway) -> None:
    for body, kind, status in (
        (b" " * 1_100_000, "application/json", 413),
        (b"{", "application/json", 400),
        (b"[" * 10_000, "application/json", 400),
        (b"model=x", "application/x-www-form-urlencoded", 400),
    ):
        headers = {**gateway.key, "Content-Type": kind}
        sent = {"data": io.BytesIO(body), "headers": headers}
        async with gateway.session.post("/v1/chat/completions", **sent) as response:
            assert response.status == status
            assert (await response.json())["error"]["type"] == "invalid_request_error"


# --- repetition, and clients who leave -------------------------------------------------------------------


async def test_a_repeated_request_is_answered_as_before(gateway: Gateway, client: AsyncOpenAI) -> None:
    messages, key = fresh(), {"Idempotency-Key": str(uuid.uuid4())}
    create = client.chat.completions.create
    first = await create(model=MODEL, messages=messages, extra_headers=key)
    again = await client.chat.completions.with_raw_response.create(
        model=MODEL, messages=messages, extra_headers=key
    )
    assert again.parse() == first
    assert again.headers["X-ToneBridge-Receipt"] == first.tonebridge["receipt"]  # type: ignore[attr-defined]
    with pytest.raises(openai.BadRequestError) as caught:
        await create(model=MODEL, messages=fresh(), extra_headers=key)
    assert caught.value.code == "idempotency_key_reused"
    body = {"text": messages[0]["content"], "transform_type": "soften", "intensity": 2}
    async with gateway.session.post(PATH, json=body, headers={**gateway.key, **key}) as response:
        assert response.status == 422, "the same key and message at the other door is another request"


async def test_an_erasure_finds_a_stored_completion(
    gateway: Gateway, client: AsyncOpenAI, local: Settings, engine: Engine
) -> None:
    """The stored body holds the text, and its receipt says whose it is."""
    completion = await client.chat.completions.create(
        model=MODEL, messages=fresh(), user="ann", extra_headers={"Idempotency-Key": str(uuid.uuid4())}
    )
    query = "SELECT organisation_id, user_id FROM answers WHERE id = CAST(:id AS uuid)"
    details = completion.tonebridge  # type: ignore[attr-defined]
    [(organisation_id, user_id)] = await rows(engine, gateway, query, id=details["answer_id"])
    person = Person(user_id, organisation_id)
    counts = await asyncio.to_thread(purge, local, engine, person, None)  # a rehearsal
    assert counts["idempotent_requests"] == 1


async def test_a_repeated_stream_is_streamed_as_before(client: AsyncOpenAI, service: Service) -> None:
    messages, key = fresh(), {"Idempotency-Key": str(uuid.uuid4())}
    options = {"include_usage": True}
    first, again = [
        await chunks_of(client, messages, extra_headers=key, stream_options=options) for _ in range(2)
    ]
    assert first == again
    assert len(service.streams) == 1


async def test_a_request_in_progress_is_a_conflict(client: AsyncOpenAI, service: Service) -> None:
    gate, key = Gate(), {"Idempotency-Key": str(uuid.uuid4())}
    service.scripts["v1"], messages = gate, fresh()
    first = asyncio.ensure_future(chunks_of(client, messages, extra_headers=key))
    await gate.begun.wait()
    with pytest.raises(openai.ConflictError) as caught:
        await chunks_of(client, messages, extra_headers=key)
    assert caught.value.response.headers["Retry-After"] == "1"
    gate.opened.set()
    assert texts_of(await first) == "Please wait."


async def test_a_client_who_leaves_ends_the_generation(
    gateway: Gateway, client: AsyncOpenAI, service: Service, engine: Engine
) -> None:
    gate, messages = Gate(), fresh()
    service.scripts["v1"], gateway.front.heartbeat_s = gate, 0.02
    stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    await gate.begun.wait()
    await stream.close()
    await until(lambda: service.given_up == 1)
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    assert gateway.metric("tonebridge_streams_abandoned_total") == 1
    query = "SELECT 1 FROM outputs WHERE message = :m"
    assert await rows(engine, gateway, query, m=messages[0]["content"]) == []


# --- models --------------------------------------------------------------------------------------------


async def test_every_transform_type_is_a_model_at_four_intensities(client: AsyncOpenAI) -> None:
    models = (await client.models.list()).data
    assert [model.id for model in models] == [
        f"tonebridge/{kind}-{intensity}" for kind in TransformType for intensity in range(4)
    ]
    assert await client.models.retrieve(MODEL) == models[2]
    assert {(model.object, model.owned_by) for model in models} == {("model", "tonebridge")}


def test_the_description_of_the_api_has_the_models_and_the_stream(local: Settings) -> None:
    described = create_app(local.model_copy(update={"inference_urls": ("http://x",)})).behind.openapi()
    route = described["paths"]["/v1/chat/completions"]["post"]
    assert set(route["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(route["responses"]) == {"200", "4XX", "5XX"}
    schema = described["components"]["schemas"]["CompletionRequest"]
    assert MODEL in schema["properties"]["model"]["enum"]
    assert schema["examples"]


# --- any request ---------------------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    ANY_JSON
    | st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | ANY_JSON},
        optional={
            "content": st.text()
            | st.lists(
                st.fixed_dictionaries({"type": st.just("text") | ANY_JSON, "text": st.text() | ANY_JSON})
            )
            | ANY_JSON
        },
    )
)
REQUESTS = ANY_JSON | st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS) | ANY_JSON, "messages": MESSAGES | ANY_JSON},
    optional={name: ANY_JSON for name in CompletionRequest.model_fields if name not in ("model", "messages")},
)


def test_whatever_is_posted_is_answered_in_openais_shape(
    local: Settings, engine: Engine, api_key: str
) -> None:
    """Over no inference service, so a right request is a 503."""
    gateways.publish(engine, Routing(champion=V1))
    statuses = set()
    with gateways.listening(local) as url, httpx.Client(headers={"X-API-Key": api_key}, timeout=60) as client:

        @hypothesis.settings(max_examples=100, suppress_health_check=list(HealthCheck))
        @given(REQUESTS)
        def check(request: Any) -> None:
            content = json.dumps(request).encode()
            headers = {"Content-Type": "application/json"}
            response = client.post(f"{url}/v1/chat/completions", content=content, headers=headers)
            error = response.json()["error"]
            assert list(error) == ["message", "type", "param", "code"]
            assert error["message"]
            statuses.add(response.status_code)

        check()
    assert {400} <= statuses <= {400, 404, 503}
