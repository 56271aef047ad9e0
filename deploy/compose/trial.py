"""Starts an installation by Compose, uses it, upgrades it under load, and removes it: `make compose-test`.

    python -m deploy.compose.trial   # after `make images`; without a registry also `deploy.compose stand-ins`

It has a project, a network and ports of its own, and removes what an interrupted trial has left. What each
command prints is in `artifacts/compose/`. Prints what was seen and writes it to `docs/results/compose.json`.
Fails when a request under an upgrade gets no 200, a service is unhealthy, a container has a secret that is
not for it, or something is left afterwards. It takes about eight minutes on two cores.
"""

import asyncio
import contextlib
import json
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import engine, traffic
from deploy.catalog import IMAGES, ROOT, name_of
from deploy.compose import env_file, journey, programs, secrecy
from deploy.compose.__main__ import STAND_INS
from deploy.compose.installation import GATEWAYS, Installation
from deploy.compose.programs import Compose, ComposeError
from deploy.engine import CommandFailedError
from deploy.traffic import Answers
from pipelines.local import free_port

PROJECT = "tonebridge-compose-trial"
LOGS = ROOT / "artifacts" / "compose"
RESULTS = ROOT / "docs" / "results" / "compose.json"
OLD, NEW = "trial-old", "trial-new"  # two tags of the same images
_OF_THE_PROJECT = f"label=io.podman.compose.project={PROJECT}"
_PORTS = ("API_PORT", "WEB_PORT", "DASHBOARD_PORT", "CHANNELS_PORT", "TLS_PORT")


@dataclass
class Report:
    """What was seen."""

    seconds: dict[str, float] = field(default_factory=dict)
    rewrite: str = ""
    decision: journey.Decision | None = None
    stream: list[str] = field(default_factory=list)
    socket: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)  # of pages, by site
    loads: dict[str, Answers] = field(default_factory=dict)
    healthy: list[str] = field(default_factory=list)
    unhealthy: list[str] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)  # of Prometheus: up or down
    misplaced: list[str] = field(default_factory=list)  # secrets
    published: list[str] = field(default_factory=list)  # services with published ports
    left: list[str] = field(default_factory=list)  # what is there afterwards

    def faults(self) -> list[str]:
        """What must not happen."""
        faults = [f"{name} is unhealthy" for name in self.unhealthy] + self.misplaced
        faults += [f"{name} is left" for name in self.left]
        faults += [f"{site} answers {status}" for site, status in self.statuses.items() if status != 200]
        unread = [name for name, state in self.targets.items() if state != "up"]
        faults += [f"Prometheus does not read {name}" for name in unread]
        for name, answers in self.loads.items():
            if answers.broken or set(answers.statuses) != {200}:
                faults.append(f"{name}: {answers.broken} broken answers; statuses {answers.statuses}")
        if self.rewrite in ("", traffic.MESSAGE):
            faults.append("the message came back as it was")
        if self.stream[-1:] != ["answer"] or self.socket[-1:] != ["answer"]:
            faults.append(f"streams end with {self.stream[-1:]} and {self.socket[-1:]}")
        if self.published != ["proxy"]:
            faults.append(f"ports are published by {self.published}")
        if self.decision is None or len(self.decision.answers) < 2:
            faults.append("the experiment had answers of one version only")
        elif "v2" not in self.decision.afterwards:
            faults.append(f"the decision has no effect: {self.decision.afterwards}")
        return faults

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        return asdict(self) | {
            "decision": self.decision._asdict() if self.decision else None,
            "loads": {name: answers._asdict() for name, answers in self.loads.items()},
        }


def run() -> Report:
    """Do everything. CommandFailedError, ComposeError or TimeoutError when a step fails."""
    report = Report()
    LOGS.mkdir(parents=True, exist_ok=True)
    remove()
    try:
        values = make_environment(LOGS / "trial.env")
        compose = Compose(programs.find(), LOGS / "trial.env", PROJECT, LOGS / "compose.log")
        installation = Installation(compose, lambda line: print(f"    {line}", flush=True))
        _use(report, values, compose, installation)
    except BaseException:
        keep_logs()
        raise
    finally:
        remove()
    report.left = _left()
    return report


