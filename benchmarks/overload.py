"""Goodput beyond capacity: `make bench-overload`, 6 minutes (`QUICK=1`: 2). Nothing else should run.

The real service and a gateway, with the 135M model and with the shipped edit writer, on 127.0.0.1. First 64
clients, who each wait for their answer, measure the capacity. Then new messages arrive by chance at 0.5, 1,
2 and 3 times that rate, whatever becomes of those before, and twenty known texts a second beside them.

An answer counts when it is there within the deadline. The service has half of the cores for itself, as on a
machine of its own, since to send and to refuse thousands of messages would take them from the model. The
report has how many cores each process used.

To measure other code, such as that of an earlier commit, run this file in its working tree:
`cd TREE && python THIS_FILE --name before --out FILE`.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil
from sqlalchemy.orm import Session

from benchmarks import workload
from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from models import loading, shipped
from models.export import export
from pipelines import local
from serving.gateway.online.front import PATH
from serving.inference import release

_SPECS = {
    "text": Spec(version="v1", max_new_tokens=48),
    "edits": Spec(version="v1", form="edits"),
}
_CLIENTS = 64
_DEADLINE_S = 10.0  # the default of TONEBRIDGE_REWRITE_WAIT_S
_HITS_PER_S, _KNOWN = 20, 30
_GIVE_UP_S = 60.0


@dataclass
class Load:
    """What became of the requests: (seconds since the start at its end, latency in seconds)."""

    answered: list[tuple[float, float]] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)  # latencies
    refused: list[float] = field(default_factory=list)
    retry_after: list[int] = field(default_factory=list)
    failed: int = 0


class Run:
    """Requests of one version."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self._texts = workload.fresh(10**9, uuid.uuid4().hex[:8])
        self._known: list[bytes] = []

    async def ask(self, load: Load, body: bytes, began: float, is_hit: bool = False) -> None:
        """Send one request, and note its end."""
        sent = time.perf_counter()
        try:
            async with self._session.post(self._url, data=body) as response:
                await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError):
            load.failed += 1
            return
        now = time.perf_counter()
        if status == 200 and is_hit:
            load.hits.append(now - sent)
        elif status == 200:
            load.answered.append((now - began, now - sent))
        elif status == 503 and retry_after is not None and not is_hit:
            load.refused.append(now - sent)
            load.retry_after.append(int(retry_after))
        else:
            load.failed += 1

    async def measure_capacity(self, seconds: float) -> float:
        """Answers per second of clients who wait for each, or half a second when they are refused, without
        the first third of the time.
        """
        load, began = Load(), time.perf_counter()

        async def keep_asking() -> None:
            while time.perf_counter() - began < seconds:
                refused = len(load.refused)
                await self.ask(load, next(self._texts), began)
                if len(load.refused) > refused:  # 64 are too many for a slow machine
                    await asyncio.sleep(0.5)

        await asyncio.gather(*(keep_asking() for _ in range(_CLIENTS)))
        if load.failed:
            raise RuntimeError(f"{load.failed} requests failed")
        counted = [at for at, _ in load.answered if seconds / 3 <= at]
        if not counted:
            raise RuntimeError(f"nothing was answered within {seconds:.0f} s: set --seconds")
        return len(counted) / (max(counted) - seconds / 3)

    async def prepare_hits(self) -> None:
        """Have texts rewritten that are known from then on: one after the other, so that none is refused."""
        for body in itertools.islice(self._texts, _KNOWN):
            load = Load()
            await self.ask(load, body, 0.0)
            if not load.answered:
                raise RuntimeError("a message was refused while no other was sent")
            self._known.append(body)

    async def overload(self, per_s: float, seconds: float, rng: random.Random) -> Load:
        """New messages at a rate, by a Poisson process, and hits at an even one."""
        load = Load()
        arrivals = [(t, False) for t in _poisson(per_s, seconds, rng)]
        arrivals += [(n / _HITS_PER_S, True) for n in range(int(seconds * _HITS_PER_S))]
        asked, began = [], time.perf_counter()
        for due, is_hit in sorted(arrivals):
            await asyncio.sleep(max(0.0, due - (time.perf_counter() - began)))
            body = rng.choice(self._known) if is_hit else next(self._texts)
            asked.append(asyncio.create_task(self.ask(load, body, began, is_hit)))
        await asyncio.gather(*asked)
        return load


def _poisson(per_s: float, seconds: float, rng: random.Random) -> list[float]:
    gaps = (rng.expovariate(per_s) for _ in itertools.count())
    return list(itertools.takewhile(lambda at: at < seconds, itertools.accumulate(gaps)))


def _p(values: list[float], share: float) -> float | None:
    """A quantile in ms; None without values."""
    return round(sorted(values)[int(share * (len(values) - 1))] * 1e3, 1) if values else None


