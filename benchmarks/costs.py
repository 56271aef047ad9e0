"""What requests cost in commands of Redis and rows of Postgres, for each cost profile, and a day with a
budget of commands: `python -m benchmarks.costs`, 25 minutes (`--quick`: 7). No time is measured.

Real gateways and the real web app run on an empty Postgres and an empty Valkey, with the settings of
deploy/compose/profiles. A stub in this process stands for the inference service. Each phase sends a thousand
requests of one kind, at a fixed rate, as the organisation's plan allows: leases of rates cost by time.

- Commands: as Valkey counts them (`INFO commandstats`), and as our processes do (`/metrics`), which count
  what a script calls at most. Both must agree, but for scripts that call less.
- Rows: inserted, updated and deleted, as Postgres counts them (`pg_stat_user_tables`). Heartbeats are counted
  with the idle minute alone.

The day: three gateways and the web app answer 100,000 requests in a row, with a budget of 10,000 commands.
Gateways are killed and started again meanwhile. Valkey must not have counted more than the budget.
Writes docs/results/costs.json (with `--quick` artifacts/bench/costs.json), and exits with 1 when that fails.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import yaml
from aiohttp import web
from redis import Redis
from sqlalchemy.orm import Session

import configs
from benchmarks import workload
from benchmarks.web import Person, add_people
from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.traffic import answers, routing
from data.traffic.routing import Routing
from pipelines import local
from pipelines.environments import environment
from pipelines.local import Process
from serving import events
from tonebridge.signing import sign

PROFILES = {"free": 1, "growth": 2, "scale": 4}  # and their gateways
BUDGET, DAY = 10_000, 100_000
_FOLDER = configs.ROOT / "deploy" / "compose" / "profiles"
_PATH, _STREAM = "/api/v1/transform", {"Accept": "text/event-stream"}
_PEOPLE = 10
_OWN = {"info", "config|resetstat"}  # commands of the connection that reads the counts
_HEARTBEATS = ("gateways",)
_SHARES = {"cached": 0.8, "new": 0.1, "votes": 0.03, "signed": 0.06, "pages": 0.01}  # of the day's requests
_AT_ONCE = 16


Counted = dict[str, Counter[str]]


class Stub:
    """Stands for the inference service, in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> "Stub":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/rewrite", _rewrite), web.post("/stream", _stream)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"


def _reply(body: Any, items: Sequence[Any]) -> dict[str, Any]:
    metadata = {"facts_missing": [], "tokens": 3, "finished": True}
    written = [{"text": f"Please: {item['text']}", **metadata} for item in items]
    return {"items": written, "version": body["spec"]["version"]}


async def _rewrite(request: web.Request) -> web.Response:
    body = await request.json()
    return web.json_response(_reply(body, body["items"]))


async def _stream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(events.Piece("delta", "Please: ").encode())
    await response.write(events.encode("answer", json.dumps(_reply(body, [body["item"]])).encode()))
    return response


