"""The chart's table says of each process what the code says: command, port, image, secrets, whom it calls."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import SecretStr

from configs import secret_store
from configs.settings import SecretName, Settings
from deploy.catalog import IMAGES, ROOT
from deploy.chart_checks.rules import CHART, table
from pipelines import local
from pipelines.environments import PRIVATE_NAMES, environment
from pipelines.settings_readers import find_readers

TABLE = table()
PROCESSES: dict[str, dict[str, Any]] = TABLE["processes"]
WORKERS: dict[str, dict[str, Any]] = TABLE["workers"]
ROWS = {**PROCESSES, **WORKERS, **TABLE["jobs"]}
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
VARIABLE = re.compile(r"\bTONEBRIDGE_[A-Z_]*[A-Z]\b(?!_)")


def secrets_of(row: dict[str, Any]) -> set[str]:
    return {key for keys in row["secrets"].values() for key in keys}


def a_whole_installation(folder: Path) -> Settings:
    """Settings in which every platform is connected and a pooler stands before Postgres."""
    secret = SecretStr("s")
    return Settings.model_construct().model_copy(
        update={
            **dict(secret_store.Secrets()),
            "database_url": "postgresql://owner:secret@postgres/tonebridge",
            "pooled_database_url": "postgresql://owner:secret@pooler/tonebridge",
            "redis_url": "redis://redis:6379/0",
            "mlflow_uri": "postgresql+psycopg://owner:secret@postgres/mlflow",
            "state": folder,
            "slack_client_id": "1.2",
            "slack_client_secret": secret,
            "slack_signing_secrets": (secret,),
            "discord_client_id": "1",
            "discord_client_secret": secret,
            "discord_bot_token": secret,
            "discord_public_keys": ("ab" * 32,),
            "teams_app_id": "1",
            "teams_client_secret": secret,
            "teams_app_tenant": "1",
            "sentry_dsn": secret,
            "channels_url": "https://chat.example.com",
        }
    )


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MISTRAL_API_KEY", "a-key-of-a-vendor")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-key-of-a-bucket")
    return a_whole_installation(tmp_path)


def test_the_chart_has_every_process_and_no_other() -> None:
    assert sorted(PROCESSES) == sorted(local.process_names())
    assert sorted(VALUES["processes"]) == sorted(PROCESSES)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_runs_as_the_procfile_says(process: str) -> None:
    ports = {
        name: str(field.default) for name, field in Settings.model_fields.items() if name.endswith("_port")
    }
    variables = {f"TONEBRIDGE_{name.upper()}": value for name, value in ports.items()}
    words = local.command(
        process, {**variables, "TONEBRIDGE_ARTIFACT_LOCATION": "$(TONEBRIDGE_ARTIFACT_LOCATION)"}
    )
    row = PROCESSES[process]
    assert row["command"] == [word.replace("127.0.0.1", "0.0.0.0") for word in words]
    assert process in IMAGES[row["image"]].processes
    if "port" in row:
        assert str(row["port"]) == ports[f"{process}_port"]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_gets_the_secrets_that_it_gets_without_a_cluster(process: str, whole: Settings) -> None:
    given = environment(whole, process)
    row = PROCESSES[process]
    named = secrets_of(row) | set(row.get("settings", ()))
    assert named & PRIVATE_NAMES == (set(given) & PRIVATE_NAMES) - {"TONEBRIDGE_SENTRY_DSN"}
    assert ("vendors" in row.get("all_keys", ())) == ("MISTRAL_API_KEY" in given)
    assert ("bucket" in row.get("all_keys", ())) == ("AWS_SECRET_ACCESS_KEY" in given)
    assert ("errors" in row.get("all_keys", ())) == ("TONEBRIDGE_SENTRY_DSN" in given)


def test_channels_get_what_connects_the_platforms(whole: Settings) -> None:
    own = set(environment(whole, "channels")) - set(environment(whole, "web"))
    row = PROCESSES["channels"]
    assert own <= secrets_of(row) | set(row["settings"])


def test_only_what_owns_the_tables_has_the_owners_login() -> None:
    owners = {name for name, row in ROWS.items() if "owner" in row["secrets"]}
    assert owners == {"migration", "bootstrap", "flows", "first-release", "flow-run"}
    assert set(get_args(SecretName)) <= {
        name.removeprefix("TONEBRIDGE_").lower() for name in secrets_of(PROCESSES["flows"])
    }


def test_a_run_in_a_pool_has_what_the_process_of_the_flows_has() -> None:
    own = {"command"}
    run, flows = TABLE["jobs"]["flow-run"], PROCESSES["flows"]
    assert {key: run[key] for key in set(run) - own} == {key: flows[key] for key in set(flows) - own}


def test_a_worker_can_start_pods_and_sees_no_secret_but_the_one_of_prefect() -> None:
    assert {f"{pool}-worker" for pool in VALUES["workPools"]} == set(WORKERS)
    for row in WORKERS.values():
        assert secrets_of(row) == {"PREFECT_API_AUTH_STRING"}
        assert row["calls"] == ["prefect", "kubernetes"]
        assert "state" not in row
    others = [row for row in ROWS.values() if row not in WORKERS.values()]
    assert [row for row in others if "kubernetes" in row["calls"]] == []


def test_every_variable_is_a_setting() -> None:
    files = [*CHART.rglob("*.yaml"), *CHART.rglob("*.tpl")]
    named = {name for file in files for name in VARIABLE.findall(file.read_text(encoding="utf-8"))}
    # One in a comment is set by Kubernetes, if links to services are on.
    known = {f"TONEBRIDGE_{name.upper()}" for name in Settings.model_fields}
    assert named - known == set()
    assert len(named) > 30


@pytest.mark.parametrize("name", ROWS)
def test_an_arrow_is_there_if_the_address_is(name: str) -> None:
    row = ROWS[name]
    variables = secrets_of(row) | set(row.get("settings", ()))
    addresses = {
        "postgres": {
            "TONEBRIDGE_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI", "PREFECT_API_DATABASE_CONNECTION_URL",
        },
        "redis": {"TONEBRIDGE_REDIS_URL"},
        "inference": {"TONEBRIDGE_INFERENCE_URLS"},
        "gateway": {"TONEBRIDGE_GATEWAY_URL"},
        "prefect": {"PREFECT_API_URL"},
    }  # fmt: skip
    for called, names in addresses.items():
        assert (called in row["calls"]) == bool(variables & names), called
    assert ("mlflow" in row["calls"]) == (name == "dashboard")
    assert ("internet" in row["calls"]) == (name in ("worker", "channels"))
    for store in ("vendors", "bucket"):
        assert (store in row["calls"]) == (store in row.get("all_keys", ()))
    others = {"internet", "vendors", "bucket", "vllm", "kubernetes"}
    assert set(row["calls"]) <= {*addresses, *PROCESSES, *others}


def test_settings_that_a_process_names_are_computed() -> None:
    text = (CHART / "templates" / "_helpers.tpl").read_text(encoding="utf-8")
    computed = set(re.findall(r"^([A-Z][A-Z_]+): ", text, re.MULTILINE))
    assert {name for row in ROWS.values() for name in row.get("settings", ())} == computed


def test_each_process_that_reads_a_computed_setting_gets_it() -> None:
    readers = find_readers()
    computed = {name for row in PROCESSES.values() for name in row.get("settings", ())}
    for name in sorted(computed):
        if name.startswith("TONEBRIDGE_"):
            given = {
                process
                for process, row in PROCESSES.items()
                if name in row.get("settings", ()) or name in secrets_of(row)
            }
            assert given == set(readers[name.removeprefix("TONEBRIDGE_").lower()]) & set(PROCESSES), name


def test_the_page_says_how_to_make_every_secret() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for row in ROWS.values():
        for secret, keys in row["secrets"].items():
            assert VALUES["secrets"][secret] in page
            assert [key for key in keys if key not in page and key not in TABLE["optional"]] == []
    assert set(TABLE["optional"]) <= {key for row in ROWS.values() for key in secrets_of(row)}
