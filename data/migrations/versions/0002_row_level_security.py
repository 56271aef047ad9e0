"""Row-level security: the online role sees a tenant's rows only in a transaction that names the tenant."""

from alembic import op

from data.tables import ONLINE_ROLE

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("outputs", "comparisons", "feedback", "users", "exposures")
_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def upgrade() -> None:
    # Roles belong to the cluster, not to the database: another database may have made this one.
    op.execute(
        f"DO $$ BEGIN CREATE ROLE {ONLINE_ROLE} NOLOGIN;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute(f"GRANT {ONLINE_ROLE} TO CURRENT_USER")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ONLINE_ROLE}")
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK (true)"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {ONLINE_ROLE}")
    op.execute(f"GRANT UPDATE ON feedback TO {ONLINE_ROLE}")
    # COPY does not work under row-level security: the online role may write answers, and read none.
    op.execute(f"GRANT INSERT ON answers TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT ON api_keys, epochs, organisations, specs TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON gateways TO {ONLINE_ROLE}")


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"DROP POLICY mine ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute(f"DROP OWNED BY {ONLINE_ROLE}")
