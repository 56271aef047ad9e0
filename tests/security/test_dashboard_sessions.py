"""What whoever reads or writes Redis gets of the dashboard's sessions: nothing that opens anything."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from configs.settings import Settings
from pipelines import local as stack
from serving.dashboard import session
from tests.serving.dashboard.test_pages import PASSWORD, Place, on_its_own, opened

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def place(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    settings = on_its_own(local, new_database(), tmp_path_factory.mktemp("sessions"))
    with opened(settings) as place, stack.running(place.settings, "dashboard") as processes:
        processes["dashboard"].wait_until_ready(f"{url(place)}/livez")
        yield place


@pytest.fixture
def store(place: Place) -> Iterator[redis.Redis]:
    assert place.settings.redis_url
    with redis.Redis.from_url(place.settings.redis_url) as client:
        yield client


def url(place: Place) -> str:
    return f"http://127.0.0.1:{place.settings.dashboard_port}"


@contextmanager
def signed_in(place: Place, email: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url(place), timeout=60) as client:
        assert client.post("/sign-in", data={"email": email, "password": PASSWORD}).status_code == 303
        yield client


def id_of(client: httpx.Client) -> str:
    return client.cookies[session.COOKIE]


def is_signed_in(client: httpx.Client) -> bool:
    """Whether a page is given; the other answer is the way to signing in, and never a 500."""
    answer = client.get("/compare")
    assert answer.status_code in (200, 303, 503), answer.text  # 503: nothing can be rewritten here
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/sign-in")
    return answer.status_code != 303


def test_nothing_in_redis_is_a_token_an_address_or_a_form_s_secret(place: Place, store: redis.Redis) -> None:
    email = place.account("viewer")
    with signed_in(place, email) as client:
        csrf = client.get("/compare").text.split('name="csrf" value="')[1].partition('"')[0]
        keys = list(store.scan_iter("tonebridge:*"))
        values = [store.get(key) for key in keys if store.type(key) == b"string"]
        assert session.key(id_of(client)).encode() in keys
    everything = b"\n".join([*keys, *(value for value in values if isinstance(value, bytes))])
    for secret in (email, csrf, id_of(client), "tbr_", "access_token", "eyJ"):  # the last begins each JWT
        assert secret.encode() not in everything, secret


def test_a_session_that_is_copied_to_another_s_place_opens_nothing(place: Place, store: redis.Redis) -> None:
    with (
        signed_in(place, place.account("owner")) as owner,
        signed_in(place, place.account("member")) as thief,
    ):
        assert (is_signed_in(owner), id_of(owner) != id_of(thief)) == (True, True)
        value = store.get(session.key(id_of(owner)))
        assert isinstance(value, bytes)
        store.set(session.key(id_of(thief)), value)
        assert not is_signed_in(thief)
        assert is_signed_in(owner)


@pytest.mark.parametrize("place_of_change", [0, 11, 12, 40, -1])
def test_a_session_that_was_changed_is_none(place: Place, store: redis.Redis, place_of_change: int) -> None:
    with signed_in(place, place.account("viewer")) as client:
        value = store.get(session.key(id_of(client)))
        assert isinstance(value, bytes)
        changed = bytearray(value)
        changed[place_of_change] ^= 1
        store.set(session.key(id_of(client)), bytes(changed))
        assert not is_signed_in(client)


@pytest.mark.parametrize("length", [0, 1, 11, 12, 27, 28, 100])
def test_a_session_that_was_cut_is_none(place: Place, store: redis.Redis, length: int) -> None:
    with signed_in(place, place.account("viewer")) as client:
        value = store.get(session.key(id_of(client)))
        assert isinstance(value, bytes)
        store.set(session.key(id_of(client)), value[:length])
        assert not is_signed_in(client)


def test_a_session_in_the_clear_which_anybody_can_write_is_none(place: Place, store: redis.Redis) -> None:
    with signed_in(place, place.account("viewer")) as client:
        stored = session.unsealed(id_of(client), store.get(session.key(id_of(client))) or b"")  # type: ignore[arg-type]
        assert stored is not None
        store.set(session.key(id_of(client)), stored.model_dump_json())
        assert not is_signed_in(client)


def test_a_session_of_another_release_is_none(place: Place, store: redis.Redis) -> None:
    with signed_in(place, place.account("viewer")) as client:
        cipher, key = session._cipher(id_of(client)), session.key(id_of(client))
        nonce = b"n" * 12
        value = nonce + cipher.encrypt(nonce, json.dumps({"email": "a"}).encode(), key.encode())
        store.set(key, value)
        assert not is_signed_in(client)


def test_two_writings_of_a_session_are_not_alike(place: Place, store: redis.Redis) -> None:
    stored = session.Stored(email="a", access_token="b", refresh_token="c", renew_at=0.0, csrf="d")
    first, second = session.sealed("an id", stored), session.sealed("an id", stored)
    assert first[:12] != second[:12]
    assert first[12:] != second[12:]
    assert session.unsealed("an id", first) == session.unsealed("an id", second) == stored
    assert session.unsealed("another", first) is None
