"""What the analysis of an experiment needs beside sums over all: segments of the users, the past of each,
and what earlier looks found.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_KEY = ["experiment_id", "epoch", "variant", "metric"]


def _key(*columns: str) -> None:
    op.drop_constraint(op.f("pk_metric_sums"), "metric_sums", type_="primary")
    op.create_primary_key(op.f("pk_metric_sums"), "metric_sums", [*_KEY, *columns])


def upgrade() -> None:
    op.add_column(
        "metric_sums",
        sa.Column(
            "segment",
            sa.String(80),
            server_default="",
            nullable=False,
            comment="of the units, as name=value; '' is all",
        ),
    )
    _key("segment", "bin")
    op.create_index("ix_feedback_user_id", "feedback", ["user_id", "created_at"])
    op.create_table(
        "looks",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_looks_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "looked_at", name=op.f("pk_looks")),
    )


def downgrade() -> None:
    op.drop_table("looks")
    op.drop_index("ix_feedback_user_id", "feedback")
    op.execute("DELETE FROM metric_sums WHERE segment <> ''")
    _key("bin")
    op.drop_column("metric_sums", "segment")
