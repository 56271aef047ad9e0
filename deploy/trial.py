"""An installation of containers, on a network of its own, that answers messages: what `make images` tries.

Every container has a read-only root, no capabilities, a limit of memory, and the secrets that its process
gets from `make up`, and no others. Postgres and Valkey are those of pip. Only loopback has published ports.
"""

import contextlib
import secrets
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from configs import secret_store
from configs.settings import Settings
from data.people import identities
from deploy import engine, residents, traffic
from deploy.catalog import name_of
from deploy.engine import CommandFailedError
from deploy.traffic import Answers
from pipelines import environments, local

STORES = name_of("trial-stores")
HARDENED = (
    "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",  # noqa: S108
    "--security-opt", "no-new-privileges", "--pids-limit", "512",
)  # fmt: skip
_PREFIX = "tonebridge-trial"  # of containers, the network and the volume
_KILLED = 137  # the exit code after SIGKILL
_BATCH = 20  # messages
# Requests whose answers are made of files: templates, pages of the manual, messages that people compare.
_PAGES = (
    ("dashboard", "GET", "/sign-in"),
    ("web", "GET", "/sign-in"),
    ("gateway", "GET", "/docs"),
    ("gateway", "POST", "/api/v1/comparisons/next"),
)


class Service(NamedTuple):
    """How the trial runs a process of the Procfile."""

    process: str
    image: str
    memory: str  # its limit
    port: int | None = None
    probe: str = "/livez"
    has_state: bool = False
    reads_state: bool = False  # it gets the volume read-only
    cpus: float | None = None  # its limit; none by default
    lacks: tuple[str, ...] = ()  # variables that it does not get here


# In the order of their start.
SERVICES = (
    Service("prefect", "flows", "1g", 4200, "/api/health"),
    Service("mlflow", "flows", "1g", 5000, "/health", has_state=True),
    Service("inference", "inference", "1g", 3000, reads_state=True),
    Service("gateway", "gateway", "256m", 8080),
    Service("worker", "channels", "256m", 8050),
    Service("channels", "channels", "256m", 8060),
    Service("dashboard", "site", "512m", 8090, reads_state=True),
    Service("web", "site", "256m", 8070),
    Service("flows", "flows", "2g", has_state=True),
)


@dataclass
class Resident:
    """A process in its container: how fast it was ready, its memory, and how it ended."""

    memory: str
    ready_s: float | None
    idle_mb: float = 0.0
    most_mb: float = 0.0
    ended_s: float = 0.0
    exit_code: int = 0
    ran_out_of_memory: bool = False


@dataclass
class Trial:
    """What was seen."""

    processes: dict[str, Resident] = field(default_factory=dict)
    message: str = traffic.MESSAGE
    rewrite: str = ""
    statuses: dict[str, int] = field(default_factory=dict)  # of requests that need files of the image
    released_s: float = 0.0
    batch_s: float = 0.0
    load: Answers | None = None
    stopping: Answers | None = None

    def report(self) -> dict[str, Any]:
        """Everything as JSON."""
        answers = {name: getattr(self, name)._asdict() for name in ("load", "stopping")}
        return {**asdict(self), **answers}

    def faults(self) -> list[str]:
        """What must not happen."""
        faults = [
            f"{name} ran out of memory" for name, row in self.processes.items() if row.ran_out_of_memory
        ]
        faults += [
            f"{name} did not end by SIGTERM"
            for name, row in self.processes.items()
            if row.exit_code == _KILLED
        ]
        if self.rewrite in ("", self.message):
            faults.append("the message came back as it was")
        faults += [f"{name}: {status}" for name, status in self.statuses.items() if status >= 500]
        for name in ("load", "stopping"):
            answers = getattr(self, name)
            if answers.broken or set(answers.statuses) != {200}:
                faults.append(f"{name}: {answers.broken} broken answers; statuses {answers.statuses}")
        return faults


def run(images: Mapping[str, str]) -> Trial:
    """Start everything, have messages rewritten, and stop it. `images` are the names of the images by those
    of the catalog. CommandFailedError when a container does not start or become ready.
    """
    trial = Trial()
    with installation_of(images) as installation:
        for service in SERVICES:
            trial.processes[service.process] = installation.start(service)
        trial.released_s = round(installation.release(), 1)
        url, key = installation.url("gateway"), installation.key
        trial.rewrite = traffic.rewrite(url, key)["transformed_text"]
        for process, method, path in _PAGES:
            status = traffic.status_of(installation.url(process), key, method, path)
            trial.statuses[f"{process} {path}"] = status
        trial.batch_s = round(traffic.rewrite_batch(url, key, _BATCH), 2)
        for service in SERVICES:
            row = trial.processes[service.process]
            row.idle_mb, _ = residents.memory_mb(container_of(service.process))
        trial.load = traffic.load(url, key)
        for service in SERVICES:
            row = trial.processes[service.process]
            _, row.most_mb = residents.memory_mb(container_of(service.process))
        gateway = trial.processes["gateway"]
        trial.stopping = traffic.load_while(url, key, lambda: _stop("gateway", gateway))
        for service in reversed(SERVICES):
            _stop(service.process, trial.processes[service.process])
    return trial


