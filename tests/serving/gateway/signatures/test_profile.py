"""The profile of signed requests, against the library http-message-signatures, and against every change."""

import base64
import datetime
import hmac
import itertools
import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.settings import Settings
from data.people.identities import Identity
from serving.gateway.auth import Caller
from serving.gateway.problems import SignatureError
from serving.gateway.signatures import WINDOW_S, Head, Signature, verify
from tests.signing import sign

KEYID, OTHER_KEYID = "rs_0123456789abcdef", "rs_fedcba9876543210"
SECRET, OTHER_SECRET = (
    "a-secret-of-a-key-with-43-characters-0123456",
    "another-secret-of-the-same-key-0123456789",
)
NOW, ORIGIN = 1_795_900_000, "https://tone.example.com"
TARGET, BODY = "/api/v1/transform", b'{"text": "Fix it."}'
NONCE = "0123456789abcdef0123456789abcdef"


def a_caller(
    secrets: dict[str, str] | None = None, subject: str | None = None, requires: bool = True
) -> Caller:
    by_id = {id: secret.encode() for id, secret in (secrets or {KEYID: SECRET}).items()}
    identity = Identity(uuid.uuid4(), "k", "member", b"", "free", requires, 0, by_id)
    return Caller(identity, subject)


def check(
    headers: dict[str, str] | list[tuple[str, str]],
    method: str = "POST",
    target: str = TARGET,
    caller: Caller | None = None,
    origin: str | None = ORIGIN,
    now_s: float = NOW,
) -> Signature | None:
    listed = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.lower().encode(), value.encode()) for name, value in listed]
    head = Head(method.encode(), target.encode(), raw)
    return verify(head, caller or a_caller(), origin.encode() if origin else None, now_s)


def signed(**changes: Any) -> dict[str, str]:
    """The headers of a request that is right, but for the changes."""
    right = {"keyid": KEYID, "secret": SECRET, "method": "POST", "url": ORIGIN + TARGET, "body": BODY}
    return sign(**{**right, "created": NOW, "nonce": NONCE, **changes})


def code_of(headers: dict[str, str] | list[tuple[str, str]], **changes: Any) -> str:
    """The code of the reason for which a request is refused."""
    with pytest.raises(SignatureError) as refused:
        check(headers, **changes)
    assert str(refused.value), "it has a sentence"
    return refused.value.reasons[0].code


def test_a_signed_request_is_valid() -> None:
    digest = base64.b64encode(sha256(BODY).digest())
    assert check(signed()) == Signature(KEYID, NONCE, NOW, digest)


def test_only_a_key_that_requires_a_signature_needs_one() -> None:
    unsigned = {"Content-Type": "application/json", "X-API-Key": "k"}
    assert check(unsigned, caller=a_caller(requires=False)) is None
    assert code_of(unsigned) == "signature_needed"
    assert check(signed(), caller=a_caller(requires=False)) is not None
    assert code_of(signed(secret="wrong"), caller=a_caller(requires=False)) == "signature_wrong"


# --- the library as the oracle -------------------------------------------------------------------------


