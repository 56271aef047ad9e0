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

# The form of Prefect's lines, from the folder in which the processes run.
_PREFECT_LOGGING = {"PREFECT_LOGGING_SETTINGS_PATH": "serving/observability/prefect.yaml"}
_MLFLOW_LOGGING = {"MLFLOW_CONFIGURE_LOGGING": "false"}  # its lines have the form of the process's others

# Servers whose callers are all on this machine, wherever the others listen.
_OF_THIS_MACHINE = ("inference", "mlflow", "prefect")


def environment(settings: Settings, process: str | None = None) -> dict[str, str]:
    """The environment of a child process: the settings as `TONEBRIDGE_*`, and quiet, offline libraries.

    `process` names a process of the Procfile, which gets the secrets and logins that it needs. Without a name
    the environment is that of the flows. The keys of vendors (`*_API_KEY`) reach the flows, which evaluate
    with them, and the inference service. The variables of S3 (`AWS_*`) reach the flows and MLflow's server.
    ValueError when a secret is not set.
    """
    public = {
        "HOST": "127.0.0.1" if process in _OF_THIS_MACHINE else settings.host,
        "INFERENCE_URLS": json.dumps(settings.inference_urls),
        "GATEWAY_URL": settings.gateway_url,
        "ORGANISATION": settings.organisation,
        "STATE": str(settings.state.absolute()),
        "ARTIFACTS": str(settings.artifacts.absolute()),
        "ARTIFACT_LOCATION": settings.artifact_store,
        "CHAMPION": str(settings.champion.absolute()),
        "BASE": settings.base,
        "GATEWAY_PORT": str(settings.gateway_port),
        "INFERENCE_PORT": str(settings.inference_port),
        "DASHBOARD_PORT": str(settings.dashboard_port),
        "WEB_PORT": str(settings.web_port),
        "CHANNELS_PORT": str(settings.channels_port),
        "WORKER_PORT": str(settings.worker_port),
        "PREFECT_PORT": str(settings.prefect_port),
        "MLFLOW_PORT": str(settings.mlflow_port),
        "MODELS_IN_MEMORY": str(settings.models_in_memory),
        "HOLDOUT_SHARE": str(settings.holdout_share),
        "API_DOCS": str(settings.api_docs),
        "ENVIRONMENT": settings.environment,
        "SENTRY_SHARE": str(settings.sentry_share),
    }
    if settings.web_url is not None:
        public["WEB_URL"] = settings.web_url
    if settings.dashboard_url is not None:
        public["DASHBOARD_URL"] = settings.dashboard_url
    if settings.contact is not None:
        public["CONTACT"] = settings.contact
    if settings.metrics_file is not None:
        public["METRICS_FILE"] = str(settings.metrics_file.absolute())
    for name in ("log_format", "release", "otlp_endpoint", "work_pool", "training_pool"):
        if value := getattr(settings, name):
            public[name.upper()] = value
    private = _private(settings, process)
    if settings.sentry_dsn is not None and process not in ("mlflow", "prefect"):
        private["TONEBRIDGE_SENTRY_DSN"] = settings.sentry_dsn.get_secret_value()
    trains = process in ("flows", None)
    asks_vendors = trains or process == "inference"
    stores_files = trains or process == "mlflow"
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in PRIVATE_NAMES
            and (asks_vendors or not name.endswith("_API_KEY"))
            and (stores_files or not name.startswith("AWS_"))
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
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds, the least that there is (crashed_runs)
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "TOKENIZERS_PARALLELISM": "false",
        # Trainings share the machine with the services. A thread of OpenMP that spins while it waits takes
        # their time, and its own (docs/training.md).
        **({"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")} if trains else {}),
        **private,
    }


# The variables that `_private` sets: a child does not inherit them from this process.
PRIVATE_NAMES = frozenset(
    [f"TONEBRIDGE_{name.upper()}" for name in get_args(SecretName)]
    + [f"TONEBRIDGE_{name}" for name in ("FORMER_RECEIPT_SECRETS", "REDIS_URL", "MLFLOW_URI")]
    + [f"TONEBRIDGE_{name}" for name in ("DATABASE_URL", "POOLED_DATABASE_URL", "BACKUP_DATABASE_URL")]
    + ["RESTIC_PASSWORD"]
    + ["TONEBRIDGE_SLACK_SIGNING_SECRETS", "TONEBRIDGE_SLACK_CLIENT_SECRET"]
    + ["TONEBRIDGE_DISCORD_BOT_TOKEN", "TONEBRIDGE_DISCORD_CLIENT_SECRET"]
    + ["TONEBRIDGE_TEAMS_CLIENT_SECRET", "TONEBRIDGE_SENTRY_DSN"]
    + [f"TONEBRIDGE_BOOTSTRAP_{name}" for name in ("API_KEY", "PASSWORD")]
    + ["PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_DATABASE_CONNECTION_URL"]
    + ["MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_BACKEND_STORE_URI"]
)


