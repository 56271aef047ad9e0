"""WebSockets: memory of 15,000 idle ones, their arrival all at once, and a broadcast to 10,000, against the
obvious version: `python -m benchmarks.sockets [--quick]`, four minutes; a part of `make bench-gateway`.

The gateway is a process of its own, with a real Postgres and Valkey; the clients are in this one. A broadcast
is timed from the transaction that announces a release until a client has read its event.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import uvloop
from psycopg.types.json import Jsonb
from tqdm import tqdm
from websockets.frames import OP_TEXT, Frame

from benchmarks import socket_peer
from configs.settings import Settings
from data import database
from data.people import identities
from pipelines import local
from pipelines.environments import environment
from pipelines.local import Process
from serving.gateway.realtime.sockets import PATH

IDLE, HEARERS = 15_000, 10_000
_BROADCASTS = 20
_STORM = 500  # connections that are being opened at the same time
_SETTLE_S = 3.0
_STEPS = ("ready", "subscribed")


class _Client(asyncio.Protocol):
    """One client: it opens a WebSocket, shows a key, subscribes, and notes when an event comes."""

    __slots__ = ("_buffer", "_is_open", "_key", "done", "heard", "transport")

    def __init__(self, key: str, heard: list[float]) -> None:
        self._key, self._buffer, self._is_open = key, b"", False
        self.heard = heard
        self.done: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask for a WebSocket."""
        self.transport = transport
        transport.write(
            f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def _send(self, **fields: Any) -> None:
        self.transport.write(Frame(OP_TEXT, json.dumps(fields).encode()).serialize(mask=True))

    def data_received(self, data: bytes) -> None:
        """Take the next step, or note an event."""
        if self.done is None:
            if b'"version"' in data:
                self.heard.append(time.perf_counter())
            return
        self._buffer += data
        if not self._is_open and b"\r\n\r\n" in self._buffer:
            self._is_open, self._buffer = True, b""
            self._send(type="auth", token=self._key)
        elif b'"ready"' in self._buffer:
            self._buffer = b""
            self._send(type="subscribe", channel="releases")
        elif b'"subscribed"' in self._buffer:
            self._buffer = b""
            self.done.set_result(None)
            self.done = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for this client learns that it was closed."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(ConnectionError(f"closed after {self._buffer!r}"))


async def _connect(port: int, key: str, count: int, heard: list[float], bar: "tqdm[Any]") -> list[_Client]:
    """So many clients that have subscribed; as many at once as `_STORM`."""
    loop, places = asyncio.get_running_loop(), asyncio.Semaphore(_STORM)

    async def connect() -> _Client:
        async with places:
            _, client = await loop.create_connection(lambda: _Client(key, heard), "127.0.0.1", port)
            if client.done is not None:
                await client.done
        bar.update()
        return client

    return list(await asyncio.gather(*(connect() for _ in range(count))))


async def _broadcast(
    count: int, heard: list[float], announce: Callable[[int], Awaitable[None]], bar: "tqdm[Any]"
) -> list[list[float]]:
    """Milliseconds until each of `count` clients has read an event, for each broadcast."""
    rounds = []
    for number in range(_BROADCASTS):
        heard.clear()
        began = time.perf_counter()
        await announce(number)
        while len(heard) < count:  # noqa: ASYNC110 (an event for each would cost time)
            await asyncio.sleep(0.005)
        rounds.append([1e3 * (at - began) for at in heard])
        bar.update()
        await asyncio.sleep(0.2)
    return rounds


def _summarise(rounds: list[list[float]]) -> dict[str, float]:
    """Medians over the broadcasts, in milliseconds."""
    percentiles = [statistics.quantiles(times, n=100, method="inclusive") for times in rounds]
    return {
        "p50_ms": statistics.median(row[49] for row in percentiles),
        "p99_ms": statistics.median(row[98] for row in percentiles),
        "worst_p99_ms": max(row[98] for row in percentiles),
    }


async def _measure(
    process: psutil.Process,
    port: int,
    key: str,
    announce: Callable[[int], Awaitable[None]],
    idle: int,
    hearers: int,
) -> dict[str, Any]:
    """Memory and time of the idle connections, and of broadcasts to some of them."""
    heard: list[float] = []
    with tqdm(total=idle + _BROADCASTS, unit="connections", disable=not sys.stderr.isatty()) as bar:
        await _connect_and_leave(port, key, heard, bar)  # what the first ones need is there afterwards
        before = process.memory_info().rss
        began = time.perf_counter()
        clients = await _connect(port, key, hearers, heard, bar)
        clients += await _connect(port, key, idle - hearers, heard, bar)
        storm_s = time.perf_counter() - began
        await asyncio.sleep(_SETTLE_S)
        after = process.memory_info().rss
        for client in clients[hearers:]:
            client.transport.abort()
        await asyncio.sleep(_SETTLE_S)
        rounds = await _broadcast(hearers, heard, announce, bar)
        for client in clients[:hearers]:
            client.transport.abort()
    return {
        "connections": idle,
        "memory_mb": (after - before) / 1e6,
        "kb_each": (after - before) / 1e3 / idle,
        "idle_process_mb": before / 1e6,
        "storm_s": storm_s,
        "broadcast_to": hearers,
        "broadcast": _summarise(rounds),
        "raw_p99_ms": [round(statistics.quantiles(times, n=100)[98], 1) for times in rounds],
    }


async def _connect_and_leave(port: int, key: str, heard: list[float], bar: "tqdm[Any]") -> None:
    for client in await _connect(port, key, 50, heard, bar):
        client.transport.abort()
    await asyncio.sleep(1)


@contextlib.contextmanager
def _gateway(settings: Settings) -> Iterator[psutil.Process]:
    env = environment(settings, "gateway")
    process = Process("gateway", local.command("gateway", env), env, settings.state / "gateway.log")
    try:
        process.wait_until_ready(f"{settings.gateway_url}/livez")
        yield psutil.Process(process.pid)
    finally:
        process.stop()


@contextlib.contextmanager
def _peer(state: Path, port: int) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "benchmarks.socket_peer", str(port)]
    process = Process("peer", command, {}, state / "peer.log")
    try:
        process.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
        yield psutil.Process(process.pid)
    finally:
        process.stop()


