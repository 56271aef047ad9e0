"""The queue against procrastinate and pgqueuer: `python -m benchmarks.jobs [--quick]`, two minutes; a part of
`make bench-gateway`.

Jobs that do nothing are enqueued, and one worker of each queue does them, on one Postgres; the queues take
turns. Of our queue alone: how long a claim takes while 100,000 jobs wait, and how long a large batch takes.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from psycopg import AsyncConnection, sql
from tqdm import tqdm

from benchmarks import servers
from benchmarks.servers import MissingError
from configs.settings import Settings
from data import database
from data.database import transaction_of
from data.jobs import config, listing
from data.jobs import queue as jobs
from data.jobs.queue import ClaimedJob, Kind, NewJob
from data.tables import GATEWAY_LOGIN, new_id
from pipelines import local
from serving.worker.loop import Work, Worker

PACKAGES = ("procrastinate==3.10.0", "pgqueuer[asyncpg]==1.6.0", "psycopg[binary,pool]>=3.3")
PEERS = ("procrastinate", "pgqueuer")
JOBS = 2_000
WAITING = 100_000
ORGANISATIONS = (50, 1)  # that the waiting jobs belong to, equally many each
CLAIMS = 200
BATCH = 10_000  # messages
ROUNDS = 3
_PEERS_FILE = Path(__file__).parent / "job_peers.py"
_REQUESTED_BY = "benchmark"
_PAYLOAD = {
    "text": "Could you have a look at the pull request before the release on Thursday? " * 3,
    "transform_type": "clarify",
    "intensity": 2,
}


class _Nothing:
    """A handler whose jobs do nothing. It stops its worker after so many of them."""

    stop: Callable[[], None]
    lists_at_once = most_attempts = 1
    is_ready = True

    def __init__(self, count: int, most: int) -> None:
        self._left, self.most = count, most

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        return Work([(job, {}) for job in claimed], [], self._store, self._count)

    async def _store(self, connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
        pass

    def _count(self, held: Collection[uuid.UUID]) -> None:
        self._left -= len(held)
        if self._left == 0:
            self.stop()


class Queue:
    """Our queue in a database: the owner's URL empties it, and the gateway's login uses it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        self.owner = settings.database_url
        self.url = database.replace_login(self.owner, GATEWAY_LOGIN, settings.secret("database_password"))
        self.config = config.load()

    def execute(self, query: str, *values: object) -> None:
        """Run a statement as the owner of the tables."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(query.encode(), values)

    def empty(self, organisations: int) -> list[uuid.UUID]:
        """Delete all jobs, and add new organisations with the largest plan."""
        self.execute("TRUNCATE job_files, jobs, job_batches")
        ids = [uuid.uuid4() for _ in range(organisations)]
        self.execute(
            "INSERT INTO organisations (id, name, plan) SELECT id, id::text, 'scale' FROM unnest(%s) id", ids
        )
        return ids

    def connect(self) -> Any:
        """A connection of the gateway's login, in autocommit, as a context manager."""
        return AsyncConnection.connect(self.url, autocommit=True)

    async def work(self, count: int) -> float:
        """Seconds that a worker needs for so many jobs, up to its end."""
        handler = _Nothing(count, self.config.list_jobs)
        async with database.online_pool(self.url) as pool:
            worker = Worker(pool, self.url, {Kind.REWRITE: handler}, self.config)
            handler.stop = worker.stop
            began = time.perf_counter()
            await worker.run()
            return time.perf_counter() - began


def make_jobs(count: int, prefix: str = "") -> list[NewJob]:
    """Jobs with the numbers from 0 as payload; those of two prefixes are not equal work."""
    return [NewJob(Kind.REWRITE, {"n": n}, f"{prefix}{n}") for n in range(count)]


async def measure_ours(queue: Queue, count: int) -> dict[str, float]:
    """What `job_peers` measures, of our queue."""
    (organisation,) = queue.empty(1)
    async with await queue.connect() as connection:
        began = time.perf_counter()
        for job in make_jobs(count, "each:"):
            async with transaction_of(connection, organisation):
                await jobs.enqueue(connection, organisation, _REQUESTED_BY, [job])
        each_s = time.perf_counter() - began
        await queue.work(count)
        new = make_jobs(count)
        began = time.perf_counter()
        async with transaction_of(connection, organisation):
            await jobs.enqueue(connection, organisation, _REQUESTED_BY, new)
        enqueue_s = time.perf_counter() - began
    return {"each_s": each_s, "enqueue_s": enqueue_s, "work_s": await queue.work(count)}


