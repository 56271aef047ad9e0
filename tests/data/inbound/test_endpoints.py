"""An inbound webhook is found before it is known whose it is, and belongs to one organisation."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine

from data.database import transaction_of
from data.inbound import endpoints
from data.inbound.endpoints import Credentials, Endpoint, Health, TooManyInboundWebhooksError
from data.people import identities
from data.tables import new_id
from tests import gateways

FIELDS: dict[str, Any] = {
    "name": "a tracker",
    "verification": "hub",
    "text_pointer": "/text",
    "transform_type": "soften",
    "intensity": 2,
    "reply_url": "https://chat.example.org",
    "reply_form": "text",
    "delivers_unchanged": True,
}


async def create(connection: AsyncConnection, tenant: uuid.UUID) -> uuid.UUID:
    id = new_id()
    async with transaction_of(connection, tenant):
        key_id, _ = await identities.create_key(connection, tenant, "a tracker", identities.Role.MEMBER)
        made = Credentials(key_id, b"sealed key", b"sealed secret")
        await endpoints.create(connection, tenant, "a test", id, made, FIELDS)
    return id


async def find(connection: AsyncConnection, id: uuid.UUID) -> Endpoint:
    found = await endpoints.find(connection, id)
    assert found is not None
    return found


async def test_it_is_found_without_its_organisation(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    id = await create(connection, organisation_id)
    found = await find(connection, id)
    assert (found.organisation_id, found.secret, found.former_secret) == (
        organisation_id, b"sealed secret", None,
    )  # fmt: skip
    assert found.user_name == f"inbound:{id}"
    assert await endpoints.find(connection, new_id()) is None
    assert await endpoints.find(connection, endpoints.NOBODY) is None


async def test_another_organisation_neither_sees_nor_changes_it(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    id = await create(connection, organisation_id)
    async with transaction_of(connection, organisation_id):
        (listed,) = await endpoints.list_some(connection, endpoint_id=id)
    theirs = gateways.an_organisation(engine)
    async with transaction_of(connection, theirs):
        assert await endpoints.list_some(connection, endpoint_id=id) == []
        assert await endpoints.find_own(connection, id) is None
        await endpoints.change(connection, id, {"reply_url": "https://elsewhere.example.org"})
        await endpoints.replace_secret(connection, id, b"theirs", timedelta(hours=1))
        await endpoints.delete(connection, theirs, "they", listed)
    found = await find(connection, id)
    assert (found.reply_url, found.secret) == (FIELDS["reply_url"], b"sealed secret")
    assert found.key_id in await identities.find_keys(connection, [found.key_id])


async def test_a_receiver_that_fails_gets_nothing_for_a_while(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    id = await create(connection, organisation_id)
    async with transaction_of(connection, organisation_id):
        await endpoints.record(connection, [Health(id, False, 60.0), Health(id, False, 0.0)])
    failing = await find(connection, id)
    assert failing.failures == 2
    assert 0 < failing.pause_s <= 60
    async with transaction_of(connection, organisation_id):
        await endpoints.change(connection, id, {"reply_url": FIELDS["reply_url"], "intensity": 3})
    same = await find(connection, id)
    assert (same.failures, same.intensity) == (2, 3)
    async with transaction_of(connection, organisation_id):
        await endpoints.change(connection, id, {"reply_url": "https://other.example.org"})
    moved = await find(connection, id)
    assert (moved.failures, moved.pause_s) == (0, 0.0)


async def test_an_organisation_has_a_bound(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    await create(connection, organisation_id)
    async with transaction_of(connection, organisation_id):
        await endpoints.check_room(connection, 2)
        with pytest.raises(TooManyInboundWebhooksError):
            await endpoints.check_room(connection, 1)
