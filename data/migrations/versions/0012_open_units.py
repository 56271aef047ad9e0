"""Units whose windows are open in a table of their own: a change of one row among ten million is dear."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "open_units",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False, comment="as in units"),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("variant", sa.String(63), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_open_units_experiment_id")
        ),
        sa.PrimaryKeyConstraint("experiment_id", "unit_id", "period", name=op.f("pk_open_units")),
    )
    op.create_index("ix_open_units_entered_at", "open_units", ["experiment_id", "entered_at"])
    op.execute(
        "INSERT INTO open_units (experiment_id, unit_id, period, epoch, variant, entered_at)"
        " SELECT experiment_id, unit_id, period, epoch, variant, entered_at FROM units WHERE NOT closed"
    )
    op.drop_index("ix_units_open", "units")
    op.drop_column("units", "closed")


def downgrade() -> None:
    op.add_column(
        "units",
        sa.Column("closed", sa.Boolean(), server_default=sa.true(), nullable=False, comment="is in the sums"),
    )
    op.alter_column("units", "closed", server_default=sa.false())
    op.execute(
        "UPDATE units SET closed = false FROM open_units o WHERE units.experiment_id = o.experiment_id"
        " AND units.unit_id = o.unit_id AND units.period = o.period"
    )
    op.create_index(
        "ix_units_open", "units", ["experiment_id", "entered_at"], postgresql_where=sa.text("NOT closed")
    )
    op.drop_table("open_units")
