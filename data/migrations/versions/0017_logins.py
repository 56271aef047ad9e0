"""Logins of the gateway and the dashboard, which can do nothing but what their roles may; partitions of
answers by a function, since the gateway owns no table any more.
"""

from alembic import op

from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN, ONLINE_ROLE, READING_ROLE

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# The role and the limits are settings of the login, not of a session: a connection pooler hands sessions from
# one client to the next, and RESET ROLE leads back to the same role.
_LOGINS = (
    (GATEWAY_LOGIN, ONLINE_ROLE, ("statement_timeout = '5s'",)),
    (
        DASHBOARD_LOGIN,
        READING_ROLE,
        ("statement_timeout = '5s'", "default_transaction_read_only = on"),
    ),
)

# The first id (UUIDv7) of a day: 48 bits of milliseconds since 1970, then zeros.
_FLOOR = "(lpad(to_hex(extract(epoch FROM {})::bigint * 1000), 12, '0') || repeat('0', 20))::uuid"

_PARTITIONS = f"""
CREATE FUNCTION ensure_answer_partitions(first date, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    day date;
BEGIN
    IF days NOT BETWEEN 1 AND 31 THEN
        RAISE EXCEPTION 'days is 1 to 31, not %', days;
    END IF;
    FOR day IN SELECT first + n FROM generate_series(0, days - 1) n LOOP
        BEGIN
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS public.answers_%s PARTITION OF public.answers'
                ' FOR VALUES FROM (%L) TO (%L)',
                to_char(day, 'YYYYMMDD'), {_FLOOR.format("day")}, {_FLOOR.format("(day + 1)")}
            );
        EXCEPTION WHEN unique_violation OR duplicate_table THEN
            NULL;  -- gateways start together: another one was faster
        END;
    END LOOP;
END $$
"""  # noqa: S608 (nothing of it comes from outside)


def upgrade() -> None:
    for login, role, settings in _LOGINS:
        # Roles belong to the cluster, not to the database: another database may have made this one.
        op.execute(
            f"DO $$ BEGIN CREATE ROLE {login} LOGIN NOINHERIT;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        op.execute(f"GRANT {role} TO {login}")
        for setting in (f"role = '{role}'", *settings):
            op.execute(f"ALTER ROLE {login} SET {setting}")
    op.execute(_PARTITIONS)
    op.execute("REVOKE EXECUTE ON FUNCTION ensure_answer_partitions FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION ensure_answer_partitions TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION ensure_answer_partitions")
