"""People whose votes an experiment has counted: a person counts once, and what is counted never changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counted_voters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="NULL: the person was erased"),
        sa.Column(
            "key_id",
            sa.String(16),
            nullable=True,
            comment="API key that names the person; NULL: signed in, or a key of the organisation that runs "
            "the installation",
        ),
        sa.Column(
            "complete_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the person had cast all votes that could count",
        ),
        sa.Column(
            "message_ids",
            postgresql.ARRAY(sa.Uuid()),
            nullable=False,
            comment="messages of the decided votes: a digest of a shipped message, else the comparison",
        ),
        sa.Column(
            "wins",
            postgresql.ARRAY(sa.Boolean()),
            nullable=False,
            comment="whether each of these votes preferred the challenger",
        ),
        sa.Column("ties", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_counted_voters_experiment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counted_voters")),
        sa.UniqueConstraint("experiment_id", "user_id", name=op.f("uq_counted_voters_experiment_id_user_id")),
    )
    op.create_index("ix_counted_voters_user_id", "counted_voters", ["user_id"])


def downgrade() -> None:
    op.drop_table("counted_voters")
