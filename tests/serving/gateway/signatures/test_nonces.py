"""Nonces in the real Valkey: each is accepted once, and nothing is accepted that cannot be checked."""

import asyncio
import base64
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256

import pytest
from redis.asyncio import Redis

from configs.settings import Settings
from serving.breaker import Breaker
from serving.gateway import signatures
from serving.gateway.online import cache
from serving.gateway.problems import SignatureError, UnavailableError
from serving.gateway.signatures import WINDOW_S, Signature, Signatures

BODY = b"{}"
_PATIENT_S = 60.0  # a busy machine stalls


@pytest.fixture
async def redis(local: Settings) -> AsyncIterator[Redis]:
    client = cache.connect(local.redis_url, _PATIENT_S)
    assert client is not None
    await client.delete(signatures._KNOWN_SINCE)
    await Signatures(client, None, _PATIENT_S).start()
    yield client
    await client.aclose()
    await client.connection_pool.disconnect()


def a_signature(created: float | None = None, body: bytes = BODY) -> Signature:
    digest = base64.b64encode(sha256(body).digest())
    created = time.time() + 1 if created is None else created  # Redis's clock may be a moment ahead
    return Signature("rs_1", uuid.uuid4().hex, int(created), digest)


async def test_a_nonce_is_accepted_once_by_all_gateways(redis: Redis) -> None:
    one, other = Signatures(redis, None, _PATIENT_S), Signatures(redis, None, _PATIENT_S)
    signature = a_signature()
    outcomes = await asyncio.gather(
        *(gateway.accept(signature, BODY) for gateway in (one, other) * 10), return_exceptions=True
    )
    assert outcomes.count(None) == 1
    refused = [outcome for outcome in outcomes if isinstance(outcome, SignatureError)]
    assert {error.reasons[0].code for error in refused} == {"signature_replayed"}
    assert len(refused) == 19
    await other.accept(signature._replace(keyid="rs_2"), BODY)  # a nonce of another secret is another one
    await other.accept(a_signature(), BODY)


@pytest.mark.parametrize("age_s", [-WINDOW_S, 0, WINDOW_S])
async def test_a_nonce_is_known_for_as_long_as_its_signature_is_accepted(redis: Redis, age_s: int) -> None:
    now = time.time() + WINDOW_S + 10  # so that the signature is no older than what Redis knows
    gateway, signature = Signatures(redis, None, _PATIENT_S, clock=lambda: now), a_signature(now - age_s)
    await gateway.accept(signature, BODY)
    [key] = [key async for key in redis.scan_iter(f"*{signature.nonce}")]
    still_accepted_s = WINDOW_S - age_s
    known_s = await redis.ttl(key)
    assert still_accepted_s + 30 <= known_s <= still_accepted_s + 60


async def test_a_body_that_comes_late_does_no_harm(redis: Redis) -> None:
    """Its signature was in time when the head came."""
    now = time.time() + 2 * WINDOW_S
    gateway = Signatures(redis, None, _PATIENT_S, clock=lambda: now)
    signature = a_signature(now - WINDOW_S - 100)
    await gateway.accept(signature, BODY)
    with pytest.raises(SignatureError):
        await gateway.accept(signature, BODY)


async def test_another_body_uses_up_no_nonce(redis: Redis) -> None:
    gateway, signature = Signatures(redis, None, _PATIENT_S), a_signature()
    for body in (b"", b"{} ", b'{"a": 1}'):
        with pytest.raises(SignatureError) as refused:
            await gateway.accept(signature, body)
        assert refused.value.reasons[0].code == "content_digest_wrong"
    await gateway.accept(signature, BODY)
    await gateway.accept(a_signature(body=b""), b"")


async def test_a_redis_that_was_emptied_accepts_nothing_from_before(redis: Redis) -> None:
    gateway = Signatures(redis, None, _PATIENT_S)
    signature = a_signature(time.time() - 10)
    with pytest.raises(UnavailableError):  # it was sent before Redis knew nonces
        await gateway.accept(signature, BODY)
    await redis.set(signatures._KNOWN_SINCE, int(time.time()) - 100)
    await gateway.accept(signature, BODY)
    await redis.delete(f"{signatures._PREFIX}{signature.keyid}:{signature.nonce}", signatures._KNOWN_SINCE)
    with pytest.raises(UnavailableError) as refused:
        await gateway.accept(signature, BODY)
    assert refused.value.reasons[0].code == "nonce_uncheckable"
    await gateway.accept(a_signature(), BODY)
    assert not gateway.breaker.is_open, "Redis answered"


@pytest.fixture(params=["hangs", "refuses"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a Redis that is not there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "hangs":
            listener.listen(64)  # accepts, and never answers
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


async def test_without_redis_nothing_is_accepted(away: str) -> None:
    client = cache.connect(away)
    gateway = Signatures(client, None)
    await gateway.start()
    for _ in range(3):
        with pytest.raises(UnavailableError) as refused:
            await gateway.accept(a_signature(), BODY)
        assert refused.value.reasons[0].code == "nonce_uncheckable"
        assert gateway.breaker.is_open, "the next ones wait for nothing"
    with pytest.raises(UnavailableError):
        await Signatures(None, None).accept(a_signature(), BODY)
    assert client is not None
    await client.connection_pool.disconnect()


async def test_after_a_probe_that_was_cancelled_another_request_tries(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that leaves may take the breaker's only probe with it."""
    now, asked = 0.0, asyncio.Event()

    async def never_answer(keys: object, values: object) -> int:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    gateway = Signatures(redis, None, _PATIENT_S)
    gateway.breaker = Breaker(failures=1, open_s=2.0, clock=lambda: now)
    gateway.breaker.failed()
    now = 10.0
    with monkeypatch.context() as patched:
        patched.setattr(gateway, "_note", never_answer)
        probe = asyncio.create_task(gateway.accept(a_signature(), BODY))
        await asked.wait()
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
    assert gateway.breaker.is_open
    now = 20.0
    await gateway.accept(a_signature(), BODY)
    assert not gateway.breaker.is_open
