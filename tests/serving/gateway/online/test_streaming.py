"""Streamed answers of a gateway on a port, by its own protocol and by ASGI: over the real inference service,
and over a scripted one for faults and for the order of events.
"""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from psycopg_pool import PoolTimeout
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import Spec
from data.tables import Experiment, new_id
from data.traffic.routing import Arm, Routing, Split
from models.export import export
from models.preview import Preview
from pipelines.local import running
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.online.streaming import Stream
from serving.gateway.problems import UnavailableError
from serving.inference import release
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.ports import with_own_ports
from tests.streams import Gateway, Send, Service, answer, delta, events_of, read, text_of, until

LONG = Spec(version="talkative", engine="transformers", max_new_tokens=80)
ENDLESS = Spec(version="talkative", engine="transformers", max_new_tokens=512)
V1, V2 = Spec(version="v1"), Spec(version="v2")


def fresh(**changes: Any) -> dict[str, Any]:
    message = f"Fix PAY-123 by Friday. {uuid.uuid4()}"
    return {"text": message, "transform_type": "soften", "intensity": 2, **changes}


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: Any) -> Any:
    return request.param


@pytest.fixture(scope="module")
def talkative(stack: Settings, build_tiny: Any, tiny_texts: Any, tmp_path_factory: Any) -> Settings:
    """The stack, whose store has a version that writes something else for each prompt."""
    base = build_tiny(tmp_path_factory.mktemp("talkative") / "base", tiny_texts, seed=3, spread=0.5)
    folder = export(base, None, tmp_path_factory.mktemp("talkative") / "version", "float32")
    release.publish(folder, "talkative", stack)
    return stack


@pytest.fixture
async def real(
    talkative: Settings, engine: Engine, api_key: str, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A gateway over the real inference service."""
    gateways.publish(engine, Routing(champion=LONG))
    async with streams.listening(talkative, api_key, protocol) as gateway:
        yield gateway


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
async def gateway(
    local: Settings, engine: Engine, api_key: str, service: Service, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A gateway over the scripted service."""
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, protocol) as gateway:
        yield gateway


class Gate:
    """A script that writes a word, waits, and goes on."""

    def __init__(self) -> None:
        self.begun, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, send: Send, version: str) -> None:
        await send(delta("Please"))
        self.begun.set()
        await self.opened.wait()
        await send(delta(" wait."))
        await send(answer("Please wait.", version))


async def rows(engine: Engine, gateway: Gateway, query: str, **values: Any) -> list[Any]:
    """Rows of Postgres, after the gateway has written what it holds."""
    await gateway.parts.answers.flush()
    with engine.connect() as connection:
        return list(connection.execute(text(query), values).all())


async def start_experiment(engine: Engine, gateway: Gateway) -> uuid.UUID:
    """Everybody is in an arm with v2; v1 stays the champion."""
    experiment_id = new_id()
    with Session(engine) as session, session.begin():
        session.add(
            Experiment(id=experiment_id, name=f"e-{experiment_id}", hypothesis="none", plan={}, salt="s",
                       status="running")
        )  # fmt: skip
    arms = (Arm(name="baseline", weight=0.0, spec=V1), Arm(name="challenger", weight=1.0, spec=V2))
    split = Split(experiment_id=experiment_id, salt="s", arms=arms)
    gateways.publish(engine, Routing(champion=V1, experiments=(split,)))
    await gateway.parts.directory.beat()
    return experiment_id


# --- the real service --------------------------------------------------------------------------------------


