"""Starts, upgrades and takes back an installation by Compose, in the right order. It needs Python alone."""

import time
from collections.abc import Callable

from deploy.compose import env_file
from deploy.compose.programs import Compose, ComposeError

# Where each service says that it is ready; compose.yaml has the same in its health checks.
PROBES = {
    "prefect": "http://127.0.0.1:4200/api/health",
    "mlflow": "http://127.0.0.1:5000/health",
    "inference-1": "http://127.0.0.1:3000/readyz",
    "inference-2": "http://127.0.0.1:3000/readyz",
    "gateway-1": "http://127.0.0.1:8080/readyz",
    "gateway-2": "http://127.0.0.1:8080/readyz",
    "worker": "http://127.0.0.1:8050/livez",
    "channels": "http://127.0.0.1:8060/livez",
    "dashboard": "http://127.0.0.1:8090/livez",
    "web": "http://127.0.0.1:8070/livez",
}
GATEWAYS = ("gateway-1", "gateway-2")
STORES = ("postgres", "valkey")
# What a release needs, and how it shows that it can take one: an inference service is ready after the first.
_FOR_A_RELEASE = {
    **{name: PROBES[name] for name in ("prefect", "mlflow")},
    **{name: PROBES[name].replace("readyz", "livez") for name in ("inference-1", "inference-2")},
}
# Those that follow the gateways in an upgrade. One inference service answers while the other is made anew.
_AFTER_GATEWAYS = (
    "inference-1", "inference-2", "worker", "channels", "dashboard", "web", "prefect", "mlflow", "flows",
)  # fmt: skip
_READ = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4)"

Say = Callable[[str], None]


def _print(line: str) -> None:
    print(line, flush=True)


class Installation:
    """One installation: its Compose, and what it says while it works."""

    def __init__(self, compose: Compose, say: Say = _print, timeout_s: float = 300.0) -> None:
        """`timeout_s` is how long a service may take to be ready."""
        self._compose, self._say, self._timeout_s = compose, say, timeout_s

    def up(self) -> str:
        """Start everything, from nothing or from whatever runs. Returns the lines that show the first key and
        account, when it made them; they are said at once, too, since a later step may fail.

        ComposeError when a command fails, TimeoutError when a service does not become ready.
        """
        values = env_file.read(self._compose.env_file)
        self._say("Postgres and Valkey")
        self._compose.run("up", "-d", *STORES)
        self._wait_for_postgres()
        self._say("the tables")
        self.migrate()
        self._say("the first key and account")
        made = self._compose.output("--profile", "once", "run", "--rm", "-T", "--no-deps", "bootstrap")
        if made.strip():
            self._say(made)
        self._say("Prefect, MLflow and the inference services")
        self._compose.run("up", "-d", "--no-deps", *_FOR_A_RELEASE)
        for service, url in _FOR_A_RELEASE.items():
            self.wait(service, url)
        self._say("the first release, where there is none (about a minute)")
        self._run_once("release")
        self._say("all services")
        self._compose.run("up", "-d")
        for service in PROBES:
            self.wait(service)
        for gateway in GATEWAYS:
            self.wait_until_used(gateway)
        self._say(
            f"  API        {values['TONEBRIDGE_PUBLIC_URL']}/docs\n"
            f"  web app    {values['TONEBRIDGE_WEB_URL']}\n"
            f"  dashboard  {values['TONEBRIDGE_DASHBOARD_URL']}"
        )
        return made

    def upgrade(self, version: str) -> None:
        """Replace all processes by those of another tag. Gateways come one after another, so one
        of them answers while the other is replaced. Errors as in `up`: the same call goes on, unless the
        migration failed, which replaces nothing.
        """
        before = env_file.read(self._compose.env_file)
        changes = {"TONEBRIDGE_VERSION": version}
        if version != before["TONEBRIDGE_VERSION"]:  # otherwise an upgrade that was interrupted goes on
            changes["TONEBRIDGE_FORMER_VERSION"] = before["TONEBRIDGE_VERSION"]
        env_file.change(self._compose.env_file, changes)
        self._say(f"the tables of {version}")
        try:
            self.migrate()
        except ComposeError:
            env_file.change(self._compose.env_file, {name: before[name] for name in changes})
            raise
        self._replace_processes()

    def migrate(self) -> None:
        """Bring the tables to the release of `.env`. ComposeError when that fails."""
        self._run_once("migrate")

    def rollback(self) -> str:
        """Replace all processes by those of the tag before the last upgrade, without a change of the tables;
        the tag. ComposeError when there was no upgrade.
        """
        values = env_file.read(self._compose.env_file)
        former = values.get("TONEBRIDGE_FORMER_VERSION")
        if not former:
            raise ComposeError("there was no upgrade: TONEBRIDGE_FORMER_VERSION in .env is empty")
        changes = {"TONEBRIDGE_VERSION": former, "TONEBRIDGE_FORMER_VERSION": values["TONEBRIDGE_VERSION"]}
        env_file.change(self._compose.env_file, changes)
        self._replace_processes()
        return former

    def _replace_processes(self) -> None:
        for service in (*GATEWAYS, *_AFTER_GATEWAYS):
            self._say(service)
            self._compose.run("up", "-d", "--no-deps", service)
            if service in PROBES:
                self.wait(service)
            if service in GATEWAYS:
                self.wait_until_used(service)
        self._say("the champion's rules, where the new release has others")
        self._run_once("release")

    def wait(self, service: str, url: str | None = None) -> None:
        """Wait until a service answers its probe, or another address. TimeoutError when it does not."""
        self._wait(f"{service} is not ready", service, "python", "-c", _READ, url or PROBES[service])

    def _wait_for_postgres(self) -> None:
        ready = ("pg_isready", "--host", "127.0.0.1", "--username", "tonebridge", "--dbname", "tonebridge")
        self._wait("Postgres does not start", "postgres", *ready)

    def wait_until_used(self, server: str) -> None:
        """Wait until the proxy finds a gateway or an inference service ready: its name has a new address by
        then.
        """
        url = f"http://proxy:8404/up/{server}"
        # Compose executes nothing in a service whose profile is not named, so another one asks.
        self._wait(f"the proxy does not use {server}", "worker", "python", "-c", _READ, url)

    def _wait(self, fault: str, service: str, *words: str) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not self._compose.succeeds("exec", "-T", service, *words):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{fault} after {self._timeout_s:.0f} s: see its log")
            time.sleep(0.5)

    def _run_once(self, service: str) -> None:
        self._compose.run("--profile", "once", "run", "--rm", "-T", "--no-deps", service)
