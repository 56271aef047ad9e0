"""What a client of a stream gets when a part of the system fails or stops."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from psycopg_pool import PoolTimeout
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from data.traffic.routing import Routing
from pipelines.local import running
from serving.gateway import heartbeat
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from tests import gateways, streams
from tests.ports import with_own_ports
from tests.streams import (
    V1,
    Event,
    Gate,
    Gateway,
    Send,
    Service,
    answer,
    delta,
    events_of,
    fresh,
    read,
    rows,
    start_experiment,
    text_of,
    until,
)

Fault = Callable[[Send], Awaitable[None]]


async def break_off(send: Send) -> None:
    raise ConnectionResetError


async def garble(send: Send) -> None:
    await send(b"\x00<html>\n\n")


async def fail(send: Send) -> None:
    await send(b'event: error\ndata: {"error":"the version cannot answer"}\n\n')


class Failing:
    """A script that writes a part of a word, and fails when the client has it."""

    def __init__(self, fault: Fault) -> None:
        self._fault, self._is_read = fault, asyncio.Event()

    async def __call__(self, send: Send, version: str) -> None:
        await send(delta("Pl"))
        await self._is_read.wait()
        await self._fault(send)

    async def read(self, response: aiohttp.ClientResponse) -> list[Event]:
        """All events of a stream that begins with this script."""
        got = events_of(response)
        first = await anext(got)
        self._is_read.set()
        return [first, *[event async for event in got]]


@pytest.mark.parametrize("fault", [break_off, garble, fail])
async def test_the_champion_answers_for_an_arm_that_fails_in_the_middle(
    gateway: Gateway, service: Service, engine: Engine, fault: Fault
) -> None:
    failing = service.scripts["v2"] = Failing(fault)
    experiment_id = await start_experiment(engine, gateway)
    async with gateway.post(fresh(user_id="bob")) as response:
        *drafts, (kind, given) = await failing.read(response)
    assert drafts[0] == ("delta", {"text": "Pl"})
    assert text_of(drafts) == given["transformed_text"] == "Please wait."
    assert (kind, given["variant"], given["version"], given["fallback"]) == (
        "answer",
        "challenger",
        "v1",
        True,
    )
    query = "SELECT variant FROM exposures WHERE experiment_id = :id"
    assert await rows(engine, gateway, query, id=experiment_id) == [("challenger",)]


async def test_a_cached_answer_of_the_champion_replaces_the_draft_of_a_failing_arm(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    async def kindly(send: Send, version: str) -> None:
        await send(answer("Kindly.", version))

    body, failing = fresh(), Failing(fail)
    service.scripts = {"v1": kindly, "v2": failing}
    async with gateway.post(body) as response:
        assert [kind for kind, _ in await read(response)] == ["answer"]
    await start_experiment(engine, gateway)
    async with gateway.post(body) as response:
        got = await failing.read(response)
    assert got[:2] == [("delta", {"text": "Pl"}), ("replace", {"text": "Kindly."})]
    assert (got[2][1]["fallback"], got[2][1]["cache"]) == (True, "l1")


@pytest.mark.parametrize("fault", [break_off, garble, fail])
async def test_without_a_champion_that_can_answer_the_stream_ends_with_the_problem(
    gateway: Gateway, service: Service, fault: Fault
) -> None:
    failing = service.scripts["v1"] = Failing(fault)
    async with gateway.post(fresh()) as response:
        got = await failing.read(response)
    assert got[0] == ("delta", {"text": "Pl"})
    assert got[-1][0] == "error"
    assert (got[-1][1]["status"], got[-1][1]["type"]) == (503, "about:blank")
    assert 'route="/api/v1/transform",status="503"' in gateway.parts.telemetry.metrics().decode()


async def test_a_service_that_is_gone_is_a_503_before_the_stream(gateway: Gateway, service: Service) -> None:
    gateway.parts.inference._urls[0] = "http://127.0.0.1:9"
    gateway.parts.inference._breakers["http://127.0.0.1:9"] = gateway.parts.inference._breakers[service.url]
    async with gateway.post(fresh()) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
        assert response.content_type == "application/problem+json"


async def test_without_postgres_a_new_text_is_a_503_and_a_cached_one_is_answered(
    gateway: Gateway, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = fresh()
    async with gateway.post(cached) as response:
        assert (await read(response))[-1][0] == "answer"
    away = database.online_pool("postgresql://localhost:1/none", timeout_s=0.1)
    monkeypatch.setattr(gateway.parts.directory, "_pool", away)
    monkeypatch.setattr(heartbeat, "_SILENT_S", 2.0)
    await until(lambda: gateway.parts.directory.age_s > 2)
    async with gateway.post(fresh()) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
        problem = await response.json(content_type="application/problem+json")
        assert problem["reasons"][0]["code"] == "postgres_unavailable"
    async with gateway.post(cached) as response:
        [(kind, answered)] = await read(response)
    assert (kind, answered["cache"], len(service.streams)) == ("answer", "l1", 1)


async def test_an_output_that_cannot_be_stored_is_no_answer(
    gateway: Gateway, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = service.scripts["v1"] = Gate()

    async def gone(_: Any) -> None:
        raise PoolTimeout

    monkeypatch.setattr(gateway.parts.online._outputs, "store", gone)
    body = fresh()
    async with gateway.post(body) as response:
        got = events_of(response)
        assert (await anext(got))[0] == "delta"
        gate.opened.set()
        last = [event async for event in got][-1]
    assert (last[0], last[1]["reasons"][0]["code"]) == ("error", "output_not_stored")
    monkeypatch.undo()
    async with gateway.post(body) as response:
        assert (await read(response))[-1][1]["cache"] == "miss"


async def test_without_redis_a_stream_is_answered(
    local: Settings, engine: Engine, api_key: str, service: Service
) -> None:
    gateways.publish(engine, Routing(champion=V1))
    with socket.socket() as silent:  # it accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        redis_url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        changed = {"inference_urls": (service.url,), "redis_url": redis_url, "redis_timeout_s": 0.05}
        settings = local.model_copy(update=changed)
        async with (
            streams.listening(settings, api_key, HotProtocol) as gateway,
            gateway.post(fresh()) as response,
        ):
            assert (await read(response))[-1][1]["cache"] == "miss"


async def test_the_other_replica_begins_again(
    local: Settings, engine: Engine, api_key: str, service: Service
) -> None:
    gateways.publish(engine, Routing(champion=V1))
    async with streams.serving() as broken:
        failing = broken.scripts["v1"] = Failing(break_off)
        settings = local.model_copy(update={"inference_urls": (broken.url, service.url)})
        async with (
            streams.listening(settings, api_key, HotProtocol) as gateway,
            gateway.post(fresh()) as response,
        ):
            *drafts, (kind, given) = await failing.read(response)
    assert (kind, given["fallback"], text_of(drafts)) == ("answer", False, "Please wait.")
    assert (len(broken.streams), len(service.streams)) == (1, 1)


async def test_a_reader_who_never_reads_is_given_up(
    gateway: Gateway, service: Service, api_key: str, protocol: Any
) -> None:
    """Twenty thousand drafts of 20 KB: more than any buffer holds."""
    sent = 0

    async def pour(send: Send, version: str) -> None:
        nonlocal sent
        for number in range(20_000):
            await send(delta(f"{number} " + "x" * 20_000, "replace"))
            sent += 1
            await asyncio.sleep(0)
        await send(answer("Please.", version))

    service.scripts["v1"], gateway.front.stuck_s = pour, 0.3
    body = json.dumps(fresh()).encode()
    port = urlsplit(str(gateway.session._base_url)).port
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: g\r\nx-api-key: {api_key}\r\naccept: text/event-stream\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        await asyncio.get_running_loop().sock_sendall(client, head.encode() + body)
        most = 0

        def is_given_up() -> bool:
            nonlocal most
            buffers = [c.transport.get_write_buffer_size() for c in gateway.server.server_state.connections]
            most = max(most, *buffers, 0)
            return service.given_up == 1

        await until(is_given_up)
        await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    assert most < 1_000_000, "one draft at most is written past the mark"
    assert sent < 20_000


async def test_a_gateway_that_stops_finishes_its_streams(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    async with gateway.post(fresh()) as response:
        got = events_of(response)
        assert (await anext(got))[0] == "delta"
        gateway.server.should_exit = True
        await until(lambda: not gateway.server.servers[0].is_serving())
        gate.opened.set()
        assert [kind async for kind, _ in got][-1] == "answer"


async def test_a_draining_gateway_closes_after_a_stream(gateway: Gateway) -> None:
    gateway.front.is_draining = True
    async with gateway.post(fresh()) as response:
        assert response.headers["connection"] == "close"
        assert (await read(response))[-1][0] == "answer"


async def test_a_gateway_process_that_gets_sigterm_finishes_its_streams(
    local: Settings, engine: Engine, api_key: str, service: Service
) -> None:
    gate = service.scripts["v1"] = Gate()
    gateways.publish(engine, Routing(champion=V1))
    settings = with_own_ports(local).model_copy(update={"inference_urls": (service.url,)})

    def is_listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", settings.gateway_port)) == 0

    with running(settings, "gateway") as processes:
        process = processes["gateway"]
        await asyncio.to_thread(process.wait_until_ready, f"{settings.gateway_url}/readyz")
        headers = {"X-API-Key": api_key, "Accept": "text/event-stream"}
        async with (
            aiohttp.ClientSession(settings.gateway_url, headers=headers) as session,
            session.post(PATH, json=fresh()) as response,
        ):
            got = events_of(response)
            assert (await anext(got))[0] == "delta"
            os.kill(process.pid, signal.SIGTERM)
            await until(lambda: not is_listening())
            gate.opened.set()
            assert [kind async for kind, _ in got][-1] == "answer"