async def test_a_draft_comes_in_pieces_and_only_the_answer_is_stored(real: Gateway, engine: Engine) -> None:
    body = fresh(user_id="ann")
    async with real.post(body, X_Request_Id="abc-1") as response:
        assert response.headers["x-request-id"] == "abc-1"
        assert response.headers["cache-control"] == "no-cache"
        assert {"ratelimit", "ratelimit-policy"} <= {name.lower() for name in response.headers}
        *drafts, (last, given) = await read(response)
    assert last == "answer"
    assert {kind for kind, _ in drafts} == {"delta"}
    assert len(drafts) > 1
    assert text_of(drafts) == given["transformed_text"]
    assert (given["cache"], given["fallback"], given["variant"], given["version"]) == (
        "miss", False, "champion", "talkative",
    )  # fmt: skip
    assert "PAY-123" in given["facts_missing"]
    [(stored,)] = await rows(engine, real, "SELECT text FROM outputs WHERE message = :m", m=body["text"])
    assert stored == given["transformed_text"]
    query = "SELECT count(*) FROM answers WHERE id = CAST(:id AS uuid)"
    assert await rows(engine, real, query, id=given["answer_id"]) == [(1,)]
    vote = {"receipt": given["receipt"], "kind": "thumb", "up": True}
    async with real.session.post("/api/v1/feedback", json=vote, headers=real.key) as response:
        assert response.status == 201
    assert real.metric("tonebridge_first_token_seconds_count") == 1
    assert real.metric("tonebridge_streams_open") == 0
    assert real.metric('tonebridge_request_seconds_count{cache="miss"}') == 1


async def test_a_stream_and_json_say_the_same_and_share_their_output(real: Gateway) -> None:
    body = fresh()
    async with real.post(body) as response:
        streamed = (await read(response))[-1][1]
    async with real.post(body, Accept="application/json") as response:
        plain = await response.json()
    assert plain["cache"] == "l1"
    assert {**plain, "cache": "miss", "answer_id": 0, "receipt": 0} == {
        **streamed,
        "answer_id": 0,
        "receipt": 0,
    }


async def test_a_client_who_leaves_ends_the_generation_in_the_service(
    real: Gateway, engine: Engine, stack: Settings
) -> None:
    """The service counts what ended early; without that, 512 tokens are written to their end."""

    async def abandoned() -> float:
        token = stack.secret("service_token")
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.get(f"{stack.inference_urls[0]}/metrics") as response,
        ):
            lines = (await response.text()).splitlines()
        name = "tonebridge_streams_abandoned_total"
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    gateways.publish(engine, Routing(champion=ENDLESS))
    await real.parts.directory.beat()
    before, body = await abandoned(), fresh()
    async with real.post(body) as response:
        assert (await anext(events_of(response)))[0] == "delta"
        assert real.metric("tonebridge_streams_open") == 1
        response.close()
    async with asyncio.timeout(60):
        while await abandoned() == before:  # noqa: ASYNC110 (it happens in another process)
            await asyncio.sleep(0.05)
    await until(lambda: real.metric("tonebridge_streams_abandoned_total") == 1)
    await until(lambda: real.metric("tonebridge_streams_open") == 0)
    assert await rows(engine, real, "SELECT 1 FROM outputs WHERE message = :m", m=body["text"]) == []


# --- each event --------------------------------------------------------------------------------------------


async def test_another_text_replaces_the_draft(gateway: Gateway, service: Service) -> None:
    async def change_its_mind(send: Send, version: str) -> None:
        await send(delta("Pleas"))
        await asyncio.sleep(0.1)
        await send(delta("Kindly", "replace"))
        await asyncio.sleep(0.1)
        await send(delta(" wait."))
        await send(answer("Kindly wait.", version))

    service.scripts["v1"] = change_its_mind
    async with gateway.post(fresh()) as response:
        got = await read(response)
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


# --- refused before it begins ------------------------------------------------------------------------------


async def test_what_is_refused_is_a_problem_and_no_stream(gateway: Gateway, engine: Engine) -> None:
    for body, sent, status in (
        (fresh(), {"X_API_Key": "hunter2"}, 401),
        (fresh(intensity=7), {}, 422),
        (fresh(stream="yes"), {}, 422),
        (fresh(colour="red"), {}, 422),
        (fresh(text="x" * 200_000), {}, 413),
        (fresh(), {"Idempotency_Key": "x" * 201}, 422),
    ):
        async with gateway.post(body, **sent) as response:
            problem = json.loads(await response.read())
            assert (response.status, problem["status"]) == (status, status)
            assert response.content_type == "application/problem+json"
    assert [gateway.metric(f"tonebridge_streams_{name}") for name in ("open", "abandoned_total")] == [0, 0]
    free = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    body = fresh()
    codes = []
    for _ in range(30):
        async with gateway.post(body, X_API_Key=free["X-API-Key"]) as response:
            codes.append(response.status)
            await response.read()
    assert {*codes} == {200, 429}
    spent = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, spent, 3000)
    async with gateway.post(fresh(), X_API_Key=gateways.a_key(engine, spent)["X-API-Key"]) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (429, True)


