"""Whether a person has closed the tour of the web app; what people say about the app itself."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_NAMED = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def _request_erasure(reset: str) -> str:
    """The function of migration 0041. `reset` are the columns that lose their values with the name."""
    return f"""
CREATE OR REPLACE FUNCTION request_erasure(person uuid, api_key text, keeps boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    tenant uuid := {_NAMED};
    work_order uuid;
BEGIN
    INSERT INTO users (id, organisation_id, key_id, consents_to_training)
    VALUES (person, tenant, api_key, false)
    ON CONFLICT (id) DO UPDATE SET external_id = NULL, consents_to_training = false, {reset}
    WHERE users.organisation_id = tenant;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = 'the person is not of the organisation that is named';
    END IF;
    UPDATE erasures SET keeps_account = keeps_account AND keeps
    WHERE organisation_id = tenant AND user_id = person AND finished_at IS NULL
    RETURNING id INTO work_order;
    IF work_order IS NULL THEN
        INSERT INTO erasures (id, organisation_id, user_id, counts, keeps_account)
        VALUES (time_ordered_id(), tenant, person, '{{}}', keeps)
        RETURNING id INTO work_order;
    END IF;
    PERFORM pg_notify('tonebridge:erasures', work_order::text);
    RETURN work_order;
END
$$
"""  # noqa: S608 (nothing of it comes from outside)


_PREFERRED = "preferred_language = NULL, preferred_transform_type = NULL, preferred_intensity = NULL"


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column(
            "tour_closed",
            sa.Boolean(),
            nullable=True,
            comment="of the web app, for new people; NULL: it was never closed",
        ),
    )
    op.execute(f"GRANT UPDATE (tour_closed) ON users TO {ONLINE_ROLE}")
    op.execute(_request_erasure(f"{_PREFERRED}, tour_closed = NULL"))
    op.create_table(
        "app_feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.String(10), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column(
            "may_answer", sa.Boolean(), nullable=False, comment="admins are shown who wrote it only then"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("about IN ('idea', 'problem', 'praise')", name=op.f("ck_app_feedback_about")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_app_feedback_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_feedback")),
    )
    op.create_index("ix_app_feedback_listed", "app_feedback", ["organisation_id", "id"])
    op.create_index("ix_app_feedback_of_person", "app_feedback", ["user_id", "created_at"])
    op.execute("ALTER TABLE app_feedback ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON app_feedback FOR ALL TO {ONLINE_ROLE}"
        f" USING (organisation_id = {_NAMED}) WITH CHECK (organisation_id = {_NAMED})"
    )
    op.execute(f"GRANT SELECT, INSERT, DELETE ON app_feedback TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_table("app_feedback")
    op.execute(_request_erasure(_PREFERRED))
    op.drop_column("users", "tour_closed")
