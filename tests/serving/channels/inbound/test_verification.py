"""Which requests are genuine: whatever the headers are, a check answers, and never raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.inbound.endpoints import Verification
from serving.channels.inbound import credentials, verification

KEY = b"k" * 32
OF_OPENSSL = "42955060948315617adb5c2fbc96eef592e27ed29053553a9d3d776b760603b7"
BODY = b'{"text": "Fix it."}'
NAMES = (
    "webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256", "authorization",
    "x-gitlab-token",
)  # fmt: skip
# What a server reads from the bytes of a header.
HEADERS = st.dictionaries(
    st.sampled_from(NAMES), st.binary(max_size=30).map(lambda value: value.decode("latin-1"))
)


@given(st.sampled_from(Verification), HEADERS, st.binary(max_size=30))
def test_nothing_that_is_guessed_is_genuine(form: Verification, headers: dict[str, str], body: bytes) -> None:
    assert not verification.is_genuine(form, [KEY], headers, body, {"token": "x"})


@pytest.mark.parametrize("form", Verification)
def test_without_a_key_nothing_is_genuine(form: Verification) -> None:
    headers = {"x-hub-signature-256": "sha256=", "authorization": "Bearer "}
    assert not verification.is_genuine(form, [], headers, BODY, None)


@pytest.mark.parametrize(
    ("signature", "is_genuine"),
    [
        # `printf '{"text": "Fix it."}' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk`
        ("sha256=SIGNATURE", True),
        ("sha256=" + "0" * 64, False),
        ("SIGNATURE", False),
        ("sha1=SIGNATURE", False),
    ],
)
def test_the_signature_of_a_hub_is_that_of_openssl(signature: str, is_genuine: bool) -> None:
    headers = {"x-hub-signature-256": signature.replace("SIGNATURE", OF_OPENSSL)}
    assert verification.is_genuine(Verification.HUB, [KEY], headers, BODY, json.loads(BODY)) == is_genuine


@pytest.mark.parametrize(
    ("form", "headers", "event"),
    [
        (Verification.STANDARD, {"webhook-id": "msg_1", "x-github-delivery": "2"}, "msg_1"),
        (Verification.HUB, {"x-github-delivery": "2"}, "2"),
        (Verification.TOKEN, {"idempotency-key": "3"}, "3"),
        (Verification.HUB, {"x-github-delivery": ""}, None),
        (Verification.TOKEN, {}, None),
    ],
)
def test_the_id_of_an_event_is_the_tools(form: Verification, headers: dict[str, str], event: Any) -> None:
    assert verification.find_event(form, headers) == event


@pytest.mark.parametrize(
    "secret", ["whsec_c2hvcnQ=", "no prefix and 24 bytes or more", "whsec_ä", "whsec_" + "A" * 200]
)
def test_a_secret_of_standard_webhooks_has_its_form(secret: str) -> None:
    with pytest.raises(credentials.RefusedSecretError, match="whsec_"):
        credentials.derive_key(Verification.STANDARD, secret)


@pytest.mark.parametrize("form", Verification)
def test_a_made_secret_has_the_form_that_is_needed(form: Verification) -> None:
    secret = credentials.make_secret(form)
    assert secret != credentials.make_secret(form)
    assert len(credentials.derive_key(form, secret)) >= 32
