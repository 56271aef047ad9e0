"""Processes that listen for other machines: who reaches them there, and what they ask for. 127.0.0.2 stands
for another address of the machine.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from pydantic import SecretStr

import configs
from configs import StageConfig
from configs.settings import Settings
from pipelines import local as stack
from pipelines.environments import environment
from simulation import demo, month
from tests.dashboards import own_settings
from tests.ports import with_own_ports
from tests.wire import process

pytestmark = pytest.mark.timeout(180)

SITES = ("dashboard", "web", "channels")
NAMES = ("gateway", *SITES, "inference")
OTHER = "127.0.0.2"


def port_of(settings: Settings, name: str) -> int:
    port: int = getattr(settings, f"{name}_port")
    return port


@pytest.fixture(scope="module")
def settings(local: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation whose process channels has a page for admins, too."""
    assert local.database_url is not None
    own = own_settings(local, local.database_url, tmp_path_factory.mktemp("exposed"))
    changes = {
        "channels_url": "https://chat.example",
        "slack_client_id": "1.2",
        "slack_client_secret": SecretStr("the client secret of an app of these tests"),
        "slack_signing_secrets": (SecretStr("a signing secret"),),
        "discord_public_keys": ("ab" * 32,),
    }
    return own.model_copy(update=changes)


@contextmanager
def started(settings: Settings, host: str, address: str) -> Iterator[Settings]:
    """All processes on a host, on ports of their own, which an address reaches."""
    own = with_own_ports(settings).model_copy(update={"host": host})
    with ExitStack() as opened:
        processes = {
            name: opened.enter_context(process(name, own, log_of(own, name), HOST=host)) for name in NAMES
        }
        for name, each in processes.items():
            each.wait_until_ready(f"http://{address}:{port_of(own, name)}/livez", 120)
        yield own


def log_of(settings: Settings, name: str) -> Path:
    return settings.state / "logs" / f"{name}-{port_of(settings, name)}.log"


@pytest.fixture(scope="module")
def exposed(settings: Settings) -> Iterator[Settings]:
    """Processes on all IPv4 addresses."""
    with started(settings, "0.0.0.0", OTHER) as exposed:
        yield exposed


@pytest.fixture(scope="module")
def on_ipv6(settings: Settings) -> Iterator[Settings]:
    with started(settings, "::1", "[::1]") as on_ipv6:
        yield on_ipv6


@pytest.fixture(scope="module")
def closed(settings: Settings) -> Iterator[Settings]:
    """Processes on the host by default."""
    with started(settings, Settings.model_fields["host"].default, "127.0.0.1") as closed:
        yield closed


def test_they_are_reached_by_another_address(exposed: Settings) -> None:
    for name in NAMES:
        for address in ("127.0.0.1", OTHER):
            response = httpx.get(f"http://{address}:{port_of(exposed, name)}/livez")
            assert response.status_code == 200, (name, address)


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        ("gateway", "GET", "/metrics", 401),
        ("gateway", "POST", "/api/v1/transform", 401),
        ("gateway", "GET", "/api/v1/experiments", 401),
        ("gateway", "GET", "/api/v1/keys", 401),
        ("gateway", "POST", "/graphql", 401),
        ("inference", "GET", "/metrics", 401),
        ("inference", "POST", "/rewrite", 401),
        ("inference", "POST", "/load", 401),
        ("inference", "GET", "/", 401),
        ("inference", "GET", "/docs.json", 401),
        ("channels", "POST", "/slack", 401),
        ("channels", "POST", "/discord", 401),
        ("channels", "GET", "/metrics", 401),
        ("channels", "GET", "/workspaces", 400),
        ("dashboard", "GET", "/metrics", 401),
        ("dashboard", "GET", "/experiments", 400),
        ("web", "GET", "/metrics", 401),
        ("web", "GET", "/rewrite", 400),
    ],
)
def test_what_they_ask_for_at_another_address(
    exposed: Settings, name: str, method: str, path: str, status: int
) -> None:
    url = f"http://{OTHER}:{port_of(exposed, name)}{path}"
    content = {"json": {}} if method == "POST" else {}
    response = httpx.request(method, url, **content)  # type: ignore[arg-type]
    assert response.status_code == status, response.text
    if name in SITES and status == 400:
        assert "TONEBRIDGE_ALLOWED_HOSTS" in response.text


@pytest.mark.parametrize("name", SITES)
def test_a_site_that_nobody_elsewhere_can_name_says_so_when_it_starts(exposed: Settings, name: str) -> None:
    log = log_of(exposed, name).read_text()
    assert "listens on 0.0.0.0, but answers only people who call it 127.0.0.1, [::1], localhost" in log
    assert "TONEBRIDGE_ALLOWED_HOSTS" in log


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("address", [OTHER, "::1"])
def test_by_default_they_are_refused_there(closed: Settings, name: str, address: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port_of(closed, name)), timeout=10)
    assert "TONEBRIDGE_ALLOWED_HOSTS" not in log_of(closed, name).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_on_ipv6_alone_they_are_refused_elsewhere(on_ipv6: Settings, name: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(on_ipv6, name)), timeout=10)


def test_the_address_on_which_a_site_listens_is_a_name_of_it(on_ipv6: Settings) -> None:
    assert httpx.get(f"http://[::1]:{on_ipv6.web_port}/sign-in").status_code == 200


def test_make_up_exposes_what_people_and_programs_call_and_nothing_else(settings: Settings) -> None:
    exposed = settings.model_copy(update={"host": "0.0.0.0"})
    hosts = {name: environment(exposed, name)["TONEBRIDGE_HOST"] for name in stack.process_names()}
    closed = {name for name, host in hosts.items() if host == "127.0.0.1"}
    assert closed == {"inference", "mlflow", "prefect"}
    assert {*hosts.values()} == {"0.0.0.0", "127.0.0.1"}
    for name in ("mlflow", "prefect"):
        assert "127.0.0.1" in stack.command(name, environment(exposed, name))


def test_a_host_that_cannot_be_ends_a_process_with_what_to_write() -> None:
    env = {**os.environ, "TONEBRIDGE_HOST": "http://0.0.0.0"}
    command = [sys.executable, "-m", "serving.inference.app"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "without http://, brackets and port" in done.stderr


@pytest.mark.parametrize(
    ("module", "kind"), [(demo, demo.DemoConfig), (month, month.MonthConfig)], ids=["demo", "month"]
)
def test_a_key_that_everybody_knows_opens_nothing_to_other_machines(
    module: ModuleType, kind: type[StageConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class SeenError(Exception):
        pass

    def see(settings: Settings) -> None:
        raise SeenError(settings.host)

    name = module.__name__.rpartition(".")[2]
    config = configs.load(kind, configs.ROOT / "configs" / f"{name}.yaml")
    monkeypatch.chdir(tmp_path)  # where it keeps its state
    monkeypatch.setenv("TONEBRIDGE_CHAMPION", str(configs.ROOT / "champion"))
    monkeypatch.setenv("TONEBRIDGE_HOST", "0.0.0.0")
    monkeypatch.setattr(module.local, "servers", see)
    with pytest.raises(SeenError, match=r"^127\.0\.0\.1$"):
        module.main(config, [])
