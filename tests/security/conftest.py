"""Gateways in this process, for attacks by HTTP."""

import functools
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from serving.gateway import rate
from serving.gateway.app import create_app
from serving.gateway.online.front import Front
from tests import gateways


@pytest.fixture(autouse=True)
def patient_with_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways of this process wait for Postgres as long as a busy machine takes. After their usual times
    they would say 503, or answer before they know what an organisation has used.
    """
    pool = functools.partial(database.online_pool, timeout_s=gateways.PATIENT_S)
    monkeypatch.setattr(database, "online_pool", pool)
    monkeypatch.setattr(rate, "_READ_USAGE_S", gateways.PATIENT_S)


@pytest.fixture
def settings(local: Settings) -> Settings:
    """The settings of `front`. A file of tests may have its own."""
    return local


@pytest.fixture
async def front(settings: Settings) -> AsyncIterator[Front]:
    """A gateway with the real Postgres and Valkey. It trusts no proxy and has no version to answer with."""
    front = create_app(gateways.patient(settings))
    async with gateways.running(front):
        yield front


@pytest.fixture
async def client(stack: Settings, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that has a champion."""
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        yield client