def summarise(load: Load, factor: float, capacity: float, seconds: float) -> dict[str, Any]:
    """One row of the table. The first quarter of the time, in which a queue builds, counts only in the
    latencies.
    """
    latencies = [latency for _, latency in load.answered]
    useful = [at for at, latency in load.answered if latency <= _DEADLINE_S and seconds / 4 <= at <= seconds]
    return {
        "times_capacity": factor,
        "sent": len(latencies) + len(load.refused) + load.failed,
        "answered": len(latencies),
        "late": sum(latency > _DEADLINE_S for latency in latencies),
        "refused": len(load.refused),
        "failed": load.failed,
        "goodput_of_capacity": round(len(useful) / (0.75 * seconds) / capacity, 3),
        "answered_p50_ms": _p(latencies, 0.5),
        "answered_p99_ms": _p(latencies, 0.99),
        "refused_p99_ms": _p(load.refused, 0.99),
        "refused_at_once": sum(latency < 0.05 for latency in load.refused),
        "retry_after_median_s": statistics.median(load.retry_after) if load.retry_after else None,
        "hits": len(load.hits),
        "hits_p99_ms": _p(load.hits, 0.99),
    }


class Running(NamedTuple):
    """A service with one version, and a gateway."""

    settings: Settings
    key: str
    processes: dict[str, local.Process]

    def cpu_s(self) -> dict[str, float]:
        """The CPU time of the service, the gateway, and this process, since their starts."""
        pids = {name: process.pid for name, process in self.processes.items()} | {"clients": os.getpid()}
        return {
            name: sum(_cpu_s(process) for process in _with_children(name, pid)) for name, pid in pids.items()
        }


def _with_children(name: str, pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process] if name == "clients" else [process, *process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def running(name: str) -> Iterator[Running]:
    """Start them."""
    cores = sorted(os.sched_getaffinity(0))
    half = (len(cores) + 1) // 2
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state, _on(cores[:half]):
        wanted = Settings(
            state=Path(state), artifacts=Path(state) / "artifacts", database_url=None, redis_url=None
        )
        with local.servers(local.with_free_ports(wanted)) as settings:
            if name == "text":
                folder = export(loading.base_folder(loading.PIP_MODEL), None, settings.artifacts / "v1")
            else:
                folder = shipped.export_once(settings)
            release.publish(folder, "v1", settings)
            engine = database.engine_of(settings)
            key = identities.bootstrap(engine, None)
            assert key is not None, "the benchmark's database is new"
            with Session(engine) as session, session.begin():
                routing.publish(session, Routing(champion=_SPECS[name]), "benchmark")
            engine.dispose()
            with ExitStack() as started:
                with _on(cores[half:] or cores):
                    service = started.enter_context(local.running(settings, "inference"))["inference"]
                gateway = started.enter_context(local.running(settings, "gateway"))["gateway"]
                service.wait_until_ready(f"{settings.inference_urls[0]}/readyz", timeout_s=120)
                gateway.wait_until_ready(f"{settings.gateway_url}/readyz")
                yield Running(settings, key, {"inference": service, "gateway": gateway})


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    """Keep this process to some cores, and those that it starts meanwhile to the same for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def measure(servers: Running, factors: list[float], seconds: float) -> dict[str, Any]:
    """The capacity, and a row for each factor."""
    async with aiohttp.ClientSession(
        headers={"X-API-Key": servers.key, "Content-Type": "application/json"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_GIVE_UP_S),
    ) as session:
        run, rng = Run(session, servers.settings.gateway_url + PATH), random.Random(0)
        before, began = servers.cpu_s(), time.perf_counter()
        capacity = await run.measure_capacity(seconds)
        cores = _cores(before, servers.cpu_s(), time.perf_counter() - began)
        await run.prepare_hits()
        rows = []
        for factor in factors:
            before, began = servers.cpu_s(), time.perf_counter()
            load = await run.overload(factor * capacity, seconds, rng)
            used = _cores(before, servers.cpu_s(), time.perf_counter() - began)
            rows.append({**summarise(load, factor, capacity, seconds), "cores": used})
            print(json.dumps(rows[-1]), flush=True)
        return {"capacity_per_s": round(capacity, 2), "cores": cores, "rows": rows}


def _cores(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """How many cores each process used."""
    return {name: round((after[name] - before[name]) / seconds, 2) for name in before}


def main(name: str, out: Path, versions: list[str], factors: list[float], seconds: float) -> None:
    """Measure the versions, and add the report under its name to the file."""
    report: dict[str, Any] = {"seconds_of_each_load": seconds, "load_before": psutil.getloadavg()[0]}
    for version in versions:
        with running(version) as servers:
            report[version] = asyncio.run(measure(servers, factors, seconds))
    reports = json.loads(out.read_text()) if out.exists() else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**reports, name: report}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the rates 1 and 3, for 12 seconds each")
    parser.add_argument("--seconds", type=float, help="of each load; default 24, quick 12")
    parser.add_argument("--name", default="now", help="of the report in the file")
    parser.add_argument("--out", type=Path, help="default docs/results/overload.json, or artifacts/bench/")
    parser.add_argument("--versions", nargs="+", default=list(_SPECS), choices=list(_SPECS))
    chosen = parser.parse_args()
    folder = Path("artifacts/bench" if chosen.quick else "docs/results")
    main(
        chosen.name,
        chosen.out or folder / "overload.json",
        chosen.versions,
        [1.0, 3.0] if chosen.quick else [0.5, 1.0, 2.0, 3.0],
        chosen.seconds or (12.0 if chosen.quick else 24.0),
    )
