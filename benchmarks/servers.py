"""The servers of the comparison. Each is one process and uses the same Postgres, Valkey and stub."""

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.tables import Experiment
from data.traffic import answers, routing
from data.traffic.routing import Arm, Routing, Split
from pipelines import local
from pipelines.environments import environment
from pipelines.local import Process

PROGRAMS = ("load", "twin", "upstream")
LITELLM = "litellm[proxy]==1.108.7"
_APT = (
    "apt-get install golang-go golang-github-valyala-fasthttp-dev golang-github-valyala-fastjson-dev"
    " golang-github-gomodule-redigo-dev golang-github-jackc-pgx-v4-dev golang-golang-x-crypto-dev nginx-light"
)
_HERE = Path(__file__).parent
_GO_SOURCES = "/usr/share/gocode"


class MissingError(RuntimeError):
    """A program that the benchmark needs is not installed. The message says how to install it."""


@dataclass(frozen=True)
class Bench:
    """Shared by all servers: settings with the addresses of backing services, API key, compiled programs."""

    settings: Settings
    api_key: str
    programs: Path
    backing: tuple[psutil.Process, ...]  # Postgres, Valkey and the stub


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    headers: tuple[str, ...]
    process: psutil.Process


def build(folder: Path) -> Path:
    """Compile the Go programs into a folder. Raises MissingError without Go, its libraries or nginx."""
    go, nginx = shutil.which("go"), shutil.which("nginx")
    if go is None or nginx is None:
        raise MissingError(f"the benchmark needs Go and nginx; on Debian: {_APT}")
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": _GO_SOURCES}  # Debian's packages, no module proxy
    for name in PROGRAMS:
        command = [go, "build", "-o", str(folder / name), f"./{name}"]
        built = subprocess.run(command, cwd=_HERE, env=env, capture_output=True, text=True)  # noqa: S603
        if built.returncode:
            raise MissingError(f"benchmarks/{name} does not compile; on Debian: {_APT}\n{built.stderr}")
    return folder


@contextlib.contextmanager
def bench(state: Path, programs: Path) -> Iterator[Bench]:
    """Context manager: starts Postgres, Valkey and the stub, with a two-arm experiment and an API key."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # child processes inherit it
    requested = Settings(state=state, artifacts=state / "artifacts", database_url=None, redis_url=None)
    with local.servers(local.with_free_ports(requested)) as settings:
        assert settings.database_url is not None
        engine = database.engine(settings.database_url)
        key = identities.bootstrap(engine, None)
        assert key is not None, "the benchmark's database is new"
        _release(engine)
        engine.dispose()
        asyncio.run(answers.ensure_partitions(settings.database_url, datetime.now(UTC).date()))
        stub = Process(
            "upstream",
            [str(programs / "upstream"), "-listen", _address(settings.inference_urls[0])],
            {},
            state / "logs" / "upstream.log",
        )
        try:
            stub.wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            pids = (_postgres_pid(settings), _valkey_pid(settings), stub.pid)
            yield Bench(settings, key, programs, tuple(psutil.Process(pid) for pid in pids))
        finally:
            stub.stop()


def _release(engine: Engine) -> None:
    """Publish an experiment with two arms of one spec: users are assigned, and the arms share the cache."""
    spec, experiment_id = Spec(version="v1"), uuid.uuid4()
    arms = tuple(Arm(name=name, weight=0.5, spec=spec) for name in ("champion", "challenger"))
    with Session(engine) as session, session.begin():
        session.add(
            Experiment(
                id=experiment_id, name="bench", hypothesis="none", plan={}, salt="bench", status="running"
            )
        )
        session.flush()
        split = Split(experiment_id=experiment_id, salt="bench", arms=arms)
        routing.publish(session, Routing(champion=spec, experiments=(split,)), "benchmark")


def _postgres_pid(settings: Settings) -> int:
    return int((settings.state / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def _valkey_pid(settings: Settings) -> int:
    assert settings.redis_url is not None
    with redis.Redis.from_url(settings.redis_url) as client:
        return int(client.info("server")["process_id"])


def _address(url: str) -> str:
    return urlsplit(url).netloc


@contextlib.contextmanager
def running(bench: Bench, name: str) -> Iterator[Server]:
    """Context manager: starts a server of benchmarks/README.md, waits until it is ready, and stops it."""
    settings = bench.settings
    env = environment(settings)
    address = _address(settings.gateway_url)
    path, ready, headers = "/api/v1/transform", "/livez", (f"X-API-Key: {bench.api_key}",)
    if name == "gateway":
        env = environment(settings, "gateway")
        command, ready = local.command("gateway", env), "/readyz"
    elif name in ("twin", "twin_alone"):
        assert settings.database_url is not None
        assert settings.redis_url is not None
        command = [
            str(bench.programs / "twin"),
            f"-listen={address}",
            f"-database={settings.database_url}",
            f"-redis={settings.redis_url}",
            f"-upstream={_address(settings.inference_urls[0])}",
            f"-receipt-secret={settings.secret('receipt_secret')}",
            f"-alone={str(name == 'twin_alone').lower()}",
        ]
    elif name == "obvious":
        command = [sys.executable, "-m", "benchmarks.obvious"]
    elif name == "nginx":
        command = ["nginx", "-p", str(settings.state), "-c", str(_nginx(settings)), "-e", "/dev/stderr"]
    elif name == "litellm":
        path, ready, headers = (
            "/v1/chat/completions",
            "/health/liveliness",
            ("Authorization: Bearer sk-bench",),
        )
        command = [
            str(_litellm_folder(bench) / "bin" / "litellm"),
            f"--config={_litellm_config(settings)}",
            "--host=127.0.0.1",
            f"--port={settings.gateway_port}",
            "--num_workers=1",
        ]
        env = {**env, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    else:
        raise ValueError(f"no server is named {name!r}")
    process = Process(name, command, env, settings.state / "logs" / f"{name}.log")
    try:
        process.wait_until_ready(settings.gateway_url + ready)
        yield Server(name, settings.gateway_url + path, headers, psutil.Process(process.pid))
        process.check()
    finally:
        process.stop()


def _nginx(settings: Settings) -> Path:
    """One nginx process with a static answer as long as ours: the upper limit of the load generator."""
    body = "x" * 560
    path = settings.state / "nginx.conf"
    path.write_text(
        f"""
