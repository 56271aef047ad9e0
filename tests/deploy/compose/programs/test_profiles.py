"""Cost profiles: the Compose files and the chart's files of values say the same, and change what there is."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.costs import PROFILES, load_profile
from configs.settings import Settings
from deploy.chart_checks.rules import CHART
from deploy.compose import env_file, secrecy
from deploy.compose.programs import FOLDER, Compose
from pipelines.environments import PRIVATE_NAMES

BASE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
# Of ours, those that read `Settings`; MLflow and Prefect are other programs.
READERS = {"gateway-1", "gateway-2", "gateway-canary", "worker", "channels", "dashboard", "web"}


def test_the_profiles_are_those_of_the_folders() -> None:
    for folder in (FOLDER, CHART):
        assert {file.stem for file in (folder / "profiles").glob("*.yaml")} == set(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
def test_compose_and_the_chart_have_the_same_settings(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_profile(profile)["x-settings"]
    chart = yaml.safe_load((CHART / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8"))
    assert {f"TONEBRIDGE_{name}": value for name, value in chart["settings"].items()} == settings
    assert not settings.keys() & PRIVATE_NAMES
    for name, value in settings.items():
        assert name.removeprefix("TONEBRIDGE_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    Settings(_env_file=None)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_changes_services_that_there_are(profile: str) -> None:
    document = load_profile(profile)
    assert document["services"].keys() <= BASE["services"].keys()
    for name, service in document["services"].items():
        if service is None:
            continue  # removed
        environment = service.get("environment", {})
        if name in READERS or environment:
            assert document["x-settings"].items() <= environment.items(), name
    running = {name for name, service in document["services"].items() if service is not None}
    assert running & READERS == (READERS if profile != "free" else {"gateway-1", "web"})


def test_the_free_profile_names_no_store_of_the_file() -> None:
    """What stays must not call what is removed."""
    document = load_profile("free")
    removed = {name for name, service in document["services"].items() if service is None}
    for name, service in BASE["services"].items():
        if name in removed:
            continue
        over = document["services"].get(name) or {}
        environment = {**(service.get("environment") or {}), **over.get("environment", {})}
        read = {key: value for key, value in environment.items() if key != "PREFECT_API_URL"}
        used = set(re.findall(r"[@/](postgres|valkey|inference-2|mlflow|prefect)[:/]", str(read)))
        assert not used, (name, used)
        if service.get("depends_on"):
            assert over["depends_on"] is None, name
        assert "egress" in (*service.get("networks", ()), *over.get("networks", ())) or name == "proxy"
    assert secrecy.process_of("gateway-1") == "gateway"


def test_compose_gets_the_file_of_the_profile(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    env_file.make(file)
    assert Compose(["compose"], file)._command(["ps"])[1:3] == ["--file", str(FOLDER / "compose.yaml")]
    env_file.change(file, {"COST_PROFILE": "growth"})
    words = Compose(["compose"], file)._command(["ps"])
    assert words[1:5] == [
        "--file", str(FOLDER / "compose.yaml"), "--file", str(FOLDER / "profiles" / "growth.yaml"),
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("podman-compose") is None, reason="podman-compose is not here")
@pytest.mark.parametrize("profile", PROFILES)
def test_podman_compose_reads_the_files(profile: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    env_file.make(file)
    needed = set(re.findall(r"\$\{(FREE_\w+)", (FOLDER / "profiles" / f"{profile}.yaml").read_text()))
    with file.open("a") as output:
        output.writelines(f"{name}=mark-of-{name}\n" for name in needed)
    command = [
        "podman-compose", "--file", "compose.yaml", "--file", f"profiles/{profile}.yaml",
        "--env-file", str(file), "--profile", "once", "--profile", "rollout", "config",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    document = load_profile(profile)
    removed = {name for name, service in document["services"].items() if service is None}
    assert services.keys() == BASE["services"].keys() - removed
    for name in READERS & services.keys():
        assert document["x-settings"].items() <= services[name]["environment"].items()
