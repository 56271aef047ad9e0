"""Which processes read which setting, by their code."""

import pytest

from configs.settings import Settings
from pipelines import settings_readers


@pytest.mark.parametrize(
    ("name", "processes"),
    [
        ("max_connections", ["gateway", "worker", "dashboard", "web", "channels"]),
        ("models_in_memory", ["inference"]),
        ("mlflow_port", ["dashboard", "mlflow", "flows"]),  # by the command in the Procfile
        ("mlflow_uri", ["dashboard", "flows"]),  # by the property `registry_uri`
        ("bootstrap_email", ["make up"]),
        ("receipt_secret", ["gateway", "worker"]),
        ("metrics_token", ["inference", "gateway", "worker", "dashboard", "web", "channels"]),
        ("database_password", ["flows", "migrate"]),
        ("host", ["inference", "gateway", "worker", "dashboard", "web", "channels"]),
    ],
)
def test_readers_are_found_in_the_code(name: str, processes: list[str]) -> None:
    readers = settings_readers.find_readers()
    assert readers[name] == processes


def test_a_setting_that_nobody_reads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Settings.model_fields, "forgotten", Settings.model_fields["host"])
    with pytest.raises(ValueError, match="no process reads forgotten: remove it"):
        settings_readers.find_readers()