def _use(report: Report, values: dict[str, str], compose: Compose, installation: Installation) -> None:
    url = f"http://127.0.0.1:{values['API_PORT']}"
    with _step(report, "start"):
        key = key_of(installation.up())
    with _step(report, "message and feedback"):
        answer = journey.message(url, key, "ann")
        report.rewrite = answer["transformed_text"]
        journey.vote(url, key, answer["receipt"])
    with _step(report, "stream, WebSocket, pages, TLS"):
        report.stream = journey.stream(url, key)
        report.socket = asyncio.run(journey.talk(url, key))
        report.statuses = _statuses(values)
    with _step(report, "experiment and decision"):
        words = ("--profile", "once", "run", "--rm", "-T", "--no-deps", "release")
        printed = compose.output(*words, "python", "-c", journey.REGISTER)
        challenger = printed.rpartition("registered ")[2].split()[0]
        report.decision = journey.decide(url, key, challenger)
    with _step(report, "health, secrets, ports, Prometheus"):
        _inspect(report, values)
    for name, action in (
        ("upgrade", lambda: installation.upgrade(NEW)),
        ("rollback", installation.rollback),
        ("kill of a gateway", lambda: _kill(compose, installation)),
    ):
        with _step(report, name):
            report.loads[name] = traffic.load_during(url, key, action, pause_s=0.2)
    with _step(report, "health after all that"):
        _inspect(report, values)


@contextlib.contextmanager
def _step(report: Report, name: str) -> Iterator[None]:
    print(f"  {name}", flush=True)
    began = time.monotonic()
    yield
    report.seconds[name] = round(time.monotonic() - began, 1)
    _write(report, LOGS / "report.json")  # a later step may fail
    print(f"  {name:<44}{report.seconds[name]:7.1f} s", flush=True)


def _write(report: Report, path: Path) -> None:
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")


def make_environment(path: Path) -> dict[str, str]:
    """A new `.env` with free ports, stand-ins, TLS, and two tags of the images."""
    for image in IMAGES:
        for tag in (OLD, NEW):
            engine.podman("tag", f"{name_of(image)}:latest", f"{name_of(image)}:{tag}")
    ports: dict[str, str] = {}
    for name in _PORTS:
        ports[name] = str(free_port(18080, [int(port) for port in ports.values()]))
    certificates = LOGS / "certificates"
    certificates.mkdir(exist_ok=True)
    made = subprocess.run(_CERTIFICATE, check=True, capture_output=True)
    pair = certificates / "trial.pem"
    pair.write_bytes(made.stdout)
    pair.chmod(0o644)  # of this trial alone, and it ends with it
    path.unlink(missing_ok=True)
    servers = ("POSTGRES_IMAGE", "VALKEY_IMAGE", "PROXY_IMAGE", "PROMETHEUS_IMAGE")
    choices = {
        **ports,
        **(dict.fromkeys(servers, STAND_INS) if engine.succeeds("image", "exists", STAND_INS) else {}),
        "TONEBRIDGE_VERSION": OLD,
        "PROXY_NETWORK": "172.31.251",
        "PROXY_TLS": "on",
        "PROXY_CERTIFICATES": str(certificates),
        "WEB_HOST": "write.test",
        "DASHBOARD_HOST": "dashboard.test",
        "TONEBRIDGE_ALLOWED_HOSTS": '["127.0.0.1","write.test","dashboard.test"]',
        "TONEBRIDGE_PUBLIC_URL": f"http://127.0.0.1:{ports['API_PORT']}",
    }
    env_file.make(path, choices)
    return env_file.read(path)


_CERTIFICATE = (
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-days", "2", "-subj", "/CN=write.test", "-keyout", "-",
)  # fmt: skip


def key_of(printed: str) -> str:
    """The first key, which `up` has printed. ComposeError when it has not."""
    match = re.search(r"API key +(\S+)", printed)
    if match is None:
        raise ComposeError(f"the first start showed no key: {printed!r}")
    return match[1]


def _statuses(values: dict[str, str]) -> dict[str, int]:
    """The answers of each site's first page, by its port and by its host name with TLS."""
    pages = {
        "web": f"http://127.0.0.1:{values['WEB_PORT']}/sign-in",
        "dashboard": f"http://127.0.0.1:{values['DASHBOARD_PORT']}/sign-in",
        "channels": f"http://127.0.0.1:{values['CHANNELS_PORT']}/livez",
    }
    statuses = {name: _status(url) for name, url in pages.items()}
    names = {"web by TLS": "write.test", "dashboard by TLS": "dashboard.test", "API by TLS": "127.0.0.1"}
    for name, host in names.items():
        path = "/livez" if name.startswith("API") else "/sign-in"
        statuses[name] = _status(f"https://127.0.0.1:{values['TLS_PORT']}{path}", host)
    return statuses


