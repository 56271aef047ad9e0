"""Rules that propose a rewrite of a message, the audit of their changes, and who wants proposals in chats."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "transform_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="whose rule it is; NULL: the organisation's"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), nullable=False, comment="all must hold"),
        sa.Column("transform_type", sa.String(20), nullable=False),
        sa.Column("intensity", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False, comment="1 is tried first"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "created_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_transform_rules_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transform_rules")),
    )
    op.create_table(
        "rule_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="whose rule it is; NULL: the organisation's"),
        sa.Column("rule_id", sa.Uuid(), nullable=False, comment="the rule may be deleted"),
        sa.Column("former", postgresql.JSONB(), nullable=True, comment="the rule before; NULL: it is new"),
        sa.Column(
            "present", postgresql.JSONB(), nullable=True, comment="the rule since then; NULL: it is deleted"
        ),
        sa.Column(
            "changed_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("former IS NOT NULL OR present IS NOT NULL", name=op.f("ck_rule_changes_change")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_rule_changes_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_changes")),
    )
    for table, rights in (
        ("transform_rules", "SELECT, INSERT, UPDATE, DELETE"),
        ("rule_changes", "SELECT, INSERT"),  # a gateway rewrites no history
    ):
        op.create_index(op.f(f"ix_{table}_organisation_id_user_id"), table, ["organisation_id", "user_id"])
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
        )
        op.execute(f"GRANT {rights} ON {table} TO {ONLINE_ROLE}")
    op.add_column(
        "channel_links",
        sa.Column(
            "wants_proposals",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether rules are tried on what they write in channels",
        ),
    )


def downgrade() -> None:
    op.drop_column("channel_links", "wants_proposals")
    op.drop_table("rule_changes")
    op.drop_table("transform_rules")
