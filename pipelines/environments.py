"""Environments of child processes. Each process gets the secrets and the database login that it needs, and no
others.
"""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import get_args

from pydantic_settings import EnvSettingsSource

from configs import secret_store
from configs.settings import SERVICE_USER, SecretName, Settings
from data import database
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN


def environment(settings: Settings, process: str | None = None) -> dict[str, str]:
    """The environment of a child process: the settings as `TONEBRIDGE_*`, and quiet, offline libraries.

    `process` names a process of the Procfile, which gets the secrets and logins that it needs. Without a name
    the environment is that of the flows. The keys of vendors (`*_API_KEY`) reach the flows, which evaluate
    with them, and the inference service. ValueError when a secret is not set.
    """
    public = {
        "INFERENCE_URLS": json.dumps(settings.inference_urls),
        "GATEWAY_URL": settings.gateway_url,
        "ORGANISATION": settings.organisation,
        "STATE": str(settings.state.absolute()),
        "ARTIFACTS": str(settings.artifacts.absolute()),
        "CHAMPION": str(settings.champion.absolute()),
        "BASE": settings.base,
        "GATEWAY_PORT": str(settings.gateway_port),
        "INFERENCE_PORT": str(settings.inference_port),
        "DASHBOARD_PORT": str(settings.dashboard_port),
        "PREFECT_PORT": str(settings.prefect_port),
        "MLFLOW_PORT": str(settings.mlflow_port),
        "MODELS_IN_MEMORY": str(settings.models_in_memory),
        "HOLDOUT_SHARE": str(settings.holdout_share),
        "API_DOCS": str(settings.api_docs),
    }
    if settings.metrics_file is not None:
        public["METRICS_FILE"] = str(settings.metrics_file.absolute())
    private = _private(settings, process)
    trains = process in ("flows", None)
    asks_vendors = trains or process == "inference"
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in _PRIVATE_NAMES and (asks_vendors or not name.endswith("_API_KEY"))
        },
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        **{f"TONEBRIDGE_{key}": value for key, value in public.items()},
        "BENTOML_HOME": str(settings.model_store.absolute()),
        "BENTOML_DO_NOT_TRACK": "True",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PREFECT_API_URL": f"http://127.0.0.1:{settings.prefect_port}/api",
        "PREFECT_HOME": str((settings.state / "prefect").absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "TOKENIZERS_PARALLELISM": "false",
        # Trainings share the machine with the services. A thread of OpenMP that spins while it waits takes
        # their time, and its own (docs/training.md).
        **({"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")} if trains else {}),
        **private,
    }


# The variables that `_private` sets: a child does not inherit them from this process.
_PRIVATE_NAMES = frozenset(
    [f"TONEBRIDGE_{name.upper()}" for name in get_args(SecretName)]
    + [f"TONEBRIDGE_{name}" for name in ("FORMER_RECEIPT_SECRETS", "DATABASE_URL", "REDIS_URL", "MLFLOW_URI")]
    + [f"TONEBRIDGE_BOOTSTRAP_{name}" for name in ("API_KEY", "PASSWORD")]
    + ["PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_DATABASE_CONNECTION_URL"]
    + ["MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_BACKEND_STORE_URI"]
)


def _private(settings: Settings, process: str | None) -> dict[str, str]:
    """The secrets and logins that a process needs, and no others."""
    assert settings.database_url is not None

    def secrets(*names: SecretName) -> dict[str, str]:
        return {f"TONEBRIDGE_{name.upper()}": settings.secret(name) for name in names}

    redis_url = {"TONEBRIDGE_REDIS_URL": settings.redis_url or ""}
    former = {"TONEBRIDGE_FORMER_RECEIPT_SECRETS": secret_store.to_json(settings.former_receipt_secrets)}
    match process:
        case "inference":
            return secrets("service_token", "metrics_token")
        case "gateway" | "worker":  # the worker answers as a gateway does; it serves no metrics
            metrics: tuple[SecretName, ...] = ("metrics_token",) if process == "gateway" else ()
            return {
                **secrets("receipt_secret", "session_secret", "service_token", *metrics),
                **former,
                **redis_url,
                "TONEBRIDGE_DATABASE_URL": _login_url(settings, GATEWAY_LOGIN),
            }
        case "dashboard":
            return {
                **secrets("service_token", "prefect_password", "mlflow_password"),
                **redis_url,
                "TONEBRIDGE_DATABASE_URL": _login_url(settings, DASHBOARD_LOGIN),
                "TONEBRIDGE_MLFLOW_URI": f"http://127.0.0.1:{settings.mlflow_port}",
            }
        case "mlflow":
            return {
                "MLFLOW_BACKEND_STORE_URI": settings.registry_uri,
                "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_accounts(settings)),
                "MLFLOW_AUTH_ADMIN_PASSWORD": settings.secret("mlflow_password"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.secret("mlflow_password"),
            }
        case "prefect":
            return {
                "PREFECT_API_DATABASE_CONNECTION_URL": database.replace_database(
                    settings.database_url, "prefect", "postgresql+asyncpg"
                ),
                "PREFECT_SERVER_API_AUTH_STRING": prefect_login(settings),
                "PREFECT_API_AUTH_STRING": prefect_login(settings),  # for its own background services
                # By default any page that the operator opens may call the API, which runs commands.
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{settings.prefect_port}",
                "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            }
    return {
        **secrets(*get_args(SecretName)),
        **former,
        **redis_url,
        "TONEBRIDGE_DATABASE_URL": settings.database_url,
        "TONEBRIDGE_MLFLOW_URI": settings.mlflow_uri or "",
        "PREFECT_API_AUTH_STRING": prefect_login(settings),
    }


def prefect_login(settings: Settings) -> str:
    """User and password in the form of Prefect's API, `user:password`."""
    return f"{SERVICE_USER}:{settings.secret('prefect_password')}"


def _login_url(settings: Settings, login: str) -> str:
    assert settings.database_url is not None
    return database.replace_login(settings.database_url, login, settings.secret("database_password"))


def _mlflow_accounts(settings: Settings) -> Path:
    """Write the configuration of MLflow's own sign-in; its path. MLflow creates its accounts anew at each
    start, so that they have the installation's current password.
    """
    folder = settings.state / "mlflow-accounts"
    folder.mkdir(mode=0o700, exist_ok=True)
    accounts_file = (folder / "accounts.db").absolute()
    accounts_file.unlink(missing_ok=True)
    path = folder / "basic_auth.ini"
    path.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{accounts_file}\nadmin_username = {SERVICE_USER}\n"
    )
    return path.absolute()


_FILE = "env"  # of the state folder


def write_environment(settings: Settings) -> Path:
    """Write a file for shells, `. <file>`: their commands then use the running installation as its owner.

    Returns the file's path.
    """
    path = settings.state / _FILE
    prefixes = ("TONEBRIDGE_", "PREFECT_", "MLFLOW_", "BENTOML_")
    values = {name: value for name, value in environment(settings).items() if name.startswith(prefixes)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def read_environment(state: Path) -> Settings | None:
    """The settings in the file of `write_environment`, whatever the shell says; None without such a file.

    The installation that wrote it may have stopped since.
    """
    path = state / _FILE
    if not path.exists():
        return None
    words = shlex.split(path.read_text(encoding="utf-8"), comments=True)
    assignments = (word.partition("=") for word in words if "=" in word)
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, _, value in assignments}
    return Settings(**source())
