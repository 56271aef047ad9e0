"""Erasures: work orders and tombstones, and what they ask of versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = "data.validation's report; NULL: made before there was one"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "purged_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when gateways were last told to forget what they hold",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what was removed so far",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_erasures_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_purged_at"), "erasures", ["purged_at"], unique=False)
    op.create_index(op.f("ix_erasures_user_id"), "erasures", ["user_id"], unique=False)
    op.create_table(
        "version_orders",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=63), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "done_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a retired version's weights were removed",
        ),
        sa.CheckConstraint("action IN ('retrain', 'retire')", name=op.f("ck_version_orders_action")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_version_orders_erasure_id")),
        sa.ForeignKeyConstraint(["version"], ["versions.name"], name=op.f("fk_version_orders_version")),
        sa.PrimaryKeyConstraint("erasure_id", "version", name=op.f("pk_version_orders")),
    )
    op.alter_column(
        "snapshots",
        "quality",
        comment=f"{_BEFORE}, or rewritten by an erasure",
        existing_comment=_BEFORE,
        existing_type=postgresql.JSONB(astext_type=sa.Text()),
        existing_nullable=True,
    )
    # Ids and times, of all tenants: the heartbeat asks for the newest of all. A vote names its tenant.
    op.execute(
        f"GRANT SELECT (organisation_id, user_id, purged_at, finished_at) ON erasures TO {ONLINE_ROLE}"
    )


def downgrade() -> None:
    op.alter_column(
        "snapshots",
        "quality",
        comment=_BEFORE,
        existing_comment=f"{_BEFORE}, or rewritten by an erasure",
        existing_type=postgresql.JSONB(astext_type=sa.Text()),
        existing_nullable=True,
    )
    op.drop_table("version_orders")
    op.drop_table("erasures")
