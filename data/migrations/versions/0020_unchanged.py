"""An output says when its text is the message itself, and why."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outputs",
        sa.Column(
            "unchanged",
            JSONB(),
            nullable=True,
            comment="why the text is the message itself; NULL: the model wrote it",
        ),
    )


def downgrade() -> None:
    op.drop_column("outputs", "unchanged")
