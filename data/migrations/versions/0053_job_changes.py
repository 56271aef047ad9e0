"""Who tried dead jobs again, cancelled batches, and took exports."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

PHASE = "expand"

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "job_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False, comment="of the jobs"),
        sa.Column("jobs", sa.Integer(), nullable=False, comment="how many"),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="the only one; NULL: there may be several"),
        sa.Column("batch_id", sa.Uuid(), nullable=True, comment="the batch that they are of"),
        sa.Column("webhook_id", sa.Uuid(), nullable=True, comment="the webhook that they deliver to"),
        sa.Column(
            "changed_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_job_changes_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_changes")),
    )
    op.create_index("ix_job_changes_listed", "job_changes", ["organisation_id", "id"])
    op.execute("ALTER TABLE job_changes ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON job_changes FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT ON job_changes TO {ONLINE_ROLE}")  # a gateway rewrites no history


def downgrade() -> None:
    op.drop_table("job_changes")
