"""Units of experiments without foreign keys, which took a quarter of an analysis's time to check."""

from alembic import op

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None

_TABLES = ("units", "open_units")


def upgrade() -> None:
    for table in _TABLES:
        op.drop_constraint(op.f(f"fk_{table}_experiment_id"), table, type_="foreignkey")


def downgrade() -> None:
    for table in _TABLES:
        op.create_foreign_key(
            op.f(f"fk_{table}_experiment_id"), table, "experiments", ["experiment_id"], ["id"]
        )
