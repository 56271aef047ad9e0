"""Runs one phase: sends requests, records the server's resources, and checks the result against the phase."""

import contextlib
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import psycopg

from benchmarks.servers import Bench, Server

_SAMPLE_EVERY_S = 0.1
_FLUSH_TIMEOUT_S = 5.0
_BUSY = 0.9  # share of its core from which a process counts as the bottleneck
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Phase:
    """The requests of a phase: at a `rate` a second, or as fast as the server answers (None)."""

    name: str
    bodies: Path
    connections: int = 64
    rate: int | None = None
    seconds: float = 5.0
    warmup_s: float = 1.0
    requests: int | None = None
    hold: bool = False


@dataclass
class Result:
    """The measurements of a phase, without its warm-up. The server's times cover its process tree.

    `cpu_us` is CPU time per request. `*_cpu` are cores in use: `backing` is Postgres, Valkey and the stub,
    and `strangers` is everything else on the machine. `problems` lists deviations from the phase.
    """

    server: str
    phase: str
    rate: int | None
    requests_per_s: float
    latency_ms: dict[str, float]
    cpu_us: float
    server_cpu: float
    generator_cpu: float
    backing_cpu: float
    strangers_cpu: float
    bottleneck: str
    memory_before_mb: float
    memory_mb: float
    memory_growth_mb_per_min: float
    statuses: dict[str, int]
    errors: dict[str, int]
    cache: dict[str, int]
    unsent: int
    rows: int | None = None
    answered: int = 0
    problems: list[str] = field(default_factory=list)
    generator: dict[str, Any] = field(default_factory=dict)

    @property
    def hit_share(self) -> float:
        """The share of answers from L1 or L2."""
        hits = self.cache.get("l1", 0) + self.cache.get("l2", 0)
        return hits / max(sum(self.cache.values()), 1)

    @property
    def keeps_up(self) -> bool:
        """Whether every scheduled request was sent and answered with 200."""
        return not self.unsent and not self.errors and set(self.statuses) == {"200"}


