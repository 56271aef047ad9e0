"""The file `.env` of an installation by Compose: its secrets, random and made once, and its choices.

    python3 -m deploy.compose.env_file                          # makes deploy/compose/.env
    python3 -m deploy.compose.env_file rotate receipt_secret    # replaces one secret in it
    python3 -m deploy.compose.env_file example                  # prints it, without secrets

It needs Python alone. Only the owner may read the file, and an existing one is never overwritten.
"""

import argparse
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).parent / ".env"
RECEIPTS_STAY_VALID = timedelta(days=30)  # after their secret was replaced; as in configs/secret_store.py


class Line(NamedTuple):
    """A variable of the file: its value, or None for a random secret, and what it is for."""

    name: str
    value: str | None
    meaning: str


LINES = (
    Line(
        "TONEBRIDGE_IMAGES",
        "localhost/tonebridge-",
        "in front of the names of images, such as ghcr.io/OWNER/REPOSITORY/ for those of a release",
    ),
    Line(
        "TONEBRIDGE_VERSION",
        "latest",
        "the tag of all images; `python3 -m deploy.compose upgrade TAG` sets it",
    ),
    Line("TONEBRIDGE_FORMER_VERSION", "", "the tag before the last upgrade, for `rollback`"),
    Line(
        "POSTGRES_IMAGE",
        "docker.io/library/postgres:18",
        "name the digest, too, to get what you have tested",
    ),
    Line(
        "VALKEY_IMAGE",
        "docker.io/valkey/valkey:8",
        "or any server of Redis's protocol that has valkey-server",
    ),
    Line("PROXY_IMAGE", "docker.io/library/haproxy:3.0", "of Debian: the health check needs bash"),
    Line(
        "PROMETHEUS_IMAGE",
        "docker.io/prom/prometheus:v2.53.3",
        "with a shell, which writes the token's file",
    ),
    Line("PROXY_ADDRESS", "127.0.0.1", "where the ports without TLS are published"),
    Line("API_PORT", "8080", "of the gateways"),
    Line("WEB_PORT", "8070", "of the web app"),
    Line("DASHBOARD_PORT", "8090", "of the dashboard"),
    Line("CHANNELS_PORT", "8060", "of the chat platforms"),
    Line("PROXY_TLS", "off", "on: one more port, with the certificates in PROXY_CERTIFICATES"),
    Line("PROXY_TLS_ADDRESS", "127.0.0.1", "where it is published; 0.0.0.0 for all addresses"),
    Line("TLS_PORT", "8443", "443 needs a Docker that runs as root"),
    Line("PROXY_CERTIFICATES", "./certificates", "a folder of files *.pem"),
    Line("PROXY_NETWORK", "172.31.250", "the first three numbers of the inner network, free on this host"),
    Line("WEB_HOST", "web.invalid", "by TLS: the host name of the web app"),
    Line("DASHBOARD_HOST", "dashboard.invalid", "by TLS: the host name of the dashboard"),
    Line(
        "CHANNELS_HOST",
        "channels.invalid",
        "by TLS: the host name of channels; every other one is the API's",
    ),
    Line("TONEBRIDGE_PUBLIC_URL", "http://localhost:8080", "the origin of the API, as clients name it"),
    Line("TONEBRIDGE_WEB_URL", "http://localhost:8070", "the origin of the web app"),
    Line("TONEBRIDGE_DASHBOARD_URL", "http://localhost:8090", "the origin of the dashboard"),
    Line("TONEBRIDGE_CHANNELS_URL", "http://localhost:8060", "the origin of channels"),
    Line(
        "TONEBRIDGE_ALLOWED_HOSTS",
        '["127.0.0.1","localhost"]',
        "the host names of web app, dashboard and channels, JSON list",
    ),
    Line("TONEBRIDGE_ORGANISATION", "first", "whom the installation belongs to"),
    Line("TONEBRIDGE_BOOTSTRAP_EMAIL", "owner@localhost", "with whose address the first person signs in"),
    Line("TONEBRIDGE_ARTIFACT_LOCATION", "file:///state/mlflow", "where versions lie, or s3://bucket/prefix"),
    Line("COST_PROFILE", "", "growth or scale: the sizes and settings of docs/costs.md"),
    Line("INFERENCE_MEMORY", "1g", "the limit of an inference service"),
    Line("FLOWS_MEMORY", "2g", "the limit of the flows; a training of a language model needs more"),
    Line("POSTGRES_PASSWORD", None, "of the owner of the databases"),
    Line("TONEBRIDGE_DATABASE_PASSWORD", None, "of the logins of gateways and dashboard"),
    Line("TONEBRIDGE_REDIS_PASSWORD", None, "of Valkey"),
    Line("TONEBRIDGE_RECEIPT_SECRET", None, "signs receipts"),
    Line(
        "TONEBRIDGE_FORMER_RECEIPT_SECRETS",
        "[]",
        "receipt secrets that are still accepted; `rotate` sets it",
    ),
    Line("TONEBRIDGE_SESSION_SECRET", None, "signs the sessions of people"),
    Line("TONEBRIDGE_SERVICE_TOKEN", None, "by which the processes know each other"),
    Line("TONEBRIDGE_METRICS_TOKEN", None, "by which Prometheus reads /metrics"),
    Line("TONEBRIDGE_PREFECT_PASSWORD", None, "of the user tonebridge of Prefect"),
    Line("TONEBRIDGE_MLFLOW_PASSWORD", None, "of the user tonebridge of MLflow"),
    Line("TONEBRIDGE_CHANNEL_SECRET", None, "encrypts the tokens of workspaces"),
    Line("TONEBRIDGE_INBOUND_SECRET", None, "encrypts the secrets of inbound webhooks"),
)
SECRETS = tuple(line.name for line in LINES if line.value is None)


