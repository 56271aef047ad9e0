"""What a client of a WebSocket can ask for, and when it is closed, at a gateway on a port."""

import asyncio
import dataclasses
import json
import time
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from websockets.frames import OP_CONT, OP_PING, OP_TEXT, Frame

from data.people import identities
from serving.gateway import auth
from serving.gateway.realtime.connection import Limits
from tests import gateways, sockets, streams
from tests.sockets import PATH
from tests.streams import Gate, Gateway, Service, fresh, until


def problem(message: dict[str, Any]) -> tuple[int, str]:
    """Status and code of an error."""
    assert message["type"] == "error", message
    return message["data"]["status"], message["data"]["reasons"][0]["code"]


async def test_the_first_message_says_who_calls(gateway: Gateway) -> None:
    async with sockets.opened(gateway) as socket:
        ready = await socket.ask("auth", token=gateway.key["X-API-Key"])
        assert (ready["type"], ready["resumes"]) == ("ready", "anywhere")
        assert "expires_at" not in ready
        assert gateway.metric("tonebridge_sockets_open") == 1
    async with sockets.opened(gateway) as socket:
        assert problem(await socket.ask("subscribe", channel="releases")) == (401, "socket_not_authenticated")
        assert await socket.closed() == 4401


@pytest.mark.parametrize("token", ["tb_0_unknown", "not.a.token", "é" * 10])
async def test_an_unknown_token_ends_the_connection(gateway: Gateway, token: str) -> None:
    async with sockets.opened(gateway) as socket:
        assert (await socket.ask("auth", token=token))["data"]["status"] == 401
        assert await socket.closed() == 4401


async def test_a_client_that_says_nothing_is_closed(gateway: Gateway) -> None:
    sockets.limit(gateway, Limits(authenticate_s=0.0))
    async with sockets.opened(gateway) as socket:
        assert await socket.closed() == 4401


async def test_only_a_client_that_answers_no_ping_is_closed(gateway: Gateway) -> None:
    limits = Limits(authenticate_s=60, ping_every_s=0.0, pong_s=60)
    sockets.limit(gateway, limits)
    async with sockets.authenticated(gateway) as socket:
        sockets.limit(gateway, limits._replace(pong_s=1.0))
        async with sockets.wired(gateway) as wire:
            wire.send("auth", token=gateway.key["X-API-Key"])
            assert Frame(OP_PING, b"").serialize(mask=False) in await wire.end()
        assert (await socket.ask("subscribe", channel="releases"))["type"] == "subscribed"
    await until(lambda: gateway.metric('tonebridge_sockets_closed_total{code="1006"}') == 1)


async def test_a_rewrite_is_streamed_and_stored_and_its_receipt_takes_feedback(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()
    async with sockets.authenticated(gateway) as socket:
        first = await socket.ask("transform", id="a", body=body)
        gate.opened.set()
        second, answer = await socket.receive(), await socket.receive()
        assert [(event["type"], event["data"]["text"]) for event in (first, second)] == [
            ("delta", "Please"),
            ("delta", " wait."),
        ]
        assert (answer["type"], answer["data"]["transformed_text"]) == ("answer", "Please wait.")
        again = await socket.ask("transform", id="b", body=body)
        plain = await socket.ask("transform", id="c", body={**body, "stream": False})
        assert [(m["type"], m["id"], m["data"]["cache"]) for m in (again, plain)] == [
            ("answer", "b", "l1"),
            ("answer", "c", "l1"),
        ]
    vote = {"receipt": answer["data"]["receipt"], "kind": "thumb", "up": True}
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert response.status == 201, await response.text()
    assert service.streams == [body["text"]]
    stored = await streams.rows(
        engine, gateway,
        "SELECT a.id FROM answers a JOIN outputs o ON o.id = a.output_id WHERE o.message = :message",
        message=body["text"],
    )  # fmt: skip
    answers = {uuid.UUID(message["data"]["answer_id"]) for message in (answer, again, plain)}
    assert {id for (id,) in stored} == answers


async def test_rewrites_and_subscriptions_are_limited_as_requests_are(
    gateway: Gateway, engine: Engine
) -> None:
    gateways.stop_refills(gateway.parts.limiter)
    organisation_id = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, organisation_id, 2000)
    key = gateways.a_key(engine, organisation_id)["X-API-Key"]
    async with sockets.authenticated(gateway, key) as socket:
        refused = await socket.ask("transform", id="a", body=fresh())
        assert (problem(refused), refused["id"]) == ((429, "plan_quota"), "a")
        assert refused["retry_after_s"] > 0
        while (message := await socket.ask("unsubscribe", channel="releases"))["type"] != "error":
            pass
        assert problem(message) == (429, "plan_rate")


