"""Settings of the flows, and a Prefect of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import Settings
from pipelines import local as servers
from tests.flows import flows_led_to
from tests.ports import with_own_ports


@pytest.fixture
def settings(local: Settings, tmp_path: Path) -> Settings:
    """The session's Postgres and Valkey, with a state folder of the test's own."""
    return local.model_copy(update={"state": tmp_path})


@pytest.fixture(scope="module")
def prefect_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Postgres and Prefect, and an environment that leads this process's flows to them."""
    state = tmp_path_factory.mktemp("state")
    wanted = Settings(state=state, artifacts=state, database_url=None, redis_url=None, mlflow_uri=None)
    with (
        servers.servers(with_own_ports(wanted)) as settings,
        servers.running(settings, "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        yield settings
