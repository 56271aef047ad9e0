"""People compare on a page: who else is shown a pair, what was skipped, and why one is better."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "comparisons",
        sa.Column(
            "pair_id",
            sa.Uuid(),
            nullable=True,
            comment="the same for all who are shown these two outputs: the first one's id; NULL: not by the page",
        ),
    )
    op.add_column(
        "comparisons",
        sa.Column("people", sa.SmallInteger(), nullable=True, comment="who shall be shown the pair"),
    )
    op.add_column("comparisons", sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_comparisons_pair"), "comparisons", "(pair_id IS NULL) = (people IS NULL)"
    )
    # Nobody is shown the same two outputs twice.
    op.create_unique_constraint(op.f("uq_comparisons_pair_id_user_id"), "comparisons", ["pair_id", "user_id"])
    op.create_index(
        "ix_comparisons_user_id",
        "comparisons",
        ["user_id", "id"],
        postgresql_where=sa.text("pair_id IS NOT NULL"),
    )
    op.create_index(
        "ix_comparisons_shared",
        "comparisons",
        ["organisation_id", "pair_id"],
        postgresql_where=sa.text("people > 1"),
    )
    op.execute(f"GRANT UPDATE (skipped_at) ON comparisons TO {ONLINE_ROLE}")
    op.add_column(
        "feedback", sa.Column("reason", sa.Text(), nullable=True, comment="of a comparison, in words")
    )
    op.create_check_constraint(
        op.f("ck_feedback_reason"), "feedback", "reason IS NULL OR kind = 'comparison'"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_feedback_reason"), "feedback")
    op.drop_column("feedback", "reason")
    op.drop_index("ix_comparisons_shared", "comparisons")
    op.drop_index("ix_comparisons_user_id", "comparisons")
    op.drop_constraint(op.f("uq_comparisons_pair_id_user_id"), "comparisons")
    op.drop_constraint(op.f("ck_comparisons_pair"), "comparisons")
    for column in ("skipped_at", "people", "pair_id"):
        op.drop_column("comparisons", column)
