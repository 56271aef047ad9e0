"""Which secrets a service of compose.yaml may have: those that its process gets from `make up`."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from configs.settings import SecretName, Settings
from deploy.compose.env_file import SECRETS
from pipelines import environments

OWNER = "POSTGRES_PASSWORD"
# Services that are no processes of ours, and commands that end.
_OTHERS: Mapping[str, frozenset[str]] = {
    "postgres": frozenset({OWNER}),
    "valkey": frozenset({"TONEBRIDGE_REDIS_PASSWORD"}),
    "prometheus": frozenset({"TONEBRIDGE_METRICS_TOKEN"}),
    "proxy": frozenset(),
    "migrate": frozenset({OWNER, "TONEBRIDGE_DATABASE_PASSWORD"}),
    "bootstrap": frozenset({OWNER}),
}
# A release is made in the environment of the flows.
_PROCESSES = {"release": "flows"}


def process_of(service: str) -> str | None:
    """The process of the Procfile that a service runs, such as `gateway` for `gateway-1`; None when none."""
    if service in _OTHERS:
        return None
    return _PROCESSES.get(service, service.removesuffix("-canary").rstrip("0123456789").rstrip("-"))


def needs(service: str) -> frozenset[str]:
    """The secrets of `.env` that a service needs."""
    process = process_of(service)
    if process is None:
        return _OTHERS[service]
    marks = {name: f"mark-of-{name}" for name in SECRETS}
    secrets: dict[str, object] = {
        name: SecretStr(marks[f"TONEBRIDGE_{name.upper()}"]) for name in get_args(SecretName)
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_construct().model_copy(
            update={
                **secrets,
                "database_url": f"postgresql://tonebridge:{marks[OWNER]}@postgres:5432/tonebridge",
                "mlflow_uri": f"postgresql+psycopg://tonebridge:{marks[OWNER]}@postgres:5432/mlflow",
                "redis_url": f"redis://:{marks['TONEBRIDGE_REDIS_PASSWORD']}@valkey:6379/0",
                "state": Path(folder),
            }
        )
        values = environments.environment(settings, process).values()
    return found_in(values, marks)


def found_in(texts: Iterable[str], secrets: Mapping[str, str]) -> frozenset[str]:
    """The names of the secrets whose values stand in any of the texts."""
    joined = "\n".join(texts)
    return frozenset(name for name, value in secrets.items() if value in joined)
