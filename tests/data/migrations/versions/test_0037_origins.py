"""Revision 0037: on the way back a key that everybody can read does not become a key like others."""

import uuid
from collections.abc import Callable

import psycopg

from tests import migrations


def test_keys_for_pages_are_revoked_on_the_way_back(new_database: Callable[..., str]) -> None:
    url, tenant = new_database(), uuid.uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO organisations (id, name) VALUES (%s, 'acme')", (tenant,))
        for key_id, is_browser in (("page", True), ("robot", False)):
            connection.execute(
                "INSERT INTO api_keys (id, organisation_id, name, secret_sha256, is_browser)"
                " VALUES (%s, %s, 'x', '', %s)",
                (key_id, tenant, is_browser),
            )
    migrations.downgrade(url, "0036")
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id, revoked_at IS NOT NULL FROM api_keys").fetchall()
    assert dict(rows) == {"page": True, "robot": False}
