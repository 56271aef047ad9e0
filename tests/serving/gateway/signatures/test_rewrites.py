"""Signed requests for rewrites: by the fast protocol and by ASGI, as streams and in OpenAI's form."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from multidict import CIMultiDict
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online import completions
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.serving.gateway.signatures.conftest import Signer, code_of, encode, nonces_of
from tests.streams import V1, Service, fresh

KEYS = "/api/v1/keys"


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: pytest.FixtureRequest) -> type[GuardedProtocol]:
    made: type[GuardedProtocol] = request.param
    return made


async def test_a_signed_rewrite_is_answered_from_every_level(signer: Signer) -> None:
    body = fresh()
    for expected in ("miss", "l1", "l1"):
        status, _, answer = await signer.transform(body)
        assert (status, answer["cache"]) == (200, expected)
    assert await nonces_of(signer) == 3
    assert code_of(await signer.unsigned("POST", PATH, body)) == (401, "signature_needed"), "though L1 has it"
    assert code_of(await signer.unsigned("POST", PATH, fresh())) == (401, "signature_needed")


async def test_a_request_is_answered_once(signer: Signer) -> None:
    data = encode(fresh())
    headers = signer.sign("POST", PATH, data)
    assert (await signer.send("POST", PATH, headers, data))[0] == 200
    for _ in range(2):
        assert code_of(await signer.send("POST", PATH, headers, data)) == (401, "signature_replayed")


async def test_what_is_signed_is_checked_though_the_key_does_not_require_it(voluntary: Signer) -> None:
    body = fresh()
    for _ in range(2):
        assert (await voluntary.unsigned("POST", PATH, body))[0] == 200
    assert (await voluntary.transform(body))[2]["cache"] == "l1"
    data = encode(body)  # the answer is in L1 now, so the fast protocol could answer at once
    headers = voluntary.sign("POST", PATH, data)
    wrong = {**headers, "Signature": voluntary.sign("POST", PATH, data)["Signature"]}
    assert code_of(await voluntary.send("POST", PATH, wrong, data)) == (401, "signature_wrong")
    for name in ("Signature", "Signature-Input", "Content-Digest"):
        part = {"X-API-Key": voluntary.key, "Content-Type": "application/json", name: headers[name]}
        assert code_of(await voluntary.send("POST", PATH, part, data)) == (401, "signature_incomplete")
    assert (await voluntary.send("POST", PATH, headers, data))[0] == 200, "it was not used up"


async def test_another_body_is_refused_and_uses_nothing_up(signer: Signer) -> None:
    data, headers = encode(fresh()), {}
    headers = signer.sign("POST", PATH, data)
    for other in (data.replace(b"Friday", b"Monday"), data + b" ", b""):
        refused = await signer.send("POST", PATH, headers, other)
        assert code_of(refused) == (401, "content_digest_wrong")
    assert (await signer.send("POST", PATH, headers, data))[0] == 200


async def test_a_body_in_chunks_is_signed_as_a_whole(signer: Signer) -> None:
    data = encode(fresh())

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 10):
            yield data[start : start + 10]
            await asyncio.sleep(0)

    assert (await signer.send("POST", PATH, signer.sign("POST", PATH, data), pieces()))[0] == 200
    headers = signer.sign("POST", PATH, data + b" ")
    refused = await signer.send("POST", PATH, headers, pieces())
    assert code_of(refused) == (401, "content_digest_wrong")


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
async def test_a_header_that_is_added_is_refused(signer: Signer, name: str) -> None:
    data = encode(fresh())
    headers = CIMultiDict(signer.sign("POST", PATH, data))
    headers.add(name, headers[name])
    assert code_of(await signer.send("POST", PATH, headers, data)) == (401, "signature_header_repeated")


async def test_the_address_is_a_part_of_the_signature(signer: Signer) -> None:
    data = encode(fresh())
    for path in (f"{PATH}?a=%2F&b", "/api/v1/%74ransform", f"{PATH}?a=b?c"):
        assert (await signer.send("POST", path, signer.sign("POST", path, data), data))[0] == 200
        refused = await signer.send("POST", path, signer.sign("POST", PATH, data), data)
        assert code_of(refused) == (401, "signature_wrong")
        refused = await signer.send("POST", PATH, signer.sign("POST", path, data), data)
        assert code_of(refused) == (401, "signature_wrong")


async def test_a_retry_needs_a_new_nonce_and_gets_the_first_answer(signer: Signer) -> None:
    body, key = fresh(), uuid.uuid4().hex
    first = await signer.transform(body, **{"Idempotency-Key": key})
    again = await signer.transform(body, **{"Idempotency-Key": key})
    assert (first[0], first[2]) == (again[0], again[2])
    data = encode(body)
    headers = {**signer.sign("POST", PATH, data), "Idempotency-Key": key}
    assert (await signer.send("POST", PATH, headers, data))[2] == first[2]
    assert code_of(await signer.send("POST", PATH, headers, data)) == (401, "signature_replayed")


async def test_a_stream_is_signed_too(signer: Signer) -> None:
    data = encode(fresh())
    accept = {"Accept": "text/event-stream"}
    headers = {**signer.sign("POST", PATH, data), **accept}
    status, _, text = await signer.send("POST", PATH, headers, data)
    assert status == 200
    assert text.rsplit("event: ", 1)[1].startswith("answer")
    assert code_of(await signer.send("POST", PATH, headers, data)) == (401, "signature_replayed")
    unsigned = {"X-API-Key": signer.key, "Content-Type": "application/json", **accept}
    assert code_of(await signer.send("POST", PATH, unsigned, data)) == (401, "signature_needed")


async def test_openais_form_refuses_in_its_own_shape(signer: Signer) -> None:
    body = {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": fresh()["text"]}]}
    assert (await signer.ask("POST", completions.PATH, body))[0] == 200
    status, _, events = await signer.ask("POST", completions.PATH, {**body, "stream": True})
    assert (status, events.endswith("data: [DONE]\n\n")) == (200, True)
    for method, path, sent in (("POST", completions.PATH, body), ("GET", "/v1/models", None)):
        status, _, document = await signer.unsigned(method, path, sent)
        assert (status, document["error"]["code"]) == (401, "signature_needed")
        assert "RFC 9421" in document["error"]["message"]
    assert (await signer.ask("GET", "/v1/models"))[0] == 200


async def test_a_forged_signature_reaches_neither_redis_nor_the_rate(signer: Signer) -> None:
    """Whoever has the key alone uses up nothing of its owner."""
    await signer.transform(fresh())
    parts = signer.gateway.parts
    caller = await parts.authenticator.identify(signer.key)
    await signer.ask("GET", KEYS)
    before, nonces = [parts.limiter.headers(caller, path) for path in (PATH, KEYS)], await nonces_of(signer)
    thief = signer._replace(secret="guessed")
    for _ in range(20):
        assert code_of(await thief.transform(fresh())) == (401, "signature_wrong")
        assert code_of(await thief.unsigned("POST", PATH, fresh())) == (401, "signature_needed")
        assert code_of(await thief.ask("GET", KEYS)) == (401, "signature_wrong")
    assert await nonces_of(signer) == nonces
    assert [parts.limiter.headers(caller, path) for path in (PATH, KEYS)] == before


# --- who signs -----------------------------------------------------------------------------------------


async def test_the_secret_belongs_to_the_key(signer: Signer, engine: Engine) -> None:
    gateway = signer.gateway
    caller = await gateway.parts.authenticator.identify(signer.key)
    for tenant in (caller.identity.organisation_id, gateways.an_organisation(engine)):
        key = gateways.a_key(engine, tenant)["X-API-Key"]
        other = await Signer(gateway, key, "", "").make_secret()
        assert (await other.transform(fresh()))[0] == 200
        for mixed in (other._replace(key=signer.key), signer._replace(key=key)):
            assert code_of(await mixed.transform(fresh())) == (401, "signature_keyid_unknown")


async def test_secrets_rotate_without_a_gap(signer: Signer) -> None:
    new = await signer.make_secret()
    for both in (signer, new):
        assert (await both.transform(fresh()))[0] == 200
    await signer.revoke()
    assert code_of(await signer.transform(fresh())) == (401, "signature_keyid_unknown")
    assert (await new.transform(fresh()))[0] == 200
    await new.require(False)
    assert (await new.unsigned("POST", PATH, fresh()))[0] == 200


async def test_a_token_is_sent_without_a_signature(signer: Signer, engine: Engine) -> None:
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine))
    token = gateways.a_token(kid, "ann")
    data = encode(fresh())
    for method, path, sent in (("POST", PATH, data), ("GET", "/api/v1/jobs", b"")):
        headers = {**signer.sign(method, path, sent), **token}
        del headers["X-API-Key"]
        refused = await signer.send(method, path, headers, sent or None)
        assert code_of(refused) == (401, "signature_of_token")
    assert (await signer.send("POST", PATH, {**token, "Content-Type": "application/json"}, data))[0] == 200


async def test_a_request_without_a_key_is_refused_as_before(signer: Signer) -> None:
    for method, path in (("POST", PATH), ("GET", KEYS)):
        headers = signer.sign(method, path)
        del headers["X-API-Key"]
        assert code_of(await signer.send(method, path, headers)) == (401, "credential_missing")


async def test_behind_a_proxy_the_origin_is_the_public_one(
    local: Settings, engine: Engine, api_key: str, service: Service, protocol: type[GuardedProtocol]
) -> None:
    gateways.publish(engine, Routing(champion=V1))
    changed = {
        "inference_urls": (service.url,),
        "public_url": "https://tone.example.com",
    }
    async with streams.listening(local.model_copy(update=changed), api_key, protocol) as gateway:
        signer = await Signer(gateway, api_key, "", "").make_secret()
        assert code_of(await signer.transform(fresh())) == (401, "signature_wrong")
        for method, path, body in (("POST", PATH, encode(fresh())), ("GET", f"{KEYS}?a=b", b"")):
            headers = signer.sign(method, path, body, url=f"https://tone.example.com{path}")
            assert (await signer.send(method, path, headers, body or None))[0] == 200
