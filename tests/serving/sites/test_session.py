"""Sessions of browsers, in the real Valkey, of the real gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from serving.sites import session
from serving.sites.api import GatewayClient, GatewayError, SignedOutError
from serving.sites.session import Sessions, Stored
from tests.accounts import PASSWORD
from tests.dashboards import Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def gateway(installation: Installation) -> Iterator[GatewayClient]:
    client = GatewayClient(installation.settings.gateway_url)
    yield client
    client.close()


@pytest.fixture
def store(installation: Installation) -> Iterator[redis.Redis]:
    assert installation.settings.redis_url
    client = redis.Redis.from_url(installation.settings.redis_url)
    yield client
    client.close()


@pytest.fixture
def sessions(store: redis.Redis, gateway: GatewayClient) -> Sessions:
    return Sessions(store, gateway)


def of(store: redis.Redis, id: str) -> Stored:
    """The session of an id as it is stored."""
    stored = session.unsealed(id, store.get(session.key(id)) or b"")  # type: ignore[arg-type]
    assert stored is not None
    return stored


def make_due(store: redis.Redis, id: str) -> Stored:
    """Let the access token of a session be due."""
    due = of(store, id).model_copy(update={"renew_at": 0.0})
    store.set(session.key(id), session.sealed(id, due))
    return due


def test_a_browser_has_an_id_and_no_token(
    installation: Installation, sessions: Sessions, store: redis.Redis
) -> None:
    id = sessions.open(installation.account("viewer"), PASSWORD)
    stored = of(store, id)
    assert id not in session.key(id)
    assert id not in stored.model_dump_json()
    assert sessions.find(id) == stored
    for other in (None, "", id[:-1], id + "x"):
        with pytest.raises(SignedOutError):
            sessions.find(other)


def test_of_many_pages_at_once_one_renews(
    installation: Installation, sessions: Sessions, store: redis.Redis, gateway: GatewayClient
) -> None:
    id = sessions.open(installation.account("viewer"), PASSWORD)
    due = make_due(store, id)
    with ThreadPoolExecutor(8) as threads:
        renewed = list(threads.map(sessions.find, [id] * 8))
    assert len({stored.access_token for stored in renewed}) == 1
    assert renewed[0].refresh_token != due.refresh_token
    assert renewed[0].csrf == due.csrf, "a form that is open stays good"
    assert gateway.ask(renewed[0].access_token, "GET", "/auth/me")["role"] == "viewer"


def test_a_stolen_refresh_token_signs_both_out(
    installation: Installation, sessions: Sessions, store: redis.Redis, gateway: GatewayClient
) -> None:
    id = sessions.open(installation.account("viewer"), PASSWORD)
    gateway.refresh(of(store, id).refresh_token)  # the thief
    make_due(store, id)
    with pytest.raises(SignedOutError):
        sessions.find(id)
    with pytest.raises(SignedOutError):
        sessions.find(id)


def test_who_signs_out_is_out_everywhere(
    installation: Installation, sessions: Sessions, store: redis.Redis, gateway: GatewayClient
) -> None:
    id = sessions.open(installation.account("viewer"), PASSWORD)
    refresh_token = of(store, id).refresh_token
    sessions.close(id)
    sessions.close(id)  # a second click
    with pytest.raises(SignedOutError):
        sessions.find(id)
    with pytest.raises(SignedOutError):
        gateway.refresh(refresh_token)


def test_a_redis_that_is_away_is_said(gateway: GatewayClient) -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2)
    with pytest.raises(GatewayError, match="Redis does not answer") as refused:
        Sessions(nowhere, gateway).find("an id")
    assert refused.value.status == 503
