"""Only requests of Teams are taken: Microsoft's token for this app, which names where answers go."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.teams import Person, TeamsChat, sign

TENANT = "1aa00000-0000-4000-8000-000000000001"
OTHER = "2aa00000-0000-4000-8000-000000000002"


@pytest.fixture
def person(bot: TeamsChat) -> Person:
    return Person(TENANT, "3aa00000-0000-4000-8000-000000000003", bot.microsoft.url)


async def test_a_request_of_teams_is_taken_and_keys_are_read_once(bot: TeamsChat, person: Person) -> None:
    for _ in range(3):
        assert (await bot.send(person.open("x"))).status_code == 200
    assert bot.microsoft.keys_read == 1


@pytest.mark.parametrize(
    "make_headers",
    [
        lambda url: {},
        lambda url: {"Authorization": "Bearer "},
        lambda url: {"Authorization": "Bearer x.y.z"},
        lambda url: {"Authorization": sign(url)["Authorization"].removeprefix("Bearer ")},
        lambda url: sign(url, rsa.generate_private_key(65537, 2048)),
        lambda url: sign(url, key_id="another"),
        lambda url: sign(url, aud="9aa00000-0000-4000-8000-000000000009"),
        lambda url: sign(url, iss="https://login.microsoftonline.com/x/v2.0", tid=TENANT),
        lambda url: sign(url, iss=f"https://sts.windows.net/{TENANT}/", tid=TENANT, serviceurl=None),
        lambda url: sign(url, exp=int(time.time()) - 400),
        lambda url: sign(url, nbf=int(time.time()) + 400),
        lambda url: sign(url, serviceurl=None),
        lambda url: sign("https://attacker.example/"),
    ],
    ids=["none", "empty", "no token", "no scheme", "other key", "unknown key", "other app", "other issuer",
         "an agent's", "old", "of the future", "no address", "other address"],
)  # fmt: skip
async def test_everything_else_is_refused(
    bot: TeamsChat, person: Person, make_headers: Callable[[str], dict[str, str]]
) -> None:
    answer = await bot.send(person.message("Fix it."), make_headers(person.service_url))
    assert answer.status_code == 401
    assert bot.microsoft.calls == []


@pytest.mark.parametrize("service_url", ["http://127.0.0.1:1/", "https://attacker.example/", ""])
async def test_an_address_that_the_token_does_not_name_gets_no_answer(
    bot: TeamsChat, person: Person, service_url: str
) -> None:
    """Whoever could choose it would have the process call any server, with the app's token."""
    body = {**person.message("Fix it."), "serviceUrl": service_url}
    assert (await bot.send(body, sign(person.service_url))).status_code == 401
    assert bot.microsoft.tokens_given == 0


async def test_a_tenant_that_the_address_contradicts_is_refused(bot: TeamsChat, person: Person) -> None:
    body = {**person.open("x"), "channelData": {"tenant": {"id": OTHER}}}
    assert (await bot.send(body)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"channelId": "directline"}, 400),  # there anybody who chats may name a tenant
        ({"channelData": {}}, 400),
        ({"from": "me"}, 400),
        ({"from": {"id": "28:bot"}}, 200),
        ({"type": "typing"}, 200),
    ],
    ids=["another channel", "no tenant", "no person", "a bot", "of another kind"],
)
async def test_what_is_of_no_person_of_teams_orders_nothing(
    bot: TeamsChat, person: Person, changes: dict[str, Any], status: int
) -> None:
    assert (await bot.send({**person.message("Fix it."), **changes})).status_code == status
    assert bot.microsoft.calls == []


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"\xff", b'"x"', b"{}", b"[" * 100_000])
async def test_a_body_that_is_no_activity_is_refused(bot: TeamsChat, person: Person, body: bytes) -> None:
    answer = await bot.chat.client.post("/teams", content=body, headers=sign(person.service_url))
    assert answer.status_code == 400


async def test_a_long_body_is_refused(bot: TeamsChat, person: Person) -> None:
    answer = await bot.chat.client.post("/teams", content=b" " * 1_000_001, headers=sign(person.service_url))
    assert answer.status_code == 413