class Installation:
    """Gateways and the web app of a profile, and what has been counted."""

    def __init__(
        self, settings: Settings, key: str, own: Mapping[str, str], gateways: int, plan: str
    ) -> None:
        """`own` are the variables of the profile, `plan` is that of the organisation."""
        self.settings, self.key, self._own = settings, key, own
        self._count = gateways
        self.urls: list[str] = []
        self._gateways: list[Process] = []
        self._stopped: Counter[str] = Counter()  # commands of gateways that were stopped
        assert settings.redis_url is not None
        assert settings.database_url is not None
        self._redis = Redis.from_url(settings.redis_url, protocol=2, driver_info=None)
        self._redis.flushall()
        self._redis.config_resetstat()
        self._redis.info("commandstats")  # connected; what comes is counted
        self._postgres = psycopg.connect(settings.database_url, autocommit=True)
        self._postgres.execute("UPDATE organisations SET plan = %s", (plan,))

    def __enter__(self) -> "Installation":
        for number in range(self._count):
            port = local.free_port(self.settings.gateway_port + 20 + number)
            self.urls.append(f"http://127.0.0.1:{port}")
            self._gateways.append(self._start("gateway", number, port))
        self.web_url = f"http://127.0.0.1:{self.settings.web_port}"
        self._web = self._start("web", 0, self.settings.web_port)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._gateways, self._web):
            process.stop()
        self._redis.close()
        self._postgres.close()

    def _start(self, name: str, number: int, port: int) -> Process:
        env = {**environment(self.settings, name), **self._own, f"TONEBRIDGE_{name.upper()}_PORT": str(port)}
        env["TONEBRIDGE_GATEWAY_URL"] = self.urls[0]
        env["TONEBRIDGE_REDIS_TIMEOUT_S"] = "5"  # a command that takes too long is none, on a busy machine
        # Each person has an address of their own, which a proxy would name.
        env["TONEBRIDGE_TRUSTED_PROXIES"] = '["127.0.0.1"]'
        log = self.settings.state / "logs" / f"{name}-{number}.log"
        process = Process(name, local.command(name, env), env, log)
        ready = "/readyz" if name == "gateway" else "/livez"
        process.wait_until_ready(f"http://127.0.0.1:{port}{ready}")
        return process

    async def restart(self, session: aiohttp.ClientSession, number: int, is_killed: bool) -> None:
        """Kill or stop a gateway, and start it again."""
        self._stopped += await self._ask_process(session, self.urls[number])
        process = self._gateways[number]
        if is_killed:
            os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.stop)
        port = int(self.urls[number].rpartition(":")[2])
        self._gateways[number] = await asyncio.to_thread(self._start, "gateway", number, port)

    async def count(self, session: aiohttp.ClientSession) -> Counted:
        """What has been counted: commands by name (Valkey's), by purpose (ours), and rows by table."""
        ours = self._stopped.copy()
        for url in (*self.urls, self.web_url):
            ours += await self._ask_process(session, url)
        return {"valkey": self.count_by_valkey(), "ours": ours, "rows": await self._count_rows()}

    def count_by_valkey(self) -> Counter[str]:
        """The commands that Valkey has had, by name."""
        stats = self._redis.info("commandstats")
        counts = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
        return Counter({name: calls for name, calls in counts.items() if name not in _OWN})

    async def _ask_process(self, session: aiohttp.ClientSession, url: str) -> Counter[str]:
        token = self.settings.secret("metrics_token")
        async with session.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}) as response:
            text = await response.text()
        series = re.findall(r'^tonebridge_redis_commands_total\{purpose="(\w+)"\} (\S+)$', text, re.MULTILINE)
        assert series, text
        return Counter({purpose: int(float(commands)) for purpose, commands in series})

    async def _count_rows(self) -> Counter[str]:
        """Postgres reports changes up to a second late, and those of idle sessions up to ten seconds."""
        former: Counter[str] | None = None
        same = 0
        while same < 4:
            await asyncio.sleep(1.0)
            rows = self._postgres.execute(
                "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
            ).fetchall()
            now = Counter({_table(name): 0 for name, _ in rows})
            for name, changed in rows:
                now[_table(name)] += changed
            quiet = Counter({name: n for name, n in now.items() if name not in _HEARTBEATS})
            same = same + 1 if quiet == former else 0
            former = quiet
        return now


def _table(name: str) -> str:
    """Partitions of a day count as their table."""
    return re.sub(r"_(p?\d.*|default)$", "", name)


