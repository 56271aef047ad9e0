"""The gateway against its peers: `python -m benchmarks.gateway [--quick]`.

benchmarks/README.md describes the measurements and how to read them.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from benchmarks import jobs, measure, servers, signatures, sockets, steps, streaming, workload
from benchmarks.measure import Phase, Result
from benchmarks.servers import Bench, MissingError, Server
from pipelines.local import ProcessEndedError

PEERS = ("gateway", "twin", "obvious")
_HOT = 1_000  # texts of the L1 phase
_MANY_CONNECTIONS = 256
_P99_BOUNDS_MS = (1.0, 5.0, 10.0, 50.0)


class Session:
    """One run of the benchmark: its sizes, its files of request bodies, its results."""

    def __init__(self, bench: Bench, quick: bool, raw: Path) -> None:
        self.bench, self.quick, self.raw = bench, quick, raw
        self.results: list[Result] = []
        self._began = time.monotonic()
        self.folder = bench.settings.state / "bodies"
        self.folder.mkdir()
        self._runs = 0
        # More texts than L1 holds, in a cycle: L1 has evicted each text before its next request.
        self.known_count = 15_000 if quick else 20_000
        known = workload.known(self.known_count)
        self.known = workload.write(known, self.folder / "known")
        self.popular = workload.write(known[: workload.POPULAR], self.folder / "popular")
        self.hot = workload.write(known[:_HOT], self.folder / "hot")

    def say(self, text: str) -> None:
        """Print a line of progress."""
        print(f"[{time.monotonic() - self._began:5.0f} s] {text}", flush=True)

    def fresh(self, count: int) -> Path:
        """A file of texts that no earlier request had."""
        self._runs += 1
        return workload.write(workload.fresh(count, f"{self._runs}"), self.folder / "fresh")

    def mix(self, count: int) -> Path:
        """A file with 85 % known texts and 15 % new ones."""
        self._runs += 1
        return workload.write(workload.mix(count, f"{self._runs}", self._runs), self.folder / "mix")

    def run(self, server: Server, phase: Phase, *, keep: bool = True) -> Result:
        """Measure a phase and print its result."""
        result = measure.run(self.bench, server, phase, self.raw)
        if keep:
            self.results.append(result)
        self.say(
            f"{server.name:8} {phase.name:14} {result.requests_per_s:8,.0f} req/s"
            f"  p50 {result.latency_ms['p50']:7.2f}  p99 {result.latency_ms['p99']:7.2f} ms"
            f"  {result.cpu_us:6.0f} us/req  {result.memory_mb:4.0f} MB  limited by: {result.bottleneck}"
            + ("".join(f"\n          ! {problem}" for problem in result.problems))
        )
        return result

    def warm(self, server: Server, bodies: Path, requests: int, connections: int = _MANY_CONNECTIONS) -> None:
        """Send all texts without measuring, until none is a miss."""
        phase = Phase("warm", bodies, connections, seconds=120, warmup_s=0, requests=requests)
        for _ in range(3):
            result = measure.run(self.bench, server, phase, self.raw)
            if result.errors or set(result.statuses) != {"200"}:
                self.say(f"{server.name} while warming up: {result.statuses} {result.errors}")
            if not result.cache.get("miss"):
                break


def compare(session: Session, rounds: int) -> None:
    """Run the phases of all peers in interleaved rounds, so that the machine's state affects all equally."""
    quick = session.quick
    seconds = 3.0 if quick else 5.0
    for number in range(1, rounds + 1):
        for name in PEERS:
            session.say(f"round {number} of {rounds}: {name}")
            with servers.running(session.bench, name) as server:
                is_obvious = name == "obvious"  # it has no L1
                known = session.popular if is_obvious else session.known
                if number == 1:
                    session.warm(server, known, workload.POPULAR if is_obvious else session.known_count)
                session.warm(server, session.hot, _HOT, connections=64)
                session.run(server, Phase("l1_hits", session.hot, seconds=seconds))
                session.run(server, Phase("l2_hits", known, seconds=seconds))
                if not quick:
                    most = 60_000
                    session.run(
                        server,
                        Phase("misses", session.fresh(most), _MANY_CONNECTIONS, requests=most, seconds=4),
                    )
                for rate in (5000,) if quick else (1000, 2000, 5000):
                    bodies = session.mix(int(rate * (seconds + 2)))
                    session.run(
                        server,
                        Phase(f"mix_at_{rate}", bodies, _MANY_CONNECTIONS, rate, seconds, warmup_s=2),
                    )
                if not is_obvious:
                    session.run(
                        server,
                        Phase("hits_at_5000", session.hot, _MANY_CONNECTIONS, 5000, seconds),
                    )
        session.say(f"round {number} of {rounds}: nginx, the ceiling")
        with servers.running(session.bench, "nginx") as server:
            session.run(server, Phase("l1_hits", session.hot, seconds=3))
            session.run(server, Phase("hits_at_5000", session.hot, _MANY_CONNECTIONS, 5000, 3))
        if not quick:
            with servers.running(session.bench, "twin_alone") as server:
                if number == 1:
                    session.warm(server, session.known, session.known_count)
                session.run(server, Phase("l2_hits", session.known, seconds=seconds))


