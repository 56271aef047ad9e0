"""Signatures of requests, against another implementation of RFC 9421."""

import base64
from datetime import timedelta
from hashlib import sha256

import pytest
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest, Request

from tonebridge import signing
from tonebridge.exchange import Credentials

KEYID, SECRET = "a-key", b"a secret of these tests, 32 bytes long"
URL = "https://tone.example.com/api/v1/jobs?state=dead&state=done&before=%C3%A4"


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> bytes:
        assert key_id == KEYID
        return SECRET

    resolve_private_key = resolve_public_key


def signed(method: str, url: str, body: bytes) -> PreparedRequest:
    request = Request(method, "http://replaced").prepare()
    request.url, request.body = url, body  # as they are: `requests` would encode the address again
    request.headers.update(signing.sign(method, url, body, KEYID, SECRET))
    return request


def verify(request: PreparedRequest) -> None:
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys())
    (result,) = verifier.verify(request, max_age=timedelta(seconds=300))
    assert set(result.covered_components) == {
        '"@method"', '"@target-uri"', '"content-digest"', '"@signature-params"',
    }  # fmt: skip
    assert result.parameters["alg"] == "hmac-sha256"
    assert result.parameters["keyid"] == KEYID


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.sampled_from([URL, "http://x/", "http://x:8080/a?"]),
    st.binary(),
)
def test_another_library_verifies_what_is_signed(method: str, url: str, body: bytes) -> None:
    request = signed(method, url, body)
    verify(request)
    digest = base64.b64encode(sha256(body).digest()).decode()
    assert request.headers["Content-Digest"] == f"sha-256=:{digest}:"


@pytest.mark.parametrize("part", ["method", "url", "digest"])
def test_it_does_not_verify_another_request(part: str) -> None:
    request = signed("POST", URL, b"{}")
    match part:
        case "method":
            request.method = "PUT"
        case "url":
            request.url = f"{URL}x"
        case "digest":
            other = signing.sign("POST", URL, b"[]", KEYID, SECRET)
            request.headers["Content-Digest"] = other["Content-Digest"]
    with pytest.raises(InvalidSignature):
        verify(request)


def test_each_attempt_has_a_nonce_of_its_own() -> None:
    credentials = Credentials(api_key="k", signing=(KEYID, SECRET))
    first, second = (credentials.headers("GET", URL, b"") for _ in range(2))
    assert first["Signature-Input"] != second["Signature-Input"]
    assert first["X-API-Key"] == "k"


def test_an_example() -> None:
    """The client in TypeScript has the same."""
    url = "https://tone.example.com/api/v1/transform"
    headers = signing.sign("POST", url, b"{}", "k1", "secret", created=1795900000, nonce="n1")
    assert headers == {
        "Content-Digest": "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
        "Signature-Input": 'sig1=("@method" "@target-uri" "content-digest");created=1795900000;keyid="k1"'
        ';alg="hmac-sha256";nonce="n1"',
        "Signature": "sig1=:ipkcXyw//tyaMtPyGBN2EH3WXZjf+aYbYwy8aUYIgRQ=:",
    }