daemon off; master_process off; pid {settings.state}/nginx.pid;
events {{ worker_connections 18000; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {settings.state}/nginx; proxy_temp_path {settings.state}/nginx;
  fastcgi_temp_path {settings.state}/nginx; uwsgi_temp_path {settings.state}/nginx;
  scgi_temp_path {settings.state}/nginx;
  server {{
    listen {_address(settings.gateway_url)}; default_type application/json;
    location / {{ return 200 '{{"transformed_text":"{body}"}}'; }}
  }}
}}
"""
    )
    return path


def _litellm_folder(bench: Bench) -> Path:
    return bench.programs / "litellm"


def install_litellm(bench: Bench) -> None:
    """Install LiteLLM once, in its own environment. Raises MissingError when that fails in five minutes."""
    install(_litellm_folder(bench), LITELLM)


def install(folder: Path, *packages: str) -> None:
    """Install the packages of a peer once, in an environment of their own. Raises MissingError when that
    fails in five minutes.
    """
    ready, wanted = folder / "ready", "\n".join(packages)
    if ready.exists() and ready.read_text() == wanted:
        return
    try:
        _install([sys.executable, "-m", "venv", "--clear", str(folder)])
        _install([str(folder / "bin" / "pip"), "install", "-q", *packages])
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{packages[0]} took longer than {error.timeout:.0f} s to install") from error
    except subprocess.CalledProcessError as error:
        raise MissingError(f"{packages[0]} cannot be installed: {error.stderr[-300:]}") from error
    ready.write_text(wanted)


def _install(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)  # noqa: S603


def _litellm_config(settings: Settings) -> Path:
    assert settings.redis_url is not None
    parts = urlsplit(settings.redis_url)
    path = settings.state / "litellm.yaml"
    path.write_text(
        f"""
model_list:
  - model_name: stub
    litellm_params:
      model: openai/stub
      api_base: {settings.inference_urls[0]}/v1
      api_key: none
litellm_settings:
  cache: true
  cache_params:
    type: redis
    host: "{parts.hostname}"
    port: {parts.port}
    username: "{parts.username}"
    password: "{parts.password}"
  telemetry: false
general_settings:
  master_key: sk-bench
"""
    )
    return path
