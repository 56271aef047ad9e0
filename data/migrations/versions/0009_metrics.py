"""What is measured of each user of an experiment: who entered when, what failed, and sums to which looks add."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE, Xid8

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def _of_arms() -> list[sa.Column]:  # type: ignore[type-arg]
    return [
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("variant", sa.String(63), nullable=False),
    ]


def _of(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_experiment_id")
    return sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=name)


def upgrade() -> None:
    op.add_column(
        "experiments",
        sa.Column(
            "seen_until",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="exposures of older transactions have been counted",
        ),
    )
    op.add_column(
        "exposures",
        sa.Column("transaction", Xid8(), server_default=sa.func.pg_current_xact_id(), nullable=False),
    )
    op.create_index("ix_exposures_transaction", "exposures", ["experiment_id", "transaction"])
    op.add_column(
        "feedback",
        sa.Column(
            "edit_distance", sa.Float(), nullable=True, comment="share of the output that an edit changes"
        ),
    )
    op.drop_index("ix_feedback_experiment_id", "feedback")
    op.create_index("ix_feedback_experiment_id", "feedback", ["experiment_id", "created_at"])
    op.create_table(
        "failures",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of_arms(),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _of("failures"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failures")),
    )
    op.create_index("ix_failures_experiment_id", "failures", ["experiment_id", "id"])
    op.execute("ALTER TABLE failures ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY mine ON failures FOR SELECT TO {ONLINE_ROLE} USING ({_MINE})")
    op.execute(f"CREATE POLICY written ON failures FOR INSERT TO {ONLINE_ROLE} WITH CHECK (true)")
    op.execute(f"GRANT SELECT, INSERT ON failures TO {ONLINE_ROLE}")
    op.create_table(
        "units",
        *_of_arms(),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "period",
            sa.Integer(),
            nullable=False,
            comment="in a holdout the epoch, since each champion is measured anew; else 0",
        ),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "moved",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="was later exposed to another arm",
        ),
        sa.Column(
            "closed", sa.Boolean(), server_default=sa.false(), nullable=False, comment="is in the sums"
        ),
        _of("units"),
        sa.PrimaryKeyConstraint("experiment_id", "unit_id", "period", name=op.f("pk_units")),
    )
    op.create_index(
        "ix_units_open", "units", ["experiment_id", "entered_at"], postgresql_where=sa.text("NOT closed")
    )
    op.create_table(
        "arm_counts",
        *_of_arms(),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("exposed", "moved", "closed")
        ),
        _of("arm_counts"),
        sa.PrimaryKeyConstraint("experiment_id", "epoch", "variant", name=op.f("pk_arm_counts")),
    )
    op.create_table(
        "metric_sums",
        *_of_arms(),
        sa.Column("metric", sa.String(40), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False, comment="of a latency; else 0"),
        sa.Column("n", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Numeric(), nullable=False) for name in ("x", "xx", "y", "yy", "xy")),
        _of("metric_sums"),
        sa.PrimaryKeyConstraint(
            "experiment_id", "epoch", "variant", "metric", "bin", name=op.f("pk_metric_sums")
        ),
    )


def downgrade() -> None:
    for table in ("metric_sums", "arm_counts", "units", "failures"):
        op.drop_table(table)
    op.drop_index("ix_feedback_experiment_id", "feedback")
    op.create_index("ix_feedback_experiment_id", "feedback", ["experiment_id"])
    op.drop_column("feedback", "edit_distance")
    op.drop_index("ix_exposures_transaction", "exposures")
    op.drop_column("exposures", "transaction")
    op.drop_column("experiments", "seen_until")