def hold_connections(session: Session, names: Iterable[str]) -> None:
    """Open 15,000 keep-alive connections: a request on each, an idle time, and another request on each."""
    for name in names:
        with servers.running(session.bench, name) as server:
            session.warm(server, session.hot, _HOT, connections=64)
            seconds = 5.0 if session.quick else 10.0
            session.run(server, Phase("connections", session.hot, 15_000, seconds=seconds, hold=True))


def search_rates(session: Session, server: Server) -> dict[str, float]:
    """The highest req/s with p99 within each bound: for L1 hits, and for the mix within 50 ms."""
    closed = [r.requests_per_s for r in session.results if (r.server, r.phase) == (server.name, "l1_hits")]
    ceiling = statistics.median(closed) * 1.1

    def fits_in(bound_ms: float, result: Result) -> bool:
        return result.keeps_up and result.latency_ms["p99"] <= bound_ms

    def search(kind: str, bounds: Iterable[float], low: float, high: float, tries: int) -> dict[str, float]:
        probed: dict[int, Result] = {}
        rates = {}
        for bound in bounds:
            fits = max((rate for rate, r in probed.items() if fits_in(bound, r)), default=low)
            fails = min((rate for rate, r in probed.items() if rate > fits), default=high)
            for _ in range(tries):
                if fails - fits < 0.04 * high:
                    break
                rate = int((fits + fails) / 2)
                bodies = session.hot if kind == "hits" else session.mix(rate * 4)
                phase = Phase(f"{kind}_at_{rate}", bodies, _MANY_CONNECTIONS, rate, 2.5, warmup_s=1)
                probed[rate] = session.run(server, phase, keep=False)
                if fits_in(bound, probed[rate]):
                    fits = rate
                else:
                    fails = rate
            rates[f"{kind}_p99_{bound:g}_ms"] = float(fits)
        return rates

    return search("hits", _P99_BOUNDS_MS, 0, ceiling, 5) | search("mix", (50.0,), 0, ceiling, 5)


def watch_memory(session: Session, server: Server) -> float:
    """Growth of resident memory in MB a minute, over the second half of 80 s of the mix."""
    session.warm(server, session.known, session.known_count)  # fills L1
    seconds = 80
    bodies = session.mix(2000 * (seconds + 10))
    phase = Phase("mix_at_2000_long", bodies, _MANY_CONNECTIONS, 2000, seconds, warmup_s=10)
    return session.run(server, phase).memory_growth_mb_per_min


def ask_litellm(session: Session) -> str | None:
    """Measure cache hits of LiteLLM's proxy. Returns why it could not be measured, or None."""
    question = {"model": "stub", "messages": [{"role": "user", "content": "Fix it. Today."}]}
    bodies = workload.write([json.dumps(question).encode()], session.folder / "litellm")
    try:
        session.say(f"installing {servers.LITELLM}, once")
        servers.install_litellm(session.bench)
        with servers.running(session.bench, "litellm") as server:
            session.warm(server, bodies, 20, connections=1)
            session.run(server, Phase("l1_hits", bodies, 64, seconds=8, warmup_s=2))
    except (MissingError, ProcessEndedError, TimeoutError) as error:
        return str(error)
    return None


