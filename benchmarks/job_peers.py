"""The peers of `benchmarks.jobs`: procrastinate and pgqueuer, each with its own worker.

`benchmarks.jobs` starts this file with the interpreter of an environment that has these libraries and nothing
of ours: `python -I job_peers.py LIBRARY URL JOBS LIST`. The database is new, and a worker does a `LIST` of
jobs at the same time. It prints one line of JSON: seconds to enqueue the jobs in a transaction each
(`each_s`), to enqueue as many in one call (`enqueue_s`), to do these (`work_s`), and the library's version.
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import asyncpg
import procrastinate
import uvloop
from pgqueuer import AsyncpgDriver, Job, QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode


async def measure_procrastinate(url: str, jobs: int, together: int) -> dict[str, float]:
    """procrastinate, on a pool of psycopg's. Its worker claims jobs singly, and keeps those that are done."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    done = 0

    async def do_nothing(n: int) -> None:
        nonlocal done
        done += 1

    nothing = app.task(name="nothing")(do_nothing)

    async def work() -> None:
        await app.run_worker_async(wait=False, concurrency=together, install_signal_handlers=False)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        began = time.perf_counter()
        for n in range(jobs):
            await nothing.defer_async(n=n)
        each_s = time.perf_counter() - began
        await work()
        began = time.perf_counter()
        await nothing.batch_defer_async(*({"n": n} for n in range(jobs)))
        enqueue_s = time.perf_counter() - began
        began = time.perf_counter()
        await work()
        work_s = time.perf_counter() - began
    assert done == 2 * jobs, f"{done} of {2 * jobs} jobs were done"
    return {"each_s": each_s, "enqueue_s": enqueue_s, "work_s": work_s}


async def measure_pgqueuer(url: str, jobs: int, together: int) -> dict[str, float]:
    """pgqueuer, on one connection of asyncpg's. Its worker claims and ends jobs in lists, and moves those
    that are done to its log.
    """
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    done = 0

    async def do_nothing(job: Job) -> None:
        nonlocal done
        done += 1

    async def work() -> None:
        manager = QueueManager(queries)
        manager.entrypoint("nothing")(do_nothing)
        await manager.run(batch_size=together, mode=QueueExecutionMode.drain)

    began = time.perf_counter()
    for n in range(jobs):
        await queries.enqueue("nothing", b"%d" % n)
    each_s = time.perf_counter() - began
    await work()
    began = time.perf_counter()
    await queries.enqueue(["nothing"] * jobs, [b"%d" % n for n in range(jobs)], [0] * jobs)
    enqueue_s = time.perf_counter() - began
    began = time.perf_counter()
    await work()
    work_s = time.perf_counter() - began
    left = await queries.queue_size()
    await connection.close()
    assert done == 2 * jobs, f"{done} of {2 * jobs} jobs were done"
    assert not left, f"jobs are left: {left}"
    return {"each_s": each_s, "enqueue_s": enqueue_s, "work_s": work_s}


PEERS: dict[str, Callable[[str, int, int], Awaitable[dict[str, float]]]] = {
    "procrastinate": measure_procrastinate,
    "pgqueuer": measure_pgqueuer,
}


async def main(library: str, url: str, jobs: int, together: int) -> None:
    """Measure a library, and print the result."""
    result = await PEERS[library](url, jobs, together)
    print(json.dumps({**result, "version": version(library)}))


if __name__ == "__main__":
    library, url, jobs, together = sys.argv[1:]
    uvloop.run(main(library, url, int(jobs), int(together)))
