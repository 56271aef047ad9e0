"""Leads the flows that a test's own process runs to the Prefect of the test's installation."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from configs.settings import Settings
from pipelines.environments import environment, prefect_login
from pipelines.local import Process


@contextmanager
def flows_led_to(settings: Settings, prefect: Process) -> Iterator[None]:
    """Wait for the running Prefect, and let this process's flows run against it inside of the block.

    Prefect's client sends logs and events from threads of its own, one of each per process. What they have
    not sent when their server ends, they try to send for ever: the process of the tests would not exit.
    """
    api = f"http://127.0.0.1:{settings.prefect_port}/api"
    prefect.wait_until_ready(f"{api}/health")
    login = prefect_login(settings)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings).items():
            patch.setenv(name, value)
        with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: login}):
            try:
                yield
            finally:
                APILogHandler().flush()
                EventsWorker.drain_all(timeout=60)
