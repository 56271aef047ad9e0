"""Signed requests to the routes of FastAPI, GraphQL and WebSockets; and every way in without Redis."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.front import GRAPHQL_PATH, PATH
from serving.gateway.realtime import sockets as realtime
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.serving.gateway.signatures.conftest import Signer, code_of, encode, nonces_of
from tests.sockets import Socket
from tests.streams import V1, Gateway, Service, fresh

KEYS = "/api/v1/keys"


# --- the routes of FastAPI -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", KEYS, None, 200),
        ("GET", f"{KEYS}?a=%2f&b=%C3%A9", None, 200),
        ("POST", KEYS, {"name": "laptop"}, 201),
        ("DELETE", f"{KEYS}/abcd", None, 404),
        ("POST", "/api/v1/batch", {"items": [fresh()]}, 200),
        ("POST", "/api/v1/jobs/batches", {"items": [fresh()]}, 202),
        ("GET", "/api/v1/jobs?state=dead&limit=5", None, 200),
        ("POST", GRAPHQL_PATH, {"query": "{ me { role } }"}, 200),
        ("GET", "/api/v1/auth/me", None, 200),
    ],
)
async def test_a_route_takes_a_signed_request_once(
    signer: Signer, method: str, path: str, body: Any, status: int
) -> None:
    data = encode(body)
    headers = signer.sign(method, path, data)
    assert (await signer.send(method, path, headers, data or None))[0] == status
    assert await nonces_of(signer) == 1
    assert code_of(await signer.send(method, path, headers, data or None)) == (401, "signature_replayed")
    assert code_of(await signer.unsigned(method, path, body)) == (401, "signature_needed")
    other = signer.sign(method, path, data + b" ")
    assert code_of(await signer.send(method, path, other, data or None)) == (401, "content_digest_wrong")


async def test_the_routes_that_ask_for_no_key_read_no_signature(signer: Signer) -> None:
    for path in ("/livez", "/readyz"):
        headers = signer.sign("GET", "/another/path")
        assert (await signer.send("GET", path, headers))[0] == 200


async def test_a_rewrite_by_graphql_is_signed_once(signer: Signer) -> None:
    wanted = fresh()
    document = "mutation($input: TransformInput!) { transform(input: $input) { receipt cache } }"
    named = {"text": wanted["text"], "transformType": "SOFTEN", "intensity": 2}
    status, _, answer = await signer.ask(
        "POST", GRAPHQL_PATH, {"query": document, "variables": {"input": named}}
    )
    assert (status, answer["data"]["transform"]["cache"]) == (200, "miss"), answer
    assert await nonces_of(signer) == 1


# --- WebSockets ----------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(signer: Signer, headers: dict[str, str], path: str = realtime.PATH) -> AsyncIterator[Socket]:
    """A WebSocket whose handshake has these headers."""
    uri = f"ws://127.0.0.1:{signer.gateway.port}{path}"
    names = [Subprotocol("graphql-transport-ws")] if path == GRAPHQL_PATH else None
    async with connect(
        uri, additional_headers=headers, subprotocols=names, ping_interval=None, proxy=None
    ) as raw:
        yield Socket(raw)


def handshake(signer: Signer, path: str = realtime.PATH, **changes: Any) -> dict[str, str]:
    headers = signer.sign("GET", path, **changes)
    del headers["X-API-Key"], headers["Content-Type"]
    return headers


async def test_a_signed_handshake_opens_a_websocket_once(signer: Signer) -> None:
    headers = handshake(signer)
    async with opened(signer, headers) as socket:
        assert (await socket.ask("auth", token=signer.key))["type"] == "ready"
        assert (await socket.ask("auth", token=signer.key))["type"] == "ready", "it needs no other signature"
        await socket.send("transform", id="1", body=fresh())
        assert (await socket.until("answer"))["id"] == "1"
    assert await nonces_of(signer) == 1
    async with opened(signer, headers) as socket:
        refused = await socket.ask("auth", token=signer.key)
        assert refused["data"]["reasons"][0]["code"] == "signature_replayed"
        assert await socket.closed() == 4401


async def test_an_unsigned_handshake_opens_nothing(signer: Signer) -> None:
    wrong = [
        ({}, "signature_needed"),
        (handshake(signer, "/graphql"), "signature_wrong"),
        (handshake(signer, body=b" "), "content_digest_wrong"),
        (handshake(signer._replace(secret="guessed")), "signature_wrong"),
        ({"Signature": "sig1=:x:"}, "signature_incomplete"),
    ]
    for headers, code in wrong:
        async with opened(signer, headers) as socket:
            refused = await socket.ask("auth", token=signer.key)
            assert refused["data"]["reasons"][0]["code"] == code
            assert await socket.closed() == 4401


async def test_graphql_subscriptions_need_a_signed_handshake(signer: Signer) -> None:
    async with opened(signer, handshake(signer, GRAPHQL_PATH), GRAPHQL_PATH) as socket:
        init = {"token": signer.key}
        assert await socket.ask("connection_init", payload=init) == {"type": "connection_ack"}
    async with opened(signer, {}, GRAPHQL_PATH) as socket:
        await socket.send("connection_init", payload=init)
        assert await socket.closed() == 4403


async def test_a_websocket_ends_with_the_secret_of_its_handshake(voluntary: Signer) -> None:
    new = await voluntary.make_secret()
    async with (
        opened(voluntary, {}) as unsigned,
        opened(voluntary, handshake(voluntary)) as by_old,
        opened(new, handshake(new)) as by_new,
    ):
        for socket in (unsigned, by_old, by_new):
            assert (await socket.ask("auth", token=voluntary.key))["type"] == "ready"
        await voluntary.revoke()
        # With the newest rights of its key, and by a secret that is revoked all the same.
        await by_old.send("auth", token=voluntary.key)
        assert await by_old.closed() == 4401
        for socket in (unsigned, by_new):
            assert (await socket.ask("subscribe", channel="releases"))["type"] == "subscribed"
        await new.require()
        assert await unsigned.closed() == 4401


# --- without Redis -------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepts", [True, False], ids=["hangs", "refuses"])
async def test_without_redis_a_signed_request_is_503_and_an_unsigned_one_is_answered(
    local: Settings, engine: Engine, api_key: str, service: Service, protocol: type[GuardedProtocol],
    accepts: bool,
) -> None:  # fmt: skip
    gateways.publish(engine, Routing(champion=V1))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen(64)  # and never answers
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        changed = {"inference_urls": (service.url,), "redis_url": url, "redis_timeout_s": 0.05}
        async with streams.listening(local.model_copy(update=changed), api_key, protocol) as gateway:
            await check_without_redis(gateway, api_key)


async def check_without_redis(gateway: Gateway, api_key: str) -> None:
    signer = await Signer(gateway, api_key, "", "").make_secret()
    body = fresh()
    assert (await signer.unsigned("POST", PATH, body))[0] == 200
    await signer.require()
    for method, path, sent in (
        ("POST", PATH, body),
        ("POST", PATH, fresh()),
        ("GET", KEYS, None),
        ("POST", GRAPHQL_PATH, {"query": "{ me { role } }"}),
    ):
        answer = await signer.ask(method, path, sent)
        assert code_of(answer) == (503, "nonce_uncheckable")
        assert int(answer[1]["Retry-After"]) > 0
    assert code_of(await signer.unsigned("POST", PATH, body)) == (401, "signature_needed")
    async with opened(signer, handshake(signer)) as opening:
        refused = await opening.ask("auth", token=signer.key)
        assert (refused["data"]["status"], refused["retry_after_s"] > 0) == (503, True)
        assert await opening.closed() == 1013
