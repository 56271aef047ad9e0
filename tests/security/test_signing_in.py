"""Strangers can neither keep people from signing in nor guess passwords for long, and no page that shows a
secret is cached.
"""

import asyncio
import ipaddress
import random
import threading
import uuid
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import accounts, identities
from data.tables import Account, AccountSession
from pipelines import local as processes
from serving.dashboard import api as dashboard_api
from serving.dashboard import app as dashboard
from serving.dashboard import parts as dashboard_parts
from serving.gateway import guessing
from serving.gateway.app import create_app
from serving.gateway.online.front import Front
from tests import gateways
from tests.accounts import PASSWORD, add_account, sign_in
from tests.logins import as_dashboard, as_gateway
from tests.ports import with_own_ports

PROXY = "203.0.113.7"
API = "/api/v1"


@pytest.fixture(autouse=True)
def on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets hardly refill."""
    for name, plan in guessing.PLANS.items():
        slower = plan.model_copy(update={"requests_per_s": plan.requests_per_s / 1000})
        monkeypatch.setitem(guessing.PLANS, name, slower)


def with_changes(settings: Settings, **changes: Any) -> Settings:
    return Settings(**{**settings.model_dump(), **changes})


@pytest.fixture
def settings(local: Settings) -> Settings:
    """A gateway waits for a slow Redis: it would count by itself meanwhile."""
    return with_changes(local, redis_timeout_s=gateways.PATIENT_S)


def an_ip() -> str:
    """An address that no other test has tried from: buckets outlive a test."""
    return str(ipaddress.IPv4Address(random.randrange(0x0A000000, 0x0B000000)))


def at(front: Front, address: str, **headers: str) -> httpx.AsyncClient:
    """Somebody who connects from an address."""
    transport = httpx.ASGITransport(front, client=(address, 1))
    return httpx.AsyncClient(
        transport=transport, base_url=f"http://gateway{API}", headers=headers, timeout=120
    )


def an_email() -> str:
    return f"{uuid.uuid4()}@example.org"


@pytest.fixture
def email(engine: Engine, organisation_id: uuid.UUID) -> str:
    """The address of an account."""
    return add_account(engine, organisation_id).email


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing, where only counts matter: buckets refill while passwords are hashed."""
    monkeypatch.setattr(accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


async def statuses(client: httpx.AsyncClient, emails: Iterable[str]) -> list[int]:
    """What a guess at each address gets, one after the other."""
    return [(await sign_in(client, email, "a guess")).status_code for email in emails]


def bearer(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 200, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


# --- floods --------------------------------------------------------------------------------------------


async def overflow(flood: list[asyncio.Task[httpx.Response]]) -> None:
    """Wait until something was turned away."""
    waiting: set[asyncio.Task[httpx.Response]] = set(flood)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if any(task.result().status_code in (429, 503) for task in done):
            return
    raise AssertionError("nothing was turned away")


async def test_a_flood_from_one_source_keeps_nobody_else_out(front: Front, email: str) -> None:
    async with at(front, an_ip()) as person, at(front, an_ip()) as newcomer, at(front, an_ip()) as stranger:
        await sign_in(person, email)
        flood = [asyncio.create_task(sign_in(stranger, an_email())) for _ in range(160)]
        await overflow(flood)
        first, second = await asyncio.gather(sign_in(person, email), sign_in(newcomer, email))
        assert (first.status_code, second.status_code) == (200, 200)
        codes = [(await task).status_code for task in flood]
    assert (codes.count(401) <= 60, 429 in codes) == (True, True), "one source has its bucket, and no more"


async def test_a_flood_from_many_sources_keeps_nobody_out_where_they_signed_in_before(
    front: Front, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens_with, is_over = accounts.opens_with, threading.Event()

    def hold_strangers(password: str, stored: str | None) -> bool:
        """So that they wait together, however slowly they arrive."""
        if stored is None:
            is_over.wait()
        return opens_with(password, stored)

    monkeypatch.setattr(accounts, "opens_with", hold_strangers)
    async with AsyncExitStack() as stack:
        person = await stack.enter_async_context(at(front, an_ip()))
        await sign_in(person, email)
        strangers = [await stack.enter_async_context(at(front, an_ip())) for _ in range(160)]
        flood = [asyncio.create_task(sign_in(stranger, an_email())) for stranger in strangers]
        try:
            await overflow(flood)
            assert (await sign_in(person, email)).status_code == 200
        finally:
            is_over.set()
        assert {(await task).status_code for task in flood} == {401, 503}, "so many wait, and no more"


# --- guesses -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cheap_passwords")
async def test_who_guesses_an_address_locks_it_where_they_are_and_nowhere_else(
    front: Front, email: str
) -> None:
    async with at(front, an_ip()) as stranger, at(front, an_ip()) as person:
        assert await statuses(stranger, [email] * 12) == [401] * 10 + [429] * 2
        refused = await sign_in(stranger, email.upper())
        assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
        assert (await sign_in(person, email)).status_code == 200


@pytest.mark.usefixtures("cheap_passwords")
async def test_many_sources_lock_an_address_where_it_never_signed_in_and_nowhere_else(
    front: Front, email: str
) -> None:
    async with AsyncExitStack() as stack:
        person = await stack.enter_async_context(at(front, an_ip()))
        await sign_in(person, email)
        codes = []
        for _ in range(9):
            stranger = await stack.enter_async_context(at(front, an_ip()))
            codes += await statuses(stranger, [email] * 8)
        assert codes.count(401) == 49, "the person's own was one, when the source was new"
        assert (await sign_in(person, email)).status_code == 200
        newcomer = await stack.enter_async_context(at(front, an_ip()))
        assert (await sign_in(newcomer, email)).status_code == 429


@pytest.mark.usefixtures("cheap_passwords")
async def test_one_source_tries_few_addresses_and_keeps_in_who_signed_in_from_it(
    front: Front, email: str
) -> None:
    shared = an_ip()
    async with at(front, shared) as person, at(front, shared) as stranger:
        await sign_in(person, email)
        # The person's own was one, when the source was new.
        assert await statuses(stranger, (an_email() for _ in range(61))) == [401] * 59 + [429] * 2
        assert (await sign_in(person, email)).status_code == 200


@pytest.mark.usefixtures("cheap_passwords")
async def test_a_stranger_locks_nobody_out_of_changing_their_password(front: Front, email: str) -> None:
    home = an_ip()
    async with at(front, home) as person, at(front, home) as stranger:
        session = bearer(await sign_in(person, email))
        assert 429 in await statuses(stranger, [email] * 12)
        body = {"password": "wrong", "new_password": "another horse battery"}
        for _ in range(9):
            refused = await person.put("/auth/password", json=body, headers=session)
            assert refused.status_code == 403
        changed = await person.put("/auth/password", json={**body, "password": PASSWORD}, headers=session)
        assert changed.status_code == 204, changed.text


@pytest.mark.usefixtures("cheap_passwords")
async def test_who_stole_a_session_guesses_its_password_slowly(front: Front, email: str) -> None:
    async with at(front, an_ip()) as thief:
        session = bearer(await sign_in(thief, email))
        body = {"password": "wrong", "new_password": "another horse battery"}
        codes = [
            (await thief.put("/auth/password", json=body, headers=session)).status_code for _ in range(12)
        ]
        assert codes == [403] * 10 + [429] * 2


async def test_where_somebody_signs_in_is_stored_as_no_address(
    front: Front, email: str, engine: Engine
) -> None:
    home = an_ip()
    async with at(front, home) as person:
        await sign_in(person, email)
        await sign_in(person, email)
    async with at(front, an_ip()) as elsewhere:
        await sign_in(elsewhere, email)
    with Session(engine) as session:
        query = select(AccountSession.source).join(Account).where(Account.email == email)
        stored = session.scalars(query.order_by(AccountSession.created_at)).all()
    assert len(stored) == 3
    assert stored[0] == stored[1] != stored[2]
    assert not any(home.encode() in source for source in stored if source)


@pytest.mark.usefixtures("cheap_passwords")
async def test_guesses_are_counted_without_redis_too(local: Settings, email: str) -> None:
    front = create_app(as_gateway(with_changes(local, redis_url="redis://127.0.0.1:1/0")))
    running, stranger, person = (
        front.behind.router.lifespan_context(front.behind),
        at(front, an_ip()),
        at(front, an_ip()),
    )
    async with running, stranger, person:
        assert await statuses(stranger, [email] * 12) == [401] * 10 + [429] * 2
        assert (await sign_in(person, email)).status_code == 200


# --- where a request comes from ------------------------------------------------------------------------


async def share_a_bucket(front: Front, email: str, *guessers: httpx.AsyncClient) -> bool:
    """Whether guesses by several clients, in turn, are held to the bucket of one source."""
    codes: list[int] = []
    for _ in range(11):
        for guesser in guessers:
            codes += await statuses(guesser, [email])
    assert codes.count(401) in (10, 10 * len(guessers)), codes
    return codes.count(401) == 10


@pytest.mark.usefixtures("cheap_passwords")
@pytest.mark.parametrize(
    ("first_address", "second_address", "is_one_source"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.1.2.3", "10.1.2.3", True),
        ("no address", "neither", True),
    ],
)
async def test_a_household_is_one_source(
    front: Front, email: str, first_address: str, second_address: str, is_one_source: bool
) -> None:
    async with at(front, first_address) as first, at(front, second_address) as second:
        assert await share_a_bucket(front, email, first, second) == is_one_source


@pytest.mark.usefixtures("cheap_passwords")
@pytest.mark.parametrize("token", [None, "", "a guess", "a sërvice token"])
async def test_a_stranger_cannot_say_where_they_come_from(
    front: Front, email: str, token: str | None
) -> None:
    headers = {} if token is None else {"X-Service-Token": token.encode()}
    address = an_ip()
    async with at(front, address) as first, at(front, address) as second:
        first.headers.update({**headers, "X-Forwarded-For": an_ip()})  # type: ignore[dict-item]
        second.headers.update({**headers, "X-Forwarded-For": an_ip()})  # type: ignore[dict-item]
        assert await share_a_bucket(front, email, first, second)


@pytest.mark.usefixtures("cheap_passwords")
async def test_the_dashboard_says_where_its_visitors_come_from(
    local: Settings, front: Front, email: str
) -> None:
    address, visitors = an_ip(), [an_ip(), an_ip()]
    token = local.secret("service_token")
    first, second = (
        at(front, address, **{"X-Service-Token": token, "X-Forwarded-For": f"{visitor}, 10.9.9.9"})
        for visitor in visitors
    )
    async with first, second, at(front, visitors[0]) as the_same:
        assert not await share_a_bucket(front, email, first, second)
        assert await statuses(the_same, [email]) == [429]


@pytest.mark.usefixtures("cheap_passwords")
@pytest.mark.parametrize("port", ["", ":4711"])
async def test_a_trusted_proxy_says_where_its_clients_come_from(
    settings: Settings, email: str, port: str
) -> None:
    front = create_app(as_gateway(with_changes(settings, trusted_proxies=(PROXY, "192.0.2.0/24"))))
    async with front.behind.router.lifespan_context(front.behind):
        clients = [an_ip(), an_ip()]
        first, second = (
            at(front, PROXY, **{"X-Forwarded-For": f"{an_ip()}, {client}{port}, 192.0.2.9"})
            for client in clients
        )
        async with first, second, at(front, PROXY) as third:
            # What stands before the last address that is no proxy's was written by the client itself.
            third.headers["X-Forwarded-For"] = f"{an_ip()}, {clients[0]}"
            assert not await share_a_bucket(front, email, first, second)
            assert await statuses(third, [email]) == [429]


@pytest.mark.usefixtures("cheap_passwords")
async def test_the_dashboard_passes_its_visitors_address_on(
    local: Settings, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dashboard_api, dashboard_parts):
        monkeypatch.setattr(module, "_TIMEOUT_S", gateways.PATIENT_S)
    settings = with_own_ports(with_changes(local, trusted_proxies=(PROXY,)))
    with processes.running(settings, "gateway") as started:
        started["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        app = dashboard.create_app(as_dashboard(settings))

        async def enters(peer: str, password: str = PASSWORD, **headers: str) -> int:
            transport = httpx.ASGITransport(app, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
                form = {"email": email, "password": password}
                return (await browser.post("/sign-in", data=form, headers=headers)).status_code

        stranger, person = an_ip(), an_ip()
        forwarded = {"X-Forwarded-For": person}
        async with app.behind.router.lifespan_context(app.behind):
            # With a Redis that was slow for a moment, the gateway lets ten more through by itself.
            assert 429 in [await enters(stranger, "a guess") for _ in range(25)]
            assert 429 in [await enters(stranger, "a guess", **forwarded) for _ in range(5)]
            assert 429 in [await enters(PROXY, "a guess", **{"X-Forwarded-For": stranger}) for _ in range(5)]
            assert await enters(PROXY, **forwarded) == 303
            assert await enters(person) == 303


# --- pages that show a secret --------------------------------------------------------------------------


async def test_what_shows_a_secret_is_kept_by_nobody(
    front: Front, email: str, engine: Engine, organisation_id: uuid.UUID
) -> None:
    key = identities.generate_key()
    with Session(engine) as session, session.begin():
        identities.add_key(session, organisation_id, "x", key, "owner")
    async with at(front, an_ip()) as client:
        made = await client.post("/keys", json={"name": "x"}, headers={"X-API-Key": key})
        tokens = await sign_in(client, email)
        renewed = await client.post("/auth/refresh", json={"refresh_token": tokens.json()["refresh_token"]})
    for response, secret in ((made, "key"), (tokens, "refresh_token"), (renewed, "refresh_token")):
        assert response.json()[secret]
        assert response.headers["Cache-Control"] == "no-store", secret