class _Watch:
    """Samples CPU time and memory of a process tree, and of the machine, until it is stopped."""

    def __init__(self, server: psutil.Process, backing: Sequence[psutil.Process]) -> None:
        self._tree = _tree([server])
        # Keeps the CPU time of each process, because Postgres ends some of its processes meanwhile.
        self._backing = dict.fromkeys(_tree(backing), 0.0)
        self._samples: list[tuple[float, float, float, float, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Watch":
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stopped.wait(_SAMPLE_EVERY_S):
            self._sample()

    def _sample(self) -> None:
        for process in self._backing:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._backing[process] = _cpu_s(process)
        cpu_s, backing_s = sum(map(_cpu_s, self._tree)), sum(self._backing.values())
        memory = sum(process.memory_info().rss for process in self._tree)
        machine = psutil.cpu_times()
        self._samples.append((time.time(), cpu_s, backing_s, memory / 1e6, machine.idle + machine.iowait))

    @property
    def first_memory_mb(self) -> float:
        """Resident memory before the phase, in MB."""
        return self._samples[0][3]

    def between(self, began: float, ended: float) -> "_Seen":
        """The use of resources between two times, in Unix seconds."""
        at, cpu_s, backing_s, memory_mb, idle_s = np.array(self._samples).T

        def cores(seconds: np.ndarray) -> float:
            used = np.interp(ended, at, seconds) - np.interp(began, at, seconds)
            return float(used / (ended - began))

        inside = (at >= began) & (at <= ended)
        late = inside & (at >= (began + ended) / 2)
        slope = np.polyfit(at[late] - began, memory_mb[late], 1)[0] if late.sum() > 2 else 0.0
        return _Seen(
            server=cores(cpu_s),
            backing=cores(backing_s),
            machine=(psutil.cpu_count() or 1) - cores(idle_s),
            memory_mb=float(memory_mb[inside].max(initial=0)),
            growth_mb_per_min=float(slope * 60),
        )


class _Seen(NamedTuple):
    """Cores in use by the server, its backing services and the machine; the server's largest memory, and its
    growth.
    """

    server: float
    backing: float
    machine: float
    memory_mb: float
    growth_mb_per_min: float


def _tree(roots: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def run(bench: Bench, server: Server, phase: Phase, raw: Path) -> Result:
    """Run a phase, and write its measurements to a file in the folder `raw`."""
    command = [
        str(bench.programs / "load"),
        f"-url={server.url}",
        f"-bodies={phase.bodies}",
        f"-connections={phase.connections}",
        f"-rate={phase.rate or 0}",
        f"-seconds={phase.seconds}",
        f"-warmup={phase.warmup_s}",
        f"-requests={phase.requests or 0}",
        f"-hold={'true' if phase.hold else 'false'}",
        *(f"-header={header}" for header in server.headers),
    ]
    has_rows = server.name not in ("nginx", "litellm")
    if has_rows:
        _forget_answers(bench)
    with _Watch(server.process, bench.backing) as watch:
        timeout_s = phase.warmup_s + phase.seconds + 90
        completed = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)  # noqa: S603
    if completed.returncode:
        raise RuntimeError(f"the load generator failed: {completed.stderr}")
    load = json.loads(completed.stdout)
    began, ended = load["began_unix_s"], load["ended_unix_s"]
    usage = watch.between(began, ended)
    seconds, full = ended - began, 0.95 * (psutil.cpu_count() or 1)
    shares = {"server": usage.server, "generator": load["generator_cpu_s"] / seconds}
    busiest = max(shares, key=lambda name: shares[name])
    result = Result(
        server=server.name,
        phase=phase.name,
        rate=phase.rate,
        requests_per_s=0 if phase.hold else load["requests_per_s"],
        latency_ms=load["latency_ms"],
        cpu_us=0 if phase.hold else usage.server * seconds / max(load["requests"], 1) * 1e6,
        server_cpu=usage.server,
        generator_cpu=shares["generator"],
        backing_cpu=usage.backing,
        strangers_cpu=max(usage.machine - usage.backing - sum(shares.values()), 0.0),
        bottleneck=busiest if shares[busiest] > _BUSY else "machine" if usage.machine > full else "waiting",
        memory_before_mb=watch.first_memory_mb,
        memory_mb=usage.memory_mb,
        memory_growth_mb_per_min=usage.growth_mb_per_min,
        statuses=load["statuses"],
        errors=load["errors"],
        cache=load["cache"],
        unsent=load["unsent"],
        answered=load["ok_with_warmup"],
        generator=load,
    )
    if has_rows:
        result.rows = _count_answers(bench, result.answered)
    result.problems = _problems(result, phase)
    path = raw / f"{next(_numbers):03d}-{server.name}-{phase.name}.json"
    path.write_text(json.dumps({"phase": asdict(phase), "result": asdict(result)}, indent=1, default=str))
    return result


def _problems(result: Result, phase: Phase) -> list[str]:
    """The deviations of a result from its phase."""
    problems = []
    refused = {status: n for status, n in result.statuses.items() if status != "200"}
    if refused:
        problems.append(f"statuses {refused}" + (" (429: the rate limit)" if "429" in refused else ""))
    if result.errors:
        problems.append(f"errors {result.errors}")
    if result.unsent:
        problems.append(f"{result.unsent} requests found no free connection: slower than asked")
    if result.rows is not None and result.rows != result.answered:
        problems.append(f"{result.answered} answers, {result.rows} rows")
    if result.rows is None or phase.hold:
        return problems
    claimed = {"l2_hits": "l2", "misses": "miss", "mix": "mix"}.get(phase.name.split("_at_")[0], "l1")
    if claimed == "mix":
        if abs(result.hit_share - 0.85) > 0.015:
            problems.append(f"{result.hit_share:.1%} hits instead of 85 %")
        return problems
    if result.server == "obvious" and claimed == "l1":
        claimed = "l2"  # it has no L1
    if set(result.cache) != {claimed}:
        problems.append(f"cache {result.cache} instead of {claimed} only")
    return problems


def _forget_answers(bench: Bench) -> None:
    assert bench.settings.database_url is not None
    with psycopg.connect(bench.settings.database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE answers")


def _count_answers(bench: Bench, expected: int) -> int:
    """Count the answer rows of a phase. Waits until there are `expected` rows, or until the time limit."""
    assert bench.settings.database_url is not None
    deadline = time.monotonic() + _FLUSH_TIMEOUT_S
    with psycopg.connect(bench.settings.database_url, autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT count(*) FROM answers").fetchone()
            assert row is not None
            if row[0] >= expected or time.monotonic() > deadline:
                return int(row[0])
            time.sleep(0.1)
