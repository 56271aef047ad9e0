"""Tokens are verified beside the event loop, with Microsoft's keys; the address names the tenant."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from serving.channels.teams.connector import Addresses
from serving.channels.teams.verifier import NoKeysError, RefusedRequestError, Verifier, check_tenant
from tests.teams import APP, FakeMicrosoft, sign

URL = "https://smba.trafficmanager.net/emea/1aa00000-0000-4000-8000-000000000001/"


@pytest.fixture
def verifier(microsoft: FakeMicrosoft) -> Iterator[Verifier]:
    verifier = Verifier(APP, microsoft.addresses)
    yield verifier
    verifier.close()


def make_token(url: str = URL, **changes: Any) -> str:
    return sign(url, **changes)["Authorization"].removeprefix("Bearer ")


async def test_a_token_proves_the_address(verifier: Verifier) -> None:
    claims = await verifier.verify(make_token(), URL)
    assert claims["serviceurl"] == URL
    for other in ("", "https://smba.trafficmanager.net/amer/"):
        with pytest.raises(RefusedRequestError):
            await verifier.verify(make_token(), other)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "9aa00000-0000-4000-8000-000000000009"},
        {"aud": None},
        {"iss": "https://login.microsoftonline.com/x/v2.0"},
        {"iss": None},
        {"exp": int(time.time()) - 400},
        {"nbf": int(time.time()) + 4000, "exp": int(time.time()) + 8000},
        {"serviceurl": None},
        {"serviceurl": f"{URL}../../../amer/"},
    ],
    ids=["other app", "no app", "other issuer", "no issuer", "expired", "not yet valid", "no address",
         "other address"],
)  # fmt: skip
async def test_a_token_of_another_app_issuer_time_or_address_proves_nothing(
    verifier: Verifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(RefusedRequestError):
        await verifier.verify(make_token(**changes), URL)
    await verifier.verify(make_token(), URL)  # it is the change that is refused


async def test_a_token_without_an_expiry_proves_nothing(verifier: Verifier) -> None:
    with pytest.raises(RefusedRequestError):
        await verifier.verify(make_token(exp=None), URL)


async def test_a_new_key_is_read_and_a_withdrawn_one_proves_nothing(
    verifier: Verifier, microsoft: FakeMicrosoft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Microsoft changes its keys without asking: no restart and no setting is needed. Keys that nobody knows
    make the process ask at most once in 30 seconds.
    """
    await verifier.verify(make_token(), URL)
    new = rsa.generate_private_key(65537, 2048)
    microsoft.keys = {"a new key": new}
    for _ in range(3):
        with pytest.raises(RefusedRequestError):
            await verifier.verify(make_token(key=new, key_id="a new key"), URL)
    assert microsoft.keys_read == 1
    later = time.monotonic() + 31
    monkeypatch.setattr("jwt.jwks_client.time", SimpleNamespace(monotonic=lambda: later))
    await verifier.verify(make_token(key=new, key_id="a new key"), URL)
    assert microsoft.keys_read == 2
    with pytest.raises(RefusedRequestError):
        await verifier.verify(make_token(), URL)
    with pytest.raises(RefusedRequestError):  # the former key under the name of the new one
        await verifier.verify(make_token(key_id="a new key"), URL)


async def test_the_event_loop_runs_while_keys_are_read(verifier: Verifier, microsoft: FakeMicrosoft) -> None:
    """The fake server is in this loop, so it could not answer otherwise."""
    microsoft.may_give_keys.clear()
    waits = asyncio.create_task(verifier.verify(make_token(), URL))
    async with asyncio.timeout(30):
        await microsoft.keys_wanted.wait()
    assert not waits.done()
    microsoft.may_give_keys.set()
    await waits


async def test_requests_wait_in_limited_numbers(verifier: Verifier, microsoft: FakeMicrosoft) -> None:
    microsoft.may_give_keys.clear()
    waiting = [asyncio.create_task(verifier.verify(make_token(), URL)) for _ in range(100)]
    async with asyncio.timeout(30):
        await microsoft.keys_wanted.wait()
    with pytest.raises(NoKeysError, match="too many"):
        await verifier.verify(make_token(), URL)
    microsoft.may_give_keys.set()
    await asyncio.gather(*waiting)
    await verifier.verify(make_token(), URL)
    assert microsoft.keys_read == 1


async def test_without_keys_nobody_is_refused_for_good() -> None:
    verifier = Verifier(APP, Addresses(openid="http://127.0.0.1:1/v1/.well-known/openidconfiguration"))
    with pytest.raises(NoKeysError):
        await verifier.verify(make_token(), URL)
    verifier.close()


@pytest.mark.parametrize(
    ("url", "tenant", "is_refused"),
    [
        (URL, "1aa00000-0000-4000-8000-000000000001", False),
        (URL.upper().replace("HTTPS", "https"), "1aa00000-0000-4000-8000-000000000001", False),
        (URL, "2aa00000-0000-4000-8000-000000000002", True),
        ("https://smba.trafficmanager.net/emea/", "2aa00000-0000-4000-8000-000000000002", False),
    ],
    ids=["the same", "in capitals", "another", "none named"],
)
def test_an_address_of_another_tenant_is_refused(url: str, tenant: str, is_refused: bool) -> None:
    try:
        check_tenant(url, tenant)
    except RefusedRequestError:
        assert is_refused
    else:
        assert not is_refused
