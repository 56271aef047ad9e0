"""The page of every setting is made of the settings."""

import re

import pytest

from configs.settings import Settings
from pipelines import settings_page, settings_readers


@pytest.fixture(scope="module")
def page() -> str:
    return settings_page.FILE.read_text(encoding="utf-8")


def test_the_page_is_what_the_command_writes(page: str) -> None:
    assert page == settings_page.render(), "run `make settings-page`"


def test_every_setting_has_one_row(page: str) -> None:
    named = re.findall(r"^\| `TONEBRIDGE_([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_a_secret_is_marked_and_so_is_what_contains_one(page: str) -> None:
    secret = set(re.findall(r"^\| `TONEBRIDGE_([A-Z_]+)` \| [^|]*\*\*secret\*\*", page, re.MULTILINE))
    assert {"RECEIPT_SECRET", "DATABASE_URL", "REDIS_URL", "MLFLOW_URI", "SLACK_SIGNING_SECRETS"} <= secret
    assert not secret & {"HOST", "GATEWAY_URL", "SLACK_CLIENT_ID", "DISCORD_PUBLIC_KEYS"}
    text = {name for name in Settings.model_fields if settings_readers.is_secret(name)}
    for name, field in Settings.model_fields.items():
        assert "SecretStr" not in str(field.annotation) or name in text, f"{name}: name it in environments.py"


def test_a_setting_without_a_description_is_refused_with_where_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Settings.model_fields["host"], "description", None)
    with pytest.raises(ValueError, match=r"host has no description: .*configs/settings\.py"):
        settings_page.group_settings()


def test_a_setting_without_a_group_is_refused_with_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_page, "GROUPS", settings_page.GROUPS[1:])
    with pytest.raises(ValueError, match=r"database_url stands before the first group .* move it behind"):
        settings_page.group_settings()


def test_a_group_that_begins_at_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = settings_page.Group("Gone", "a_former_setting", "")
    monkeypatch.setattr(settings_page, "GROUPS", (*settings_page.GROUPS, gone))
    with pytest.raises(ValueError, match="a_former_setting"):
        settings_page.group_settings()
