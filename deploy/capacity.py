"""Measures what a gateway answers with the limits of small machines, in containers: `make capacity`.

    python -m deploy.capacity                # after make images; needs podman and Go
    python -m deploy.capacity --seconds 2    # at each rate, in place of 5

For each machine it starts the gateway with that machine's CPU and memory, and sends requests at a fixed rate,
in steps, until they are no longer answered in time. Cached rewrites are answered by the gateway alone, new
ones by the inference service, too. Postgres, Valkey, the inference service and the callers are on the same
machine as the gateway, so its limit of CPU is an upper one: the figures are what it answers at least. Only
loopback has published ports. Writes `docs/results/capacity.json`.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks import servers, workload
from benchmarks.servers import MissingError
from deploy import engine, residents, trial
from deploy.catalog import IMAGES, ROOT, name_of
from deploy.engine import CommandFailedError
from deploy.trial import Installation, Service

RESULTS = ROOT / "docs" / "results" / "capacity.json"
_KNOWN = 2_000  # texts that are asked for again and again: less than the gateway's memory holds
_CONNECTIONS = 32


class Machine(NamedTuple):
    """Limits of a gateway's container."""

    name: str
    cpus: float
    memory: str
    has_redis: bool


# A T3 with used-up credits has a baseline: 10 % of each of its two cores (micro), 20 % (medium), by Amazon's
# documentation. A quarter of the memory is left to the operating system and what else runs there.
MACHINES = (
    Machine("t3.micro", 2, "768m", has_redis=False),
    Machine("t3.micro without credits", 0.2, "768m", has_redis=False),
    Machine("t3.medium, c6g.large", 2, "3g", has_redis=True),
    Machine("t3.medium without credits", 0.4, "3g", has_redis=True),
)


class Traffic(NamedTuple):
    """Requests of a kind: rates to try, and the p99 up to which they count as answered in time."""

    name: str
    rates: tuple[int, ...]
    bound_ms: float


TRAFFIC = (
    Traffic("cached", (50, 100, 200, 500, 1000, 2000, 4000, 8000), bound_ms=50),
    Traffic("new", (5, 10, 20, 50, 100, 200), bound_ms=1000),
)


@dataclass
class Step:
    """What was seen at a rate."""

    rate: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the gateway, for each request
    statuses: dict[str, int]
    unsent: int
    in_time: bool


@dataclass
class Capacity:
    """What a gateway answered with the limits of a machine."""

    machine: str
    cpus: float
    memory: str
    has_redis: bool
    load_before: float  # of this machine, the average of a minute
    ready_s: float | None
    idle_mb: float
    most_mb: float
    steps: dict[str, list[Step]]

    def best(self, traffic: str) -> Step | None:
        """The highest rate that was answered in time; None when not even the lowest was."""
        in_time = [step for step in self.steps[traffic] if step.in_time]
        return in_time[-1] if in_time else None


def measure(images: dict[str, str], programs: Path, seconds: float) -> Iterator[Capacity]:
    """Start an installation, release a version, and measure a gateway with the limits of each machine."""
    by_process = {service.process: service for service in trial.SERVICES}
    runs = itertools.count()
    with trial.installation_of(images) as installation:
        for process in ("prefect", "mlflow", "inference"):
            installation.start(by_process[process])
        installation.release()
        for process in ("prefect", "mlflow"):  # they would only take CPU from now on
            engine.podman("rm", "--force", trial.container_of(process))
        for machine in MACHINES:
            lacks = () if machine.has_redis else ("TONEBRIDGE_REDIS_URL",)
            limited = by_process["gateway"]._replace(memory=machine.memory, cpus=machine.cpus, lacks=lacks)
            yield _of_machine(installation, machine, limited, programs, seconds, runs)
            engine.podman("rm", "--force", "--time", "5", trial.container_of("gateway"))


def _of_machine(
    installation: Installation,
    machine: Machine,
    service: Service,
    programs: Path,
    seconds: float,
    runs: Iterator[int],
) -> Capacity:
    load_before = os.getloadavg()[0]
    resident = installation.start(service)
    idle_mb, _ = residents.memory_mb(trial.container_of("gateway"))
    steps = {
        traffic.name: list(_climb(installation, traffic, programs, seconds, runs)) for traffic in TRAFFIC
    }
    _, most_mb = residents.memory_mb(trial.container_of("gateway"))
    limits = (machine.name, machine.cpus, machine.memory, machine.has_redis)
    return Capacity(*limits, round(load_before, 2), resident.ready_s, idle_mb, most_mb, steps)


