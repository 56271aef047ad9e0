"""Which events a stream has, and in which order."""

import asyncio

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.records import Spec
from data.traffic.routing import Routing
from serving.gateway.app import create_app
from serving.gateway.online.front import PATH
from tests import gateways
from tests.streams import Gate, Gateway, Send, Service, answer, delta, events_of, fresh, read


async def test_another_text_replaces_the_draft(gateway: Gateway, service: Service) -> None:
    read_by_client = asyncio.Semaphore(0)  # else a gateway that is late sends two drafts as one

    async def change_its_mind(send: Send, version: str) -> None:
        for draft in (delta("Pleas"), delta("Kindly", "replace"), delta(" wait.")):
            await send(draft)
            await read_by_client.acquire()
        await send(answer("Kindly wait.", version))

    service.scripts["v1"], got = change_its_mind, []
    async with gateway.post(fresh()) as response:
        async for event in events_of(response):
            got.append(event)
            read_by_client.release()
    assert [(kind, data.get("text", data.get("transformed_text"))) for kind, data in got] == [
        ("delta", "Pleas"),
        ("replace", "Kindly"),
        ("delta", " wait."),
        ("answer", "Kindly wait."),
    ]


@pytest.mark.parametrize("level", ["l1", "l2"])
async def test_a_hit_is_one_answer(gateway: Gateway, service: Service, level: str) -> None:
    body = fresh()
    async with gateway.post(body) as response:
        first = (await read(response))[-1][1]
    if level == "l2":
        await gateway.parts.cache.close()
        gateway.parts.online.forget()
    async with gateway.post(body) as response:
        [(kind, again)] = await read(response)
    assert (kind, again["cache"]) == ("answer", level)
    assert again["transformed_text"] == first["transformed_text"]
    assert again["answer_id"] != first["answer_id"]
    assert len(service.streams) == 1


async def test_a_version_of_edits_is_one_answer_and_shares_lists(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gateways.publish(engine, Routing(champion=Spec(version="v1", form="edits", rules="0" * 32)))
    await gateway.parts.directory.beat()
    async with gateway.post(fresh()) as response:
        assert [kind for kind, _ in await read(response)] == ["answer"]
    assert (service.lists, service.streams) == (1, [])


@pytest.mark.parametrize(
    ("accept", "field", "is_stream"),
    [
        ("text/event-stream", None, True),
        ("application/json, text/event-stream;q=0.5", None, True),
        ("", True, True),
        ("application/json", True, True),
        ("text/event-stream", False, False),
        ("", False, False),
        ("*/*", None, False),
    ],
)
async def test_the_body_decides_and_else_the_header(
    gateway: Gateway, accept: str, field: bool | None, is_stream: bool
) -> None:
    body = fresh() if field is None else fresh(stream=field)
    for _ in range(2):  # a miss, and an answer from memory
        async with gateway.post(body, Accept=accept) as response:
            assert response.status == 200
            wanted = "text/event-stream" if is_stream else "application/json"
            assert response.content_type == wanted
            assert b"transformed_text" in await response.read()


async def test_comments_keep_a_silent_stream_open_and_a_late_failure_is_an_event(
    gateway: Gateway, service: Service
) -> None:
    gate = Gate()

    async def fail(send: Send, version: str) -> None:
        await gate.opened.wait()

    service.scripts["v1"], gateway.front.heartbeat_s = fail, 0.05
    async with gateway.post(fresh()) as response:
        got = events_of(response)
        assert [await anext(got) for _ in range(2)] == [("", "heartbeat")] * 2
        gate.opened.set()
        last = [event async for event in got if event[0]]
    [(kind, problem)] = last
    assert (kind, problem["status"], problem["title"]) == ("error", 503, "Try again shortly")
    assert problem["reasons"][0]["code"] == "version_cannot_answer"


async def test_a_connection_goes_on_after_a_stream(gateway: Gateway) -> None:
    body = fresh()
    for accept in ("text/event-stream", "application/json", "text/event-stream"):
        async with gateway.post(body, Accept=accept) as response:
            await response.read()
    assert len(gateway.server.server_state.connections) == 1


def test_the_description_of_the_api_has_the_events(local: Settings) -> None:
    described = create_app(local.model_copy(update={"inference_urls": ("http://x",)})).behind.openapi()
    route = described["paths"][PATH]["post"]
    content = route["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    for event in ("delta", "replace", "answer", "error"):
        assert f"`{event}`" in content["text/event-stream"]["schema"]["description"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert "stream" in described["components"]["schemas"][schema]["properties"]
