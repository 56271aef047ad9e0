"""What the environment decides: addresses, secrets, folders. Built once in a process's main and passed
down.
"""

import contextlib
import ipaddress
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE_USER = "tonebridge"  # of Prefect's API and MLflow's server

# An Ed25519 key, as Discord shows it.
PublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

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
    "channel_secret",
    "inbound_secret",
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

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"({_LABEL}\.)*(?!\d+$){_LABEL}", re.IGNORECASE)  # RFC 1123; the last label is no number


def _address_or_name(host: str) -> str:
    if "%" not in host:  # no zone of IPv6: it cannot stand in a URL
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(host))
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError(
            "this is neither an IP address nor the name of a machine; write 0.0.0.0, :: or 127.0.0.1, without"
            " http://, brackets and port (each process has a port of its own)"
        )
    return host


Host = Annotated[str, AfterValidator(_address_or_name)]

# What a server listens on to be reached by every address of its machine: IPv4 only, and both.
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104

# The origin of a site: scheme, name and port, without a path.
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.:\[\]-]+$")]

# A work pool of Prefect; a worker's pod has it in its command.
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

Port = Annotated[int, Field(ge=1, le=65535)]


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
        " tonebridge_gateway, the dashboard's tonebridge_dashboard, that of flows and migrations the owner."
        " Notices and locks need sessions of their own, so it names no pooler in transaction mode",
    )
    pooled_database_url: str | None = Field(
        None,
        description="libpq URL of a pooler before the same database, such as PgBouncer in transaction mode,"
        " for what gateway, worker, channels and dashboard do in transactions; TONEBRIDGE_DATABASE_URL when"
        " unset",
    )
    database_connections: int | None = Field(
        None,
        ge=1,
        description="the most connections of this process's pool; by default 10, in the dashboard and the"
        " flows 15. Requests wait for a free one: 2 s, in the dashboard and the flows 30 s",
    )
    database_idle_connections: int | None = Field(
        None,
        ge=1,
        description="connections that this process's pool keeps while nobody uses them; by default 2, in the"
        " dashboard and the flows 5",
    )
    database_connection_life_s: float = Field(
        3600,
        gt=0,
        description="a connection of a pool is replaced after this time, so that a pool finds servers that"
        " are new behind the same address",
    )
    prepared_statements: bool = Field(
        True,
        description="connections of pools prepare the statements that they repeat; false for a pooler that"
        " does not know them, such as Supavisor, or PgBouncer before 1.22",
    )
    redis_url: str | None = Field(
        None, description="URL of a Redis-protocol server; the local one when unset"
    )
    redis_timeout_s: float = Field(
        0.05, gt=0, description="a gateway waits so long for Redis, then answers without it"
    )
    redis_commands_a_day: int | None = Field(
        None,
        ge=1000,
        description="the most commands that the whole installation sends to Redis in a day (UTC), the same"
        " in all processes; no limit when unset. With it only nonces of signed requests, sessions of the"
        " sites and erasures use Redis, and when it is used up the first two go without until the next day",
    )
    inference_urls: tuple[str, ...] = Field(
        ("http://127.0.0.1:3000",), description="replicas of the BentoML service, JSON list"
    )
    rewrite_wait_s: float = Field(
        10.0,
        gt=0,
        le=30,
        description="a new rewrite whose answer is expected later than this many seconds after its request is"
        " refused at once, with 503 and Retry-After; one that the inference service has not begun by then is"
        " not computed",
    )
    gateway_url: str = Field(
        "http://127.0.0.1:8080",
        description="by which the dashboard, the web app and channels call the gateway",
    )
    work_pool: PoolName | None = Field(
        None,
        description="the work pool of Prefect whose workers run the flows; the process of the flows runs them"
        " when unset. Decisions and erasures that people ask for are carried out by that process in any case",
    )
    training_pool: PoolName | None = Field(
        None,
        description="the work pool of Prefect whose workers run trainings, such as one with GPUs;"
        " TONEBRIDGE_WORK_POOL when unset",
    )
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
    channel_secret: Secret | None = Field(
        None, description="encrypts the tokens of connected workspaces; 32 to 64 bytes"
    )
    inbound_secret: Secret | None = Field(
        None,
        description="encrypts the secrets of inbound webhooks; 32 to 64 bytes. Without it there are none",
    )
    slack_signing_secrets: tuple[SecretStr, ...] = Field(
        (),
        max_length=2,
        description="Slack's signing secret of your app, and while it changes the former one, JSON list;"
        " Slack is off without",
    )
    slack_client_id: str | None = Field(
        None, description="of your Slack app; with its secret and the address, admins connect by a click"
    )
    slack_client_secret: SecretStr | None = Field(None, description="of your Slack app")
    discord_public_keys: tuple[PublicKey, ...] = Field(
        (),
        max_length=2,
        description="the public key of your Discord app, and while you move to another app that of both, JSON"
        " list; Discord is off without",
    )
    discord_bot_token: SecretStr | None = Field(
        None,
        description="of your Discord app's bot: registers commands, connects a server by its id, and notices"
        " that the app was removed from a server",
    )
    discord_client_id: str | None = Field(
        None, description="of your Discord app; with its secret and the address, admins connect by a click"
    )
    discord_client_secret: SecretStr | None = Field(None, description="of your Discord app")
    teams_app_id: str | None = Field(
        None, description="of your Microsoft Teams bot at Microsoft Entra; Teams is off without"
    )
    teams_client_secret: SecretStr | None = Field(None, description="of that app; Entra may have two at once")
    teams_app_tenant: str | None = Field(
        None, description="the tenant of that app, if it is for one tenant only, as new bots are"
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

    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="addresses or networks of the proxies in front of gateway and dashboard, JSON list: what"
        " they say in X-Forwarded-For and X-Forwarded-Proto is believed",
    )

    public_url: Origin | None = Field(
        None,
        description="the origin by which clients call the gateway, such as https://tone.example.com, without"
        " a path: what they sign. http:// and the Host header when unset",
    )

    extensions: tuple[Annotated[str, StringConstraints(pattern=r"^[a-p]{32}$")], ...] = Field(
        ("jmekgeknogpbbjjphoebjkmmcagnbjmf",),
        description="ids of the Chromium extensions in which people may sign in, JSON list: by default that"
        " of extension/. A store gives yours another id",
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
    artifact_location: str | None = Field(
        None,
        description="where the files of MLflow's runs lie, versions included: a folder, or an address such as"
        " s3://bucket/prefix; the folder mlflow in the state folder when unset. Flows and MLflow's server use"
        " it, so both need the keys of a bucket",
    )

    state: Path = Field(Path(".tonebridge"), description="data of the local servers, runs, model store")
    artifacts: Path = Field(Path("artifacts"), description="folder of reports, such as that of `make demo`")
    champion: Path = Field(
        Path("champion"), description="the version that an installation without any releases at its start"
    )
    base: str = Field("smollm2-135m", description="pip's small model, a local folder, or a Hugging Face id")

    max_connections: int = Field(20_000, ge=1, description="open at once in a gateway or a dashboard")
    max_connections_per_address: int = Field(
        20_000,
        ge=1,
        description="open at once from one address. By default as many as in all, since all connections come"
        " from the address of the proxy; set a few hundred where clients connect without one",
    )
    max_header_bytes: int = Field(32 * 1024, ge=256, description="of a request line and its header fields")
    max_header_fields: int = Field(100, ge=1, description="of a request; more are refused with 431")
    header_timeout_s: float = Field(
        10, gt=0, description="for a head to arrive, and for a new connection to send something"
    )
    body_timeout_s: float = Field(30, gt=0, description="for a body to arrive, if it is a short one")
    slowest_body_bytes_per_s: int = Field(
        64 * 1024, ge=1, description="a body may take a second longer for each so many bytes that arrive"
    )
    hot_protocol: bool = Field(
        True, description="the hot endpoint is served by serving/gateway/online/protocol.py, without ASGI"
    )
    sampled_share: float = Field(0.01, ge=0, le=1, description="of the requests: logged, with a span")
    api_docs: bool = Field(True, description="the gateway shows its API to everybody: /docs, /openapi.json")
    graphql_free_queries: bool = Field(
        True,
        description="callers may send any GraphQL document; if not, only the trusted ones",
    )
    log_format: Literal["json", "text"] | None = Field(
        None,
        description="lines of the log: json, one object a line, or text for people. By default text at a"
        " terminal and json elsewhere; images set json. MLflow's and Prefect's servers follow it, too",
    )
    release: str | None = Field(
        None,
        max_length=64,
        description="which release runs, in logs, errors and spans; that of the package when unset. Images"
        " set it",
    )
    environment: str = Field(
        "local",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="which installation this is, in errors and spans, such as production. All processes of an"
        " installation have the same, since the ids of linked traces depend on it",
    )
    sentry_dsn: SecretStr | None = Field(
        None,
        description="the address (DSN) of a project at a server that speaks Sentry's protocol, for errors"
        " without texts; nothing is sent when unset",
    )
    sentry_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="of the errors: sent, and at most 30 a minute of one process",
    )
    otlp_endpoint: str | None = Field(
        None,
        description="where an OpenTelemetry collector takes spans by HTTP, such as"
        " http://host:4318/v1/traces; there are none when unset. OTEL_EXPORTER_OTLP_HEADERS has its password",
    )

    host: Host = Field(
        "127.0.0.1",
        description="the address or name on which gateway, dashboard, web app, channels, worker and the"
        " inference service listen: 127.0.0.1 is reached from the same machine only, 0.0.0.0 by every IPv4"
        " address, :: by every address, IPv4 too",
    )
    gateway_port: Port = Field(8080, description="on which the gateway listens")
    inference_port: Port = Field(3000, description="on which the inference service listens")
    dashboard_port: Port = Field(8090, description="on which the dashboard listens")
    web_port: Port = Field(8070, description="on which the web app listens")
    channels_port: Port = Field(8060, description="on which the process of the chat platforms listens")
    worker_port: Port = Field(
        8050, description="on which the worker answers probes and Prometheus, and nothing else"
    )
    prefect_port: Port = Field(4200, description="of Prefect's server, on 127.0.0.1")
    mlflow_port: Port = Field(5000, description="of MLflow's server, on 127.0.0.1")
    web_url: Origin | None = Field(
        None,
        description="the address by which people reach the web app, such as https://write.example.com: the"
        " first page of the gateway leads there. By default the port on 127.0.0.1 or TONEBRIDGE_HOST",
    )
    dashboard_url: Origin | None = Field(
        None,
        description="the address by which people reach the dashboard, such as https://dashboard.example.com:"
        " the first page of the gateway leads there. By default the port on 127.0.0.1 or TONEBRIDGE_HOST",
    )
    channels_url: Origin | None = Field(
        None,
        description="the address by which chat platforms and admins reach the process channels, such as"
        " https://chat.example.com: platforms bring admins back there",
    )
    contact: (
        Annotated[
            str, StringConstraints(pattern=r"^(https?://[!-~]+|[^@\s:<>]+@[^@\s:<>?]+)$", max_length=300)
        ]
        | None
    ) = Field(
        None,
        description="whom people ask for help in the web app: an e-mail address, or an address of a page; the"
        " admins of their organisation when unset",
    )
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="names by which people reach the dashboard, the web app and the page of channels, without"
        " ports, JSON list; others are refused. TONEBRIDGE_HOST is one of them, if it is not 0.0.0.0 or ::",
    )

    device: Device = Field(
        "auto", description="where versions write, in serving and in evaluation: auto, cpu, cuda or cuda:1"
    )
    holdout_share: float = Field(
        0.05,
        ge=0,
        le=0.25,
        description="of the users: stay with an old champion; as many more are set beside them",
    )
    models_in_memory: int = Field(
        4, ge=1, description="versions that a service holds at once; the least recently used leaves"
    )

    @model_validator(mode="after")
    def _keep_no_more_than_there_are(self) -> "Settings":
        most, idle = self.database_connections, self.database_idle_connections
        if most is not None and idle is not None and idle > most:
            raise ValueError(
                f"TONEBRIDGE_DATABASE_IDLE_CONNECTIONS is {idle}, and TONEBRIDGE_DATABASE_CONNECTIONS only"
                f" {most}: the second one is all connections of a pool, used and idle"
            )
        return self

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
    def is_exposed(self) -> bool:
        """Whether other machines may reach what listens on `host`."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() != "localhost"

    @property
    def own_name(self) -> str:
        """The name by which this machine reaches what listens on `host`, as it stands in a URL."""
        if self.host in ALL_ADDRESSES:
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    def own_url(self, port: int) -> str:
        """The URL by which this machine reaches a port of `host`."""
        return f"http://{self.own_name}:{port}"

    @property
    def registry_uri(self) -> str:
        """MLflow's tracking and registry URI; ValueError when it is not set."""
        if self.mlflow_uri is None:
            raise ValueError("TONEBRIDGE_MLFLOW_URI is not set; `make up` and `make demo` set it")
        return self.mlflow_uri

    @property
    def artifact_store(self) -> str:
        """The address below which the files of MLflow's runs lie: `file:///...`, `s3://...`."""
        location = self.artifact_location or str(self.state / "mlflow")
        return location if "://" in location else Path(location).absolute().as_uri()

    @property
    def model_store(self) -> Path:
        """BentoML's home: released versions lie there as immutable models `tonebridge:<version>`."""
        return self.state / "bentoml"
