"""An experiment may have several challengers: one may be dropped while the others go on, the routing lists all
that are compared side by side, and the evidence of an analysis is by challenger.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# The stored evidence of an analysis that had one challenger, and the way back for the leading one.
_BY_CHALLENGER = """
    UPDATE analyses SET evidence = jsonb_build_object(
        'challengers', jsonb_build_object(
            evidence->>'challenger', evidence - 'challenger' - 'decision'),
        'decision', jsonb_build_object(
            'action', evidence->'decision'->'action', 'challenger', evidence->'challenger',
            'by_challenger', jsonb_build_object(evidence->>'challenger', evidence->'decision')))
"""
_ONE_CHALLENGER = """
    UPDATE analyses SET evidence =
        (evidence->'challengers'->(evidence->'decision'->>'challenger')) || jsonb_build_object(
            'challenger', evidence->'decision'->'challenger',
            'decision', evidence->'decision'->'by_challenger'->(evidence->'decision'->>'challenger'))
"""


def upgrade() -> None:
    op.add_column(
        "variants",
        sa.Column(
            "dropped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a challenger was withdrawn while the experiment went on with the others",
        ),
    )
    op.execute(
        "UPDATE epochs SET routing = routing - 'challenger' || jsonb_build_object('challengers',"
        " CASE WHEN coalesce(routing->'challenger', 'null') = 'null' THEN '[]'::jsonb"
        " ELSE jsonb_build_array(routing->'challenger') END)"
    )
    op.execute(_BY_CHALLENGER)


def downgrade() -> None:
    op.execute(_ONE_CHALLENGER)
    op.execute(
        "UPDATE epochs SET routing = routing - 'challengers'"
        " || jsonb_build_object('challenger', routing->'challengers'->0)"
    )
    op.drop_column("variants", "dropped_at")