async def test_a_key_has_as_many_connections_as_its_plan_says(gateway: Gateway, engine: Engine) -> None:
    plans = dict(gateway.parts.plans)
    plans["team"] = plans["team"].model_copy(update={"sockets": 1})
    sockets.of(gateway)._parts = dataclasses.replace(gateway.parts, plans=plans)
    key = gateways.a_key(engine, gateways.an_organisation(engine, "team"))["X-API-Key"]
    async with sockets.authenticated(gateway, key), sockets.opened(gateway) as other:
        assert problem(await other.ask("auth", token=key)) == (429, "plan_sockets")
        assert await other.closed() == 4429
    await until(lambda: gateway.metric("tonebridge_sockets_open") == 0)
    async with sockets.authenticated(gateway, key):
        pass


async def test_what_cannot_be_read_is_told_and_changes_nothing(gateway: Gateway) -> None:
    async with sockets.authenticated(gateway) as socket:
        for sent in (
            "", "{", "[]", '{"type": "unknown"}', '{"type": "subscribe", "channel": "all"}',
            '{"type": "cancel"}', '{"type": "transform", "id": "", "body": {}}',
            '{"type": "subscribe", "channel": "jobs", "user_id": "a\\u0000"}', '"\\ud800"',
        ):  # fmt: skip
            await socket.raw.send(sent)
            assert problem(await socket.receive()) == (422, "socket_message_invalid"), sent
        refused = await socket.ask("transform", id="x", body={"text": "Fix it."})
        assert (refused["id"], refused["data"]["status"]) == ("x", 422)
        assert {error["field"] for error in refused["data"]["errors"]} == {"transform_type", "intensity"}
        assert (await socket.ask("transform", id="y", body=[1]))["data"]["status"] == 422
        assert problem(await socket.ask("cancel", id="x")) == (404, "socket_id_unknown")
        assert (await socket.ask("subscribe", channel="releases"))["type"] == "subscribed"


async def test_a_message_may_come_in_parts_but_not_as_bytes_and_not_too_long(gateway: Gateway) -> None:
    message = json.dumps({"type": "subscribe", "channel": "releases"}).encode()
    async with sockets.authenticated(gateway) as socket:
        await socket.raw.send([message[:9].decode(), message[9:].decode()])
        assert (await socket.receive())["type"] == "subscribed"
        await socket.raw.send(message)
        assert await socket.closed() == 1003
    async with sockets.authenticated(gateway) as socket:
        await socket.raw.send(" " * (128 * 1024 + 1))
        assert await socket.closed() == 1009
    async with sockets.authenticated(gateway) as socket:
        await socket.raw.send([" " * 100 * 1024, " " * 100 * 1024])
        assert await socket.closed() == 1009
    async with sockets.wired(gateway) as wire:
        wire.write(Frame(OP_TEXT, b"\xff"))
        assert b"\x03\xef" in await wire.end()  # 1007
    async with sockets.wired(gateway) as wire:
        wire.write(Frame(OP_CONT, b"{}"))
        assert b"\x03\xea" in await wire.end()  # 1002


@pytest.mark.parametrize(
    ("method", "lines", "status"),
    [("GET", ["Sec-WebSocket-Version: 12"], b"400"), ("POST", [], b"400"),
     ("GET", ["Content-Length: 2"], b"400"), ("GET", ["Transfer-Encoding: chunked"], b"400")],
)  # fmt: skip
async def test_a_wrong_handshake_is_refused(
    gateway: Gateway, method: str, lines: list[str], status: bytes
) -> None:
    async with sockets.wired(gateway, *lines, method=method) as wire:
        answered = await wire.end()
    assert answered.startswith(b"HTTP/1.1 " + status), answered
    assert answered.count(b"HTTP/1.1") == 1


