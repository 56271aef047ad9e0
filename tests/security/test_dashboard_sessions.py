"""Somebody who reads or writes Redis gets nothing from the dashboard's sessions that opens anything."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from configs.settings import Settings
from pipelines import local as stack
from serving.sites import session
from tests.dashboards import Installation, csrf_token, own_settings, sign_in_by_form, with_gateway

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation whose gateway and dashboard run."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("sessions"))
    with with_gateway(settings) as site, stack.running(settings, "dashboard") as processes:
        processes["dashboard"].wait_until_ready(f"{site.url}/livez")
        yield site


@pytest.fixture
def store(site: Installation) -> Iterator[redis.Redis]:
    assert site.settings.redis_url
    with redis.Redis.from_url(site.settings.redis_url) as client:
        yield client


@contextmanager
def signed_in(site: Installation, email: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=60) as client:
        sign_in_by_form(client, email)
        yield client


def id_of(client: httpx.Client) -> str:
    return client.cookies[session.COOKIE]


def is_signed_in(client: httpx.Client) -> bool:
    """Whether the browser gets a page. Otherwise it is sent to the sign-in page; it never gets a 500."""
    answer = client.get("/compare")
    assert answer.status_code in (200, 303, 503), answer.text  # 503: nothing can be rewritten here
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/sign-in")
    return answer.status_code != 303


def test_redis_holds_no_token_no_address_and_no_form_secret(site: Installation, store: redis.Redis) -> None:
    email = site.account("viewer")
    with signed_in(site, email) as client:
        csrf = csrf_token(client, "/compare")
        keys = list(store.scan_iter("tonebridge:*"))
        values = [store.get(key) for key in keys if store.type(key) == b"string"]
        assert session.key(id_of(client)).encode() in keys
    everything = b"\n".join([*keys, *(value for value in values if isinstance(value, bytes))])
    for secret in (email, csrf, id_of(client), "tbr_", "access_token", "eyJ"):  # the last begins each JWT
        assert secret.encode() not in everything, secret


def test_a_session_copied_to_the_key_of_another_opens_nothing(site: Installation, store: redis.Redis) -> None:
    with (
        signed_in(site, site.account("owner")) as owner,
        signed_in(site, site.account("member")) as thief,
    ):
        assert (is_signed_in(owner), id_of(owner) != id_of(thief)) == (True, True)
        value = store.get(session.key(id_of(owner)))
        assert isinstance(value, bytes)
        store.set(session.key(id_of(thief)), value)
        assert not is_signed_in(thief)
        assert is_signed_in(owner)


@pytest.mark.parametrize("position", [0, 11, 12, 40, -1])
def test_a_changed_session_opens_nothing(site: Installation, store: redis.Redis, position: int) -> None:
    with signed_in(site, site.account("viewer")) as client:
        value = store.get(session.key(id_of(client)))
        assert isinstance(value, bytes)
        changed = bytearray(value)
        changed[position] ^= 1
        store.set(session.key(id_of(client)), bytes(changed))
        assert not is_signed_in(client)


@pytest.mark.parametrize("length", [0, 1, 11, 12, 27, 28, 100])
def test_a_shortened_session_opens_nothing(site: Installation, store: redis.Redis, length: int) -> None:
    with signed_in(site, site.account("viewer")) as client:
        value = store.get(session.key(id_of(client)))
        assert isinstance(value, bytes)
        store.set(session.key(id_of(client)), value[:length])
        assert not is_signed_in(client)


def test_an_unencrypted_session_opens_nothing(site: Installation, store: redis.Redis) -> None:
    with signed_in(site, site.account("viewer")) as client:
        stored = session.unsealed(id_of(client), store.get(session.key(id_of(client))) or b"")  # type: ignore[arg-type]
        assert stored is not None
        store.set(session.key(id_of(client)), stored.model_dump_json())
        assert not is_signed_in(client)


def test_a_session_of_another_release_opens_nothing(site: Installation, store: redis.Redis) -> None:
    with signed_in(site, site.account("viewer")) as client:
        cipher, key = session._cipher(id_of(client)), session.key(id_of(client))
        nonce = b"n" * 12
        value = nonce + cipher.encrypt(nonce, json.dumps({"email": "a"}).encode(), key.encode())
        store.set(key, value)
        assert not is_signed_in(client)


def test_a_session_encrypts_differently_each_time(site: Installation, store: redis.Redis) -> None:
    stored = session.Stored(email="a", access_token="b", refresh_token="c", renew_at=0.0, csrf="d")
    first, second = session.sealed("an id", stored), session.sealed("an id", stored)
    assert first[:12] != second[:12]
    assert first[12:] != second[12:]
    assert session.unsealed("an id", first) == session.unsealed("an id", second) == stored
    assert session.unsealed("another", first) is None
