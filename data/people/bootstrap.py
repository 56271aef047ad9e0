"""Stores the first API key and the first account of an installation, where they are missing.

    TONEBRIDGE_DATABASE_URL=... python -m data.people.bootstrap     # after the migration; as the owner

It prints what it made: both are shown this once. `TONEBRIDGE_BOOTSTRAP_API_KEY`, `_EMAIL` and `_PASSWORD`
choose them. `make up` does the same.
"""

from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from data.people import accounts, identities


class Credentials(NamedTuple):
    """What was made, in clear; None for what was there."""

    key: str | None
    password: str | None


def store(engine: Engine, settings: Settings) -> Credentials:
    """Store the first organisation, its first key and its first account. ValueError when the key that the
    settings name exists with another secret.
    """
    key = identities.bootstrap(engine, _clear(settings.bootstrap_api_key), settings.organisation)
    chosen = _clear(settings.bootstrap_password)
    password = accounts.bootstrap(engine, settings.bootstrap_email, chosen, settings.organisation)
    return Credentials(key, password)


def show(settings: Settings, credentials: Credentials) -> None:
    """Print what was made."""
    if credentials.key:
        print(f"\n  API key   {credentials.key}   (shown this once)", flush=True)
    if credentials.password:
        secret = (
            "as you set" if settings.bootstrap_password else f"{credentials.password}   (shown this once)"
        )
        print(f"\n  sign in   {settings.bootstrap_email}   {secret}", flush=True)


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def main() -> None:
    """Store them, and show what was made."""
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        show(settings, store(engine, settings))
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