def measure(state: Path, quick: bool) -> dict[str, Any]:
    """All measurements, over servers in a folder."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle, hearers = (3_000, 2_000) if quick else (IDLE, HEARERS)
    wanted = Settings(state=state, artifacts=state / "artifacts", database_url=None, redis_url=None)
    with local.servers(local.with_free_ports(wanted)) as settings:
        assert settings.database_url is not None
        engine = database.engine(settings.database_url)
        key = identities.bootstrap(engine, None)
        engine.dispose()
        assert key is not None, "the benchmark's database is new"
        url, port = settings.database_url, urlsplit(settings.gateway_url).port
        assert port is not None

        async def announce(number: int) -> None:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                fields = {"version": f"v{number}", "replaced": "v0", "epoch": number}
                await connection.execute("SELECT announce('releases', %s)", (Jsonb(fields),))

        async def announce_to_peer(number: int) -> None:
            event = {"type": "event", "channel": "releases", "data": {"version": f"v{number}"}}
            async with httpx.AsyncClient(timeout=60) as client:
                await client.post(f"http://127.0.0.1:{port}/broadcast", json=event)

        with _gateway(settings) as process:
            ours = uvloop.run(_measure(process, port, key, announce, idle, hearers))
        with _peer(state, port) as process:
            peer = uvloop.run(_measure(process, port, socket_peer.KEY, announce_to_peer, idle, hearers))
    return {"gateway": ours, "fastapi": peer, "quick": quick}


def table(report: dict[str, Any]) -> Iterator[str]:
    """The printed table, in Markdown."""
    yield (
        "| server | connections | MB above idle | KB each | all connected, s | broadcast to | p50, ms "
        "| p99, ms |"
    )
    yield "|" + "---|" * 8
    for name in ("gateway", "fastapi"):
        row = report[name]
        yield (
            f"| {name} | {row['connections']:,} | {row['memory_mb']:.0f} | {row['kb_each']:.1f} "
            f"| {row['storm_s']:.1f} | {row['broadcast_to']:,} | {row['broadcast']['p50_ms']:.0f} "
            f"| {row['broadcast']['p99_ms']:.0f} |"
        )
    ours, peer = report["gateway"], report["fastapi"]
    memory, storm = (ours[part] / peer[part] for part in ("memory_mb", "storm_s"))
    p99 = ours["broadcast"]["p99_ms"] / peer["broadcast"]["p99_ms"]
    yield f"| ratio | | {memory:.2f} | | {storm:.2f} | | | {p99:.2f} |"


def main() -> None:
    """Measure, print the table, and write it with the raw results to `artifacts/bench/sockets.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the connections")
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state:
        report = measure(Path(state), parser.parse_args().quick)
    file = Path("artifacts/bench/sockets.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
    print("\n".join(table(report)))


if __name__ == "__main__":
    main()