class _Loader(yaml.SafeLoader):
    """Reads Compose's tag for what a file takes away as None."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def load_profile(profile: str) -> dict[str, Any]:
    """The Compose file of a profile."""
    text = (_FOLDER / f"{profile}.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 (it is a safe loader)
    return document


class Client:
    """Sends requests of each kind to the gateways in turn."""

    def __init__(self, session: aiohttp.ClientSession, installation: Installation, run: str) -> None:
        self._session, self._installation = session, installation
        self._random = random.Random(0)
        self._known = workload.known(20)
        self._fresh = workload.fresh(10**9, run)
        self._receipts: list[str] = []
        self._secret: tuple[str, str] = ("", "")
        self._sent = 0
        self.people: list[Person] = []
        self.statuses: dict[str, Counter[int]] = {}

    @property
    def _url(self) -> str:
        self._sent += 1
        urls = self._installation.urls
        return urls[self._sent % len(urls)]

    async def prepare(self, engine: Any) -> None:
        """Fill the caches, make a secret, and sign people in."""
        for url in self._installation.urls:
            for body in self._known:
                assert await self._post("warm", url, body, {}) == 200
        key_id = self._installation.key.split("_")[1]
        address = f"{self._installation.urls[0]}/api/v1/keys/{key_id}/secrets"
        async with self._session.post(address, headers={"X-API-Key": self._installation.key}) as response:
            made = await response.json()
            assert response.status == 201, made
        self._secret = made["id"], made["secret"]
        for number, email in enumerate(add_people(engine, self._installation.settings.organisation, _PEOPLE)):
            person = Person(self._installation.web_url, email, number)
            self.people.append(person)
            await person.sign_in()

    async def close(self) -> None:
        """Close what people have open."""
        for person in self.people:
            await person.session.close()

    async def _post(
        self, kind: str, url: str, body: bytes, headers: dict[str, str], path: str = _PATH
    ) -> int:
        """The status of an answer; 0 when the gateway was killed, or is not back."""
        named = {"X-API-Key": self._installation.key, "Content-Type": "application/json", **headers}
        try:
            async with self._session.post(url + path, data=body, headers=named) as response:
                status, text = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0
        if kind == "new" and status == 200:
            self._receipts.append(json.loads(text)["receipt"])
        self.statuses.setdefault(kind, Counter())[status] += 1
        return status

    async def _send(
        self, kind: str, body: bytes, headers: dict[str, str], path: str = _PATH, is_signed: bool = False
    ) -> None:
        """Send to one gateway after the other until one answers, as a load balancer does."""
        for _ in range(2 * len(self._installation.urls)):
            url = self._url
            signature = sign("POST", url + path, body, *self._secret) if is_signed else {}
            if await self._post(kind, url, body, {**headers, **signature}, path):
                return
        self.statuses.setdefault(kind, Counter())[0] += 1

    async def cached(self) -> None:
        """A rewrite that L1 has."""
        await self._send("cached", self._random.choice(self._known), {})

    async def new(self) -> None:
        """A rewrite that nobody has."""
        await self._send("new", next(self._fresh), {})

    async def streams(self) -> None:
        """The same as a stream."""
        await self._send("streams", next(self._fresh), _STREAM)

    async def votes(self) -> None:
        """A vote on a rewrite that nobody has voted on."""
        vote = {"receipt": self._receipts.pop(), "kind": "thumb", "up": True}
        await self._send("votes", json.dumps(vote).encode(), {}, "/api/v1/feedback")

    async def signed(self) -> None:
        """A cached rewrite, by a signed request."""
        await self._send("signed", self._random.choice(self._known), {}, is_signed=True)

    async def pages(self) -> None:
        """A page of the web app, of somebody who has signed in."""
        person = self.people[self._sent % len(self.people)]
        self._sent += 1
        status = 0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with person.session.get("/rewrite") as response:
                status = response.status
                await response.read()
        self.statuses.setdefault("pages", Counter())[status] += 1


async def send(do: Callable[[], Awaitable[None]], requests: int, per_s: float) -> None:
    """Send requests at a rate, at most `_AT_ONCE` at once."""
    began, gate = time.monotonic(), asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with gate:
            await do()

    tasks = []
    for number in range(requests):
        await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)


def _difference(after: Counted, before: Counted) -> dict[str, dict[str, int]]:
    changed: dict[str, dict[str, int]] = {}
    for kind, counts in after.items():
        grown = {name: count - before[kind][name] for name, count in sorted(counts.items())}
        changed[kind] = {name: count for name, count in grown.items() if count}
    return changed


@contextlib.contextmanager
def installed(
    profile: str, gateways: int, plan: str, budget: int | None = None
) -> Iterator[tuple[Installation, Any]]:
    """An installation of a profile, on empty servers; `budget` in place of that of the profile."""
    with tempfile.TemporaryDirectory() as folder, Stub() as stub:
        requested = Settings(state=Path(folder), artifacts=Path(folder), database_url=None, redis_url=None)
        with local.servers(local.with_free_ports(requested)) as settings:
            assert settings.database_url is not None
            engine = database.engine(settings.database_url)
            key = identities.bootstrap(engine, None)
            assert key is not None, "the database is new"
            with Session(engine) as session, session.begin():
                routing.publish(session, Routing(champion=Spec(version="v1")), "benchmark")
            asyncio.run(answers.ensure_partitions(settings.database_url, datetime.now(UTC).date()))
            reached = settings.model_copy(update={"inference_urls": (stub.url,)})
            own = dict(load_profile(profile)["x-settings"])
            if budget is not None:
                own["TONEBRIDGE_REDIS_COMMANDS_A_DAY"] = str(budget)
            with Installation(reached, key, own, gateways, plan) as installation:
                yield installation, engine
            engine.dispose()


@contextlib.asynccontextmanager
async def client_of(installation: Installation, engine: Any, run: str) -> AsyncIterator[tuple[Any, Client]]:
    """A client that is ready, and its session."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        client = Client(session, installation, run)
        try:
            await client.prepare(engine)
            yield session, client
        finally:
            await client.close()


