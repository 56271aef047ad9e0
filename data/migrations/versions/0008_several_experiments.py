"""Several experiments run at once: an epoch names none, its routing lists them with epochs of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATUSES = ("draft", "running", "paused", "shipped", "rolled_back", "stopped")


def _allow(*statuses: str) -> None:
    op.drop_constraint(op.f("ck_experiments_status"), "experiments", type_="check")
    listed = ", ".join(f"'{status}'" for status in statuses)
    op.create_check_constraint(op.f("ck_experiments_status"), "experiments", f"status IN ({listed})")


def upgrade() -> None:
    op.execute("""
        UPDATE epochs SET routing = routing - 'experiment' || jsonb_build_object('experiments',
            CASE WHEN experiment_id IS NULL THEN '[]'::jsonb
            ELSE jsonb_build_array(
                routing->'experiment' || jsonb_build_object('epoch', number, 'reached', 1.0)
            ) END)
    """)
    op.drop_column("epochs", "experiment_id")
    _allow(*_STATUSES, "holdout")


def downgrade() -> None:
    op.execute("UPDATE experiments SET status = 'stopped' WHERE status = 'holdout'")
    _allow(*_STATUSES)
    op.add_column("epochs", sa.Column("experiment_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_epochs_experiment_id"), "epochs", "experiments", ["experiment_id"], ["id"])
    op.execute("""
        UPDATE epochs SET experiment_id = (routing #>> '{experiments,0,experiment_id}')::uuid,
            routing = routing - 'experiments' || jsonb_build_object('experiment',
            CASE WHEN routing->'experiments' = '[]' THEN 'null'::jsonb
            ELSE jsonb_build_object(
                'experiment_id', routing #> '{experiments,0,experiment_id}',
                'salt', routing #> '{experiments,0,salt}',
                'arms', routing #> '{experiments,0,arms}'
            ) END)
    """)
