"""Workspaces of chat platforms that organisations have connected, and the people there who have agreed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"

# A request of a platform names the workspace, and not the organisation.
_FIND = """
CREATE FUNCTION find_channel_tenant(of_platform text, of_workspace text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
SELECT organisation_id FROM channel_installations WHERE platform = of_platform AND workspace = of_workspace
$$
"""
_SIGNATURE = "find_channel_tenant(text, text)"


def upgrade() -> None:
    op.create_table(
        "channel_installations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(20), nullable=False),
        sa.Column("workspace", sa.String(200), nullable=False, comment="the platform's id of it"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False, comment="the API key that vouches for its people"),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="the platform's token and that key, encrypted: see serving/channels/vault.py",
        ),
        sa.Column("scopes", postgresql.ARRAY(sa.String(100)), nullable=False),
        sa.Column("installed_by", sa.Text(), nullable=False, comment="as in `decisions`, or operator"),
        sa.Column("installed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_channel_installations_organisation_id")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_channel_installations_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_installations")),
        sa.UniqueConstraint(
            "platform", "workspace", name=op.f("uq_channel_installations_platform_workspace")
        ),
    )
    op.create_index(
        op.f("ix_channel_installations_organisation_id"), "channel_installations", ["organisation_id"]
    )
    op.create_table(
        "channel_links",
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.String(200), nullable=False, comment="the platform's id of them"),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "language", sa.String(2), nullable=False, comment="in which the platform shows itself to them"
        ),
        sa.Column("agreed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["channel_installations.id"],
            name=op.f("fk_channel_links_installation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_channel_links_organisation_id")
        ),
        sa.PrimaryKeyConstraint("installation_id", "person", name=op.f("pk_channel_links")),
    )
    op.create_index(op.f("ix_channel_links_organisation_id"), "channel_links", ["organisation_id"])
    op.create_index(op.f("ix_channel_links_user_id"), "channel_links", ["user_id"])
    for table in ("channel_installations", "channel_links"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ONLINE_ROLE}")
    op.execute(_FIND)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'channel_reply'")
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.drop_table("channel_links")
    op.drop_table("channel_installations")