def make(path: Path, choices: Mapping[str, str] | None = None) -> None:
    """Write a new file, with `choices` in place of defaults. FileExistsError when there is one."""
    values = {line.name: secrets.token_urlsafe(32) if line.value is None else line.value for line in LINES}
    _write_new(path, render({**values, **(choices or {})}))


def render(values: Mapping[str, str]) -> str:
    """The text of a file with these values."""
    return "".join(f"# {line.meaning}\n{line.name}={_quoted(values[line.name])}\n" for line in LINES)


def example() -> str:
    """The text of a file without secrets."""
    return render({line.name: "RANDOM" if line.value is None else line.value for line in LINES})


def read(path: Path) -> dict[str, str]:
    """The variables of a file. FileNotFoundError with what to do when there is none."""
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: make it by `python3 -m deploy.compose.env_file`")
    pairs = (
        line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if _is_variable(line)
    )
    return {name: _unquoted(value) for name, _, value in pairs}


def change(path: Path, changes: Mapping[str, str]) -> None:
    """Give variables of a file other values; what else is in it stays, and it is replaced as a whole."""
    copy(path, path, changes)


def copy(path: Path, target: Path, changes: Mapping[str, str]) -> None:
    """Write a file with other values to a target, which only its owner may read and which is replaced as a
    whole.
    """
    missing = dict(changes)
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        name = line.partition("=")[0]
        is_changed = _is_variable(line) and name in missing
        lines.append(f"{name}={_quoted(missing.pop(name))}" if is_changed else line)
    lines += [f"{name}={_quoted(value)}" for name, value in missing.items()]
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    _write_new(partial, "\n".join(lines) + "\n")
    partial.replace(target)


def rotate(path: Path, name: str, now: datetime) -> None:
    """Replace a secret. Receipts that the former receipt secret signed stay valid for a while."""
    before = read(path)
    changes = {name: secrets.token_urlsafe(32)}
    if name == "TONEBRIDGE_RECEIPT_SECRET":
        former = json.loads(before.get("TONEBRIDGE_FORMER_RECEIPT_SECRETS") or "[]")
        kept = [secret for secret in former if datetime.fromisoformat(secret["until"]) > now]
        newest = {"secret": before[name], "until": (now + RECEIPTS_STAY_VALID).isoformat()}
        changes["TONEBRIDGE_FORMER_RECEIPT_SECRETS"] = json.dumps([newest, *kept], separators=(",", ":"))
    change(path, changes)


def _write_new(path: Path, text: str) -> None:
    """Write a file that only its owner may read. FileExistsError when there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _is_variable(line: str) -> bool:
    return "=" in line and not line.startswith("#")


def _quoted(value: str) -> str:
    """In single quotes where Compose would read a value otherwise than it stands there."""
    return f"'{value}'" if any(sign in value for sign in '"[]{} $#') else value


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


# What a new value needs, apart from containers that are made anew.
_AFTERWARDS = {
    "TONEBRIDGE_DATABASE_PASSWORD": "`up` runs the migration first, which gives it to the logins.",
    "POSTGRES_PASSWORD": "Postgres keeps the former one: see docs/compose.md before `up`.",
    "TONEBRIDGE_SESSION_SECRET": "everybody signs in again.",
    "TONEBRIDGE_CHANNEL_SECRET": "workspaces connect again.",
    "TONEBRIDGE_INBOUND_SECRET": "inbound webhooks are made again.",
    "TONEBRIDGE_RECEIPT_SECRET": f"receipts given so far stay valid for {RECEIPTS_STAY_VALID.days} days.",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the file, replace a secret, or print an example."""
    parser = argparse.ArgumentParser(description="Makes the environment of an installation by Compose.")
    parser.add_argument("--file", type=Path, default=PATH)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("example", help="print the file without secrets")
    rotation = commands.add_parser("rotate", help="replace a secret")
    known = ", ".join(name.removeprefix("TONEBRIDGE_").lower() for name in SECRETS)
    rotation.add_argument("name", help=known)
    chosen = parser.parse_args(arguments)
    if chosen.command == "example":
        print(example(), end="")
    elif chosen.command == "rotate":
        upper = chosen.name.upper()
        names = [name for name in (upper, f"TONEBRIDGE_{upper}") if name in SECRETS]
        if not names:
            parser.error(f"no secret has the name {chosen.name}")
        rotate(chosen.file, names[0], datetime.now(UTC))
        print(f"{names[0]} is new in {chosen.file}. Run `python3 -m deploy.compose up` now.")
        if words := _AFTERWARDS.get(names[0]):
            print(f"Then {words}")
    else:
        try:
            make(chosen.file)
        except FileExistsError as error:
            fault = f"{chosen.file} exists, and its secrets are in use: it is not overwritten"
            raise SystemExit(fault) from error
        print(f"Made {chosen.file}, which only you may read. Keep a copy where the backups are.")


if __name__ == "__main__":
    main()
