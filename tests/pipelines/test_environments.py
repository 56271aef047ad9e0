"""The file with the settings of a running installation."""

from pathlib import Path

import pytest

from configs.settings import Settings
from data import database
from pipelines import local as servers
from pipelines.environments import environment, read_environment, write_environment


def test_the_file_gives_back_the_settings(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "it's a folder with $HOME and = in its name"
    state.mkdir()
    written = local.model_copy(
        update={
            "state": state,
            "organisation": "Müller & Co.",
            "inference_urls": ("http://127.0.0.1:1", "http://127.0.0.1:2"),
            "holdout_share": 0.1,
            "host": "::1",
        }
    )
    write_environment(written)
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", "postgresql://another@shell/database")
    read = read_environment(state)
    assert read is not None
    for name in (
        *("state", "organisation", "inference_urls", "holdout_share", "gateway_port", "host"),
        *("database_url", "redis_url", "mlflow_uri", "receipt_secret", "former_receipt_secrets"),
    ):
        assert getattr(read, name) == getattr(written, name), name


def test_keys_of_a_bucket_reach_the_processes_that_use_it(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the bucket")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    settings = local.model_copy(update={"artifact_location": "s3://models/tonebridge"})
    known = {
        process: environment(settings, process)
        for process in ("inference", "gateway", "worker", "dashboard", "web", "channels", "prefect", "mlflow")
    }
    known["flows"] = environment(settings)
    assert {name for name, given in known.items() if any(key.startswith("AWS_") for key in given)} == {
        "flows",
        "mlflow",
    }
    assert known["flows"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert {given["TONEBRIDGE_ARTIFACT_LOCATION"] for given in known.values()} == {"s3://models/tonebridge"}


def test_without_the_file_there_are_no_settings(tmp_path: Path) -> None:
    assert read_environment(tmp_path) is None


def test_a_pooler_is_for_the_processes_with_a_login_of_their_own(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEBRIDGE_POOLED_DATABASE_URL", "postgresql://another@shell/database")
    settings = local.model_copy(
        update={"pooled_database_url": "postgresql://postgres@pooler:6432/tonebridge"}
    )
    password = settings.secret("database_password")
    logins = {
        "gateway": "tonebridge_gateway",
        "worker": "tonebridge_gateway",
        "channels": "tonebridge_gateway",
        "dashboard": "tonebridge_dashboard",
    }
    for process in (*servers.process_names(), None):
        given = environment(settings, process).get("TONEBRIDGE_POOLED_DATABASE_URL")
        login = logins.get(str(process))
        assert given == (login and f"postgresql://{login}:{password}@pooler:6432/tonebridge"), process


def test_a_server_of_its_own_has_no_pooler_before_it(local: Settings, tmp_path: Path) -> None:
    pooled = "postgresql://postgres@pooler:6432/tonebridge"
    wanted = local.model_copy(update={"state": tmp_path, "pooled_database_url": pooled})
    with servers.servers(wanted) as used:
        assert used.pooled_database_url == pooled
        assert database.pooled_url_of(used) == pooled
    with servers.servers(wanted.model_copy(update={"database_url": None})) as used:
        assert used.pooled_database_url is None
