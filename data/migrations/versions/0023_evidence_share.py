"""A snapshot says which share of the messages is for evidence only: the share may only fall."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "snapshots",
        sa.Column(
            "evidence_share",
            sa.Double(),
            nullable=True,
            comment="share of the messages that are for evidence only and not in it;"
            " NULL: made by an earlier release",
        ),
    )


def downgrade() -> None:
    op.drop_column("snapshots", "evidence_share")
