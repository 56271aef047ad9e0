"""Callers of the routes, by role."""

import uuid
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from data.people.identities import Role
from tests import gateways


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes that the file of tests calls `app`."""
    async with gateways.client(app, prefix="/api/v1") as client:
        client.app = app  # type: ignore[attr-defined]
        yield client


@pytest.fixture
def a_key(engine: Engine, organisation_id: uuid.UUID) -> Callable[..., dict[str, str]]:
    """`a_key(role)` makes a key and returns its header; `a_key(role, organisation_id)` for another
    organisation.
    """

    def make(role: Role = "member", organisation_id: uuid.UUID = organisation_id) -> dict[str, str]:
        return gateways.a_key(engine, organisation_id, role)

    return make


@pytest.fixture
def owner(a_key: Callable[..., dict[str, str]]) -> dict[str, str]:
    return a_key("owner")


@pytest.fixture
def stranger(engine: Engine, a_key: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The owner of another organisation."""
    return a_key("owner", gateways.an_organisation(engine))
