"""Judgements of a judge that people's votes correct, the pairs that counted people saw, and a summary of
recent traffic for the planning of experiments.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE, READING_ROLE

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "counted_voters",
        sa.Column(
            "shown_message_ids",
            postgresql.ARRAY(sa.Uuid()),
            nullable=True,
            comment="messages of the first pairs that the page showed the person, also without a vote;"
            " NULL: not recorded",
        ),
    )
    op.add_column(
        "counted_voters",
        sa.Column(
            "shown_tasks",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="transform type and intensity of each of these pairs, such as 'soften 2'",
        ),
    )
    op.create_table(
        "judgements",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("challenger", sa.String(63), nullable=False),
        sa.Column("judge", sa.String(200), nullable=False, comment="name of its model"),
        sa.Column(
            "message_id", sa.Uuid(), nullable=False, comment="digest of the message, as in counted_voters"
        ),
        sa.Column(
            "task",
            sa.String(30),
            nullable=False,
            comment="transform type and intensity, such as 'soften 2'",
        ),
        sa.Column(
            "is_sampled",
            sa.Boolean(),
            nullable=False,
            comment="drawn at random; otherwise judged because a person saw it",
        ),
        sa.Column(
            "preference",
            sa.Float(),
            nullable=True,
            comment="1: the challenger's rewrite, 0: the champion's, 0.5: neither, or it changed with the order;"
            " NULL: people do not see the pair, since both rewrites are the same or a version wrote none",
        ),
        sa.Column("judged_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_judgements_experiment_id")
        ),
        sa.PrimaryKeyConstraint(
            "experiment_id", "challenger", "judge", "message_id", "task", name=op.f("pk_judgements")
        ),
    )
    op.create_table(
        "traffic_summaries",
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("measured_at", name=op.f("pk_traffic_summaries")),
    )
    op.execute(f"GRANT SELECT ON judgements, traffic_summaries TO {READING_ROLE}")
    # The pairs without the people who saw them.
    op.execute(
        "GRANT SELECT (id, experiment_id, challenger, opponent, message_ids, wins, shown_message_ids, shown_tasks)"
        f" ON counted_voters TO {READING_ROLE}"
    )
    op.execute(f"GRANT SELECT ON traffic_summaries TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT ON counted_voters FROM {READING_ROLE}")  # noqa: S608 (no user input)
    op.drop_table("traffic_summaries")
    op.drop_table("judgements")
    op.drop_column("counted_voters", "shown_tasks")
    op.drop_column("counted_voters", "shown_message_ids")
