"""Installations to read pages of: one with rows of all kinds, one without any."""

from collections.abc import Callable, Iterator

import pytest

from configs.settings import Settings
from tests.dashboards import Installation, own_settings, with_gateway
from tests.serving.dashboard import rows


@pytest.fixture(scope="session")
def filled(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Rows of all kinds; MLflow and Prefect are unavailable."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("filled"))
    with with_gateway(settings) as installation:
        rows.fill(installation)
        yield installation


@pytest.fixture(scope="session")
def empty(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation that has just been started."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("empty"))
    with with_gateway(settings) as installation:
        yield installation