@dataclass
class Request:
    """A request as the library wants it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


KEYS: Any = {KEYID: SECRET.encode()}
TOOLS: Any = {
    "signature_algorithm": algorithms.HMAC_SHA256,
    "key_resolver": MappingKeyResolver(public_keys=KEYS, private_keys=KEYS),
}
COVERED = ("@method", "@target-uri", "content-digest")

methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
characters = st.sampled_from(list("abcXYZ019-._~!$&'()*+,;=:@/")) | st.integers(0, 255).map(
    lambda byte: f"%{byte:02x}"
)
paths = st.lists(characters, max_size=12).map(lambda parts: "/api/v1/" + "".join(parts))
queries = st.none() | st.lists(characters | st.just("?"), max_size=12).map("".join)
targets = st.tuples(paths, queries).map(lambda pair: pair[0] if pair[1] is None else f"{pair[0]}?{pair[1]}")
origins = st.sampled_from([ORIGIN, "http://127.0.0.1:8080", "http://[::1]:8080", "https://a.example:8443"])
bodies = st.binary(max_size=100)
labels = st.from_regex(r"\A[a-z*][a-z0-9_.*-]{0,10}\Z")
nonces = st.from_regex(r"\A[A-Za-z0-9._~+/=-]{16,64}\Z")
times = st.integers(NOW - WINDOW_S, NOW + WINDOW_S)


@given(methods, origins, targets, bodies, labels, nonces, times)
def test_what_the_library_signs_is_valid(
    method: str, origin: str, target: str, body: bytes, label: str, nonce: str, created: int
) -> None:
    request = Request(method, origin + target)
    at = datetime.datetime.fromtimestamp(created, datetime.UTC)
    HTTPMessageSigner(**TOOLS).sign(
        request, key_id=KEYID, created=at, nonce=nonce, label=label, covered_component_ids=COVERED, body=body
    )
    digest = base64.b64encode(sha256(body).digest())
    assert check(request.headers, method, target, origin=origin) == Signature(KEYID, nonce, created, digest)


@given(methods, origins, targets, bodies, labels, nonces)
def test_what_we_sign_is_valid_for_the_library(
    method: str, origin: str, target: str, body: bytes, label: str, nonce: str
) -> None:
    request = Request(method, origin + target)
    request.headers = sign(KEYID, SECRET, method, request.url, body, nonce=nonce, label=label)
    [result] = HTTPMessageVerifier(**TOOLS).verify(request, require_components=COVERED, body=body)
    assert result.body == body


@given(st.tuples(methods, targets), st.tuples(methods, targets), origins)
def test_a_signature_is_valid_for_one_method_and_one_address(
    right: tuple[str, str], sent: tuple[str, str], origin: str
) -> None:
    headers = sign(KEYID, SECRET, right[0], origin + right[1], created=NOW)
    if sent == right:
        assert check(headers, *sent, origin=origin) is not None
    else:
        assert code_of(headers, method=sent[0], target=sent[1], origin=origin) == "signature_wrong"


@given(st.sampled_from(sorted(signed())), st.data())
def test_no_changed_header_is_valid(name: str, data: st.DataObject) -> None:
    headers = signed()
    value = headers[name]
    place = data.draw(st.integers(0, len(value)))
    kept = data.draw(st.integers(place, min(len(value), place + 3)))
    text = data.draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=3))
    headers[name] = value[:place] + text + value[kept:]
    if headers[name] != value:
        code_of(headers)


# --- one thing wrong -----------------------------------------------------------------------------------


CREATED, MALFORMED = f"created={NOW}", "signature_input_malformed"
CHANGED_INPUTS = [
    (CREATED, f"created={NOW + 1}", "signature_wrong"),
    (CREATED, f"created=0{NOW}", MALFORMED),
    (CREATED, f'created="{NOW}"', MALFORMED),
    (f"{CREATED};", "", MALFORMED),
    (CREATED, f"{CREATED};{CREATED}", MALFORMED),
    (f';nonce="{NONCE}"', f";{CREATED}", MALFORMED),
    (CREATED, f"expires={NOW}", MALFORMED),
    (CREATED, f"{CREATED};expires={NOW + 9}", MALFORMED),
    (CREATED, f'{CREATED};tag="x"', MALFORMED),
    (f'keyid="{KEYID}"', f'keyid="{OTHER_KEYID}"', "signature_keyid_unknown"),
    (f'keyid="{KEYID}"', f"keyid={KEYID}", MALFORMED),
    (NONCE, NONCE[::-1], "signature_wrong"),
    (NONCE, NONCE[:15], MALFORMED),
    (NONCE, "n" * 65, MALFORMED),
    (NONCE, NONCE + "é", MALFORMED),
    ('"hmac-sha256"', '"hmac-sha512"', "signature_algorithm_wrong"),
    ('"hmac-sha256"', '"none"', "signature_algorithm_wrong"),
    (';alg="hmac-sha256"', "", MALFORMED),
    ('"@method" ', "", "signature_components_wrong"),
    (' "content-digest"', "", "signature_components_wrong"),
    ('"@method" "@target-uri"', '"@target-uri" "@method"', "signature_components_wrong"),
    ('"content-digest"', '"content-digest" "date"', "signature_components_wrong"),
    ('"content-digest"', '"content-digest";sf', "signature_components_wrong"),
    ('"@method" ', '"@method"  ', "signature_components_wrong"),
    ('("@method" "@target-uri" "content-digest")', "()", "signature_components_wrong"),
    ("sig1=", "sig2=", "signature_malformed"),
    ("sig1=", "", MALFORMED),
    (";created", "; created", MALFORMED),
]


@pytest.mark.parametrize(
    ("header", "old", "new", "code"),
    [
        *(("Signature-Input", *change) for change in CHANGED_INPUTS),
        ("Signature", "sig1=", "sig2=", "signature_malformed"),
        ("Signature", "=:", '="', "signature_malformed"),
        ("Content-Digest", "sha-256", "sha-512", "content_digest_malformed"),
        ("Content-Digest", "=:", "=", "content_digest_malformed"),
    ],
)
def test_a_changed_header_is_refused_with_its_reason(header: str, old: str, new: str, code: str) -> None:
    headers = signed()
    assert old in headers[header]
    assert code_of({**headers, header: headers[header].replace(old, new, 1)}) == code


def test_another_bodys_digest_is_refused() -> None:
    headers = {**signed(), "Content-Digest": signed(body=b"{}")["Content-Digest"]}
    assert code_of(headers) == "signature_wrong"


def test_parameters_may_come_in_any_order() -> None:
    digest = signed()["Content-Digest"]
    parameters = [CREATED, f'keyid="{KEYID}"', 'alg="hmac-sha256"', f'nonce="{NONCE}"']
    for ordered in itertools.permutations(parameters):
        value = ";".join(('("@method" "@target-uri" "content-digest")', *ordered))
        lines = {"@method": "POST", "@target-uri": ORIGIN + TARGET, "content-digest": digest}
        base = "\n".join(f'"{name}": {line}' for name, line in {**lines, "@signature-params": value}.items())
        signature = base64.b64encode(hmac.digest(SECRET.encode(), base.encode(), "sha256")).decode()
        headers = {"Signature-Input": f"sig1={value}", "Content-Digest": digest}
        assert check({**headers, "Signature": f"sig1=:{signature}:"}) is not None
        if ordered != tuple(parameters):
            assert code_of({**headers, "Signature": signed()["Signature"]}) == "signature_wrong"


@pytest.mark.parametrize("off", [-WINDOW_S - 1, -WINDOW_S, 0, WINDOW_S, WINDOW_S + 1])
def test_the_clock_may_differ_by_five_minutes(off: int) -> None:
    headers = signed(created=NOW + off)
    if abs(off) > WINDOW_S:
        assert code_of(headers) == "signature_time_wrong"
    else:
        assert check(headers) is not None


def test_time_is_not_rounded_at_the_edge() -> None:
    assert code_of(signed(created=NOW - WINDOW_S), now_s=NOW + 0.1) == "signature_time_wrong"
    assert code_of(signed(created=NOW + WINDOW_S), now_s=NOW - 0.1) == "signature_time_wrong"


@pytest.mark.parametrize("missing", ["Signature-Input", "Signature", "Content-Digest"])
@pytest.mark.parametrize("requires", [True, False])
def test_a_part_of_the_headers_is_refused(missing: str, requires: bool) -> None:
    headers, caller = signed(), a_caller(requires=requires)
    without = {name: value for name, value in headers.items() if name != missing}
    assert code_of(without, caller=caller) == "signature_incomplete"
    assert code_of({missing: headers[missing]}, caller=caller) == "signature_incomplete"


@pytest.mark.parametrize("repeated", ["Signature-Input", "Signature", "Content-Digest", "Host"])
def test_a_header_that_comes_twice_is_refused(repeated: str) -> None:
    headers = [*signed().items(), ("Host", "tone.example.com")]
    assert check(headers) is not None
    for more in (dict(headers)[repeated], "x"):
        assert code_of([*headers, (repeated, more)]) == "signature_header_repeated"
        assert code_of([(repeated, more), *headers]) == "signature_header_repeated"


def test_two_signatures_are_refused() -> None:
    first, second = signed(), signed(label="sig2", nonce=NONCE[::-1])
    both = {name: f"{first[name]}, {second[name]}" for name in ("Signature-Input", "Signature")}
    assert code_of({**first, **both}) == "signature_input_malformed"
    assert code_of({**first, "Signature": both["Signature"]}) == "signature_malformed"
    digests = f"{first['Content-Digest']}, sha-512=:{'A' * 86}==:"
    assert code_of({**first, "Content-Digest": digests}) == "content_digest_malformed"


def test_base64_that_decodes_to_the_same_bytes_is_another_signature() -> None:
    headers = signed()
    value = headers["Signature"]
    last = value[-3]  # of base64: two of its bits are padding
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(last) ^ 1]
    changed = value[:-3] + other + value[-2:]
    assert base64.b64decode(changed[6:-1]) == base64.b64decode(value[6:-1])
    assert code_of({**headers, "Signature": changed}) == "signature_wrong"


def test_both_secrets_sign_while_they_rotate() -> None:
    both = a_caller({KEYID: SECRET, OTHER_KEYID: OTHER_SECRET})
    assert check(signed(), caller=both) is not None
    new = signed(keyid=OTHER_KEYID, secret=OTHER_SECRET)
    assert check(new, caller=both) is not None
    assert code_of(signed(keyid=OTHER_KEYID), caller=both) == "signature_wrong", "the other one's secret"
    only_new = a_caller({OTHER_KEYID: OTHER_SECRET})
    assert code_of(signed(), caller=only_new) == "signature_keyid_unknown"
    assert check(new, caller=only_new) is not None


def test_a_token_cannot_sign() -> None:
    assert code_of(signed(), caller=a_caller(subject="ann", requires=False)) == "signature_of_token"
    part = {"Signature": signed()["Signature"]}
    assert code_of(part, caller=a_caller(subject="ann", requires=False)) == "signature_of_token"


def test_without_an_origin_it_is_http_and_the_host() -> None:
    headers = {**signed(url="http://gateway:8080" + TARGET), "Host": "gateway:8080"}
    assert check(headers, origin=None) is not None
    assert code_of({**headers, "Host": "gateway"}, origin=None) == "signature_wrong"
    assert code_of(headers) == "signature_wrong", "the origin is another one"
    assert code_of(signed(), origin=None) == "signature_wrong", "no Host"


@pytest.mark.parametrize(
    "url",
    ["tone.example.com", "https://tone.example.com/", "https://tone.example.com/api", "https://Tone.example"],
)
def test_an_origin_that_no_client_signs_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=url)


def test_a_wrong_signature_says_how_the_request_was_read() -> None:
    with pytest.raises(SignatureError, match=rf"reads as POST {ORIGIN}/api/v1/transform\?a=b"):
        check(signed(), target=TARGET + "?a=b")