async def test_a_token_speaks_for_its_own_subject(gateway: Gateway, engine: Engine) -> None:
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine))
    token = gateways.a_token(kid, "ann")["Authorization"]
    for user_id, status in ((None, 200), ("ann", 200), ("bob", 422)):
        async with gateway.post(fresh(user_id=user_id), X_API_Key="", Authorization=token) as response:
            assert response.status == status


async def test_a_stream_keeps_its_place_until_it_ends(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))["X-API-Key"]  # 8 at a time
    async with AsyncExitStack() as open_streams:
        for _ in range(8):
            response = await open_streams.enter_async_context(gateway.post(fresh(), X_API_Key=key))
            assert response.status == 200
        async with gateway.post(fresh(), X_API_Key=key) as response:
            assert response.status == 429
            assert (await response.json(content_type=None))["reasons"][0]["code"] == "plan_concurrent"
        gate.opened.set()
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    async with gateway.post(fresh(), X_API_Key=key) as response:
        assert response.status == 200


# --- single flight, and who leaves -------------------------------------------------------------------------


def waiting(gateway: Gateway) -> int:
    """Requests that wait for calls in progress."""
    return sum(call.waiting for call in gateway.parts.cache._calls.values())


async def test_followers_of_a_stream_get_the_one_answer(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()

    async def follow(accept: str) -> Any:
        async with gateway.post(body, Accept=accept) as response:
            return await (read(response) if accept.startswith("text") else response.json())

    async with gateway.post(body) as response:
        await gate.begun.wait()
        following = [asyncio.ensure_future(follow(a)) for a in ("text/event-stream", "application/json")]
        await until(lambda: waiting(gateway) == 3)
        gate.opened.set()
        *drafts, (_, first) = await read(response)
    assert text_of(drafts) == "Please wait."
    [(kind, second)], third = await asyncio.gather(*following)
    assert kind == "answer"
    assert {a["transformed_text"] for a in (first, second, third)} == {"Please wait."}
    assert len({a["answer_id"] for a in (first, second, third)}) == 3
    assert (len(service.streams), service.lists) == (1, 0)


async def test_who_leaves_takes_nothing_from_a_follower(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()

    async def follow() -> Any:
        async with gateway.post(body) as response:
            return await read(response)

    async with gateway.post(body) as response:
        await anext(events_of(response))
        following = asyncio.ensure_future(follow())
        await until(lambda: waiting(gateway) == 2)
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_abandoned_total") == 1)
    gate.opened.set()
    assert [kind for kind, _ in await following] == ["answer"]
    assert (len(service.streams), service.given_up) == (1, 0)


async def test_who_leaves_alone_ends_the_call_and_the_next_begins_another(
    gateway: Gateway, service: Service
) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()
    for number in range(1, 5):  # more than a replica's breaker allows to fail
        async with gateway.post(body) as response:
            await anext(events_of(response))
            response.close()
        await until(lambda number=number: service.given_up == number)  # type: ignore[misc]
    gate.opened.set()
    async with gateway.post(body) as response:
        assert (await read(response))[-1][0] == "answer"
    assert gateway.parts.inference.open_breakers == 0
    assert gateway.parts.upstream.waiting == 0


async def test_who_leaves_before_the_first_event_ends_the_call_too(
    gateway: Gateway, service: Service
) -> None:
    begun = asyncio.Event()

    async def think(send: Send, version: str) -> None:
        begun.set()
        await asyncio.sleep(60)

    service.scripts["v1"] = think
    asking = asyncio.ensure_future(gateway.session.post(PATH, json=fresh(stream=True), headers=gateway.key))
    await begun.wait()
    asking.cancel()
    await until(lambda: service.given_up == 1)
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)


async def test_a_draft_without_its_answer_counts_as_usage_and_exposure(
    gateway: Gateway, service: Service, engine: Engine, api_key: str
) -> None:
    service.scripts["v2"] = Gate()
    experiment_id = await start_experiment(engine, gateway)
    async with gateway.post(fresh(user_id="ann")) as response:
        await anext(events_of(response))
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_abandoned_total") == 1)
    query = "SELECT variant FROM exposures WHERE experiment_id = :id"
    assert await rows(engine, gateway, query, id=experiment_id) == [("challenger",)]
    assert (
        await rows(engine, gateway, "SELECT 1 FROM failures WHERE experiment_id = :id", id=experiment_id)
        == []
    )
    query = "SELECT organisation_id FROM api_keys WHERE id = :id"
    [(organisation_id,)] = await rows(engine, gateway, query, id=api_key.split("_")[1])
    assert gateways.usage(engine, organisation_id) == 1


# --- experiments and faults --------------------------------------------------------------------------------


async def break_off(send: Send, version: str) -> None:
    await send(delta("Pl"))
    await asyncio.sleep(0.1)
    raise ConnectionResetError


async def garble(send: Send, version: str) -> None:
    await send(delta("Pl"))
    await asyncio.sleep(0.1)
    await send(b"\x00<html>\n\n")


async def fail(send: Send, version: str) -> None:
    await send(delta("Pl"))
    await asyncio.sleep(0.1)
    await send(b'event: error\ndata: {"error":"the version cannot answer"}\n\n')


@pytest.mark.parametrize("fault", [break_off, garble, fail])
async def test_the_champion_answers_for_an_arm_that_fails_in_the_middle(
    gateway: Gateway, service: Service, engine: Engine, fault: Any
) -> None:
    service.scripts["v2"] = fault
    experiment_id = await start_experiment(engine, gateway)
    async with gateway.post(fresh(user_id="bob")) as response:
        *drafts, (kind, given) = await read(response)
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

    body = fresh()
    service.scripts = {"v1": kindly, "v2": fail}
    async with gateway.post(body) as response:
        assert [kind for kind, _ in await read(response)] == ["answer"]
    await start_experiment(engine, gateway)
    async with gateway.post(body) as response:
        got = await read(response)
    assert got[:2] == [("delta", {"text": "Pl"}), ("replace", {"text": "Kindly."})]
    assert (got[2][1]["fallback"], got[2][1]["cache"]) == (True, "l1")


@pytest.mark.parametrize("fault", [break_off, garble, fail])
async def test_without_a_champion_that_can_answer_the_stream_ends_with_the_problem(
    gateway: Gateway, service: Service, fault: Any
) -> None:
    service.scripts["v1"] = fault
    async with gateway.post(fresh()) as response:
        got = await read(response)
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
        settings = local.model_copy(update={"inference_urls": (service.url,), "redis_url": redis_url})
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
        broken.scripts["v1"] = break_off
        settings = local.model_copy(update={"inference_urls": (broken.url, service.url)})
        async with (
            streams.listening(settings, api_key, HotProtocol) as gateway,
            gateway.post(fresh()) as response,
        ):
            *drafts, (kind, given) = await read(response)
    assert (kind, given["fallback"], text_of(drafts)) == ("answer", False, "Please wait.")
    assert (len(broken.streams), len(service.streams)) == (1, 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("has_replica", [False, True], ids=["alone", "with a replica"])
async def test_bentoml_is_killed_in_the_middle(
    talkative: Settings, engine: Engine, api_key: str, has_replica: bool
) -> None:
    gateways.publish(engine, Routing(champion=ENDLESS))
    own = with_own_ports(talkative)
    urls = (*own.inference_urls, *(talkative.inference_urls if has_replica else ()))
    with running(own, "inference") as processes:
        processes["inference"].wait_until_ready(f"{own.inference_urls[0]}/readyz", timeout_s=120)
        settings = talkative.model_copy(update={"inference_urls": urls})
        async with (
            streams.listening(settings, api_key, HotProtocol) as gateway,
            gateway.post(fresh()) as response,
        ):
            got = events_of(response)
            drafts = [await anext(got)]
            workers = psutil.Process(processes["inference"].pid).children(recursive=True)
            for process in (*workers, psutil.Process(processes["inference"].pid)):
                process.kill()
            drafts += [event async for event in got if event[0]]
    assert drafts[0][0] == "delta"
    kind, data = drafts.pop()
    if has_replica:
        assert (kind, text_of(drafts)) == ("answer", data["transformed_text"])
    else:
        assert (kind, data["status"]) == ("error", 503)


# --- Idempotency-Key ---------------------------------------------------------------------------------------


async def test_a_repeated_stream_is_the_first_answer(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    body, key = fresh(), str(uuid.uuid4())
    async with gateway.post(body, Idempotency_Key=key) as response:
        await anext(events_of(response))
        async with gateway.post(body, Idempotency_Key=key) as refused:
            assert refused.status == 409
        gate.opened.set()
        first = (await read(response))[-1]
    for accept in ("text/event-stream", "application/json"):
        async with gateway.post(body, Accept=accept, Idempotency_Key=key) as response:
            again = await (read(response) if accept.startswith("text") else response.json())
        assert again in ([first], first[1])
    query = "SELECT count(*) FROM answers WHERE id = CAST(:id AS uuid)"
    assert await rows(engine, gateway, query, id=first[1]["answer_id"]) == [(1,)]


async def test_a_stream_that_was_left_may_be_tried_again(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body, key = fresh(), str(uuid.uuid4())
    async with gateway.post(body, Idempotency_Key=key) as response:
        await anext(events_of(response))
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    gate.opened.set()
    async with gateway.post(body, Idempotency_Key=key) as response:
        assert (await read(response))[-1][0] == "answer"


# --- slow readers, and the end of a gateway ----------------------------------------------------------------


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


async def test_a_connection_goes_on_after_a_stream(gateway: Gateway) -> None:
    body = fresh()
    for accept in ("text/event-stream", "application/json", "text/event-stream"):
        async with gateway.post(body, Accept=accept) as response:
            await response.read()
    assert len(gateway.server.server_state.connections) == 1


# --- the stream alone --------------------------------------------------------------------------------------


class Client:
    def __init__(self) -> None:
        self.disconnected, self.message_event = False, asyncio.Event()


async def test_an_error_before_the_first_event_is_raised_and_closing_twice_is_one_close() -> None:
    closed: list[Stream] = []

    async def make(_: Preview) -> bytes:
        raise UnavailableError("overloaded")

    stream = Stream(make, lambda _: b"{}", Client(), 10, closed.append)
    with pytest.raises(UnavailableError):
        await stream.begin()
    await stream.close()
    await stream.close()
    assert (closed, stream.was_abandoned) == ([stream], False)


async def test_a_slow_reader_gets_fewer_and_longer_pieces() -> None:
    more = asyncio.Event()

    async def make(preview: Preview) -> bytes:
        for end in range(1, 11):
            preview.show("0123456789"[:end])
        await more.wait()
        return b'{"transformed_text":"0123456789"}'

    stream = Stream(make, lambda _: b"{}", Client(), 10, lambda _: None)
    await stream.begin()
    more.set()
    pieces = [await stream.read() for _ in range(3)]
    assert pieces == [
        b'event: delta\ndata: {"text":"0123456789"}\n\n',
        b'event: answer\ndata: {"transformed_text":"0123456789"}\n\n',
        None,
    ]
    await stream.close()


def test_the_description_of_the_api_has_the_events(local: Settings) -> None:
    from serving.gateway.app import create_app

    described = create_app(local.model_copy(update={"inference_urls": ("http://x",)})).behind.openapi()
    route = described["paths"][PATH]["post"]
    content = route["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    for event in ("delta", "replace", "answer", "error"):
        assert f"`{event}`" in content["text/event-stream"]["schema"]["description"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert "stream" in described["components"]["schemas"][schema]["properties"]
