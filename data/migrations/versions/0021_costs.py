"""An output says how many tokens were read and written for it, and what a vendor takes for them."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outputs",
        sa.Column(
            "prompt_tokens",
            sa.Integer(),
            nullable=True,
            comment="tokens read for all drafts; NULL: not counted, by an earlier release",
        ),
    )
    op.add_column(
        "outputs",
        sa.Column(
            "tokens",
            sa.Integer(),
            nullable=True,
            comment="tokens written for all drafts; NULL: not counted",
        ),
    )
    op.add_column(
        "outputs",
        sa.Column(
            "cost_usd",
            sa.Double(),
            nullable=True,
            comment="the price of these tokens; 0 for a model of ours; NULL: not counted",
        ),
    )


def downgrade() -> None:
    for name in ("prompt_tokens", "tokens", "cost_usd"):
        op.drop_column("outputs", name)
