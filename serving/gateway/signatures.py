"""Signed requests: one profile of HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530).

A request is signed when it has `Signature-Input`, `Signature` and `Content-Digest`:

    Signature-Input: sig1=("@method" "@target-uri" "content-digest");created=1795896000;keyid="rs_0123"
      ;alg="hmac-sha256";nonce="..."          (one line, without blanks)
    Signature: sig1=:base64 of 32 bytes:
    Content-Digest: sha-256=:base64 of 32 bytes:

Nothing else is accepted: one signature under any label, exactly these components in this order, exactly these
parameters in any order, each header once. So there is nothing that a client and the gateway could read
differently, and a verification costs a twentieth of a general one.

`verify` needs no body, so a request for a rewrite is refused before it takes a token of its key's rate, and
before its body is read: who has a key without a secret uses up nothing. `Signatures.accept` then compares
the body with its digest, and notes the nonce in Redis. Only who has the secret gets there, so nobody else can
fill Redis or use up a nonce.

A nonce is noted for as long as its signature could be accepted. A Redis that was started anew, or emptied,
has forgotten nonces. So it also notes since when it knows them, and signatures from before are refused.
"""

import asyncio
import contextlib
import hmac
import re
import time
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving.breaker import Breaker
from serving.gateway.auth import Caller
from serving.gateway.problems import SignatureError, UnavailableError

WINDOW_S = 300  # between `created` and now, before and after
_CLOCKS_S = 60  # that the clocks of two gateways may differ
_SHORTEST, _LONGEST = 16, 64  # nonces
_PREFIX = "tonebridge:nonce:"
_KNOWN_SINCE = "tonebridge:nonces-known-since"  # epoch seconds, by Redis's clock
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)

_HEADERS = {
    b"signature-input": "Signature-Input",
    b"signature": "Signature",
    b"content-digest": "Content-Digest",
}
_FOUND = frozenset((*_HEADERS, b"host"))
_COVERED = b'"@method" "@target-uri" "content-digest"'
_LABEL = rb"[a-z*][a-z0-9_.*-]{0,63}"
_INPUT = re.compile(
    rb"(%b)=(\(([^()]*)\)"  # label, all parameters, components
    rb'(?:;created=(0|[1-9][0-9]{0,14})|;keyid="([A-Za-z0-9_-]{1,64})"'
    rb'|;alg="([a-z0-9-]*)"|;nonce="([A-Za-z0-9._~+/=-]{%d,%d})"){4})' % (_LABEL, _SHORTEST, _LONGEST)
)
_OF_32_BYTES = rb"=:([A-Za-z0-9+/]{43}=):"
_SIGNATURE = re.compile(rb"(%b)%b" % (_LABEL, _OF_32_BYTES))
_DIGEST = re.compile(rb"sha-256" + _OF_32_BYTES)


class Head(NamedTuple):
    """What a signature covers of a request, and its headers as they came (names in lower case). `target` is
    the path with its query, as it was sent.
    """

    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]


class Signature(NamedTuple):
    """A signature that is valid for the head of its request."""

    keyid: str
    nonce: str
    created: int  # epoch seconds
    digest: bytes  # base64 of the SHA-256 that the body must have


def head_of(scope: Any) -> Head:
    """The head of an ASGI request."""
    query = scope["query_string"]
    target = b"%b?%b" % (scope["raw_path"], query) if query else scope["raw_path"]
    return Head(scope["method"].encode(), target, scope["headers"])


def verify(head: Head, caller: Caller, origin: bytes | None, now_s: float) -> Signature | None:
    """The signature of a request; None when it has none, and its key requires none. SignatureError when it is
    not valid.

    `origin` is that of the target URI. Without one it is `http://` and the Host header.
    """
    present = _find(head.headers)
    if present.keys().isdisjoint(_HEADERS):
        if caller.identity.requires_signatures:
            raise SignatureError("signature_needed")
        return None
    if caller.subject is not None:
        raise SignatureError("signature_of_token")
    for name, written in _HEADERS.items():
        if name not in present:
            raise SignatureError("signature_incomplete", header=written)
    label, params, keyid, nonce, created = _read_input(present[b"signature-input"])
    signature, digest = (
        _SIGNATURE.fullmatch(present[b"signature"]),
        _DIGEST.fullmatch(present[b"content-digest"]),
    )
    if signature is None or signature[1] != label:
        raise SignatureError("signature_malformed", label=label.decode())
    if digest is None:
        raise SignatureError("content_digest_malformed")
    secret = caller.identity.request_secrets.get(keyid)
    if secret is None:
        raise SignatureError("signature_keyid_unknown")
    if abs(now_s - created) > WINDOW_S:
        raise SignatureError("signature_time_wrong", seconds=round(created - now_s), limit=WINDOW_S)
    uri = (origin or b"http://" + present.get(b"host", b"")) + head.target
    # RFC 9421, 2.5: each component on a line of its own, the parameters last, without a line break at the end
    base = b'"@method": %b\n"@target-uri": %b\n"content-digest": %b\n"@signature-params": %b' % (
        head.method, uri, present[b"content-digest"], params,
    )  # fmt: skip
    expected = b2a_base64(hmac.digest(secret, base, "sha256"), newline=False)
    if not hmac.compare_digest(signature[2], expected):
        method, beginning = head.method.decode("latin-1"), uri[:300].decode("latin-1")
        raise SignatureError("signature_wrong", method=method, uri=beginning)
    return Signature(keyid, nonce, created, digest[1])


