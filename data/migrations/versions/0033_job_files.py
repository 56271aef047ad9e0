"""Files that jobs have made, in parts."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False, comment="from 0"),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_files_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "part", name=op.f("pk_job_files")),
    )
    op.create_index(op.f("ix_job_files_organisation_id"), "job_files", ["organisation_id"])
    # It is compressed already.
    op.execute("ALTER TABLE job_files ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE job_files ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON job_files FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT ON job_files TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_table("job_files")