def measure_peer(peer: str, python: Path, queue: Queue, count: int) -> dict[str, Any]:
    """The measurement of a library in a process and a database of its own."""
    name = sql.Identifier(f"peer_{peer}")
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
    with psycopg.connect(queue.owner, autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        url = database.replace_database(queue.owner, f"peer_{peer}", "postgresql")
        arguments = [peer, url, str(count), str(queue.config.list_jobs)]
        command = [str(python), "-I", str(_PEERS_FILE), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        connection.execute(drop)
    if ended.returncode:
        raise RuntimeError(f"{peer} failed: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


async def measure_claims(queue: Queue, organisations: int, waiting: int) -> dict[str, list[float]]:
    """Milliseconds of each claim and of each end of the claimed jobs, while so many jobs wait."""
    config, worker_id = queue.config, new_id()
    caps = {name: plan.running for name, plan in config.plans}
    claim_ms, finish_ms = [], []
    async with await queue.connect() as connection:
        for organisation in queue.empty(organisations):
            new = [job._replace(payload=_PAYLOAD) for job in make_jobs(waiting // organisations)]
            async with transaction_of(connection, organisation):
                await jobs.enqueue(connection, organisation, _REQUESTED_BY, new)
        queue.execute("VACUUM ANALYZE jobs")  # as autovacuum does
        for _ in range(CLAIMS):
            began = time.perf_counter()
            claimed = await jobs.claim(
                connection, worker_id, Kind.REWRITE, config.lease_s, config.list_jobs, caps
            )
            claim_ms.append(round((time.perf_counter() - began) * 1e3, 3))
            assert len(claimed) == config.list_jobs, "more jobs wait than are claimed"
            began = time.perf_counter()
            async with transaction_of(connection, claimed[0].organisation_id):
                await jobs.finish(connection, worker_id, [(job, {}) for job in claimed])
            finish_ms.append(round((time.perf_counter() - began) * 1e3, 3))
    return {"claim_ms": claim_ms, "finish_ms": finish_ms}


async def measure_batch(queue: Queue, messages: int) -> float:
    """Seconds to enqueue a batch of so many messages, as the API does it."""
    (organisation,) = queue.empty(1)
    new = [job._replace(payload=_PAYLOAD) for job in make_jobs(messages)]
    async with await queue.connect() as connection:
        began = time.perf_counter()
        async with transaction_of(connection, organisation):
            batch_id = await jobs.enqueue_batch(connection, organisation, _REQUESTED_BY, new, b"digest")
            (batch,) = await listing.list_batches(connection, batch_id=batch_id)
        batch_s = time.perf_counter() - began
    assert batch.waiting == messages
    return batch_s


def measure(folder: Path, quick: bool = False) -> dict[str, Any]:
    """All measurements, each `ROUNDS` times. `folder` gets the environment of the peers; when they cannot be
    installed, `peers_left_out` says why.
    """
    count, waiting = (JOBS // 4, WAITING // 5) if quick else (JOBS, WAITING)
    left_out: str | None = None
    load_before = os.getloadavg()[0]
    try:
        servers.install(folder, *PACKAGES)
    except MissingError as error:
        left_out = str(error)
    python = (folder / "bin" / "python").absolute()
    rounds: dict[str, list[dict[str, Any]]] = {}
    claims: dict[int, list[dict[str, list[float]]]] = {number: [] for number in ORGANISATIONS}
    batches_s = []
    state = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
    requested = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
    try:
        with local.servers(local.with_free_ports(requested)) as settings:
            queue = Queue(settings)
            measured: dict[str, Callable[[], dict[str, Any]]] = {
                "ours": lambda: uvloop.run(measure_ours(queue, count))
            }
            for peer in PEERS if left_out is None else ():
                measured[peer] = partial(measure_peer, peer, python, queue, count)
            steps = ROUNDS * (len(measured) + len(ORGANISATIONS) + 1)
            with tqdm(total=steps, desc="queues", unit="measurement", disable=None) as bar:
                for _ in range(ROUNDS):
                    for name, function in measured.items():
                        rounds.setdefault(name, []).append(function())
                        bar.update()
                for _ in range(ROUNDS):
                    for organisations in ORGANISATIONS:
                        claims[organisations].append(
                            uvloop.run(measure_claims(queue, organisations, waiting))
                        )
                        bar.update()
                for _ in range(ROUNDS):
                    batches_s.append(uvloop.run(measure_batch(queue, BATCH)))
                    bar.update()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return {
        "jobs": count,
        "queues": {name: _summarise(runs, count, rounds["ours"]) for name, runs in rounds.items()},
        "claims": [_summarise_claims(number, waiting, runs) for number, runs in claims.items()],
        "batch": {
            "messages": BATCH,
            "enqueue_s": statistics.median(batches_s),
            "messages_per_s": BATCH / statistics.median(batches_s),
        },
        "raw": {"rounds": rounds, "claims": claims, "batches_s": batches_s},
        "load_before": load_before,
        "peers_left_out": left_out,
        "quick": quick,
    }


def _summarise(
    runs: Sequence[dict[str, Any]], count: int, ours: Sequence[dict[str, Any]]
) -> dict[str, float]:
    """Medians over the rounds; jobs a second; and the medians of the rounds' ratios, our jobs a second over
    the peer's.
    """
    row = {}
    for name in ("each_s", "enqueue_s", "work_s"):
        row[name] = statistics.median(run[name] for run in runs)
        row[f"{name.removesuffix('_s')}_per_s"] = count / row[name]
        row[f"{name.removesuffix('_s')}_ratio"] = statistics.median(
            theirs[name] / own[name] for theirs, own in zip(runs, ours, strict=True)
        )
    return row


def _summarise_claims(
    organisations: int, waiting: int, runs: Sequence[dict[str, list[float]]]
) -> dict[str, float]:
    """The medians over the rounds of each round's median and 99th percentile."""
    row: dict[str, float] = {"organisations": organisations, "waiting": waiting}
    for name in ("claim_ms", "finish_ms"):
        percentiles = [statistics.quantiles(run[name], n=100, method="inclusive") for run in runs]
        row[f"{name}_p50"] = statistics.median(row[49] for row in percentiles)
        row[f"{name}_p99"] = statistics.median(row[98] for row in percentiles)
    return row


def table(report: dict[str, Any]) -> Iterator[str]:
    """The printed tables, in Markdown; a ratio is our jobs a second over the peer's."""
    yield f"{report['jobs']:,} jobs that do nothing, by one worker:"
    yield (
        "| queue | enqueue singly, s | jobs/s | ratio | enqueue in one call, s | jobs/s | ratio "
        "| work off, s | jobs/s | ratio |"
    )
    yield "|" + "---|" * 10
    for name, row in report["queues"].items():
        cells = [
            f"{row[f'{part}_s']:.3f} | {row[f'{part}_per_s']:,.0f} | {row[f'{part}_ratio']:.2f}"
            for part in ("each", "enqueue", "work")
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "| waiting jobs | organisations | claim of a list, ms: median | p99 | its end, ms: median | p99 |"
    yield "|" + "---|" * 6
    for row in report["claims"]:
        yield (
            f"| {row['waiting']:,} | {row['organisations']} | {row['claim_ms_p50']:.2f} "
            f"| {row['claim_ms_p99']:.2f} | {row['finish_ms_p50']:.2f} | {row['finish_ms_p99']:.2f} |"
        )
    yield ""
    batch = report["batch"]
    yield (
        f"A batch of {batch['messages']:,} messages is enqueued in {batch['enqueue_s']:.2f} s: "
        f"{batch['messages_per_s']:,.0f} a second."
    )
    if report["peers_left_out"]:
        yield f"procrastinate and pgqueuer are left out: {report['peers_left_out']}"


def main() -> None:
    """Measure, print the tables, and write them with the raw results to `artifacts/bench/jobs.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the jobs, a fifth of those that wait"
    )
    report = measure(Path(".tonebridge/bench/jobs"), parser.parse_args().quick)
    file = Path("artifacts/bench/jobs.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
    print("\n".join(table(report)))


if __name__ == "__main__":
    main()
