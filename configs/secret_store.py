"""The secrets of an installation: random, made once, kept in `secrets.json` of the state folder, which only
its owner may read.

`python -m configs.secret_store rotate NAME` replaces one; restart the processes afterwards. Receipts that the
former receipt secret signed stay valid for `RECEIPTS_STAY_VALID`.
"""

import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from pydantic import Field, SecretStr, ValidationError

from configs import StageConfig
from configs.settings import FormerSecret, SecretName, Settings

RECEIPTS_STAY_VALID = timedelta(days=30)  # after their secret was replaced

_FILE = "secrets.json"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def _random() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


class Secrets(StageConfig):
    """What the file holds: a value for every secret of `Settings`."""

    receipt_secret: SecretStr = Field(default_factory=_random)
    former_receipt_secrets: tuple[FormerSecret, ...] = ()
    session_secret: SecretStr = Field(default_factory=_random)
    service_token: SecretStr = Field(default_factory=_random)
    metrics_token: SecretStr = Field(default_factory=_random)
    database_password: SecretStr = Field(default_factory=_random)
    redis_password: SecretStr = Field(default_factory=_random)
    prefect_password: SecretStr = Field(default_factory=_random)
    mlflow_password: SecretStr = Field(default_factory=_random)
    channel_secret: SecretStr = Field(default_factory=_random)
    inbound_secret: SecretStr = Field(default_factory=_random)


def load_or_create(state: Path) -> Secrets:
    """The secrets of a state folder, made now if there are none. ValueError when other users could read them,
    or the file is damaged.
    """
    path = state / _FILE
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        written = _write(state, Secrets())
        try:
            os.link(written, path)  # unlike a rename, it leaves the file of a process that was faster
        except FileExistsError:
            pass
        finally:
            written.unlink()
    if path.stat().st_mode & _OTHERS:
        raise ValueError(f"other users may read {path}: run `chmod 600 {path}`, and rotate the secrets in it")
    try:
        stored = Secrets.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{path} is damaged ({error.error_count()} faults): restore it, or remove it; then new secrets"
            " are made, people sign in again, and receipts given so far are refused"
        ) from error
    if stored.model_fields_set != set(Secrets.model_fields):  # an older file lacks the newest secrets
        _write(state, stored).replace(path)
    return stored


def rotate(state: Path, name: SecretName, now: datetime) -> Secrets:
    """Replace one secret, and return all as they are now."""
    before = load_or_create(state)
    changes: dict[str, object] = {name: _random()}
    if name == "receipt_secret":
        former = FormerSecret(secret=before.receipt_secret, until=now + RECEIPTS_STAY_VALID)
        changes["former_receipt_secrets"] = (
            former,
            *(older for older in before.former_receipt_secrets if older.until > now),
        )
    after = before.model_copy(update=changes)
    _write(state, after).replace(state / _FILE)
    return after


def fill_in(settings: Settings) -> Settings:
    """The settings, with the stored secret wherever the environment names none."""
    stored = load_or_create(settings.state)
    missing = {name: getattr(stored, name) for name in Secrets.model_fields if not getattr(settings, name)}
    return settings.model_copy(update=missing)


def to_json(values: Sequence[FormerSecret]) -> str:
    """Former secrets as the environment has them."""
    return json.dumps([value.model_dump() for value in values], default=_in_clear)


def _write(state: Path, values: Secrets) -> Path:
    """A new file of its own with these secrets; the caller gives it its name."""
    descriptor, name = tempfile.mkstemp(dir=state, prefix=_FILE)  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(values.model_dump(), file, indent=2, default=_in_clear)
    return Path(name)


def _in_clear(value: SecretStr | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else value.get_secret_value()


def main(arguments: list[str]) -> None:
    """`rotate NAME`."""
    names = get_args(SecretName)
    if len(arguments) != 2 or arguments[0] != "rotate" or arguments[1] not in names:
        raise SystemExit(f"usage: python -m configs.secret_store rotate NAME; names: {', '.join(names)}")
    state = Settings().state
    rotate(state, arguments[1], datetime.now(UTC))  # type: ignore[arg-type]
    print(f"{arguments[1]} is new in {state / _FILE}. Restart the processes: they read it when they start.")
    if arguments[1] == "receipt_secret":
        print(f"Receipts given so far stay valid for {RECEIPTS_STAY_VALID.days} days.")


if __name__ == "__main__":
    main(sys.argv[1:])