async def test_frames_may_come_with_the_handshake(gateway: Gateway) -> None:
    async with sockets.wired(gateway) as wire:
        wire.send("auth", token=gateway.key["X-API-Key"])
        async with asyncio.timeout(60):
            await wire.reader.readuntil(b'"type":"ready"')


async def test_a_client_may_close_with_any_code_and_counts_as_one(gateway: Gateway) -> None:
    for code in (1000, 3333, 4999):
        async with sockets.authenticated(gateway) as socket:
            await socket.raw.close(code)
    await until(lambda: gateway.metric('tonebridge_sockets_closed_total{code="1000"}') == 3)
    assert gateway.metric("tonebridge_sockets_closed_total") == 3


async def test_a_rewrite_can_be_cancelled(gateway: Gateway, service: Service) -> None:
    service.scripts["v1"] = Gate()
    async with sockets.authenticated(gateway) as socket:
        assert (await socket.ask("transform", id="a", body=fresh()))["type"] == "delta"
        assert problem(await socket.ask("transform", id="a", body=fresh())) == (409, "socket_id_in_use")
        await socket.send("cancel", id="a")
        await until(lambda: service.given_up == 1)
        await until(lambda: problem_free(gateway))
        del service.scripts["v1"]
        await socket.send("transform", id="a", body=fresh())
        assert (await socket.until("answer"))["id"] == "a"


def problem_free(gateway: Gateway) -> bool:
    """Whether no rewrite is in progress."""
    return gateway.metric("tonebridge_streams_open") == 0


async def test_a_client_that_leaves_ends_its_rewrites(gateway: Gateway, service: Service) -> None:
    service.scripts["v1"] = Gate()
    async with sockets.authenticated(gateway) as socket:
        for id in "ab":
            await socket.send("transform", id=id, body=fresh())
            assert (await socket.until("delta"))["id"] == id
    await until(lambda: service.given_up == 2)
    await until(lambda: gateway.metric("tonebridge_sockets_open") == 0)


async def test_a_repeated_key_has_the_first_answer(gateway: Gateway) -> None:
    body, key = fresh(), str(uuid.uuid4())
    async with sockets.authenticated(gateway) as socket:
        await socket.send("transform", id="a", body=body, idempotency_key=key)
        first = await socket.until("answer")
        await socket.send("transform", id="b", body=body, idempotency_key=key)
        assert (await socket.until("answer"))["data"] == first["data"]
        refused = await socket.ask("transform", id="c", body=fresh(), idempotency_key=key)
        assert problem(refused) == (422, "idempotency_key_reused")


async def test_a_revoked_key_ends_its_connections(gateway: Gateway, engine: Engine) -> None:
    key = gateways.a_key(engine, gateways.an_organisation(engine))["X-API-Key"]
    parsed = identities.parse_key(key)
    assert parsed is not None
    async with sockets.authenticated(gateway) as other, sockets.authenticated(gateway, key) as socket:
        with engine.begin() as connection:
            revoke = text("UPDATE api_keys SET revoked_at = now() WHERE id = :id")
            connection.execute(revoke, {"id": parsed[0]})
        assert await socket.closed() == 4401
        assert (await other.ask("subscribe", channel="releases"))["type"] == "subscribed"


async def test_other_rights_end_a_connection(gateway: Gateway, engine: Engine) -> None:
    key = gateways.a_key(engine, gateways.an_organisation(engine))["X-API-Key"]
    parsed = identities.parse_key(key)
    assert parsed is not None
    async with sockets.authenticated(gateway, key) as socket:
        with engine.begin() as connection:
            promote = text("UPDATE api_keys SET role = 'admin' WHERE id = :id")
            connection.execute(promote, {"id": parsed[0]})
        assert await socket.closed() == 4401


async def test_a_token_can_be_renewed_before_it_expires(
    gateway: Gateway, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine))
    token = gateways.sign_token(kid, "ann")
    async with (
        sockets.authenticated(gateway, token) as forgotten,
        sockets.authenticated(gateway, token) as renewed,
    ):
        ready = await renewed.ask("auth", token=gateways.sign_token(kid, "ann", life_s=7200))
        assert ready["expires_at"] > 0
        refused = await renewed.ask("auth", token=gateways.sign_token(kid, "bob"))
        assert (refused["type"], refused["data"]["status"]) == ("error", 422)
        later = SimpleNamespace(time=lambda: time.time() + 5400, monotonic=time.monotonic)
        monkeypatch.setattr(auth, "time", later)
        assert await forgotten.closed() == 4401
        assert (await renewed.ask("subscribe", channel="answers"))["type"] == "subscribed"


