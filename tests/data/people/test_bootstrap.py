"""The command that makes the first key and the first account."""

import os
import re
import subprocess
import sys
import uuid

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from configs.settings import Settings
from data.people import bootstrap, identities


def run(settings: Settings, **names: str) -> str:
    env = {**os.environ, "TONEBRIDGE_DATABASE_URL": settings.database_url or "", **names}
    command = [sys.executable, "-m", "data.people.bootstrap"]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def test_it_shows_the_key_and_the_password_once(local: Settings, engine: Engine) -> None:
    names = {
        "TONEBRIDGE_ORGANISATION": f"org-{uuid.uuid4()}",
        "TONEBRIDGE_BOOTSTRAP_API_KEY": identities.generate_key(),
        "TONEBRIDGE_BOOTSTRAP_EMAIL": f"{uuid.uuid4()}@example.com",
    }
    printed = run(local, **names)
    assert names["TONEBRIDGE_BOOTSTRAP_API_KEY"] in printed
    assert re.search(rf"sign in +{re.escape(names['TONEBRIDGE_BOOTSTRAP_EMAIL'])} +\S{{16}} ", printed)
    assert run(local, **names) == ""


def test_a_password_of_ones_own_is_not_shown(
    engine: Engine, local: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = local.model_copy(
        update={
            "organisation": f"org-{uuid.uuid4()}",
            "bootstrap_api_key": SecretStr(identities.generate_key()),
            "bootstrap_email": f"{uuid.uuid4()}@example.com",
            "bootstrap_password": SecretStr("a password of one's own"),
        }
    )
    bootstrap.show(settings, bootstrap.store(engine, settings))
    printed = capsys.readouterr().out
    assert "as you set" in printed
    assert "a password of one's own" not in printed
