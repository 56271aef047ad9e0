"""Installations to read pages of: with rows of all kinds, without any, with a worker that sends events."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from configs.settings import Settings
from serving.dashboard import api, parts, services
from serving.dashboard.api import GatewayClient, GatewayError
from tests import gateways
from tests.dashboards import Installation, own_settings, with_gateway
from tests.receivers import LOOPBACK, Receiver, receiving
from tests.serving.dashboard import rows
from tests.waiting import until


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard of this process waits for what a busy machine does late, and asks a busy gateway again."""
    for module in (api, parts, services):
        monkeypatch.setattr(module, "_TIMEOUT_S", 60.0)
    send = GatewayClient._send

    def send_until_done(*request: Any) -> Any:
        def is_done() -> tuple[Any] | None:
            try:
                return (send(*request),)
            except GatewayError as error:
                if error.status == 503 and {why.code for why in error.reasons} <= gateways.BUSY:
                    return None
                raise

        return until(is_done)[0]

    monkeypatch.setattr(GatewayClient, "_send", send_until_done)


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


@pytest.fixture(scope="session")
def sending(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A worker sends events to webhooks, which may be on this machine."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("sending"))
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # other installations start later, without it
            patch.setenv("TONEBRIDGE_WEBHOOK_NETWORKS", json.dumps([str(network) for network in LOOPBACK]))
            installation = stack.enter_context(with_gateway(settings, "worker"))
        yield installation


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks, in a thread."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(receiving()) as receiver:
        yield receiver
