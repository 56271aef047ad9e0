"""Gateways in this process, for attacks by HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from serving.gateway.app import create_app
from serving.gateway.online.front import Front
from tests import gateways
from tests.logins import as_gateway


@pytest.fixture
def settings(local: Settings) -> Settings:
    """The settings of `front`. A file of tests may have its own."""
    return local


@pytest.fixture
async def front(settings: Settings) -> AsyncIterator[Front]:
    """A gateway with the real Postgres and Valkey. It trusts no proxy and has no version to answer with."""
    front = create_app(as_gateway(settings))
    async with gateways.running(front):
        yield front


@pytest.fixture
async def client(stack: Settings, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that has a champion."""
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        yield client
