"""Carries erasures out, as the process of the flows does."""

from functools import partial
from typing import Any

import psycopg
import pytest
from prefect.logging import disable_run_logger
from sqlalchemy import Engine

from configs.settings import Settings
from pipelines.forget import Waits, forget, remove_rows, work_off


def carry_out(settings: Settings, engine: Engine, is_purged: bool) -> None:
    """Do a step of each work order: with False remove the rows, with True the rest. No step may fail."""

    def finish(order: Any) -> None:
        with disable_run_logger():
            forget.fn(order.id)

    act = finish if is_purged else partial(remove_rows, settings, engine)
    waits = Waits()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("database_url", "redis_url", "state"):
            patch.setenv(f"TONEBRIDGE_{name.upper()}", str(getattr(settings, name)))
        with psycopg.connect(str(settings.database_url), autocommit=True) as connection:
            work_off(connection, is_purged, act, waits)
    assert waits.list_waiting() == []
