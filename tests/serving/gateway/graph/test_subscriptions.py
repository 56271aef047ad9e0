"""Subscriptions over graphql-transport-ws: what is shown to whom, and when a connection ends."""

import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from data.people import identities
from serving.gateway.graph import subscriptions, trusted
from serving.gateway.graph.sockets import Subscriptions
from serving.gateway.online.front import GRAPHQL_PATH
from serving.gateway.realtime import messages
from tests import gateways, sockets
from tests.serving.gateway.graph.conftest import Key
from tests.serving.gateway.graph.test_mutations import TRANSFORM, an_input, post
from tests.sockets import Socket
from tests.streams import Gateway, until

_WAIT_S = 60
RELEASES = (
    "subscription($after: String) { releases(after: $after) { cursor isReset release { version epoch } } }"
)
JOBS = "subscription { jobs { isReset batch { id waiting } job { id } } }"


class Client(Socket):
    """A WebSocket of a test that speaks graphql-transport-ws."""

    async def subscribe(self, document: str, id: str = "1", **variables: Any) -> None:
        """Start an operation."""
        await self.send("subscribe", id=id, payload={"query": document, "variables": variables})

    async def next(self, field: str) -> dict[str, Any]:
        """The next event of a subscription to a field."""
        message = await self.receive()
        assert message["type"] == "next", message
        event: dict[str, Any] = message["payload"]["data"][field]
        return event

    async def refused(self) -> dict[str, Any]:
        """Why the next subscription was refused: the extensions of its error."""
        message = await self.receive()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        extensions: dict[str, Any] = errors[0]["extensions"]
        return extensions


@asynccontextmanager
async def opened(gateway: Gateway, subprotocol: str = "graphql-transport-ws") -> AsyncIterator[Client]:
    """A WebSocket whose caller is not known yet."""
    uri = f"ws://127.0.0.1:{gateway.port}/graphql"
    async with connect(uri, subprotocols=[Subprotocol(subprotocol)], ping_interval=None, proxy=None) as raw:
        yield Client(raw)


@asynccontextmanager
async def joined(gateway: Gateway, key: Key | None = None) -> AsyncIterator[Client]:
    """A WebSocket of the gateway's key, or of another one."""
    async with opened(gateway) as client:
        await client.send("connection_init", payload={"token": (key or gateway.key)["X-API-Key"]})
        assert await client.receive() == {"type": "connection_ack"}
        yield client


def subscriptions_of(gateway: Gateway) -> Subscriptions:
    made = gateway.front.behind.state.subscriptions
    assert isinstance(made, Subscriptions)
    return made


async def heard(gateway: Gateway, subscribers: int = 1) -> None:
    """Wait until so many subscribe to something."""
    hub = sockets.of(gateway).hub
    await until(lambda: sum(map(len, hub._subscribers.values())) == subscribers)


def release(engine: Engine, version: str) -> None:
    sockets.notify(engine, {"subject": "releases", "version": version, "replaced": "v0", "epoch": 7})


async def test_a_release_is_shown_and_can_be_resumed(gateway: Gateway, engine: Engine) -> None:
    async with joined(gateway) as client:
        await client.subscribe(RELEASES)
        await heard(gateway)
        release(engine, "v2")
        first = await client.next("releases")
        assert first["release"] == {"version": "v2", "epoch": 7}
        await client.send("complete", id="1")
        await heard(gateway, 0)
    release(engine, "v3")
    async with joined(gateway) as client:
        await client.subscribe(RELEASES, after=first["cursor"])
        assert (await client.next("releases"))["release"] == {"version": "v3", "epoch": 7}
        await client.subscribe(RELEASES, id="2", after="nothing")
        missed = await client.next("releases")
        assert (missed["isReset"], missed["release"]) == (True, None)


