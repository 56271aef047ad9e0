"""What users did before they entered: a summary of their answers by day, the sums of ratios with it, and caps.

Units that closed before this migration count as units without a past. That keeps the sums valid: it depends
on the time of their entry, and not on their arm.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0030"
branch_labels = None
depends_on = None

_SUMS = ("u", "uu", "v", "vv", "uv", "xu", "xv", "yu", "yv")


def upgrade() -> None:
    op.add_column(
        "experiments",
        sa.Column(
            "caps",
            postgresql.JSONB(),
            nullable=True,
            comment="upper limits of a user's quantity that percentiles of the time before the start have set, "
            "by metric; NULL before the first analysis",
        ),
    )
    for name in _SUMS:
        op.add_column("metric_sums", sa.Column(name, sa.Numeric(), server_default="0", nullable=False))
    op.create_table(
        "user_days",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("fallbacks", sa.Integer(), nullable=False),
        sa.Column(
            "repeats",
            sa.Integer(),
            nullable=False,
            comment="answers with an output that the user had on the same day",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="counted in experiments only"),
        sa.Column("service_s", sa.Numeric(), nullable=False, comment="seconds waited on misses"),
        sa.Column(
            "log_ms",
            sa.Numeric(),
            nullable=False,
            comment="sum of the logarithms of the misses' milliseconds",
        ),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_user_days")),
    )
    op.create_index("ix_user_days_day", "user_days", ["day"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("user_days")
    for name in _SUMS:
        op.drop_column("metric_sums", name)
    op.drop_column("experiments", "caps")
