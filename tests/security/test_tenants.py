"""Row-level security for the role of the gateway. Without a tenant it reads no tenant's rows; with one it
reads and writes only rows of that tenant.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from prefect.logging import disable_run_logger
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.database import speak_for
from data.tables import IdempotentRequest, new_id
from pipelines.retention import retain

# A row of each table that holds what people wrote, or who they are.
ROWS = {
    "outputs": (
        "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text, facts_missing,"
        " spec_digest, version, upstream_ms)"
        " VALUES (%(id)s, %(tenant)s, 'Fix it.', 'soften', 2, 'Could you?', '[]', 'd', 'v1', 1)"
    ),
    "users": "INSERT INTO users (id, organisation_id) VALUES (%(id)s, %(tenant)s)",
    "exposures": (
        "INSERT INTO exposures"
        " (experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at)"
        " VALUES (%(experiment)s, %(id)s, 'v1', 1, %(tenant)s, %(id)s, now())"
    ),
    "failures": (
        "INSERT INTO failures (id, experiment_id, variant, epoch, organisation_id, user_id, failures)"
        " VALUES (%(id)s, %(experiment)s, 'v1', 1, %(tenant)s, %(id)s, 1)"
    ),
    "comparisons": (
        "INSERT INTO comparisons (id, organisation_id, user_id, policy, first_output_id, second_output_id)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, 'two_samples', %(output)s, %(output)s)"
    ),
    "feedback": (
        "INSERT INTO feedback (id, organisation_id, user_id, output_id, kind, thumb_up)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, %(output)s, 'thumb', true)"
    ),
    "job_batches": (
        "INSERT INTO job_batches (id, organisation_id, requested_by, request_digest, messages)"
        " VALUES (%(id)s, %(tenant)s, 'api_key:k', 'd', 1)"
    ),
    "jobs": (
        "INSERT INTO jobs (id, organisation_id, kind, payload, key, requested_by)"
        " VALUES (%(id)s, %(tenant)s, 'rewrite', '{}', %(id)s::text, 'api_key:k')"
    ),
    "job_changes": (
        "INSERT INTO job_changes (id, organisation_id, action, kind, jobs, changed_by)"
        " VALUES (%(id)s, %(tenant)s, 'replayed', 'rewrite', 1, 'api_key:k')"
    ),
    "job_files": (
        "INSERT INTO job_files (job_id, part, organisation_id, content)"
        " VALUES (%(job)s, 0, %(tenant)s, 'Fix it.')"
    ),
    "webhooks": (
        "INSERT INTO webhooks (id, organisation_id, url, events, description, secret, created_by)"
        " VALUES (%(id)s, %(tenant)s, 'https://example.org', '{}', '', 's', 'api_key:k')"
    ),
    "channel_installations": (
        "INSERT INTO channel_installations"
        " (id, organisation_id, platform, workspace, name, key_id, sealed, scopes, installed_by)"
        " VALUES (%(id)s, %(tenant)s, 'slack', %(id)s::text, 'Acme', %(key)s, 's', '{}', 'operator')"
    ),
    "channel_links": (
        "INSERT INTO channel_links (installation_id, person, organisation_id, user_id, language)"
        " VALUES (%(installation)s, 'U1', %(tenant)s, %(id)s, 'en')"
    ),
    "inbound_webhooks": (
        "INSERT INTO inbound_webhooks (id, organisation_id, key_id, sealed_key, name, verification, secret,"
        " text_pointer, transform_type, intensity, reply_url, reply_form, delivers_unchanged, created_by)"
        " VALUES (%(id)s, %(tenant)s, %(key)s, 's', 'a tracker', 'hub', 's', '/text', 'soften', 2,"
        " 'https://example.org', 'text', true, 'api_key:k')"
    ),
    "dictionary_terms": (
        "INSERT INTO dictionary_terms (id, organisation_id, term, folded, rule, wording, created_by)"
        " VALUES (%(id)s, %(tenant)s, 'SLO', %(id)s::text, 'explain', 'our promise', 'api_key:k')"
    ),
    "transform_rules": (
        "INSERT INTO transform_rules (id, organisation_id, name, conditions, transform_type, intensity,"
        " priority, enabled, created_by)"
        " VALUES (%(id)s, %(tenant)s, 'Kinder', '[]', 'soften', 2, 100, true, 'api_key:k')"
    ),
    "rule_changes": (
        "INSERT INTO rule_changes (id, organisation_id, rule_id, present, changed_by)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, '{}', 'api_key:k')"
    ),
    "key_changes": (
        "INSERT INTO key_changes (id, organisation_id, action, key_id, changed_by)"
        " VALUES (%(id)s, %(tenant)s, 'key_created', 'k', 'api_key:k')"
    ),
    "app_feedback": (
        "INSERT INTO app_feedback (id, organisation_id, user_id, about, comment, may_answer)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, 'idea', 'A bigger button.', false)"
    ),
    "idempotent_requests": (
        "INSERT INTO idempotent_requests (organisation_id, key, request_digest, status, body)"
        " VALUES (%(tenant)s, %(id)s::text, 'd', 200, 'Could you fix it?')"
    ),
}
BATCHES = ("outputs", "users", "exposures", "failures")  # one statement writes those of many tenants


@pytest.fixture
async def online(pool: AsyncConnectionPool) -> AsyncIterator[AsyncConnection]:
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT current_user")
        assert await cursor.fetchone() == ("tonebridge_online",)
        yield connection


@pytest.fixture
def values(engine: Engine) -> Callable[[uuid.UUID], dict[str, Any]]:
    """What a tenant's rows are made of: its output and an experiment are there."""

    def make(tenant: uuid.UUID) -> dict[str, Any]:
        named: dict[str, Any] = {
            "id": new_id(),
            "tenant": tenant,
            "output": new_id(),
            "experiment": new_id(),
            "job": new_id(),
            "installation": new_id(),
            "key": new_id().hex[-16:],
        }
        with engine.begin() as owner:
            owner.exec_driver_sql(ROWS["outputs"], {**named, "id": named["output"]})
            owner.exec_driver_sql(ROWS["jobs"], {**named, "id": named["job"]})
            owner.exec_driver_sql(
                "INSERT INTO api_keys (id, organisation_id, name, secret_sha256)"
                " VALUES (%(key)s, %(tenant)s, 'a workspace', 'd')",
                named,
            )
            installation = {**named, "id": named["installation"]}
            owner.exec_driver_sql(ROWS["channel_installations"], installation)
            owner.exec_driver_sql(
                "INSERT INTO experiments (id, name, hypothesis, plan, salt)"
                " VALUES (%(experiment)s, 'x', 'x', '{}', 'x')",
                named,
            )
        return named

    return make