async def measure(installation: Installation, engine: Any, profile: str, requests: int) -> dict[str, Any]:
    """What each kind of request costs, for so many, and an idle minute."""
    async with client_of(installation, engine, profile) as (session, client):
        counts: dict[str, Any] = {"start": _difference(await installation.count(session), _NOTHING)}
        kinds = {
            "cached": client.cached, "new": client.new, "votes": client.votes, "streams": client.streams,
            "signed": client.signed, "pages": client.pages,
        }  # fmt: skip
        for kind, do in kinds.items():
            before = await installation.count(session)
            await send(do, requests, 40)
            counts[kind] = _difference(await installation.count(session), before)
            for table in _HEARTBEATS:
                counts[kind]["rows"].pop(table, None)
            good = {200, 201}
            assert set(client.statuses[kind]) <= good, (kind, client.statuses[kind])
        before, began = await installation.count(session), time.monotonic()
        await asyncio.sleep(60)
        idle = _difference(await installation.count(session), before)
        idle["seconds"] = {"": round(time.monotonic() - began)}
        counts["idle"] = idle
        for kind, counted in counts.items():
            valkey, ours, rows = (sum(counted[by].values()) for by in ("valkey", "ours", "rows"))
            print(f"  {profile:<8}{kind:<8}{valkey:>7} commands (ours {ours})  {rows:>6} rows", flush=True)
            notices = counted["ours"].get("notices", 0)
            # A blocked read is counted by us when it is sent, and by Valkey when it returns.
            assert valkey - len(installation.urls) <= ours <= valkey + notices // 2 + 2, (kind, counted)
        return counts


_NOTHING: Counted = {"valkey": Counter(), "ours": Counter(), "rows": Counter()}


async def live_a_day(
    installation: Installation, engine: Any, requests: int, budget: int, restarts: int
) -> dict[str, Any]:
    """A day's requests with the budget, while gateways are killed and started again."""
    async with client_of(installation, engine, "day") as (session, client):
        kinds = [getattr(client, kind) for kind in _SHARES]
        left = iter(random.Random(1).choices(kinds, list(_SHARES.values()), k=requests))
        await send(client.new, 200, 200)  # what is voted on first
        so_far: list[int] = []
        began = datetime.now(UTC).date()

        async def send_next() -> None:
            await next(left)()

        for part in range(restarts):
            working = asyncio.create_task(send(send_next, requests // restarts, 2000))
            await asyncio.sleep(1.0)
            await installation.restart(session, part % len(installation.urls), is_killed=part % 2 == 0)
            await working
            so_far.append(sum(installation.count_by_valkey().values()))
            print(f"  {(part + 1) * requests // restarts:>7} requests  {so_far[-1]:>6} commands", flush=True)
        counted = await installation.count(session)
        if datetime.now(UTC).date() != began:
            raise SystemExit("the day ended meanwhile, and another budget began: run it again")
        return {
            "requests": requests,
            "gateways": len(installation.urls),
            "restarts": restarts,
            "budget": budget,
            "commands": sum(counted["valkey"].values()),
            "commands_so_far": so_far,
            "by_purpose": dict(counted["ours"]),
            "by_command": dict(counted["valkey"]),
            "statuses": {kind: dict(counts) for kind, counts in client.statuses.items()},
        }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    quick = parser.parse_args().quick
    results: dict[str, Any] = {"requests": 100 if quick else 1000, "profiles": {}}
    day = DAY // 10 if quick else DAY
    budget = BUDGET // 10 if quick else BUDGET
    with installed("free", 3, "scale", budget) as (installation, engine):
        results["day"] = asyncio.run(live_a_day(installation, engine, day, budget, 5 if quick else 20))
    for profile, gateways in PROFILES.items():
        with installed(profile, gateways, "team") as (installation, engine):
            results["profiles"][profile] = {
                "gateways": gateways,
                "settings": load_profile(profile)["x-settings"],
                **asyncio.run(measure(installation, engine, profile, results["requests"])),
            }
    folder = configs.ROOT / ("artifacts/bench" if quick else "docs/results")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "costs.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if results["day"]["commands"] > budget:
        raise SystemExit(f"{results['day']['commands']} commands are more than the budget of {budget}")


if __name__ == "__main__":
    main()