def container_of(process: str) -> str:
    """The name of a process's container."""
    return f"{_PREFIX}-{process}"


def _stop(process: str, row: Resident) -> None:
    """Stop a container by SIGTERM, and note how it ended."""
    began = time.monotonic()
    name = container_of(process)
    if engine.podman("inspect", "--format", "{{.State.Running}}", name) == "true":
        engine.podman("stop", "--time", "30", name)
        row.ended_s = round(time.monotonic() - began, 1)
    state = engine.podman("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name).split()
    row.exit_code, row.ran_out_of_memory = int(state[0]), state[1] == "true"
    engine.write_logs(name, engine.LOGS / f"trial-{process}.log")


@contextlib.contextmanager
def installation_of(images: Mapping[str, str]) -> "Iterator[Installation]":
    """Postgres and Valkey on a network, and nothing of it afterwards."""
    _remove()
    try:
        with tempfile.TemporaryDirectory() as folder:
            engine.podman("network", "create", _PREFIX)
            engine.podman("volume", "create", _PREFIX)
            yield Installation(images, Path(folder))
    finally:
        _remove()


def _remove() -> None:
    """Remove the trial's containers, network and volume, also those of a trial that was killed."""
    names = [
        container_of(name)
        for name in (*(service.process for service in SERVICES), "postgres", "valkey", "once")
    ]
    engine.podman("rm", "--force", "--ignore", "--time", "1", *names)
    for kind in ("network", "volume"):
        if engine.succeeds(kind, "exists", _PREFIX):
            engine.podman(kind, "rm", "--force", _PREFIX)


class Installation:
    """Containers that know each other by the names of their processes, with secrets of their own."""

    def __init__(self, images: Mapping[str, str], folder: Path) -> None:
        """Start the stores, and make the tables, the first key and the first account."""
        self._images, self._folder = images, folder
        self.key = identities.generate_key()
        password = secrets.token_urlsafe(24)
        # Defaults, whatever the environment of this shell names.
        self._settings = Settings.model_construct().model_copy(
            update={
                **dict(secret_store.Secrets()),
                "database_url": f"postgresql://owner:{password}@postgres:5432/tonebridge",
                "redis_url": f"redis://:{password}@valkey:6379/0",
                "mlflow_uri": f"postgresql+psycopg://owner:{password}@postgres:5432/mlflow",
                "gateway_url": "http://gateway:8080",
                "inference_urls": ("http://inference:3000",),
                "state": Path("/state"),
                "artifacts": Path("/state/artifacts"),
                "champion": Path("/app/champion"),
            }
        )
        self._start_stores(password)
        self._run_once("gateway", "migrate", ["python", "-m", "data.database", "migrate"])
        self._run_once("gateway", "first key and account", ["python", "-m", "data.people.bootstrap"])

    def start(self, service: Service) -> Resident:
        """Start a process, and wait until it answers its probe."""
        command = [word.replace("127.0.0.1", "0.0.0.0") for word in self._command(service.process)]  # noqa: S104
        options = ["--detach", "--memory", service.memory, "--memory-swap", service.memory]
        if service.port is not None:
            options += ["--publish", f"127.0.0.1::{service.port}"]
        if service.has_state or service.reads_state:
            options += ["--volume", f"{_PREFIX}:/state{':ro' * service.reads_state}"]
        if service.cpus is not None:
            options += ["--cpus", str(service.cpus)]
        values = {
            name: value
            for name, value in self._environment(service.process).items()
            if name not in service.lacks
        }
        began = time.monotonic()
        print(f"  {service.process:<44}", end="", flush=True)
        self._podman_run(service.process, service.image, values, options, command)
        if service.port is None:
            print("started", flush=True)
            return Resident(service.memory, None)
        _wait_for_probe(service.process, f"{self.url(service.process)}{service.probe}")
        ready_s = time.monotonic() - began
        print(f"{ready_s:7.1f} s", flush=True)
        return Resident(service.memory, round(ready_s, 1))

    def release(self) -> float:
        """Release the version that comes with the software; the seconds that it took."""
        return self._run_once("flows", "release", ["python", "-m", "pipelines.first_release"])

    def url(self, process: str) -> str:
        """Where a process is reached from this machine."""
        [service] = [service for service in SERVICES if service.process == process]
        return f"http://{engine.podman('port', container_of(process), f'{service.port}/tcp')}"

    def _start_stores(self, password: str) -> None:
        values = {"STORE_PASSWORD": password}
        for name, script in (("postgres", _POSTGRES), ("valkey", _VALKEY)):
            self._podman_run(name, STORES, values, ["--detach"], ["sh", "-c", script])
        deadline = time.monotonic() + 60
        ready = ("exec", container_of("postgres"), "pg_isready", "--host", "127.0.0.1", "--quiet")
        while not engine.succeeds(*ready):
            if time.monotonic() > deadline:
                log = engine.LOGS / "trial-postgres.log"
                engine.write_logs(container_of("postgres"), log)
                raise CommandFailedError(f"Postgres does not start; see {log}")
            time.sleep(0.2)
        for name in ("tonebridge", "mlflow", "prefect"):
            create = f'PGPASSWORD="$STORE_PASSWORD" createdb {name}'
            engine.podman("exec", container_of("postgres"), "sh", "-c", create)

    def _run_once(self, image: str, label: str, command: list[str]) -> float:
        """Run a command that ends, with the environment of the flows; the seconds that it took."""
        values = {**self._environment("flows"), "TONEBRIDGE_BOOTSTRAP_API_KEY": self.key}
        words = self._run_words(
            "once", image, values, ["--rm", "--memory", "2g", "--volume", f"{_PREFIX}:/state"], command
        )
        return engine.step(label, words, engine.LOGS / f"trial-{label.replace(' ', '-')}.log")

    def _podman_run(
        self, name: str, image: str, values: Mapping[str, str], options: list[str], command: list[str]
    ) -> None:
        engine.podman(*self._run_words(name, image, values, options, command)[1:])

    def _run_words(
        self, name: str, image: str, values: Mapping[str, str], options: list[str], command: list[str]
    ) -> list[str]:
        """The words of `podman run`. The environment goes through a file, since others may read a command."""
        file = self._folder / f"{name}.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
        network = ["--network", _PREFIX, "--network-alias", name]
        return [
            *("podman", "run", "--name", container_of(name), "--env-file", str(file)),
            *HARDENED, *network, *options, self._images.get(image, image), *command,
        ]  # fmt: skip

    def _command(self, process: str) -> list[str]:
        """The Procfile's command of a process, in a container."""
        ports = {
            f"TONEBRIDGE_{service.process.upper()}_PORT": str(service.port)
            for service in SERVICES
            if service.port is not None
        }
        return local.command(
            process, {**ports, "TONEBRIDGE_ARTIFACT_LOCATION": self._settings.artifact_store}
        )

    def _environment(self, process: str) -> dict[str, str]:
        """The variables of a process: what `make up` gives it, with the names of containers as addresses."""
        settings = self._settings
        if process == "mlflow":
            return {
                "MLFLOW_BACKEND_STORE_URI": settings.registry_uri,
                "MLFLOW_AUTH_ADMIN_PASSWORD": settings.secret("mlflow_password"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.secret("mlflow_password"),
                "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow:5000,127.0.0.1:*",
            }
        values = {
            name: value
            for name, value in environments.environment(settings, process).items()
            if name.startswith(("TONEBRIDGE_", "PREFECT_")) and name != "TONEBRIDGE_HOST"
        }
        values["PREFECT_API_URL"] = "http://prefect:4200/api"
        if process == "dashboard":
            values["TONEBRIDGE_MLFLOW_URI"] = "http://mlflow:5000"
        if process == "inference":
            values["BENTOML_HOME"] = "/tmp/bentoml"  # noqa: S108  # it writes there, and /state is read-only
        if process == "prefect":
            values["PREFECT_HOME"] = "/tmp/prefect"  # noqa: S108  # its data are in Postgres
        return values


def _wait_for_probe(process: str, url: str, timeout_s: float = 180.0) -> None:
    """Wait for a 200. CommandFailedError when the container ends first, or after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    name = container_of(process)
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310
            return
        if engine.podman("inspect", "--format", "{{.State.Running}}", name) != "true":
            break
        time.sleep(0.05)
    log = engine.LOGS / f"trial-{process}.log"
    engine.write_logs(name, log)
    state = engine.podman(
        "inspect", "--format", "{{.State.Status}}, out of memory: {{.State.OOMKilled}}", name
    )
    raise CommandFailedError(f"{process} does not answer {url} ({state}); see {log}")


# Postgres is reached by other containers, with a password, and by itself through a socket.
_POSTGRES = """
printf %s "$STORE_PASSWORD" > /tmp/password &&
initdb --username owner --encoding UTF8 --locale C.UTF-8 --auth scram-sha-256 \\
  --pwfile /tmp/password > /tmp/initdb.log &&
echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf" &&
exec postgres -h '*' -k /tmp -c max_connections=200
"""
_VALKEY = """
exec valkey-server --bind 0.0.0.0 --requirepass "$STORE_PASSWORD" --save '' --appendonly no --dir /tmp
"""