async def count(online: AsyncConnection, table: str, tenant: uuid.UUID) -> int:
    cursor = await online.execute(
        f"SELECT count(*) FROM {table} WHERE organisation_id = %s",  # type: ignore[arg-type]
        (tenant,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("table", ROWS)
async def test_no_tenant_is_read_unless_it_is_named(
    online: AsyncConnection,
    engine: Engine,
    organisation_id: uuid.UUID,
    values: Callable[[uuid.UUID], dict[str, Any]],
    table: str,
) -> None:
    with engine.begin() as owner:
        owner.exec_driver_sql(ROWS[table], values(organisation_id))
    assert await count(online, table, organisation_id) == 0
    async with online.transaction():
        await speak_for(online, uuid.uuid4())
        assert await count(online, table, organisation_id) == 0
    async with online.transaction():
        await speak_for(online, organisation_id)
        assert await count(online, table, organisation_id) >= 1
    assert await count(online, table, organisation_id) == 0, "the name outlived its transaction"


@pytest.mark.parametrize("table", ROWS)
async def test_who_names_a_tenant_writes_for_no_other(
    online: AsyncConnection,
    organisation_id: uuid.UUID,
    values: Callable[[uuid.UUID], dict[str, Any]],
    table: str,
) -> None:
    row = values(organisation_id)
    async with online.transaction(force_rollback=True):
        await speak_for(online, uuid.uuid4())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await online.execute(ROWS[table], row)  # type: ignore[arg-type]
    async with online.transaction():
        await speak_for(online, organisation_id)
        await online.execute(ROWS[table], row)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", ROWS)
async def test_without_a_tenant_named_only_batches_are_written(
    online: AsyncConnection,
    organisation_id: uuid.UUID,
    values: Callable[[uuid.UUID], dict[str, Any]],
    table: str,
) -> None:
    row = values(organisation_id)
    if table in BATCHES:
        await online.execute(ROWS[table], row)  # type: ignore[arg-type]
        return
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        await online.execute(ROWS[table], row)  # type: ignore[arg-type]


CHANGES = {
    "users": "UPDATE users SET consents_to_training = true",
    "users, preferences": "UPDATE users SET preferred_language = 'ja', tour_closed = true",
    "comparisons": "UPDATE comparisons SET skipped_at = now()",
    "feedback": "UPDATE feedback SET thumb_up = false",
    "idempotent_requests": "UPDATE idempotent_requests SET body = 'Something else.'",
    "idempotent_requests, deleted": "DELETE FROM idempotent_requests",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_rows_of_others_are_not_changed(
    online: AsyncConnection,
    engine: Engine,
    organisation_id: uuid.UUID,
    values: Callable[[uuid.UUID], dict[str, Any]],
    change: str,
) -> None:
    row = values(organisation_id)
    with engine.begin() as owner:
        owner.exec_driver_sql(ROWS[change.partition(",")[0]], row)
    for tenant, changed in ((None, 0), (uuid.uuid4(), 0), (organisation_id, 1)):
        async with online.transaction():
            if tenant is not None:
                await speak_for(online, tenant)
            cursor = await online.execute(CHANGES[change])  # type: ignore[arg-type]
            assert cursor.rowcount == changed, tenant


REQUEST = "SELECT request_erasure(%(id)s, NULL, true)"


async def test_an_erasure_is_asked_for_in_the_name_of_a_tenant_and_only_for_its_people(
    online: AsyncConnection,
    engine: Engine,
    organisation_id: uuid.UUID,
    values: Callable[[uuid.UUID], dict[str, Any]],
) -> None:
    row = values(organisation_id)
    with engine.begin() as owner:
        owner.exec_driver_sql(ROWS["users"], row)
    with pytest.raises(psycopg.errors.NotNullViolation):
        await online.execute(REQUEST, {"id": new_id()})
    other = uuid.uuid4()
    with engine.begin() as owner:
        owner.exec_driver_sql("INSERT INTO organisations (id, name) VALUES (%(id)s, %(id)s)", {"id": other})
    async with online.transaction(force_rollback=True):
        await speak_for(online, other)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not of the organisation"):
            await online.execute(REQUEST, row)
    async with online.transaction():
        await speak_for(online, organisation_id)
        await online.execute(REQUEST, row)
    for tenant, orders in ((None, 0), (other, 0), (organisation_id, 1)):
        async with online.transaction():
            if tenant is not None:
                await speak_for(online, tenant)
            assert await count_own_erasures(online, row["id"]) == orders, tenant


async def count_own_erasures(online: AsyncConnection, user_id: uuid.UUID) -> int:
    cursor = await online.execute("SELECT count(*) FROM own_erasures WHERE user_id = %s", (user_id,))
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO erasures (id, organisation_id, user_id, counts)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, '{}')",
        "UPDATE erasures SET finished_at = now()",
        "UPDATE erasures SET keeps_account = true",
        "DELETE FROM erasures",
        "SELECT counts FROM erasures",
        "INSERT INTO output_erasures (id, organisation_id, user_id, output_id)"
        " VALUES (%(id)s, %(tenant)s, %(id)s, %(id)s)",
        "UPDATE output_erasures SET finished_at = now()",
        "DELETE FROM output_erasures",
        "SELECT votes FROM output_erasures",
        "UPDATE users SET external_id = 'ann'",
    ],
)
async def test_orders_of_erasures_are_stored_and_changed_in_no_other_way(
    online: AsyncConnection, organisation_id: uuid.UUID, statement: str
) -> None:
    async with online.transaction(force_rollback=True):
        await speak_for(online, organisation_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            await online.execute(statement, {"id": new_id(), "tenant": organisation_id})  # type: ignore[arg-type]


def test_every_table_with_a_tenants_texts_has_row_level_security(engine: Engine) -> None:
    """A table that is added later and has a tenant's column stands here, or has policies."""
    without = {
        "answers": "written by COPY, which row-level security does not know; nobody online reads it",
        "usage": "counts of all tenants, at every heartbeat",
        "api_keys": "a key is looked up before it is known whose it is",
        "request_secrets": "read with their key",
        "signing_keys": "as keys",
        "revoked_tokens": "as keys",
        "accounts": "as keys",
        "dictionaries": "ids and revisions of all tenants, at every heartbeat; it has no terms",
        "erasures": "ids and times of all tenants, at every heartbeat; people see theirs by a view",
        "output_erasures": "ids and times of all tenants, at every heartbeat",
        "experiments": "the installation's own",
    }
    with engine.connect() as connection:
        tables = connection.execute(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organisation_id'"
                " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                " AND NOT c.relrowsecurity"
                " AND has_any_column_privilege('tonebridge_online', c.oid, 'SELECT, INSERT, UPDATE')"
            )
        ).scalars()
        assert set(tables) <= set(without)


def test_answers_that_are_kept_for_a_repetition_still_leave_after_a_day(
    local: Settings, engine: Engine, organisation_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of the tables sweeps them, whatever tenant they are of."""
    with Session(engine) as session, session.begin():
        for name, age in (("old", timedelta(days=2)), ("new", timedelta())):
            made = datetime.now(UTC) - age
            session.add(
                IdempotentRequest(
                    organisation_id=organisation_id, key=name, request_digest=b"d", created_at=made
                )
            )
    assert local.database_url is not None
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", local.database_url)
    with disable_run_logger():
        retain.fn()
    with Session(engine) as session:
        query = text("SELECT key FROM idempotent_requests WHERE organisation_id = :id")
        assert session.execute(query, {"id": organisation_id}).scalars().all() == ["new"]
