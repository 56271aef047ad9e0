"""Settings of the flows."""

from pathlib import Path

import pytest

from configs.settings import Settings


@pytest.fixture
def settings(local: Settings, tmp_path: Path) -> Settings:
    """The session's Postgres and Valkey, with a state folder of the test's own."""
    return local.model_copy(update={"state": tmp_path})
