"""What the environment decides: addresses, secrets, folders. Built once in a process's main and passed
down.
"""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every `TONEBRIDGE_*` variable. Durations are in the unit that the name ends in."""

    model_config = SettingsConfigDict(env_prefix="TONEBRIDGE_", env_file=".env", extra="ignore", frozen=True)

    database_url: str | None = Field(None, description="libpq URL of Postgres; the local one when unset")
    redis_url: str | None = Field(
        None, description="URL of a Redis-protocol server; the local one when unset"
    )
    inference_urls: tuple[str, ...] = Field(
        ("http://127.0.0.1:3000",), description="replicas of the BentoML service, JSON list"
    )
    gateway_url: str = "http://127.0.0.1:8080"
    mlflow_uri: str | None = Field(
        None, description="MLflow tracking URI; database `mlflow` on the same Postgres when unset"
    )

    receipt_secret: SecretStr = Field(
        SecretStr("local-receipt-secret-change-me"), description="signs receipts"
    )
    session_secret: SecretStr = Field(
        SecretStr("local-session-secret-change-me-please"),
        min_length=32,
        description="signs the access tokens of people who sign in",
    )
    service_token: SecretStr = Field(
        SecretStr("local-service-token-change-me"), description="what the gateway shows the BentoML service"
    )
    bootstrap_api_key: SecretStr | None = Field(
        None, description="the first API key, tb_<id>_<secret>; made and printed once when unset"
    )

    bootstrap_email: str = Field(
        "owner@localhost", description="with whose address the first person signs in"
    )
    bootstrap_password: SecretStr | None = Field(
        None, description="the first person's password; made and printed once when unset"
    )

    organisation: str = Field(
        "first",
        description="the tenant that runs this: its feedback trains the model, beside that of those who opted"
        " in, and its people decide on experiments",
    )
    dvc_remote: str | None = Field(
        None, description="where DVC pushes snapshots; a folder or any remote that it knows"
    )

    state: Path = Field(Path(".tonebridge"), description="data of the local servers, runs, model store")
    artifacts: Path = Path("artifacts")
    base: str = Field("smollm2-135m", description="pip's small model, a local folder, or a Hugging Face id")

    hot_protocol: bool = Field(
        True, description="the hot endpoint is served by serving/gateway/protocol.py, without ASGI"
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
    otlp_endpoint: str | None = Field(
        None,
        description="where an OpenTelemetry collector takes spans by HTTP, such as http://host:4318/v1/traces",
    )

    gateway_port: int = 8080
    inference_port: int = 3000
    dashboard_port: int = 8090
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