async def test_jobs_are_shown_to_their_requester_and_to_admins(
    gateway: Gateway, engine: Engine, a_key: Callable[..., Key], organisation_id: uuid.UUID
) -> None:
    key, owner = a_key(), a_key("owner")
    others = (a_key(), a_key("owner", gateways.an_organisation(engine)))
    items = {"items": [{"text": "Fix it.", "transform_type": "soften", "intensity": 2}]}

    async def send(key: Key) -> str:
        async with gateway.session.post("/api/v1/jobs/batches", json=items, headers=key) as response:
            return str((await response.json())["id"])

    async with (
        joined(gateway, key) as mine,
        joined(gateway, owner) as admins,
        joined(gateway, others[0]) as colleagues,
        joined(gateway, others[1]) as strangers,
    ):
        for client in (mine, admins, colleagues, strangers):
            await client.subscribe(JOBS)
        await heard(gateway, 4)
        first = await send(key)
        for client in (mine, admins):
            event = await client.next("jobs")
            assert event == {"isReset": False, "batch": {"id": first, "waiting": 1}, "job": None}
        for client, other in zip((colleagues, strangers), others, strict=True):
            expected = await send(other)  # the first that they hear of
            assert (await client.next("jobs"))["batch"]["id"] == expected


async def test_answers_are_shown_to_their_person(gateway: Gateway) -> None:
    document = """subscription($userId: String) {
        answers(userId: $userId) {
            answer { answerId message transformType transformedText unchanged { code } }
        }
    }"""
    async with joined(gateway) as client:
        await client.subscribe(document, userId="ann")
        await heard(gateway)
        await post(gateway, TRANSFORM, input=an_input(userId="bob"))
        wanted = an_input(userId="ann")
        answer = (await post(gateway, TRANSFORM, input=wanted))["data"]["transform"]
        event = (await client.next("answers"))["answer"]
        assert (event["answerId"], event["message"]) == (answer["answerId"], wanted["text"])
        assert (event["transformType"], event["transformedText"]) == ("SOFTEN", answer["transformedText"])
        await client.subscribe(document, id="2", userId="x" * 201)
        assert (await client.refused())["errors"][0]["field"] == "user_id"


async def test_experiments_are_for_viewers_of_the_installation(gateway: Gateway) -> None:
    async with joined(gateway) as client:
        await client.subscribe("subscription { experiments { experiment { id decisions { action } } } }")
        refused = await client.refused()
        assert (refused["status"], refused["code"]) == (403, "other_organisation")


async def test_a_subscription_is_limited_as_a_query_is(gateway: Gateway, engine: Engine) -> None:
    document = "subscription { experiments { experiment { decisions(first: 200) { id reasons { code } } } } }"
    async with joined(gateway) as client:
        await client.subscribe(document)
        assert (await client.refused())["code"] == "graphql_too_costly"
        await client.subscribe("{ me { name } }", id="2")
        assert (await client.refused())["code"] == "graphql_only_subscriptions"
        await client.subscribe("subscription { nothing }", id="3")
        assert (await client.refused())["code"] == "graphql_invalid"
    gateways.stop_refills(gateway.parts.limiter)
    free = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    async with joined(gateway, free) as client:  # its rate ends before its places do
        for number in range(40):
            await client.subscribe(RELEASES, id=str(number))
        assert await client.closed() == 4429


async def test_a_subscriptions_cost_is_taken_from_the_rate(gateway: Gateway, engine: Engine) -> None:
    free = gateways.a_key(engine, gateways.an_organisation(engine, "free"))  # a burst of 20
    costs_202 = "subscription { experiments { experiment { decisions(first: 200) { id } } } }"
    async with joined(gateway, free) as client:
        await client.subscribe(costs_202)
        assert (await client.refused())["code"] == "role_too_low"
    caller = await gateway.parts.authenticator.identify(free["X-API-Key"])
    assert gateway.parts.limiter.headers(caller, GRAPHQL_PATH)[1] == b'"burst";r=15'


async def test_a_trusted_document_is_named_by_its_digest(gateway: Gateway) -> None:
    document = trusted.documents()["job_events"]
    only_trusted = gateway.parts.settings.model_copy(update={"graphql_free_queries": False})
    made = subscriptions_of(gateway)
    made._parts = dataclasses.replace(made._parts, settings=only_trusted)
    async with joined(gateway) as client:
        await client.send("subscribe", id="1", payload={"documentId": trusted.identify(document)})
        await heard(gateway)
        await client.subscribe(RELEASES, id="2")
        assert (await client.refused())["code"] == "graphql_only_trusted"
        await client.send("subscribe", id="3", payload={"documentId": "0" * 64})
        assert (await client.refused())["code"] == "graphql_document_unknown"
        await client.send("subscribe", id="4", payload={})
        assert (await client.refused())["code"] == "graphql_one_of_both"


