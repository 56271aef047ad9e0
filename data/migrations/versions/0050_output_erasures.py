"""People ask for one of their rewrites to be forgotten. A function stores the work order, for answers of the
person alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

PHASE = "expand"

_NAMED = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"

_REQUEST = f"""
CREATE FUNCTION request_output_erasure(person uuid, answer uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    work_order uuid;
BEGIN
    INSERT INTO output_erasures (id, organisation_id, user_id, output_id)
    SELECT time_ordered_id(), a.organisation_id, a.user_id, a.output_id FROM answers a
    WHERE a.id = answer AND a.user_id = person AND a.organisation_id = {_NAMED}
    ON CONFLICT (user_id, output_id) WHERE finished_at IS NULL DO NOTHING
    RETURNING id INTO work_order;
    IF work_order IS NOT NULL THEN
        PERFORM pg_notify('tonebridge:erasures', work_order::text);
    END IF;
    RETURN work_order;
END
$$
"""  # noqa: S608 (nothing of it comes from outside)


def upgrade() -> None:
    op.create_table(
        "output_erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("output_id", sa.Uuid(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "purged_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when gateways were last asked to empty their caches",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="numbers of removed items so far, by kind",
        ),
        sa.Column(
            "votes",
            postgresql.JSONB(),
            server_default="[]",
            nullable=False,
            comment="ids of the removed votes, by which rows of snapshots are found",
        ),
        sa.Column(
            "versions",
            postgresql.JSONB(),
            server_default="[]",
            nullable=False,
            comment="versions that were trained on these votes: an erasure of the person issues their orders",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_output_erasures_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_output_erasures")),
    )
    op.create_index(op.f("ix_output_erasures_purged_at"), "output_erasures", ["purged_at"])
    op.create_index(op.f("ix_output_erasures_user_id_output_id"), "output_erasures", ["user_id", "output_id"])
    op.create_index(
        "uq_output_erasures_open",
        "output_erasures",
        ["user_id", "output_id"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.execute(
        "GRANT SELECT (organisation_id, user_id, output_id, requested_at, purged_at, finished_at)"
        f" ON output_erasures TO {ONLINE_ROLE}"
    )
    op.execute(_REQUEST)
    op.execute("REVOKE EXECUTE ON FUNCTION request_output_erasure FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION request_output_erasure TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION request_output_erasure")
    op.drop_table("output_erasures")