def summarise(results: list[Result]) -> dict[str, Any]:
    """By phase: each server's medians over the rounds, and the medians of the rounds' ratios to it."""
    by_phase: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        by_phase[result.phase][result.server].append(result)
    names = {f"mix_at_{rate}": f"mix_{rate}" for rate in (1000, 2000, 5000)}
    names["connections"] = "connections_15000"
    summary: dict[str, Any] = {}
    for phase, by_server in by_phase.items():
        row: dict[str, Any] = {server: _medians(runs) for server, runs in by_server.items()}
        ours = by_server.get("gateway", [])
        for quantity in ("requests_per_s", "cpu_us", "memory_mb"):
            row[f"{quantity}_ratio"] = {
                server: statistics.median(
                    getattr(a, quantity) / getattr(b, quantity) for a, b in zip(ours, runs, strict=False)
                )
                for server, runs in by_server.items()
                if server != "gateway" and ours and all(getattr(b, quantity) for b in runs)
            }
        summary[names.get(phase, phase)] = row
    return summary


def _medians(runs: list[Result]) -> dict[str, Any]:
    def median(values: Iterable[float]) -> float:
        return round(statistics.median(values), 3)

    return {
        "requests_per_s": median(r.requests_per_s for r in runs),
        **{f"{q}_ms": median(r.latency_ms[q] for r in runs) for q in ("p50", "p90", "p99", "p99_9", "max")},
        "cpu_us": median(r.cpu_us for r in runs),
        "server_cpu": median(r.server_cpu for r in runs),
        "generator_cpu": median(r.generator_cpu for r in runs),
        "backing_cpu": median(r.backing_cpu for r in runs),
        "strangers_cpu": median(r.strangers_cpu for r in runs),
        "memory_before_mb": median(r.memory_before_mb for r in runs),
        "memory_mb": median(r.memory_mb for r in runs),
        "hit_share": median(r.hit_share for r in runs),
        "failed": sum(n for r in runs for status, n in r.statuses.items() if status != "200")
        + sum(n for r in runs for n in r.errors.values()),
        "unsent": sum(r.unsent for r in runs),
        "bottleneck": [r.bottleneck for r in runs],
        "problems": [problem for r in runs for problem in r.problems],
    }


