"""Comparisons of people's own messages do not pile up when nobody judges them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from configs.settings import Settings
from data.traffic.comparisons import CompareConfig
from tests import gateways

API = "/api/v1/comparisons"


@pytest.fixture
async def client(
    stack: Settings, engine: Engine, organisation_id: uuid.UUID
) -> AsyncIterator[httpx.AsyncClient]:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE organisations SET plan = 'scale' WHERE id = :id"), {"id": organisation_id}
        )
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        gateways.replace_parts(front.behind, compare=CompareConfig(open_a_person=4, open_an_organisation=7))
        client.headers.update(gateways.a_key(engine, organisation_id))
        yield client


async def ask(client: httpx.AsyncClient, who: str) -> httpx.Response:
    own = {"text": f"Fix {uuid.uuid4()} by Friday.", "transform_type": "soften", "intensity": 2}
    return await client.post(f"{API}/next", json={"user_id": who, **own})


async def flood(client: httpx.AsyncClient, who: str, requests: int) -> list[httpx.Response]:
    return await asyncio.gather(*(ask(client, who) for _ in range(requests)))


def made(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    assert {answer.status_code for answer in answers} <= {200, 409}, [answer.text for answer in answers]
    return [answer.json() for answer in answers if answer.status_code == 200]


def stored(engine: Engine, organisation_id: uuid.UUID) -> int:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM comparisons WHERE organisation_id = :id")
        return int(connection.execute(query, {"id": organisation_id}).scalar_one())


async def test_a_flood_of_one_person_stops_at_the_bound_however_many_ask_at_once(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    answers = await flood(client, "ann", 30)
    assert len(made(answers)) == 4
    assert stored(engine, organisation_id) == 4
    refused = next(answer for answer in answers if answer.status_code == 409).json()
    assert refused["title"] == "Too many open comparisons"
    assert "4 comparisons of your own messages wait for your choice; choose or skip some" in refused["detail"]
    assert len(made(await flood(client, "bob", 1))) == 1, "a colleague has a bound of their own"


async def test_what_is_refused_is_not_written(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, front_writes: list[str]
) -> None:
    made(await flood(client, "ann", 8))
    front_writes.clear()
    assert (await ask(client, "ann")).status_code == 409
    assert front_writes == []


@pytest.fixture
def front_writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the service was asked to write."""
    from serving.gateway.online.upstream import Upstream

    written: list[str] = []
    real = Upstream.rewrite_together

    async def counted(self: Upstream, *arguments: Any) -> Any:
        written.append("two")
        return await real(self, *arguments)

    monkeypatch.setattr(Upstream, "rewrite_together", counted)
    return written


async def test_who_chooses_or_skips_may_go_on(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    open_ones = made(await flood(client, "ann", 6))
    vote = {"receipt": open_ones[0]["receipt"], "kind": "comparison", "preferred": "first"}
    assert (await client.post("/api/v1/feedback", json=vote)).status_code == 201
    path = f"{API}/{open_ones[1]['comparison_id']}/skip"
    assert (await client.post(path, json={"user_id": "ann"})).status_code == 204
    assert len(made(await flood(client, "ann", 6))) == 2
    offered = await client.post(f"{API}/next", json={"user_id": "ann"})
    assert offered.status_code == 200, "without a message of one's own the newest open one is offered"


async def test_many_names_of_one_key_stop_at_the_bound_of_their_organisation(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    answers = [await ask(client, f"made up {number}") for number in range(12)]
    assert len(made(answers)) == 7
    assert "7 comparisons of your organisation's own messages wait" in answers[-1].json()["detail"]
    shipped = await client.post(f"{API}/next", json={"user_id": "somebody new"})
    assert shipped.status_code == 200, "what is shipped is not held back"


async def test_what_was_left_yesterday_holds_nobody_up(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    old = made(await flood(client, "ann", 6))
    with engine.begin() as connection:  # an id is of the millisecond in its first 48 bits
        connection.execute(
            text(
                "UPDATE comparisons SET id = ('00000000' || substr(id::text, 9))::uuid,"
                " pair_id = ('00000000' || substr(id::text, 9))::uuid WHERE id = ANY(:ids)"
            ),
            {"ids": [uuid.UUID(comparison["comparison_id"]) for comparison in old]},
        )
    assert len(made(await flood(client, "ann", 6))) == 4
