"""CPU time of an L1 hit by step, in microseconds: `python -m benchmarks.steps`.

Runs the gateway's own parts in this process, on a real Postgres and Valkey, and calls each alone, as
`serving/gateway/online/protocol.py` and `front.py` do. The difference between a request's time and their sum
is the event loop, the sockets and the kernel.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uuid_utils
import uvicorn
import uvloop
from uvicorn.server import ServerState

from benchmarks import servers, workload
from benchmarks.servers import Bench
from configs.settings import Settings
from data import database
from data.tables import GATEWAY_LOGIN
from data.traffic import receipts
from serving.gateway.app import create_app
from serving.gateway.auth import credential
from serving.gateway.online import decoding
from serving.gateway.online.front import PATH, Front
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.online.turns import Turn
from serving.gateway.parts import Parts, parts_of
from serving.protocol import Door

_CALLS, _REPEATS = 5_000, 15


class _Nowhere(asyncio.Transport):
    """A connection that discards answers."""

    def write(self, data: Any) -> None:
        """Discard the data."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the default."""
        return default

    def is_closing(self) -> bool:
        """Return False."""
        return False


async def _measure(bench: Bench) -> dict[str, float]:
    assert bench.settings.database_url is not None
    url = database.replace_login(bench.settings.database_url, GATEWAY_LOGIN)
    gateway = create_app(bench.settings.model_copy(update={"database_url": url}))
    async with gateway.behind.router.lifespan_context(gateway.behind):
        parts = parts_of(gateway.behind)
        await parts.directory.beat()
        await parts.telemetry.stop()  # it measures the loop's delay, and this loop is always busy
        return await _by_step(gateway, parts, bench.settings, bench.api_key)


async def _by_step(gateway: Front, parts: Parts, settings: Settings, key: str) -> dict[str, float]:
    online, answers = parts.online, parts.answers
    authenticator, limiter, telemetry = parts.authenticator, parts.limiter, parts.telemetry
    body = workload.known(1)[0]
    headers = {
        b"host": b"127.0.0.1", b"x-api-key": key.encode(), b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
    }  # fmt: skip
    await gateway.reply(headers, body, Turn(), None)  # stores it in L1
    token = credential(headers)
    caller = authenticator.recall(token) if token else None
    message = decoding.decode_fast(body, headers, caller) if caller else None
    assert caller is not None
    assert message is not None
    lease = limiter._lease(caller, PATH)
    lease.tokens, lease.expires_at = 10**9, float("inf")  # never runs empty: leases are measured with `rate`
    epoch = online._current()
    hit = online.recall(caller, message)
    assert hit is not None
    person, arm, output = hit
    name = online._name(person, message, arm)
    answer = online.make_answer(person, arm, message, output, "l1", time.perf_counter())

    connection = HotProtocol(Door(settings), uvicorn.Config(gateway, log_config=None), ServerState(), {})
    connection.connection_made(_Nowhere())
    lines = b"".join(b"%b: %b\r\n" % header for header in headers.items())
    request = b"POST %b HTTP/1.1\r\n%b\r\n%b" % (PATH.encode(), lines, body)

    def us(call: Callable[[], object]) -> float:
        """The median time of a call. Rows that it queues for Postgres are discarded."""
        times = []
        for _ in range(_REPEATS):
            began = time.process_time_ns()
            for _ in range(_CALLS):
                call()
            times.append((time.process_time_ns() - began) / _CALLS / 1000)
            answers._waiting.clear()
        return statistics.median(times)

    def sign() -> bytes:
        at = int(time.time()).to_bytes(4)
        return online._signer.sign(
            receipts.TO_A_KEYS_USER,
            output.output_id,
            person.ids,
            arm.placed_part,
            at,
            arm.variant_part,
            b"\2v1",
        )

    def describe() -> object:
        request_id = telemetry.request_id(headers)
        return limiter.headers(caller, PATH), telemetry.timing(answer, 0.001), request_id

    steps = {
        "authenticate": us(lambda: authenticator.recall(credential(headers) or "")),
        "rate": us(lambda: limiter.try_pass(caller, PATH)),
        "decode and validate": us(lambda: decoding.decode_fast(body, headers, caller)),
        "assign": us(lambda: online._person(caller, message.external_id, epoch).arm(message)),
        "name the output": us(lambda: online._name(person, message, arm)),
        "L1": us(lambda: parts.cache.recall(name)),
        "answer id": us(lambda: str(uuid_utils.uuid7())),
        "receipt": us(sign),
    }
    make_answer = us(lambda: online.make_answer(person, arm, message, output, "l1", time.perf_counter()))
    steps["answer: row and JSON"] = make_answer - steps["answer id"] - steps["receipt"]
    steps["metrics"] = us(lambda: telemetry.answered(answer, 0.001, caller.identity, b"x", headers))
    steps["limits, timing and id as headers"] = us(describe)
    at_once = us(lambda: gateway.at_once(headers, body))
    steps["HTTP: parse and write"] = us(lambda: connection.data_received(request)) - at_once
    steps["between the steps"] = at_once - sum(list(steps.values())[:-1])
    flushes = []
    for _ in range(_REPEATS):
        for _ in range(_CALLS):
            online.make_answer(person, arm, message, output, "l1", time.perf_counter())
        began = time.process_time_ns()
        await answers.flush()
        flushes.append((time.process_time_ns() - began) / _CALLS / 1000)
    steps["answer row to Postgres"] = statistics.median(flushes)
    return {step: round(cost, 2) for step, cost in steps.items()}


def measure(bench: Bench) -> dict[str, float]:
    """CPU time of one L1 hit by step, in microseconds."""
    return uvloop.run(_measure(bench))


def table(steps: dict[str, float], whole_us: float | None = None) -> str:
    """The steps, their sum, and the difference to the whole request, as lines of text."""
    lines = [f"{cost:7.2f} us  {step}" for step, cost in steps.items()]
    lines.append(f"{sum(steps.values()):7.2f} us  sum")
    if whole_us is not None:
        lines.append(f"{whole_us - sum(steps.values()):7.2f} us  rest: event loop, sockets, kernel")
    return "\n".join(lines)


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as folder,
        servers.bench(Path(folder), servers.build(Path(".tonebridge/bench").absolute())) as running,
    ):
        steps = measure(running)
        print(table(steps))
        print(json.dumps(steps))
