"""People sign in with an e-mail address and a password; what their pages may read."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE, READING_ROLE

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"
# Of people there are no more than ids to see, and none of what they wrote but in outputs and comparisons of
# the organisation that a transaction names.
_READS = (
    "experiments, variants, specs, epochs, arm_counts, metric_sums, looks, decisions",
    "snapshots, versions, releases, lineage, gateways, outputs, comparisons",
    "(id, name) ON organisations",
    "(id, organisation_id, email, name) ON accounts",
    "(id, organisation_id, output_id, kind, thumb_up, rating, comparison_id, preferred_output_id,"
    " experiment_id, variant, epoch, created_at) ON feedback",
    "(version, action, created_at, done_at) ON version_orders",
)
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "experiments",
        sa.Column(
            "is_sample",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="made up, to show what a page looks like",
        ),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "user_id",
            sa.Uuid(),
            nullable=False,
            comment="whose its answers and votes are; no row before the first",
        ),
        sa.Column("email", sa.String(254), nullable=False, comment="in lower case"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="Argon2id, with its parameters"),
        sa.Column("created_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_accounts_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
        sa.UniqueConstraint("user_id", name=op.f("uq_accounts_user_id")),
    )
    op.create_index("ix_accounts_organisation_id", "accounts", ["organisation_id"])
    op.create_table(
        "account_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "refresh_sha256",
            sa.LargeBinary(),
            nullable=False,
            comment="of the newest refresh token's secret",
        ),
        sa.Column("created_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.Column("refreshed_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        sa.Column("ended_because", sa.String(20), comment="signed_out, reused or password_changed"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_account_sessions_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_sessions")),
    )
    op.create_index("ix_account_sessions_account_id", "account_sessions", ["account_id"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, account_sessions TO {ONLINE_ROLE}")
    op.execute(
        f"DO $$ BEGIN CREATE ROLE {READING_ROLE} NOLOGIN;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute(f"GRANT {READING_ROLE} TO CURRENT_USER")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {READING_ROLE}")
    for read in _READS:
        op.execute(f"GRANT SELECT {read if read[0] == '(' else 'ON ' + read} TO {READING_ROLE}")
    for table, rows in (("outputs", _MINE), ("comparisons", _MINE), ("feedback", "true")):
        op.execute(f"CREATE POLICY read ON {table} FOR SELECT TO {READING_ROLE} USING ({rows})")


def downgrade() -> None:
    for table in ("outputs", "comparisons", "feedback"):
        op.execute(f"DROP POLICY read ON {table}")
    op.execute(f"DROP OWNED BY {READING_ROLE}")
    op.drop_column("experiments", "is_sample")
    op.drop_table("account_sessions")
    op.drop_table("accounts")