def _find(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers of a signature, and Host; SignatureError when a signed request has one of them twice."""
    present: dict[bytes, bytes] = {}
    repeated = None
    for name, value in headers:
        if name in _FOUND:
            repeated = name if name in present else repeated
            present[name] = value
    if repeated is not None and not present.keys().isdisjoint(_HEADERS):
        raise SignatureError("signature_header_repeated", header=_HEADERS.get(repeated, "Host"))
    return present


def _read_input(value: bytes) -> tuple[bytes, bytes, str, str, int]:
    """Label, parameters as they were sent, keyid, nonce and creation time of a Signature-Input."""
    match = _INPUT.fullmatch(value)
    # There are four parameters and each has a value, so each was sent once.
    if match is None or None in (values := match.groups()):
        raise SignatureError(
            "signature_input_malformed", components=_COVERED.decode(), shortest=_SHORTEST, longest=_LONGEST
        )
    label, params, components, created, keyid, algorithm, nonce = values
    if components != _COVERED:
        raise SignatureError("signature_components_wrong", components=_COVERED.decode())
    if algorithm != b"hmac-sha256":
        raise SignatureError("signature_algorithm_wrong")
    return label, params, keyid.decode(), nonce.decode(), int(created)


def check_body(signature: Signature, body: bytes) -> None:
    """SignatureError unless a body is the one that was signed."""
    if b2a_base64(sha256(body).digest(), newline=False) != signature.digest:
        raise SignatureError("content_digest_wrong", bytes=len(body))


class Signatures:
    """Verifies signed requests for a gateway. Belongs to one event loop."""

    def __init__(
        self,
        redis: Redis | None,
        origin: str | None,
        timeout_s: float = 0.05,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`origin` as in `verify`. Redis is waited for `timeout_s`; `clock` is in epoch seconds."""
        self.breaker = Breaker(failures=1, open_s=2.0)
        self._redis, self._timeout_s, self._clock = redis, timeout_s, clock
        self._origin = origin.encode() if origin is not None else None

    async def start(self) -> None:
        """Let Redis know nonces from now on, if it does not yet. Otherwise it would from the first signed
        request on, and refuse that one if it was signed a second before.
        """
        if self._redis is not None:
            with contextlib.suppress(*_REDIS_ERRORS):
                async with asyncio.timeout(self._timeout_s):
                    await _begin(self._redis)

    def verify(self, head: Head, caller: Caller) -> Signature | None:
        """The signature of a request, as the function `verify` says. Call `accept` with it."""
        return verify(head, caller, self._origin, self._clock())

    async def accept(self, signature: Signature, body: bytes) -> None:
        """Accept a signed request with its body, once.

        Raises SignatureError when the body is another one or the nonce was used before, and UnavailableError
        when Redis cannot tell.
        """
        check_body(signature, body)
        if self._redis is None or not self.breaker.allows():
            raise UnavailableError("nonce_uncheckable")
        key = f"{_PREFIX}{signature.keyid}:{signature.nonce}"
        for_s = max(0, int(signature.created + WINDOW_S - self._clock())) + _CLOCKS_S
        try:
            async with asyncio.timeout(self._timeout_s):
                known_since, is_new = await _note(self._redis, key, for_s)
        except _REDIS_ERRORS as error:
            self.breaker.failed()
            raise UnavailableError("nonce_uncheckable") from error
        except BaseException:
            self.breaker.inconclusive()  # the request was cancelled, so a later one has to try
            raise
        self.breaker.succeeded()
        if signature.created < known_since:
            raise UnavailableError("nonce_uncheckable")
        if not is_new:
            raise SignatureError("signature_replayed")


async def _begin(redis: Redis) -> int:
    """Since when Redis knows nonces: from now on, unless it does already."""
    now: int = (await redis.time())[0]
    if await redis.set(_KNOWN_SINCE, now, nx=True):
        return now
    return int(await redis.get(_KNOWN_SINCE) or now)


async def _note(redis: Redis, key: str, for_s: int) -> tuple[int, bool]:
    """Note a nonce. Since when Redis knows nonces, and whether this one is new.

    Two commands; a script would count as five. The order matters: a Redis that was emptied before the nonce
    was noted must not say afterwards that it knows nonces from before.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.set(key, 1, nx=True, ex=for_s)
        pipeline.get(_KNOWN_SINCE)
        is_new, known_since = await pipeline.execute()
    return await _begin(redis) if known_since is None else int(known_since), bool(is_new)