async def test_only_the_newer_protocol_is_spoken(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(gateway, "graphql-ws"):
            pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("payload", [{"token": "tb_0123456789ab_" + "x" * 43}, {"token": 7}, {}, None])
async def test_a_client_without_a_key_is_closed(gateway: Gateway, payload: Any) -> None:
    async with opened(gateway) as client:
        await client.send("connection_init", payload=payload)
        assert await client.closed() == (4400 if payload is None else 4403)


async def test_a_client_that_does_not_say_who_it_is_is_closed(gateway: Gateway) -> None:
    made = subscriptions_of(gateway)
    made.limits = made.limits._replace(authenticate_s=0.01)
    async with opened(gateway) as client:
        assert await client.closed() == 4408


@pytest.mark.parametrize(
    "text",
    [
        "no JSON", "[]", "{}", '{"type": "subscribe"}', '{"type": "subscribe", "id": 7, "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 7}}', '{"type": "start"}', "7",
        '{"type": "subscribe", "id": "1", "payload": {"query": "{", "variables": []}}', "[" * 60_000,
    ],
)  # fmt: skip
async def test_a_malformed_message_closes_the_connection(gateway: Gateway, text: str) -> None:
    async with joined(gateway) as client:
        await client.raw.send(text)
        assert await client.closed() == 4400


async def test_the_states_of_the_protocol_hold(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.subscribe(RELEASES)
        assert await client.closed() == 4401
    async with joined(gateway) as client:
        await client.send("ping", payload={"a": 1})
        assert await client.receive() == {"type": "pong"}
        await client.subscribe(RELEASES)
        await client.subscribe(RELEASES)
        assert await client.closed() == 4409
    async with joined(gateway) as client:
        await client.send("connection_init", payload={"token": gateway.key["X-API-Key"]})
        assert await client.closed() == 4429


async def test_connections_count_against_the_plan_and_end_with_their_key(
    gateway: Gateway, engine: Engine
) -> None:
    organisation_id = gateways.an_organisation(engine, "free")
    key = gateways.a_key(engine, organisation_id)
    opened_sockets = sockets.of(gateway)
    async with joined(gateway, key) as client, sockets.authenticated(gateway, key["X-API-Key"]):
        await until(lambda: opened_sockets._by_key[client_key(key)] == 2)
        await client.subscribe(RELEASES)
        await heard(gateway)
        with engine.begin() as owner:
            owner.execute(
                text("UPDATE api_keys SET revoked_at = now() WHERE id = :id"), {"id": client_key(key)}
            )
        assert await client.closed() == 4401
    await until(lambda: client_key(key) not in opened_sockets._by_key)
    await heard(gateway, 0)


def client_key(key: Key) -> str:
    """The id of a key."""
    parsed = identities.parse_key(key["X-API-Key"])
    assert parsed is not None
    return parsed[0]


async def test_a_connection_that_ends_leaves_nothing(gateway: Gateway) -> None:
    connections = gateway.server.server_state.connections
    async with joined(gateway) as client:
        await client.subscribe(RELEASES)
        await client.subscribe(JOBS, id="2")
        await heard(gateway, 2)
        before = len(connections)
    await heard(gateway, 0)
    await until(lambda: len(connections) == before - 1)
    assert not subscriptions_of(gateway)._handlers
    assert not sockets.of(gateway)._by_key


async def test_the_gateway_leaves_when_it_stops(gateway: Gateway) -> None:
    async with joined(gateway) as client:
        await client.subscribe(RELEASES)
        await heard(gateway)
        gateway.server.should_exit = True
        assert await client.closed() == 1001


async def test_events_that_nobody_takes_are_dropped_with_a_reset() -> None:
    inbox = subscriptions._Inbox()
    for number in range(subscriptions._MOST_WAITING + 1):
        inbox.send(messages.encode("event", cursor=f"1-{number}", data={"version": "v1"}))
    assert await inbox.next() == {"type": "reset", "cursor": f"1-{subscriptions._MOST_WAITING}"}


def test_every_size_of_frame_is_read() -> None:
    for length in (1, 125, 126, 70_000):
        assert messages.read(messages.encode("event", data="x" * length))["data"] == "x" * length