async def test_a_token_with_other_rights_does_not_renew_a_connection(
    gateway: Gateway, engine: Engine
) -> None:
    """Its subscriptions are those of the former rights."""
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine), "admin")
    async with sockets.authenticated(gateway, gateways.sign_token(kid, "ann")) as socket:
        assert (await socket.ask("subscribe", channel="jobs"))["type"] == "subscribed"
        with engine.begin() as connection:
            demote = text("UPDATE signing_keys SET role = 'member' WHERE kid = :kid")
            connection.execute(demote, {"kid": kid})
        await gateway.parts.directory.beat()
        refused = await socket.ask("auth", token=gateways.sign_token(kid, "ann", life_s=7200))
        assert problem(refused)[0] == 422
        assert await socket.closed() == 4401


async def test_each_may_see_what_the_rest_routes_show_them(gateway: Gateway, engine: Engine) -> None:
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine))
    async with sockets.authenticated(gateway, gateways.sign_token(kid, "ann")) as socket:
        assert (await socket.ask("subscribe", channel="answers"))["type"] == "subscribed"
        refused = await socket.ask("subscribe", channel="answers", user_id="bob")
        assert problem(refused) == (422, "token_names_itself")
        assert problem(await socket.ask("subscribe", channel="experiments")) == (403, "role_too_low")
    async with sockets.authenticated(gateway) as socket:
        refused = await socket.ask("subscribe", channel="experiments")
        assert problem(refused) == (403, "other_organisation")


async def test_subscriptions_have_a_bound(gateway: Gateway) -> None:
    async with sockets.authenticated(gateway) as socket:
        for number in range(64):
            subscribed = await socket.ask("subscribe", channel="answers", user_id=str(number))
            assert subscribed["type"] == "subscribed"
        assert problem(await socket.ask("subscribe", channel="jobs")) == (422, "socket_channels_full")
        assert (await socket.ask("unsubscribe", channel="answers", user_id="7"))["type"] == "unsubscribed"
        assert (await socket.ask("subscribe", channel="jobs"))["type"] == "subscribed"


async def test_a_gateway_that_stops_finishes_rewrites_and_says_that_it_goes(
    gateway: Gateway, service: Service
) -> None:
    gate = service.scripts["v1"] = Gate()
    async with sockets.authenticated(gateway) as idle, sockets.authenticated(gateway) as busy:
        assert (await busy.ask("transform", id="a", body=fresh()))["type"] == "delta"
        gateway.server.should_exit = True
        assert await idle.closed() == 1001
        gate.opened.set()
        assert (await busy.until("answer"))["data"]["transformed_text"] == "Please wait."
        assert await busy.closed() == 1001


async def test_plain_http_is_told_to_open_a_websocket(gateway: Gateway) -> None:
    async with gateway.session.get(PATH) as response:
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
        assert (await response.json())["reasons"][0]["code"] == "socket_needed"


async def test_a_client_that_never_reads_is_closed_and_delays_nobody(
    gateway: Gateway, engine: Engine
) -> None:
    """Its buffers are full before it is closed: those of the kernel take megabytes."""
    async with sockets.authenticated(gateway) as reader, sockets.wired(gateway) as deaf:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await reader.ask("subscribe", channel="releases")
        [(topic, (own,))] = sockets.of(gateway).hub._subscribers.items()
        deaf.send("auth", token=gateway.key["X-API-Key"])
        deaf.send("subscribe", channel="releases")
        await until(lambda: len(sockets.of(gateway).hub._subscribers[topic]) == 2)
        number = 0
        while sockets.of(gateway).hub._subscribers[topic] != {own}:
            versions = [f"{number + n}-" + "x" * 7000 for n in range(100)]
            sockets.notify(engine, *({"subject": "releases", "version": version} for version in versions))
            received = [(await reader.receive())["data"]["version"] for _ in versions]
            assert received == versions
            number += 100
    await until(lambda: gateway.metric('tonebridge_sockets_closed_total{code="1013"}') == 1)
