"""Secrets are random, readable by their owner alone, and given only to the processes that need them."""

import json
import re
import stat
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from configs import secret_store
from configs.settings import FormerSecret, Settings
from data.traffic import receipts
from data.traffic.receipts import ForgedReceiptError, Receipt
from pipelines.environments import environment

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def a_receipt() -> Receipt:
    return Receipt(
        output_id=uuid.uuid4(), organisation_id=uuid.uuid4(), user_id=uuid.uuid4(), experiment_id=None,
        comparison_id=None, variant="champion", version="v1", epoch=1, issued_at=1,
    )  # fmt: skip


def values(secrets: secret_store.Secrets) -> list[str]:
    return [value.get_secret_value() for name, value in secrets if name != "former_receipt_secrets"]


def test_no_secret_has_a_value_by_default() -> None:
    settings = Settings()
    for name in secret_store.Secrets.model_fields:
        assert not getattr(settings, name)
    with pytest.raises(ValueError, match="TONEBRIDGE_RECEIPT_SECRET is not set"):
        settings.secret("receipt_secret")


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    first, second = (secret_store.load_or_create(tmp_path / name) for name in ("first", "second"))
    everything = values(first) + values(second)
    assert len(set(everything)) == len(everything)
    assert secret_store.load_or_create(tmp_path / "first") == first


@pytest.mark.parametrize("value", ["local-session-secret-change-me-please-0", "CHANGE-ME" * 5])
def test_a_placeholder_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="placeholder"):
        Settings(session_secret=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["short", "x" * 65])
def test_a_refusal_does_not_show_the_secret(value: str) -> None:
    with pytest.raises(ValidationError, match="32 to 64 bytes") as refused:
        Settings(service_token=value)  # type: ignore[arg-type]
    assert value not in str(refused.value)


