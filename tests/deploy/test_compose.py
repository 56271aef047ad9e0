"""compose.yaml: every process is there, with its own secrets and no rights, and only the proxy is reached."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.settings import Settings
from deploy.catalog import IMAGES, name_of
from deploy.compose import env_file, secrecy
from deploy.compose.canary import CANARIES
from deploy.compose.installation import PROBES
from deploy.compose.programs import FOLDER
from pipelines.local import command, process_names

TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
MARKS = {name: f"mark-of-{name}" for name in env_file.SECRETS}
VALUES = {line.name: line.value for line in env_file.LINES if line.value is not None} | MARKS
_VARIABLE = re.compile(r"\$\$|\$\{([A-Z_]+)(?::[-?]([^}]*))?\}")


def interpolate(value: Any, values: dict[str, str]) -> Any:
    """A value of the file as Compose reads it."""
    if isinstance(value, dict):
        return {key: interpolate(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each, values) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else values[found[1]], value)


DOCUMENT = interpolate(yaml.safe_load(TEXT), VALUES)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith(name_of(""))}
PROCESSES = {name: secrecy.process_of(name) for name in SERVICES}


def test_every_process_has_a_service_with_its_command() -> None:
    running = {name for name in SERVICES if SERVICES[name].get("profiles") != ["once"] and PROCESSES[name]}
    assert {PROCESSES[name] for name in running} == set(process_names())
    ports = {"TONEBRIDGE_MLFLOW_PORT": "5000", "TONEBRIDGE_PREFECT_PORT": "4200"}
    store = {"TONEBRIDGE_ARTIFACT_LOCATION": VALUES["TONEBRIDGE_ARTIFACT_LOCATION"]}
    for name in running:
        expected = command(PROCESSES[name] or "", ports | store)
        assert SERVICES[name]["command"] == [word.replace("127.0.0.1", "0.0.0.0") for word in expected]


def test_images_are_those_of_the_catalog() -> None:
    for name, service in OURS.items():
        image, _, tag = service["image"].removeprefix(name_of("")).partition(":")
        assert tag == "latest"
        process = PROCESSES[name]
        if process is not None:
            assert process in IMAGES[image].processes, name
    assert set(SERVICES) - set(OURS) == {"postgres", "valkey", "prometheus", "proxy"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_secrets_that_it_needs_and_no_others(name: str) -> None:
    service = SERVICES[name]
    values = [str(value) for value in service.get("environment", {}).values()]
    assert secrecy.found_in([*values, *service["command"]], MARKS) == secrecy.needs(name)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits_and_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] == 512
    assert service["mem_limit"]
    assert service["stop_grace_period"] == "25s"
    assert service["restart"] == ("no" if service.get("profiles") == ["once"] else "unless-stopped")
    assert "privileged" not in service
    assert "cap_add" not in service
    assert name in OURS or not service["user"].startswith("0"), "our images name their user themselves"


def test_what_answers_rewrites_goes_first_where_cores_are_short() -> None:
    shares = {name: service.get("cpu_shares", 1024) for name, service in SERVICES.items()}
    first = {name for name in shares if name.startswith(("gateway", "inference"))} | {
        "postgres",
        "valkey",
        "proxy",
    }
    assert {name for name, share in shares.items() if share == 1024} == first
    assert shares["flows"] < shares["web"] < 1024


def test_only_the_proxy_publishes_ports_and_only_on_this_machine() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert {port.split(":")[0] for port in SERVICES["proxy"]["ports"]} == {"127.0.0.1"}
    assert [name for name in SERVICES if "outer" in SERVICES[name]["networks"]] == ["proxy"]
    assert DOCUMENT["networks"]["inner"]["internal"] is True


def test_what_is_replaced_in_an_upgrade_stops_no_other_service() -> None:
    """podman-compose stops what depends on a service that it makes anew."""
    stores = {"postgres", "valkey"}
    assert {each for service in SERVICES.values() for each in service.get("depends_on", [])} <= stores


@pytest.mark.parametrize("name", SERVICES)
def test_variables_are_settings(name: str) -> None:
    names = {key for key in SERVICES[name].get("environment", {}) if key.startswith("TONEBRIDGE_")}
    assert {key.removeprefix("TONEBRIDGE_").lower() for key in names} <= set(Settings.model_fields)


def test_the_file_of_the_environment_has_every_variable_and_the_same_defaults() -> None:
    # Comments are no part of the document, and a value may be in several services.
    used = {found[1]: found[2] for found in _VARIABLE.finditer(TEXT) if found[1]}
    assert set(used) == set(VALUES) - {"TONEBRIDGE_FORMER_VERSION", "COST_PROFILE"}
    for name, default in used.items():
        expected = "run deploy.compose.env_file" if name in MARKS else VALUES[name]
        assert default == expected, name


def test_health_checks_ask_what_an_upgrade_waits_for() -> None:
    unchecked = {"flows"} | {name for name in SERVICES if SERVICES[name].get("profiles") == ["once"]}
    for name, service in SERVICES.items():
        if name in unchecked:
            assert "healthcheck" not in service
        elif name in PROBES:
            assert f"'{PROBES[name]}'" in service["healthcheck"]["test"][-1]
        else:
            assert service["healthcheck"]["test"][0] == "CMD"


def test_the_proxy_knows_every_gateway_and_every_published_port() -> None:
    proxy = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    for service in SERVICES:
        if PROCESSES[service] == "gateway":
            assert f"server {service} {service}:8080" in proxy
            assert f"path /up/{service}" in proxy
        if PROCESSES[service] == "inference":
            assert f"server {service} {service}:3000" in proxy
    for canary in CANARIES.values():
        assert f"path /up/{canary}" in proxy
    for port in SERVICES["proxy"]["ports"]:
        assert f"bind :{port.rpartition(':')[2]}" in proxy


def test_prometheus_reads_services_that_exist() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = [target for job in jobs for config in job["static_configs"] for target in config["targets"]]
    assert {target.partition(":")[0] for target in targets} <= {*SERVICES, "localhost"}


@pytest.mark.slow
@pytest.mark.parametrize("tls", ["on", "off"])
def test_haproxy_reads_its_configuration(tls: str, tmp_path: Path) -> None:
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "there is no haproxy: apt-get install haproxy"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout -"
    made = subprocess.run(words.split(), check=True, capture_output=True)
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "a.pem").write_bytes(made.stdout)
    text = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8").replace("/certificates/", f"{folder}/")
    (tmp_path / "haproxy.cfg").write_text(text, encoding="utf-8")
    names = {"WEB_HOST": "a", "DASHBOARD_HOST": "b", "CHANNELS_HOST": "c", "PROXY_TLS": tls}
    checked = subprocess.run(
        [program, "-c", "-f", str(tmp_path / "haproxy.cfg")], env=names, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