def _private(settings: Settings, process: str | None) -> dict[str, str]:
    """The secrets and logins that a process needs, and no others."""

    def secrets(*names: SecretName) -> dict[str, str]:
        return {f"TONEBRIDGE_{name.upper()}": settings.secret(name) for name in names}

    redis_url = {"TONEBRIDGE_REDIS_URL": settings.redis_url or ""}
    former = {"TONEBRIDGE_FORMER_RECEIPT_SECRETS": secret_store.to_json(settings.former_receipt_secrets)}
    match process:
        case "inference":
            return secrets("service_token", "metrics_token")
        case "gateway" | "worker":  # the worker answers as a gateway does; it has no admins
            own: tuple[SecretName, ...] = ("inbound_secret",) if process == "gateway" else ()
            return {
                **secrets("receipt_secret", "session_secret", "service_token", "metrics_token", *own),
                **former,
                **redis_url,
                **_login_urls(settings, GATEWAY_LOGIN),
            }
        case "dashboard":
            return {
                **secrets("service_token", "metrics_token", "prefect_password", "mlflow_password"),
                **redis_url,
                **_login_urls(settings, DASHBOARD_LOGIN),
                "TONEBRIDGE_MLFLOW_URI": f"http://127.0.0.1:{settings.mlflow_port}",
            }
        case "web":
            return {**secrets("service_token", "metrics_token"), **redis_url}
        case "channels":
            signing = [secret.get_secret_value() for secret in settings.slack_signing_secrets]
            app: dict[str, str] = {}
            if settings.slack_client_id and settings.slack_client_secret and settings.channels_url:
                app = {  # admins sign in to connect a workspace, as on any site
                    **secrets("service_token"),
                    **redis_url,
                    "TONEBRIDGE_SLACK_CLIENT_ID": settings.slack_client_id,
                    "TONEBRIDGE_SLACK_CLIENT_SECRET": settings.slack_client_secret.get_secret_value(),
                    "TONEBRIDGE_CHANNELS_URL": settings.channels_url,
                }
            if settings.discord_client_id and settings.discord_client_secret and settings.channels_url:
                app |= {
                    **secrets("service_token"),
                    **redis_url,
                    "TONEBRIDGE_DISCORD_CLIENT_ID": settings.discord_client_id,
                    "TONEBRIDGE_DISCORD_CLIENT_SECRET": settings.discord_client_secret.get_secret_value(),
                    "TONEBRIDGE_CHANNELS_URL": settings.channels_url,
                }
            if settings.discord_bot_token:
                app["TONEBRIDGE_DISCORD_BOT_TOKEN"] = settings.discord_bot_token.get_secret_value()
            teams: dict[str, str] = {}
            if settings.teams_app_id and settings.teams_client_secret:
                teams = {
                    "TONEBRIDGE_TEAMS_APP_ID": settings.teams_app_id,
                    "TONEBRIDGE_TEAMS_CLIENT_SECRET": settings.teams_client_secret.get_secret_value(),
                }
                if settings.teams_app_tenant:
                    teams["TONEBRIDGE_TEAMS_APP_TENANT"] = settings.teams_app_tenant
            return {
                **secrets("channel_secret", "inbound_secret", "metrics_token"),
                **app,
                "TONEBRIDGE_DISCORD_PUBLIC_KEYS": json.dumps(settings.discord_public_keys),
                **teams,
                "TONEBRIDGE_SLACK_SIGNING_SECRETS": json.dumps(signing),
                **_login_urls(settings, GATEWAY_LOGIN),
            }
        case "mlflow":
            return {
                **_MLFLOW_LOGGING,
                "MLFLOW_BACKEND_STORE_URI": settings.registry_uri,
                "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_accounts(settings)),
                "MLFLOW_AUTH_ADMIN_PASSWORD": settings.secret("mlflow_password"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.secret("mlflow_password"),
            }
        case "prefect":
            return {
                **_PREFECT_LOGGING,
                "PREFECT_API_DATABASE_CONNECTION_URL": database.replace_database(
                    database.url_of(settings), "prefect", "postgresql+asyncpg"
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
        **(_PREFECT_LOGGING | _MLFLOW_LOGGING if process == "flows" else {}),
        "TONEBRIDGE_DATABASE_URL": database.url_of(settings),
        "TONEBRIDGE_MLFLOW_URI": settings.mlflow_uri or "",
        "PREFECT_API_AUTH_STRING": prefect_login(settings),
    }


def prefect_login(settings: Settings) -> str:
    """User and password in the form of Prefect's API, `user:password`."""
    return f"{SERVICE_USER}:{settings.secret('prefect_password')}"


def _login_urls(settings: Settings, login: str) -> dict[str, str]:
    """The addresses of Postgres, and of a pooler before it, for a login."""
    urls = {"DATABASE_URL": database.url_of(settings), "POOLED_DATABASE_URL": settings.pooled_database_url}
    return {
        f"TONEBRIDGE_{name}": database.replace_login(url, login, settings.secret("database_password"))
        for name, url in urls.items()
        if url is not None
    }


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