def test_other_users_cannot_read_the_file(tmp_path: Path) -> None:
    secret_store.load_or_create(tmp_path)
    path = tmp_path / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret_store.rotate(tmp_path, "session_secret", NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        secret_store.load_or_create(tmp_path)


def test_a_damaged_file_is_kept_and_named(tmp_path: Path) -> None:
    secret_store.load_or_create(tmp_path)
    path = tmp_path / "secrets.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        secret_store.load_or_create(tmp_path)
    assert path.read_text() == "{"


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from configs import secret_store;"
        "print(secret_store.load_or_create(Path(sys.argv[1])).receipt_secret.get_secret_value())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


def test_an_older_file_gets_the_secrets_that_it_lacks(tmp_path: Path) -> None:
    before = secret_store.load_or_create(tmp_path)
    path = tmp_path / "secrets.json"
    stored = json.loads(path.read_text())
    del stored["mlflow_password"]
    path.write_text(json.dumps(stored))
    after = secret_store.load_or_create(tmp_path)
    assert after.mlflow_password != before.mlflow_password
    assert after.receipt_secret == before.receipt_secret
    assert secret_store.load_or_create(tmp_path) == after


def test_what_the_environment_names_stands(tmp_path: Path) -> None:
    token = "a-service-token-from-the-environment"
    settings = secret_store.fill_in(Settings(state=tmp_path, service_token=token))  # type: ignore[arg-type]
    assert settings.secret("service_token") == token
    assert settings.secret("receipt_secret") == values(secret_store.load_or_create(tmp_path))[0]


def test_after_a_rotation_old_receipts_stay_valid_for_thirty_days(tmp_path: Path) -> None:
    old = secret_store.load_or_create(tmp_path).receipt_secret.get_secret_value().encode()
    after = secret_store.rotate(tmp_path, "receipt_secret", NOW)
    new = after.receipt_secret.get_secret_value().encode()
    assert new != old
    (former,) = after.former_receipt_secrets
    assert former.until - NOW == timedelta(days=30)
    receipt = a_receipt()
    token = receipts.sign(receipt, old)
    in_future, past = (NOW + timedelta(days=days) for days in (3000, -30))
    accepted = [receipts.FormerSecret(old, in_future.timestamp())]
    assert receipts.read(token, new, accepted) == receipt
    for former_secrets in ([], [receipts.FormerSecret(old, past.timestamp())]):
        with pytest.raises(ForgedReceiptError):
            receipts.read(token, new, former_secrets)


def test_a_rotation_forgets_secrets_that_have_run_out(tmp_path: Path) -> None:
    secret_store.rotate(tmp_path, "receipt_secret", NOW - timedelta(days=40))
    secret_store.rotate(tmp_path, "receipt_secret", NOW - timedelta(days=20))
    after = secret_store.rotate(tmp_path, "receipt_secret", NOW)
    assert [former.until - NOW for former in after.former_receipt_secrets] == [
        timedelta(days=30),
        timedelta(days=10),
    ]
    assert secret_store.load_or_create(tmp_path) == after


def test_former_secrets_reach_the_gateway_by_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = secret_store.load_or_create(tmp_path).receipt_secret
    secret_store.rotate(tmp_path, "receipt_secret", NOW)
    settings = secret_store.fill_in(Settings(state=tmp_path, database_url="postgresql:///none"))
    for name, value in environment(settings, "gateway").items():
        monkeypatch.setenv(name, value)
    assert Settings().former_receipt_secrets == (FormerSecret(secret=before, until=NOW + timedelta(days=30)),)


# What a process must have, beyond what is no secret.
NEEDS = {
    "inference": {"SERVICE_TOKEN", "METRICS_TOKEN"},
    "gateway": {
        "RECEIPT_SECRET", "FORMER_RECEIPT_SECRETS", "SESSION_SECRET", "SERVICE_TOKEN", "METRICS_TOKEN",
        "INBOUND_SECRET", "REDIS_URL", "DATABASE_URL",
    },
    "worker": {
        "RECEIPT_SECRET", "FORMER_RECEIPT_SECRETS", "SESSION_SECRET", "SERVICE_TOKEN", "METRICS_TOKEN",
        "REDIS_URL", "DATABASE_URL",
    },
    "dashboard": {
        "SERVICE_TOKEN", "METRICS_TOKEN", "PREFECT_PASSWORD", "MLFLOW_PASSWORD", "REDIS_URL", "DATABASE_URL",
    },
    "web": {"SERVICE_TOKEN", "METRICS_TOKEN", "REDIS_URL"},
    "channels": {"CHANNEL_SECRET", "INBOUND_SECRET", "METRICS_TOKEN", "DATABASE_URL"},
    "mlflow": {"MLFLOW_PASSWORD"},
    "prefect": {"PREFECT_PASSWORD"},
}  # fmt: skip


@pytest.mark.parametrize("process", NEEDS)
def test_a_process_gets_the_secrets_that_it_needs_and_no_others(
    local: Settings, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(local).items():  # as in a shell that was led to the installation
        monkeypatch.setenv(name, value)
    given = environment(local, process)
    clear = " ".join(given.values())
    for name in secret_store.Secrets.model_fields:
        if name != "former_receipt_secrets" and name != "database_password":
            assert (local.secret(name) in clear) == needs(process, name), name  # type: ignore[arg-type]
    assert "DATABASE_URL" in NEEDS[process] or not given.get("TONEBRIDGE_DATABASE_URL")
    assert "DATABASE_URL" in NEEDS[process] or not given.get("TONEBRIDGE_POOLED_DATABASE_URL")
    owner = re.escape(str(local.database_url))
    assert process in ("mlflow", "prefect") or not re.search(owner, clear), "the owner's login"


def test_the_address_of_sentry_reaches_the_processes_that_send_errors(local: Settings) -> None:
    settings = local.model_copy(update={"sentry_dsn": SecretStr("http://the-key-of-a-project@127.0.0.1:9/1")})
    for process in (*NEEDS, "flows", None):
        clear = " ".join(environment(settings, process).values())
        assert ("the-key-of-a-project" in clear) == (process not in ("mlflow", "prefect")), process


@pytest.mark.parametrize(
    ("process", "is_given"),
    [
        (None, True),
        ("flows", True),
        ("inference", True),
        ("gateway", False),
        ("worker", False),
        ("dashboard", False),
        ("channels", False),
        ("mlflow", False),
        ("prefect", False),
    ],
)
def test_the_key_of_a_vendor_reaches_the_processes_that_ask_vendors(
    local: Settings, process: str | None, is_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "a-key-of-a-vendor")
    assert ("a-key-of-a-vendor" in environment(local, process).values()) == is_given


def test_slacks_secrets_reach_channels_alone_and_admins_sign_in_there_with_oauth_only(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing, client = "a signing secret of Slack's", "a client secret of Slack's"
    monkeypatch.setenv("TONEBRIDGE_SLACK_SIGNING_SECRETS", json.dumps([signing]))
    monkeypatch.setenv("TONEBRIDGE_SLACK_CLIENT_SECRET", client)
    settings = local.model_copy(
        update={"slack_signing_secrets": (SecretStr(signing),), "slack_client_secret": SecretStr(client)}
    )
    for process in NEEDS:
        clear = " ".join(environment(settings, process).values())
        assert (signing in clear) == (process == "channels")
        assert client not in clear, "it is of no use without the rest"
    with_oauth = settings.model_copy(
        update={"slack_client_id": "1.2", "channels_url": "https://chat.example.org"}
    )
    clear = " ".join(environment(with_oauth, "channels").values())
    assert client in clear
    assert local.secret("service_token") in clear
    assert local.secret("session_secret") not in clear


def test_discords_secrets_reach_channels_alone_and_admins_sign_in_there_with_oauth_only(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, client = "the token of a bot of Discord's", "a client secret of Discord's"
    monkeypatch.setenv("TONEBRIDGE_DISCORD_BOT_TOKEN", bot)
    monkeypatch.setenv("TONEBRIDGE_DISCORD_CLIENT_SECRET", client)
    settings = local.model_copy(
        update={"discord_bot_token": SecretStr(bot), "discord_client_secret": SecretStr(client)}
    )
    for process in NEEDS:
        clear = " ".join(environment(settings, process).values())
        assert (bot in clear) == (process == "channels")
        assert client not in clear, "it is of no use without the rest"
    with_oauth = settings.model_copy(
        update={
            "discord_public_keys": ("ab" * 32,),
            "discord_client_id": "1",
            "channels_url": "https://chat.example.org",
        }
    )
    given = environment(with_oauth, "channels")
    assert json.loads(given["TONEBRIDGE_DISCORD_PUBLIC_KEYS"]) == ["ab" * 32]
    assert {client, local.secret("service_token")} <= set(given.values())


def test_the_secret_of_the_teams_app_reaches_channels_alone(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a client secret of the Teams app"
    monkeypatch.setenv("TONEBRIDGE_TEAMS_CLIENT_SECRET", secret)
    settings = local.model_copy(update={"teams_client_secret": SecretStr(secret)})
    assert secret not in environment(settings, "channels").values(), "it is of no use without the app"
    settings = settings.model_copy(update={"teams_app_id": "an app", "teams_app_tenant": "a tenant"})
    for process in NEEDS:
        given = environment(settings, process)
        assert (secret in given.values()) == (process == "channels")
    given = environment(settings, "channels")
    assert (given["TONEBRIDGE_TEAMS_APP_ID"], given["TONEBRIDGE_TEAMS_APP_TENANT"]) == ("an app", "a tenant")


def needs(process: str, name: str) -> bool:
    if name == "redis_password":
        return "REDIS_URL" in NEEDS[process]
    return name.upper() in NEEDS[process]
