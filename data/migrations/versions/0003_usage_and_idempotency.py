"""Usage by month, for quotas; answers to requests that may be sent again."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_usage_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "month", name=op.f("pk_usage")),
    )
    op.create_table(
        "idempotent_requests",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False, comment="of route and body"),
        sa.Column("status", sa.SmallInteger(), nullable=True, comment="NULL while the first one is answered"),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "key", name=op.f("pk_idempotent_requests")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON usage TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_requests TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_table("idempotent_requests")
    op.drop_table("usage")
