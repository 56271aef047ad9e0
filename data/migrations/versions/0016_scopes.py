"""Whoever names a tenant writes for that tenant only; answers kept for a repetition are their tenant's; and
comparisons know whether somebody typed their message.

What the online role may do without naming a tenant, and why:

- `outputs`, `users`, `exposures`, `failures`: insert, since one statement stores what many tenants were
  answered (`data.outputs.OutputWriter`, `data.answers.AnswerWriter`); it reads none of their rows. A
  transaction that names a tenant inserts that tenant's rows only.
- `answers`: insert, by COPY, which row-level security does not know; it reads none at all.
- `comparisons`, `feedback`, `idempotent_requests`: nothing.
- `usage`: read and add, of all tenants at once, at every heartbeat: counts, no texts.
- `organisations`, `api_keys`, `signing_keys`, `revoked_tokens`, `accounts`, `account_sessions`: a credential
  is looked up before it is known whose it is, and a heartbeat holds what is remembered of all against them.
- `erasures`: read ids and times, for the heartbeat.
- `experiments`, `variants`, `specs`, `decisions`, `epochs`, `gateways`, `versions`, `version_orders`: are the
  installation's, not a tenant's.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_NAMED = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"
_MINE = f"organisation_id = {_NAMED}"
_MINE_OR_NONE_NAMED = f"coalesce({_MINE}, {_NAMED} IS NULL)"
_IN_BATCHES = ("outputs", "users", "exposures")
_ONE_AT_A_TIME = ("comparisons", "feedback")


def upgrade() -> None:
    op.add_column(
        "comparisons",
        sa.Column(
            "is_own",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="of a message that the person typed on the page",
        ),
    )
    op.create_index(
        "ix_comparisons_own", "comparisons", ["organisation_id", "id"], postgresql_where=sa.text("is_own")
    )
    for table in (*_IN_BATCHES, *_ONE_AT_A_TIME):
        op.execute(f"DROP POLICY mine ON {table}")
    for table in _IN_BATCHES:
        op.execute(f"CREATE POLICY mine ON {table} FOR SELECT TO {ONLINE_ROLE} USING ({_MINE})")
    op.execute("DROP POLICY written ON failures")
    for table in (*_IN_BATCHES, "failures"):
        op.execute(
            f"CREATE POLICY written ON {table} FOR INSERT TO {ONLINE_ROLE} WITH CHECK ({_MINE_OR_NONE_NAMED})"
        )
    op.execute(
        f"CREATE POLICY changed ON users FOR UPDATE TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute("ALTER TABLE idempotent_requests ENABLE ROW LEVEL SECURITY")
    for table in (*_ONE_AT_A_TIME, "idempotent_requests"):
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
        )


def downgrade() -> None:
    op.execute("DROP POLICY mine ON idempotent_requests")
    op.execute("ALTER TABLE idempotent_requests DISABLE ROW LEVEL SECURITY")
    op.execute("DROP POLICY changed ON users")
    for table in (*_IN_BATCHES, "failures"):
        op.execute(f"DROP POLICY written ON {table}")
    op.execute(f"CREATE POLICY written ON failures FOR INSERT TO {ONLINE_ROLE} WITH CHECK (true)")
    for table in (*_IN_BATCHES, *_ONE_AT_A_TIME):
        op.execute(f"DROP POLICY mine ON {table}")
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK (true)"
        )
    op.drop_index("ix_comparisons_own", "comparisons")
    op.drop_column("comparisons", "is_own")