def judge(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets, each with its measurement."""

    def at_least(what: str, measured: float, target: float) -> dict[str, Any]:
        return {"what": what, "target": f">= {target:g}", "measured": measured, "met": measured >= target}

    def at_most(what: str, measured: float, target: float) -> dict[str, Any]:
        return {"what": what, "target": f"<= {target:g}", "measured": measured, "met": measured <= target}

    l1, l2 = summary["l1_hits"]["requests_per_s_ratio"], summary["l2_hits"]["requests_per_s_ratio"]
    mix = summary["mix_5000"]["gateway"]
    held = summary["connections_15000"]["gateway"]
    cores_at_5000 = summary["hits_at_5000"]["gateway"]["server_cpu"]
    return [
        at_least("L1 hits, of the twin's req/s", l1["twin"], 0.45),
        at_least("L2 hits, of the twin's req/s", l2["twin"], 0.8),
        at_least("L1 hits, of the obvious version's req/s", l1["obvious"], 4),
        at_least("L2 hits, of the obvious version's req/s", l2["obvious"], 4),
        at_most("mix at 5,000 req/s: p50 ms", mix["p50_ms"], 2),
        at_most("mix at 5,000 req/s: p99 ms", mix["p99_ms"], 40),
        at_most("mix at 5,000 req/s: failed or unsent", mix["failed"] + mix["unsent"], 0),
        at_most("L1 hits at 5,000 req/s: share of a core", cores_at_5000, 0.3),
        at_most("15,000 connections: MB", held["memory_mb"], 250),
        at_most("15,000 connections: failed", held["failed"], 0),
    ]


def table(summary: dict[str, Any], targets: list[dict[str, Any]]) -> str:
    """The summary for a terminal; a ratio is ours over the peer's."""
    lines = [
        f"{'phase':18}{'server':11}{'req/s':>8}{'ratio':>7}{'us/req':>8}{'ratio':>7}"
        f"{'p50 ms':>8}{'p99 ms':>8}{'MB':>5}  cores: {'server':>6}{'load':>6}{'behind':>7}{'others':>7}"
        "  limited by"
    ]
    for phase, row in summary.items():
        for server, of in row.items():
            if server.endswith("_ratio"):
                continue
            ratio, cpu_ratio = (
                f"{row[f'{quantity}_ratio'][server]:7.2f}" if server in row[f"{quantity}_ratio"] else " " * 7
                for quantity in ("requests_per_s", "cpu_us")
            )
            lines.append(
                f"{phase:18}{server:11}{of['requests_per_s']:8,.0f}{ratio}{of['cpu_us']:8.0f}{cpu_ratio}"
                f"{of['p50_ms']:8.2f}{of['p99_ms']:8.2f}{of['memory_mb']:5.0f}"
                f"         {of['server_cpu']:6.2f}{of['generator_cpu']:6.2f}"
                f"{of['backing_cpu']:7.2f}{of['strangers_cpu']:7.2f}"
                f"  {', '.join(sorted(set(of['bottleneck'])))}{'  INVALID' if of['problems'] else ''}"
            )
    lines.append("")
    lines += [
        f"{'met   ' if t['met'] else 'MISSED'}  {t['what']}: {t['measured']:.3g}, target {t['target']}"
        for t in targets
    ]
    return "\n".join(lines)


def _machine() -> dict[str, Any]:
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def main() -> None:
    """Run all phases, print the table, write `artifacts/bench/gateway.json` and the raw results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of the main phases, 4 minutes")
    parser.add_argument("--no-litellm", action="store_true", help="leave LiteLLM's proxy out")
    parser.add_argument("--output", type=Path, default=Path("artifacts/bench"), help="folder of the results")
    arguments = parser.parse_args()
    began, machine = time.monotonic(), _machine()
    raw = arguments.output / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    programs = servers.build(Path(".tonebridge/bench").absolute())
    rates: dict[str, dict[str, float]] = {}
    growth: dict[str, float] = {}
    without_litellm: str | None = "not asked for"
    with (
        tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state,
        servers.bench(Path(state), programs) as bench,
    ):
        session = Session(bench, arguments.quick, raw)
        compare(session, rounds=1 if arguments.quick else 3)
        session.say("gateway: the steps of a hit")
        by_step = steps.measure(bench)
        hold_connections(session, ("gateway", "twin") if arguments.quick else PEERS)
        if not arguments.quick:
            for name in ("gateway", "twin"):
                with servers.running(bench, name) as server:
                    rates[name] = search_rates(session, server)
                    growth[name] = watch_memory(session, server)
            if not arguments.no_litellm:
                without_litellm = ask_litellm(session)
    session.say("streams: the first token, through the gateway and at BentoML itself")
    streams = streaming.measure(10 if arguments.quick else 40)
    session.say("jobs: our queue, procrastinate and pgqueuer")
    queues = jobs.measure(programs / "jobs", arguments.quick)
    session.say("WebSockets, against FastAPI's")
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state:
        opened = sockets.measure(Path(state), arguments.quick)
    session.say("signatures: CPU of a verification")
    verified = signatures.measure(arguments.quick)
    summary = summarise(session.results)
    targets = judge(summary)
    report = {
        **summary,
        "streams": streams,
        "jobs": queues,
        "sockets": opened,
        "signatures": verified,
        "steps_us": by_step,
        "rates_at_p99": rates,
        "memory_growth_mb_per_min": growth,
        "targets": targets,
        "invalid": [f"{r.server} {r.phase}: {p}" for r in session.results for p in r.problems],
        "litellm_left_out": without_litellm,
        "quick": arguments.quick,
        "machine": machine,
        "seconds": round(time.monotonic() - began),
    }
    path = arguments.output / "gateway.json"
    path.write_text(json.dumps(report, indent=1))
    print("\n" + table(summary, targets))
    print("\nCPU of an L1 hit, by step:\n" + steps.table(by_step, summary["l1_hits"]["gateway"]["cpu_us"]))
    print("\n" + streaming.table(streams))
    print("\n" + "\n".join(jobs.table(queues)))
    print("\n" + "\n".join(sockets.table(opened)))
    print("\n" + "\n".join(signatures.table(verified)))
    for name, found in rates.items():
        print(f"{name}: " + ", ".join(f"{what} {rate:,.0f} req/s" for what, rate in found.items()))
        print(f"{name}: memory grows {growth[name]:.2f} MB a minute")
    if without_litellm is not None:
        print(f"LiteLLM is left out: {without_litellm}")
    print(f"{path}, {report['seconds']} s")


if __name__ == "__main__":
    try:
        main()
    except MissingError as error:
        sys.exit(str(error))
