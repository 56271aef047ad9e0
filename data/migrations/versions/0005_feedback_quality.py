"""Snapshots carry how good their feedback is, and whether they may be trained on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Snapshots from before there was a check were good enough to train on, and stay so.
    op.add_column(
        "snapshots",
        sa.Column(
            "accepted",
            sa.Boolean(),
            server_default=sa.true(),
            nullable=False,
            comment="it may be trained on",
        ),
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="why it may not",
        ),
    )
    op.alter_column("snapshots", "accepted", server_default=None)
    op.alter_column("snapshots", "reasons", server_default=None)
    op.add_column(
        "snapshots",
        sa.Column(
            "quality",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="data.validation's report; NULL: made before there was one",
        ),
    )


def downgrade() -> None:
    op.drop_column("snapshots", "quality")
    op.drop_column("snapshots", "reasons")
    op.drop_column("snapshots", "accepted")
