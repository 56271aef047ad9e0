"""Counted voters belong to a pair of versions: an experiment may have several challengers.

What is counted already is between the only challenger of an experiment and its baseline.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_UNIQUE, _UNIQUE_BEFORE = (
    "uq_counted_voters_experiment_id_challenger_opponent_user_id",
    "uq_counted_voters_experiment_id_user_id",
)
_OPPONENT = "the version that it is compared with: the baseline, or another challenger"
_POLICY, _POLICY_BEFORE = (
    "two_samples, champion_against_challenger, or between_challengers",
    "two_samples, or champion_against_challenger",
)


def upgrade() -> None:
    op.add_column("counted_voters", sa.Column("challenger", sa.String(63), nullable=True))
    op.add_column("counted_voters", sa.Column("opponent", sa.String(63), nullable=True, comment=_OPPONENT))
    op.execute(
        "UPDATE counted_voters v SET challenger = challenger.name, opponent = baseline.name"
        " FROM variants challenger, variants baseline"
        " WHERE challenger.experiment_id = v.experiment_id AND NOT challenger.is_baseline"
        " AND baseline.experiment_id = v.experiment_id AND baseline.is_baseline"
    )
    for column in ("challenger", "opponent"):
        op.alter_column("counted_voters", column, existing_type=sa.String(63), nullable=False)
    op.drop_constraint(_UNIQUE_BEFORE, "counted_voters")
    op.create_unique_constraint(
        _UNIQUE, "counted_voters", ["experiment_id", "challenger", "opponent", "user_id"]
    )
    _comment_on_policy(_POLICY)


def downgrade() -> None:
    # An earlier release knows one challenger, and would count the votes on the others for it.
    op.execute(
        "DELETE FROM counted_voters v WHERE (challenger, opponent) <> ("
        " SELECT min(challenger.name), min(baseline.name) FROM variants challenger, variants baseline"
        " WHERE challenger.experiment_id = v.experiment_id AND NOT challenger.is_baseline"
        " AND baseline.experiment_id = v.experiment_id AND baseline.is_baseline)"
    )
    op.drop_constraint(_UNIQUE, "counted_voters")
    op.drop_column("counted_voters", "challenger")
    op.drop_column("counted_voters", "opponent")
    op.create_unique_constraint(_UNIQUE_BEFORE, "counted_voters", ["experiment_id", "user_id"])
    _comment_on_policy(_POLICY_BEFORE)


def _comment_on_policy(comment: str) -> None:
    op.alter_column("comparisons", "policy", existing_type=sa.String(40), comment=comment)