def _status(url: str, host: str | None = None) -> int:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE  # the trial's own certificate
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30, context=unchecked) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def _inspect(report: Report, values: dict[str, str]) -> None:
    """Look at every container: its health, its secrets, its ports; and at what Prometheus reads."""
    secrets = {name: values[name] for name in env_file.SECRETS}
    report.healthy, report.unhealthy, report.published = [], [], []
    for name in _names("ps", "-a"):
        container = json.loads(engine.podman("inspect", name))[0]
        service = container["Config"]["Labels"]["io.podman.compose.service"]
        if not container["State"]["Running"]:
            report.unhealthy.append(service)
        elif container["Config"].get("Healthcheck"):
            is_healthy = engine.succeeds("healthcheck", "run", name)
            (report.healthy if is_healthy else report.unhealthy).append(service)
        words = [*container["Config"]["Env"], *container["Config"]["Cmd"]]
        has, needs = secrecy.found_in(words, secrets), secrecy.needs(service)
        if has != needs:
            report.misplaced.append(f"{service} has {sorted(has - needs)} and lacks {sorted(needs - has)}")
        if any(container["NetworkSettings"]["Ports"].values()):
            report.published.append(service)
    report.targets = _targets()


_ASK_TARGETS = """
import json, urllib.request as r
targets = json.load(r.urlopen("http://prometheus:9090/api/v1/targets", timeout=5))["data"]["activeTargets"]
print(json.dumps({each["labels"]["instance"]: each["health"] for each in targets}))
"""


def _targets(timeout_s: float = 60.0) -> dict[str, str]:
    """What Prometheus reads, with its state; unread ones have until the timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        [gateway] = [name for name in _names("ps") if GATEWAYS[1] in name]
        targets: dict[str, str] = json.loads(engine.podman("exec", gateway, "python", "-c", _ASK_TARGETS))
        if set(targets.values()) == {"up"} or time.monotonic() > deadline:
            return targets
        time.sleep(1)


def _kill(compose: Compose, installation: Installation) -> None:
    """Kill a gateway as a crash does, and start it again."""
    [gateway] = [name for name in _names("ps") if GATEWAYS[0] in name]
    engine.podman("kill", "--signal", "KILL", gateway)
    compose.run("up", "-d", "--no-deps", GATEWAYS[0])
    installation.wait(GATEWAYS[0])


def _names(*words: str) -> list[str]:
    """The names of the project's containers, by a command of podman that lists some."""
    return engine.podman(*words, "--filter", _OF_THE_PROJECT, "--format", "{{.Names}}").split()


def _left() -> list[str]:
    """What is there of the project: containers, pods, networks and volumes."""
    kinds: dict[str, Callable[[], list[str]]] = {
        "container": lambda: _names("ps", "-a"),
        "pod": lambda: engine.podman("pod", "ls", "--format", "{{.Name}}").split(),
        "network": lambda: engine.podman("network", "ls", "--format", "{{.Name}}").split(),
        "volume": lambda: engine.podman("volume", "ls", "--format", "{{.Name}}").split(),
    }
    return [f"{kind} {name}" for kind, names in kinds.items() for name in names() if PROJECT in name]


def remove() -> None:
    """Remove everything of the project, also what an interrupted trial has left, and its tags of images."""
    for left in _left():
        kind, name = left.split()
        words = ("rm",) if kind == "container" else (kind, "rm")
        force = ("--force", "--time", "1") if kind in ("container", "pod") else ("--force",)
        with contextlib.suppress(CommandFailedError):  # a pod may have gone with its containers
            engine.podman(*words, *force, name)
    for image in IMAGES:
        for tag in (OLD, NEW):
            if engine.succeeds("image", "exists", f"{name_of(image)}:{tag}"):
                engine.podman("rmi", f"{name_of(image)}:{tag}")


def keep_logs() -> None:
    """Write what every container has printed to a file."""
    for name in _names("ps", "-a"):
        engine.write_logs(name, LOGS / f"{name.removeprefix(f'{PROJECT}_')}.log")


def main() -> None:
    """Run the trial; exits with 1 when something is not as it should be."""
    try:
        report = run()
    except (ComposeError, CommandFailedError, OSError) as error:  # TimeoutError is one
        raise SystemExit(f"{error}\nThe logs of the containers are in {LOGS}") from error
    _write(report, RESULTS)
    print(json.dumps(report.as_json(), indent=1))
    if faults := report.faults():
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
