"""The local stack keeps its data and leaves no process behind, however it ends."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from configs.settings import Settings
from pipelines import local
from pipelines.environments import environment
from pipelines.local import (
    Process,
    ProcessEndedError,
    command,
    process_names,
    run_on_free_ports,
    running,
    with_free_ports,
)
from tests import ports
from tests.waiting import until

HOLDER = """
import signal, sys
from pathlib import Path
from configs.settings import Settings
from pipelines.local import servers
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with servers(Settings(state=Path(sys.argv[1]), database_url=None, redis_url=None)) as local:
    print(local.database_url, local.redis_url, flush=True)
    sys.stdin.read()  # until this process is stopped, or the test's process ends
"""


def processes_of(folder: Path) -> list[psutil.Process]:
    """Live processes whose command line names a folder, except the holder, a `python -c`."""
    processes = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if (
            str(folder) in words
            and "-c" not in words.split()
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            processes.append(process)
    return processes


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        addresses = process.stdout.readline()
        assert addresses.startswith("postgresql://")
        yield process, addresses
        if process.poll() is None:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_holder_leaves_no_process(holder: tuple, tmp_path: Path, number: signal.Signals) -> None:  # type: ignore[type-arg]
    assert processes_of(tmp_path)
    holder[0].send_signal(number)
    holder[0].wait()
    until(lambda: not processes_of(tmp_path), lambda: processes_of(tmp_path))


@pytest.mark.slow
def test_servers_of_a_killed_holder_are_taken_over_with_their_data(holder: tuple, tmp_path: Path) -> None:  # type: ignore[type-arg]
    process, addresses = holder
    database_url, redis_url = addresses.split()
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO organisations (id, name) VALUES (gen_random_uuid(), 'kept')")
    process.kill()
    process.wait()
    assert processes_of(tmp_path), "the servers should have survived their holder's kill -9"
    with local.servers(Settings(state=tmp_path, database_url=None, redis_url=None)) as settings:
        assert (settings.database_url, settings.redis_url) == (database_url, redis_url)
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT name FROM organisations").fetchall() == [("kept",)]
    until(lambda: not processes_of(tmp_path), lambda: processes_of(tmp_path))


def test_servers_of_the_settings_are_used_and_not_stopped(settings: Settings) -> None:
    with local.servers(settings) as used:
        assert used.database_url == settings.database_url
        assert used.redis_url == settings.redis_url
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_valkey_takes_another_port_when_a_process_takes_its_choice_first(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, find = urlsplit(str(settings.redis_url)).port, local.free_port
    choices = iter([taken])
    monkeypatch.setattr(local, "free_port", lambda wanted: next(choices, None) or find(wanted))
    with local.servers(settings.model_copy(update={"redis_url": None})) as used:
        assert used.redis_url is not None
        assert urlsplit(used.redis_url).port != taken
        with redis.Redis.from_url(used.redis_url) as client:
            assert client.ping()


def test_root_without_sbin_on_the_path_gets_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres refuses to run as root. On a new machine `useradd` creates its user first."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with local.servers(Settings(state=tmp_path, database_url=None, redis_url=None)):
        assert shutil.which("useradd")


def test_a_child_that_ends_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = Process(
        "broken", [sys.executable, "-c", "raise SystemExit('no such model')"], os.environ, tmp_path / "log"
    )
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(ProcessEndedError, match=r"broken ended with code 1(.|\n)*no such model"):
        process.check()
    process.stop()


def test_stop_leaves_no_grandchild(tmp_path: Path) -> None:
    script = "import subprocess; subprocess.run(['sleep', '600'])"
    process = Process("parent", [sys.executable, "-c", script], os.environ, tmp_path / "log")
    [grandchild] = until(lambda: psutil.Process(process.pid).children())
    process.stop(timeout_s=0.2)
    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death signal is Linux's")
def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from pipelines.local import Process;"
        "p = Process('child', ['sleep', '600'], os.environ, Path(sys.argv[1]) / 'log');"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_next_free_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < local.free_port(port) <= port + 200


def test_no_two_servers_get_the_same_port(local: Settings) -> None:
    wanted = ports.free_port()
    settings = with_free_ports(local.model_copy(update=dict.fromkeys(ports.NAMES, wanted)))
    assert len({getattr(settings, name) for name in ports.NAMES}) == len(ports.NAMES)


@pytest.mark.slow
def test_processes_start_again_on_other_ports_when_a_program_takes_one_first(local: Settings) -> None:
    tried: list[int] = []

    def start_gateway(settings: Settings) -> str:
        tried.append(settings.gateway_port)
        if len(tried) == 1:
            others.enter_context(socket.create_server(("127.0.0.1", settings.gateway_port)))
        with running(settings, "gateway") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        return settings.gateway_url

    with contextlib.ExitStack() as others:
        url = run_on_free_ports(ports.with_own_ports(local), start_gateway)
    first, second = tried
    assert second > first
    assert url == f"http://127.0.0.1:{second}"


def test_a_process_that_ends_for_another_reason_is_not_started_again(local: Settings) -> None:
    calls = 0

    def fail(settings: Settings) -> None:
        nonlocal calls
        calls += 1
        raise ProcessEndedError("no such model")

    with pytest.raises(ProcessEndedError, match="no such model"):
        run_on_free_ports(ports.with_own_ports(local), fail)
    assert calls == 1


def test_every_process_gets_the_file_of_own_metrics(local: Settings) -> None:
    settings = with_free_ports(local).model_copy(update={"metrics_file": Path("own.yaml")})
    for name in ("gateway", "dashboard", "flows"):
        assert environment(settings, name)["TONEBRIDGE_METRICS_FILE"] == str(Path("own.yaml").absolute())
    assert "TONEBRIDGE_METRICS_FILE" not in environment(with_free_ports(local), "gateway")


def test_every_command_of_the_procfile_is_complete(local: Settings) -> None:
    settings = with_free_ports(local)
    commands = {name: command(name, environment(settings, name)) for name in process_names()}
    assert list(commands) == ["inference", "gateway", "worker", "dashboard", "mlflow", "prefect", "flows"]
    assert not [word for words in commands.values() for word in words if "$" in word]
    assert str(settings.inference_port) in commands["inference"]
