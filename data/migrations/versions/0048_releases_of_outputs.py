"""Which release of the inference service wrote an output, and which releases' outputs leave the caches."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

PHASE = "expand"


def upgrade() -> None:
    op.add_column(
        "outputs",
        sa.Column(
            "release",
            sa.String(64),
            nullable=True,
            comment="of the inference service that wrote it; NULL: an earlier one",
        ),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column(
            "withdrawn_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
    )
    op.execute(f"GRANT SELECT ON withdrawals TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_table("withdrawals")
    op.drop_column("outputs", "release")
