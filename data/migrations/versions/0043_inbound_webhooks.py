"""Inbound webhooks: other tools send messages, and the rewrites go to an address that an admin has set."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"

# A request names the inbound webhook, and not the organisation.
_FIND = """
CREATE FUNCTION find_inbound_tenant(of_id uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
SELECT organisation_id FROM inbound_webhooks WHERE id = of_id
$$
"""
_SIGNATURE = "find_inbound_tenant(uuid)"


def upgrade() -> None:
    op.create_table(
        "inbound_webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False, comment="the API key that rewrites for it"),
        sa.Column(
            "sealed_key",
            sa.LargeBinary(),
            nullable=False,
            comment="that key, encrypted: see serving/channels/inbound/credentials.py",
        ),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("verification", sa.String(10), nullable=False),
        sa.Column(
            "secret",
            sa.LargeBinary(),
            nullable=False,
            comment="what verifies its requests, encrypted; of a token the SHA-256",
        ),
        sa.Column(
            "former_secret",
            sa.LargeBinary(),
            nullable=True,
            comment="what verifies them too, until a time",
        ),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("text_pointer", sa.String(1000), nullable=False, comment="RFC 6901"),
        sa.Column("transform_type", sa.String(20), nullable=False),
        sa.Column("intensity", sa.SmallInteger(), nullable=False),
        sa.Column("reply_url", sa.Text(), nullable=False),
        sa.Column("reply_form", sa.String(10), nullable=False),
        sa.Column("delivers_unchanged", sa.Boolean(), nullable=False),
        sa.Column(
            "created_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="since the last delivery"
        ),
        sa.Column(
            "retry_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="until then nothing is sent to it",
        ),
        sa.CheckConstraint(
            "verification IN ('standard', 'hub', 'token')", name=op.f("ck_inbound_webhooks_verification")
        ),
        sa.CheckConstraint("reply_form IN ('text', 'answer')", name=op.f("ck_inbound_webhooks_reply_form")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_inbound_webhooks_organisation_id")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_inbound_webhooks_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_webhooks")),
    )
    op.create_index(op.f("ix_inbound_webhooks_organisation_id"), "inbound_webhooks", ["organisation_id"])
    op.create_index(
        "ix_jobs_open_of_inbound",
        "jobs",
        ["user_id"],
        postgresql_where=sa.text("kind = 'inbound' AND state IN ('waiting', 'running')"),
    )
    op.execute("ALTER TABLE inbound_webhooks ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON inbound_webhooks FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON inbound_webhooks TO {ONLINE_ROLE}")
    op.execute(_FIND)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'inbound'")
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.drop_index("ix_jobs_open_of_inbound", "jobs")
    op.drop_table("inbound_webhooks")
