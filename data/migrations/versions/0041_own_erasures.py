"""People ask for their own erasure. A function stores the work order, for the gateway and for the command
`data.erasure` alike; a view shows people theirs.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_NAMED = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"

# The row of the person is written first: it is locked until the commit, so of two requests at the same time
# the second finds the order of the first. The row stays after the erasure: otherwise a late write of a
# gateway would create a new one, with the name.
_REQUEST = f"""
CREATE FUNCTION request_erasure(person uuid, api_key text, keeps boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    tenant uuid := {_NAMED};
    work_order uuid;
BEGIN
    INSERT INTO users (id, organisation_id, key_id, consents_to_training)
    VALUES (person, tenant, api_key, false)
    ON CONFLICT (id) DO UPDATE SET external_id = NULL, consents_to_training = false,
        preferred_language = NULL, preferred_transform_type = NULL, preferred_intensity = NULL
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

_OWN = f"""
CREATE VIEW own_erasures WITH (security_barrier) AS
SELECT id, user_id, requested_at, purged_at, finished_at, counts, (
    SELECT count(*) FROM version_orders WHERE erasure_id = erasures.id AND done_at IS NULL
) AS versions_left
FROM erasures WHERE organisation_id = {_NAMED}
"""  # noqa: S608 (nothing of it comes from outside)


def upgrade() -> None:
    op.add_column(
        "erasures",
        sa.Column(
            "keeps_account",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="the person goes on: their account and its sessions stay",
        ),
    )
    op.create_index(
        "uq_erasures_open",
        "erasures",
        ["organisation_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.execute(_REQUEST)
    op.execute("REVOKE EXECUTE ON FUNCTION request_erasure FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION request_erasure TO {ONLINE_ROLE}")
    op.execute(_OWN)
    op.execute(f"GRANT SELECT ON own_erasures TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT (requested_at) ON erasures TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT (requested_at) ON erasures FROM {ONLINE_ROLE}")  # noqa: S608
    op.execute("DROP VIEW own_erasures")
    op.execute("DROP FUNCTION request_erasure")
    op.drop_index("uq_erasures_open", "erasures")
    op.drop_column("erasures", "keeps_account")
