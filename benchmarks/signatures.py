"""CPU time to verify a signed request: ours, the two hashes alone, and the library http-message-signatures:
`python -m benchmarks.signatures [--quick]`, twenty seconds; a part of `make bench-gateway`.

All three verify the same requests with two bodies, one after another in each round. The nonce is not
included: Redis notes it, in one round trip.
"""

import argparse
import hmac
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms

from data.people.identities import Identity
from serving.gateway import signatures
from serving.gateway.auth import Caller
from serving.gateway.online.front import PATH
from serving.gateway.signatures import Head

_KEYID, _SECRET = "rs_0123456789abcdef", b"a secret of a key, with 43 characters or so"
_ORIGIN = "https://tone.example.com"
_COVERED = ("@method", "@target-uri", "content-digest")
_BODIES = {"a message of 100 bytes": 100, "a message of 8,000 bytes": 8_000}
_WAYS = ("ours", "hashes alone", "library")
_CALLS, _ROUNDS = 1_000, 15


@dataclass
class _Request:
    """A request as the library wants it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def _ways(body: bytes) -> dict[str, Callable[[], object]]:
    """How each verifies one request."""
    tools: Any = {
        "signature_algorithm": algorithms.HMAC_SHA256,
        "key_resolver": MappingKeyResolver(public_keys={_KEYID: _SECRET}, private_keys={_KEYID: _SECRET}),
    }
    request = _Request("POST", f"{_ORIGIN}{PATH}")
    HTTPMessageSigner(**tools).sign(
        request, key_id=_KEYID, nonce=uuid.uuid4().hex, covered_component_ids=_COVERED, body=body
    )
    verifier = HTTPMessageVerifier(**tools)
    others = [(b"host", b"tone.example.com"), (b"user-agent", b"x"), (b"accept", b"*/*")]
    others += [(b"x-api-key", b"k"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    signed = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    head = Head(b"POST", PATH.encode(), [*others, *signed])
    identity = Identity(uuid.uuid4(), "k", "member", b"", "scale", True, 0, {_KEYID: _SECRET})
    caller, origin = Caller(identity), _ORIGIN.encode()
    base = b"\n".join(value for _, value in signed)  # nearly as long as what is signed
    mac, digest = hmac.digest(_SECRET, base, "sha256"), sha256(body).digest()

    def ours() -> None:
        signature = signatures.verify(head, caller, origin, time.time())
        assert signature is not None
        signatures.check_body(signature, body)

    def hashes() -> None:
        assert hmac.compare_digest(hmac.digest(_SECRET, base, "sha256"), mac)
        assert sha256(body).digest() == digest

    def library() -> None:
        verifier.verify(request, require_components=_COVERED, body=body)

    return dict(zip(_WAYS, (ours, hashes, library), strict=True))


def _measure_us(call: Callable[[], object], calls: int) -> float:
    began = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - began) / calls / 1000


def measure(quick: bool) -> dict[str, Any]:
    """Microseconds of CPU of a verification by body and way: the median of the rounds, and each round."""
    calls, rounds = (_CALLS // 5, _ROUNDS // 3) if quick else (_CALLS, _ROUNDS)
    report: dict[str, Any] = {}
    for name, length in _BODIES.items():
        ways = _ways(b"a" * length)
        times: dict[str, list[float]] = {way: [] for way in _WAYS}
        for _ in range(rounds):
            for way, call in ways.items():
                times[way].append(round(_measure_us(call, calls), 2))
        report[name] = {
            way: {"us": statistics.median(all_), "rounds_us": all_} for way, all_ in times.items()
        }
    return {"bodies": report, "quick": quick}


def table(report: dict[str, Any]) -> Iterator[str]:
    """The printed table, in Markdown. Ratios are the medians of each round's ratio."""
    yield "| body | ours, µs | the hashes alone, µs | library, µs | ours to hashes | library to ours |"
    yield "|" + "---|" * 6
    for name, row in report["bodies"].items():
        ours, hashes, library = (row[way]["rounds_us"] for way in _WAYS)
        to_hashes = statistics.median(a / b for a, b in zip(ours, hashes, strict=True))
        to_ours = statistics.median(a / b for a, b in zip(library, ours, strict=True))
        figures = " | ".join(f"{row[way]['us']:.1f}" for way in _WAYS)
        yield f"| {name} | {figures} | {to_hashes:.1f} | {to_ours:.0f} |"


def main() -> None:
    """Measure, print the table, and write it with the raw results to `artifacts/bench/signatures.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls, a third of the rounds")
    report = measure(parser.parse_args().quick)
    file = Path("artifacts/bench/signatures.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
    print("\n".join(table(report)))


if __name__ == "__main__":
    main()
