"""The file with the settings of a running installation."""

from pathlib import Path

import pytest

from configs.settings import Settings
from pipelines.environments import read_environment, write_environment


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
        }
    )
    write_environment(written)
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", "postgresql://another@shell/database")
    read = read_environment(state)
    assert read is not None
    for name in (
        *("state", "organisation", "inference_urls", "holdout_share", "gateway_port"),
        *("database_url", "redis_url", "mlflow_uri", "receipt_secret", "former_receipt_secrets"),
    ):
        assert getattr(read, name) == getattr(written, name), name


def test_without_the_file_there_are_no_settings(tmp_path: Path) -> None:
    assert read_environment(tmp_path) is None