def _climb(
    installation: Installation, traffic: Traffic, programs: Path, seconds: float, runs: Iterator[int]
) -> Iterator[Step]:
    """The steps up to the first rate that is too much."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        if traffic.name == "cached":
            workload.write(workload.known(_KNOWN), bodies)
            # So many, and some more, that each of them has been made once.
            _send(installation, programs, bodies, ["-requests", str(_KNOWN + 500), "-seconds", "120"])
        for rate in traffic.rates:
            if traffic.name == "new":
                count = int(rate * (seconds + 2)) + 10
                workload.write(workload.fresh(count, f"capacity-{next(runs)}"), bodies)
            step = _step(installation, traffic, rate, programs, bodies, seconds)
            yield step
            if not step.in_time:
                return


def _step(
    installation: Installation, traffic: Traffic, rate: int, programs: Path, bodies: Path, seconds: float
) -> Step:
    gateway = psutil.Process(
        int(engine.podman("inspect", "--format", "{{.State.Pid}}", trial.container_of("gateway")))
    )
    before = gateway.cpu_times()
    load = _send(installation, programs, bodies, ["-rate", str(rate), "-seconds", str(seconds)])
    after = gateway.cpu_times()
    answered = max(load["ok_with_warmup"], 1)
    latency = load["latency_ms"]
    used_s = after.user + after.system - before.user - before.system
    fine = set(load["statuses"]) == {"200"} and not load["errors"] and not load["unsent"]
    step = Step(
        rate,
        round(load["requests_per_s"], 1),
        latency["p50"],
        latency["p99"],
        round(used_s / answered * 1e6),
        load["statuses"],
        load["unsent"],
        fine and latency["p99"] <= traffic.bound_ms,
    )
    outcome = "in time" if step.in_time else "too much"
    print(f"    {traffic.name:<8}{rate:>6}/s  p99 {step.p99_ms:>8.1f} ms  {outcome}", flush=True)
    return step


def _send(installation: Installation, programs: Path, bodies: Path, options: list[str]) -> dict[str, Any]:
    """The report of the load generator. CommandFailedError when it fails."""
    command = [
        *(str(programs / "load"), "-url", f"{installation.url('gateway')}/api/v1/transform"),
        *("-bodies", str(bodies), "-connections", str(_CONNECTIONS), "-warmup", "1"),
        *("-header", f"X-API-Key: {installation.key}", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandFailedError(f"the load generator failed: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def table(capacities: Sequence[Capacity]) -> list[str]:
    """The rows of the page's table."""
    lines = [
        "| machine | CPU, memory of the gateway | cached/s, p99 | new/s, p99 | CPU µs: cached, new | MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in capacities:
        cells, cpu = [], []
        for traffic in TRAFFIC:
            best = row.best(traffic.name)
            lowest = f"under {traffic.rates[0]}"
            cells.append(f"{best.rate:,}, {best.p99_ms:.1f} ms" if best else lowest)
            cpu.append(f"{best.cpu_us:,.0f}" if best else "-")
        limits = f"{row.cpus:g}, {row.memory}, {'L1 and Valkey' if row.has_redis else 'L1 only'}"
        cells = [row.machine, limits, *cells, ", ".join(cpu), f"{row.most_mb:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the results; exits with 1 when something is missing."""
    parser = argparse.ArgumentParser(description="Measures a gateway with the limits of small machines.")
    parser.add_argument("--seconds", type=float, default=5.0, help="at each rate; 5 by default")
    chosen = parser.parse_args(arguments)
    try:
        programs = servers.build(ROOT / "artifacts" / "bench" / "programs")
        images = {name: name_of(name) for name in IMAGES}
        capacities: list[Capacity] = []
        for capacity in measure(images, programs, chosen.seconds):
            capacities.append(capacity)
            _write(capacities, chosen.seconds)
    except (CommandFailedError, MissingError, OSError) as error:
        raise SystemExit(str(error)) from error
    print("\n".join(["", *table(capacities)]))


def _write(capacities: Sequence[Capacity], seconds: float) -> None:
    """Write what was measured so far: on a busy machine it may take long."""
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "seconds": seconds,
        "bounds_ms": {traffic.name: traffic.bound_ms for traffic in TRAFFIC},
        "machines": [asdict(row) for row in capacities],
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
