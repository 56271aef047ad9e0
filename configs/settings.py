"""What the environment decides: addresses, secrets, folders. Built once in a process's main and passed
down.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, IPvAnyNetwork, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE_USER = "tonebridge"  # of Prefect's API and MLflow's server

# Where a model writes: "auto" is the first GPU, or the CPU without one.
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]

SecretName = Literal[
    "receipt_secret",
    "session_secret",
    "service_token",
    "metrics_token",
    "database_password",
    "redis_password",
    "prefect_password",
    "mlflow_password",
]


def _strong(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not 32 <= len(value.encode()) <= 64:
        raise ValueError(f"a secret has 32 to 64 bytes, not {len(value.encode())}")
    if "change-me" in value.lower():
        raise ValueError(
            "this is a placeholder that everybody knows; make a secret by"
            " `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
        )
    return secret


Secret = Annotated[SecretStr, AfterValidator(_strong)]


class FormerSecret(BaseModel):
    """A secret that was replaced, and the moment from which on nothing is accepted that it signed."""

    secret: Secret
    until: datetime


class Settings(BaseSettings):
    """Every `TONEBRIDGE_*` variable. Durations are in the unit that the name ends in."""

    model_config = SettingsConfigDict(
        env_prefix="TONEBRIDGE_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    database_url: str | None = Field(
        None,
        description="libpq URL of Postgres; the local one when unset. The gateway's names the login"
        " tonebridge_gateway, the dashboard's tonebridge_dashboard, that of flows and migrations the owner",
    )
    redis_url: str | None = Field(
        None, description="URL of a Redis-protocol server; the local one when unset"
    )
    redis_timeout_s: float = Field(
        0.05, gt=0, description="a gateway waits so long for Redis, then answers without it"
    )
    inference_urls: tuple[str, ...] = Field(
        ("http://127.0.0.1:3000",), description="replicas of the BentoML service, JSON list"
    )
    gateway_url: str = "http://127.0.0.1:8080"
    mlflow_uri: str | None = Field(
        None, description="MLflow tracking URI; database `mlflow` on the same Postgres when unset"
    )

    receipt_secret: Secret | None = Field(None, description="signs receipts; 32 to 64 bytes")
    former_receipt_secrets: tuple[FormerSecret, ...] = Field(
        (), description="signed receipts that are still accepted, each until a moment; JSON list"
    )
    session_secret: Secret | None = Field(
        None, description="signs the access tokens of people who sign in; 32 to 64 bytes"
    )
    service_token: Secret | None = Field(
        None, description="what the gateway shows the BentoML service, and the dashboard the gateway"
    )
    metrics_token: Secret | None = Field(None, description="what Prometheus shows to read /metrics")
    database_password: Secret | None = Field(
        None, description="of the logins tonebridge_gateway and tonebridge_dashboard"
    )
    redis_password: Secret | None = Field(
        None, description="of the local Valkey; TONEBRIDGE_REDIS_URL names that of another server"
    )
    prefect_password: Secret | None = Field(None, description="of the user tonebridge of Prefect's API")
    mlflow_password: Secret | None = Field(None, description="of the user tonebridge of MLflow's server")
    bootstrap_api_key: SecretStr | None = Field(
        None, description="the first API key, tb_<id>_<secret>; made and printed once when unset"
    )

    bootstrap_email: str = Field(
        "owner@localhost", description="with whose address the first person signs in"
    )
    bootstrap_password: SecretStr | None = Field(
        None, description="the first person's password; made and printed once when unset"
    )

    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="addresses or networks of the proxies in front of gateway and dashboard, JSON list: what"
        " they say in X-Forwarded-For and X-Forwarded-Proto is believed",
    )

    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.:\[\]-]+$")] | None = Field(
        None,
        description="the origin by which clients call the gateway, such as https://tone.example.com, without"
        " a path: what they sign. http:// and the Host header when unset",
    )

    webhook_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="networks that webhooks may reach although they are not public, also by http://,"
        " JSON list: every organisation may name any address there",
    )

    organisation: str = Field(
        "first",
        description="the tenant that runs this: its feedback trains the model, beside that of those who opted"
        " in, and its people decide on experiments",
    )
    metrics_file: Path | None = Field(
        None, description="yaml of metrics and segments of one's own, for gateway, dashboard and flows"
    )
    dvc_remote: str | None = Field(
        None, description="where DVC pushes snapshots; a folder or any remote that it knows"
    )

    state: Path = Field(Path(".tonebridge"), description="data of the local servers, runs, model store")
    artifacts: Path = Path("artifacts")
    champion: Path = Field(
        Path("champion"), description="the version that an installation without any releases at its start"
    )
    base: str = Field("smollm2-135m", description="pip's small model, a local folder, or a Hugging Face id")

    device: Device = Field(
        "auto", description="where versions write, in serving and in evaluation: auto, cpu, cuda or cuda:1"
    )

    hot_protocol: bool = Field(
        True, description="the hot endpoint is served by serving/gateway/online/protocol.py, without ASGI"
    )
    max_connections: int = Field(20_000, ge=1, description="open at once in a gateway or a dashboard")
    max_connections_per_address: int = Field(
        20_000,
        ge=1,
        description="as many as in all: both listen on 127.0.0.1, where all come from the proxy's address",
    )
    max_header_bytes: int = Field(32 * 1024, ge=256, description="of a request line and its header fields")
    max_header_fields: int = Field(100, ge=1)
    header_timeout_s: float = Field(
        10, gt=0, description="for a head to arrive, and for a new connection to send something"
    )
    body_timeout_s: float = Field(30, gt=0, description="for a body to arrive, if it is a short one")
    slowest_body_bytes_per_s: int = Field(
        64 * 1024, ge=1, description="a body may take a second longer for each so many bytes that arrive"
    )
    sampled_share: float = Field(0.01, ge=0, le=1, description="of the requests: logged, with a span")
    api_docs: bool = Field(True, description="the gateway shows its API to everybody: /docs, /openapi.json")
    graphql_free_queries: bool = Field(
        True,
        description="callers may send any GraphQL document; if not, only the trusted ones",
    )
    otlp_endpoint: str | None = Field(
        None,
        description="where an OpenTelemetry collector takes spans by HTTP, such as http://host:4318/v1/traces",
    )

    gateway_port: int = 8080
    inference_port: int = 3000
    dashboard_port: int = 8090
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="names by which people reach the dashboard, without ports, JSON list; others are refused",
    )
    prefect_port: int = 4200
    mlflow_port: int = 5000
    holdout_share: float = Field(
        0.05,
        ge=0,
        le=0.25,
        description="of the users: stay with an old champion; as many more are set beside them",
    )
    models_in_memory: int = Field(
        4, ge=1, description="versions that a service holds at once; the least recently used leaves"
    )

    def secret(self, name: SecretName) -> str:
        """A secret in clear; ValueError when it is not set."""
        value: SecretStr | None = getattr(self, name)
        if value is None:
            raise ValueError(
                f"TONEBRIDGE_{name.upper()} is not set; `make up` makes a random one and keeps it in the"
                " state folder"
            )
        return value.get_secret_value()

    @property
    def registry_uri(self) -> str:
        """MLflow's tracking and registry URI; ValueError when it is not set."""
        if self.mlflow_uri is None:
            raise ValueError("TONEBRIDGE_MLFLOW_URI is not set; `make up` and `make demo` set it")
        return self.mlflow_uri

    @property
    def model_store(self) -> Path:
        """BentoML's home: released versions lie there as immutable models `tonebridge:<version>`."""
        return self.state / "bentoml"
